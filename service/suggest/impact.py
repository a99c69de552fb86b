"""Did it help? An accepted change measured before and after, against what was not changed.

A change that starts in one segment (a country, a channel) is compared with the same stage in the others.

The metric is the share of the stage's items that say something negative about the topic: a measure within the
stage, so that more or less feedback elsewhere does not move it. It is standardised to the baseline's mix of source
and channel; what the mix alone did is told apart. `effect.py` has the formulas, `impact_plan.py` the windows, and
`python -m benchmarks.impact` how often it errs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlmodel import Session, col, select

from service.errors import Conflict, NotFound
from service.selection import day_text
from service.store import rollup_codes, rollup_frame
from service.store.columns import now
from service.store.like_with_like import WITHHELD, model_of_both
from service.store.metric_rates import Series, exposures, stage_series
from service.store.rollup_frame import Frame
from service.store.schema import Suggestion
from service.suggest.counted import Counted
from service.suggest.decisions import histories
from service.suggest.effect import MIN_CELL_HITS, Panel, Weeks, detectable, effect
from service.suggest.impact_plan import AGREED, MIN_BASELINE_WEEKS, Course, Plan, Segment, course_of, day_of
from service.suggest.impact_windows import WEEK, Windows
from service.suggest.impact_wording import Measured, answer, tried_answer
from service.suggest.metric_outcomes import frozen_outcomes, metric_outcomes
from service.suggest.outcomes import contacts_rate
from service.suggest.proposals import key_of, proposals
from service.suggest.selected import counted_of

CHECKED_WEEKS: Final = 8  # of a baseline, from which its halves are compared
AGAINST_STAGES: Final = "the same weeks in stages that were not changed"
AGAINST_SEGMENTS: Final = "the same stage in segments that were not changed"
AGAINST_STAGES_THERE: Final = "other stages of the segment, because the other segments hold too little of it"
MIX_ITEMS: Final = 20  # of a source and channel in both windows, to be held fixed
MIX_COVERED: Final = 0.8  # of the items of both windows; less, and the mix cannot be held fixed

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def impact(session: Session, *, workspace_id: int, timezone: str, public_id: str) -> dict[str, Any]:
    """The measurement as of today. NotFound for no suggestion, Conflict where no change was accepted."""
    found = impacts(session, workspace_id=workspace_id, timezone=timezone, public_ids=[public_id])[public_id]
    if found is None:
        every = proposals(session, workspace_id=workspace_id, timezone=timezone)
        if not any((one.stage, one.topic) == key_of(public_id) for one in every):
            raise NotFound("This suggestion does not exist.")
        raise Conflict("No change was accepted for this suggestion, so there is nothing to measure yet.")
    return found


def impacts(
    session: Session, *, workspace_id: int, timezone: str, public_ids: Sequence[str]
) -> dict[str, dict[str, Any] | None]:
    """The measurements of several, None where no change was accepted; as many questions as for one.

    NotFound for an id that names no stage and topic.
    """
    book = rollup_codes.codebook()
    keys = {public_id: key_of(public_id) for public_id in public_ids}
    stages, topics = book.labels("stage"), book.labels("topic")
    if any(stage not in stages or topic not in topics for stage, topic in keys.values()):
        raise NotFound("This suggestion does not exist.")
    told = histories(session, workspace_id=workspace_id, of=keys.values())
    courses = {public_id: course_of(told[key]) for public_id, key in keys.items()}
    if not any(courses.values()):
        return dict.fromkeys(courses)
    frame = rollup_frame.load(session, workspace_id)
    counted = counted_of(frame)
    agreed = session.exec(
        select(Suggestion).where(
            col(Suggestion.workspace_id) == workspace_id, col(Suggestion.status).in_([*AGREED, "rolled_back"])
        )
    ).all()
    touched = {(row.stage, row.topic) for row in agreed}
    told_elsewhere: dict[str, tuple[list[Series], list[Series]]] = {}  # by segment; most changes have none
    today = day_of(now(), timezone)
    found: dict[str, dict[str, Any] | None] = {}
    for public_id, course in courses.items():
        if course is None:
            found[public_id] = None
            continue
        stage, topic = keys[public_id]
        cell = stages.index(stage) * len(topics) + topics.index(topic)
        windows = _windows(counted, course, timezone)
        where = repr(course.segment)
        if where not in told_elsewhere:
            told_elsewhere[where] = _series_for(session, workspace_id, course.segment)
        series, unchanged = told_elsewhere[where]
        measured = _measure(frame, counted, cell, windows, course, touched, series)
        tried = None
        if course.tried is not None and course.tried.segment is not None:
            earlier = _windows(counted, course.tried, timezone)
            shown = _measure(frame, counted, cell, earlier, course.tried, touched, [])
            tried = tried_answer(course.tried.segment, earlier, shown)
        beside = metric_outcomes(series, unchanged, stage, course, windows, today=today)
        found[public_id] = answer(public_id, stage, topic, course, windows, measured, touched, tried, beside)
    return found


def plan_for(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    stage: str,
    topic: str,
    segment: Segment | None = None,
) -> dict[str, Any]:
    """What is frozen when a change is agreed on: the plan, and what it can see with the usual volume."""
    book = rollup_codes.codebook()
    plan, moment = Plan(), now()
    frame = rollup_frame.load(session, workspace_id)
    counted = counted_of(frame)
    cell = book.labels("stage").index(stage) * len(book.topics) + book.labels("topic").index(topic)
    windows = _windows(counted, Course(moment, moment, None, plan, started=False), timezone)
    here = _inside(frame, segment)
    panel = _panel(counted, windows, plan, here)
    elsewhere = None if segment is None else _panel(counted, windows, plan, ~here)
    weeks = Weeks(
        plan.baseline_weeks - windows.weeks,
        plan.baseline_weeks,
        plan.baseline_weeks,
        plan.baseline_weeks,
        plan.planned_weeks,
    )
    if elsewhere is not None and not _enough_elsewhere(elsewhere, cell, weeks):
        elsewhere = None
    seen = detectable(panel, cell, weeks, elsewhere=elsewhere) if windows.weeks >= MIN_BASELINE_WEEKS else None
    return {
        **asdict(plan),
        "metric": "share_of_stage",
        "baseline_from": day_text(windows.baseline),
        "baseline_to": day_text(windows.trigger),
        "detectable": None if seen is None else round(seen, 3),
    }


def outcomes_for(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    stage: str,
    segment: Segment | None,
    named: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """The stage's metrics as they are frozen when a change is agreed on, those that were `named` among them."""
    moment, plan = now(), Plan()
    course = Course(moment, moment, None, plan, started=False, segment=segment)
    trigger, start = (day_of(moment, timezone) - WEEK * weeks for weeks in (plan.trigger_weeks, 0))
    after = start + WEEK * plan.washout_weeks
    windows = Windows(trigger, trigger, start, after, 0, 0, after + WEEK * plan.planned_weeks)
    series, unchanged = _series_for(session, workspace_id, segment)
    return frozen_outcomes(series, unchanged, stage, named, windows, course)


