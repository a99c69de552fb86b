"""The real `journeymap serve`: ready, one worker that comes and goes with it, never a lost 2xx."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select

from service import auth, serve
from service.dependencies import Db
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import FeedbackItem, Job, ProcessBeat, Workspace
from tests.running import Server, alive, command, free_port, serving, stop, wait_for

WRITERS = 200


@pytest.fixture
def key(database: Database) -> str:
    with database.write() as session:
        workspace = auth.workspace_named(session, "default", create=True)
        return auth.create_key(session, workspace=workspace, scopes=["ingest", "read"], name="test")


def _web(server: Server) -> list[int]:
    """The ids of the web processes of `--workers N`."""
    children = psutil.Process(server.process.pid).children()
    return [child.pid for child in children if any("spawn_main" in part for part in child.cmdline())]


def test_worker_comes_and_goes_with_serve(settings: Settings, database: Database, tmp_path: Path) -> None:
    with serving(settings, "--workers", "2", log=tmp_path / "log") as server:
        assert len(_web(server)) == 2
        status, body = server.request("GET", "/readyz")
        assert status == 200
        assert body["workers"] == 1
        [first] = server.workers()
        with database.read() as session:
            beats = session.execute(select(ProcessBeat.kind, ProcessBeat.state)).all()
        # one process, whose second thread asks senders' APIs
        [state] = [beat.state for beat in beats if beat.kind == "worker"]
        assert {beat.kind for beat in beats} <= {"worker", "asking"}
        assert state == {"model": body["model"], "pid": first}

        # the worker dies: another one comes
        os.kill(first, signal.SIGKILL)
        second = wait_for(
            lambda: [pid for pid in server.workers() if pid != first], seconds=10, what="a new worker"
        )
        assert len(second) == 1

        # serve dies without a chance to say so: nothing of it stays behind
        left = [*second, *_web(server)]
        os.kill(server.process.pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in left), seconds=15, what="the orphans' end")


def test_answers_are_not_held_back_by_the_network() -> None:
    """With Nagle's algorithm the second packet of an answer waits for the first one's receipt: 40 ms."""
    listener = serve._listen("127.0.0.1", 0)
    with listener:
        assert listener.proto == socket.IPPROTO_TCP  # what asyncio looks at
        listener.listen()
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_stop_is_clean(settings: Settings, database: Database, tmp_path: Path) -> None:
    with serving(settings, log=tmp_path / "log") as server:
        [worker] = server.workers()
        assert stop(server.process) == 0
        assert not alive(worker)
    with database.read() as session:
        assert session.execute(select(func.count()).select_from(ProcessBeat)).scalar_one() == 0
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log


def test_two_hundred_writers_at_once(settings: Settings, database: Database, key: str, tmp_path: Path) -> None:
    """Two web processes, one worker, 200 callers: every one gets its 2xx, everything is stored and tagged."""
    answers: Counter[int] = Counter()
    lock = threading.Lock()
    with serving(settings, "--workers", "2", log=tmp_path / "log") as server:
        assert len(server.workers()) == 1
        web = _web(server)
        assert len(web) == 2

        def write(n: int) -> None:
            for i in range(2):
                item = {"text": f"The parcel number {n} came late.", "external_id": f"{n}-{i}", "source": "test"}
                status, _ = server.request("POST", "/v1/feedback", key=key, body=item)
                with lock:
                    answers[status] += 1

        writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(timeout=120)
        assert answers == {202: 2 * WRITERS}

        def untagged() -> int:
            with database.read() as session:
                return session.execute(
                    select(func.count()).select_from(FeedbackItem).where(FeedbackItem.state != "tagged")  # type: ignore[arg-type]
                ).scalar_one()

        wait_for(lambda: untagged() == 0, seconds=60, what="every item tagged")
        with database.read() as session:
            assert session.execute(select(func.count()).select_from(FeedbackItem)).scalar_one() == 2 * WRITERS
            dead = session.execute(select(Job).where(Job.state == "dead")).all()  # type: ignore[arg-type]
            assert dead == []
        assert stop(server.process) == 0
        assert not any(alive(pid) for pid in web)


def test_a_separate_worker_makes_it_ready(settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    apart = settings.model_copy(update={"embedded_worker": False})
    log = tmp_path / "log"
    with command(apart, "serve", "--port", str(port), log=log) as process:
        server = Server(process, port, log)
        wait_for(lambda: _answers(server), seconds=60, what="healthz")
        status, problem = server.request("GET", "/readyz")
        assert status == 503
        assert "No worker" in problem["detail"]
        assert server.workers() == []
        with command(apart, "work", log=log) as worker:
            wait_for(server.ready, seconds=60, what="readyz")
            assert stop(worker) == 0
        assert server.request("GET", "/readyz")[0] == 503


def _answers(server: Any) -> bool:
    try:
        return bool(server.request("GET", "/healthz") == (200, {"status": "ok"}))
    except OSError:
        return False


def test_readyz_needs_a_migrated_database(settings: Settings, tmp_path: Path) -> None:
    from service.app import create_app

    empty = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'empty.db'}"})
    with TestClient(create_app(empty)) as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "not migrated" in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200


def test_a_commit_that_fails_is_never_a_2xx(app: FastAPI, client_of: Callable[..., Any]) -> None:
    """The rows were accepted, the answer built, and only the commit fails: the caller must hear of it."""

    @app.post("/test/commit", status_code=202)
    def accept(db: Db) -> dict[str, str]:
        db.add(Workspace(name="never"))
        db.flush()
        return {"status": "accepted"}

    client = client_of()

    def refuse(_connection: Any) -> None:
        raise OSError("no power")

    event.listen(app.state.database.writer, "commit", refuse)
    try:
        answer = client.post("/test/commit")
    finally:
        event.remove(app.state.database.writer, "commit", refuse)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    with app.state.database.read() as session:
        assert session.execute(select(Workspace.name).where(Workspace.name == "never")).first() is None  # type: ignore[arg-type]
    assert client.post("/test/commit").status_code == 202


def test_a_taken_port_is_one_clear_line(settings: Settings, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        log = tmp_path / "log"
        with command(settings, "serve", "--port", str(port), log=log) as process:
            assert process.wait(timeout=60) == 2
    [line] = log.read_text().splitlines()
    assert line.startswith(f"journeymap: can't listen on 127.0.0.1 port {port}:")


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "says"),
    [
        (["create-key", "--scopes", "everything"], {}, 2, "not known: everything"),
        (["create-key", "--scopes", "ingest", "--name", " "], {}, 2, "name is blank"),
        (["invite", "Ada", "--role", "queen"], {}, 2, "queen"),
        (["work"], {"JOURNEYMAP_LEASE_SECONDS": "soon"}, 2, "JOURNEYMAP_LEASE_SECONDS"),
        (["migrate"], {"JOURNEYMAP_DATABASE_URL": "postgresql://127.0.0.1:1/x"}, 1, "database can't be used"),
        (
            ["serve"],
            {"JOURNEYMAP_DATABASE_URL": "postgresql://u:p@host:port/x"},
            2,
            "user:password@host:port/name",
        ),
        (["demo"], {"JOURNEYMAP_LOG_LEVEL": "loud"}, 2, "JOURNEYMAP_LOG_LEVEL"),
        (["work"], {"JOURNEYMAP_LOG_FORMAT": "xml"}, 2, "JOURNEYMAP_LOG_FORMAT"),
        (["serve"], {"JOURNEYMAP_DATA_DIR": "/dev/null/data"}, 2, "JOURNEYMAP_DATA_DIR"),
        (["serve", "--host", "a" * 70], {}, 2, "can't listen on"),
        (["serve", "--quickly"], {}, 2, "--quickly"),
        (["adaptations", "--workspace", "nowhere"], {}, 2, "nowhere"),
        (["tag", "--input", "missing.jsonl", "--output", "out.jsonl"], {}, 2, "missing.jsonl"),
        (["no-such-command"], {}, 2, "No such command"),
    ],
)
def test_errors_of_commands(
    arguments: list[str], variables: dict[str, str], code: int, says: str, tmp_path: Path
) -> None:
    ended = _journeymap(tmp_path, *arguments, **variables)
    assert ended.returncode == code
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_create_key_prints_the_key_alone(tmp_path: Path) -> None:
    ended = _journeymap(tmp_path, "create-key", "--scopes", "ingest, read")
    assert ended.returncode == 0
    key = ended.stdout.removesuffix("\n")
    database = Database(f"sqlite:///{tmp_path / 'data' / 'journeymap.db'}")
    with database.read() as session:
        caller = auth.caller_of_key(session, key)
    database.dispose()
    assert (caller.workspace, caller.grants) == ("default", frozenset({"ingest", "read", "verbatims"}))


def test_invite_prints_a_link_that_signs_in_once(tmp_path: Path) -> None:
    ended = _journeymap(tmp_path, "invite", "Ada", "--role", "lead", JOURNEYMAP_PUBLIC_URL="https://map.example/")
    address, _, token = ended.stdout.strip().partition("?token=")
    assert address == "https://map.example/sign-in"
    database = Database(f"sqlite:///{tmp_path / 'data' / 'journeymap.db'}")
    with database.write() as session:
        assert auth.sign_in(session, token, hours=1)
    database.dispose()


def test_settings_lists_all_and_hides_secrets(tmp_path: Path) -> None:
    ended = _journeymap(
        tmp_path, "settings", JOURNEYMAP_SECRET_KEY="hush-hush", JOURNEYMAP_DATABASE_URL="postgresql://u:pass@h/db"
    )
    assert ended.returncode == 0
    for name in Settings.model_fields:
        assert f"JOURNEYMAP_{name.upper()}=" in ended.stdout
    assert "hush-hush" not in ended.stdout
    assert "pass@" not in ended.stdout


def test_a_misspelt_setting_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    ended = _journeymap(tmp_path, "migrate", JOURNEYMAP_SPOOL_MAXMB="hush", JOURNEYMAP_PINEAPPLE="1")
    assert ended.returncode == 0
    (line,) = [one for one in ended.stderr.splitlines() if "PINEAPPLE" in one]
    assert "JOURNEYMAP_SPOOL_MAXMB (did you mean JOURNEYMAP_SPOOL_MAX_MB?)" in line
    assert "JOURNEYMAP_PINEAPPLE" in line
    assert "hush" not in ended.stderr
    assert "ignored" not in _journeymap(tmp_path, "migrate", JOURNEYMAP_TEST_CHROMIUM="/nowhere").stderr


def _journeymap(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOURNEYMAP_")}
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env={**kept, "JOURNEYMAP_DATA_DIR": str(folder / "data"), **variables},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
