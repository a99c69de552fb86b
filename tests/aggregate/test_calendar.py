"""What a change is told from, taken from the rows by day, equals what is taken from them one by one."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from service.aggregate.calendar import calendar_of
from service.aggregate.change import Course, past_of, sums_of, trends, trends_of, variance_ratios
from service.aggregate.tally import columns_of, sign_of_mood
from service.aggregate.trends import at_fixed_mix
from service.beyond_noise import Periods
from service.store import rollup_frame
from service.store.engine import Database
from service.store.rollup_codes import codebook
from tests.aggregate.test_journey_map import fill


@pytest.mark.parametrize("filters", [{}, {"channel": ["survey"]}])
def test_a_period_by_the_calendar_is_that_of_a_mask(
    database: Database, workspace_id: int, filters: dict[str, list[str]]
) -> None:
    with database.write() as session:
        fill(session, workspace_id, seed=3)
    with database.read() as session:
        frame = rollup_frame.load(session, workspace_id)
    model = codebook().journey_models[0]
    groups, rows = len(model.stages) + 1, frame.rows
    dated = frame.mask(first_day=None, end_day=None, filters=filters) & rows["dated"]
    calendar = frame.once(calendar_of)
    newest = int(rows["day"][dated].max())
    assert calendar.newest(dated) == newest
    assert calendar.newest(np.zeros(len(frame), dtype=bool)) is None
    for length in (3, 7, 20, 40):
        periods = Periods(newest - 2 * length + 5, newest - length + 5, newest + 5)
        day = rows["day"]
        chosen = np.flatnonzero(dated & (day >= past_of(periods)) & (day < periods.end))
        course = Course(
            day=day[chosen],
            group=columns_of(model)[rows["place"][chosen]],
            cluster=rows["cluster"][chosen],
            sign=sign_of_mood()[rows["mood"][chosen]],
            groups=groups,
        )
        course = at_fixed_mix(frame, chosen, course, periods)
        sums, recent = calendar.course(frame, dated, periods, columns_of(model), groups=groups)
        np.testing.assert_array_equal(sums, sums_of(course, periods.quarter(course.day)))
        assert trends_of(sums, recent, periods) == trends(course, periods)


def test_noise_counts_what_people_repeat() -> None:
    """The variance that a change gets from respondents, against each respondent's influence summed one by one."""
    random = np.random.default_rng(4)
    n, periods = 400, Periods(0, 28, 56)
    course = Course(
        day=random.integers(0, 56, n),
        group=random.integers(0, 2, n),
        cluster=random.integers(0, 60, n),
        sign=random.integers(0, 4, n),
        groups=2,
    )
    found = variance_ratios(course, periods)
    for group in (0, 1):
        inside = course.group == group
        for told, (name, which) in zip(
            found, (("mean", inside & (course.sign < 3)), ("items", inside)), strict=True
        ):
            late = course.day[which] >= periods.first
            size = np.array([np.count_nonzero(~late), np.count_nonzero(late)])[late.astype(int)]
            value = course.sign[which] - 1.0 if name == "mean" else np.ones(len(late))
            if name == "mean":
                value -= np.where(late, value[late].mean(), value[~late].mean())
            influence = np.where(late, 1.0, -1.0) * value / size
            people: dict[int, float] = defaultdict(float)
            for person, one in zip(course.cluster[which].tolist(), influence.tolist(), strict=True):
                people[person] += one
            together = sum(one**2 for one in people.values()) * len(people) / (len(people) - 1)
            assert told[group] == pytest.approx(max(1.0, together / float((influence**2).sum())))
