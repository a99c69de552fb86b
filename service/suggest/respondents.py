"""Who is behind the items of a stage: what a share over items is worth when some people repeat themselves."""

from __future__ import annotations

import numpy as np

from service.intervals import effective_ns_of_sums
from service.suggest.counted import Counted, Floats, Ints


class Respondents:
    """Items and respondents by stage.

    Respondents who are known to have one item only need no summing up; the others are grouped by person and stage.
    """

    def __init__(self, counted: Counted, stages: int) -> None:
        stage = counted.item_stage
        self._stages, self._alone = stages, counted.item_alone
        self._person = counted.item_respondent
        placed = stage >= 0
        several = np.flatnonzero(placed & ~self._alone)
        of_several = stage.take(several)
        self.items = np.bincount(stage if placed.all() else stage[placed], minlength=stages)
        single = self.items - np.bincount(of_several, minlength=stages)
        # by person first: items mostly come ordered by respondent, so that sorting finds them sorted
        self._keys, sizes = _grouped(self._person.take(several).astype(np.int64) * stages + of_several)
        self._sizes = sizes.astype(np.float64)
        self._clusters = single + np.bincount(self._keys % stages, minlength=stages)
        self._squares = single + np.bincount(self._keys % stages, self._sizes**2, minlength=stages)

    def of_pains(self, items: Ints, cell: Ints, *, topics: int, cells: int) -> tuple[Floats, Ints]:
        """By cell: what the stage's items are worth for the pain's share, and how many respondents have the pain.

        `items` and `cell` are pairs of item and pain; a cell is stage * topics + topic.
        """
        several = np.flatnonzero(~self._alone.take(items))
        of_several = cell.take(several)
        hits = np.bincount(cell, minlength=cells)
        single = hits - np.bincount(of_several, minlength=cells)
        person = self._person.take(items.take(several)).astype(np.int64)
        keys, repeats = _grouped(of_several * (int(person.max(initial=0)) + 1) + person)
        key_cell, key_person = np.divmod(keys, int(person.max(initial=0)) + 1)
        sizes = self._sizes[np.searchsorted(self._keys, key_person * self._stages + key_cell // topics)]
        speakers = single + np.bincount(key_cell, minlength=cells)
        squares = single + np.bincount(key_cell, repeats.astype(np.float64) ** 2, minlength=cells)
        products = single + np.bincount(key_cell, repeats * sizes, minlength=cells)
        stage = np.arange(cells) // topics
        worth = effective_ns_of_sums(
            clusters=self._clusters[stage],
            total=self.items[stage],
            hits=hits,
            hits_squared=squares,
            hits_by_size=products,
            sizes_squared=self._squares[stage],
        )
        return np.where(hits > 0, worth, 0.0), speakers


def _grouped(keys: Ints) -> tuple[Ints, Ints]:
    """Distinct keys in order, and how often each occurs; fast where they are nearly sorted."""
    ordered = np.sort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
    return ordered[starts], np.diff(np.r_[starts, len(ordered)])
