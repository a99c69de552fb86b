"""The items of respondents who have several in a selection: what one person says twice is not two facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.sorted_keys import beginnings, occurring_again, sorted_keys
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Repeats:
    """The chosen items of respondents of whom several are chosen, ordered by respondent, then by column.

    A run are those of one respondent in one column.
    """

    mood: Array  # of each item
    run: Array  # of each item
    group: Array  # the column of each run
    person: Array  # the respondent of each run
    sizes: Array  # items of each run
    size: Array  # by row of the frame the items of its run, 0 where it is the only one of it
    moods: Array  # (groups, moods)
    speaking: Array  # respondents with items in each group
    squares: Array  # Σ sizes² of each group

    @property
    def people(self) -> int:
        """How many respondents they are."""
        return int(self.person[-1]) + 1 if len(self.person) else 0

    def sums(self, by_mood: Array) -> Array:
        """Of each run the sum of a value that the mood decides."""
        return np.bincount(self.run, by_mood.take(self.mood), minlength=len(self.sizes))

    def by_person(self, by_run: Array) -> Array:
        """Of each respondent the sum of a value over the runs."""
        return np.bincount(self.person, by_run, minlength=self.people)


def repeats_of(frame: Frame, rows: Array, place_column: Array, *, groups: int) -> Repeats:
    """Of those of these rows whose respondent has several among them, by the column of their place."""
    column = place_column.take(frame.rows["place"].take(rows))
    bits = groups.bit_length()
    key = frame.rows["cluster"].take(rows).astype(np.int64)
    key <<= bits
    key += column
    key, places = sorted_keys(key)
    several = occurring_again(key >> bits)
    key, rows = key.take(several), rows.take(places.take(several))
    begins = beginnings(key)
    first = np.zeros(len(key), dtype=np.int64)
    first[begins] = 1
    run = np.cumsum(first) - 1
    column = key & ((1 << bits) - 1)
    cluster, group = key.take(begins) >> bits, column.take(begins)
    sizes = np.diff(np.r_[begins, len(rows)])
    size = np.zeros(len(frame), dtype=np.int32)
    size[rows] = np.where(sizes > 1, sizes, 0).take(run)
    mood = frame.rows["mood"].take(rows)
    moods = np.bincount(column * codes().moods + mood, minlength=groups * codes().moods)
    return Repeats(
        mood=mood,
        run=run,
        group=group,
        person=np.cumsum(np.r_[False, cluster[1:] != cluster[:-1]][: len(cluster)]),
        sizes=sizes,
        size=size,
        moods=moods.reshape(groups, codes().moods),
        speaking=np.bincount(group, minlength=groups),
        squares=np.bincount(group, sizes**2, minlength=groups),
    )
