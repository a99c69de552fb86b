"""Running imports in this process, as a worker would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from service.ingest.imports import read_file
from service.store import queue
from service.store.import_progress import import_progress
from service.store.queue import ClaimedJob
from service.work import Work


def claim(work: Work, kind: str, *, lease_seconds: float = 60.0) -> list[ClaimedJob]:
    with work.database.write() as session:
        return queue.claim(session, worker="test", lease_seconds=lease_seconds, limit=1000, kinds=[kind])


def read_all(work: Work) -> int:
    """Run every import job that is due to its end; how many."""
    jobs = claim(work, "import")
    for _ in read_file(work, jobs):
        pass
    return len(jobs)


def begin(work: Work, *, slices: int) -> tuple[Iterator[None], ClaimedJob]:
    """A worker that has stored so many slices of one file, and then says no more."""
    job = claim(work, "import", lease_seconds=0.01)[0]
    stage = read_file(work, [job])
    for _ in range(slices):
        next(stage)
    time.sleep(0.02)
    return stage, job


def tag_all(work: Work) -> int:
    """Look at everything that waits to be tagged, in what tagging does to imports; how many items."""
    items = 0
    for job in claim(work, "classify"):
        with work.database.write() as session:
            queue.hold(session, job)
            import_progress(session, int(job.payload["import_id"]), tagged=len(job.payload["items"]))
            queue.finish(session, job)
        items += len(job.payload["items"])
    return items


def imported(client: Any, work: Work, content: bytes, filename: str = "file.csv", **query: Any) -> dict[str, Any]:
    """Send a file, read and tag it; the import as the API shows it then."""
    answer = client.post("/v1/imports", content=content, params={"filename": filename, **query})
    assert answer.status_code == 202, answer.text
    read_all(work)
    tag_all(work)
    shown: dict[str, Any] = client.get(answer.headers["location"]).json()
    return shown


def rows(**counts: int) -> dict[str, int]:
    """The `rows` of an answer, zero where nothing is said."""
    return dict.fromkeys(("read", "accepted", "updated", "duplicate", "rejected", "empty"), 0) | counts