def _series_for(session: Session, workspace_id: int, segment: Segment | None) -> tuple[list[Series], list[Series]]:
    """Series from elsewhere of where it was changed, and of where it was not: these only with a segment, and none
    at all for a segment that is no attribute.
    """
    if segment is None:
        return stage_series(session, workspace_id=workspace_id), []
    if not all(kind.startswith("attr.") for kind in segment):
        return [], []
    attributes = {kind.removeprefix("attr."): values for kind, values in segment.items()}
    return (
        stage_series(session, workspace_id=workspace_id, attributes=attributes),
        stage_series(session, workspace_id=workspace_id, attributes=attributes, outside=True),
    )


def _inside(frame: Frame, segment: Segment | None) -> Bools:
    """The rows of a segment; all where there is none."""
    found: Bools = frame.mask(first_day=None, end_day=None, filters=segment or {})
    return found


def _enough_elsewhere(panel: Panel, cell: int, weeks: Weeks) -> bool:
    """Whether other segments hold so much of the pain that they can be compared with. Of the baseline alone, so
    that what comes after does not choose what it is compared with.
    """
    length = max(1, weeks.baseline_to - max(0, weeks.baseline_from))
    hits = float(panel.hits[cell, max(0, weeks.baseline_from) : weeks.baseline_to].sum())
    return hits / length * weeks.planned >= 2 * MIN_CELL_HITS


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


