"""Rows outside the items that name somebody who was erased, found by reading page by page, and emptied."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, quote_plus

from sqlalchemy import case, delete, select, update
from sqlmodel import Session, col

from service.ingest.people import told_of
from service.store.bulk import by_walk
from service.store.engine import Database
from service.store.schema import (
    Delivery,
    Endpoint,
    FeedbackItem,
    FileImport,
    IdempotencyKey,
    ImportReject,
    WantedFetch,
)

PAGE = 500  # rows looked through at once
FINISHED = ("succeeded", "partially_succeeded", "failed", "canceled")
ERASED = "erased on request"
WORDLIKE_CHARS = 4  # a shorter key is looked for as a whole value only: «7» stands in many a sentence


@dataclass(slots=True)
class Found:
    """Ids of rows that have to be emptied."""

    deliveries: set[int] = field(default_factory=set)
    rejects: set[int] = field(default_factory=set)
    answers: set[int] = field(default_factory=set)


def of_person(
    database: Database, *, workspace_id: int, respondent: str, pseudonym: str, source: str | None
) -> Found:
    """What names the person or their items; with `source` only what came from there."""
    theirs = [col(FeedbackItem.workspace_id) == workspace_id, told_of([pseudonym])]
    received, refused = [], []
    if source is not None:
        theirs.append(col(FeedbackItem.source) == source)
        received.append(
            col(Delivery.endpoint_id).in_(
                select(col(Endpoint.id)).where(
                    col(Endpoint.workspace_id) == workspace_id, col(Endpoint.source) == source
                )
            )
        )
        refused.append(
            col(ImportReject.import_id).in_(
                select(col(FileImport.id)).where(
                    col(FileImport.workspace_id) == workspace_id, col(FileImport.source) == source
                )
            )
        )
    with database.read() as session:
        rows = session.execute(
            select(col(FeedbackItem.id), col(FeedbackItem.external_id), col(FeedbackItem.delivery_id)).where(
                *theirs
            )
        ).all()
    person = _Person(
        respondent,
        public_ids={str(row.id) for row in rows},
        external_ids={row.external_id for row in rows if row.external_id},
        everywhere=source is None,
    )
    found = Found({row.delivery_id for row in rows if row.delivery_id is not None})
    found.deliveries |= {
        row.id
        for row in _pages(database, workspace_id, Delivery, ("results",), *received)
        if any(str(result.get("id")) in person.public_ids for result in row.results)
    }
    # nothing was read from these, so that only their words can tell
    unread = col(Delivery.state) != "parsed"
    found.deliveries |= {
        row.id
        for row in _pages(database, workspace_id, Delivery, ("body",), unread, *received)
        if person.is_in_body(row.body)
    }
    found.rejects = {
        row.id
        for row in _pages(database, workspace_id, ImportReject, ("columns",), *refused)
        if any(person.is_in_cell(str(cell)) for cell in row.columns)
    }
    found.answers = {
        row.id
        for row in _pages(database, workspace_id, IdempotencyKey, ("response_body",))
        if row.response_body is not None and person.is_in_answer(row.response_body)
    }
    return found


def deliveries_of_items(
    database: Database, *, endpoint: Endpoint, public_ids: Collection[str], since: datetime, until: datetime
) -> set[int]:
    """Deliveries of an endpoint, received between these, that brought one of these items.

    What came later may be another item: SQLite gives the number of the last one that went to the next.
    """
    later = (col(Delivery.endpoint_id) == endpoint.id, col(Delivery.received_at).between(since, until))
    return {
        row.id
        for row in _pages(database, endpoint.workspace_id, Delivery, ("results",), *later)
        if any(str(result.get("id")) in public_ids for result in row.results)
    }


class _Person:
    """How to tell that words or answers are about somebody."""

    def __init__(self, respondent: str, *, public_ids: set[str], external_ids: set[str], everywhere: bool) -> None:
        self._respondent = respondent
        self._names = _spellings(respondent)
        self.public_ids = public_ids
        self._external_ids = external_ids
        self._everywhere = everywhere

    def is_in_body(self, body: bytes) -> bool:
        if len(self._respondent) >= WORDLIKE_CHARS:
            return self._names.search(body) is not None
        try:
            return any(value == self._respondent for _, value in _pairs(json.loads(body), numbers=True))
        except (ValueError, RecursionError):
            return self._names.search(body) is not None

    def is_in_cell(self, cell: str) -> bool:
        if len(self._respondent) < WORDLIKE_CHARS:
            return cell.strip() == self._respondent
        return self._names.search(cell.encode("utf-8", "replace")) is not None

    def is_in_answer(self, body: bytes) -> bool:
        try:
            pairs = set(_pairs(json.loads(body)))
        except ValueError:
            return self._names.search(body) is not None
        return any(
            (self._everywhere and value == self._respondent)
            or (name == "id" and value in self.public_ids)
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


def _pairs(value: Any, name: str = "", *, numbers: bool = False) -> Iterator[tuple[str, str]]:
    """Every string (and whole number) of a JSON value with the name of the field that it stands in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for own_name, one in value.items():
            yield from _pairs(one, own_name, numbers=numbers)
    elif isinstance(value, list):
        for one in value:
            yield from _pairs(one, name, numbers=numbers)
    elif numbers and isinstance(value, int) and not isinstance(value, bool):
        yield name, str(value)


def _pages(
    database: Database, workspace_id: int, model: Any, columns: Sequence[str], *conditions: Any
) -> Iterator[Any]:
    """Rows (id and columns) of a table in the order of their ids, each page on a session of its own."""
    last = 0
    while True:
        with database.read() as session:
            rows = session.execute(
                select(col(model.id), *(col(getattr(model, name)) for name in columns))
                .where(by_walk(session, col(model.workspace_id), workspace_id), col(model.id) > last, *conditions)
                .order_by(col(model.id))
                .limit(PAGE)
            ).all()
        yield from rows
        if len(rows) < PAGE:
            return
        last = rows[-1].id


def blank(session: Session, workspace_id: int, found: Found) -> None:
    """Empty what carried the person; the rows stay, so that counters and lists still add up."""
    quiet = {"synchronize_session": False}
    for some in _chunks(found.deliveries):
        session.execute(
            update(Delivery)
            .where(col(Delivery.workspace_id) == workspace_id, col(Delivery.id).in_(some))
            .values(
                body=b"",
                headers={},
                results=[],
                detail=ERASED,
                state=case((col(Delivery.state) == "waiting", "ignored"), else_=col(Delivery.state)),
            ),
            execution_options=quiet,
        )
        # nor is the sender's API asked for it any more
        session.execute(
            delete(WantedFetch).where(
                col(WantedFetch.workspace_id) == workspace_id, col(WantedFetch.delivery_id).in_(some)
            ),
            execution_options=quiet,
        )
    for some in _chunks(found.rejects):
        session.execute(
            update(ImportReject)
            .where(col(ImportReject.workspace_id) == workspace_id, col(ImportReject.id).in_(some))
            .values(columns=[], detail=ERASED),
            execution_options=quiet,
        )
    for some in _chunks(found.answers):
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


def forget_files(session: Session, workspace_id: int) -> list[str]:
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
