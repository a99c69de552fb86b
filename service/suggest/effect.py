"""Did a change help? One cell's share before and after, against cells that were not changed.

People accept what has just spiked, and what spikes falls again by itself. So the latest weeks before the decision,
by which suggestions are ranked, never stand in its baseline, and how far shares wander by themselves is taken from
the workspace's own history.

Formulas
- The effect is a ratio of shares, after over before, divided by the pooled ratio of cells that were not changed
  (difference in differences on the logarithm; J. Angrist, J.-S. Pischke, "Mostly Harmless Econometrics", 2009,
  ch. 5). Its variance from counts is 1/hits before + 1/hits after, less the part of the whole (log ratio of two
  proportions: D. Katz et al., "Obtaining confidence intervals for the risk ratio", Biometrics 34, 1978).
- A change that starts in one segment first is compared with the same cell in the segments not yet changed: the
  log ratio there is taken off, cell by cell, the placebos' too, so that what happens to a cell everywhere cancels
  (difference in differences in differences: J. Gruber, "The incidence of mandated maternity benefits", American
  Economic Review 84, 1994). Its own past is then the scatter of blocks of hits here, given the hits here and
  there together (binomial, beyond its variance by moments).
- Shares wander beyond what counts explain. Every unchanged cell is a placebo for the same dates; the variance
  between them, beyond their counts, is estimated by moments (R. DerSimonian, N. Laird, "Meta-analysis in clinical
  trials", Controlled Clinical Trials 7, 1986) and added. The changed cell's own past, in blocks of `BLOCK_WEEKS`
  (placebo dates; batch means: B. Schmeiser, Operations Research 30, 1982), may show that it wanders more than
  others: its own variance, drawn towards theirs by `PRIOR_BLOCKS`, then takes the place of theirs, and Student's t
  has the degrees of freedom of an error of which that part is known by so few blocks and the rest by counts
  (F. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2,
  1946).
- Width: the quantile of the placebo cells' own standardised deviations (their order statistic of rank
  (cells + 1) * level: V. Vovk, A. Gammerman, G. Shafer, "Algorithmic Learning in a Random World", 2005), never
  less than Student's; with too few cells for it, Student's alone.
- Looks before the planned end: |B(t)| of a Brownian motion stays below z for all t up to 1 with probability
  1 - 4(1 - Phi(z)) at least (reflection principle). With the information fraction f an interval of z/sqrt(f)
  standard errors therefore holds over all early looks together (P. O'Brien, T. Fleming, "A multiple testing
  procedure for clinical trials", Biometrics 35, 1979). At the planned end the interval is the ordinary one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, sqrt
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from service.intervals import Interval, share_interval, z_of

Floats = npt.NDArray[np.float64]
Verdict = Literal["helped", "got_worse", "no_effect_worth_having", "inconclusive", "not_enough_data"]

LEVEL: Final = 0.95
EARLY_LEVEL: Final = 0.99  # of all looks before the planned end together
BLOCK_WEEKS: Final = 4
PRIOR_BLOCKS: Final = 1.5  # what the placebo cells' variance is worth beside the own past, in blocks
MIN_HITS: Final = 10.0  # before and after together, of a placebo cell
MIN_CELL_HITS: Final = 5.0  # expected after, of the changed cell, below which nothing is said
MIN_CELLS: Final = 5  # placebo cells, below which shares are taken to wander by FEW_CELLS_WANDER
FEW_CELLS_WANDER: Final = 0.05  # variance of a log ratio: about a fifth up or down
QUANTILE_CELLS: Final = 40  # placebo cells, from which their own quantile counts
WINSOR: Final = (
    25.0  # squared deviation that a single placebo may bring: a cell with a change of its own is no noise
)


@dataclass(frozen=True, slots=True)
class Panel:
    """Counts by cell and week; `of` is the row of `totals` that a cell is a share of.

    `hits` (cells, weeks) items with the pain, `totals` (wholes, weeks) items of the whole.
    """

    hits: Floats
    totals: Floats
    of: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Weeks:
    """Columns of the panel: [baseline_from, baseline_to) before, [after_from, after_to) after so far.

    `planned` is how many weeks after are planned in all.
    """

    baseline_from: int
    baseline_to: int
    after_from: int
    after_to: int
    planned: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What was measured. Shares of the whole; `difference` is after minus what before would have become."""

    before: Interval
    after: Interval
    before_hits: float
    before_n: float
    after_hits: float
    after_n: float
    others: Interval  # ratio after over before of the unchanged cells, 1 is no change
    cells: int
    ratio: Interval  # of the changed cell, over `others`
    difference: Interval
    blown_up: float  # how many times the variance of counts alone
    final: bool
    verdict: Verdict


