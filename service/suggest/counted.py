"""The counted items of a selection in the columns that pains are found in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlmodel import Session

from nlp.codebook import Codebook
from service.selection import Selection
from service.store import rollup_frame

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Counted:
    """Items and their negative mentions in columns; labels are codebook positions.

    Item columns have one entry per item, mention columns one per negative segment. `item_stage` is -1 for items
    that stand in no column (unsure, not tagged …) or do not belong to the selection. `item_day` counts days since
    1970-01-01 in the workspace's zone.
    """

    item_id: Ints
    item_stage: Ints
    item_day: Ints
    item_dated: Bools  # whether the sender gave the time
    item_respondent: Ints  # equal numbers are one respondent; items without one have a number of their own
    item_alone: Bools  # whether the respondent is known to have no other item
    item_value: npt.NDArray[np.float64]  # money, NaN where unknown
    mention_item: Ints  # position of the item in the item columns
    mention_stage: Ints
    mention_topic: Ints
    mention_emotion: Ints
    mention_touchpoint: Ints  # -1 where none is known


def load(session: Session, *, workspace_id: int, timezone: str, selection: Selection) -> Counted:
    """The items of a workspace that fall into the selection; BadInput for a period that can't be counted.

    Labels are numbered as in the shipped codebook, which is the one that rollups go by.
    """
    first, end = selection.days(timezone)
    frame = rollup_frame.load(session, workspace_id)
    codes = rollup_frame.codes()
    mask = frame.mask(first_day=first, end_day=end, filters=selection.filters())
    touchpoints, topics, sentiments = (codes.size(name) for name in ("touchpoint", "topic", "sentiment"))

    place = frame.rows["place"].astype(np.int64)
    stage = np.where(mask & (place < codes.pairs), place // touchpoints, -1)
    stage[stage >= len(codes.labels["stage"])] = -1  # a label that has left the codebook

    negative = codes.labels["sentiment"].index("negative")
    chosen = np.flatnonzero((frame.segment_cell // topics % sentiments == negative) & mask[frame.segment_row])
    cell = frame.segment_cell[chosen].astype(np.int64)
    mention_place, mood, topic = cell // topics // codes.moods, cell // topics % codes.moods, cell % topics
    mention_stage, touchpoint, emotion = (
        mention_place // touchpoints,
        mention_place % touchpoints,
        mood // sentiments,
    )
    known = (mention_place < codes.pairs) & (mention_stage < len(codes.labels["stage"]))
    known &= (topic < len(codes.labels["topic"])) & (emotion < len(codes.labels["emotion"]))
    touchpoint[touchpoint == touchpoints - 1] = -1
    return Counted(
        item_id=frame.rows["item_id"],
        item_stage=stage,
        item_day=frame.rows["day"],
        item_dated=frame.rows["dated"],
        item_respondent=frame.rows["cluster"],
        item_alone=frame.alone[frame.rows["cluster"]],
        item_value=frame.rows["value"],
        mention_item=frame.segment_row[chosen][known],
        mention_stage=mention_stage[known],
        mention_topic=topic[known],
        mention_emotion=emotion[known],
        mention_touchpoint=touchpoint[known],
    )


def items_by_stage(counted: Counted, codebook: Codebook) -> dict[str, int]:
    """How many items stand in each stage's column."""
    stages = codebook.labels("stage")
    found = np.bincount(counted.item_stage[counted.item_stage >= 0], minlength=len(stages))
    return dict(zip(stages, found.tolist(), strict=True))
