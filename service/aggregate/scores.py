"""Scores and net sentiment with their intervals over respondents.

Formulas
- Net sentiment: share of positive minus share of negative items, -100 to 100; mixed and neutral count as 0.
- NPS: share of 9 and 10 minus share of 0 to 6 (F. Reichheld, "The one number you need to grow", Harvard Business
  Review, December 2003), -100 to 100. Scales that do not end at 10 are stretched to 0–10 first.
- CSAT: share of answers in the upper quarter of the scale in percent, which on five points are the top two boxes;
  beside it the mean, stretched to 1–5.
- CES: mean, stretched to 1–7, where 7 is the least effort ("made it easy", Dixon, Freeman, Toman, "Stop trying
  to delight your customers", Harvard Business Review, July 2010, in the direction of the later CES 2.0).
- Stars: mean, stretched to 1–5.
- Interval: what one respondent says twice is not two independent facts, so the unit is the respondent. The mean is
  the ratio of two respondent totals; its variance is m/(m-1) · Σ(S_c - r·N_c)²/N² over the m respondents
  (W. G. Cochran, "Sampling Techniques", 3rd ed. 1977, ch. 6; L. Kish, "Survey Sampling", 1965, ch. 6).
  With the mean y on its scale as a share of [0, 1] this gives an effective number of answers y(1-y)/variance (the
  number of respondents where all agree), which goes into the score interval of E. B. Wilson (JASA 22, 1927) with
  the t quantile of m-1 degrees of freedom: it never leaves the scale and holds for few respondents. With fewer
  than two respondents the interval is the whole scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Array = NDArray[Any]
LEVEL = 0.95
NPS_PROMOTER, NPS_DETRACTOR = 9.0, 6.0
FEW_GROUPS = 64  # up to here one look at each group's part is quicker than one at all of them
CSAT_BOX = 0.75  # of the scale


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over the respondents of each group, one entry a group: enough for a mean and its variance."""

    n: Array  # items
    total: Array  # of the value
    clusters: Array  # respondents
    squares: Array  # Σ S_c²
    products: Array  # Σ S_c N_c
    sizes: Array  # Σ N_c²

    def __getitem__(self, groups: Any) -> Moments:
        return Moments(*(getattr(self, name)[groups] for name in self.__slots__))


def moments(value: Array, group: Array, cluster: Array, *, groups: int) -> Moments:
    """Sum a value over respondents and groups, given for each item with its group (below `groups`)."""
    sums = respondent_sums(value, group, cluster, groups=groups)
    counts, totals = sums.counts.astype(np.float64), sums.totals
    if groups > FEW_GROUPS:

        def over(weights: Array) -> Array:
            return np.bincount(sums.group, weights, minlength=groups)

        products = (counts, totals, np.ones(len(counts)), totals**2, totals * counts, counts**2)
        return Moments(*(over(weights) for weights in products))
    edges = np.searchsorted(sums.group, np.arange(groups + 1))
    parts = [(counts[a:b], totals[a:b]) for a, b in pairwise(edges.tolist())]
    return Moments(
        n=np.array([n.sum() for n, _ in parts]),
        total=np.array([s.sum() for _, s in parts]),
        clusters=np.diff(edges).astype(np.float64),
        squares=np.array([np.einsum("i,i->", s, s) for _, s in parts]),
        products=np.array([np.einsum("i,i->", s, n) for n, s in parts]),
        sizes=np.array([np.einsum("i,i->", n, n) for n, _ in parts]),
    )


@dataclass(frozen=True, slots=True)
class RespondentSums:
    """One entry for each group and respondent with rows in it."""

    group: Array
    cluster: Array
    counts: Array
    totals: Array


def respondent_sums(value: Array, group: Array, cluster: Array, *, groups: int) -> RespondentSums:
    """Count rows and add their values by group and respondent.

    Quickest where rows come ordered by group and respondent, quick where they are ordered by respondent.
    """
    if not len(group):
        none = np.empty(0, np.int64)
        return RespondentSums(none, none, none, np.empty(0))
    order = order_by(group, cluster, groups=groups)
    if order is not None:
        group, cluster, value = group[order], cluster[order], value[order]
    starts = np.flatnonzero(np.r_[True, (group[1:] != group[:-1]) | (cluster[1:] != cluster[:-1])])
    counts = np.diff(np.r_[starts, len(group)])
    return RespondentSums(group[starts], cluster[starts], counts, np.add.reduceat(value, starts))


