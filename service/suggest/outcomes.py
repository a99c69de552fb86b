"""What a change did beside its share of feedback: contacts per 1,000 orders.

A share of a stage can fall because others complain more; contacts per order can't. So where the stage has a series
of counts (orders, visits …), the same measurement is made of contacts over that series: against the other pains of
the same stage, because rates are not tied to each other by arithmetic, and what the orders do cancels; where these
are too few, against the pains of other stages with orders too. The series is taken as exact.

A conversion, a retention, a response time has nothing unchanged beside it: metric_outcomes.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.intervals import Interval
from service.store.metric_rates import PER, Exposure, Series
from service.suggest.effect import MIN_CELLS, MIN_HITS, Effect, Panel, Weeks, effect
from service.suggest.impact_windows import Windows

FILLED: Final = 0.9  # of the weeks of both windows that need a value of the series
SCALED: Final = 1e6  # orders are no trials: so many more of them, and the binomial is a Poisson

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """Contacts per 1,000 of a series, before and after."""

    per: str
    effect: Effect

    def public(self) -> dict[str, Any]:
        """JSON-ready."""
        found = self.effect
        return {
            "per": self.per,
            "before": _per_thousand(found.before, found.before_hits, found.before_n),
            "after": _per_thousand(found.after, found.after_hits, found.after_n),
            "ratio": {name: round(getattr(found.ratio, name), 4) for name in ("value", "low", "high")},
            "cells": found.cells,
            "final": found.final,
            "verdict": found.verdict,
        }


def contacts_rate(
    panel: Panel,
    cell: int,
    weeks: Weeks,
    *,
    stages: Sequence[str],
    exposures: Mapping[str, Exposure],
    windows: Windows,
    worth: float,
    untouched: npt.NDArray[np.bool_],
) -> Rate | None:
    """The measurement of contacts per 1,000; None where the stage has no series of counts over both windows.

    `panel` as impact.py makes it, its rows of `totals` in the order of `stages`.
    """
    stage = stages[int(panel.of[cell])]
    if stage not in exposures:
        return None
    totals = np.zeros((len(stages), panel.totals.shape[1]))
    for number, name in enumerate(stages):
        if name in exposures:
            totals[number] = _weekly(exposures[name].series, windows, weeks, columns=panel.totals.shape[1])
    own = totals[stages.index(stage)]
    compared = np.r_[own[weeks.baseline_from : weeks.baseline_to], own[weeks.after_from : weeks.after_to]]
    if not len(compared) or (compared > 0).mean() < FILLED:
        return None
    of = totals[panel.of] * SCALED
    hits = np.where(of > 0, panel.hits, 0.0)
    same = panel.of == panel.of[cell]
    # told by the weeks before alone, so that what comes after does not choose what it is compared with
    told = hits[:, max(0, weeks.baseline_from) : weeks.baseline_to].sum(axis=1) >= MIN_HITS
    if np.count_nonzero(same & told & untouched) > MIN_CELLS:
        untouched = untouched & same
    # every pain is a whole of its own: those of the same stage may compare
    rates = Panel(hits, of, np.arange(len(hits)))
    return Rate(exposures[stage].series.name, effect(rates, cell, weeks, worth=worth, untouched=untouched))


def _weekly(series: Series, windows: Windows, weeks: Weeks, *, columns: int) -> Floats:
    """The series by column of the panel; a value holds for the days until the next one (at most a month)."""
    ends = np.r_[series.day[1:], series.end]
    length = np.clip(ends - series.day, 1, 31).astype(np.int64)
    days = np.repeat(series.day, length) + np.concatenate([np.arange(one) for one in length])
    column = windows.columns(days, baseline_weeks=weeks.baseline_to)
    inside = (column >= 0) & (column < columns)
    found: Floats = np.bincount(
        column[inside], np.repeat(series.value / length, length)[inside], minlength=columns
    ).astype(np.float64)
    return found


def _per_thousand(share: Interval, hits: float, orders: float) -> dict[str, Any]:
    values = {name: round(PER * SCALED * getattr(share, name), 3) for name in ("value", "low", "high")}
    return {"count": round(hits), "of": round(orders / SCALED, 2), **values}
