"""Items and their negative mentions in the columns that pains are found in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nlp.codebook import Codebook
from service.store.like_with_like import SourceMix, source_mix
from service.suggest.priority import FLOOR

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Complaints:
    """Negative mentions (of delights, positive ones), and the pairs of item and pain that they make up.

    A pain's *cell* is stage * topics + topic. A pair is an item of a stage's own column with at least one negative
    mention of the topic there; pairs are sorted by cell.
    """

    mention_item: Ints  # position of the item
    # cell * (touchpoints + 1) + touchpoint, `touchpoints` where unknown or in an item of another column
    mention_place: Ints
    pair_item: Ints
    pair_cell: Ints
    pair_harm: Floats  # of the worst emotion, in [FLOOR, 1]


def complaints(
    codebook: Codebook,
    *,
    item_stage: Ints,
    mention_item: Ints,
    mention_stage: Ints,
    mention_topic: Ints,
    mention_emotion: Ints,
    mention_touchpoint: Ints,
    sign: float = -1.0,
) -> Complaints:
    """Sort mentions by pain; labels are codebook positions, a touchpoint of -1 is unknown.

    `sign` is that of the mentions' sentiment; harm is how far an emotion lies to that side.
    """
    topics, touchpoints = len(codebook.topics), len(codebook.touchpoints)
    valence = np.array([entry.valence for entry in codebook.emotions])
    cell = mention_stage * topics + mention_topic
    inside = item_stage[mention_item] == mention_stage
    key = cell[inside] * len(item_stage) + mention_item[inside]
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
    harm = np.maximum(FLOOR, sign * valence[mention_emotion[inside]])[order]
    return Complaints(
        mention_item=mention_item,
        mention_place=cell * (touchpoints + 1)
        + np.where(inside & (mention_touchpoint >= 0), mention_touchpoint, touchpoints),
        pair_item=ordered[starts] % max(1, len(item_stage)),
        pair_cell=ordered[starts] // max(1, len(item_stage)),
        pair_harm=np.maximum.reduceat(harm, starts) if len(starts) else np.empty(0),
    )


@dataclass(frozen=True)
class Counted:
    """Items in columns, one entry per item, and what they complain about.

    `item_stage` is a codebook position, -1 for items that stand in no column (unsure, not tagged …). `item_day`
    counts days since 1970-01-01 in the workspace's zone.
    """

    item_id: Ints
    item_stage: Ints
    item_day: Ints
    item_dated: Bools  # whether the sender gave the time
    item_respondent: Ints  # equal numbers are one respondent; items without one have a number of their own
    item_alone: Bools  # whether the respondent is known to have no other item
    item_value: Floats  # money, NaN where unknown
    item_source: Ints  # equal numbers are one source, -1 for none
    item_channel: Ints
    item_model: Ints  # number of the model that labelled it, -1 for items without labels
    complaints: Complaints

    @cached_property
    def newest(self) -> int:
        """The day of the newest item whose sender gave the time, in a column or not; 0 without one."""
        return int(np.max(self.item_day, where=self.item_dated, initial=0))

    @cached_property
    def placed(self) -> Bools:
        """Which items stand in a column."""
        return np.asarray(self.item_stage >= 0)

    @cached_property
    def all_dated(self) -> bool:
        """Whether every sender gave the time."""
        return bool(self.item_dated.all())

    @cached_property
    def one_model(self) -> bool:
        """Whether one model labelled everything, as nearly always; then no labels have to be told apart."""
        labelled = self.item_model[self.item_model >= 0]
        return not len(labelled) or bool((labelled == labelled[0]).all())

    @cached_property
    def valued(self) -> Bools | None:
        """Of which items the money is known; None: of none."""
        known = ~np.isnan(self.item_value)
        return known if known.any() else None

    @cached_property
    def mix(self) -> SourceMix:
        """The source and channel of each item as one number."""
        return source_mix(self.item_source, self.item_channel)

    def at(self, mask: Bools) -> Chosen:
        """The items that a mask chooses and that stand in a column, with their complaints."""
        inside, of = mask & self.placed, self.complaints
        return Chosen(
            of=self,
            rows=np.flatnonzero(inside),
            mentions=np.flatnonzero(inside.take(of.mention_item)),
            pairs=np.flatnonzero(inside.take(of.pair_item)),
        )


@dataclass(frozen=True)
class Chosen:
    """Items of a selection in columns: where they, their mentions and their pairs stand among all of them.

    What they are is looked up where it is asked for: most of it is needed for a few of them only.
    """

    of: Counted
    rows: Ints  # ascending
    mentions: Ints
    pairs: Ints

    @cached_property
    def stage(self) -> Ints:
        """The column of each item."""
        return self.of.item_stage.take(self.rows)

    @cached_property
    def day(self) -> Ints:
        """The day of each item."""
        return self.of.item_day.take(self.rows)

    @cached_property
    def dated(self) -> Ints | None:
        """Which of the items (by their place among these) have a time of their own; None: all of them."""
        return None if self.of.all_dated else np.flatnonzero(self.of.item_dated.take(self.rows))

    @cached_property
    def dated_days(self) -> Ints:
        """The days of these."""
        return self.day if self.dated is None else self.day.take(self.dated)