def effect(
    panel: Panel,
    cell: int,
    weeks: Weeks,
    *,
    worth: float,
    untouched: npt.NDArray[np.bool_],
    elsewhere: Panel | None = None,
) -> Effect:
    """Measure one cell. `worth` is the smallest change of the share that matters, as a part of it (0.2: a fifth).

    `untouched` says which cells had no change of their own; cells of the same whole never compare, because shares
    of one whole are tied to each other. `elsewhere` holds the same cells in segments that were not changed, where
    `panel` holds one segment's: the cell is then compared with itself there, and `others` is its ratio there.
    """
    before, after = (
        _sums(panel, weeks.baseline_from, weeks.baseline_to),
        _sums(panel, weeks.after_from, weeks.after_to),
    )
    compare = untouched & (panel.of != panel.of[cell])
    compare &= (before[0] + after[0] >= MIN_HITS) & (before[1] > 0) & (after[1] > 0)
    logs, variances = _log_ratios(before, after)
    there = 0.0, 0.0  # log ratio of the cell elsewhere, and its variance
    if elsewhere is not None:
        sums = (
            _sums(elsewhere, weeks.baseline_from, weeks.baseline_to),
            _sums(elsewhere, weeks.after_from, weeks.after_to),
        )
        compare &= (sums[0][0] + sums[1][0] >= MIN_HITS) & (sums[0][1] > 0) & (sums[1][1] > 0)
        other_logs, other_variances = _log_ratios(*sums)
        there = float(other_logs[cell]), float(other_variances[cell])
        logs, variances = logs - other_logs, variances + other_variances
    chosen = np.flatnonzero(compare)
    placebo = _placebo(logs[chosen], variances[chosen])
    blocks, own = (
        _own_wander(panel, cell, weeks) if elsewhere is None else _own_split(panel, elsewhere, cell, weeks)
    )
    wander, freedom = placebo.wander, max(1.0, len(chosen) - 1.0 + blocks)
    if blocks:
        wander = max(wander, (blocks * own + PRIOR_BLOCKS * wander) / (blocks + PRIOR_BLOCKS))
    error = sqrt(variances[cell] + wander + placebo.mean_variance)
    if wander > placebo.wander:
        # known by a few blocks of its own past alone; what counts make of the error is known
        freedom = min(freedom, blocks * (error**2 / wander) ** 2)
    done = weeks.after_to - weeks.after_from
    final = done >= weeks.planned
    width = errors_wide(final, done / max(1, weeks.planned), freedom, placebo.quantile) * error
    change = float(logs[cell] - placebo.mean)
    ratio = Interval(exp(change), exp(change - width), exp(change + width))
    expected = before[0][cell] / max(1.0, before[1][cell]) * exp(placebo.mean + there[0])
    difference = Interval(*(expected * (one - 1) for one in (ratio.value, ratio.low, ratio.high)))
    other_width = stdtrit(max(1.0, len(chosen) - 1.0), 0.5 + LEVEL / 2) * sqrt(placebo.mean_variance + there[1])
    mean = placebo.mean + there[0]
    factor = 1 + wander / variances[cell]
    return Effect(
        before=_share(before, cell, factor),
        after=_share(after, cell, factor),
        before_hits=float(before[0][cell]),
        before_n=float(before[1][cell]),
        after_hits=float(after[0][cell]),
        after_n=float(after[1][cell]),
        others=Interval(exp(mean), exp(mean - other_width), exp(mean + other_width)),
        cells=len(chosen),
        ratio=ratio,
        difference=difference,
        blown_up=factor,
        final=final,
        verdict=verdict_of(
            Interval(*(log(one) for one in (ratio.value, ratio.low, ratio.high))),
            -log(1 - worth),
            enough=expected * after[1][cell] >= MIN_CELL_HITS and before[0][cell] > 0,
        ),
    )


