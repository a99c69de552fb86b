"""Which changes are more than noise: one rule for the map, its trends and the pains.

A period is compared with the one before, or with several before. Real feedback comes in bursts, has seasons and
trends of its own, and people repeat themselves, so the count alone would alarm nearly every week. What counts as
noise is therefore taken from the past: the same comparison at every earlier date of the same cell (a placebo), and
of all cells.

Formulas
- Fixed mix: the change is the mean over sources and channels of the change within each, weighted by n0·n1/(n0+n1)
  (W. Cochran, "Some methods for strengthening the common χ² tests", Biometrics 10, 1954; risk differences:
  S. Greenland, J. Robins, Biometrics 41, 1985). What the plain change is beyond that was made by the mix.
- Overdispersion of a cell: mean of the squared standardised changes at earlier dates (quasi-likelihood:
  R. Wedderburn, Biometrika 61, 1974; P. McCullagh, J. Nelder, "Generalized Linear Models", 1989, ch. 4). Whole
  periods as blocks hold the autocorrelation of their weeks (batch means: B. Schmeiser, Operations Research 30,
  1982). Changes at neighbouring dates share periods: of periods x with one variance, x_d minus the mean of the b
  before correlates with the change l dates earlier by ((b - l)/b² - 1/b)/(1 + 1/b) for l ≤ b, -1/2 where b is 1.
  Squares of normal variables correlate by the square of that, so k of them are worth k/(1 + 2·Σ correlation²)
  degrees of freedom: k/1.5 for b = 1, k/1.19 for b = 3. It is drawn towards all cells' mean with PRIOR degrees of
  freedom and the t distribution has the sum of both (moderated t: G. Smyth, Statistical Applications in Genetics
  and Molecular Biology 3, 2004). Never less than 1, never less than what respondents who repeat make of it now.
- Without a past, the scatter of the quarters of both periods takes its place, twice for autocorrelation.
- Heavy tails: where there are PLACEBOS earlier comparisons, every test is stretched until 1 % of these, each
  judged by the others' overdispersion, lie beyond 1 % (empirical null: B. Efron, JASA 99, 2004; never shrunk).
- All cells together: S. Holm, Scandinavian Journal of Statistics 6 (1979), at 5 % per look; where cells weigh
  differently, in the form of Y. Benjamini, Y. Hochberg, "Multiple hypotheses testing with weights", Scandinavian
  Journal of Statistics 24 (1997).
- Persistence: three of the period's four quarters lie on the side of the change, and the two that show it least
  still show half of it, so that a burst of a week or two is no trend. Demanded beside the test, it only makes
  alarms rarer.
- Interval of a change of shares: R. Newcombe's (service/intervals.py) with n divided by the overdispersion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from service.intervals import difference_bounds, share_bounds

Array = NDArray[Any]
LEVEL: Final = 0.95
QUARTERS: Final = 4  # of a period
PAST: Final = 12  # periods before the newest two
PERIODS: Final = PAST + 2
MIN_ITEMS: Final = 10  # in each period, below which no change is called significant
COVERED: Final = (
    0.5  # of each period's items from sources and channels that both have; less, and nothing is called
)
PRIOR: Final = 3.0  # degrees of freedom of all cells' overdispersion beside a cell's own
SHORT_PAST: Final = 3  # earlier comparisons, below which the scatter of the quarters counts too
AUTOCORRELATED: Final = 2.0  # times the scatter of single quarters: (1 + r)/(1 - r) at r = 1/3
UNKNOWN: Final = 2.0  # overdispersion where nothing can be estimated
PLACEBOS: Final = 200
TAIL: Final = 0.01
WINSOR: Final = 25.0  # squared deviation that a single earlier change may bring to all cells' mean
LATE_DAYS: Final = 2  # after its end a week still fills up


@dataclass(frozen=True, slots=True)
class Periods:
    """Two equally long periods in days since 1970-01-01: [before, first) and [first, end)."""

    before: int
    first: int
    end: int

    def quarter(self, day: Array) -> Array:
        """The quarter of a period in which each day lies, 0 the newest; -1 outside of what is looked at."""
        length = self.end - self.first
        days = min(PERIODS * length, max(0, self.end - int(day.min(initial=self.end))))
        # the quarter by day, between one entry for all older days and one for all newer
        of_day = np.r_[-1, (np.arange(days) * QUARTERS // length)[::-1], -1]
        return np.asarray(of_day.take(day - (self.end - days - 1), mode="clip"))


def week_of(day: Any) -> Any:
    """The number of the week (Monday to Sunday) of a day since 1970-01-01, which was a Thursday."""
    return (day + 3) // 7


def last_full_weeks(newest: int, weeks: int) -> Periods:
    """So many full weeks and as many before; the last is one that ended LATE_DAYS before the newest day."""
    monday = int(week_of(newest + 1 - LATE_DAYS)) * 7 - 3
    return Periods(monday - 14 * weeks, monday - 7 * weeks, monday)


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums by (cell, source and channel, quarter), the newest quarter first, QUARTERS * PERIODS of them."""

    n: Array
    total: Array  # of the value
    squares: Array  # of the value


