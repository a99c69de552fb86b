"""Which incoming items must not be stored: they, their conversation or their person are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest.identity import conversation_mark, item_mark, person_mark, respondent_mark
from service.ingest.incoming import IncomingItem
from service.ingest.removal import Key, Mark, keep_away
from service.ingest.withdrawn import withdraw_keys
from service.store import bulk
from service.store.schema import ErasureMark

Held = Mapping[Mark, datetime | None]


def kept_out(
    session: Session, vault: Vault, *, workspace_id: int, keys: Sequence[Key], items: Sequence[IncomingItem]
) -> list[bool]:
    """For each item whether it is kept out; to be asked only where something was ever erased or withdrawn.

    Parts of these items that are stored and did not say whose they are go as well.
    """
    marks = [_marks(vault, workspace_id, key, item) for key, item in zip(keys, items, strict=True)]
    held = _held(session, workspace_id, {one for own in marks for one in own})
    gone: dict[Key, set[Mark]] = {}
    withdrawn: dict[Key, datetime] = {}
    known: dict[Key, datetime] = {}  # up to when an item itself is marked as withdrawn
    for key, own in zip(keys, marks, strict=True):
        for one in own & held.keys():
            up_to = held[one]
            if up_to is None:
                gone.setdefault(key, set()).add(one)
                continue
            withdrawn[key] = max(up_to, withdrawn.get(key, up_to))
            if one[0] == "item":
                known[key] = up_to
    # some were told to be of an erased person or conversation: parts that did not say so go as well
    newly = {key for key, own in gone.items() if all(kind != "item" for kind, _ in own)}
    if newly:
        keep_away(session, vault, workspace_id, newly)
    late = {key: up_to for key, up_to in withdrawn.items() if key not in gone and known.get(key) != up_to}
    for up_to in sorted(set(late.values())):
        withdraw_keys(session, vault, workspace_id, {key for key in late if late[key] == up_to}, up_to=up_to)
    return [
        key in gone or (key in withdrawn and (item.updated_at is None or item.updated_at <= withdrawn[key]))
        for key, item in zip(keys, items, strict=True)
    ]


def _held(session: Session, workspace_id: int, marks: set[Mark]) -> Held:
    rows = session.execute(
        select(col(ErasureMark.kind), col(ErasureMark.key_hash), col(ErasureMark.up_to)).where(
            col(ErasureMark.workspace_id) == workspace_id,
            col(ErasureMark.kind).in_(("item", "conversation", "respondent")),
            bulk.among(session, col(ErasureMark.key_hash), sorted({key_hash for _, key_hash in marks})),
        )
    )
    return {(row.kind, row.key_hash): row.up_to for row in rows}


def _marks(vault: Vault, workspace_id: int, key: Key, item: IncomingItem) -> set[Mark]:
    """The marks of which any one keeps this item away."""
    source = key[0]
    found: set[Mark] = {("item", item_mark(vault, workspace_id, *key))}
    if item.respondent:
        found.add(("respondent", respondent_mark(vault, workspace_id, item.respondent)))
        found.add(("respondent", person_mark(vault, workspace_id, source, item.respondent)))
    if item.conversation_id:
        found.add(("conversation", conversation_mark(vault, workspace_id, source, item.conversation_id)))
    return found
