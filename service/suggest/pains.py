"""Pain points counted: negative mentions of a topic in a stage, per item and per respondent.

A pain is a pair of stage and topic. Its `count` are the items that stand in the stage's column and say something
negative about the topic there; its `n` are all items of that column, so that both reconcile with the map.
Mentions in items of other columns (a parcel's delay in a review that is mainly about the product) are told in
`mentions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlp.codebook import Codebook
from service.intervals import Interval, share_bounds
from service.suggest.change import Trend, trends
from service.suggest.counted import Bools, Chosen, Counted, Ints
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
    of: Counted = field(repr=False, compare=False)
    rows: Ints = field(repr=False, compare=False)  # items with the pain, where they stand in `of`

    @property
    def item_ids(self) -> Ints:
        """Items with the pain."""
        return self.of.item_id.take(self.rows)

    @property
    def item_days(self) -> Ints:
        """Their days."""
        return self.of.item_day.take(self.rows)

    @property
    def item_dated(self) -> Bools:
        """Whether their sender gave it."""
        return self.of.item_dated.take(self.rows)

    @property
    def item_people(self) -> Ints:
        """Their respondents."""
        return self.of.item_respondent.take(self.rows)

    def newest(self, limit: int) -> list[int]:
        """The ids of the newest items with the pain, newest first."""
        ids = self.item_ids
        order = np.lexsort((ids, self.item_days))[::-1]
        found: list[int] = ids[order[:limit]].tolist()
        return found


def find_pains(chosen: Chosen, codebook: Codebook, *, whole: bool = False) -> dict[tuple[str, str], Pain]:
    """Every pain of the columns, by stage and topic label; linear in items and mentions.

    With `whole` the rank counts all of what is chosen, else what is new of it (see lately.py). Changes are told up
    to the newest of all items, whether it is among these or not.
    """
    stages, topics, touchpoints = (codebook.labels(name) for name in ("stage", "topic", "touchpoint"))
    cells, of, all_pairs = len(stages) * len(topics), chosen.of, chosen.of.complaints
    items, cell = all_pairs.pair_item.take(chosen.pairs), all_pairs.pair_cell.take(chosen.pairs)
    if not len(items):
        return {}
    counts = np.bincount(cell, minlength=cells)
    codes = np.flatnonzero(counts)
    begins = (np.cumsum(counts) - counts)[codes]  # pairs are sorted by cell
    harms = np.bincount(cell, all_pairs.pair_harm.take(chosen.pairs), minlength=cells)
    valued = np.flatnonzero(of.valued.take(items)) if of.valued is not None else np.empty(0, dtype=np.int64)
    known_values = np.bincount(cell.take(valued), minlength=cells)
    value_sums = np.bincount(cell.take(valued), of.item_value.take(items.take(valued)), minlength=cells)
    days = of.item_day.take(items)
    first_days, last_days = np.minimum.reduceat(days, begins), np.maximum.reduceat(days, begins)
    places = np.bincount(
        all_pairs.mention_place.take(chosen.mentions), minlength=cells * (len(touchpoints) + 1)
    ).reshape(cells, -1)
    touched = places[:, :-1]

    people = Respondents(of, chosen.rows, chosen.stage, len(stages))
    worth, speakers = people.of_pains(items, cell, topics=len(topics), cells=cells)
    n = people.items[codes // len(topics)]
    changes = trends(
        chosen,
        items=items,
        cell=cell,
        codes=codes,
        repeats=n / np.maximum(worth[codes], 1e-9),
        stages=len(stages),
        topics=len(topics),
    )
    days_counted = None if whole else window(chosen)
    recent = (
        lately_of(chosen, days=days_counted, items=items, cell=cell, stages=len(stages), topics=len(topics))
        if days_counted is not None
        else None
    )
    shares = counts[codes] / n
    lows, highs = share_bounds(shares, worth[codes])
    numbers = {
        "count": counts[codes],
        "n": n,
        "effective_n": worth[codes],
        "respondents": speakers[codes],
        "severity": harms[codes] / counts[codes],
        "valued": known_values[codes],
        "mentions": places.sum(axis=1)[codes],
        "first_day": first_days,
        "last_day": last_days,
    }
    told = zip(*(column.tolist() for column in numbers.values()), strict=True)
    bounds = zip(*(column.tolist() for column in (shares, lows, highs)), strict=True)
    money = np.where(known_values > 0, value_sums, np.nan)[codes].tolist()
    touchpoint = np.where(touched.any(axis=1), touched.argmax(axis=1), -1)[codes].tolist()
    found = {}
    for place, (code, one, interval, trend) in enumerate(zip(codes.tolist(), told, bounds, changes, strict=True)):
        of_pain: dict[str, Any] = dict(zip(numbers, one, strict=True))
        share, begin, count = Interval(*interval), begins[place], of_pain["count"]
        stage, topic = stages[code // len(topics)], topics[code % len(topics)]
        found[stage, topic] = Pain(
            stage=stage,
            topic=topic,
            share=share,
            value=money[place] if of_pain["valued"] else None,
            touchpoint=touchpoints[touchpoint[place]] if touchpoint[place] >= 0 else None,
            trend=trend,
            lately=(
                recent[code]
                if recent is not None
                else Lately(count, of_pain["n"], share.low, of_pain["respondents"], None)
            ),
            of=of,
            rows=items[begin : begin + count],
            **of_pain,
        )
    return found
