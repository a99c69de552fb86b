"""Survey responses that are told whole each time: an answer that is told no more was taken back, its item goes.

Deliveries overtake each other. When a response was told last is known by its own item, which nearly every delivery
of it has, else by a mark without content. What an older delivery tells besides what is stored was taken back
since, and does not come in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest.identity import response_mark
from service.ingest.incoming import Moment, Whole
from service.store import bulk
from service.store.schema import BlankResponse, FeedbackItem

Key = tuple[str, str]  # source, identity
# one after another, as the array has them
_LOCK = text("SELECT pg_advisory_xact_lock(name) FROM unnest(CAST(:names AS bigint[])) AS name")
_MOMENT: TypeAdapter[datetime | None] = TypeAdapter(Moment)


@dataclass(frozen=True, slots=True)
class ToldWhole:
    """One whole response of a delivery, with its time and its items as they are stored."""

    source: str
    response_id: str
    told_at: datetime | None
    identities: frozenset[str]
    delivery_id: int | None

    @property
    def own(self) -> str:
        """The identity of the response's own item."""
        return f"id:{self.response_id}"


@dataclass(frozen=True, slots=True)
class _Stored:
    id: int
    identity: str
    told_at: datetime | None
    delivery_id: int | None


def told_whole(whole: Sequence[Whole], *, source: str, delivery_id: int | None) -> list[ToldWhole]:
    """The responses of a delivery whose times can be read; what can't be used of the others is no item either."""
    found = []
    for one in whole:
        try:
            told_at = _MOMENT.validate_python(one.updated_at)
        except ValidationError:
            continue
        identities = frozenset(f"id:{name}" for name in one.external_ids)
        found.append(ToldWhole(source, one.response_id, told_at, identities, delivery_id))
    return found


def one_at_a_time(session: Session, vault: Vault, workspace_id: int, told: Sequence[ToldWhole]) -> None:
    """Wait until no other transaction tells one of these responses, and let none until this one ends.

    A blank delivery of a response locks no row that an older one with answers could wait for: of two at once
    neither would see the other, and the older answers would stay. SQLite writes one transaction at a time anyway.
    """
    if not told or session.get_bind().dialect.name != "postgresql":
        return
    marks = {response_mark(vault, workspace_id, one.source, one.response_id) for one in told}
    names = {int.from_bytes(hashlib.sha256(mark.encode()).digest()[:8], signed=True) for mark in marks}
    # in one order everywhere: two callers wait for each other instead of deadlocking
    session.execute(_LOCK, {"names": sorted(names)})


def taken_back(
    session: Session, vault: Vault, workspace_id: int, told: Sequence[ToldWhole], *, replayed: bool
) -> tuple[list[int], set[Key]]:
    """The ids of stored items that these responses tell no more, and the keys that they told too late.

    Each response is among `told` once. Writes down which of them are blank.
    """
    stored = _stored(session, workspace_id, told)
    hashes = {one: response_mark(vault, workspace_id, one.source, one.response_id) for one in told}
    blank = _blank_since(session, workspace_id, hashes.values())
    gone: list[int] = []
    late: set[Key] = set()
    blanked: dict[str, datetime] = {}
    for one in told:
        items = stored.get((one.source, one.response_id), [])
        known = [item for item in items if item.identity == one.own]
        times = [item.told_at for item in known] + [blank.get(hashes[one])]
        newest = max((time for time in times if time is not None), default=None)
        overtaken = replayed and any(item.delivery_id != one.delivery_id for item in known)
        if _is_late(one.told_at, newest, overtaken=overtaken):
            late |= {(one.source, name) for name in one.identities - {item.identity for item in items}}
            continue
        gone += [item.id for item in items if item.identity not in one.identities and _is_older(item, one)]
        if one.own not in one.identities and one.told_at is not None:
            blanked[hashes[one]] = one.told_at
    _write_blank(session, workspace_id, blanked)
    return sorted(gone), late


def _is_late(told_at: datetime | None, newest: datetime | None, *, overtaken: bool) -> bool:
    return overtaken if told_at is None or newest is None else told_at < newest


def _is_older(item: _Stored, told: ToldWhole) -> bool:
    """Whether the response speaks for the item: of equal times the delivery that arrives later does."""
    return item.told_at is None or told.told_at is None or item.told_at <= told.told_at


def _stored(session: Session, workspace_id: int, told: Sequence[ToldWhole]) -> dict[Key, list[_Stored]]:
    """The stored items of each response, by source and response."""
    own = bulk.ids_of_items(session, workspace_id, {(one.source, one.own) for one in told})
    further = bulk.ids_of_further_answers(session, workspace_id, {(one.source, one.response_id) for one in told})
    if not own and not further:
        return {}
    rows = session.execute(
        select(
            col(FeedbackItem.id),
            col(FeedbackItem.source),
            col(FeedbackItem.identity),
            col(FeedbackItem.response_id),
            col(FeedbackItem.sender_updated_at),
            col(FeedbackItem.delivery_id),
        ).where(
            bulk.one_of(session, col(FeedbackItem.id), [*own, *further]),
            bulk.beside_ids(col(FeedbackItem.workspace_id), workspace_id),
        )
    )
    is_own = set(own)
    found: dict[Key, list[_Stored]] = {}
    for row in rows:
        response_id = row.identity.removeprefix("id:") if row.id in is_own else row.response_id
        stored = _Stored(row.id, row.identity, row.sender_updated_at, row.delivery_id)
        found.setdefault((row.source, response_id), []).append(stored)
    return found


def _blank_since(session: Session, workspace_id: int, hashes: Collection[str]) -> dict[str, datetime]:
    rows = session.execute(
        select(col(BlankResponse.key_hash), col(BlankResponse.told_at)).where(
            col(BlankResponse.workspace_id) == workspace_id,
            bulk.among(session, col(BlankResponse.key_hash), sorted(hashes)),
        )
    )
    return {row.key_hash: row.told_at for row in rows}


def _write_blank(session: Session, workspace_id: int, blanked: dict[str, datetime]) -> None:
    if not blanked:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = dialect.insert(BlankResponse)
    newer = new.on_conflict_do_update(
        index_elements=["workspace_id", "key_hash"],
        set_={"told_at": new.excluded.told_at},
        where=col(BlankResponse.told_at) < new.excluded.told_at,
    )
    # in one order everywhere: two callers wait for each other instead of deadlocking
    rows = [{"workspace_id": workspace_id, "key_hash": key, "told_at": blanked[key]} for key in sorted(blanked)]
    session.execute(newer, rows)
