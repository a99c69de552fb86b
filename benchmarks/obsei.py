"""Taking feedback in, beside Obsei 1.1.1, the nearest open tool: `make bench-obsei` (see benchmarks/README.md).

Turn by turn in one run what both do: signed webhooks one at a time (Standard Webhooks, one kept connection) and as
senders bring them (one item each, from many connections), 1,000 items in one call, a CSV of 10,000 rows. Both
listen on loopback and store durably. Obsei stores into DuckDB without encryption (`store.unencrypted: true`) and
labels nothing; of ours a worker tags beside it. A bare route that inserts one row and commits says how fast one
call after the other can be on this disk at all.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.receiver import PUBLIC_ID, answers, process, progress, wait_until, with_endpoint, write_import
from benchmarks.receiver_bare import METADATA
from benchmarks.receiver_load import KEY, SECRET, TEXTS, closed_loop
from service import auth
from service.settings import PREFIX, Settings
from service.store.engine import Database
from service.store.migrate import migrate
from service.store.schema import Job
from service.work import LATELY_SECONDS

HERE = Path(__file__).parent
FIGURES = HERE / "figures" / "obsei.json"
NEEDED = 20.0
BATCH_ITEMS, FILE_ROWS = 1_000, 10_000
CALLERS = 200  # as in benchmarks/receiver.py
BOUNDARY = "journeymap-benchmark"
# the signing secret has Standard Webhooks' prefix and encoding with both
OBSEI = """\
store: {{path: {folder}/obsei.duckdb, unencrypted: true}}
pipelines:
  - name: one
    sources:
      - key: hook
        type: webhook
        config: {{secret_env: HOOK_SECRET, items_path: data, fields: {{text: text, id: id, rating: rating}}}}
  - name: many
    sources:
      - key: hook
        type: webhook
        config:
          secret_env: HOOK_SECRET
          fields: {{text: text, id: id, created_at: occurred_at, rating: rating}}
  - name: file
    sources:
      - key: csv
        type: csv
        config:
          path: {file}
          fields: {{text: text, id: id, created_at: occurred_at, rating: score_nps}}
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def items(run: str) -> list[dict[str, Any]]:
    """One call's items in the words of our contract; Obsei is told which fields hold what."""
    return [
        {
            "id": f"{run}-{number}",
            "text": f"{TEXTS[number % len(TEXTS)]} ({run} {number})",
            "occurred_at": f"2026-10-{1 + number % 28:02}T09:00:00Z",
            "rating": 1 + number % 5,
        }
        for number in range(BATCH_ITEMS)
    ]


