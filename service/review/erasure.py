"""Taking feedback out as a caller asks: one item, or everything of somebody. See service/ingest/erasure.py."""

from __future__ import annotations

from sqlmodel import Session

from service.auth import Caller, Vault
from service.ingest import erasure, removal
from service.ingest.identity import item_mark
from service.review.feedback_view import item_of
from service.settings import Settings
from service.store.engine import Database


def delete_item(session: Session, vault: Vault, caller: Caller, item_id: int) -> None:
    """Delete one item with all that hangs on it; NotFound for another workspace's."""
    item = item_of(session, caller, item_id, lock=True)
    key_hash = item_mark(vault, caller.workspace_id, item.source, item.identity)
    removal.mark(session, caller.workspace_id, {("item", key_hash)})
    removal.delete_items(session, caller.workspace_id, [item_id])
    session.expunge(item)
    erasure.audit(session, caller.workspace_id, caller.actor, "feedback.delete", f"feedback:{item_id}", {})


def erase_respondent(database: Database, settings: Settings, vault: Vault, caller: Caller, respondent: str) -> int:
    """Erase a person everywhere, named as the sender names them; the number of items that went (0 is no error)."""
    return erasure.erase_person(
        database,
        settings,
        vault,
        workspace_id=caller.workspace_id,
        respondent=respondent,
        actor=caller.actor,
    )