def _sums(panel: Panel, start: int, end: int) -> tuple[Floats, Floats]:
    hits = panel.hits[:, max(0, start) : max(0, end)].sum(axis=1)
    totals = panel.totals[:, max(0, start) : max(0, end)].sum(axis=1)[panel.of]
    return hits, totals


def _log_ratios(before: tuple[Floats, Floats], after: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Log ratio of the shares of every cell and its variance; half a hit more, so that none is not endless."""
    sums = [(hits + 0.5, np.maximum(totals, hits) + 0.5) for hits, totals in (before, after)]
    (h0, n0), (h1, n1) = sums
    return np.log(h1 / n1) - np.log(h0 / n0), np.maximum(1 / h0 - 1 / n0 + 1 / h1 - 1 / n1, 1e-12)


@dataclass(frozen=True, slots=True)
class _Placebo:
    mean: float  # log ratio
    mean_variance: float
    wander: float  # variance of a cell's log ratio beyond its counts
    quantile: float | None  # of the standardised deviations, None with too few cells


def _placebo(logs: Floats, variances: Floats) -> _Placebo:
    """What happened to the cells that were not changed."""
    count = len(logs)
    if count < MIN_CELLS:
        return _Placebo(0.0, 0.0, FEW_CELLS_WANDER, None)
    weight = 1 / variances
    mean = float(np.average(logs, weights=weight))
    squared = float(np.minimum((logs - mean) ** 2 * weight, WINSOR).sum())
    spread = float(weight.sum() - (weight**2).sum() / weight.sum())
    wander = max(0.0, (squared - (count - 1)) / spread)
    total = variances + wander
    mean, mean_variance = float(np.average(logs, weights=1 / total)), float(1 / (1 / total).sum())
    quantile = None
    rank = ceil((count + 1) * LEVEL)
    if rank <= count and count >= QUANTILE_CELLS:
        quantile = float(np.sort(np.abs(logs - mean) / np.sqrt(total))[rank - 1])
    return _Placebo(mean, mean_variance, wander, quantile)


def _own_wander(panel: Panel, cell: int, weeks: Weeks) -> tuple[float, float]:
    """Blocks less one, and the variance of the log ratio beyond counts, of the own baseline; (0, 0) if thin.

    Of a ratio of the planned weeks to the whole baseline, from the scatter of blocks: a mean of k blocks wanders
    with a k-th of a block's variance.
    """
    blocks = (weeks.baseline_to - max(0, weeks.baseline_from)) // BLOCK_WEEKS
    if blocks < 3:
        return 0.0, 0.0
    start = weeks.baseline_to - blocks * BLOCK_WEEKS
    hits = panel.hits[cell, start : weeks.baseline_to].reshape(blocks, BLOCK_WEEKS).sum(axis=1)
    whole = panel.totals[panel.of[cell], start : weeks.baseline_to].reshape(blocks, BLOCK_WEEKS).sum(axis=1)
    share = hits.sum() / max(1.0, whole.sum())
    if not 0 < share < 1 or hits.sum() < MIN_HITS:
        return 0.0, 0.0
    expected = np.maximum(whole * share, 1e-9)
    # variance of hits / expected beyond Poisson, by moments
    squared = (((hits - expected) / expected) ** 2 - (1 - share) / expected).mean() * blocks / (blocks - 1)
    after = max(1, weeks.after_to - weeks.after_from) / BLOCK_WEEKS
    return float(blocks - 1), max(0.0, float(squared)) * (1 / max(1.0, after) + 1 / blocks)


def _own_split(panel: Panel, elsewhere: Panel, cell: int, weeks: Weeks) -> tuple[float, float]:
    """As `_own_wander`, of the ratio of the cell's share here to that elsewhere."""
    blocks = (weeks.baseline_to - max(0, weeks.baseline_from)) // BLOCK_WEEKS
    if blocks < 3:
        return 0.0, 0.0
    start = weeks.baseline_to - blocks * BLOCK_WEEKS

    def sums(weekly: Floats) -> Floats:
        found: Floats = weekly[start : weeks.baseline_to].reshape(blocks, BLOCK_WEEKS).sum(axis=1)
        return found

    here, there = sums(panel.hits[cell]), sums(elsewhere.hits[cell])
    here_n, there_n = sums(panel.totals[panel.of[cell]]), sums(elsewhere.totals[elsewhere.of[cell]])
    if min(here.sum(), there.sum()) < MIN_HITS or min(here_n.sum(), there_n.sum()) <= 0:
        return 0.0, 0.0
    ratio = here.sum() / here_n.sum() / (there.sum() / there_n.sum())
    part = np.clip(here_n * ratio / np.maximum(here_n * ratio + there_n, 1e-9), 1e-6, 1 - 1e-6)
    both = here + there
    counted = both > 0
    if counted.sum() < 3:
        return 0.0, 0.0
    information = both[counted] * part[counted] * (1 - part[counted])
    # (hits - expected) over the information is the deviation of the log odds, which is that of the log ratio
    squared = ((here - both * part)[counted] / information) ** 2 - 1 / information
    # blocks that say little must not drown the others
    weighed = float(np.average(squared, weights=information)) * counted.sum() / (counted.sum() - 1)
    after = max(1, weeks.after_to - weeks.after_from) / BLOCK_WEEKS
    return float(counted.sum() - 1), max(0.0, weighed) * (1 / max(1.0, after) + 1 / blocks)


def errors_wide(final: bool, fraction: float, freedom: float, quantile: float | None) -> float:
    """Standard errors on each side of the estimate; `fraction` of the planned weeks are over."""
    student = float(stdtrit(freedom, 0.5 + LEVEL / 2))
    ordinary = student if quantile is None else max(student, quantile)
    if final:
        return ordinary
    # 1 - 4(1 - Phi(z)) is EARLY_LEVEL where Phi(z) is 1 - (1 - EARLY_LEVEL)/4
    early = z_of(1 - (1 - EARLY_LEVEL) / 2)
    return early * ordinary / z_of(LEVEL) / sqrt(max(fraction, 1e-6))


def _share(sums: tuple[Floats, Floats], cell: int, factor: float) -> Interval:
    hits, total = float(sums[0][cell]), float(sums[1][cell])
    return share_interval(hits / total if total else 0.0, total / factor)


def verdict_of(change: Interval, worth: float, *, enough: bool) -> Verdict:
    """The one rule of what a change is called: below 0 is better, and less than `worth` is not worth having."""
    if not enough:
        return "not_enough_data"
    if change.high < 0:
        return "helped"
    if change.low > 0:
        return "got_worse"
    if change.low > -worth and change.high < worth:
        return "no_effect_worth_having"
    return "inconclusive"


def detectable(
    panel: Panel,
    cell: int,
    weeks: Weeks,
    *,
    factor: float = 1.5,
    power: float = 0.8,
    elsewhere: Panel | None = None,
) -> float | None:
    """The smallest fall of the share, as a part of it, that is seen with `power` at the planned end.

    With the baseline's weekly volume going on; None where there is none.
    """
    length = weeks.baseline_to - max(0, weeks.baseline_from)
    if length <= 0:
        return None
    variance = 0.0
    for one in (panel, *([elsewhere] if elsewhere is not None else [])):
        hits = float(_sums(one, weeks.baseline_from, weeks.baseline_to)[0][cell])
        if hits <= 0:
            return None
        variance += 1 / (hits + 0.5) + 1 / (hits / length * weeks.planned + 0.5)
    error = sqrt(factor * variance)
    needed = (z_of(LEVEL) + z_of(2 * power - 1)) * error
    return 1 - exp(-needed)
