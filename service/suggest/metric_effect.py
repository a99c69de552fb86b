"""Did a metric from elsewhere move beyond what it does by itself? One series by week, before and after.

A conversion, a retention, a response time has nothing unchanged beside it, so its own past says how far it moves:
the season is taken off, and the same comparison at every earlier date (a placebo) is the error. Where a change
started in one segment first, the series is the difference to the same metric in the others, where the season and
all else that happens everywhere cancels.

Formulas
- Estimate: mean of the weeks after less mean of the baseline's weeks, on the logarithm where all values are above
  zero. A year's season is taken off first: one pair of sine and cosine, two from `TWO_PAIRS` weeks, by least
  squares beside a line over the weeks before (A. Harvey, "Forecasting, structural time series models and the
  Kalman filter", 1989, ch. 2). The whole is a weighted sum a'y of the weeks.
- Weeks hang together: an autoregression of the first order, its coefficient by restricted likelihood (H.
  Patterson, R. Thompson, Biometrika 58, 1971), the largest that is within `CAUTIOUS` of the best: short series
  make it look too small. Model variance: s² a'Ra.
- Placebo variance: mean square of the same comparison at all earlier dates, both ways round in time, times the
  variance of a'y over what the autoregression expects of these squares: fitting the season makes them too small.
- Error: the larger of both variances, never narrower than the `LEVEL` order statistic of the placebos. Student's t
  with n/(1 + 2(1 + r)/(1 - r)) degrees of freedom, from the variance of s²/(1 - r)² by the delta method with
  var(r) = (1 - r²)/n (G. Box, G. Jenkins, "Time Series Analysis", 1970, ch. 7).
- Looks before the planned end: wider, as in effect.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from service.intervals import Interval, z_of
from service.suggest.effect import LEVEL, errors_wide

MAX_WEEKS: Final = 156  # before: what was longer ago says little of now
MIN_WEEKS: Final = 52  # before, from which a season can be told from an effect
MIN_WEEKS_COMPARED: Final = 34  # … where the season cancels against other segments
MIN_BASELINE: Final = 4
MIN_PLACEBOS: Final = 8
TWO_PAIRS: Final = 78
MAX_GAP: Final = 26  # weeks between the windows of a placebo; a longer wait counts as so long
WEEKS_A_YEAR: Final = 365.25 / 7
CAUTIOUS: Final = 0.5  # of a logarithm of likelihood
REGRESSIONS: Final = (0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.88, 0.94)
FILLED: Final = 0.9  # of a placebo's weeks that need a value

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weekly:
    """A series by week: `week` counts from the first one after the wash-out (0), below 0 before; in order.

    Weeks at or after `trigger` and before 0 are in neither window.
    """

    week: npt.NDArray[np.int64]
    value: Floats
    trigger: int

    @property
    def span(self) -> int:
        """Weeks from the first before the trigger to it."""
        early = self.week[self.before]
        return self.trigger - int(early[0]) if len(early) else 0

    @property
    def before(self) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = (self.week < self.trigger) & (self.week >= self.trigger - MAX_WEEKS)
        return found


@dataclass(frozen=True, slots=True)
class Moved:
    """What was found, in the units of the series (logarithms where it holds these)."""

    change: Interval  # after less what it would have been
    expected: float  # what the weeks after would have shown without the change
    baseline_weeks: int
    history_weeks: int
    after_weeks: int
    pairs: int  # of sine and cosine, 0 where no season was taken off
    regression: float  # of a week on the one before
    final: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a comparison moves by itself: its standard error, degrees of freedom, a bound of its placebos."""

    error: float
    freedom: float
    placebo: float
    regression: float
    weights: Floats  # of the weeks before and after
    pairs: int
    baseline_weeks: int


def needed_weeks(*, compared: bool) -> int:
    """Weeks before the suggestion arose that a verdict rests on; fewer where other segments are compared with."""
    return MIN_WEEKS_COMPARED if compared else MIN_WEEKS


def moved(series: Weekly, *, baseline_weeks: int, planned: int, done: int, compared: bool) -> Moved | None:
    """The change; None where too little is known before, or nothing after.

    `done` weeks after have passed; those of them with a value count. `compared`: the series is the difference to
    the same metric in segments that were not changed.
    """
    before = series.before
    after = (series.week >= 0) & (series.week < min(done, planned))
    if not after.any():
        return None
    found = spread(series, series.week[after], baseline_weeks=baseline_weeks, planned=planned, compared=compared)
    if found is None:
        return None
    values = np.r_[series.value[before], series.value[after]]
    change = float(found.weights @ values)
    final = done >= planned and bool(np.count_nonzero(after) >= FILLED * planned)
    student = errors_wide(final, np.count_nonzero(after) / planned, found.freedom, None)
    placebo = found.placebo * errors_wide(final, np.count_nonzero(after) / planned, 1e9, None) / z_of(LEVEL)
    half = max(student * max(found.error, _rounded_to(values) / sqrt(12)), placebo)
    return Moved(
        change=Interval(change, change - half, change + half),
        expected=float(series.value[after].mean()) - change,
        baseline_weeks=found.baseline_weeks,
        history_weeks=int(np.count_nonzero(before)),
        after_weeks=int(np.count_nonzero(after)),
        pairs=found.pairs,
        regression=found.regression,
        final=final,
    )


