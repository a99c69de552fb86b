"""Changes from a period to the one before, and weekly series. What is more than noise is said by beyond_noise.

`significant` holds for all groups of one answer together, net sentiment and number of items alike, at 5 % per
look: of a hundred looks at data in which nothing changed, at most five show any alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.aggregate.scores import Moments, moments
from service.beyond_noise import (
    LEVEL,
    MIN_ITEMS,
    PAST,
    PERIODS,
    QUARTERS,
    Changes,
    Counts,
    Periods,
    holm,
    last_full_weeks,
    shares_or_means,
    volumes,
    week_of,
)
from service.selection import day_text

Array = NDArray[Any]
TREND_WEEKS = 4  # without bounds: so many full weeks against as many before
MAX_WEEKS = 105  # of a series


@dataclass(frozen=True, slots=True)
class Course:
    """Dated items in time: one entry an item."""

    day: Array  # since 1970-01-01
    group: Array  # what it is counted under, below `groups`
    cluster: Array  # respondent
    value: Array  # net sentiment, NaN without one
    groups: int
    kind: Array | None = None  # source and channel, below `kinds`; None where all are alike
    kinds: int = 1

    def at(self, mask: Array) -> Course:
        """The entries that a mask chooses."""
        rows = np.flatnonzero(mask)
        if len(rows) == len(mask):
            return self
        return replace(
            self,
            day=self.day.take(rows),
            group=self.group.take(rows),
            cluster=self.cluster.take(rows),
            value=self.value.take(rows),
            kind=None if self.kind is None else self.kind.take(rows),
        )


def periods_of(first: int | None, end: int | None, newest: int | None) -> Periods | None:
    """The periods to compare: the asked one and its predecessor, or, without a beginning, the last full weeks.

    `newest` is the day of the newest dated item; None where there is none.
    """
    if newest is None:
        return None
    if first is not None:
        end = newest + 1 if end is None else end
        return Periods(first - (end - first), first, end) if end > first else None
    return last_full_weeks(newest if end is None else min(end - 1, newest), TREND_WEEKS)


def past_of(periods: Periods) -> int:
    """The first day that matters to a comparison: the changes of the past say what is noise."""
    return periods.before - PAST * (periods.end - periods.first)


def trends(
    course: Course, periods: Periods, *, complete: bool = True, alpha: float = 1 - LEVEL
) -> list[dict[str, Any]]:
    """Change of net sentiment and of the number of items by group; `course` holds both periods and their past.

    `complete` is False for a period that is not over yet: its number of items is compared with nothing. `alpha` is
    the chance of any false alarm in this answer.
    """
    course = course.at((course.day >= past_of(periods)) & (course.day < periods.end))
    place = course.group.astype(np.int64)  # a copy, changed in place
    place *= course.kinds
    if course.kind is not None:
        place += course.kind
    place *= PERIODS * QUARTERS
    place += periods.quarter(course.day)
    recent = course.at(course.day >= periods.before)
    spoken = recent.at(~np.isnan(recent.value))
    recent = replace(recent, value=np.ones(len(recent.day)))
    said = np.flatnonzero(~np.isnan(course.value))
    told, value = (place, course.value) if len(said) == len(place) else (place[said], course.value[said])
    sentiment = shares_or_means(
        Counts(*(_spread(course, told, weight) for weight in (None, value, value**2))),
        repeats=_repeats(spoken, periods, of_mean=True),
        enough=np.ones(course.groups, dtype=bool),
        shares=False,
    )
    items = _spread(course, place, None)
    volume = volumes(
        Counts(items, items, items), repeats=_repeats(recent, periods, of_mean=False), complete=complete
    )
    chance = np.r_[sentiment.chance, volume.chance]
    tested = np.flatnonzero(np.r_[_enough(sentiment), _enough(volume)])
    held = holm(chance, among=tested, alpha=alpha).reshape(2, -1)
    period = {
        "from": day_text(periods.first),
        "to": day_text(periods.end),
        "previous_from": day_text(periods.before),
        "previous_to": day_text(periods.first),
    }
    return [
        {
            "net_sentiment": _answer(sentiment, group, held[0], kinds=course.kinds),
            "items": _answer(volume, group, held[1], kinds=0),
            **period,
        }
        for group in range(course.groups)
    ]


def _spread(course: Course, place: Array, weight: Array | None) -> Array:
    size = course.groups * course.kinds * PERIODS * QUARTERS
    found: Array = np.bincount(place, weight, minlength=size)
    return found.reshape(course.groups, course.kinds, PERIODS * QUARTERS)


def _enough(changes: Changes) -> Array:
    """Which cells are looked at: whether they are tested must not depend on what is seen in them."""
    return np.asarray((changes.n >= MIN_ITEMS) & (changes.before_n >= MIN_ITEMS))


def _repeats(course: Course, periods: Periods, *, of_mean: bool) -> Array:
    """By group how many times the variance of independent items a change has because people repeat themselves.

    Each respondent's summed influence, squared (K.-Y. Liang, S. Zeger, "Longitudinal data analysis using
    generalized linear models", Biometrika 73, 1986), over that of each item.
    """
    groups, group, value = course.groups, course.group.astype(np.int64), course.value
    half = 2 * group + (course.day >= periods.first)  # of each item: its group's first or second period
    counts = np.maximum(np.bincount(half, minlength=2 * groups), 1)
    weight = np.tile([-1.0, 1.0], groups) / counts
    if of_mean:
        value = value - (np.bincount(half, value, minlength=2 * groups) / counts).take(half)
    influence = value * weight.take(half)
    sums: Moments = moments(influence, group, course.cluster, groups=groups)
    alone = np.bincount(group, influence**2, minlength=groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = sums.squares * sums.clusters / np.maximum(sums.clusters - 1, 1) / alone
    return np.where(alone > 0, np.maximum(1.0, np.nan_to_num(ratio, nan=1.0)), 1.0)


def _answer(of: Changes, group: int, held: Array, *, kinds: int) -> dict[str, Any] | None:
    """A change of net sentiment in points; with `kinds` 0 of a number of items, as a share of it."""
    if not of.n[group] or not of.before_n[group]:
        return None
    value, low, high = (float(part[group]) for part in (of.value, of.low, of.high))
    mix = None
    if kinds:
        plain = value + float(of.mix[group])
        if of.covered[group] == 0:  # no source in common: nothing can be held fixed
            value, low, high = plain, -2.0, 2.0
        elif kinds > 1:
            mix = {"change": round(100 * float(of.mix[group]), 4), "covered": round(float(of.covered[group]), 4)}
        shown = np.clip([value, low, high], -2, 2) * 100
    else:
        shown = np.expm1(np.minimum([value, low, high], 10))
    return {
        **dict(zip(("change", "low", "high"), (round(float(x), 4) for x in shown), strict=True)),
        "significant": bool(held[group]),
        "n": int(of.n[group]),
        "previous_n": int(of.before_n[group]),
        "mix": mix,
        "noise": round(float(of.noise[group]), 2),
    }


@dataclass(frozen=True, slots=True)
class Weeks:
    """Items by group and week."""

    first: int  # number of the first week, see week_of
    week: Array  # of each entry of the course; below 0 where it is older than the first week
    items: Array  # (groups, weeks)
    said: Array  # with a sentiment
    total: Array  # of net sentiment

    @property
    def mondays(self) -> list[str]:
        """The day on which each week begins."""
        return [day_text((self.first + week) * 7 - 3) for week in range(self.items.shape[1])]


def weekly(day: Array, group: Array, sign: Array, *, groups: int) -> Weeks | None:
    """The weeks from the first to the last item, the last MAX_WEEKS at most; None without items.

    One entry an item: its day, its group (below `groups`), and `sign` 0, 1, 2 for a negative, no and a positive
    net sentiment, 3 for an item without one.
    """
    if not len(day):
        return None
    week = week_of(day)
    last = int(week.max())
    first = max(int(week.min()), last - MAX_WEEKS + 1)
    weeks = last - first + 1
    week -= first
    cell = group.astype(np.int64)  # a copy, changed in place
    cell *= weeks
    cell += week
    cell *= 4
    cell += sign
    if week.min() < 0:
        cell = cell[week >= 0]
    counts = np.bincount(cell, minlength=4 * groups * weeks).reshape(groups, weeks, 4)
    return Weeks(first, week, counts.sum(axis=2), counts[..., :3].sum(axis=2), counts[..., 2] - counts[..., 0])


def weekly_means(weeks: Weeks | None, groups: int) -> list[list[dict[str, Any]]]:
    """Items and net sentiment of each week by group, without intervals."""
    if weeks is None:
        return [[] for _ in range(groups)]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.round(100 * weeks.total / weeks.said, 2)
    mondays = weeks.mondays
    return [
        [
            {"week": monday, "items": items, "net_sentiment": net if said else None}
            for monday, items, said, net in zip(
                mondays,
                weeks.items[group].tolist(),
                weeks.said[group].tolist(),
                mean[group].tolist(),
                strict=True,
            )
        ]
        for group in range(groups)
    ]
