"""Taking feedback out again: one item, or everything of a person; with a mark that keeps it from coming back.

An erased person leaves a keyed hash and nothing else. What is deleted with them: items with their versions,
segments, classifications and corrections, the raw deliveries that brought them, uploaded files that may hold
them, the cells of rejected rows that name them, and stored answers that name their items.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.auth import Caller, Vault
from service.ingest.identity import item_mark, respondent_mark
from service.review.feedback_view import item_of
from service.settings import Settings
from service.store import queue, rollups
from service.store.columns import now
from service.store.engine import Database
from service.store.learned import ask_retrain
from service.store.queue import Priority
from service.store.schema import (
    AuditEvent,
    Delivery,
    ErasureMark,
    FeedbackItem,
    FileImport,
    IdempotencyKey,
    ImportReject,
)

PAGE = 500  # rows looked through at once
FINISHED = ("succeeded", "partially_succeeded", "failed", "canceled")
ERASED = "erased on request"
WORDLIKE_CHARS = 4  # a shorter key is looked for as a whole cell only


def delete_item(session: Session, vault: Vault, caller: Caller, item_id: int) -> None:
    """Delete one item with all that hangs on it; NotFound for another workspace's."""
    item = item_of(session, caller, item_id, lock=True)
    mark = item_mark(vault, caller.workspace_id, item.source, item.identity)
    _mark(session, caller.workspace_id, kind="item", key_hash=mark)
    _delete_items(session, caller.workspace_id, [item_id])
    session.expunge(item)
    _audit(session, caller, "feedback.delete", f"feedback:{item_id}", {})


def erase_respondent(database: Database, settings: Settings, vault: Vault, caller: Caller, respondent: str) -> int:
    """Erase a person, named as the sender names them; the number of items that went (0 is no error).

    The mark is committed first, so that nothing of them comes in while the rest is looked for; that is done by
    reading, and everything found goes in one transaction. Calling it again is harmless.
    """
    workspace_id = caller.workspace_id
    pseudonym = vault.pseudonym(workspace_id, respondent)
    with database.write() as session:
        _mark(
            session,
            workspace_id,
            kind="respondent",
            key_hash=respondent_mark(vault, workspace_id, respondent),
        )
    traces = _Traces(database, workspace_id, respondent, pseudonym)
    with database.write() as session:
        # again, now held: some may have come in while we looked
        items = _items_of(session, workspace_id, pseudonym, lock=True)
        ids = [item.id for item in items]
        traces.deliveries |= {item.delivery_id for item in items if item.delivery_id is not None}
        _delete_items(session, workspace_id, ids)
        _blank_traces(session, workspace_id, traces)
        paths = _forget_files(session, workspace_id)
        queue.enqueue(
            session,
            workspace_id=workspace_id,
            kind="compact",
            payload={"full": True},  # until then opposite records of the person stand beside each other
            priority=Priority.UPKEEP,
            dedupe_key=f"compact-full:{workspace_id}",
        )
        _audit(session, caller, "respondent.erase", "respondent", {"items": len(ids)})
    for path in paths:
        (settings.imports_dir / Path(path).name).unlink(missing_ok=True)
    return len(ids)


def _items_of(session: Session, workspace_id: int, pseudonym: str, *, lock: bool = False) -> Sequence[Any]:
    """Id, external_id and delivery_id of the person's items, in the order of their ids."""
    found = (
        select(col(FeedbackItem.id), col(FeedbackItem.external_id), col(FeedbackItem.delivery_id))
        .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.respondent) == pseudonym)
        .order_by(col(FeedbackItem.id))
    )
    return session.execute(found.with_for_update() if lock else found).all()


def _mark(session: Session, workspace_id: int, *, kind: str, key_hash: str) -> None:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    values = {"workspace_id": workspace_id, "kind": kind, "key_hash": key_hash, "created_at": now()}
    session.execute(dialect.insert(ErasureMark).values(values).on_conflict_do_nothing())


def _delete_items(session: Session, workspace_id: int, ids: Sequence[int]) -> None:
    """Delete items (versions, segments, classifications and corrections go with them) and uncount them.

    What was learnt from them is learnt anew without them.
    """
    if ids:
        ask_retrain(session, workspace_id, because="erasure")
    for start in range(0, len(ids), PAGE):
        some = ids[start : start + PAGE]
        before = rollups.snapshot(session, workspace_id, some)
        session.execute(
            delete(FeedbackItem)
            .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.id).in_(some))
            .execution_options(synchronize_session=False)
        )
        rollups.apply(session, workspace_id, before=before, after=[])