def detectable(
    series: Weekly, *, baseline_weeks: int, planned: int, compared: bool, power: float = 0.8
) -> float | None:
    """The smallest rise, as a part of the level, that is seen with `power` at the planned end; of logarithms."""
    found = spread(series, np.arange(planned), baseline_weeks=baseline_weeks, planned=planned, compared=compared)
    if found is None:
        return None
    return exp((errors_wide(True, 1.0, found.freedom, None) + z_of(2 * power - 1)) * found.error) - 1


def spread(
    series: Weekly,
    after: npt.NDArray[np.int64],
    *,
    baseline_weeks: int,
    planned: int,
    compared: bool,
) -> Spread | None:
    """How far the comparison with these weeks after moves by itself; None with too little before."""
    early = series.before
    week, value = series.week[early], series.value[early]
    count, length = len(week), series.span
    if length < needed_weeks(compared=compared) or count < FILLED * length:
        return None
    gap = min(-series.trigger, MAX_GAP)
    baseline = min(baseline_weeks, length - gap - planned - (MIN_PLACEBOS - 1))
    used = week >= series.trigger - baseline
    if baseline < MIN_BASELINE or np.count_nonzero(used) < FILLED * baseline:
        return None
    pairs = 0 if compared else 1 if length < TWO_PAIRS else 2
    every = np.r_[week, after].astype(np.float64)
    season = _season(every, pairs)
    trend = np.column_stack([np.ones(count), (week - week.mean()) / WEEKS_A_YEAR])
    fitted = np.column_stack([trend, season[:count]])
    projection = np.linalg.pinv(fitted)[2:]  # the season's coefficients as weighted sums of the weeks before
    weights = np.r_[used * (-1.0 / np.count_nonzero(used)), np.full(len(after), 1 / len(after))]
    weights[:count] -= (weights @ season) @ projection
    regression, variance = _autoregression(week, value, fitted)
    apart = np.abs(every[:, None] - every[None])
    related = np.where(apart == 0, 1.0, regression**apart)
    own = float(weights @ related @ weights)
    placebos = _placebos(week, series.trigger, baseline, gap, planned, len(after))
    placebos = placebos - (placebos @ season[:count]) @ projection
    told = placebos @ value
    bound, squared = 0.0, 0.0
    if len(told) >= 2 * MIN_PLACEBOS:
        expected = float(((placebos @ related[:count, :count]) * placebos).sum(axis=1).mean())
        scale = own / max(expected, 1e-12)
        squared = float((told**2).mean()) * scale
        rank = min(len(told), ceil((len(told) + 1) * LEVEL))
        bound = float(np.sort(np.abs(told))[rank - 1]) * sqrt(scale)
    freedom = (count - fitted.shape[1]) / (1 + 2 * (1 + regression) / (1 - regression))
    error = sqrt(max(variance * own, squared))
    return Spread(error, max(1.0, freedom), bound, regression, weights, pairs, int(np.count_nonzero(used)))


def _rounded_to(values: Floats) -> float:
    """The smallest step between values: what never moved was at least rounded (its error is uniform)."""
    told = np.unique(np.round(values, 12))
    return float(np.diff(told).min()) if len(told) > 1 else 0.0


def _season(week: Floats, pairs: int) -> Floats:
    angle = 2 * np.pi * week / WEEKS_A_YEAR
    columns = [one(number * angle) for number in range(1, pairs + 1) for one in (np.sin, np.cos)]
    return np.column_stack(columns) if columns else np.zeros((len(week), 0))


def _placebos(
    week: npt.NDArray[np.int64], trigger: int, baseline: int, gap: int, planned: int, after: int
) -> Floats:
    """A row for each earlier date: the weights of the weeks in the same comparison, and the other way round."""
    start = np.arange(int(week[0]), trigger - baseline - gap - planned + 1)[:, None]
    early_from = np.concatenate([start, start + after + gap])
    late_from = np.concatenate([start + baseline + gap, start])
    early = (week >= early_from) & (week < early_from + baseline)
    late = (week >= late_from) & (week < late_from + after)
    in_early, in_late = early.sum(axis=1, keepdims=True), late.sum(axis=1, keepdims=True)
    told = ((in_early >= FILLED * baseline) & (in_late >= FILLED * after))[:, 0]
    found: Floats = late[told] / in_late[told] - early[told] / in_early[told]
    return found


def _autoregression(week: npt.NDArray[np.int64], value: Floats, fitted: Floats) -> tuple[float, float]:
    """The coefficient of a week on the one before, and the variance of a week about the fitted values.

    Weeks without a value only lengthen the step. A series that never moves has no variance.
    """
    step = np.diff(week).astype(np.float64)
    free = len(value) - fitted.shape[1]
    found: list[tuple[float, float, float]] = []
    for one in REGRESSIONS:
        kept = one**step
        left = np.sqrt(1 - kept**2)

        def white(columns: Floats, kept: Floats = kept, left: Floats = left) -> Floats:
            rest = (columns[1:].T - kept * columns[:-1].T) / left
            return np.concatenate([columns[:1], rest.T])

        design, told = white(fitted), white(value)
        orthogonal, triangle = np.linalg.qr(design)
        squares = float(((told - orthogonal @ (orthogonal.T @ told)) ** 2).sum())
        if squares <= 1e-20 * max(1.0, float((value**2).sum())):
            return 0.0, 0.0
        spread_of = float(np.log(1 - kept**2).sum()) + 2 * float(np.log(np.abs(np.diag(triangle))).sum())
        found.append((-0.5 * (spread_of + free * log(squares)), one, squares / free))
    best = max(likelihood for likelihood, *_ in found)
    _, regression, variance = [one for one in found if one[0] >= best - CAUTIOUS][-1]
    return regression, variance
