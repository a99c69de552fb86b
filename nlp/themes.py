"""Recurring groups among short texts: found, kept up, matched with what was found before.

Pure: rows of length one in (see nlp/likeness.py), numbers of groups out; the same rows give the same groups.

- *Found*: each row is drawn towards its nearest neighbours (as in a graph convolution without weights: F. Wu et
  al., "Simplifying graph convolutional networks", 2019), Ward's method (J. Ward, JASA 58, 1963) builds the tree
  over them, and fine groups whose centres lie near each other are joined by average linkage. Where exactly so many
  groups are asked for, how often two rows share a group in several such trees, each cut in several places, tells
  with their cosine how near they are, and average linkage makes the groups (evidence accumulation: A. Fred,
  A. Jain, IEEE TPAMI 27, 2005). SAMPLE rows at most.
- *Kept up*: a new row goes to the nearest centre that is near enough: one product of matrices.
- *Matched*: new groups are paired with earlier ones by the members that they share, largest share first.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform

from nlp.model import Vectors, unit_rows

Ints = npt.NDArray[np.int64]

SAMPLE: Final = 2_000
"""Rows among which groups are looked for: time and memory grow with its square (at 2,000: 0.3 s, 60 MB)."""
LEAST: Final = 4
"""Members that make a group."""
LEAST_SHARE: Final = 0.02
"""Of the rows that a group has at least: more groups than a person can tell apart by their names help nobody."""
VIEW: Final = (5, 2)
"""Rows towards which a row is drawn, and how often."""
VIEWS: Final = ((3, 1), VIEW, (10, 4))
"""The same for each of several trees."""
CUTS: Final = (0.75, 1.0, 1.4, 2.0)
"""Where each of these is cut, in groups wanted."""
NEIGHBOURHOOD: Final = 10
"""Rows that tell how sure a row's group is."""
ALONE: Final = 0.1
"""A row of whose neighbourhood less than this share is in its group belongs to none."""
JOIN: Final = 0.55
"""Centres that are this alike (cosine) are one group."""
FINE: Final = 9
"""Mean size of the fine groups that the joining starts from."""
SMALL_FINE, MOST_SMALL = 3, 40
"""The same where there are few rows, up to so many groups."""
NEAR: Final = 0.22
"""A row belongs to a centre from this cosine on, or from what nearly all of the centre's own members reach."""
NEAR_WORDS: Final = 0.1
"""The same where only the words part of a row is known."""
SPLIT_BELOW, MERGE_ABOVE = 0.45, 0.75
"""How alike the centres of a group's parts may be at most for it to split, and of two groups at least to merge."""
KEPT: Final = 0.95
"""Of a group's own members that always stay with it, however loose it is."""


