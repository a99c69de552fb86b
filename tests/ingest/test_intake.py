"""Between a delivery's arrival and its answer: remembered addresses, commits of several, the database away."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session

from service import auth
from service.app import create_app
from service.ingest import deliver_together
from service.ingest.incoming import Call
from service.ingest.spool import Spool
from service.ingest.spooled import Verified, deliver_spooled, sealed, unsealed
from service.settings import Settings
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Delivery, Endpoint, FeedbackItem
from tests.ingest.delivering import WORDS, check_exactly_once, make_endpoint, send, signed
from tests.ingest.rows import stored
from tests.running import wait_for


@pytest.fixture
def path(database: Database, settings: Settings) -> str:
    return make_endpoint(database, settings)


@pytest.fixture
def http(app: FastAPI, path: str) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@contextmanager
def _away(app: FastAPI) -> Iterator[None]:
    """The app's intake can't write to its database; it can read, as with a full disk or a lock held."""
    engine = app.state.intake._database.writer

    def refuse(_connection: Any) -> None:
        raise OperationalError("BEGIN", {}, sqlite3.OperationalError("database is locked"))

    event.listen(engine, "begin", refuse, insert=True)
    try:
        yield
    finally:
        event.remove(engine, "begin", refuse)


def _files(settings: Settings) -> list[Path]:
    return sorted(settings.spool_dir.iterdir()) if settings.spool_dir.exists() else []


def _drained(settings: Settings) -> None:
    wait_for(lambda: not _files(settings), seconds=20, what="an empty spool")


# --- several in one commit


def test_deliveries_that_come_together_share_a_commit_and_a_bad_one_fails_alone(
    app: FastAPI, http: TestClient, path: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, together, commits = deliver_together.deliver, deliver_together.receive_parts, 0

    def deliver(session: Session, *arguments: Any, call: Call, **more: Any) -> Any:
        found = alone(session, *arguments, call=call, **more)
        if b"bad one" in call.body:
            raise IntegrityError("INSERT", {}, Exception("a defect of ours"))
        return found

    def receive_parts(session: Session, *arguments: Any, parts: Any, **more: Any) -> Any:
        found = together(session, *arguments, parts=parts, **more)
        if any("bad one" in (item.text or "") for part in parts for item in part.items):
            raise IntegrityError("INSERT", {}, Exception("a defect of ours"))
        return found

    monkeypatch.setattr(deliver_together, "deliver", deliver)
    monkeypatch.setattr(deliver_together, "receive_parts", receive_parts)

    def counted(_connection: Any) -> None:
        nonlocal commits
        commits += 1

    event.listen(app.state.intake._database.writer, "commit", counted)
    with ThreadPoolExecutor(40) as pool:
        # the first waits for the lock, so that the others gather behind it
        with database.write() as session:
            session.add(auth.Workspace(name="busy"))
            session.flush()
            answers = [
                pool.submit(send, http, path, f"m{n}", title="bad one" if n == 7 else "") for n in range(40)
            ]
            time.sleep(0.6)
        statuses = [answer.result(30).status_code for answer in answers]
    assert statuses == [200] * 7 + [500] + [200] * 32
    assert stored(database, Delivery) == stored(database) == 39
    check_exactly_once(database, {f"m{n}" for n in range(40) if n != 7})
    assert commits <= 10


def test_too_many_at_once_are_told_so(
    settings: Settings, database: Database, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(settings.model_copy(update={"max_waiting_deliveries": 3}))
    with TestClient(app) as http, ThreadPoolExecutor(12) as pool:
        with database.write() as session:
            session.add(auth.Workspace(name="busy"))
            session.flush()
            if not database.is_sqlite:
                session.connection().exec_driver_sql("LOCK TABLE delivery")
            answers = [pool.submit(send, http, path, f"m{n}") for n in range(12)]
            time.sleep(0.6)
        found = [answer.result(30) for answer in answers]
    refused = [answer for answer in found if answer.status_code == 503]
    assert len(refused) == 9
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert stored(database, Delivery) == 3


# --- the database is away


def test_deliveries_wait_encrypted_and_are_stored_in_order_with_their_time(
    app: FastAPI, http: TestClient, path: str, settings: Settings, database: Database
) -> None:
    assert send(http, path, "before").status_code == 200
    with _away(app):
        # no times of their own: what comes later holds
        for text in ("first", "second", "third"):
            assert send(http, path, f"m-{text}", id="same", text=text).status_code == 200
        assert send(http, path, "m-second", id="same", text="second").status_code == 200  # sent again
        [file] = _files(settings)
        content = file.read_bytes()
        assert b"second" not in content
        assert file.stat().st_mode & 0o077 == 0
        moment = now()
    _drained(settings)
    with database.read() as session:
        deliveries = session.execute(select(Delivery).order_by(Delivery.id)).scalars().all()
        assert session.execute(
            select(FeedbackItem.text).where(FeedbackItem.external_id == "same")
        ).scalar_one() == ("third")
    assert [one.external_id for one in deliveries] == ["before", "m-first", "m-second", "m-third"]
    assert all(one.received_at < moment and one.state == "parsed" for one in deliveries)
    assert send(http, path, "after").status_code == 200
    assert stored(database, Delivery) == 5


def test_a_lock_that_is_held_for_long_sends_them_to_the_spool(
    http: TestClient, path: str, settings: Settings, database: Database
) -> None:
    with database.write() as session:
        session.add(auth.Workspace(name="busy"))
        session.flush()
        if not database.is_sqlite:
            session.connection().exec_driver_sql("LOCK TABLE delivery")
        began = time.monotonic()
        assert send(http, path, "m1").status_code == 200
        assert time.monotonic() - began < 5
        assert send(http, path, "m2").status_code == 200
        assert len(_files(settings)) == 1
    _drained(settings)
    check_exactly_once(database, {"m1", "m2"})


def test_a_database_that_can_not_grow_sends_them_to_the_spool(
    app: FastAPI, http: TestClient, path: str, settings: Settings, database: Database
) -> None:
    if not database.is_sqlite:
        return  # PostgreSQL's "disk full" can't be had without filling the disk
    engine = app.state.intake._database.writer
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    limit = pages + 5

    def no_growth(dbapi: Any, _record: Any, _proxy: Any) -> None:
        dbapi.execute(f"PRAGMA max_page_count={limit}")

    event.listen(engine, "checkout", no_growth)
    names = [f"m{n}" for n in range(30)]
    for name in names:
        assert send(http, path, name, question="x" * 5000).status_code == 200
    assert _files(settings)
    limit = 10**6
    _drained(settings)
    check_exactly_once(database, set(names))


def test_without_room_in_the_spool_they_are_told_to_come_again(
    app: FastAPI, http: TestClient, path: str, settings: Settings, database: Database
) -> None:
    app.state.settings = settings.model_copy(update={"spool_max_mb": 1})
    with _away(app):
        statuses = [send(http, path, f"m{n}", question="x" * 90_000) for n in range(14)]
        refused = [answer for answer in statuses if answer.status_code == 503]
        assert 1 < len(refused) < 10
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    _drained(settings)
    assert stored(database, Delivery) == 14 - len(refused)


def test_a_crash_while_draining_repeats_nothing(
    settings: Settings, database: Database, path: str, workspace_id: int
) -> None:
    vault = auth.Vault(settings)
    endpoint_id = _endpoint(database).id
    assert endpoint_id is not None
    entries = [_entry(vault, endpoint_id, f"m{n}") for n in range(6)]
    spool = Spool(settings.spool_dir)
    spool.append(entries, limit_bytes=10**6, min_free_bytes=0)
    spool.close()
    with database.write() as session:  # it stored some of them, and was killed before it could note that
        assert deliver_spooled(session, vault, settings, entries[:4]) == []
    with TestClient(create_app(settings)):
        _drained(settings)
    check_exactly_once(database, {f"m{n}" for n in range(6)})
    with database.read() as session:
        assert set(session.execute(select(Delivery.repeats)).scalars()) == {0}


def _endpoint(database: Database) -> Endpoint:
    with database.read() as session:
        return session.execute(select(Endpoint)).scalar_one()


def _entry(vault: auth.Vault, endpoint_id: int, name: str, **fields: Any) -> bytes:
    body, headers = signed(name, {"data": {"id": name, "text": f"{WORDS} {name}", **fields}})
    return sealed(vault, Verified(endpoint_id, now(), Call(headers | {"authorization": "Basic x"}, body)))


def test_an_entry_gives_back_the_call_without_its_credentials(settings: Settings) -> None:
    vault = auth.Vault(settings)
    call = Call({"a": "ü\n", "authorization": "Basic x"}, b"\x00\xff\nbody\n", "POST", "https://x/?a=b", "ticket")
    entry = sealed(vault, Verified(7, moment := now(), call))
    assert entry.isascii()
    back = unsealed(vault, entry)
    assert (back.endpoint_id, back.received_at, back.call.headers) == (7, moment, {"a": "ü\n"})
    assert (back.call.body, back.call.method, back.call.url, back.call.fetched) == (
        call.body,
        "POST",
        call.url,
        "ticket",
    )


def test_what_can_not_be_stored_is_set_aside_and_tried_at_the_next_start(
    settings: Settings, database: Database, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = auth.Vault(settings)
    endpoint_id = _endpoint(database).id
    assert endpoint_id is not None
    other = auth.Vault(settings.model_copy(update={"secret_key": "another"}))
    entries = [
        _entry(vault, endpoint_id, "m1"),
        _entry(other, endpoint_id, "m2"),
        _entry(vault, endpoint_id, "m3"),
    ]
    spool = Spool(settings.spool_dir)
    spool.append(entries, limit_bytes=10**6, min_free_bytes=0)
    spool.close()
    alone, together = deliver_together.deliver, deliver_together.receive_parts

    def deliver(*arguments: Any, call: Call, **more: Any) -> Any:
        if call.headers["webhook-id"] == "m3":
            raise IntegrityError("INSERT", {}, Exception("a defect of ours"))
        return alone(*arguments, call=call, **more)

    def receive_parts(*arguments: Any, parts: Any, **more: Any) -> Any:
        if any("m3" in (item.text or "") for part in parts for item in part.items):
            raise IntegrityError("INSERT", {}, Exception("a defect of ours"))
        return together(*arguments, parts=parts, **more)

    with monkeypatch.context() as patch:
        patch.setattr(deliver_together, "deliver", deliver)
        patch.setattr(deliver_together, "receive_parts", receive_parts)
        with TestClient(create_app(settings)):
            wait_for(lambda: stored(database, Delivery) == 1, seconds=10, what="the one that can be stored")
            wait_for(lambda: [one.suffix for one in _files(settings)] == [".unread"], seconds=10, what="one aside")
    with TestClient(create_app(settings)):
        wait_for(lambda: stored(database, Delivery) == 2, seconds=10, what="the one that can be stored by now")
    assert [one.suffix for one in _files(settings)] == [".unread"]  # its key is not there
    with TestClient(create_app(settings.model_copy(update={"secret_key": "another"}))):
        _drained(settings)
    check_exactly_once(database, {"m1", "m2", "m3"})


# --- erasure and removal reach what waits


def test_an_erased_person_does_not_come_back_from_the_spool(
    app: FastAPI, client: Any, path: str, settings: Settings, database: Database
) -> None:
    assert client.delete("/v1/respondents/c-77").status_code == 200  # and once more, below
    with _away(app):
        send(client, path, "m1", respondent="c-77")
        send(client, path, "m2", respondent="c-78")
        body, headers = signed("m3", {"data": {"respondent": "c-77", "words": WORDS}})  # can't be read as feedback
        assert client.post(path, content=body, headers=headers).status_code == 200
        assert client.delete("/v1/respondents/c-77").status_code == 200
    _drained(settings)
    with database.read() as session:
        assert session.execute(select(FeedbackItem.external_id)).scalars().all() == ["m2"]
        kept = {one.external_id: one for one in session.execute(select(Delivery)).scalars()}
    assert (kept["m1"].body, kept["m3"].body) == (b"", b"")
    assert all("erased" in kept[name].detail for name in ("m1", "m3"))
    assert WORDS.encode() in kept["m2"].body


def test_deliveries_to_an_address_that_was_gone_are_dropped(
    settings: Settings, database: Database, path: str
) -> None:
    vault = auth.Vault(settings)
    endpoint = _endpoint(database)
    assert endpoint.id is not None
    before = _entry(vault, endpoint.id, "before")
    with database.write() as session:
        session.get_one(Endpoint, endpoint.id).removed_at = now()
    entries = [before, _entry(vault, endpoint.id, "after"), _entry(vault, endpoint.id + 99, "nowhere")]
    with database.write() as session:
        assert deliver_spooled(session, vault, settings, entries) == []
    check_exactly_once(database, {"before"})
    assert stored(database, Delivery) == 1
