"""The rows of a frame in the order of their days: a period is a piece of it, and nothing is looked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.aggregate.change import Course, past_of, sums_of
from service.aggregate.tally import sign_of_mood
from service.beyond_noise import Periods
from service.store.like_with_like import SourceMix, kind_numbers, source_mix
from service.store.rollup_frame import Frame

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Calendar:
    """All rows of a frame by day, one entry a row."""

    row: Array
    day: Array  # ascending
    place: Array
    sign: Array  # of sign_of_mood
    mix: SourceMix

    def newest(self, mask: Array) -> int | None:
        """The day of the newest row of a mask; None without one."""
        end, size = len(self.row), 1024
        while end > 0:
            found = np.flatnonzero(mask.take(self.row[max(0, end - size) : end]))
            if len(found):
                return int(self.day[max(0, end - size) + int(found[-1])])
            end, size = end - size, 4 * size
        return None

    def course(
        self, frame: Frame, mask: Array, periods: Periods, place_column: Array, *, groups: int
    ) -> tuple[Array, Course]:
        """Of the rows of a mask by column: what change.trends_of needs.

        Their sums over both periods and their past, at a fixed mix of sources and channels, and those of both
        periods one by one.
        """
        begin, end = np.searchsorted(self.day, [past_of(periods), periods.end]).tolist()
        row = self.row[begin:end]
        chosen = mask.take(row)
        day, place, sign, mix = (part[begin:end] for part in (self.day, self.place, self.sign, self.mix.number))
        if not chosen.all():
            rows = np.flatnonzero(chosen)
            row, day, place, sign, mix = (part.take(rows) for part in (row, day, place, sign, mix))
        before, first = np.searchsorted(day, [periods.before, periods.first]).tolist()
        kind = kind_numbers(self.mix, early=mix[before:first], late=mix[first:]).take(mix)
        kinds = int(kind.max(initial=0)) + 1
        column = place_column.take(place)
        whole = Course(day, column, row, sign, groups, kind, kinds)
        recent = Course(
            day[before:],
            column[before:],
            frame.rows["cluster"].take(row[before:]),
            sign[before:],
            groups,
            kind[before:],
            kinds,
        )
        days = np.arange(past_of(periods), periods.end)
        rows_a_day = np.diff(np.searchsorted(day, np.r_[days, periods.end]))
        return sums_of(whole, np.repeat(periods.quarter(days).astype(np.int32), rows_a_day)), recent


def calendar_of(frame: Frame) -> Calendar:
    """For Frame.once."""
    first = int(frame.rows["day"].min(initial=0))
    day = frame.rows["day"] - first
    # numbers of 16 bits are put in order by two walks through memory
    narrow = day.astype(np.uint16) if int(day.max(initial=0)) < 2**16 else day
    row = np.argsort(narrow, kind="stable").astype(np.int32)
    mix = source_mix(frame.rows["source"], frame.rows["channel"])
    return Calendar(
        row=row,
        day=frame.rows["day"].take(row),
        place=frame.rows["place"].take(row),
        sign=sign_of_mood().take(frame.rows["mood"].take(row)),
        mix=replace(mix, number=mix.number.take(row)),
    )