class _Traces:
    """Rows outside the items that name the person or their items, found by reading page by page."""

    def __init__(self, database: Database, workspace_id: int, respondent: str, pseudonym: str) -> None:
        with database.read() as session:
            rows = _items_of(session, workspace_id, pseudonym)
        self._respondent = respondent
        self._names = _spellings(respondent)
        self._public_ids = {str(row.id) for row in rows}
        self._external_ids = {row.external_id for row in rows if row.external_id}
        self.deliveries = {row.delivery_id for row in rows if row.delivery_id is not None}
        self.deliveries |= {
            row.id
            for row in _pages(database, workspace_id, Delivery, ("results",))
            if any(str(result.get("id")) in self._public_ids for result in row.results)
        }
        # nothing was read from these, so that only their words can tell
        unread = col(Delivery.state) != "parsed"
        self.deliveries |= {
            row.id
            for row in _pages(database, workspace_id, Delivery, ("body",), unread)
            if self._names_them(row.body)
        }
        self.rejects = {
            row.id
            for row in _pages(database, workspace_id, ImportReject, ("columns",))
            if any(self._is_in_cell(str(cell)) for cell in row.columns)
        }
        self.answers = {
            row.id
            for row in _pages(database, workspace_id, IdempotencyKey, ("response_body",))
            if row.response_body is not None and self._answers_for_them(row.response_body)
        }

    def _names_them(self, body: bytes) -> bool:
        return self._names.search(body) is not None

    def _is_in_cell(self, cell: str) -> bool:
        if len(self._respondent) < WORDLIKE_CHARS:
            return cell.strip() == self._respondent  # «7» stands in many a sentence
        return self._names_them(cell.encode("utf-8", "replace"))

    def _answers_for_them(self, body: bytes) -> bool:
        try:
            pairs = set(_pairs(json.loads(body)))
        except ValueError:
            return self._names_them(body)
        return any(
            value == self._respondent
            or (name == "id" and value in self._public_ids)
            or (name == "external_id" and value in self._external_ids)
            for name, value in pairs
        )


def _spellings(respondent: str) -> re.Pattern[bytes]:
    """The person's key as it may stand in a body (plain, in JSON, in a form), not as a part of a longer word."""
    plain = respondent.encode("utf-8", "replace")
    spellings = {
        plain,
        json.dumps(respondent)[1:-1].encode(),
        json.dumps(respondent, ensure_ascii=False)[1:-1].encode("utf-8", "replace"),
        quote(respondent, safe="", errors="replace").encode(),
        quote_plus(respondent, errors="replace").encode(),
    }
    either = b"|".join(re.escape(one) for one in sorted(spellings, key=len, reverse=True))
    return re.compile(rb"(?<![0-9A-Za-z_\x80-\xff])(?:" + either + rb")(?![0-9A-Za-z_\x80-\xff])")


def _pairs(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a JSON value with the name of the field that it stands in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for own_name, one in value.items():
            yield from _pairs(one, own_name)
    elif isinstance(value, list):
        for one in value:
            yield from _pairs(one, name)


def _pages(
    database: Database, workspace_id: int, model: Any, columns: Sequence[str], *conditions: Any
) -> Iterator[Any]:
    """Rows (id and columns) of a table in the order of their ids, each page on a session of its own."""
    last = 0
    while True:
        with database.read() as session:
            rows = session.execute(
                select(col(model.id), *(col(getattr(model, name)) for name in columns))
                .where(col(model.workspace_id) == workspace_id, col(model.id) > last, *conditions)
                .order_by(col(model.id))
                .limit(PAGE)
            ).all()
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1].id


def _blank_traces(session: Session, workspace_id: int, traces: _Traces) -> None:
    """Empty what carried the person; the rows stay, so that counters and lists still add up."""
    quiet = {"synchronize_session": False}
    for some in _chunks(traces.deliveries):
        session.execute(
            update(Delivery)
            .where(col(Delivery.workspace_id) == workspace_id, col(Delivery.id).in_(some))
            .values(body=b"", headers={}, results=[], detail=ERASED),
            execution_options=quiet,
        )
    for some in _chunks(traces.rejects):
        session.execute(
            update(ImportReject)
            .where(col(ImportReject.workspace_id) == workspace_id, col(ImportReject.id).in_(some))
            .values(columns=[], detail=ERASED),
            execution_options=quiet,
        )
    for some in _chunks(traces.answers):
        session.execute(
            delete(IdempotencyKey).where(
                col(IdempotencyKey.workspace_id) == workspace_id, col(IdempotencyKey.id).in_(some)
            ),
            execution_options=quiet,
        )


def _chunks(ids: set[int]) -> Iterator[list[int]]:
    ordered = sorted(ids)
    for start in range(0, len(ordered), PAGE):
        yield ordered[start : start + PAGE]


def _forget_files(session: Session, workspace_id: int) -> list[str]:
    """The files of this workspace's finished imports: any of them may hold the person, none is needed any more."""
    finished = (
        col(FileImport.workspace_id) == workspace_id,
        col(FileImport.state).in_(FINISHED),
        col(FileImport.path) != "",
    )
    paths = list(session.execute(select(col(FileImport.path)).where(*finished)).scalars())
    session.execute(
        update(FileImport).where(*finished).values(path=""), execution_options={"synchronize_session": False}
    )
    return paths


def _audit(session: Session, caller: Caller, action: str, target: str, detail: dict[str, Any]) -> None:
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id, actor=caller.actor, action=action, target=target, detail=detail
        )
    )
