"""Changes from a period to the one before, and weekly series. What is more than noise is said by beyond_noise.

`significant` holds for all groups of one answer together, net sentiment and number of items alike, at 5 % per
look: of a hundred looks at data in which nothing changed, at most five show any alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from service.sorted_keys import beginnings, occurring_again

Array = NDArray[Any]
TREND_WEEKS = 4  # without bounds: so many full weeks against as many before
MAX_WEEKS = 105  # of a series
SIGNS = 4  # of net sentiment: -1, 0, 1, none
SAID = 3  # of these the ones that say something
HALVES = np.array([[-1.0], [1.0]])  # the earlier and the later period in a change


@dataclass(frozen=True, slots=True)
class Course:
    """Dated items in time: one entry an item."""

    day: Array  # since 1970-01-01
    group: Array  # what it is counted under, below `groups`
    cluster: Array  # respondent
    sign: Array  # net sentiment as 0, 1, 2 for -1, 0, 1; 3 without one
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
            sign=self.sign.take(rows),
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
    recent = course.at(course.day >= periods.before)
    return trends_of(sums_of(course, periods.quarter(course.day)), recent, periods, complete=complete, alpha=alpha)


def sums_of(course: Course, quarter: Array) -> Array:
    """Items by group, source and channel, quarter and sign, given the quarter of each entry."""
    size = PERIODS * QUARTERS
    places = course.groups * course.kinds * size * SIGNS
    place: Array = course.group.astype(np.int32 if places < 2**31 else np.int64)  # a copy, changed in place
    place *= course.kinds
    if course.kind is not None:
        place += course.kind
    place *= size
    place += quarter
    place *= SIGNS
    place += course.sign
    counts: Array = np.bincount(place, minlength=places)
    return counts.reshape(course.groups, course.kinds, size, SIGNS)


def trends_of(
    sums: Array, recent: Course, periods: Periods, *, complete: bool = True, alpha: float = 1 - LEVEL
) -> list[dict[str, Any]]:
    """The same of items that are counted already (`sums_of`), and those of both periods one by one."""
    groups, kinds = sums.shape[:2]
    negative, zero, positive = (sums[..., sign] for sign in (0, 1, 2))
    items = sums.sum(axis=3)
    of_mean, of_volume = variance_ratios(recent, periods)
    sentiment = shares_or_means(
        Counts(negative + zero + positive, positive - negative, positive + negative),
        repeats=of_mean,
        enough=np.ones(groups, dtype=bool),
        shares=False,
    )
    volume = volumes(Counts(items, items, items), repeats=of_volume, complete=complete)
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
            "net_sentiment": _answer(sentiment, group, held[0], kinds=kinds),
            "items": _answer(volume, group, held[1], kinds=0),
            **period,
        }
        for group in range(groups)
    ]


def _enough(changes: Changes) -> Array:
    """Which cells are looked at: whether they are tested must not depend on what is seen in them."""
    return np.asarray((changes.n >= MIN_ITEMS) & (changes.before_n >= MIN_ITEMS))


def variance_ratios(recent: Course, periods: Periods) -> tuple[Array, Array]:
    """By group how many times the variance of independent items a change has because people repeat themselves, of
    net sentiment and of the number of items.

    Each respondent's summed influence, squared (K.-Y. Liang, S. Zeger, "Longitudinal data analysis using
    generalized linear models", Biometrika 73, 1986), over that of each item. An item's influence is decided by its
    group, its period and its sign, so that only those who said several things in a group are looked at one by one.
    """
    groups = recent.groups
    cell: Array = recent.group.astype(np.int64)  # a copy, changed in place
    cell *= 2
    cell += recent.day >= periods.first
    cell *= SIGNS
    cell += recent.sign
    counts = np.bincount(cell, minlength=groups * 2 * SIGNS).reshape(groups, 2, SIGNS)
    several = _of_several(cell, recent.cluster)
    said = counts[..., :SAID]
    n = np.maximum(said.sum(axis=2, keepdims=True), 1)
    mean = (said[..., 2:] - said[..., :1]) / n
    of_mean = np.zeros(counts.shape)  # what is said without a sign has no influence
    of_mean[..., :SAID] = (np.arange(-1.0, 2.0) - mean) * HALVES / n
    of_volume = np.broadcast_to(HALVES / np.maximum(counts.sum(axis=2, keepdims=True), 1), counts.shape)
    spoken = np.tile(np.arange(SIGNS) < SAID, groups * 2)
    return (
        _ratio(of_mean, counts, *several, counted=spoken),
        _ratio(of_volume, counts, *several, counted=np.ones_like(spoken)),
    )


def _of_several(cell: Array, cluster: Array) -> tuple[Array, Array]:
    """The cells of respondents with several items in a group, one respondent and group after the other, and where
    each begins. A cell is (group * 2 + period) * SIGNS + sign.
    """
    # sorted by group, then by respondent
    bits = (2 * SIGNS - 1).bit_length()
    key = cell >> bits
    key <<= 32
    key += cluster
    key <<= bits
    key += cell & (2 * SIGNS - 1)
    key.sort()
    key = key.take(occurring_again(key >> bits))
    starts = beginnings(key >> bits)
    return (key >> (32 + bits) << bits) + (key & (2 * SIGNS - 1)), starts


def _ratio(influence: Array, counts: Array, cell: Array, starts: Array, *, counted: Array) -> Array:
    """Σ over respondents of their summed influence, squared, over Σ of each item's, squared."""
    groups = len(counts)
    alone = (counts * influence**2).sum(axis=(1, 2))
    people = np.where(counted.reshape(counts.shape), counts, 0).sum(axis=(1, 2)).astype(np.float64)
    squares = alone
    if len(starts):
        one = influence.reshape(-1).take(cell)
        group = cell.take(starts) // (2 * SIGNS)
        together = np.add.reduceat(one, starts) ** 2 - np.add.reduceat(one**2, starts)
        squares = alone + np.bincount(group, together, minlength=groups)
        more = np.maximum(np.add.reduceat(counted.take(cell).astype(np.int64), starts) - 1, 0)
        people -= np.bincount(group, more, minlength=groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = squares * people / np.maximum(people - 1, 1) / alone
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
    oldest, newest = int(day.min()), int(day.max())
    last = int(week_of(newest))
    first = max(int(week_of(oldest)), last - MAX_WEEKS + 1)
    weeks = last - first + 1
    # the week by day: to look it up is quicker than to divide
    week = (week_of(np.arange(oldest, newest + 1)) - first).astype(np.int32).take(day - oldest)
    cell: Array = group.astype(np.int32 if 4 * groups * weeks < 2**31 else np.int64)  # a copy, changed in place
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