def order_by(group: Array, cluster: Array, *, groups: int) -> Array | None:
    """The order by group and respondent; None for rows that already have it."""
    key = group.astype(np.int64) << 32
    key += cluster
    falls = int(np.count_nonzero(key[1:] < key[:-1]))
    if not falls:
        return None
    if 64 * falls < len(key):  # as when a little was added: a merge of its few runs
        return np.argsort(key, kind="stable")
    order = None if ordered(cluster) else order_of(cluster)
    small = group.astype(np.uint8 if groups <= 2**8 else np.uint16 if groups <= 2**16 else np.int64)
    # a stable sort of small numbers takes one walk through memory, and leaves respondents in order in a group
    if order is None:
        return np.argsort(small, kind="stable")
    return np.asarray(order[np.argsort(small[order], kind="stable")])


def ordered(numbers: Array) -> bool:
    """Whether numbers never go down."""
    return bool((numbers[1:] >= numbers[:-1]).all())


def order_of(numbers: Array) -> Array:
    """The stable order of numbers from 0 below 2³², by their lower and then their upper half."""
    lower = np.argsort((numbers & 0xFFFF).astype(np.uint16), kind="stable")
    upper = (numbers >> 16).astype(np.uint16)[lower]
    return np.asarray(lower[np.argsort(upper, kind="stable")])


def repeated_in(group: Array, cluster: Array, *, clusters: int) -> tuple[Array, Array]:
    """The group and the number of rows of every respondent with more than one row in a group."""
    key = group.astype(np.int64) * clusters + cluster
    # numbers are sorted much quicker than their order is found, and short ones quicker still
    key = np.sort(key.astype(np.uint32) if len(key) and key.max() < 2**32 else key)
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.empty(0, np.int64)
    counts = np.diff(np.r_[starts, len(key)])
    again = np.flatnonzero(counts > 1)
    return (key[starts[again]] // max(clusters, 1)).astype(np.int64), counts[again]


def estimates(
    of: Moments, *, low: float, high: float, scale: float = 1.0, digits: int = 4
) -> list[dict[str, Any]]:
    """The mean of each group with its interval: {"value", "low", "high", "n", "respondents"}.

    `low` and `high` bound the value; `scale` multiplies what is answered. Empty groups answer null.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = of.total / of.n
        spread = of.squares - 2 * mean * of.products + mean**2 * of.sizes
        variance = of.clusters / (of.clusters - 1) * np.maximum(spread, 0) / of.n**2 / (high - low) ** 2
        y = np.clip((mean - low) / (high - low), 0, 1)
        worth = np.where(variance > 1e-12, y * (1 - y) / variance, of.clusters)
        worth = np.maximum(worth, 1e-9)
        t2 = stdtrit(np.maximum(of.clusters - 1, 1), 0.5 + LEVEL / 2) ** 2
        centre = (y + t2 / (2 * worth)) / (1 + t2 / worth)
        half = np.sqrt(t2 * (y * (1 - y) / worth + t2 / (4 * worth**2))) / (1 + t2 / worth)
    whole = of.clusters < 2
    below = np.where(whole, 0.0, np.clip(np.minimum(centre - half, y), 0, 1))
    above = np.where(whole, 1.0, np.clip(np.maximum(centre + half, y), 0, 1))
    found = []
    for g in range(len(of.n)):
        n = int(of.n[g])
        answer: dict[str, Any] = {
            "value": None,
            "low": None,
            "high": None,
            "n": n,
            "respondents": int(of.clusters[g]),
        }
        if n:
            shown = [mean[g], low + below[g] * (high - low), low + above[g] * (high - low)]
            answer |= dict(
                zip(("value", "low", "high"), (round(float(x) * scale, digits) for x in shown), strict=True)
            )
        found.append(answer)
    return found


@dataclass(frozen=True, slots=True)
class ScoreKind:
    """How answers of one kind become a value, and the bounds of that value."""

    low: float
    high: float
    scale: float  # of what is answered

    def answer(self, of: Moments) -> list[dict[str, Any]]:
        """The score of each group."""
        return estimates(of, low=self.low, high=self.high, scale=self.scale, digits=2)


KINDS: dict[str, ScoreKind] = {
    "nps": ScoreKind(-1, 1, 100),
    "csat": ScoreKind(0, 1, 100),
    "csat_mean": ScoreKind(1, 5, 1),
    "ces": ScoreKind(1, 7, 1),
    "stars": ScoreKind(1, 5, 1),
}
SHOWN = ("nps", "csat", "ces", "stars")


def score_values(kind: str, value: Array, scale_min: Array, scale_max: Array) -> Array:
    """Answers on their own scales as the values that `KINDS[kind]` averages."""
    share = (value - scale_min) / (scale_max - scale_min)
    if kind == "nps":
        ten = np.where(scale_max == 10, value, share * 10)
        return np.asarray(np.where(ten >= NPS_PROMOTER, 1.0, np.where(ten <= NPS_DETRACTOR, -1.0, 0.0)))
    if kind == "csat":
        return np.asarray(share >= CSAT_BOX - 1e-9, dtype=np.float64)
    bounds = KINDS[kind]
    return np.asarray(bounds.low + share * (bounds.high - bounds.low))
