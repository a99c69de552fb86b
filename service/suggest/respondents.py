"""Who is behind the items of a stage: what a share over items is worth when some people repeat themselves."""

from __future__ import annotations

import numpy as np

from service.intervals import effective_ns_of_sums
from service.sorted_keys import beginnings, occurring_again, sorted_keys
from service.suggest.counted import Counted, Floats, Ints


class Respondents:
    """Items and respondents by stage.

    Only those who say several things in a stage are looked at one by one.
    """

    def __init__(self, counted: Counted, rows: Ints, stage: Ints, stages: int) -> None:
        """`rows`: the items; `stage`: that of each."""
        self._respondent = counted.item_respondent
        several = np.flatnonzero(~counted.item_alone.take(rows))
        person = self._respondent.take(rows.take(several)).astype(np.int64)
        keys, counts, of = _repeated(person * stages + stage.take(several))
        self.items = np.bincount(stage, minlength=stages)
        self._clusters = self.items - np.bincount(keys % stages, counts - 1, minlength=stages)
        self._squares = self.items + np.bincount(keys % stages, counts**2 - counts, minlength=stages)
        # by item how many of its stage are of its respondent, 0 where it is the only one
        self._size = np.zeros(len(self._respondent), dtype=np.int32)
        self._size[rows.take(several.take(of))] = np.repeat(counts, counts)

    def of_pains(self, items: Ints, cell: Ints, *, topics: int, cells: int) -> tuple[Floats, Ints]:
        """By cell: what the stage's items are worth for the pain's share, and how many respondents have the pain.

        `items` and `cell` are pairs of item and pain; a cell is stage * topics + topic.
        """
        hits = np.bincount(cell, minlength=cells)
        size = self._size.take(items)
        repeated = np.flatnonzero(size)
        size, person = size.take(repeated), self._respondent.take(items.take(repeated)).astype(np.int64)
        people = int(person.max(initial=0)) + 1
        keys = cell.take(repeated) * people + person
        keys, order = sorted_keys(keys)
        starts = beginnings(keys)
        told = np.diff(np.r_[starts, len(keys)])
        key_cell, key_size = keys.take(starts) // people, size.take(order.take(starts))
        # whoever has one item in the stage makes no difference between hits, their squares and the people
        speakers = hits - np.bincount(key_cell, told - 1, minlength=cells).astype(np.int64)
        stage = np.arange(cells) // topics
        worth = effective_ns_of_sums(
            clusters=self._clusters[stage],
            total=self.items[stage],
            hits=hits,
            hits_squared=hits + np.bincount(key_cell, told**2 - told, minlength=cells),
            hits_by_size=hits + np.bincount(key_cell, told * key_size - told, minlength=cells),
            sizes_squared=self._squares[stage],
        )
        return np.where(hits > 0, worth, 0.0), speakers


def _repeated(keys: Ints) -> tuple[Ints, Ints, Ints]:
    """Keys that occur more than once, in order, how often each does, and where all of them stand, key by key."""
    ordered, places = sorted_keys(keys)
    several = occurring_again(ordered)
    ordered = ordered.take(several)
    starts = beginnings(ordered)
    return ordered.take(starts), np.diff(np.r_[starts, len(ordered)]), places.take(several)
