"""How long grouping takes: the jobs themselves in a database of their own, for `benchmarks.themes`.

One segment a text with the fast tier's labels: first the job "vectors", then "themes", then the same with a day's
2 % on top; with the agreement of these themes with native labels within stage, topic and side. Or, before these
two, the job "classify" with the accurate tier, as texts go through the worker.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select
from sqlmodel import col

from nlp.pipeline import Pipeline

LEAST_CELL = 40  # texts of a stage, topic and side that are scored by themselves
BY_INTENT = ("bank", "bank-t", "clinc", "multidogo", "nhs")  # sources whose native labels say what a text is about


def timed(
    corpus: Path, segments: int, model: Path | None, *, unread: bool = False, tagged: bool = False
) -> dict[str, Any]:
    """The job over so many segments in a fresh SQLite database: from none, then with a day's 2 % on top.

    `unread`: no text has a stored vector; the figures of `vectors` are then None. `tagged`: the worker tags the
    texts first, with the accurate tier, and what it has read there stays for the jobs after it.
    """
    from nlp.artifact import default_folder
    from service import auth
    from service.settings import Settings
    from service.stop import Stop
    from service.store import queue, rollups
    from service.store.engine import Database
    from service.store.meaning_blocks import ask_vectors
    from service.store.migrate import migrate
    from service.store.schema import FeedbackItem, Segment, Theme
    from service.store.theme_upkeep import ask_themes
    from service.work import Work
    from service.worker import KINDS, Worker

    sources = ("nhs", "bank", "bank-t", "rlang", "multidogo", "tbird", "proscons", "products", "clinc")
    texts: list[tuple[str, str, str]] = []
    with gzip.open(corpus / "feedback.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["source"] in sources and 15 <= len(row["text"]) <= 300:
                texts.append((row["text"], row["source"], str(row.get("native_label") or "")))
    day = segments // 50
    order = np.random.default_rng(5).permutation(len(texts))[: segments + day]
    chosen = [texts[at][0] for at in order]
    native = [texts[at][1:] for at in order]
    with tempfile.TemporaryDirectory(prefix="journeymap-themes-") as folder:
        settings = Settings(
            data_dir=Path(folder),
            database_url=f"sqlite:///{folder}/themes.db",
            secret_key="benchmark",
            models_dir=model or default_folder(),
        )
        migrate(settings.sqlalchemy_url)
        database = Database(settings.sqlalchemy_url)
        work = Work(settings=settings, database=database, vault=auth.Vault(settings))
        with database.write() as session:
            workspace_id = auth.workspace_named(session, "default", create=True).id
        assert workspace_id is not None
        fast = Pipeline.load(None, "fast")

        def wait(first: int, some: list[str]) -> None:
            moment = datetime(2026, 3, 1, tzinfo=UTC)
            shared = {"workspace_id": workspace_id, "source": "corpus", "channel": "review", "state": "pending"}
            ids = list(range(first, first + len(some)))
            with database.write() as session:
                session.execute(
                    insert(FeedbackItem),
                    [
                        {**shared, "id": own, "identity": f"id:{own}", "text": text, "at": moment}
                        | {"received_at": moment, "attributes": {}, "text_version": 1, "corrected": False}
                        for own, text in zip(ids, some, strict=True)
                    ],
                )
                rollups.apply(session, workspace_id, before=[], after=rollups.snapshot(session, workspace_id, ids))
                for start in range(0, len(ids), 100):
                    queue.enqueue(
                        session,
                        workspace_id=workspace_id,
                        kind="classify",
                        payload={"items": ids[start : start + 100], "import_id": None},
                        priority=queue.Priority.BULK,
                    )

        def add(first: int, some: list[str]) -> None:
            asked: list[str | None] = [None] * len(some)
            chances = fast.probabilities(some, asked)
            labels = {
                name: [fast.artifact.model.labels[name][at] for at in chances[name].argmax(axis=1)]
                for name in chances
            }
            moment = datetime(2026, 3, 1, tzinfo=UTC)
            shared = {"workspace_id": workspace_id, "source": "corpus", "channel": "review", "state": "tagged"}
            with database.write() as session:
                session.execute(
                    insert(FeedbackItem),
                    [
                        {**shared, "id": first + at, "identity": f"id:{first + at}", "text": text, "at": moment}
                        | {"received_at": moment, "attributes": {}, "text_version": 1, "corrected": False}
                        for at, text in enumerate(some)
                    ],
                )
                session.execute(
                    insert(Segment),
                    [
                        {"workspace_id": workspace_id, "item_id": first + at, "position": 0, "start": 0}
                        | {"end": len(text), "corrected": False}
                        | {name: labels[name][at] for name in ("stage", "emotion", "topic", "touchpoint")}
                        | {"sentiment": labels["sentiment"][at].replace("mixed", "negative")}
                        for at, text in enumerate(some)
                    ],
                )

        def run(kind: str) -> dict[str, Any]:
            with database.write() as session:
                if kind == "themes":
                    ask_themes(session, workspace_id, delay_seconds=0.0)
                elif kind == "vectors":
                    ask_vectors(session, workspace_id, delay_seconds=0.0)
            worker = Worker(work, Stop(), kinds={kind: KINDS[kind]})
            worker._load_model()
            started, spent = time.perf_counter(), time.process_time()
            worker.run_until_idle()
            return {
                "seconds": round(time.perf_counter() - started, 1),
                "cpu_seconds": round(time.process_time() - spent, 1),
                "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }

        def themes() -> dict[int, str]:
            with database.read() as session:
                rows = session.execute(
                    select(col(Theme.id), col(Theme.name)).where(col(Theme.state) == "active")
                ).all()
            return {row[0]: row[1] for row in rows}

        put = wait if tagged else add
        for start in range(0, segments, 5_000):
            put(start + 1, chosen[start : min(start + 5_000, segments)])
        tagging = run("classify") if tagged else None
        vectors = None if unread else run("vectors")
        grouping = run("themes")
        before = themes()
        with database.read() as session:
            rows = session.execute(
                select(col(Segment.theme) > 0, func.count())
                .where(col(Segment.sentiment) == "negative", col(Segment.stage) != "none")
                .group_by(col(Segment.theme) > 0)
            ).all()
            members = session.execute(
                select(
                    col(Segment.item_id),
                    col(Segment.stage),
                    col(Segment.topic),
                    col(Segment.sentiment) == "positive",
                    func.coalesce(col(Segment.theme), 0),
                ).where(col(Segment.stage) != "none")
            ).all()
        counts = {bool(inside): n for inside, n in rows}
        put(segments + 1, chosen[segments:])
        day_tagging = run("classify") if tagged else None
        day_vectors = None if unread else run("vectors")
        day_grouping = run("themes")
        after = themes()
        database.dispose()
    return {
        "segments": segments,
        **grouping,
        **({"tagging": tagging, "parts": len(members)} if tagged else {}),
        "vectors": vectors,
        "themes": len(before),
        "agreement": agreement([(*native[row[0] - 1], *row[1:]) for row in members]),
        "negative_unassigned": round(counts.get(False, 0) / max(1, sum(counts.values())), 3),
        "day": {
            "segments": day,
            **day_grouping,
            **({"tagging": day_tagging} if tagged else {}),
            "vectors": day_vectors,
            "ids_and_names_kept": round(sum(after.get(n) == name for n, name in before.items()) / len(before), 4),
        },
    }


def agreement(rows: list[tuple[Any, ...]]) -> dict[str, dict[str, float]]:
    """By source how well themes agree with native labels within stage, topic and side, on what is in a theme.

    `rows`: source, native label, stage, topic, whether it is praise, theme. Only lots with LEAST_CELL / 2 texts of
    the source in themes count, each by these.
    """
    from sklearn.metrics import adjusted_mutual_info_score, v_measure_score

    lots: dict[tuple[Any, ...], list[tuple[str, int]]] = {}
    for source, label, *lot, theme in rows:
        if label and source in BY_INTENT:
            lots.setdefault((source, *lot), []).append((label, theme))
    found: dict[str, dict[str, float]] = {}
    for source in sorted({lot[0] for lot in lots}):
        own = [some for lot, some in sorted(lots.items()) if lot[0] == source]
        inside = [list(zip(*(one for one in some if one[1] > 0), strict=True)) for some in own]
        inside = [one for one in inside if one and len(one[0]) >= LEAST_CELL / 2]
        if not inside:
            continue
        weights = [len(one[0]) for one in inside]
        found[source] = {
            "texts": sum(map(len, own)),
            "in_themes": round(sum(theme > 0 for some in own for _, theme in some) / sum(map(len, own)), 3),
            "ami": round(
                float(np.average([adjusted_mutual_info_score(*one) for one in inside], weights=weights)), 3
            ),
            "v_measure": round(float(np.average([v_measure_score(*one) for one in inside], weights=weights)), 3),
        }
    return found


def in_own_process(corpus: Path, segments: int, unread: bool, tagged: bool) -> dict[str, Any]:
    """`timed` in a process of its own: peak memory is its own, and numpy is imported as the service has it."""
    import service  # noqa: F401  # sets what the process inherits

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(timed, corpus, segments, None, unread=unread, tagged=tagged).result()
