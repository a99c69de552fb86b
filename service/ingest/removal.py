"""Rows of feedback taken out and uncounted, and the marks that keep them from coming back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest.identity import item_mark
from service.store import rollups
from service.store.columns import now
from service.store.learned import ask_retrain
from service.store.meaning_blocks import forget_vectors
from service.store.schema import ErasureMark, FeedbackItem
from service.store.theme_upkeep import forget_words

PAGE = 500  # items deleted at once

Mark = tuple[str, str]  # kind, key_hash
Key = tuple[str, str]  # source, identity


def mark(session: Session, workspace_id: int, marks: Collection[Mark], *, up_to: datetime | None = None) -> None:
    """Keep what these keyed hashes stand for from coming back; with `up_to` only what was told up to then.

    What is marked for good stays so, and of two times the later holds, in whatever order they come.
    """
    if not marks:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    moment = now()
    rows = [
        {"workspace_id": workspace_id, "kind": kind, "key_hash": key_hash, "created_at": moment, "up_to": up_to}
        for kind, key_hash in sorted(marks)
    ]
    new = dialect.insert(ErasureMark)
    told, held = new.excluded.up_to, col(ErasureMark.up_to)
    # a second erasure renews the mark: spooled deliveries are told by its time to have come before
    renewed = new.on_conflict_do_update(
        index_elements=["workspace_id", "kind", "key_hash"],
        set_={
            "created_at": new.excluded.created_at,
            "up_to": case((told.is_(None) | held.is_(None), None), (told > held, told), else_=held),
        },
    )
    session.execute(renewed, rows)


def delete_items(session: Session, workspace_id: int, ids: Sequence[int]) -> None:
    """Delete items (versions, segments, classifications and corrections go with them) and uncount them.

    What was learnt from them is learnt anew without them.
    """
    if ids:
        ask_retrain(session, workspace_id, because="erasure")
    for start in range(0, len(ids), PAGE):
        some = ids[start : start + PAGE]
        before = rollups.snapshot(session, workspace_id, some)
        forget_words(session, workspace_id, some)
        forget_vectors(session, workspace_id, some)
        session.execute(
            delete(FeedbackItem)
            .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.id).in_(some))
            .execution_options(synchronize_session=False)
        )
        rollups.apply(session, workspace_id, before=before, after=[])


def _items_where(session: Session, workspace_id: int, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    """What has to be known of the items that go, in the order of their ids and locked."""
    return session.execute(
        select(
            col(FeedbackItem.id),
            col(FeedbackItem.source),
            col(FeedbackItem.identity),
            col(FeedbackItem.delivery_id),
            col(FeedbackItem.received_at),
        )
        .where(col(FeedbackItem.workspace_id) == workspace_id, *conditions)
        .order_by(col(FeedbackItem.id))
        .with_for_update()
    ).all()


def take_out(session: Session, vault: Vault, workspace_id: int, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    """Delete the items that fit, and mark each: a part of it that comes later need not say whose it is."""
    rows = _items_where(session, workspace_id, *conditions)
    mark(session, workspace_id, item_marks(vault, workspace_id, [(row.source, row.identity) for row in rows]))
    delete_items(session, workspace_id, [row.id for row in rows])
    return rows


def item_marks(vault: Vault, workspace_id: int, keys: Collection[Key]) -> set[Mark]:
    """The marks of these items, as far as what the sender tells of them later can be known as theirs."""
    # only what the sender gave an id can be told again in parts
    return {("item", item_mark(vault, workspace_id, *key)) for key in keys if key[1].startswith("id:")}


def of_keys(keys: Collection[Key]) -> list[list[ColumnElement[bool]]]:
    """For each source among these (source, identity) the conditions that find its items."""
    found = []
    for source in sorted({source for source, _ in keys}):
        identities = sorted({identity for own, identity in keys if own == source})
        found.append([col(FeedbackItem.source) == source, col(FeedbackItem.identity).in_(identities)])
    return found


def keep_away(session: Session, vault: Vault, workspace_id: int, keys: Collection[Key]) -> None:
    """Items (source, identity) that were told to be of an erased person or conversation: gone, in all their parts.

    A part that did not say whose it is may have been stored before.
    """
    for conditions in of_keys(keys):
        take_out(session, vault, workspace_id, *conditions)
    mark(session, workspace_id, item_marks(vault, workspace_id, keys))
