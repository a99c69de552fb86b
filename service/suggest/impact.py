"""Did it help? An accepted change measured before and after, against what was not changed.

The metric is the share of the stage's items that say something negative about the topic: a measure within the
stage, so that more or less feedback elsewhere does not move it. It is standardised to the baseline's mix of source
and channel; what the mix alone did is told apart. `effect.py` has the formulas, `impact_plan.py` the windows, and
`python -m benchmarks.impact` how often it errs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlmodel import Session, col, select

from service.errors import Conflict, NotFound
from service.intervals import Interval
from service.moments import rfc3339
from service.selection import day_text
from service.store import rollup_codes, rollup_frame
from service.store.columns import now
from service.store.like_with_like import WITHHELD, model_of_both
from service.store.rollup_frame import Frame
from service.store.schema import Suggestion
from service.suggest.counted import Counted
from service.suggest.decisions import history
from service.suggest.effect import MIN_CELL_HITS, Effect, Panel, Weeks, detectable, effect
from service.suggest.impact_plan import AGREED, MIN_BASELINE_WEEKS, Course, Plan, course_of, day_of
from service.suggest.proposals import key_of, proposals
from service.suggest.selected import counted_of

WEEK: Final = 7
MIX_ITEMS: Final = 20  # of a source and channel in both windows, to be held fixed
MIX_COVERED: Final = 0.8  # of the items of both windows; less, and the mix cannot be held fixed

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Windows:
    """Days since 1970-01-01 of what is compared; `done` full weeks after the wash-out have passed."""

    baseline: int
    trigger: int
    start: int
    after: int
    weeks: int  # of the baseline that hold data
    done: int
    end: int  # planned


def impact(session: Session, *, workspace_id: int, timezone: str, public_id: str) -> dict[str, Any]:
    """The measurement as of today. NotFound for no suggestion, Conflict where no change was accepted."""
    stage, topic = key_of(public_id)
    book = rollup_codes.codebook()
    if stage not in book.labels("stage") or topic not in book.labels("topic"):
        raise NotFound("This suggestion does not exist.")
    course = course_of(history(session, workspace_id=workspace_id, stage=stage, topic=topic))
    if course is None:
        every = proposals(session, workspace_id=workspace_id, timezone=timezone)
        if not any((one.stage, one.topic) == (stage, topic) for one in every):
            raise NotFound("This suggestion does not exist.")
        raise Conflict("No change was accepted for this suggestion, so there is nothing to measure yet.")
    frame = rollup_frame.load(session, workspace_id)
    counted = counted_of(frame)
    cell = book.labels("stage").index(stage) * len(book.topics) + book.labels("topic").index(topic)
    windows = _windows(counted, course, timezone)
    agreed = session.exec(
        select(Suggestion).where(
            col(Suggestion.workspace_id) == workspace_id, col(Suggestion.status).in_([*AGREED, "rolled_back"])
        )
    ).all()
    touched = {(row.stage, row.topic) for row in agreed}
    measured = _measure(frame, counted, cell, windows, course.plan, touched)
    return _answer(public_id, stage, topic, course, windows, measured, touched)


def plan_for(session: Session, *, workspace_id: int, timezone: str, stage: str, topic: str) -> dict[str, Any]:
    """What is frozen when a change is agreed on: the plan, and what it can see with the usual volume."""
    book = rollup_codes.codebook()
    plan, moment = Plan(), now()
    frame = rollup_frame.load(session, workspace_id)
    counted = counted_of(frame)
    cell = book.labels("stage").index(stage) * len(book.topics) + book.labels("topic").index(topic)
    windows = _windows(counted, Course(moment, moment, None, plan, started=False), timezone)
    panel = _panel(counted, windows, plan, np.ones(len(counted.item_day), dtype=bool))
    weeks = Weeks(
        plan.baseline_weeks - windows.weeks,
        plan.baseline_weeks,
        plan.baseline_weeks,
        plan.baseline_weeks,
        plan.planned_weeks,
    )
    seen = detectable(panel, cell, weeks) if windows.weeks >= MIN_BASELINE_WEEKS else None
    return {
        **asdict(plan),
        "metric": "share_of_stage",
        "baseline_from": day_text(windows.baseline),
        "baseline_to": day_text(windows.trigger),
        "detectable": None if seen is None else round(seen, 3),
    }


def _windows(counted: Counted, course: Course, timezone: str) -> Windows:
    plan = course.plan
    trigger = day_of(course.agreed_at, timezone) - WEEK * plan.trigger_weeks
    start = day_of(course.starts_at, timezone)
    after = start + WEEK * plan.washout_weeks
    end = after + WEEK * plan.planned_weeks
    usable = counted.item_dated & (counted.item_stage >= 0)
    oldest = int(counted.item_day[usable].min()) if usable.any() else trigger
    weeks = max(0, min(plan.baseline_weeks, (trigger - oldest) // WEEK))
    today = day_of(min(now(), course.ended_at or now()), timezone)
    done = max(0, min(plan.planned_weeks, (today - after) // WEEK))
    return Windows(trigger - WEEK * weeks, trigger, start, after, weeks, done, end)


@dataclass(frozen=True, slots=True)
class _Measured:
    effect: Effect | None
    withheld: str | None
    mix: dict[str, Any] | None
    series: list[dict[str, Any]]
    hits_a_week: float  # of the baseline


def _measure(
    frame: Frame, counted: Counted, cell: int, windows: Windows, plan: Plan, touched: set[tuple[str, str]]
) -> _Measured:
    book = rollup_codes.codebook()
    topics = len(book.topics)
    stages = book.labels("stage")
    usable = counted.item_dated & (counted.item_stage >= 0)
    day = counted.item_day
    early = usable & (day >= windows.baseline) & (day < windows.trigger)
    late = usable & (day >= windows.after) & (day < windows.after + WEEK * windows.done)
    lead = model_of_both(counted.item_model[early], counted.item_model[late])
    if lead is None:
        return _Measured(None, WITHHELD, None, _series(counted, cell, usable, windows), 0.0)
    usable &= (counted.item_model == lead) | (counted.item_model < 0)
    panel = _panel(counted, windows, plan, usable)
    first, split = plan.baseline_weeks - windows.weeks, plan.baseline_weeks
    hits = float(panel.hits[cell, first:split].sum())
    series = _series(counted, cell, usable, windows)
    if windows.weeks < MIN_BASELINE_WEEKS or not windows.done:
        return _Measured(None, None, None, series, hits / max(1, windows.weeks))
    mix = _mix(frame, counted, cell, early & usable, late & usable)
    if mix is not None:
        # the changed cell alone: what the mix does to the others averages out
        panel.hits[cell, split:] *= mix.pop("factor")
    untouched = np.ones(len(panel.hits), dtype=bool)
    for stage, topic in touched:
        if stage in stages and topic in book.labels("topic"):
            untouched[stages.index(stage) * topics + book.labels("topic").index(topic)] = False
    weeks = Weeks(first, split, split, split + windows.done, plan.planned_weeks)
    found = effect(panel, cell, weeks, worth=plan.smallest_effect, untouched=untouched)
    return _Measured(found, None, mix, series, hits / max(1, windows.weeks))


def _panel(counted: Counted, windows: Windows, plan: Plan, usable: Bools) -> Panel:
    """Baseline weeks back from the trigger, then weeks after the wash-out, side by side."""
    book = rollup_codes.codebook()
    stages, topics = len(book.stages), len(book.topics)
    columns = plan.baseline_weeks + plan.planned_weeks
    day = counted.item_day
    before = plan.baseline_weeks - 1 - (windows.trigger - 1 - day) // WEEK
    after = plan.baseline_weeks + (day - windows.after) // WEEK
    week = np.where(day < windows.trigger, before, np.where(day >= windows.after, after, -1))
    inside = usable & (counted.item_stage >= 0) & counted.item_dated & (week >= 0) & (week < columns)
    week = np.where(inside, week, -1)
    whole = counted.item_stage[inside] * columns + week[inside]
    totals = np.bincount(whole, minlength=stages * columns).reshape(stages, columns)
    pairs = counted.complaints
    chosen = week[pairs.pair_item] >= 0
    cells = pairs.pair_cell[chosen] * columns + week[pairs.pair_item[chosen]]
    hits = np.bincount(cells, minlength=stages * topics * columns).reshape(stages * topics, columns)
    return Panel(hits.astype(np.float64), totals.astype(np.float64), np.repeat(np.arange(stages), topics))


def _mix(frame: Frame, counted: Counted, cell: int, early: Bools, late: Bools) -> dict[str, Any] | None:
    """What the share after would be with the baseline's mix of source and channel (direct standardisation:
    J. Fleiss, B. Levin, M. Paik, "Statistical Methods for Rates and Proportions", 2003, ch. 19).

    None where one source and channel is all there is, or too little comes from those that both windows have.
    """
    stage = cell // len(rollup_codes.codebook().topics)
    rows = counted.item_stage == stage
    codes = frame.rows["source"].astype(np.int64) * (len(frame.words["channel"]) + 1) + frame.rows["channel"]
    kinds, stratum = np.unique(codes, return_inverse=True)
    pairs = counted.complaints
    said = np.zeros(len(counted.item_day), dtype=bool)
    said[pairs.pair_item[pairs.pair_cell == cell]] = True
    n0, n1 = (np.bincount(stratum[rows & window], minlength=len(kinds)) for window in (early, late))
    h1 = np.bincount(stratum[rows & late & said], minlength=len(kinds))
    shared = (n0 >= MIX_ITEMS) & (n1 >= MIX_ITEMS)
    if shared.sum() < 2 or n0[shared].sum() < MIX_COVERED * n0.sum() or n1[shared].sum() < MIX_COVERED * n1.sum():
        return None
    plain = h1[shared].sum() / n1[shared].sum()
    fixed = float((n0[shared] / n0[shared].sum() * h1[shared] / n1[shared]).sum())
    if plain <= 0 or fixed <= 0:
        return None
    return {
        "factor": fixed / plain,
        "difference": round(float(plain - fixed), 4),
        "sources_and_channels": int(shared.sum()),
        "covered": round(float((n0[shared].sum() + n1[shared].sum()) / max(1, n0.sum() + n1.sum())), 3),
    }


def _series(counted: Counted, cell: int, usable: Bools, windows: Windows) -> list[dict[str, Any]]:
    """Every week from the baseline to today, counted from the start."""
    stage = cell // len(rollup_codes.codebook().topics)
    rows = usable & (counted.item_stage == stage) & (counted.item_day >= windows.baseline)
    week = (counted.item_day - windows.start) // WEEK
    pairs = counted.complaints
    said = np.zeros(len(counted.item_day), dtype=bool)
    said[pairs.pair_item[pairs.pair_cell == cell]] = True
    found = []
    for number in np.unique(week[rows]).tolist():
        inside = rows & (week == number)
        day = windows.start + WEEK * number
        if windows.baseline <= day < windows.trigger:
            part = "baseline"
        elif day < windows.start:
            part = "excluded"
        else:
            part = "washout" if day < windows.after else "after" if day < windows.end else "later"
        found.append(
            {
                "from": day_text(day),
                "part": part,
                "count": int((inside & said).sum()),
                "n": int(inside.sum()),
            }
        )
    return found


def _answer(
    public_id: str,
    stage: str,
    topic: str,
    course: Course,
    windows: Windows,
    measured: _Measured,
    touched: set[tuple[str, str]],
) -> dict[str, Any]:
    plan, found = course.plan, measured.effect
    verdict = found.verdict if found is not None else "not_enough_data"
    until = None
    if verdict == "not_enough_data" and measured.withheld is None:
        until = _enough_on(windows, measured)
    return {
        "id": public_id,
        "metric": {
            "name": "share_of_stage",
            "stage": stage,
            "topic": topic,
            "about": "Share of the stage's items that say something negative about the topic.",
        },
        "agreed_at": rfc3339(course.agreed_at),
        "started_at": rfc3339(course.starts_at),
        "start_told": course.started,
        "ended_at": rfc3339(course.ended_at),
        "plan": {
            "smallest_effect": plan.smallest_effect,
            "planned_weeks": plan.planned_weeks,
            "washout_weeks": plan.washout_weeks,
            "ends_on": day_text(windows.end),
            "weeks_done": windows.done,
        },
        "baseline": {
            "from": day_text(windows.baseline),
            "to": day_text(windows.trigger),
            "weeks": windows.weeks,
            "excluded_from": day_text(windows.trigger),
            "excluded_to": day_text(windows.after),
        },
        "before": None if found is None else _side(found.before, found.before_hits, found.before_n),
        "after": None if found is None else _side(found.after, found.after_hits, found.after_n),
        "difference": None if found is None else _rounded(found.difference),
        "ratio": None if found is None else _rounded(found.ratio),
        "comparison": None
        if found is None
        else {
            "against": "the same weeks in stages that were not changed",
            "cells": found.cells,
            "ratio": _rounded(found.others),
            "variance_over_counts": round(found.blown_up, 2),
        },
        "mix": measured.mix,
        "final": found is not None and found.final,
        "verdict": verdict,
        "says": _says(verdict, found, windows, until, measured.withheld),
        "enough_on": until,
        "withheld": measured.withheld,
        "overlapping": sorted(
            f"{other}.{subject}" for other, subject in touched if other == stage and subject != topic
        ),
        "series": measured.series,
    }


def _enough_on(windows: Windows, measured: _Measured) -> str | None:
    if windows.weeks < MIN_BASELINE_WEEKS or measured.hits_a_week <= 0:
        return None
    weeks = max(windows.done + 1, ceil(MIN_CELL_HITS / measured.hits_a_week))
    return day_text(windows.after + WEEK * weeks)


def _side(share: Interval, hits: float, n: float) -> dict[str, Any]:
    return {"count": round(hits), "n": round(n), "share": round(share.value, 4), **_bounds(share)}


def _bounds(found: Interval) -> dict[str, float]:
    return {"low": round(found.low, 4), "high": round(found.high, 4)}


def _rounded(found: Interval) -> dict[str, float]:
    return {"value": round(found.value, 4), **_bounds(found)}


def _says(verdict: str, found: Effect | None, windows: Windows, until: str | None, withheld: str | None) -> str:
    if withheld is not None:
        return withheld
    if found is None or verdict == "not_enough_data":
        if windows.weeks < MIN_BASELINE_WEEKS:
            return (
                f"Not enough data: {windows.weeks} weeks before the suggestion arose, "
                f"{MIN_BASELINE_WEEKS} are needed to know what was usual."
            )
        return f"Not enough data until about {until}." if until else "Not enough data."
    fall, least, most = (round(100 * (1 - one)) for one in (found.ratio.value, found.ratio.high, found.ratio.low))
    told = f"{_fewer(fall)} than before, measured against what was not changed"
    told += f" (between {_fewer(least)} and {_fewer(most)})."
    if not found.final:
        told += f" An early look after {windows.done} weeks; the plan ends on {day_text(windows.end)}."
    head = {
        "helped": "It helped",
        "got_worse": "It got worse",
        "no_effect_worth_having": "No effect worth having",
        "inconclusive": "Not clear yet" if not found.final else "Not clear",
    }[verdict]
    return f"{head}: {told}"


def _fewer(percent: int) -> str:
    return f"{percent} % less" if percent >= 0 else f"{-percent} % more"
