"""Items and their negative mentions in the columns that pains are found in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nlp.codebook import Codebook
from service.row_numbers import row_numbers
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
    mention_cell: Ints
    mention_place: Ints  # cell * touchpoints + touchpoint, -1 where unknown or in an item of another column
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
        mention_cell=cell,
        mention_place=np.where(inside & (mention_touchpoint >= 0), cell * touchpoints + mention_touchpoint, -1),
        pair_item=ordered[starts] % max(1, len(item_stage)),
        pair_cell=ordered[starts] // max(1, len(item_stage)),
        pair_harm=np.maximum.reduceat(harm, starts) if len(starts) else np.empty(0),
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """Items in columns, one entry per item, and what they complain about.

    `item_stage` is a codebook position, -1 for items that stand in no column (unsure, not tagged …) or do not
    belong to the selection. `item_day` counts days since 1970-01-01 in the workspace's zone.
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

    @property
    def newest(self) -> int:
        """The day of the newest item whose sender gave the time, in a column or not; 0 without one."""
        return int(np.max(self.item_day, where=self.item_dated, initial=0))

    def at(self, mask: Bools) -> Counted:
        """The items that a mask chooses and that stand in a column, with their complaints."""
        inside = mask & (self.item_stage >= 0)
        rows = np.flatnonzero(inside)
        place = row_numbers(inside)
        of = self.complaints
        mention, pair = np.flatnonzero(inside.take(of.mention_item)), np.flatnonzero(inside.take(of.pair_item))
        return Counted(
            complaints=Complaints(
                mention_item=place.take(of.mention_item.take(mention)),
                mention_cell=of.mention_cell.take(mention),
                mention_place=of.mention_place.take(mention),
                pair_item=place.take(of.pair_item.take(pair)),
                pair_cell=of.pair_cell.take(pair),
                pair_harm=of.pair_harm.take(pair),
            ),
            **{name: getattr(self, name).take(rows) for name in self.__slots__ if name != "complaints"},
        )
