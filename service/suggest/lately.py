"""How much of a pain there is now: what the rank counts.

Over years of feedback, what was mended long ago would stay on top and what began last month at the bottom. So the
rank counts the latest WEEKS weeks of a selection; twice as many, and so on, where these hold fewer than MIN_ITEMS
items; and all of it, items without a time of their own included, where even that is not enough or a beginning was
asked for. They are the weeks that the measurement of an accepted change leaves out of its baseline
(impact_plan.py): what raised a suggestion must not be compared with itself. With fewer weeks a rank would come and
go with every burst.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from service.intervals import share_bounds
from service.suggest.counted import Chosen, Ints
from service.suggest.respondents import Respondents

WEEKS: Final = 8  # as impact_plan.Plan.trigger_weeks
MIN_ITEMS: Final = 500  # in columns, over all stages


@dataclass(frozen=True, slots=True)
class Lately:
    """A pain in the window that the rank counts."""

    count: int  # items with the pain
    n: int  # items in the stage
    low: float  # lower bound of the share
    respondents: int
    days: int | None  # length of the window; None: all of the selection


def window(chosen: Chosen) -> int | None:
    """The days of the window, None for all of the selection."""
    days = chosen.dated_days
    if len(days) < MIN_ITEMS:
        return None
    age = int(days.max()) - days
    span, length = int(age.max()) + 1, 7 * WEEKS
    while length < span:
        if np.count_nonzero(age < length) >= MIN_ITEMS:
            return length
        length *= 2
    return None


def lately_of(chosen: Chosen, *, days: int, items: Ints, cell: Ints, stages: int, topics: int) -> list[Lately]:
    """Of every cell the numbers in the latest `days`; `items` and `cell` are pairs of item and pain."""
    cells, of = stages * topics, chosen.of
    first = int(chosen.dated_days.max(initial=0)) - days + 1
    inside = np.flatnonzero(chosen.day >= first)
    kept = np.flatnonzero(of.item_day.take(items) >= first)
    if chosen.dated is not None:
        inside = np.intersect1d(inside, chosen.dated, assume_unique=True)
        kept = kept[of.item_dated.take(items.take(kept))]
    people = Respondents(of, chosen.rows.take(inside), chosen.stage.take(inside), stages)
    items, cell = items.take(kept), cell.take(kept)
    count = np.bincount(cell, minlength=cells)
    worth, speakers = people.of_pains(items, cell, topics=topics, cells=cells)
    n = people.items[np.arange(cells) // topics]
    low, _ = share_bounds(count / np.maximum(n, 1), worth)
    lows = np.where(count > 0, low, 0.0)
    return [
        Lately(*numbers, days)
        for numbers in zip(count.tolist(), n.tolist(), lows.tolist(), speakers.tolist(), strict=True)
    ]
