"""Which changes are more than noise: a period against the one before, and weekly series.

The difference of two means and of two logarithms of counts is estimated with its variance over respondents (each
respondent's summed influence on the difference, squared: K.-Y. Liang, S. Zeger, "Longitudinal data analysis using
generalized linear models", Biometrika 73, 1986), so that people who speak in both periods are counted right.
`significant` holds for all columns of a map together, at 5 % after S. Holm, "A simple sequentially rejective
multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from service.aggregate.scores import Moments, moments, order_by
from service.selection import day_text

Array = NDArray[Any]
LEVEL = 0.95
MIN_ITEMS = 10  # in each period, below which no change is called significant
TREND_WEEKS = 4  # without bounds: so many full weeks against as many before
MAX_WEEKS = 105  # of a series


@dataclass(frozen=True, slots=True)
class Windows:
    """Two equally long periods in days since 1970-01-01: [before, first) and [first, end)."""

    before: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Course:
    """Dated items in time: one entry an item."""

    day: Array  # since 1970-01-01
    group: Array  # what it is counted under, below `groups`
    cluster: Array  # respondent
    value: Array  # net sentiment, NaN without one
    groups: int


def windows_of(first: int | None, end: int | None, newest: int | None) -> Windows | None:
    """The periods to compare: the asked one and its predecessor, or, without a beginning, the last full weeks.

    `newest` is the day of the newest dated item; None where there is none.
    """
    if newest is None:
        return None
    if first is not None:
        end = newest + 1 if end is None else end
        return Windows(first - (end - first), first, end) if end > first else None
    end = newest + 1 if end is None else min(end, newest + 1)
    monday = week_of(end) * 7 - 3
    return Windows(monday - 14 * TREND_WEEKS, monday - 7 * TREND_WEEKS, monday)


def week_of(day: Any) -> Any:
    """The number of the week (Monday to Sunday) of a day since 1970-01-01, which was a Thursday."""
    return (day + 3) // 7


def trends(course: Course, windows: Windows) -> list[dict[str, Any]]:
    """Change of net sentiment and of the number of items by group; `course` holds both periods and no more."""
    order = order_by(course.group, course.cluster, groups=course.groups)
    if order is not None:  # once for both
        course = replace(
            course,
            day=course.day.take(order),
            group=course.group.take(order),
            cluster=course.cluster.take(order),
            value=course.value.take(order),
        )
    current = course.day >= windows.first
    said = ~np.isnan(course.value)
    spoken = replace(course, group=course.group[said], cluster=course.cluster[said], value=course.value[said])
    sentiment = _changes(spoken, current[said], of_mean=True, scale=100)
    volume = _changes(replace(course, value=np.ones(len(current))), current, of_mean=False, scale=1)
    period = {
        "from": day_text(windows.first),
        "to": day_text(windows.end),
        "previous_from": day_text(windows.before),
        "previous_to": day_text(windows.first),
    }
    return [{"net_sentiment": s, "items": v, **period} for s, v in zip(sentiment, volume, strict=True)]


def _changes(course: Course, current: Array, *, of_mean: bool, scale: float) -> list[dict[str, Any] | None]:
    groups, group, value = course.groups, course.group, course.value
    half = 2 * group + current  # of each item: its group's first or second period
    n0, n1 = np.bincount(half, minlength=2 * groups).reshape(groups, 2).T.astype(np.float64)
    total0, total1 = np.bincount(half, value, minlength=2 * groups).reshape(groups, 2).T
    with np.errstate(divide="ignore", invalid="ignore"):
        mean0, mean1 = total0 / n0, total1 / n1
        weight = np.column_stack([-1 / n0, 1 / n1]).reshape(-1)
        if of_mean:
            change = mean1 - mean0
            influence = (value - np.column_stack([mean0, mean1]).reshape(-1).take(half)) * weight.take(half)
        else:
            change = np.log(n1 / n0)
            influence = weight.take(half)
    sums: Moments = moments(influence, group, course.cluster, groups=groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(sums.squares * sums.clusters / np.maximum(sums.clusters - 1, 1))
        freedom = np.maximum(sums.clusters - 1, 1)
        chance = 2 * stdtr(freedom, -np.abs(change) / np.maximum(error, 1e-12))
    usable = (n0 > 0) & (n1 > 0)
    enough = usable & (n0 >= MIN_ITEMS) & (n1 >= MIN_ITEMS)
    significant = holm(np.where(enough, chance, 1.0), among=np.flatnonzero(enough))
    margin = stdtrit(freedom, 0.5 + LEVEL / 2) * error
    found: list[dict[str, Any] | None] = []
    for g in range(groups):
        if not usable[g]:
            found.append(None)
            continue
        bounds = np.array([change[g], change[g] - margin[g], change[g] + margin[g]])
        shown = np.clip(bounds, -2, 2) * scale if of_mean else np.expm1(np.minimum(bounds, 10))
        answer = dict(zip(("change", "low", "high"), (round(float(x), 4) for x in shown), strict=True))
        found.append({**answer, "significant": bool(significant[g]), "n": int(n1[g]), "previous_n": int(n0[g])})
    return found


def holm(chance: Array, *, among: Array, alpha: float = 1 - LEVEL) -> Array:
    """Which of the tests at positions `among` hold together at `alpha`."""
    held = np.zeros(len(chance), dtype=bool)
    ordered = among[np.argsort(chance[among], kind="stable")]
    for rank, place in enumerate(ordered):
        if chance[place] > alpha / (len(ordered) - rank):
            break
        held[place] = True
    return held


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
