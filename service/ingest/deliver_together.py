"""Several deliveries in as many statements as one: what a commit of a group costs is mostly statements.

Plain ones of a workspace that follow each other are stored together: new, understood, erasing and asking nothing.
Every other is delivered by itself, in its place, and so are all of a run where anything went wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session

from service.auth import Vault
from service.errors import TooLarge, crossed_locks, database_away
from service.ingest.deliver import (
    NOT_UNDERSTOOD,
    Note,
    Reading,
    deliver,
    delivery_id_of,
    new_delivery,
    note,
    read,
)
from service.ingest.incoming import Call, CannotParse
from service.ingest.receive import Part, receive_parts
from service.ingest.senders import SENDERS
from service.ingest.unpacking import body_limit
from service.settings import Settings
from service.store import bulk
from service.store.queue import Priority
from service.store.schema import Delivery, Endpoint

log = logging.getLogger(__name__)

TABLE = Delivery.__table__  # type: ignore[attr-defined]
_NOTE = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("of"))
    .values(state=bindparam("state"), detail=bindparam("detail"), results=bindparam("results"))
)
RUN_ITEMS = 500  # stored together, and tagged by one job


class _AlreadyThere(Exception):
    """Another process stored one of these deliveries meanwhile."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified call and when it came."""

    endpoint: Endpoint
    call: Call
    received_at: datetime


@dataclass(frozen=True, slots=True)
class _Ready:
    number: int  # of the arrival
    arrival: Arrival
    external_id: str = ""
    reading: Reading | None = None  # None: not a plain one, to be delivered by itself


def deliver_together(
    session: Session,
    vault: Vault,
    settings: Settings,
    arrivals: Sequence[Arrival],
    *,
    count_repeats: bool = True,
    raising: bool = False,
) -> dict[int, Exception]:
    """Store verified calls with their items, each workspace's in their order; those that failed by themselves.

    `count_repeats` as in `deliver`. Raises where the database is away or locks were crossed, and if `raising` any
    error: then nothing is stored.
    """
    failed: dict[int, Exception] = {}
    for run in _runs(settings, arrivals):
        if run[0].reading is not None:
            try:
                with session.begin_nested():
                    _store(session, vault, settings, run, count_repeats=count_repeats)
                continue
            except Exception as error:
                if database_away(error) or crossed_locks(error):
                    raise
                # one of them can't be stored, or another process has it already
                log.info("%d deliveries are taken one by one: %s", len(run), type(error).__name__)
        for one in run:
            try:
                with session.begin_nested():
                    _deliver(session, vault, settings, one.arrival, count_repeats=count_repeats)
            except Exception as error:
                if database_away(error) or crossed_locks(error) or raising:
                    raise
                log.error(
                    "a delivery of %s can't be stored: %s", one.arrival.endpoint.sender, type(error).__name__
                )
                failed[one.number] = error
    return failed


def _deliver(
    session: Session, vault: Vault, settings: Settings, one: Arrival, *, count_repeats: bool
) -> Delivery | None:
    return deliver(
        session,
        vault,
        settings,
        endpoint=one.endpoint,
        call=one.call,
        received_at=one.received_at,
        count_repeats=count_repeats,
    )


def _runs(settings: Settings, arrivals: Sequence[Arrival]) -> Iterator[list[_Ready]]:
    """Arrivals that can be stored together; those that can't stand alone."""
    by_workspace: dict[int, list[_Ready]] = {}
    for number, arrival in enumerate(arrivals):
        by_workspace.setdefault(arrival.endpoint.workspace_id, []).append(_ready(settings, number, arrival))
    for own in by_workspace.values():
        run: list[_Ready] = []
        seen: set[tuple[int | str | None, str]] = set()
        items = 0
        for one in own:
            keys = _once_in_a_run(one)
            size = len(one.reading.items) if one.reading is not None else 0
            if run and (one.reading is None or keys & seen or items + size > RUN_ITEMS):
                yield run
                run, seen, items = [], set(), 0
            run.append(one)
            if one.reading is None:
                yield run
                run = []
                continue
            seen |= keys
            items += size
        if run:
            yield run


def _once_in_a_run(one: _Ready) -> set[tuple[int | str | None, str]]:
    """What two deliveries of a run must not share: their name, and a survey response that both tell whole."""
    endpoint, whole = one.arrival.endpoint, one.reading.parsed.whole if one.reading is not None else []
    return {(endpoint.id, one.external_id), *((endpoint.source, response.response_id) for response in whole)}


def _ready(settings: Settings, number: int, arrival: Arrival) -> _Ready:
    endpoint, call = arrival.endpoint, arrival.call
    sender = SENDERS[endpoint.sender]
    if not call.fetched:
        with suppress(CannotParse, TooLarge, *NOT_UNDERSTOOD):
            reading = read(settings, endpoint=endpoint, call=call)
            parsed = reading.parsed
            if not parsed.erased and not parsed.merged and not parsed.wanted:
                external_id = delivery_id_of(sender, call, body_limit(sender, settings))
                return _Ready(number, arrival, external_id, reading)
    return _Ready(number, arrival)


def _store(
    session: Session, vault: Vault, settings: Settings, run: Sequence[_Ready], *, count_repeats: bool
) -> None:
    # a run is of one workspace's endpoints, which all have ids
    repeated = bulk.stored_deliveries(session, [(one.arrival.endpoint.id or 0, one.external_id) for one in run])
    new: list[tuple[_Ready, Reading]] = []
    for one in run:
        if (one.arrival.endpoint.id, one.external_id) in repeated:
            _deliver(session, vault, settings, one.arrival, count_repeats=count_repeats)
        elif one.reading is not None:
            new.append((one, one.reading))
    if not new:
        return
    rows = [
        new_delivery(one.arrival.endpoint, one.arrival.call, one.external_id, one.arrival.received_at)
        for one, _ in new
    ]
    ids = bulk.insert_with_ids(session, TABLE, rows)
    if ids is None:
        raise _AlreadyThere
    parts = [
        Part(
            items=reading.items,
            source_default=one.arrival.endpoint.source,
            default_channel=SENDERS[one.arrival.endpoint.sender].default_channel,
            delivery_id=delivery_id,
            received_at=one.arrival.received_at,
            row_numbers=reading.places,
            whole=reading.parsed.whole,
        )
        for (one, reading), delivery_id in zip(new, ids, strict=True)
    ]
    outcomes = receive_parts(
        session,
        vault,
        workspace_id=run[0].arrival.endpoint.workspace_id,
        parts=parts,
        priority=Priority.SINGLE,
        redact=settings.redact_stored,
    )
    noted: list[dict[str, Any]] = []
    emptied: list[int] = []
    for row, delivery_id, (_, reading), own in zip(rows, ids, new, outcomes, strict=True):
        note_ = Note(body=row["body"], headers=row["headers"])
        note(note_, reading, own, redact=settings.redact_stored)
        noted.append({"of": delivery_id, "state": note_.state, "detail": note_.detail, "results": note_.results})
        if row["body"] and not note_.body:
            emptied.append(delivery_id)
    session.connection().execute(_NOTE, noted)
    if emptied:
        session.execute(update(TABLE).where(TABLE.c.id.in_(emptied)).values(body=b""))
