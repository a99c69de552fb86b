"""Text becomes labels: the job kind "classify".

A slice of jobs is read, tagged outside any transaction, and stored in one: labels, classification, rollups,
import progress and the jobs' end stand or fall together. So a worker killed at any point loses nothing and
counts nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session, col

from nlp.analysis import Analysis
from service.classify.active_model import Tagger, fast_tagger, wanted_tagger, wanted_version
from service.classify.retag import enqueue_retag
from service.classify.tagged_vectors import TaggedVectors, store_tagged_vectors, tagged_vectors
from service.classify.tagging import Input, analyses_of, read_inputs, store_labels, unchanged
from service.read_ahead import ReadAhead
from service.settings import Settings
from service.store import queue
from service.store.bulk import one_of
from service.store.import_progress import give_up_tagging, import_progress
from service.store.queue import ClaimedJob, Priority
from service.store.schema import FeedbackItem, FileImport
from service.work import Work

SLICE_ITEMS = 500  # in one write transaction; longer ones would keep webhooks waiting on SQLite
# of what the fast tier tags, in less than half a second: a transaction has some forty questions to the database,
# whatever it stores. SQLite's other writers wait no longer than for a slice of the file itself
LARGE_SLICE_ITEMS = 2_500


def classify(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Tag the items of these jobs that still wait for it; yields after every transaction.

    While a slice is stored the next one is tagged: the database and the disk do their part meanwhile. Not where
    senders wait for the write lock, for with two at work it is held longer.
    """
    with work.database.read() as session:
        large = _large_imports(session, work.settings, jobs)
    slices = list(_slices(jobs, large))
    tagged = (_tagged(work, slice_, large) for slice_ in slices)
    while True:
        if len(slices) > 1 and not work.write_lock_wanted:
            with ReadAhead(_until_wanted(work, tagged)) as ready:
                for one in ready:
                    yield from _store_slice(work, one)
        alone = next(tagged, None)
        if alone is None:
            return
        yield from _store_slice(work, alone)


def _until_wanted(work: Work, tagged: Iterator[_Tagged]) -> Iterator[_Tagged]:
    """Slices for as long as no sender waits for the write lock."""
    for one in tagged:
        yield one
        if work.write_lock_wanted:
            return


def _large_imports(session: Session, settings: Settings, jobs: Sequence[ClaimedJob]) -> frozenset[int]:
    """Those of the jobs' imports that the fast tier tags first: their rows would keep the accurate one long."""
    ids = {int(job.payload["import_id"]) for job in jobs if job.payload.get("import_id") is not None}
    if not ids or not settings.fast_tier_from:
        return frozenset()
    rows = session.execute(
        select(col(FileImport.id), col(FileImport.to_tag), col(FileImport.read_fraction)).where(
            col(FileImport.id).in_(ids)
        )
    )
    # while the file is being read, as many rows as its part so far lets expect
    return frozenset(
        row.id for row in rows if row.to_tag / (min(1.0, row.read_fraction) or 1.0) >= settings.fast_tier_from
    )


def given_up(work: Work, job: ClaimedJob, error: str) -> None:
    """Tagging failed again and again: the items stay untagged, an import that waits for them ends and says so."""
    import_id = job.payload.get("import_id")
    if import_id is not None:
        items = len(job.payload["items"])
        with work.database.write() as session:
            told = f"Some items could not be tagged ({error}); they are listed with the state «pending»."
            give_up_tagging(session, int(import_id), items=items, error=told)


def _slices(jobs: Sequence[ClaimedJob], large: Collection[int] = ()) -> Iterator[list[ClaimedJob]]:
    """Whole jobs of one workspace and tier with at most SLICE_ITEMS items together (a longer job stands alone).

    `large` are the imports that the fast tier tags: LARGE_SLICE_ITEMS of them are together.
    """
    slice_: list[ClaimedJob] = []
    items = 0
    for job in jobs:
        size = len(job.payload["items"])
        limit = LARGE_SLICE_ITEMS if job.payload.get("import_id") in large else SLICE_ITEMS
        if slice_ and (items + size > limit or _kin(job, large) != _kin(slice_[0], large)):
            yield slice_
            slice_, items = [], 0
        slice_.append(job)
        items += size
    if slice_:
        yield slice_


