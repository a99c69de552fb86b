"""Groups of texts that people can tell apart by their names: named, put right by these, joined, named again.

Pure. A name is all that a person sees of a theme in a list, and where to look for a text is decided by it. How
well a text fits a name is its likeness to it, and COMMON_WORDS of the words of a phrase that are in the text.

*Put right*: a text goes to the group whose centre it is near and whose name it fits. So what people would look for
under a name lies there.

*Joined*: two groups may lie well apart and still have names under which anyone would look for the same texts; then
there is one theme with two entries, and numbers that belong together stand apart. Each text is put to the name it
fits best, as a reader would do it. With n(ab) the texts of group a that name b claims, and n(a) all of a, two
groups are confused as far as

    (n(ab) + n(ba)) / √(n(a) · n(b))

which is large where names claim each other's texts, measured by both sizes, so that a large group does not swallow
every small one that lies beside it. The most confused pair is joined until none is confused by more than CONFUSED.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nlp.model import Vectors, unit_rows
from nlp.theme_names import Alike, Read, Said, names
from nlp.theme_phrases import key_of, stems
from nlp.themes import Ints, centres

CONFUSED: Final = 0.25
COMMON_WORDS: Final = 0.5
"""What all words of one of a name's phrases count beside a cosine of 1."""
LEANING: Final = 0.5
"""What fitting the name counts beside likeness to the centre. These three were chosen on readings of names
(benchmarks/README.md)."""
ROUNDS: Final = 3
"""Of naming, putting right and joining at most; new names may be confused anew."""


@dataclass(frozen=True, slots=True)
class Named:
    """Groups with names."""

    group: Ints
    """Of each row its group, -1 for none; numbers have gaps where groups were joined."""
    called: dict[int, str]
    """The name of each that has rows that are shown, empty where its people share no word."""
    leaning: dict[int, Vectors]
    """Of each with a name the row that attracts what belongs to it: its centre, drawn towards the name."""


def named(
    rows: Vectors,
    said: Sequence[Said],
    group: Ints,
    *,
    alike: Alike,
    taken: Sequence[str] = (),
    shown: npt.NDArray[np.bool_] | None = None,
) -> Named:
    """Groups with a name for each that people can tell from the others'.

    `group`: of each row its group, -1 for none. `shown`: the rows that names are made from, all by default; the
    others follow their groups. `taken`: names that none may have.
    """
    seen = np.ones(len(rows), dtype=bool) if shown is None else shown
    words = [stems(one.text) for one in said]
    alike = remembering(alike)
    read = Read()
    called = _called(rows, said, group, seen, alike, taken, read)
    for _ in range(ROUNDS):
        fits = _Fits.of(rows, words, called, alike)
        right = fits.put_right(rows, group, seen)
        into = fits.told_apart(np.where(seen, right, -1))
        right = np.array([into.get(number, number) for number in right.tolist()], dtype=np.int64)
        if np.array_equal(right, group):
            break
        group = right
        called = _called(rows, said, group, seen, alike, taken, read)
    return Named(group, called, leaning(centres(rows, np.where(seen, group, -1)), called, alike))


def remembering(alike: Alike, *, most: int = 5_000) -> Alike:
    """The same, reading no phrase twice, as long as there are not more than `most`: rounds and lots share them."""
    known: dict[str, Vectors] = {}

    def rows_of(texts: Sequence[str]) -> Vectors:
        if len(known) > most:
            known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, alike(new) if new else (), strict=True))
        return np.stack([known[text] for text in texts])

    return rows_of


def leaning(middle: Vectors, called: dict[int, str], alike: Alike) -> dict[int, Vectors]:
    """Centres drawn towards their names; a row without a name is left out."""
    numbers = [number for number, name in called.items() if name]
    if not numbers:
        return {}
    drawn = unit_rows(middle[numbers] + LEANING * alike([called[number] for number in numbers]))
    return dict(zip(numbers, drawn, strict=True))