def _measure(
    frame: Frame,
    counted: Counted,
    cell: int,
    windows: Windows,
    course: Course,
    touched: set[tuple[str, str]],
    series_from_elsewhere: Sequence[Series],
) -> Measured:
    plan = course.plan
    book = rollup_codes.codebook()
    topics = len(book.topics)
    stages = book.labels("stage")
    usable = counted.item_dated & (counted.item_stage >= 0)
    day = counted.item_day
    here = _inside(frame, course.segment)
    early = usable & (day >= windows.baseline) & (day < windows.trigger)
    late = usable & (day >= windows.after) & (day < windows.after + WEEK * windows.done)
    lead = model_of_both(counted.item_model[early], counted.item_model[late])
    if lead is None:
        return Measured(None, WITHHELD, None, _series(counted, cell, usable & here, windows), 0.0)
    foreign = usable & (early | late) & (counted.item_model != lead) & (counted.item_model >= 0)
    usable &= (counted.item_model == lead) | (counted.item_model < 0)
    panel = _panel(counted, windows, plan, usable & here)
    first, split = plan.baseline_weeks - windows.weeks, plan.baseline_weeks
    hits = float(panel.hits[cell, first:split].sum())
    series = _series(counted, cell, usable & here, windows)
    weeks = Weeks(first, split, split, split + windows.done, plan.planned_weeks)
    elsewhere = _panel(counted, windows, plan, usable & ~here) if course.segment is not None else None
    against = AGAINST_STAGES if course.segment is None else AGAINST_STAGES_THERE
    if elsewhere is not None:
        if _enough_elsewhere(elsewhere, cell, weeks):
            against = AGAINST_SEGMENTS
        else:
            elsewhere = None
    if windows.weeks < MIN_BASELINE_WEEKS or not windows.done:
        return Measured(None, None, None, series, hits / max(1, windows.weeks), against)
    untouched = np.ones(len(panel.hits), dtype=bool)
    for stage, topic in touched:
        if stage in stages and topic in book.labels("topic"):
            untouched[stages.index(stage) * topics + book.labels("topic").index(topic)] = False
    rate = None
    if not foreign.any():  # a rate would fall by what another model has labelled
        rate = contacts_rate(
            panel,
            cell,
            weeks,
            stages=stages,
            exposures=exposures(series_from_elsewhere),
            windows=windows,
            worth=plan.smallest_effect,
            untouched=untouched,
        )
    mix = _mix(frame, counted, cell, early & usable & here, late & usable & here)
    if mix is not None:
        # the changed cell alone: what the mix does to the others averages out
        panel.hits[cell, split:] *= mix.pop("factor")
    if elsewhere is not None:
        there = _mix(frame, counted, cell, early & usable & ~here, late & usable & ~here)
        if there is not None:
            elsewhere.hits[cell, split:] *= there["factor"]
    found = effect(panel, cell, weeks, worth=plan.smallest_effect, untouched=untouched, elsewhere=elsewhere)
    alike = None
    if windows.weeks >= CHECKED_WEEKS:
        middle = split - windows.weeks // 2
        halves = Weeks(first, middle, middle, split, split - middle)
        placebo = effect(panel, cell, halves, worth=plan.smallest_effect, untouched=untouched, elsewhere=elsewhere)
        alike = placebo.ratio.low <= 1 <= placebo.ratio.high
    told = None if rate is None else rate.public()
    return Measured(found, None, mix, series, hits / max(1, windows.weeks), against, told, alike)


def _panel(counted: Counted, windows: Windows, plan: Plan, usable: Bools) -> Panel:
    """Baseline weeks back from the trigger, then weeks after the wash-out, side by side."""
    book = rollup_codes.codebook()
    stages, topics = len(book.stages), len(book.topics)
    columns = plan.baseline_weeks + plan.planned_weeks
    week = windows.columns(counted.item_day, baseline_weeks=plan.baseline_weeks)
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
