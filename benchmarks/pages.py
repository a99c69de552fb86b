"""How fast each page is at a million segments: `python -m benchmarks.pages` (see benchmarks/README.md).

Fills an empty database as benchmarks/map.py does and asks the real app for its pages, each time by another
filter where there is one, by an admin who is signed in: the time until the whole answer is there, the work of the
process, and the questions to the database. What a page keeps in memory is there from the second call on, as in a
service that runs; each filter is asked anew.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, func, select

from benchmarks.map import COUNTRIES, DAYS, SEED, START, databases, fill
from service import auth
from service.app import create_app
from service.dependencies import COOKIE
from service.settings import Settings
from service.store import rollup_codes
from service.store.engine import Database
from service.store.schema import Segment

TARGET_MS = 150  # of the 95th percentile
END = (START + timedelta(days=DAYS)).date()


def questions(rng: random.Random) -> dict[str, Callable[[], str]]:
    """The pages by name; each call asks something else where the page has filters."""
    book = rollup_codes.codebook()
    models = [model.id for model in book.journey_models]
    stages, topics = book.labels("stage"), book.labels("topic")

    def period() -> str:
        first = END - timedelta(days=rng.randrange(60, 400))
        return f"from={first}&to={first + timedelta(days=rng.randrange(28, 59))}"

    def attribute() -> str:
        pair = rng.choice([f"plan={rng.choice(['free', 'pro', 'team'])}", f"country={rng.choice(COUNTRIES)}"])
        return f"attr.{pair}"

    return {
        "what changed": lambda: "/",
        "map": lambda: f"/map?model={rng.choice(models)}",
        "map, period": lambda: f"/map?{period()}",
        "map, attribute": lambda: f"/map?{attribute()}",
        "map beside another": lambda: f"/map/compare?{period()}",
        "suggestions": lambda: f"/suggestions?status={rng.choice(['suggested', 'all'])}",
        "changes": lambda: "/changes",
        "themes": lambda: f"/themes?{period()}",
        "drivers": lambda: f"/themes/drivers?{period()}",
        "blind spots": lambda: f"/themes/blind-spots?{period()}",
        "transitions": lambda: f"/transitions?{period()}",
        "feedback": lambda: "/feedback",
        "feedback, labels": lambda: f"/feedback?stage={rng.choice(stages)}&topic={rng.choice(topics)}",
        "feedback, period": lambda: f"/feedback?{period()}",
        "feedback, attribute": lambda: f"/feedback?{attribute()}",
        "one item": lambda: f"/feedback/{rng.randrange(1, 1000)}",
        "review": lambda: "/review",
        "sources": lambda: "/sources",
        "deliveries": lambda: "/deliveries",
        "settings": lambda: "/settings",
        "personas": lambda: "/settings/personas",
        "rank": lambda: "/settings/rank",
        "audit log": lambda: "/settings/audit",
    }


@contextmanager
def counted() -> Iterator[list[int]]:
    """The number of statements that are sent meanwhile, in the list's one place."""
    count = [0]

    def one_more(*_: Any) -> None:
        count[0] += 1

    event.listen(Engine, "before_cursor_execute", one_more)
    try:
        yield count
    finally:
        event.remove(Engine, "before_cursor_execute", one_more)


def signed_in(database: Database) -> tuple[str, int]:
    """The cookie of an admin in a new workspace, and the workspace's id."""
    with database.write() as session:
        workspace = auth.workspace_named(session, "benchmark", create=True)
        token = auth.invite(session, workspace=workspace, name="Ada", role="admin", hours=24)
        assert workspace.id is not None
        workspace_id = workspace.id
    with database.write() as session:
        return auth.sign_in(session, token, hours=24), workspace_id


def _p95(times: list[float]) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


def measure(kind: str, items: int, calls: int) -> dict[str, Any]:
    """Fill, ask, and what it took, by page."""
    pages: dict[str, Any] = {}
    with databases(kind) as database, tempfile.TemporaryDirectory(prefix="journeymap-benchmark-") as folder:
        cookie, workspace_id = signed_in(database)
        fill(database, workspace_id, items)
        with database.read() as session:
            segments = session.execute(select(func.count()).select_from(Segment)).scalar_one()
        url = database.url.replace("postgresql+psycopg://", "postgresql://")
        app = create_app(Settings(data_dir=Path(folder), database_url=url, secret_key="benchmark"))
        headers = {"Accept": "text/html", "Cookie": f"{COOKIE}={cookie}"}
        print(f"\n{kind}: {items:,} items, {segments:,} segments")
        print(f"{'page':<22}{'p50 ms':>9}{'p95 ms':>9}{'p50 CPU':>9}{'p95 CPU':>9}{'queries':>9}{'KB':>7}")
        with TestClient(app, headers=headers) as client:
            gc.freeze()  # as the server does once it is up
            for name, address in questions(random.Random(SEED)).items():
                pages[name] = found = _ask(client, address, calls)
                shown = "".join(f"{found[key]:>9.1f}" for key in ("p50", "p95", "p50_cpu", "p95_cpu"))
                late = " over the target" if found["p95_cpu"] > TARGET_MS else ""
                print(f"{name:<22}{shown}{found['queries']:>9}{found['bytes'] / 1000:>7.0f}{late}", flush=True)
    return {"items": items, "segments": segments, "calls": calls, "pages": pages}


def _ask(client: TestClient, address: Callable[[], str], calls: int) -> dict[str, Any]:
    clock, work, sizes = [], [], []
    queries: set[int] = set()
    for turn in itertools.count():
        asked = address()
        began, worked = time.perf_counter(), time.process_time()
        with counted() as count:
            answer = client.get(asked)
        taken = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)
        assert answer.status_code == 200, (asked, answer.status_code, answer.text[:500])
        if turn == 0:  # the first one of a process
            first = taken[0]
            continue
        clock.append(taken[0])
        work.append(taken[1])
        sizes.append(len(answer.content))
        queries.add(count[0])
        if turn == calls:
            break
    return {
        "p50": round(statistics.median(clock), 1),
        "p95": round(_p95(clock), 1),
        "p50_cpu": round(statistics.median(work), 1),
        "p95_cpu": round(_p95(work), 1),
        "first": round(first, 1),
        "queries": max(queries),
        "bytes": max(sizes),
    }


def main() -> None:
    """Measure on each database asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--figures", type=Path)
    given = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, seed {SEED}, load before {os.getloadavg()[0]:.1f}")
    kinds = ("sqlite", "postgresql") if given.database == "both" else (given.database,)
    figures = {kind: measure(kind, given.items, given.calls) for kind in kinds}
    if given.figures:
        told = {"seed": SEED, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1), **figures}
        given.figures.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