@dataclass(frozen=True, slots=True)
class Changes:
    """One entry a cell. `chance` is that of a change as large as this without any cause, 1 where untested."""

    value: Array
    low: Array
    high: Array
    chance: Array
    mix: Array  # what the mix of sources and channels alone did
    covered: Array  # share of items from sources and channels that both periods have
    noise: Array  # variance over that of independent items
    n: Array
    before_n: Array


def shares_or_means(counts: Counts, *, repeats: Array, enough: Array, shares: bool, before: int = 1) -> Changes:
    """Changes of shares (values 0 and 1) or means at a fixed mix, from the `before` periods before, all as one, to
    the newest. `repeats` is the variance ratio made by respondents who repeat; `enough` says which cells may be
    tested, beyond MIN_ITEMS.
    """
    later, earlier = _sides(counts, before)
    pair = _Sums(*(one + other for one, other in zip(later, earlier, strict=True)))
    with np.errstate(divide="ignore", invalid="ignore"):
        held = np.where(pair.n > 0, later.n * earlier.n / pair.n, 0.0)
        weight = held / np.maximum(held.sum(axis=1, keepdims=True), 1e-300)
        change = (weight * (later.mean - earlier.mean)).sum(axis=1)
        variance = np.where(held > 0, weight**2 * _variance(pair) / held, 0.0).sum(axis=1)
    n, before_n = later.n.sum(axis=1), earlier.n.sum(axis=1)
    known = (n >= 5) & (before_n >= 5) & (variance > 0)
    known &= pair.squares.sum(axis=1) >= 4
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = np.where(known, change**2 / variance, 0.0)
    together = _together(counts)
    persistent = _persistent(together, change, before)
    wander = _wander(
        squared[:, 1:], known[:, 1:], persistent[:, 1:], _scatter(together), shared=changes_a_degree(before)
    )
    factor = np.maximum(wander.factor, repeats)
    now = np.maximum(variance[:, 0], 1e-12)
    chance = wander.chance(change[:, 0] ** 2 / now / factor)
    newest = [_Sums(*(part[..., 0] for part in side)) for side in (later, earlier)]
    plain_n = np.stack([side.n.sum(axis=1) for side in newest], axis=1)
    plain = np.stack([side.total.sum(axis=1) for side in newest], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        plainly = np.where(plain_n > 0, plain / plain_n, 0.0)
        both = (newest[0].n > 0) & (newest[1].n > 0)
        parts = [
            (side.n * both).sum(axis=1) / np.maximum(plain_n[:, place], 1) for place, side in enumerate(newest)
        ]
    covered = np.minimum(*parts)
    testable = enough & (plain_n[:, 0] >= MIN_ITEMS) & (plain_n[:, 1] >= MIN_ITEMS) & (covered >= COVERED)
    testable &= known[:, 0] & persistent[:, 0]
    half = wander.quantile * np.sqrt(now * factor)
    low, high = change[:, 0] - half, change[:, 0] + half
    if shares:
        low, high = _newcombe(newest, weight[..., 0], factor, wander.quantile)
        # both the test and the interval that is shown beside it
        testable &= (low > 0) | (high < 0)
    return Changes(
        value=change[:, 0],
        low=low,
        high=high,
        chance=np.where(testable, chance, 1.0),
        mix=np.where((plain_n[:, 0] > 0) & (plain_n[:, 1] > 0), plainly[:, 0] - plainly[:, 1] - change[:, 0], 0.0),
        covered=covered,
        noise=factor,
        n=plain_n[:, 0],
        before_n=plain_n[:, 1],
    )


def volumes(counts: Counts, *, repeats: Array, complete: bool) -> Changes:
    """Changes of the number of items as logarithms of ratios; untested where the period is not `complete`."""
    n = _by_period(counts.n).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log(n[:, :-1] / n[:, 1:])
        variance = 1 / n[:, :-1] + 1 / n[:, 1:]
    known = (n[:, :-1] >= 5) & (n[:, 1:] >= 5)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = np.where(known, change**2 / variance, 0.0)
    quarters = _quarters(counts.n.sum(axis=1))
    level = quarters.mean(axis=2, keepdims=True)
    scattered = ((quarters - level) ** 2 / np.maximum(level, 1e-9))[:, :2].sum(axis=(1, 2)) / (2 * QUARTERS - 2)
    scatter = np.where(n[:, :2].min(axis=1) >= MIN_ITEMS, scattered, np.nan)
    deviation = quarters[:, :-1] - level[:, 1:]
    persistent = _keeps(deviation, np.ones_like(deviation), np.sign(np.where(known, change, 0.0)))
    wander = _wander(squared[:, 1:], known[:, 1:], persistent[:, 1:], scatter, shared=changes_a_degree(1))
    factor = np.maximum(wander.factor, repeats)
    now, value = np.where(known[:, 0], variance[:, 0], 1.0), np.where(known[:, 0], change[:, 0], 0.0)
    chance = wander.chance(value**2 / now / factor)
    testable = known[:, 0] & (n[:, 0] >= MIN_ITEMS) & (n[:, 1] >= MIN_ITEMS) & complete
    testable &= persistent[:, 0]
    present = (n[:, 0] > 0) & (n[:, 1] > 0)
    value = np.where(present, change[:, 0], 0.0)
    half = wander.quantile * np.sqrt(np.where(present, variance[:, 0], 1.0) * factor)
    return Changes(
        value=value,
        low=value - half,
        high=value + half,
        chance=np.where(testable, chance, 1.0),
        mix=np.zeros(len(n)),
        covered=np.ones(len(n)),
        noise=factor,
        n=n[:, 0],
        before_n=n[:, 1],
    )


def holm(chance: Array, *, among: Array, alpha: float = 1 - LEVEL, weights: Array | None = None) -> Array:
    """Which of the tests at positions `among` hold together at `alpha`; one of twice the weight gets twice the
    share of it. Weights are above zero, one for each entry of `chance`.
    """
    held = np.zeros(len(chance), dtype=bool)
    weight = np.ones(len(chance)) if weights is None else weights
    ordered = among[np.argsort(chance[among] / weight[among], kind="stable")]
    left = weight[ordered][::-1].cumsum()[::-1]  # of each test and those behind it
    for place, remaining in zip(ordered, left, strict=True):
        if chance[place] > alpha * weight[place] / remaining:
            break
        held[place] = True
    return held


def changes_a_degree(before: int) -> float:
    """How many neighbouring dates' changes, each from `before` periods before, are worth one degree of freedom."""
    lag = np.arange(1, before + 1)
    correlation = ((before - lag) / before**2 - 1 / before) / (1 + 1 / before)
    return float(1 + 2 * (correlation**2).sum())


def _by_period(part: Array) -> Array:
    return _summed(part.reshape(*part.shape[:2], PERIODS, QUARTERS)).astype(np.float64)


def _summed(part: Array) -> Array:
    """The sum over a last axis of a few places: an addition each; a reduction would begin anew at every row."""
    total: Array = part[..., 0]
    for place in range(1, part.shape[-1]):
        total = total + part[..., place]
    return total


class _Sums(NamedTuple):
    """Sums by (cell, source and channel, date)."""

    n: Array
    total: Array
    squares: Array

    @property
    def mean(self) -> Array:
        """Zero where nothing is there."""
        return np.asarray(np.where(self.n > 0, self.total / np.maximum(self.n, 1), 0.0))


def _sides(counts: Counts, before: int) -> tuple[_Sums, _Sums]:
    """Each date's period, and the `before` ones before it as one; the newest date first."""
    n, total = _by_period(counts.n), _by_period(counts.total)
    squares = total if counts.squares is counts.total else _by_period(counts.squares)
    dates = PERIODS - before
    parts = (n, total, squares)
    return _Sums(*(part[..., :dates] for part in parts)), _Sums(*(_pooled(part, before) for part in parts))


def _pooled(part: Array, before: int) -> Array:
    """By date the sum of the `before` periods before; the last axis is that of periods."""
    dates = part.shape[-1] - before
    pooled: Array = part[..., 1 : 1 + dates]
    for place in range(2, before + 1):
        pooled = pooled + part[..., place : place + dates]
    return pooled


def _variance(pair: _Sums) -> Array:
    """Of single values in both periods of each date together, by source and channel; thin ones lean on all."""

    def of(n: Array, total: Array, squares: Array) -> Array:
        whole = np.maximum(n, 1)
        return np.maximum(squares / whole - (total / whole) ** 2, 0)

    all_of_them = of(*(part.sum(axis=1, keepdims=True) for part in pair))
    return np.asarray((pair.n * of(*pair) + 2 * all_of_them) / (pair.n + 2))


def _together(counts: Counts) -> Counts:
    """All sources and channels in one, by cell and quarter."""
    n, total = (part.sum(axis=1).astype(np.float64) for part in (counts.n, counts.total))
    squares = total if counts.squares is counts.total else counts.squares.sum(axis=1).astype(np.float64)
    return Counts(n, total, squares)


def _scatter(counts: Counts) -> Array:
    """Of the quarters of both periods about their period's mean, over that of independent items."""
    recent = 2 * QUARTERS
    n, total, squares = (
        part[:, :recent].reshape(len(part), 2, QUARTERS) for part in (counts.n, counts.total, counts.squares)
    )
    size = _summed(n)[..., None]
    level = _summed(total)[..., None] / np.maximum(size, 1)
    spread = np.maximum(_summed(squares)[..., None] / np.maximum(size, 1) - level**2, 0)
    deviation = np.where(n > 0, total / np.maximum(n, 1) - level, 0.0)
    filled = (n > 0).sum(axis=(1, 2)) - 2
    known = (size.min(axis=(1, 2)) >= MIN_ITEMS) & (spread.min(axis=(1, 2)) > 0) & (filled >= QUARTERS)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (n * deviation**2 / spread).sum(axis=(1, 2)) / filled
    return np.where(known, found, np.nan)


@dataclass(frozen=True, slots=True)
class _Wander:
    """Overdispersion by cell, with its degrees of freedom and how much heavier the tails are than they should."""

    factor: Array
    freedom: Array
    stretch: float

    @property
    def quantile(self) -> Array:
        """Standard errors on each side of an estimate."""
        return np.asarray(self.stretch * stdtrit(self.freedom, 0.5 + LEVEL / 2))

    def chance(self, squared: Array) -> Array:
        """Of a squared standardised change of at least this size without a cause."""
        return np.asarray(2 * ndtr(-_normal(np.sqrt(squared), self.freedom) / self.stretch))


def _wander(squared: Array, known: Array, persistent: Array, scatter: Array, *, shared: float) -> _Wander:
    """From earlier squared changes (cell, date) and the scatter of quarters now; `shared` of the changes are worth
    one degree of freedom.
    """
    dates = known.sum(axis=1)
    sums = (squared * known).sum(axis=1)
    own_freedom = dates / shared
    spare = (dates < SHORT_PAST) & ~np.isnan(scatter)
    scattered = np.where(spare, AUTOCORRELATED * np.nan_to_num(scatter), 0.0)
    more = np.where(spare, float(QUARTERS - 1), 0.0)
    capped = (np.minimum(squared, WINSOR) * known).sum(axis=1) / shared + np.minimum(scattered, WINSOR) * more
    weight = (own_freedom + more).sum()
    everyone = float(capped.sum() / weight) if weight else UNKNOWN
    freedom = own_freedom + more + PRIOR
    factor = np.maximum(1.0, (sums / shared + scattered * more + PRIOR * everyone) / freedom)
    stretch = 1.0
    if known.sum() >= PLACEBOS:
        # each earlier change judged by the others of its cell
        rest = (sums[:, None] - squared) / shared + (scattered * more + PRIOR * everyone)[:, None]
        free = np.maximum(freedom[:, None] - 1 / shared, PRIOR)
        other = np.maximum(1.0, rest / free)
        # one that did not persist would not have alarmed
        alarming = np.where(persistent, squared, 0.0)
        seen = _normal(np.sqrt(alarming / other), np.broadcast_to(free, squared.shape))[known]
        stretch = max(1.0, float(np.quantile(seen, 1 - TAIL)) / NormalDist().inv_cdf(1 - TAIL / 2))
    return _Wander(factor, freedom, stretch)


def _normal(t: Array, freedom: Array) -> Array:
    """The normal deviate as unlikely as t ≥ 0."""
    return np.asarray(-ndtri(np.maximum(stdtr(freedom, -t), 1e-300)))


def _persistent(counts: Counts, change: Array, before: int) -> Array:
    """By cell and date."""
    n, total = _quarters(counts.n), _quarters(counts.total)
    level = _pooled(_summed(total), before) / np.maximum(_pooled(_summed(n), before), 1)
    dates = level.shape[-1]
    deviation = total[:, :dates] - level[..., None] * n[:, :dates]
    return _keeps(deviation, n[:, :dates], np.sign(change))


def _quarters(part: Array) -> Array:
    return np.asarray(part.reshape(len(part), PERIODS, QUARTERS), dtype=np.float64)


def _keeps(deviation: Array, sizes: Array, sign: Array) -> Array:
    """Whether every quarter but one lies on the side of a change, and half of it is left in its weaker half."""
    signed = deviation * sign[..., None]
    means = np.where(sizes > 0, signed / np.maximum(sizes, 1e-9), 0.0)
    order = np.argsort(means, axis=-1)[..., : QUARTERS // 2]
    weak, weak_size = (_summed(np.take_along_axis(part, order, axis=-1)) for part in (signed, sizes))
    whole = _summed(signed) / np.maximum(_summed(sizes), 1e-9)
    beside = _summed((signed > 0).astype(np.int8))
    return np.asarray((beside >= QUARTERS - 1) & (weak / np.maximum(weak_size, 1e-9) >= 0.5 * whole))


def _newcombe(sides: Sequence[_Sums], held: Array, factor: Array, quantile: Array) -> tuple[Array, Array]:
    """Bounds of the newest change of shares; `held` is the weight of each source and channel."""
    shared = held > 0
    z = ndtri(0.5 + np.minimum(2 * ndtr(quantile) - 1, 1 - 1e-9) / 2)
    shares, bounds = [], []
    for side in sides:
        share = np.clip((held * side.mean).sum(axis=1), 0.0, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            worth = 1 / np.where(shared, held**2 / side.n, 0.0).sum(axis=1) / factor
        shares.append(share)
        bounds.append(share_bounds(share, worth, z=z))
    low, high = difference_bounds(shares[0], bounds[0], shares[1], bounds[1])
    compared = shared.any(axis=1)
    return np.where(compared, low, -1.0), np.where(compared, high, 1.0)