def post(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[float, bytes]:
    """Seconds until the answer, and what it says; SystemExit where it is no success."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    began = time.perf_counter()
    connection.request("POST", path, body, {"content-type": "application/json", **headers})
    answer = connection.getresponse()
    content = answer.read()
    taken = time.perf_counter() - began
    connection.close()
    if answer.status >= 300:
        raise SystemExit(f"{path} answered {answer.status}: {content[:300]!r}")
    return taken, content


def signed(body: bytes, name: str) -> dict[str, str]:
    """Standard Webhooks' headers."""
    sent = str(int(time.time()))
    mac = hmac.new(KEY, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def hooks(port: int, path: str, run: str, seconds: float, callers: int = 1) -> dict[str, float]:
    """Callers that send each delivery when the one before was answered."""
    taken = asyncio.run(closed_loop(port, path, callers=callers, seconds=seconds, run=run))
    wrong = {status: count for status, count in taken.statuses.items() if not 200 <= status < 300}
    if wrong or not taken.seconds:
        raise SystemExit(f"{path} answered {wrong}")
    return {
        "per_second": round(len(taken.seconds) / seconds, 1),
        "p50_ms": round(1000 * statistics.median(taken.seconds), 2),
    }


class Obsei:
    """The peer: its server for calls, its command for the file."""

    def __init__(self, command: Path, folder: Path, file: Path) -> None:
        self._command, self._folder = command, folder
        self._config = folder / "obsei.yaml"
        self._config.write_text(OBSEI.format(folder=folder, file=file))
        self._environment = {
            **os.environ,
            "HOOK_SECRET": SECRET,
            "OBSEI_PSEUDONYM_SALT": "0123456789abcdef0123456789abcdef",
        }
        self.port = free_port()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """While its server runs; its command for files can't write beside it (DuckDB has one writer)."""
        with (self._folder / "obsei.log").open("ab") as log:
            running = subprocess.Popen(
                [self._command, "serve", "-c", self._config, "--port", str(self.port)],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until("Obsei's server", lambda: answers(self.port))
            yield
        finally:
            running.terminate()
            running.wait(30)

    def hooks(self, run: str, seconds: float, callers: int = 1) -> dict[str, float]:
        return hooks(self.port, "/ingest/one/hook", run, seconds, callers)

    def batch(self, run: str) -> float:
        body = json.dumps(items(run)).encode()
        taken, content = post(self.port, "/ingest/many/hook", body, signed(body, run))
        if json.loads(content)["stored"] != BATCH_ITEMS:
            raise SystemExit(f"Obsei stored {content!r}")
        return taken

    def file(self) -> float:
        """Seconds of its command less those of the same command with nothing new to read (its start)."""
        return self._run() - self._run()

    def _run(self) -> float:
        began = time.perf_counter()
        subprocess.run(
            [self._command, "run", "-p", "file", "-c", self._config],
            env=self._environment,
            cwd=self._folder,
            check=True,
            capture_output=True,
            timeout=900,
        )
        return time.perf_counter() - began


class Ours:
    """Our server, with the worker that tags what comes in beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.settings = Settings(
            data_dir=folder / "data",
            database_url=f"sqlite:///{folder / 'journeymap.db'}",
            secret_key="benchmark",
            min_free_disk_mb=0,
        )
        migrate(self.settings.sqlalchemy_url)
        self._database = Database(self.settings.sqlalchemy_url)
        with_endpoint(self.settings, self._database)
        with self._database.write() as session:
            workspace = auth.workspace_named(session, "default")
            self._key = auth.create_key(session, workspace=workspace, scopes=["ingest"], name="benchmark")
        self.port, self.bare_port = free_port(), free_port()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
            f"{PREFIX}DATA_DIR": str(self.settings.data_dir),
            f"{PREFIX}DATABASE_URL": self.settings.database_url,
            f"{PREFIX}SECRET_KEY": self.settings.secret_key,
            f"{PREFIX}EMBEDDED_WORKER": "false",
            "PYTHONPATH": str(HERE.parent),
        }

    @contextmanager
    def serving(self) -> Iterator[None]:
        """While our server and a worker run, and the bare route on a database of its own."""
        log = self._folder / "ours.log"
        bare = f"sqlite:///{self._folder / 'bare.db'}"
        database = Database(bare)
        METADATA.create_all(database.writer)
        database.dispose()
        route = ["-m", "uvicorn", "--factory", "benchmarks.receiver_bare:bare_app", "--port", str(self.bare_port)]
        with (
            process(["-m", "service", "serve", "--port", str(self.port)], self._environment, log),
            process(["-m", "service", "work"], self._environment, log),
            process([*route, "--no-access-log"], {**self._environment, "BENCHMARK_DATABASE": bare}, log),
        ):
            wait_until("our server", lambda: answers(self.port))
            wait_until("the bare route", lambda: answers(self.bare_port))
            yield

    def bare_hooks(self, run: str, seconds: float) -> dict[str, float]:
        return hooks(self.bare_port, "/bare", run, seconds)

    def hooks(self, run: str, seconds: float, callers: int = 1) -> dict[str, float]:
        return hooks(self.port, f"/hooks/standard-webhooks/{PUBLIC_ID}", run, seconds, callers)

    def batch(self, run: str) -> float:
        renamed = [{"external_id": one.pop("id"), "score": one.pop("rating"), **one} for one in items(run)]
        body = json.dumps(renamed).encode()
        taken, content = post(self.port, "/v1/feedback/batch", body, {"authorization": f"Bearer {self._key}"})
        if json.loads(content)["accepted"] != BATCH_ITEMS:
            raise SystemExit(f"ours answered {content[:300]!r}")
        return taken

    def wait_until_all_is_tagged(self) -> None:
        """What came in before is done with."""

        def idle() -> bool:
            with self._database.read() as session:
                return session.execute(select(func.count()).select_from(Job)).scalar_one() == 0

        wait_until("the worker has nothing to do", idle)

    def file(self, file: Path) -> dict[str, float]:
        """Seconds from the upload's first byte to the last row stored, and to the last one tagged."""
        began = time.perf_counter()
        _, content = post(
            self.port,
            "/v1/imports",
            multipart(file),
            {"authorization": f"Bearer {self._key}", "content-type": f"multipart/form-data; boundary={BOUNDARY}"},
        )
        number = int(json.loads(content)["id"])
        # looked at often: a tenth of a second more would be a tenth of what is measured
        wait_until(
            "the file is read",
            lambda: progress(self._database, number)["read"] == FILE_ROWS,
            look_seconds=0.02,
        )
        stored = time.perf_counter() - began
        wait_until("the file is tagged", lambda: progress(self._database, number)["tagged"] == FILE_ROWS)
        return {"stored": stored, "tagged": time.perf_counter() - began}

    def close(self) -> None:
        self._database.dispose()


def multipart(file: Path) -> bytes:
    """A form with the file in it."""
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'
    return head.encode() + file.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def measure(command: Path, seconds: float, rounds: int) -> dict[str, Any]:
    """Both tools, in turn; of each the best round."""
    peer_hooks, our_hooks, bare_hooks, peer_batches, our_batches = [], [], [], [], []
    peer_many, our_many = [], []
    with tempfile.TemporaryDirectory(prefix="journeymap-obsei-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        file = folder / "survey.csv"
        write_import(file, FILE_ROWS)
        other = folder / "other.csv"
        other.write_text(file.read_text(encoding="utf-8").replace("\nr", "\nother"), encoding="utf-8")
        peer, ours = Obsei(command, folder, file), Ours(folder)
        with peer.serving(), ours.serving():
            for turn in range(rounds):
                peer_hooks.append(peer.hooks(f"h{turn}", seconds))
                our_hooks.append(ours.hooks(f"h{turn}", seconds))
                bare_hooks.append(ours.bare_hooks(f"h{turn}", seconds))
                peer_batches.append(peer.batch(f"b{turn}"))
                our_batches.append(ours.batch(f"b{turn}"))
            for turn in range(rounds):
                ours.wait_until_all_is_tagged()
                peer_many.append(peer.hooks(f"m{turn}", seconds, CALLERS))
                our_many.append(ours.hooks(f"m{turn}", seconds, CALLERS))
            ours.wait_until_all_is_tagged()
            our_file_at_once = ours.file(other)
            ours.wait_until_all_is_tagged()
            time.sleep(LATELY_SECONDS)  # Obsei reads its file alone, too
            our_file = ours.file(file)
        peer_file = peer.file()
        ours.close()
    best, peer_best, bare_best = (
        max(one["per_second"] for one in way) for way in (our_hooks, peer_hooks, bare_hooks)
    )
    return {
        "webhooks one at a time": {
            "ours": our_hooks,
            "obsei": peer_hooks,
            "bare_route": bare_hooks,
            "ratio": round(best / peer_best, 1),
            "ratio_of_bare_route": round(bare_best / peer_best, 1),
        },
        f"webhooks from {CALLERS} callers": {
            "ours": our_many,
            "obsei": peer_many,
            "ratio": round(
                max(one["per_second"] for one in our_many) / max(one["per_second"] for one in peer_many), 1
            ),
        },
        f"{BATCH_ITEMS} items in a call": {
            "ours_seconds": [round(one, 3) for one in our_batches],
            "obsei_seconds": [round(one, 2) for one in peer_batches],
            "ratio": round(min(peer_batches) / min(our_batches), 1),
        },
        f"CSV of {FILE_ROWS} rows": {
            "ours_seconds": {name: round(value, 2) for name, value in our_file.items()},
            "ours_seconds_right_after_webhooks": {
                name: round(value, 2) for name, value in our_file_at_once.items()
            },
            "obsei_seconds": round(peer_file, 2),
            "ratio": round(peer_file / our_file["stored"], 1),
            "ratio_tagged": round(peer_file / our_file["tagged"], 1),
        },
    }


def main() -> None:
    """Measure, print, and keep the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--obsei", type=Path, default=HERE.parent / ".venv-obsei" / "bin" / "obsei")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round of webhooks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help=f"write the figures to {FIGURES.name}")
    given = parser.parse_args()
    if not given.obsei.exists():
        sys.exit(f"{given.obsei} is not there; `make bench-obsei` installs it.")
    figures = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "found": measure(given.obsei, given.seconds, given.rounds),
    }
    print(json.dumps(figures, indent=1))
    print(f"needed: {NEEDED:g} times each")
    if given.keep:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"written to {FIGURES}")


if __name__ == "__main__":
    main()
