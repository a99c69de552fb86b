"""Weekly series of every label of a field, with intervals, and which changes are more than noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from service.aggregate.change import Course, past_of, periods_of, trends, weekly
from service.aggregate.scores import estimates, moments
from service.aggregate.tally import sign_of_mood
from service.beyond_noise import Periods, week_of
from service.selection import Selection
from service.store.label_quality import LABEL_QUALITY
from service.store.like_with_like import WITHHELD, comparable, fixed_mix, foreign, labelled_by, mixed_weeks
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load

Array = NDArray[Any]
By = Literal["stage", "emotion", "sentiment", "topic", "touchpoint"]
FIELDS: tuple[str, ...] = get_args(By)


def label_numbers(frame: Frame, rows: Array, by: str) -> Array:
    """The label of a field of each chosen item that stands in a column of the codebook; others have none."""
    place, mood = (frame.rows[name][rows].astype(np.int64) for name in ("place", "mood"))
    found = {
        "stage": place // codes().size("touchpoint"),
        "touchpoint": place % codes().size("touchpoint"),
        "emotion": mood // codes().size("sentiment"),
        "sentiment": mood % codes().size("sentiment"),
        "topic": frame.rows["topic"][rows].astype(np.int64),
    }[by]
    return np.where(place < codes().pairs, found, len(codes().labels[by]))


def weekly_trends(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection, by: By
) -> dict[str, Any]:
    """Dated items by label and week: {"by", "every", "data": [{"label", "items", "trend", "series"}]}.

    Each week of a series has its items, their share of the week's items, and net sentiment as an estimate. The
    trend compares periods as the journey map does; labels without items are left out. Where labels of different
    models meet (see like_with_like), trends, shares and net sentiments are null; "labels" says why.
    """
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    dated = frame.mask(first_day=None, end_day=None, filters=selection.filters()) & frame.rows["dated"]
    newest = int(frame.rows["day"][dated].max()) if dated.any() else None
    day = frame.rows["day"]
    inside = (
        dated & (day >= (first if first is not None else -(2**31))) & (day < (end if end is not None else 2**31))
    )
    rows = np.flatnonzero(inside)
    course = _course(frame, rows, by)
    periods = periods_of(first, end, newest)
    changes: list[dict[str, Any] | None] = [None] * course.groups
    both: Array | None = inside
    if periods is not None and newest is not None:
        within = dated & (day >= past_of(periods)) & (day < periods.end)
        both = comparable(frame, within, first=periods.first, before=periods.before)
        if both is not None:
            of = at_fixed_mix(frame, np.flatnonzero(both), _course(frame, np.flatnonzero(both), by), periods)
            changes = [*trends(of, periods, complete=newest + 1 >= periods.end)]
    series = series_of(course, foreign(frame, rows), frame.rows["model"].take(rows) >= 0)
    counts = np.bincount(course.group, minlength=course.groups).tolist()
    data = [
        {"label": label, "items": counts[number], "trend": changes[number], "series": series[number]}
        for number, label in enumerate(codes().labels[by])
        if counts[number]
    ]
    labels = {
        "models": labelled_by(frame, inside),
        "trends_withheld": WITHHELD if both is None else None,
        "label_quality": LABEL_QUALITY,
    }
    return {"by": by, "every": "week", "data": data, "labels": labels}


def at_fixed_mix(frame: Frame, rows: Array, course: Course, periods: Periods) -> Course:
    """A course with the source and channel of each of its rows of the frame."""
    late = course.day >= periods.first
    kind, kinds = fixed_mix(
        frame.rows["source"].take(rows),
        frame.rows["channel"].take(rows),
        early=~late & (course.day >= periods.before),
        late=late,
    )
    return replace(course, kind=kind, kinds=kinds)


def _course(frame: Frame, rows: Array, by: str) -> Course:
    return Course(
        day=frame.rows["day"][rows],
        group=label_numbers(frame, rows, by),
        cluster=frame.rows["cluster"][rows],
        sign=sign_of_mood()[frame.rows["mood"][rows]],
        groups=codes().size(by),
    )


def series_of(
    course: Course, other: Array | None, labelled: Array, *, everything: Array | None = None
) -> list[list[dict[str, Any]]]:
    """The weeks of each label; `other` are items labelled by another model than most, `labelled` those by any.

    `everything`: the days of all items of which shares are, where the course does not hold each of them once.
    """
    if other is not None:
        course = replace(course, sign=np.where(other, np.uint8(3), course.sign))
    weeks = weekly(course.day, course.group, course.sign, groups=course.groups)
    if weeks is None:
        return [[] for _ in range(course.groups)]
    count = weeks.items.shape[1]
    kept = (weeks.week >= 0) & (course.sign < 3)
    cell = course.group[kept] * count + weeks.week[kept]
    of = moments(course.sign[kept] - 1.0, cell, course.cluster[kept], groups=course.groups * count)
    net = estimates(of, low=-1, high=1, scale=100, digits=2)
    whole = np.maximum(weeks.items.sum(axis=0), 1)
    if everything is not None:
        week = week_of(everything) - weeks.first
        whole = np.maximum(np.bincount(week[(week >= 0) & (week < count)], minlength=count), 1)
    mixed = np.zeros(count, dtype=bool)
    if other is not None:
        mixed = mixed_weeks(weeks.week, other, labelled, weeks=count)
    nothing = {"value": None, "low": None, "high": None, "n": 0, "respondents": 0}
    mondays = weeks.mondays
    return [
        [
            {
                "week": monday,
                "items": int(weeks.items[group, week]),
                "share": None if mixed[week] else round(float(weeks.items[group, week] / whole[week]), 4),
                "net_sentiment": nothing if mixed[week] else net[group * count + week],
            }
            for week, monday in enumerate(mondays)
        ]
        for group in range(course.groups)
    ]
