"""The counted items of a selection in the columns that pains are found in."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from nlp.codebook import Codebook
from service.selection import Selection
from service.store.rollup_blocks import FLAG_DATED, Block, concatenate, flat_positions, from_bytes, surviving, take
from service.store.rollup_records import REASONS
from service.store.schema import RollupBlock
from service.suggest.pains import Counted, Ints


def load(
    session: Session, *, workspace_id: int, timezone: str, codebook: Codebook, selection: Selection
) -> Counted:
    """The items of a workspace that fall into the selection; BadInput for a period that can't be counted."""
    block = _block(session, workspace_id)
    columns = block.columns
    keep = _chosen(block, selection, timezone)
    rows = np.flatnonzero(keep)
    segments = flat_positions(columns["segment_count"], rows)
    sizes = columns["segment_count"][rows].astype(np.int64)

    def positions(name: str, values: Ints) -> Ints:
        known = {label: place for place, label in enumerate(codebook.labels(name))}
        # the last entry stands for index -1: nothing was said
        return np.array([*(known.get(word, -1) for word in block.words[name]), -1], dtype=np.int64)[values]

    stage = positions("stage", columns["stage"][rows])
    stage[columns["reason"][rows] != REASONS.index("")] = -1
    labels = {
        name: positions(name, columns[f"segment_{name}"][segments])
        for name in ("stage", "topic", "emotion", "sentiment", "touchpoint")
    }
    # a label that has left the codebook can't be placed any more
    placed = np.logical_and.reduce([found >= 0 for found in labels.values()])
    return Counted(
        item_id=columns["item_id"][rows],
        item_stage=stage,
        item_day=columns["day"][rows].astype(np.int64),
        item_dated=(columns["flags"][rows] & FLAG_DATED) > 0,
        item_respondent=columns["respondent"][rows].astype(np.uint64).view(np.int64),
        item_value=columns["value"][rows],
        segment_item=np.repeat(np.arange(len(rows)), sizes)[placed],
        **{f"segment_{name}": found[placed] for name, found in labels.items()},
    )


def items_by_stage(counted: Counted, codebook: Codebook) -> dict[str, int]:
    """How many items stand in each stage's column."""
    stages = codebook.labels("stage")
    found = np.bincount(counted.item_stage[counted.item_stage >= 0], minlength=len(stages))
    return dict(zip(stages, found.tolist(), strict=True))


def _block(session: Session, workspace_id: int) -> Block:
    payloads = session.execute(
        select(col(RollupBlock.payload))
        .where(col(RollupBlock.workspace_id) == workspace_id)
        .order_by(col(RollupBlock.id))
    ).scalars()
    joined = concatenate([from_bytes(payload) for payload in payloads])
    kept = surviving(joined.columns["digest"], joined.columns["weight"])
    return take(joined, kept[joined.columns["weight"][kept] > 0])


def _chosen(block: Block, selection: Selection, timezone: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    first, end = selection.days(timezone)
    keep = np.ones(len(block), dtype=np.bool_)
    if first is not None:
        keep &= block.columns["day"] >= first
    if end is not None:
        keep &= block.columns["day"] < end
    for kind, values in selection.filters().items():
        if kind.startswith("attr."):
            name = kind.removeprefix("attr.")
            wanted = {f"{name}\0{value}" for value in values}
            hits = np.array([*(word in wanted for word in block.words["attribute"]), False])
            owner = np.repeat(np.arange(len(block)), block.columns["attribute_count"].astype(np.int64))
            found = np.zeros(len(block), dtype=np.bool_)
            found[owner[hits[block.columns["attribute"]]]] = True
            keep &= found
        else:
            hits = np.array([*(word in values for word in block.words[kind]), False])
            keep &= hits[block.columns[kind]]
    return keep
