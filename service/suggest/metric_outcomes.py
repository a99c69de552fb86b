"""Metrics from elsewhere as outcomes of a change: a conversion, a retention, a response time.

Each series of the stage gets a verdict of its own, in the words and by the rule of the share of feedback, beside
which it stands. Its numbers come from metric_effect.py; here are its weeks and what is worth having.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, log
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from service.intervals import Interval
from service.selection import day_text
from service.store.metric_rates import Series
from service.suggest.effect import MIN_CELL_HITS, verdict_of
from service.suggest.impact_plan import Course
from service.suggest.impact_windows import WEEK, Windows
from service.suggest.measures import SMALLEST_EFFECT, better_of
from service.suggest.metric_effect import FILLED, Moved, Weekly, detectable, moved, needed_weeks
from service.suggest.outcome_wording import Told, waiting, words

PART_OF_WEEK: Final = 0.6  # of the values that a week usually has, below which it is not over
MAX_BREAK: Final = 4  # weeks without a value, before which older ones are another series
STOPPED: Final = 28  # days without a new value, beyond the usual step, after which none is waited for

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measured:
    """A series by week: logarithms where `logarithmic`, less those elsewhere where `compared`."""

    weekly: Weekly
    logarithmic: bool
    compared: bool


def metric_outcomes(
    series: Sequence[Series],
    elsewhere: Sequence[Series],
    stage: str,
    course: Course,
    windows: Windows,
    *,
    today: int,
) -> list[dict[str, Any]]:
    """Every metric of the stage before and after, with a verdict; of counts only those that were named.

    `elsewhere` holds the same metrics in segments that were not changed; none without a segment.
    """
    there = {one.name: one for one in elsewhere if one.stage == stage}
    chosen = [one for one in series if one.stage == stage and (not one.counts or one.name in course.outcomes)]
    found = [_outcome(one, there.get(one.name), course, windows, today) for one in chosen]
    return [one for one in found if one is not None]


def frozen_outcomes(
    series: Sequence[Series],
    elsewhere: Sequence[Series],
    stage: str,
    named: Sequence[Mapping[str, Any]],
    windows: Windows,
    course: Course,
) -> list[dict[str, Any]]:
    """What an agreement keeps of each metric: which way is better, what is worth having, what can be seen."""
    told = {one["name"]: one for one in named}
    there = {one.name: one for one in elsewhere if one.stage == stage}
    known = {one.name: one for one in series if one.stage == stage and (not one.counts or one.name in told)}
    found = []
    for name in [*known, *(name for name in told if name not in known)]:
        seen = None
        if name in known:
            measured = _measured(known[name], there.get(name), windows)
            if measured.logarithmic:
                seen = detectable(
                    measured.weekly,
                    baseline_weeks=course.plan.baseline_weeks,
                    planned=course.plan.planned_weeks,
                    compared=measured.compared,
                )
        own = told.get(name, {})
        found.append(
            {
                "name": name,
                "better": own.get("better") or better_of(name),
                "smallest_effect": own.get("smallest_effect") or SMALLEST_EFFECT,
                "detectable": None if seen is None else round(seen, 3),
            }
        )
    return found


def _outcome(
    one: Series, there: Series | None, course: Course, windows: Windows, today: int
) -> dict[str, Any] | None:
    plan, named = course.plan, course.outcomes.get(one.name, {})
    length = WEEK * plan.baseline_weeks
    before = _mean(one, windows.trigger - length, windows.trigger)
    after = _mean(one, windows.after, windows.after + WEEK * windows.done)
    if before is None and after is None:
        return None
    measured = _measured(one, there, windows)
    found = moved(
        measured.weekly,
        baseline_weeks=plan.baseline_weeks,
        planned=plan.planned_weeks,
        done=windows.done,
        compared=measured.compared,
    )
    events = _events_a_week(one, windows.trigger - length, windows.trigger)
    worth = named.get("smallest_effect") or SMALLEST_EFFECT
    better = named.get("better") or better_of(one.name)
    enough = found is not None and (events is None or events * found.after_weeks >= MIN_CELL_HITS)
    weeks_before = int(np.count_nonzero(measured.weekly.before))
    told = Told(
        name=one.name,
        before=before,
        after=after,
        better=better,
        worth=worth,
        frozen=bool(named.get("frozen")),
        compared=measured.compared,
        span=measured.weekly.span,
        weeks_before=weeks_before,
        needed=needed_weeks(compared=measured.compared),
        done=windows.done,
        ends_on=day_text(windows.end),
        ratio=not np.isnan(one.denominator).any(),
    )
    verdict: str | None = "not_enough_data"
    until = None
    shown: dict[str, Any] = {"effect": None, "ratio": None}
    if found is not None and enough:
        verdict, shown = _verdict(found, measured.logarithmic, before, better, worth)
        says = words(told, found, verdict, shown)
    else:
        until, says = waiting(
            told,
            alive=one.end + STOPPED > today,
            last=day_text(int(one.day[-1])),
            day=_enough_day(one, windows, today, events),
            events=events if found is not None else None,
            every=_step(one),
        )
    return {
        "name": one.name,
        "kind": "ratio" if told.ratio else "level",
        "before": _rounded(before),
        "after": _rounded(after),
        "difference": None if before is None or after is None else round(after - before, 6),
        **_earlier(one, windows, before, after, length),
        **shown,
        "better": better,
        "smallest_effect": worth,
        "frozen": told.frozen,
        "against": told.against,
        "weeks_before": weeks_before,
        "weeks_after": 0 if found is None else found.after_weeks,
        "final": found is not None and enough and found.final,
        "verdict": verdict,
        "enough_on": None if until is None else day_text(until),
        "says": says,
    }


def _verdict(
    found: Moved, logarithmic: bool, before: float | None, better: str | None, worth: float
) -> tuple[str | None, dict[str, Any]]:
    """The verdict, null where it moved and nobody has said which way is better; and its numbers."""
    change = found.change
    level = abs(found.expected) if before is None else abs(before)
    within = -log(1 - worth) if logarithmic else worth * level
    harm = Interval(-change.value, -change.high, -change.low) if better == "higher" else change
    verdict: str | None = verdict_of(harm, within, enough=True)
    if better is None and verdict in ("helped", "got_worse"):
        verdict = None
    bounds = {name: getattr(change, name) for name in ("value", "low", "high")}
    if not logarithmic:
        return verdict, {"effect": {name: round(one, 6) for name, one in bounds.items()}, "ratio": None}
    return verdict, {"effect": None, "ratio": {name: round(exp(one), 4) for name, one in bounds.items()}}


def _measured(one: Series, there: Series | None, windows: Windows) -> Measured:
    """The weeks of a series; less those of the segments not changed where these have enough of the same weeks."""
    week, value = _weeks(one, windows.after)
    trigger = (windows.trigger - windows.after) // WEEK
    if there is not None:
        other_week, other = _weeks(there, windows.after)
        both, mine, theirs = np.intersect1d(week, other_week, return_indices=True)
        positive = bool((value[mine] > 0).all() and (other[theirs] > 0).all())
        own, others = value[mine], other[theirs]
        apart = np.log(own) - np.log(others) if positive else own - others
        compared = Measured(_unbroken(both, apart, trigger), positive, True)
        early = np.count_nonzero(compared.weekly.before)
        if compared.weekly.span >= needed_weeks(compared=True) and early >= FILLED * compared.weekly.span:
            return compared
    positive = bool((value > 0).all())
    return Measured(_unbroken(week, np.log(value) if positive else value, trigger), positive, False)


def _unbroken(week: Ints, value: Floats, trigger: int) -> Weekly:
    """Without what came before a long break in the weeks before the change."""
    early = week[week < trigger]
    breaks = np.flatnonzero(np.diff(early) > MAX_BREAK)
    first = int(breaks[-1]) + 1 if len(breaks) else 0
    return Weekly(week[first:], value[first:], trigger)


def _weeks(series: Series, after: int) -> tuple[Ints, Floats]:
    """Full weeks counted from the first one after the wash-out: of a ratio sum over sum, of all else the mean."""
    week = (series.day.astype(np.int64) - after) // WEEK
    first = int(week[0])
    values = np.bincount(week - first).astype(np.float64)
    usual = float(np.median(values[values > 0]))
    divided = not np.isnan(series.denominator).any()
    of = np.bincount(week - first, series.denominator) if divided else values
    number = np.flatnonzero((values >= max(1.0, PART_OF_WEEK * usual)) & (of > 0))
    return number + first, np.bincount(week - first, series.value)[number] / of[number]


def _events_a_week(series: Series, first: int, end: int) -> float | None:
    """Counted ones a week of a ratio of counts in the baseline; None for what does not count."""
    inside = (series.day >= first) & (series.day < end)
    value, of = series.value[inside], series.denominator[inside]
    if not inside.any() or np.isnan(series.denominator).any():
        return None
    if (value % 1 != 0).any() or (of % 1 != 0).any() or (value < 0).any() or (value > of).any():
        return None
    days = int(series.day[inside][-1] - series.day[inside][0]) + _step(series)
    return float(value.sum()) * WEEK / max(WEEK, days)


def _step(series: Series) -> int:
    """Days from one value to the next, usually."""
    return int(series.end - series.day[-1])


def _enough_day(series: Series, windows: Windows, today: int, events: float | None) -> int:
    """When there is about enough, as late as its values usually come."""
    late = max(0, min(today - int(series.end), STOPPED))
    weeks = 1 if not events else max(1, ceil(MIN_CELL_HITS / events))
    return max(windows.after + WEEK * weeks + late, today + 1)


def _earlier(
    series: Series, windows: Windows, before: float | None, after: float | None, length: int
) -> dict[str, int]:
    """How often it moved as much by itself: the plain difference between earlier windows of the same lengths."""
    gap, done = windows.after - windows.trigger, WEEK * windows.done
    earlier = []
    if before is not None and after is not None and done:
        for end in range(windows.start, int(series.day[0]), -WEEK):
            first = end - done - gap - length
            if first < series.day[0]:
                break
            then, later = _mean(series, first, first + length), _mean(series, end - done, end)
            if then is not None and later is not None:
                earlier.append(abs(later - then) >= abs(after - before))
    return {"earlier_windows": len(earlier), "moved_as_much": sum(earlier)}


def _mean(series: Series, first: int, end: int) -> float | None:
    """Of the days [first, end): of a ratio the sum over the sum; None without values."""
    inside = (series.day >= first) & (series.day < end)
    if not inside.any():
        return None
    value, denominator = series.value[inside], series.denominator[inside]
    if np.isnan(series.denominator).any():
        return float(value.mean())
    return float(value.sum() / denominator.sum()) if denominator.sum() > 0 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
