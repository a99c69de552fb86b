"""Tagged items get the labels of the wanted model: the job kind "retag".

One job is one slice, newest items first; its transaction stores the labels and queues the next slice. So whatever
is more urgent comes in between, and a killed worker loses one slice's computing and nothing else. Of one workspace
and one choice of items at most one job waits; to ask again lets it begin with the newest item. Of what the fast
tier has tagged the first slices keep the place in the queue that they were asked for with: themes, asked for a
little later, find the accurate tier's labels, and the vectors that were made by the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, or_, select, update
from sqlmodel import Session, col

from nlp.analysis import Analysis
from service.classify.active_model import Tagger, wanted_tagger
from service.classify.tagged_vectors import TaggedVectors, store_tagged_vectors, tagged_vectors
from service.classify.tagging import Input, analyses_of, read_inputs, store_labels, unchanged
from service.store import queue
from service.store.queue import UNTRACKED, ClaimedJob, Priority
from service.store.schema import FeedbackItem, Job
from service.work import Work

Which = Literal["unsure", "all", "fast"]
"""Of the items of another model version than the wanted one: those it was unsure of, all, the fast tier's."""

SLICE_ITEMS = 500  # in one write transaction; longer ones would keep webhooks waiting on SQLite
CHUNK_ITEMS = 100  # tagged between two looks at what is more urgent: a quarter of a second of the accurate tier
SLICES_IN_PLACE = 200  # 100,000 of the fast tier's items, some minutes; after these others have their turn
TRIES = 5  # two workers may queue the same at one moment


def enqueue_retag(session: Session, *, workspace_id: int, which: Which, priority: Priority) -> None:
    """Have a workspace's items tagged again that lack the wanted version; part of the caller's transaction.

    Asked again while it waits or is under way, it begins anew with the newest item, as urgent as the more urgent
    of both. Call it as the last thing of a transaction: another one that asks for the same waits for its end.
    """
    key = f"{which}:{workspace_id}"
    payload: dict[str, Any] = {"which": which, "below": None}
    of_key = (col(Job.kind) == "retag", col(Job.dedupe_key) == key, col(Job.state) == "queued")
    for _ in range(TRIES):
        # locked: a worker that took it now would not see what this transaction has written
        found = session.execute(
            select(col(Job.id), col(Job.payload), col(Job.priority)).where(*of_key).with_for_update()
        ).first()
        if found is None:
            queue.enqueue(
                session,
                workspace_id=workspace_id,
                kind="retag",
                payload=payload,
                priority=priority,
                dedupe_key=key,
            )
        elif found.payload == payload and found.priority <= priority:
            return
        else:
            session.execute(
                update(Job)
                .where(col(Job.id) == found.id)
                .values(payload=payload, priority=min(int(priority), found.priority)),
                execution_options=UNTRACKED,
            )


def renews_fast(session: Session, workspace_id: int) -> bool:
    """Whether a job waits or is under way that tags again whatever of a workspace the fast tier has tagged."""
    waiting = select(col(Job.payload)).where(
        col(Job.workspace_id) == workspace_id,
        col(Job.kind) == "retag",
        col(Job.state).in_(["queued", "running"]),
    )
    return any(payload["which"] in ("fast", "all") for payload in session.execute(waiting).scalars())


def retag(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Stage function: tag one slice of each job's workspace again and queue the next; yields between chunks."""
    for job in jobs:
        pipeline = wanted_tagger(work.settings, workspace_id=job.workspace_id)
        with work.database.read() as session:
            inputs = _outdated(session, job, pipeline.model_version)
        ids = list(inputs)
        analyses: dict[int, Analysis] = {}
        for start in range(0, len(ids), CHUNK_ITEMS):
            analyses |= analyses_of(pipeline, {one: inputs[one] for one in ids[start : start + CHUNK_ITEMS]})
            yield
        vectors = tagged_vectors(work.settings, pipeline, inputs, analyses)
        with work.database.write() as session:
            queue.hold(session, job)
            _store(session, job, pipeline, inputs, analyses, vectors)
            if len(ids) == _slice_of(job):
                _continue(session, job, below=min(ids))
            queue.finish(session, job)
        yield


def given_up(work: Work, job: ClaimedJob, error: str) -> None:
    """A slice failed again and again: its items keep the labels they have, the older ones get their turn."""
    pipeline = wanted_tagger(work.settings, workspace_id=job.workspace_id)
    with work.database.write() as session:
        ids = list(_outdated(session, job, pipeline.model_version))
        if len(ids) == _slice_of(job):
            _continue(session, job, below=min(ids))


def _continue(session: Session, job: ClaimedJob, *, below: int) -> None:
    # no more than one waits: where it was asked for again meanwhile, that job begins with the newest and comes by
    slices = int(job.payload.get("slices", 0)) + 1
    in_place = job.payload["which"] == "fast" and slices < SLICES_IN_PLACE
    queue.enqueue(
        session,
        workspace_id=job.workspace_id,
        kind="retag",
        payload=job.payload | {"below": below, "slices": slices},
        priority=Priority(job.priority),
        dedupe_key=f"{job.payload['which']}:{job.workspace_id}",
        run_after=queue.due_since(session, job) if in_place else None,
    )


def _slice_of(job: ClaimedJob) -> int:
    """How many items at once: as few as to let single arrivals take turns where it is as urgent as they are."""
    return CHUNK_ITEMS if job.priority == Priority.SINGLE else SLICE_ITEMS


def _outdated(session: Session, job: ClaimedJob, wanted: str) -> dict[int, Input]:
    """The inputs of the next slice."""
    conditions = [
        col(FeedbackItem.state) == "tagged",
        or_(col(FeedbackItem.model).is_(None), col(FeedbackItem.model) != wanted),
        *_chosen(cast("Which", job.payload["which"])),
    ]
    if job.payload["below"] is not None:
        conditions.append(col(FeedbackItem.id) < int(job.payload["below"]))
    return read_inputs(session, job.workspace_id, *conditions, newest=_slice_of(job))


def _chosen(which: Which) -> list[ColumnElement[bool]]:
    if which == "unsure":
        return [col(FeedbackItem.unsure_reason) == "low_confidence"]
    # a model's version begins with its tier
    return [col(FeedbackItem.model).startswith("fast-")] if which == "fast" else []


def _store(
    session: Session,
    job: ClaimedJob,
    pipeline: Tagger,
    inputs: dict[int, Input],
    analyses: dict[int, Analysis],
    vectors: TaggedVectors | None,
) -> None:
    # what has got another text meanwhile waits to be tagged anyway; what another worker has done need not be again
    still = (
        col(FeedbackItem.id).in_(list(inputs)),
        col(FeedbackItem.state) == "tagged",
        or_(col(FeedbackItem.model).is_(None), col(FeedbackItem.model) != pipeline.model_version),
    )
    present = read_inputs(session, job.workspace_id, *still, lock=True)
    ids = unchanged(present, inputs)
    store_tagged_vectors(session, job.workspace_id, vectors, set(ids))
    store_labels(
        session,
        job.workspace_id,
        ids,
        pipeline=pipeline,
        inputs=inputs,
        analyses=analyses,
    )