def _called(
    rows: Vectors,
    said: Sequence[Said],
    group: Ints,
    seen: npt.NDArray[np.bool_],
    alike: Alike,
    taken: Sequence[str],
    read: Read,
) -> dict[int, str]:
    group = np.where(seen, group, -1)
    numbers = np.unique(group[group >= 0]).tolist()
    found = names(
        [[said[at] for at in np.flatnonzero(group == number).tolist()] for number in numbers],
        others=[said[at].text for at in np.flatnonzero(seen & (group < 0)).tolist()],
        taken=taken,
        alike=alike,
        middle=centres(rows, group)[numbers],
        read=read,
    )
    return dict(zip(numbers, found, strict=True))


@dataclass(frozen=True, slots=True)
class _Fits:
    """How well texts fit names."""

    numbers: list[int]
    """The groups that have one."""
    of_name: npt.NDArray[np.float64]
    """By text and name."""

    @classmethod
    def of(cls, rows: Vectors, words: Sequence[frozenset[str]], called: dict[int, str], alike: Alike) -> _Fits:
        numbers = [number for number, name in called.items() if name]
        if not numbers:
            return cls(numbers, np.zeros((len(rows), 0)))
        texts_of: dict[str, list[int]] = defaultdict(list)
        for row, own in enumerate(words):
            for word in own:
                texts_of[word].append(row)
        common = np.zeros((len(rows), len(numbers)))
        for column, number in enumerate(numbers):
            for key in filter(None, map(key_of, called[number].split(","))):
                shared = np.zeros(len(rows))
                for word in key:
                    shared[texts_of.get(word, [])] += 1
                np.maximum(common[:, column], shared / len(key), out=common[:, column])
        meant = rows @ alike([called[number] for number in numbers]).T
        return cls(numbers, meant + COMMON_WORDS * common)

    def put_right(self, rows: Vectors, group: Ints, seen: npt.NDArray[np.bool_]) -> Ints:
        """Each row of these groups in the one that attracts it most."""
        if len(self.numbers) < 2:
            return group
        middle = centres(rows, np.where(seen, group, -1))[self.numbers]
        best = np.array(self.numbers, dtype=np.int64)[(rows @ middle.T + LEANING * self.of_name).argmax(axis=1)]
        return np.where(np.isin(group, self.numbers), best, group)

    def told_apart(self, group: Ints) -> dict[int, int]:
        """For each group the one that it is joined to: of those with it the largest, mostly itself."""
        claims = self.of_name.argmax(axis=1) if self.numbers else np.zeros(0, dtype=np.int64)
        claimed = np.zeros((len(self.numbers), len(self.numbers)))
        for at, number in enumerate(self.numbers):
            claimed[at] = np.bincount(claims[group == number], minlength=len(self.numbers))
        into = joined(claimed, claimed.sum(axis=1))
        return {number: self.numbers[of] for number, of in zip(self.numbers, into, strict=True)}


def joined(claimed: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]) -> list[int]:
    """To which group each goes; the most confused pair first, then with what both together claim.

    `claimed`: of the texts of each group (row) how many each name (column) claims; `sizes` of the groups.
    """
    claimed, sizes = claimed.copy(), sizes.copy()
    into = list(range(len(sizes)))
    while len(sizes) > 1:
        confused = (claimed + claimed.T) / np.sqrt(np.maximum(np.outer(sizes, sizes), 1e-9))
        np.fill_diagonal(confused, 0.0)
        first, second = sorted(int(one) for one in np.unravel_index(int(confused.argmax()), confused.shape))
        if confused[first, second] < CONFUSED:
            break
        kept, gone = (first, second) if sizes[first] >= sizes[second] else (second, first)
        claimed[kept] += claimed[gone]
        claimed[:, kept] += claimed[:, gone]
        claimed[gone], claimed[:, gone] = 0.0, 0.0
        sizes[kept] += sizes[gone]
        sizes[gone] = 0.0
        into = [kept if number == gone else number for number in into]
    return into