def find(rows: Vectors, *, groups: int | None = None) -> Ints:
    """The group of each row, -1 for none; groups are numbered by size, largest first.

    `groups`: exactly so many (or one a row, where there are fewer rows), and every row in one of them.
    """
    count = len(rows)
    if groups is not None and count <= groups:
        return np.arange(count, dtype=np.int64)
    if count < LEAST:
        return np.full(count, -1, dtype=np.int64)
    neighbours = _Neighbours.of(rows)
    if groups is not None:
        return _by_size(_cut(rows, neighbours, groups), least=1)
    fine = max(1, count // FINE, min(count // SMALL_FINE, MOST_SMALL))
    found = _joined(rows, _groups_of(_tree(rows, neighbours, *VIEW), fine))
    # whoever is left alone may still belong to one of the groups
    found = _by_size(found, least=max(LEAST, ceil(LEAST_SHARE * count)))
    if found.max(initial=-1) < 0:
        return found
    near = nearest(rows, centres(rows, found))
    found = np.where(found >= 0, found, near.group)
    return _by_size(_without_strays(rows, found, neighbours), least=LEAST)


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """Of each row those most alike, nearest first."""

    rows: Ints
    alike: Vectors
    """Cosine, 0 where it is negative."""

    @classmethod
    def of(cls, rows: Vectors) -> _Neighbours:
        count = min(NEIGHBOURHOOD, len(rows) - 1)
        alike = rows @ rows.T
        np.fill_diagonal(alike, -1.0)
        others = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(alike, others, axis=1)
        order = np.argsort(-near, axis=1, kind="stable")
        return cls(
            np.take_along_axis(others, order, axis=1),
            np.maximum(np.take_along_axis(near, order, axis=1), 0.0),
        )

    def agree(self, group: Ints) -> npt.NDArray[np.float32]:
        """Of each row the share of its neighbourhood that is in its group, weighted by likeness."""
        same = group[self.rows] == group[:, None]
        return np.asarray((self.alike * same).sum(axis=1) / np.maximum(self.alike.sum(axis=1), 1e-9))


def agreement(rows: Vectors, group: Ints) -> npt.NDArray[np.float32]:
    """How sure each row's group is, 0 to 1; every row is in one.

    The mean of two shares: of what lies nearest to it what is in the same group (the rows nearest to a row have
    its label more often than the centre of its group tells: T. Cover, P. Hart, "Nearest neighbor pattern
    classification", 1967), and how often it shares a group with the other members in the trees.
    """
    neighbours = _Neighbours.of(rows)
    same = group[:, None] == group
    np.fill_diagonal(same, False)
    together = _together(rows, neighbours, int(group.max(initial=0)) + 1)
    of_trees = (together * same).sum(axis=1) / np.maximum(same.sum(axis=1), 1)
    return np.asarray((neighbours.agree(group) + of_trees) / 2, dtype=np.float32)


def _cut(rows: Vectors, neighbours: _Neighbours, groups: int) -> Ints:
    """So many groups of rows that share one in most trees and are alike."""
    apart = 2.0 - _together(rows, neighbours, groups) - rows @ rows.T
    np.fill_diagonal(apart, 0.0)
    near = squareform(np.maximum(apart, 0.0, out=apart).astype(np.float64), checks=False)
    return _groups_of(linkage(near, "average"), groups)


def _groups_of(tree: Any, most: int) -> Ints:
    return np.asarray(fcluster(tree, most, "maxclust").astype(np.int64) - 1)


def _tree(rows: Vectors, neighbours: _Neighbours, others: int, rounds: int) -> Any:
    return linkage(_distances(_drawn_together(rows, neighbours, others, rounds)), "ward")


def _together(rows: Vectors, neighbours: _Neighbours, groups: int) -> Vectors:
    """How often each pair of rows shares a group, 0 to 1, where about so many groups are wanted."""
    found = np.zeros((len(rows), len(rows)), dtype=np.float32)
    for view in VIEWS:
        tree = _tree(rows, neighbours, *view)
        for share in CUTS:
            group = _groups_of(tree, max(2, min(len(rows) - 1, round(share * groups))))
            found += group[:, None] == group
    found /= len(VIEWS) * len(CUTS)
    return found


def _drawn_together(rows: Vectors, neighbours: _Neighbours, most: int, rounds: int) -> Vectors:
    others = neighbours.rows[:, :most]
    weights = neighbours.alike[:, :most] ** 2
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    ends = np.arange(0, others.size + 1, others.shape[1])
    mean_of = csr_array((weights.ravel(), others.ravel(), ends), shape=(len(rows), len(rows)))
    drawn = rows
    for _ in range(rounds):
        drawn = unit_rows(0.5 * drawn + 0.5 * (mean_of @ drawn))
    return drawn


def _distances(rows: Vectors) -> npt.NDArray[np.float64]:
    """Euclidean ones between all pairs, as scipy lists them; by one product, in a third of `pdist`'s time."""
    apart = rows @ rows.T
    squares = np.diagonal(apart).copy()
    apart *= -2
    apart += squares
    apart += squares[:, None]
    np.fill_diagonal(apart, 0.0)
    found: npt.NDArray[np.float64] = squareform(apart, checks=False).astype(np.float64)
    return np.sqrt(np.maximum(found, 0.0, out=found), out=found)  # rounding leaves equal rows a little below 0


def _joined(rows: Vectors, fine: Ints) -> Ints:
    middle = centres(rows, fine)
    if len(middle) < 2:
        return fine
    tree = linkage(middle.astype(np.float64), "average", metric="cosine")
    coarse = fcluster(tree, 1 - JOIN, "distance").astype(np.int64) - 1
    return np.asarray(coarse[fine])


def _without_strays(rows: Vectors, group: Ints, neighbours: _Neighbours) -> Ints:
    """Members that lie far from their centre, and are not needed to keep nearly all of it, belong to none.

    Nor do those among whose neighbours hardly one is a member.
    """
    middle = centres(rows, group)
    inside = group >= 0
    alike = np.full(len(rows), 1.0, dtype=np.float32)
    alike[inside] = np.einsum("ij,ij->i", rows[inside], middle[group[inside]])
    found = group.copy()
    found[inside & (neighbours.agree(group) < ALONE)] = -1
    for number in range(len(middle)):
        own = np.flatnonzero(group == number)
        floor = min(NEAR, float(np.quantile(alike[own], 1 - KEPT)))
        found[own[alike[own] < floor]] = -1
    return found


def _by_size(group: Ints, *, least: int) -> Ints:
    """Groups numbered by size, then by their first row; those below `least` members dissolved."""
    sizes = np.bincount(group[group >= 0])
    first = np.full(len(sizes), len(group))
    for row in range(len(group) - 1, -1, -1):
        if group[row] >= 0:
            first[group[row]] = row
    order = sorted(
        (number for number in range(len(sizes)) if sizes[number] >= max(least, 1)),
        key=lambda number: (-sizes[number], first[number]),
    )
    new = np.full(len(sizes) + 1, -1, dtype=np.int64)
    new[order] = np.arange(len(order))
    return np.asarray(np.where(group >= 0, new[group], -1))


def centres(rows: Vectors, group: Ints) -> Vectors:
    """The middle of each group, of length one; groups without rows have a row of zeros."""
    count = int(group.max(initial=-1)) + 1
    sums = np.zeros((count, rows.shape[1]), dtype=np.float64)
    inside = np.flatnonzero(group >= 0)
    if len(inside):
        order = inside[np.argsort(group[inside], kind="stable")]
        present, first = np.unique(group[order], return_index=True)
        sums[present] = np.add.reduceat(rows[order].astype(np.float64), first, axis=0)
    return unit_rows(sums)


@dataclass(frozen=True, slots=True)
class Nearest:
    """Of each row the nearest centre."""

    group: Ints
    """Its number; -1 where none is near enough."""
    alike: npt.NDArray[np.float32]
    """Cosine."""


def nearest(rows: Vectors, middle: Vectors, *, words: int | None = None) -> Nearest:
    """The nearest centre of each row.

    `words`: only so many columns, from the front, are known of the rows (their words part); centres are then
    compared by these alone.
    """
    if not len(middle) or not len(rows):
        return Nearest(np.full(len(rows), -1, dtype=np.int64), np.zeros(len(rows), dtype=np.float32))
    if words is None:
        alike, floor = rows @ middle.T, NEAR
    else:
        alike, floor = unit_rows(rows[:, :words]) @ unit_rows(middle[:, :words]).T, NEAR_WORDS
    group = alike.argmax(axis=1).astype(np.int64)
    best = alike[np.arange(len(rows)), group]
    return Nearest(np.where(best >= floor, group, -1), best.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Match:
    """How new groups continue earlier ones."""

    continues: dict[int, int]
    """New group to the earlier one whose identity it keeps."""
    split_from: dict[int, int]
    """New groups without an earlier identity to the earlier one that most of their members came from."""
    merged_into: dict[int, int]
    """Earlier groups that ended to the new one that most of their members went to."""
    stay: frozenset[int] = frozenset()
    """Earlier groups that go on as they were although no new one continues them."""


def settled(rows: Vectors, earlier: Ints, group: Ints) -> tuple[Ints, Match]:
    """New groups matched with earlier ones, where only what is plainly different splits and plainly alike merges.

    Between the two everything stays as it was: a theme must not come and go with what arrives on a day. The groups
    as they are then, and the match.
    """
    found = match(earlier, group)
    new_of = {old: new for new, old in found.continues.items()}
    middle = centres(rows, group)
    group = group.copy()
    for new, old in found.split_from.items():
        if old in new_of and float(middle[new] @ middle[new_of[old]]) >= SPLIT_BELOW:
            group[group == new] = new_of[old]
    before = {old: unit_rows(rows[earlier == old].sum(axis=0, keepdims=True))[0] for old in found.merged_into}
    stay = frozenset(
        old for old, new in found.merged_into.items() if float(before[old] @ middle[new]) < MERGE_ABOVE
    )
    return group, Match(
        found.continues,
        {new: old for new, old in found.split_from.items() if np.any(group == new)},
        {old: new for old, new in found.merged_into.items() if old not in stay},
        stay,
    )


def match(earlier: Ints, group: Ints, *, least_share: float = 0.3) -> Match:
    """Pair new groups with earlier ones; both number the same rows, below 0 for none.

    Pairs are taken by the members that they share, most first, where these are at least `least_share` of either;
    an earlier identity goes to one new group only. Earlier numbers may have gaps.
    """
    both = (earlier >= 0) & (group >= 0)
    pairs, shared = np.unique(np.stack([earlier[both], group[both]], axis=1), axis=0, return_counts=True)
    size_before = dict(zip(*_counts(earlier), strict=True))
    size_after = dict(zip(*_counts(group), strict=True))
    ordered = sorted(
        ((int(n), int(old), int(new)) for (old, new), n in zip(pairs, shared, strict=True)),
        key=lambda one: (-one[0], one[1], one[2]),
    )
    continues: dict[int, int] = {}
    taken: set[int] = set()
    split_from: dict[int, int] = {}
    merged_into: dict[int, int] = {}
    for n, old, new in ordered:
        if n >= least_share * min(size_before[old], size_after[new]) and new not in continues and old not in taken:
            continues[new] = old
            taken.add(old)
    for n, old, new in ordered:
        if new not in continues and 2 * n >= size_after[new]:
            split_from.setdefault(new, old)
        if old not in taken and 2 * n >= size_before[old]:
            merged_into.setdefault(old, new)
    return Match(continues, split_from, merged_into)


def _counts(numbers: Ints) -> tuple[list[int], list[int]]:
    found, counts = np.unique(numbers[numbers >= 0], return_counts=True)
    return found.tolist(), counts.tolist()


def unassigned_share(group: Any) -> float:
    """The share of rows in no group."""
    return float(np.mean(np.asarray(group) < 0)) if len(group) else 0.0
