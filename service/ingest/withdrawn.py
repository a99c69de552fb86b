"""Feedback that a sender withdraws and may bring back: tickets called spam or thrown into the bin.

What was told up to then goes, and stays away however late it arrives. What the sender tells of the same thing
later is taken: it says that the thing is there again. Both go by the sender's clock, field by field as in fold.py,
so that the order of arrival does not matter. An erasure is final and stands above it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest.fold import Draft
from service.ingest.removal import PAGE, Key, delete_items, item_marks, mark, of_keys
from service.store import rollups
from service.store.meaning_blocks import forget_vectors
from service.store.schema import FeedbackItem, ItemVersion
from service.store.shown import delete_segments
from service.store.theme_upkeep import forget_words

TABLE = FeedbackItem.__table__  # type: ignore[attr-defined]


def withdraw(
    session: Session, vault: Vault, workspace_id: int, *conditions: ColumnElement[bool], up_to: datetime
) -> Sequence[Any]:
    """Take out of the items that fit what was told up to then; the rows of those of which nothing is left."""
    found = select(TABLE).where(TABLE.c.workspace_id == workspace_id, *conditions)
    rows = session.execute(found.order_by(TABLE.c.id).with_for_update()).mappings().all()
    keys = [(row["source"], row["identity"]) for row in rows]
    mark(session, workspace_id, item_marks(vault, workspace_id, keys), up_to=up_to)
    drafts = [Draft(columns=dict(row), id=row["id"]) for row in rows]
    gone = {draft.id for draft in drafts if not draft.withdraw(up_to)}
    delete_items(session, workspace_id, [row["id"] for row in rows if row["id"] in gone])
    left = [draft for draft in drafts if draft.touched and draft.id not in gone]
    for start in range(0, len(left), PAGE):
        _write(session, workspace_id, left[start : start + PAGE])
    return [row for row in rows if row["id"] in gone]


def _write(session: Session, workspace_id: int, drafts: Sequence[Draft]) -> None:
    ids = [draft.id for draft in drafts if draft.id is not None]
    without_text = [draft.id for draft in drafts if draft.reread and draft.id is not None]
    before = rollups.snapshot(session, workspace_id, ids)
    if without_text:
        forget_words(session, workspace_id, without_text)
        forget_vectors(session, workspace_id, without_text)
    session.execute(
        delete(ItemVersion)
        .where(col(ItemVersion.workspace_id) == workspace_id, col(ItemVersion.item_id).in_(ids))
        .execution_options(synchronize_session=False)
    )
    session.execute(update(FeedbackItem), [{**draft.columns, "id": draft.id} for draft in drafts])
    delete_segments(session, workspace_id, without_text)
    rollups.apply(session, workspace_id, before=before, after=rollups.snapshot(session, workspace_id, ids))


def withdraw_keys(
    session: Session, vault: Vault, workspace_id: int, keys: Collection[Key], *, up_to: datetime
) -> None:
    """Items (source, identity) that were told to be of a withdrawn conversation; a part may not have said so."""
    for conditions in of_keys(keys):
        withdraw(session, vault, workspace_id, *conditions, up_to=up_to)
    mark(session, workspace_id, item_marks(vault, workspace_id, keys), up_to=up_to)
