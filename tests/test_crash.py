"""kill -9 at any moment of an import: every row is stored once, tagged once, counted once."""

from __future__ import annotations

import csv
import random
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from service.ingest.import_requests import import_path
from service.settings import Settings
from service.store import rollups
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import Classification, FeedbackItem, FileImport, Job, Segment
from tests.running import command, wait_for

ROWS = 20_000
REPEATS = 40  # rows that are there twice, word for word
BLANKS = 25  # answers without a word or a score

WHO = ["The courier", "Your app", "The checkout", "Support", "The new dashboard", "Onboarding", "My invoice"]
DID = ["kept failing", "was a joy to use", "took ages", "answered within minutes", "confused me", "just works"]
WHEN = ["on Monday", "after the update", "for the third time", "as promised", "during the trial", "last week"]
SO = [
    "so I am thinking of leaving.",
    "thank you!",
    "please look into it.",
    "I would recommend you.",
    "what a pity.",
]


def _write_file(path: Path, rng: random.Random) -> None:
    """A survey export: 20,000 invented answers, some of them there twice, some blank."""
    rows = []
    for n in range(ROWS - REPEATS - BLANKS):
        text = f"{rng.choice(WHO)} {rng.choice(DID)} {rng.choice(WHEN)}, {rng.choice(SO)}"
        if rng.random() < 0.3:
            text += f" {rng.choice(WHO)} {rng.choice(DID)}."
        day = f"2026-{rng.randint(1, 10):02}-{rng.randint(1, 28):02}"
        rows.append([f"r{n}", f"{day}T09:00:00Z", str(rng.randint(0, 10)), text, rng.choice(["pro", "free"])])
    rows += [list(rows[rng.randrange(len(rows))]) for _ in range(REPEATS)]
    rows += [[f"blank{n}", "2026-05-05T09:00:00Z", "", "", "pro"] for n in range(BLANKS)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["response_id_in_tool", "answered", "nps_score", "answer", "plan"])
        writer.writerows(rows)


MAPPING = (
    '{"response_id_in_tool": "external_id", "answered": "occurred_at", "nps_score": "score_nps", '
    '"answer": "text", "plan": "attributes.plan"}'
)


def _state(database: Database, import_id: int) -> FileImport:
    with database.read() as session:
        return session.get_one(FileImport, import_id)


def _kill_rounds(settings: Settings, database: Database, workspace_id: int, folder: Path, *, kills: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    rng = random.Random(seed)
    file = folder / "survey.csv"
    _write_file(file, rng)
    import_id = import_path(
        database,
        settings,
        workspace_id=workspace_id,
        file=file,
        options={"source": "survey", "channel": "survey", "mapping": MAPPING},
    )
    assert _state(database, import_id).questions == []
    settings = settings.model_copy(update={"lease_seconds": 1.5})
    log = folder / "log"

    def progress() -> int:
        found = _state(database, import_id)
        return found.rows_read + found.tagged

    during: set[str] = set()
    for n in range(kills):
        # by progress and not by the clock, so that a fast machine is not done before the last kill
        threshold = int(2 * ROWS * (n + rng.random()) / (kills + 1))
        with command(settings, "work", log=log) as process:
            wait_for(
                lambda least=threshold: progress() >= least, seconds=120, what=f"{threshold} rows of progress"
            )
            time.sleep(rng.uniform(0.0, 0.2))
            process.kill()
            process.wait()
        found = _state(database, import_id)
        assert found.finished_at is None, f"the import ended before kill {n + 1}"
        during.add("tagging" if found.read_done else "reading")
    assert during == {"reading", "tagging"}
    with command(settings, "work", log=log), command(settings, "work", log=log):
        wait_for(lambda: _state(database, import_id).finished_at, seconds=240, what="the import's end")
    _check(database, workspace_id, import_id)
    assert "Traceback" not in log.read_text()


def _check(database: Database, workspace_id: int, import_id: int) -> None:
    stored = ROWS - REPEATS - BLANKS
    found = _state(database, import_id)
    counters = (
        found.rows_read,
        found.rows_accepted,
        found.rows_updated,
        found.rows_duplicate,
        found.rows_rejected,
        found.rows_empty,
    )
    assert counters == (ROWS, stored, 0, REPEATS, 0, BLANKS)
    assert (found.items, found.to_tag, found.tagged) == (stored, stored, stored)
    assert found.state == "succeeded"
    with database.read() as session:

        def count(column: object, *conditions: object) -> int:
            return session.execute(select(func.count(column)).where(*conditions)).scalar_one()  # type: ignore[arg-type]

        assert count(FeedbackItem.id) == stored
        assert count(FeedbackItem.external_id.distinct()) == stored  # type: ignore[union-attr]
        assert count(FeedbackItem.id, FeedbackItem.state == "tagged") == stored
        assert count(Classification.id) == stored
        assert count(Classification.item_id.distinct()) == stored  # type: ignore[attr-defined]
        assert count(Segment.id) >= stored * 0.9
        # what is looked at now and then in the background may wait
        assert count(Job.id, Job.priority < Priority.UPKEEP, Job.kind != "retag") == 0
        assert count(Job.id, Job.state == "dead") == 0
        assert rollups.verify(session, workspace_id) == []


@pytest.mark.timeout(600)
def test_killed_six_times(settings: Settings, database: Database, workspace_id: int, tmp_path: Path) -> None:
    _kill_rounds(settings, database, workspace_id, tmp_path, kills=6)


@pytest.mark.crash
@pytest.mark.timeout(1500)
def test_killed_twenty_times(settings: Settings, database: Database, workspace_id: int, tmp_path: Path) -> None:
    _kill_rounds(settings, database, workspace_id, tmp_path, kills=20)
