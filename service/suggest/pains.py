"""Pain points counted: negative mentions of a topic in a stage, per item and per respondent.

A pain is a pair of stage and topic. Its `count` are the items that stand in the stage's column and say something
negative about the topic there; its `n` are all items of that column, so that both reconcile with the map.
Mentions in items of other columns (a parcel's delay in a review that is mainly about the product) are told in
`mentions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nlp.codebook import Codebook
from service.intervals import Interval, share_interval
from service.suggest.change import Trend, trends
from service.suggest.counted import Bools, Counted, Ints
from service.suggest.lately import Lately, lately_of, window
from service.suggest.respondents import Respondents


@dataclass(frozen=True, slots=True)
class Pain:
    """One pain with its numbers."""

    stage: str
    topic: str
    count: int  # items
    n: int  # items in the stage
    share: Interval
    effective_n: float  # what `n` is worth, with care for respondents who repeat
    respondents: int  # of the items with the pain
    severity: float
    value: float | None  # money behind the items with the pain, None where none is known
    valued: int  # items whose value is known
    mentions: int  # negative segments, those in items of other columns included
    touchpoint: str | None  # where most of it happened
    trend: Trend
    lately: Lately  # what the rank counts
    first_day: int  # since 1970-01-01, of the oldest item with the pain
    last_day: int
    item_ids: Ints = field(repr=False, compare=False)  # items with the pain
    item_days: Ints = field(repr=False, compare=False)  # and their days
    item_dated: Bools = field(repr=False, compare=False)  # whether the sender gave it
    item_people: Ints = field(repr=False, compare=False)  # their respondents

    def newest(self, limit: int) -> list[int]:
        """The ids of the newest items with the pain, newest first."""
        order = np.lexsort((self.item_ids, self.item_days))[::-1]
        found: list[int] = self.item_ids[order[:limit]].tolist()
        return found


def find_pains(
    counted: Counted, codebook: Codebook, *, whole: bool = False, newest: int | None = None
) -> dict[tuple[str, str], Pain]:
    """Every pain of the columns, by stage and topic label; linear in items and mentions.

    With `whole` the rank counts all of the columns, else what is new of them (see lately.py). `newest` is the day
    up to which changes are told, where items that are not among these are newer.
    """
    stages, topics, touchpoints = (codebook.labels(name) for name in ("stage", "topic", "touchpoint"))
    cells, of = len(stages) * len(topics), counted.complaints
    chosen = counted.item_stage.take(of.pair_item) >= 0
    items, cell, harm = of.pair_item, of.pair_cell, of.pair_harm
    if not chosen.all():
        items, cell, harm = items[chosen], cell[chosen], harm[chosen]
    if not len(items):
        return {}
    counts = np.bincount(cell, minlength=cells)
    codes = np.flatnonzero(counts)
    begins = (np.cumsum(counts) - counts)[codes]  # pairs are sorted by cell
    harms = np.bincount(cell, harm, minlength=cells)
    values = counted.item_value.take(items)
    valued = np.flatnonzero(~np.isnan(values))
    known_values = np.bincount(cell.take(valued), minlength=cells)
    value_sums = np.bincount(cell.take(valued), values.take(valued), minlength=cells)
    days, ids = counted.item_day.take(items), counted.item_id.take(items)
    dated, speaker = counted.item_dated.take(items), counted.item_respondent.take(items)
    first_days, last_days = np.minimum.reduceat(days, begins), np.maximum.reduceat(days, begins)
    present = counted.item_stage.take(of.mention_item) >= 0
    everywhere = bool(present.all())
    mentions = np.bincount(of.mention_cell if everywhere else of.mention_cell[present], minlength=cells)
    placed = of.mention_place >= 0
    places = of.mention_place.take(np.flatnonzero(placed if everywhere else placed & present))
    touched = np.bincount(places, minlength=cells * len(touchpoints)).reshape(cells, len(touchpoints))

    people = Respondents(counted, len(stages))
    worth, speakers = people.of_pains(items, cell, topics=len(topics), cells=cells)
    of_stage = people.items[codes // len(topics)]
    changes = trends(
        counted,
        items=items,
        cell=cell,
        codes=codes,
        repeats=of_stage / np.maximum(worth[codes], 1e-9),
        stages=len(stages),
        topics=len(topics),
        newest=counted.newest if newest is None else newest,
    )
    days_counted = None if whole else window(counted)
    recent = (
        lately_of(counted, days=days_counted, items=items, cell=cell, stages=len(stages), topics=len(topics))
        if days_counted is not None
        else None
    )
    found = {}
    for place, (code, trend) in enumerate(zip(codes.tolist(), changes, strict=True)):
        count, begin, n = int(counts[code]), int(begins[place]), int(people.items[code // len(topics)])
        share = share_interval(count / n, float(worth[code]))
        pain = Pain(
            stage=stages[code // len(topics)],
            topic=topics[code % len(topics)],
            count=count,
            n=n,
            share=share,
            effective_n=float(worth[code]),
            respondents=int(speakers[code]),
            severity=float(harms[code]) / count,
            value=float(value_sums[code]) if known_values[code] else None,
            valued=int(known_values[code]),
            mentions=int(mentions[code]),
            touchpoint=touchpoints[int(touched[code].argmax())] if touched[code].any() else None,
            trend=trend,
            lately=recent[code] if recent is not None else Lately(count, n, share.low, int(speakers[code]), None),
            first_day=int(first_days[place]),
            last_day=int(last_days[place]),
            item_ids=ids[begin : begin + count],
            item_days=days[begin : begin + count],
            item_dated=dated[begin : begin + count],
            item_people=speaker[begin : begin + count],
        )
        found[pain.stage, pain.topic] = pain
    return found
