"""Whether a pain's share of its stage has changed: the latest full weeks against as many before.

Four weeks against four; where four weeks hold few items, eight against eight, because small numbers need longer to
show anything. What is noise is taken from the past of this and all other pains, and sources and channels are held
at a fixed mix: the rule is service/beyond_noise.py, the same as the map's. Items whose sender gave no time stay
out, and labels of different models are not compared (see store/like_with_like.py). Significant holds for all pains
together at 5 % per look; pains that few mention are not tested, which does not look at the direction of their
change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.beyond_noise import PAST, PERIODS, QUARTERS, Counts, holm, last_full_weeks, shares_or_means
from service.intervals import Interval
from service.store.like_with_like import WITHHELD, fixed_mix, model_of_both
from service.suggest.counted import Counted, Floats, Ints

SHORT_WEEKS, LONG_WEEKS = 4, 8
SHORT_FROM_ITEMS = 500  # in the latest SHORT_WEEKS, over all stages
MIN_ITEMS = 20  # of the stage in each window; fewer say nothing about a change
MIN_HITS = 10  # with the pain in both windows together


@dataclass(frozen=True, slots=True)
class Trend:
    """The change of a share, recent weeks minus the weeks before; no interval where there is too little to say.

    `mix` is what the mix of sources and channels did by itself, beside the change; `covered` the share of items
    from sources and channels that both windows have; `noise` the variance over that of independent items.
    """

    change: Interval | None = None
    significant: bool = False
    recent_n: int = 0  # items of the stage in the recent weeks
    days: int = 7 * LONG_WEEKS  # length of each window
    withheld: str | None = None  # why no change is told although there may be enough items
    mix: float | None = None
    covered: float | None = None
    noise: float | None = None

    @property
    def certain_rise(self) -> float:
        """The part of a rise that is beyond doubt, as a difference of shares; 0 where there is none."""
        return max(0.0, self.change.low) if self.change is not None and self.significant else 0.0


def trends(
    counted: Counted,
    *,
    items: Ints,
    cell: Ints,
    codes: Ints,
    repeats: Floats,
    stages: int,
    topics: int,
    newest: int,
) -> list[Trend]:
    """The trend of each pain of `codes`, judged together.

    `items` and `cell` are pairs of item and pain; a cell is stage * topics + topic. `repeats` says by code how
    many times the variance of independent items respondents who repeat bring. The latest weeks end at `newest`.
    """
    placed = counted.item_dated & (counted.item_stage >= 0)
    day = counted.item_day
    periods = last_full_weeks(newest, SHORT_WEEKS)
    if np.count_nonzero(placed & (day >= periods.first) & (day < periods.end)) < SHORT_FROM_ITEMS:
        periods = last_full_weeks(newest, LONG_WEEKS)
    days = periods.end - periods.first
    size = PERIODS * QUARTERS
    rows = np.flatnonzero(placed & (day < periods.end) & (day >= periods.before - PAST * days))
    model, stage, day = counted.item_model.take(rows), counted.item_stage.take(rows), day.take(rows)
    late = day >= periods.first
    early = (day >= periods.before) & ~late
    lead = model_of_both(model[early], model[late])
    if lead is None:
        of_stage = np.bincount(stage[late], minlength=stages)
        return [
            Trend(recent_n=int(of_stage[code // topics]), days=days, withheld=WITHHELD) for code in codes.tolist()
        ]
    usable = (model == lead) | (model < 0)
    if not usable.all():
        rows, stage, day, early, late = (part[usable] for part in (rows, stage, day, early, late))
    kind, kinds = fixed_mix(
        counted.item_source.take(rows), counted.item_channel.take(rows), early=early, late=late
    )
    place = kind * size + periods.quarter(day)
    of_stage = np.bincount(stage * (kinds * size) + place, minlength=stages * kinds * size)
    of_stage = of_stage.reshape(stages, kinds, size)
    place_of = np.full(len(counted.item_day), -1)
    place_of[rows] = place
    number = np.full(stages * topics, -1)
    number[codes] = np.arange(len(codes))
    where = place_of.take(items)
    told = np.flatnonzero(where >= 0)
    hits = np.bincount(
        number.take(cell.take(told)) * (kinds * size) + where.take(told), minlength=len(codes) * kinds * size
    ).reshape(len(codes), kinds, size)
    now = np.s_[:, :, : 2 * QUARTERS]
    n = of_stage[:, :, : 2 * QUARTERS].sum(axis=1).reshape(stages, 2, QUARTERS).sum(axis=2)[codes // topics]
    comparable = (n >= MIN_ITEMS).all(axis=1)
    looked_at = comparable & (hits[now].sum(axis=(1, 2)) >= MIN_HITS)
    found = shares_or_means(
        Counts(of_stage[codes // topics], hits, hits), repeats=repeats, enough=looked_at, shares=True
    )
    held = holm(found.chance, among=np.flatnonzero(looked_at))
    return [
        Trend(
            Interval(float(found.value[one]), float(found.low[one]), float(found.high[one])),
            bool(held[one]),
            int(n[one, 0]),
            days,
            mix=float(found.mix[one]) if kinds > 1 else None,
            covered=float(found.covered[one]),
            noise=float(found.noise[one]),
        )
        if comparable[one]
        else Trend(recent_n=int(n[one, 0]), days=days)
        for one in range(len(codes))
    ]
