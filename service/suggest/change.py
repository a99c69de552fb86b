"""Whether a pain's share of its stage has changed: the latest full weeks against those before.

Four weeks against the twelve before; where four weeks hold few items, eight against twenty-four, because small
numbers need longer to show anything. Three times as many weeks before, because what is usual is told better by
more of them: a burst in one of four makes a level that was never there. What is noise is taken from the past of
this and all other pains, and sources and channels are held at a fixed mix: the rule is service/beyond_noise.py,
the same as the map's. Items whose sender gave no time stay out, and labels of different models are not compared
(see store/like_with_like.py). Significant holds for all pains together at 5 % per look, of which a pain that eight
times as many mention gets twice as much; pains that few mention are not tested. Neither looks at the direction of
a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.beyond_noise import PAST, PERIODS, QUARTERS, Counts, holm, last_full_weeks, shares_or_means
from service.intervals import Interval
from service.store.like_with_like import WITHHELD, kind_numbers, model_of_both
from service.suggest.counted import Chosen, Floats, Ints

SHORT_WEEKS, LONG_WEEKS = 4, 8
BEFORE = 3  # times as many weeks before
NOMINAL = 0.04  # so that 5 % hold where items are most: the tails of bursts are heavier than any formula's
SHORT_FROM_ITEMS = 500  # in the latest SHORT_WEEKS, over all stages
MIN_ITEMS = 20  # of the stage in the latest weeks, and in as many before; fewer say nothing about a change
MIN_HITS = 10  # with the pain in two windows as long as the latest, see usual_mentions


@dataclass(frozen=True, slots=True)
class Trend:
    """The change of a share, recent weeks minus the weeks before; no interval where there is too little to say.

    `mix` is what the mix of sources and channels did by itself, beside the change; `covered` the share of items
    from sources and channels that both windows have; `noise` the variance over that of independent items.
    """

    change: Interval | None = None
    significant: bool = False
    recent_n: int = 0  # items of the stage in the recent weeks
    days: int = 7 * LONG_WEEKS  # how long the recent weeks are
    before_days: int = 7 * LONG_WEEKS * BEFORE  # how long those before are, as far as feedback reaches back
    withheld: str | None = None  # why no change is told although there may be enough items
    mix: float | None = None
    covered: float | None = None
    noise: float | None = None

    @property
    def certain_rise(self) -> float:
        """The part of a rise that is beyond doubt, as a difference of shares; 0 where there is none."""
        return max(0.0, self.change.low) if self.change is not None and self.significant else 0.0


def usual_mentions(hits: NDArray[Any], *, windows: float) -> Floats:
    """How often each pain of `hits` (pain, source and channel, quarter) is mentioned in two windows.

    It is the mean of all windows that are compared, of which feedback fills so many. A difference between the
    latest and the others says nothing of their mean, so neither what is tested nor its weight goes with the
    direction of a change.
    """
    compared = hits[:, :, : (1 + BEFORE) * QUARTERS].sum(axis=(1, 2))
    return np.asarray(compared * (2 / windows))


def called(chance: Floats, *, mentions: Floats, looked_at: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which changes are significant, all of those looked at together; `mentions` as for MIN_HITS."""
    weights = np.cbrt(np.maximum(mentions, 1))
    return holm(chance, among=np.flatnonzero(looked_at), alpha=NOMINAL, weights=weights)


def trends(
    chosen: Chosen,
    *,
    items: Ints,
    cell: Ints,
    codes: Ints,
    repeats: Floats,
    stages: int,
    topics: int,
) -> list[Trend]:
    """The trend of each pain of `codes`, judged together.

    `items` and `cell` are pairs of item and pain; a cell is stage * topics + topic. `repeats` says by code how
    many times the variance of independent items respondents who repeat bring. The latest weeks end where those of
    all items do, whatever is chosen.
    """
    of, day = chosen.of, chosen.dated_days
    periods = last_full_weeks(of.newest, SHORT_WEEKS)
    if np.count_nonzero((day >= periods.first) & (day < periods.end)) < SHORT_FROM_ITEMS:
        periods = last_full_weeks(of.newest, LONG_WEEKS)
    days = periods.end - periods.first
    reach = (periods.first - int(day.min(initial=periods.first))) // 7 * 7
    before_days = min(BEFORE * days, max(days, reach))
    oldest, size = periods.before - PAST * days, PERIODS * QUARTERS
    inside = np.flatnonzero((day < periods.end) & (day >= oldest))
    day = day.take(inside)
    if chosen.dated is not None:
        inside = chosen.dated.take(inside)
    rows, stage = chosen.rows.take(inside), chosen.stage.take(inside)
    late = day >= periods.first
    early = (day >= periods.first - BEFORE * days) & ~late
    said = of.item_day.take(items)
    told = (said < periods.end) & (said >= oldest)
    if chosen.dated is not None:
        told &= of.item_dated.take(items)
    if not of.one_model:
        model = of.item_model.take(rows)
        lead = model_of_both(model[early], model[late])
        if lead is None:
            of_stage = np.bincount(stage[late], minlength=stages)
            return [
                Trend(
                    recent_n=int(of_stage[code // topics]), days=days, before_days=before_days, withheld=WITHHELD
                )
                for code in codes.tolist()
            ]
        usable = (model == lead) | (model < 0)
        rows, stage, day, early, late = (part[usable] for part in (rows, stage, day, early, late))
        model = of.item_model.take(items)
        told &= (model == lead) | (model < 0)
    mix = of.mix.number.take(rows)
    number = kind_numbers(of.mix, early=mix[early], late=mix[late])
    kind = number.take(mix)
    kinds = int(kind.max(initial=0)) + 1
    place = stage * (kinds * size)
    place += kind * size
    place += periods.quarter(day)
    of_stage = np.bincount(place, minlength=stages * kinds * size).reshape(stages, kinds, size)
    position = np.zeros(stages * topics, dtype=np.int64)
    position[codes] = np.arange(len(codes))
    pairs = np.flatnonzero(told)
    place = position.take(cell.take(pairs)) * (kinds * size)
    place += number.take(of.mix.number.take(items.take(pairs))) * size
    place += periods.quarter(said.take(pairs))
    hits = np.bincount(place, minlength=len(codes) * kinds * size).reshape(len(codes), kinds, size)
    now = np.s_[:, :, : 2 * QUARTERS]
    n = of_stage[now].sum(axis=1).reshape(stages, 2, QUARTERS).sum(axis=2)[codes // topics]
    comparable = (n >= MIN_ITEMS).all(axis=1)
    mentions = usual_mentions(hits, windows=1 + before_days / days)
    looked_at = comparable & (mentions >= MIN_HITS)
    found = shares_or_means(
        Counts(of_stage[codes // topics], hits, hits),
        repeats=repeats,
        enough=looked_at,
        shares=True,
        before=BEFORE,
    )
    held = called(found.chance, mentions=mentions, looked_at=looked_at)
    shown = (found.value, found.low, found.high, found.mix, found.covered, found.noise, held, n[:, 0], comparable)
    return [
        Trend(
            Interval(value, low, high),
            significant,
            recent_n,
            days,
            before_days,
            mix=mixed if kinds > 1 else None,
            covered=covered,
            noise=noise,
        )
        if told_of
        else Trend(recent_n=recent_n, days=days, before_days=before_days)
        for value, low, high, mixed, covered, noise, significant, recent_n, told_of in zip(
            *(column.tolist() for column in shown), strict=True
        )
    ]
