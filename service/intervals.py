"""Intervals of shares, in one place for every stage that shows a share.

Formulas
- Share: the score interval of E. B. Wilson, "Probable inference, the law of succession, and statistical
  inference", JASA 22 (1927). It stays inside [0, 1] and holds for small n and for shares near 0 or 1, where the
  textbook interval fails (Brown, Cai, DasGupta, "Interval estimation for a binomial proportion", 2001).
- Respondents who repeat: what one person says twice is not two independent facts. n is replaced by the effective
  sample size p(1-p)/v, where v is the linearised variance of the ratio of two cluster totals (L. Kish, "Survey
  Sampling", 1965, ch. 6); Wilson with an effective n is examined by Dean and Pagano, "Evaluating confidence
  interval methods for binomial proportions in clustered surveys" (2015).
- Difference of two shares: R. G. Newcombe's hybrid of two score intervals, "Interval estimation for the
  difference between independent proportions", Statistics in Medicine 17 (1998), method 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds of its confidence interval, all in the same unit."""

    value: float
    low: float
    high: float


@lru_cache(maxsize=256)
def z_of(level: float) -> float:
    """The two-sided normal quantile of a confidence level, e.g. 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def share_interval(share: float, n: float, *, level: float = LEVEL) -> Interval:
    """Wilson's interval of a share observed in `n` (effective) independent units; [0, 1] where n is 0."""
    if n <= 0:
        return Interval(share, 0.0, 1.0)
    z = z_of(level)
    spread = z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / n + spread / (4 * n))
    # at shares 0 and 1 rounding may push a bound past the share itself
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def share_bounds(share: Floats, n: Floats, *, z: Floats | float | None = None) -> tuple[Floats, Floats]:
    """Lower and upper bounds of `share_interval` for many shares at once; `z` in place of the level's quantile."""
    z = z_of(LEVEL) if z is None else z
    known = n > 0
    n = np.where(known, n, 1.0)
    spread = z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(share * (1 - share) / n + spread / (4 * n))
    low = np.where(known, np.maximum(0.0, np.minimum(share, centre - half)), 0.0)
    return low, np.where(known, np.minimum(1.0, np.maximum(share, centre + half)), 1.0)


def effective_n(hits: Floats, sizes: Floats) -> float:
    """How many independent units a share over respondents is worth.

    `hits` and `sizes` hold one entry per respondent: items with the property, and items.
    """
    return effective_n_of_sums(
        clusters=len(sizes),
        total=float(sizes.sum()),
        hits=float(hits.sum()),
        hits_squared=float((hits**2).sum()),
        hits_by_size=float((hits * sizes).sum()),
        sizes_squared=float((sizes**2).sum()),
    )


def effective_n_of_sums(
    *, clusters: int, total: float, hits: float, hits_squared: float, hits_by_size: float, sizes_squared: float
) -> float:
    """`effective_n` from sums over respondents, which cost nothing for those without a hit.

    Never more than the number of items; the number of respondents where the share is 0 or 1 and its spread can't
    be seen.
    """
    if total <= clusters:
        return total
    share = hits / total
    if clusters == 1 or share <= 0.0 or share >= 1.0:
        return float(clusters)
    squares = hits_squared - 2 * share * hits_by_size + share**2 * sizes_squared
    variance = clusters / (clusters - 1) * squares / total**2
    if variance <= 0.0:
        return float(clusters)
    return min(total, share * (1 - share) / variance)


def effective_ns_of_sums(
    *,
    clusters: Array,
    total: Array,
    hits: Array,
    hits_squared: Array,
    hits_by_size: Array,
    sizes_squared: Array,
) -> Floats:
    """`effective_n_of_sums` of many shares at once."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = hits / total
        squares = hits_squared - 2 * share * hits_by_size + share**2 * sizes_squared
        variance = clusters / (clusters - 1) * squares / total**2
        worth = np.minimum(total, share * (1 - share) / variance)
    seen = (clusters != 1) & (share > 0.0) & (share < 1.0) & (variance > 0.0)
    return np.where(total <= clusters, total, np.where(seen, worth, clusters))


def difference_interval(after: Interval, before: Interval) -> Interval:
    """Newcombe's interval of `after - before`, from the two shares' own intervals of the same level."""
    change = after.value - before.value
    low = change - sqrt((after.value - after.low) ** 2 + (before.high - before.value) ** 2)
    high = change + sqrt((after.high - after.value) ** 2 + (before.value - before.low) ** 2)
    return Interval(change, max(-1.0, low), min(1.0, high))


def difference_bounds(
    after: Floats, after_bounds: tuple[Floats, Floats], before: Floats, before_bounds: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Lower and upper bounds of `difference_interval` for many pairs of shares at once."""
    change = after - before
    low = change - np.sqrt((after - after_bounds[0]) ** 2 + (before_bounds[1] - before) ** 2)
    high = change + np.sqrt((after_bounds[1] - after) ** 2 + (before - before_bounds[0]) ** 2)
    return np.maximum(-1.0, low), np.minimum(1.0, high)