def _kin(job: ClaimedJob, large: Collection[int]) -> tuple[int, bool]:
    return job.workspace_id, job.payload.get("import_id") in large


@dataclass(frozen=True, slots=True)
class _Tagged:
    """A slice of jobs and what the pipeline found in their items."""

    jobs: list[ClaimedJob]
    pipeline: Tagger
    inputs: dict[int, Input]
    analyses: dict[int, Analysis]
    vectors: TaggedVectors | None


def _tagged(work: Work, jobs: list[ClaimedJob], large: Collection[int]) -> _Tagged:
    workspace_id = jobs[0].workspace_id
    choose = fast_tagger if jobs[0].payload.get("import_id") in large else wanted_tagger
    pipeline = choose(work.settings, workspace_id=workspace_id)
    ids = sorted({int(item) for job in jobs for item in job.payload["items"]})
    with work.database.read() as session:
        inputs = _pending(session, workspace_id, ids)
    analyses = analyses_of(pipeline, inputs)
    return _Tagged(jobs, pipeline, inputs, analyses, tagged_vectors(work.settings, pipeline, inputs, analyses))


def _store_slice(work: Work, tagged: _Tagged) -> Iterator[None]:
    """One slice's transaction; several where senders wait for the write lock, the last one ends the jobs.

    Of jobs that come again because their worker died in between, what is stored no longer waits to be tagged.
    """
    jobs, workspace_id = tagged.jobs, tagged.jobs[0].workspace_id
    provisional = tagged.pipeline.model_version != wanted_version(work.settings, workspace_id=workspace_id)
    left = list(tagged.inputs)
    while True:
        size = SLICE_ITEMS if work.write_lock_wanted else len(left)
        part, left = left[:size], left[size:]
        with work.database.write() as session:
            for job in jobs:
                queue.hold(session, job)
            _store(session, workspace_id, tagged, part)
            if not left:
                _end(session, workspace_id, tagged, provisional=provisional)
        yield
        if not left:
            return


def _end(session: Session, workspace_id: int, tagged: _Tagged, *, provisional: bool) -> None:
    for import_id, items in _looked_at(tagged.jobs).items():
        import_progress(session, import_id, tagged=items)
    for job in tagged.jobs:
        queue.finish(session, job)
    if tagged.inputs and provisional:
        enqueue_retag(session, workspace_id=workspace_id, which="fast", priority=Priority.UPKEEP)


def _looked_at(jobs: Sequence[ClaimedJob]) -> Counter[int]:
    """How many items of each import these jobs settle, the deleted and superseded ones included."""
    counts: Counter[int] = Counter()
    for job in jobs:
        if job.payload.get("import_id") is not None:
            counts[int(job.payload["import_id"])] += len(job.payload["items"])
    return counts


def _pending(session: Session, workspace_id: int, ids: Sequence[int], *, lock: bool = False) -> dict[int, Input]:
    """The inputs of those items that wait to be tagged; with `lock` they stay as they are until the commit."""
    waiting = (one_of(session, col(FeedbackItem.id), ids), col(FeedbackItem.state) == "pending")
    return read_inputs(session, workspace_id, *waiting, lock=lock)


def _store(session: Session, workspace_id: int, tagged: _Tagged, items: Sequence[int]) -> None:
    present = _pending(session, workspace_id, items, lock=True)
    ids = unchanged(present, tagged.inputs)
    changed = sorted(present.keys() - set(ids))
    if changed:
        # changed while it was being tagged: the new text must not wear the old one's labels
        queue.enqueue(
            session,
            workspace_id=workspace_id,
            kind="classify",
            payload={"items": changed, "import_id": None},
            priority=Priority.SINGLE,
        )
    store_tagged_vectors(session, workspace_id, tagged.vectors, set(ids))
    store_labels(
        session, workspace_id, ids, pipeline=tagged.pipeline, inputs=tagged.inputs, analyses=tagged.analyses
    )
