"""Vectors of parts of texts, kept in blocks: what the search by meaning reads (meaning_index.py).

A part is a span of one version of an item's text, so that labels may change without touching it. Blocks hold many
parts in one row, for a search reads all of them; whoever erases items takes their rows out of the blocks in the
same transaction. What was erased meanwhile or has another text by now is never written.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, or_, select, update
from sqlmodel import Session, col

from service.store import queue
from service.store.bulk import beside_ids, by_walk, one_of
from service.store.schema import FeedbackItem, ItemMeaning, MeaningBlock, Segment

BLOCK_ROWS: Final = 1_024
PLACE_COLUMNS: Final = 4
"""Item, text version, start, end."""
DEBOUNCE_SECONDS: Final = 5.0
"""From the first new text to the job: what comes in meanwhile is read together."""
ASKING: Final = 0x76656374
"""Name of an advisory lock."""

Places = NDArray[np.int64]
Rows = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Unread:
    """An item whose text has no vectors of the wanted model yet; its parts as (start, end)."""

    id: int
    text_version: int
    text: str
    spans: tuple[tuple[int, int], ...]


def ask_vectors(session: Session, workspace_id: int, *, delay_seconds: float = DEBOUNCE_SECONDS) -> None:
    """Queue the job "vectors" in the caller's transaction; a queued twin makes it a no-op."""
    queue.ask(session, workspace_id=workspace_id, kind="vectors", lock=ASKING, delay_seconds=delay_seconds)


def unread(
    session: Session,
    workspace_id: int,
    *,
    vectors: str,
    below: int | None,
    limit: int,
    fast_too: bool = True,
) -> list[Unread]:
    """Tagged items without vectors of a model, the newest first; `below`: only of smaller ids.

    Without `fast_too` those are left out that the fast tier has tagged.
    """
    item, known = FeedbackItem, ItemMeaning
    found = (
        select(col(item.id), col(item.text_version), col(item.text))
        .outerjoin(known, col(known.item_id) == col(item.id))
        .where(
            by_walk(session, col(item.workspace_id), workspace_id),
            col(item.state) == "tagged",
            or_(
                col(known.item_id).is_(None),
                col(known.text_version) != col(item.text_version),
                col(known.vectors) != vectors,
            ),
        )
        .order_by(col(item.id).desc())
        .limit(limit)
    )
    if below is not None:
        found = found.where(col(item.id) < below)
    if not fast_too:
        found = found.where(or_(col(item.model).is_(None), ~col(item.model).startswith("fast-")))
    rows = session.execute(found).all()
    spans: dict[int, list[tuple[int, int]]] = {}
    for item_id, start, end in session.execute(
        select(col(Segment.item_id), col(Segment.start), col(Segment.end))
        .where(col(Segment.item_id).in_([row[0] for row in rows]))
        .order_by(col(Segment.item_id), col(Segment.position))
    ):
        spans.setdefault(item_id, []).append((start, end))
    return [Unread(row[0], row[1], row[2] or "", tuple(spans.get(row[0], ()))) for row in rows]


def with_vectors(
    session: Session, workspace_id: int, item_ids: Collection[int], *, vectors: str
) -> dict[int, int]:
    """Those of these items whose text has vectors of a model, with the version of that text."""
    known = select(col(ItemMeaning.item_id), col(ItemMeaning.text_version)).where(
        beside_ids(col(ItemMeaning.workspace_id), workspace_id),
        one_of(session, col(ItemMeaning.item_id), list(item_ids)),
        col(ItemMeaning.vectors) == vectors,
    )
    return {row[0]: row[1] for row in session.execute(known)}


def store_vectors(
    session: Session, workspace_id: int, *, vectors: str, items: Sequence[Unread], rows: Sequence[Rows]
) -> None:
    """Keep the vectors of these items (`rows`: one array an item, a row a part), in place of older ones."""
    # locked first, as an erasure does: in the same order nobody waits in a circle
    rows_now = session.execute(
        select(col(FeedbackItem.id), col(FeedbackItem.text_version))
        .where(
            beside_ids(col(FeedbackItem.workspace_id), workspace_id),
            one_of(session, col(FeedbackItem.id), [one.id for one in items]),
        )
        .order_by(col(FeedbackItem.id))
        .with_for_update(read=True, key_share=True)
    )
    present: dict[int, int] = {row[0]: row[1] for row in rows_now}
    kept = [(one, own) for one, own in zip(items, rows, strict=True) if present.get(one.id) == one.text_version]
    forget_vectors(session, workspace_id, [one.id for one, _ in kept])
    waiting: list[tuple[Unread, Rows]] = []
    for one, own in kept:
        if not len(own):
            _know(session, workspace_id, vectors, None, [one])
            continue
        if sum(len(other) for _, other in waiting) + len(own) > BLOCK_ROWS:
            _append(session, workspace_id, vectors, waiting)
            waiting = []
        waiting.append((one, own[:BLOCK_ROWS]))
    _append(session, workspace_id, vectors, waiting)


def _append(session: Session, workspace_id: int, vectors: str, added: Sequence[tuple[Unread, Rows]]) -> None:
    if not added:
        return
    places = np.array(
        [(one.id, one.text_version, start, end) for one, own in added for start, end in one.spans[: len(own)]],
        dtype=np.int64,
    )
    content = np.concatenate([own for _, own in added])
    room = session.execute(
        select(col(MeaningBlock.id), col(MeaningBlock.places), col(MeaningBlock.content))
        .where(
            col(MeaningBlock.workspace_id) == workspace_id,
            col(MeaningBlock.vectors) == vectors,
            col(MeaningBlock.parts) <= BLOCK_ROWS - len(places),
        )
        .order_by(col(MeaningBlock.id).desc())
        .limit(1)
        .with_for_update()
    ).first()
    if room is not None:
        values = _values(room.places + places.tobytes(), room.content + content.tobytes())
        session.execute(
            update(MeaningBlock).where(col(MeaningBlock.id) == room.id).values(**values),
            execution_options=queue.UNTRACKED,
        )
        block_id = room.id
    else:
        values = _values(places.tobytes(), content.tobytes())
        made = insert(MeaningBlock).values(workspace_id=workspace_id, vectors=vectors, **values)
        block_id = session.execute(made.returning(col(MeaningBlock.id))).scalar_one()
    _know(session, workspace_id, vectors, block_id, [one for one, _ in added])


def _values(places: bytes, content: bytes) -> dict[str, Any]:
    # the stamp is drawn, not counted: SQLite gives the id of a deleted block to the next one
    parts = len(places) // (8 * PLACE_COLUMNS)
    return {"parts": parts, "stamp": secrets.randbits(62), "places": places, "content": content}


def _know(
    session: Session, workspace_id: int, vectors: str, block_id: int | None, items: Sequence[Unread]
) -> None:
    session.execute(
        insert(ItemMeaning),
        [
            {
                "item_id": one.id,
                "workspace_id": workspace_id,
                "block_id": block_id,
                "text_version": one.text_version,
                "vectors": vectors,
            }
            for one in items
        ],
    )


def forget_vectors(session: Session, workspace_id: int, item_ids: Sequence[int]) -> None:
    """Take the vectors of these items out of their blocks, whatever model made them."""
    mine = (
        beside_ids(col(ItemMeaning.workspace_id), workspace_id),
        one_of(session, col(ItemMeaning.item_id), list(item_ids)),
    )
    of_blocks = select(col(ItemMeaning.block_id)).where(*mine, col(ItemMeaning.block_id).is_not(None)).distinct()
    blocks = sorted(session.execute(of_blocks).scalars())
    gone = np.array(sorted(item_ids), dtype=np.int64)
    session.execute(delete(ItemMeaning).where(*mine), execution_options=queue.UNTRACKED)
    for block_id in blocks:
        row = session.execute(
            select(col(MeaningBlock.parts), col(MeaningBlock.places), col(MeaningBlock.content))
            .where(col(MeaningBlock.id) == block_id)
            .with_for_update()
        ).one_or_none()
        if row is None:
            continue
        places = np.frombuffer(row.places, np.int64).reshape(row.parts, PLACE_COLUMNS)
        left = ~np.isin(places[:, 0], gone)
        if not left.any():
            session.execute(
                delete(MeaningBlock).where(col(MeaningBlock.id) == block_id), execution_options=queue.UNTRACKED
            )
            continue
        content = np.frombuffer(row.content, np.int8).reshape(row.parts, -1)
        values = _values(places[left].tobytes(), content[left].tobytes())
        session.execute(
            update(MeaningBlock).where(col(MeaningBlock.id) == block_id).values(**values),
            execution_options=queue.UNTRACKED,
        )
