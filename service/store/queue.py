"""The queue: jobs in the database, claimed under a lease, the same statements for both databases."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import accumulate
from typing import Any, cast

from sqlalchemy import CursorResult, Result, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.store.columns import now
from service.store.schema import Job

# rows are changed by statements only: no Job object of a session has to follow
UNTRACKED = {"synchronize_session": False}
MAX_BACKOFF_SECONDS = 300.0
_NEW_JOB = insert(Job.__table__)  # type: ignore[attr-defined]


class Priority(IntEnum):
    """Lower first: what a person or a sender waits for comes before bulk."""

    SINGLE = 0
    READ_FILE = 10
    BULK = 20
    UPKEEP = 30


class LeaseLost(Exception):
    """Another worker took the job over; whatever this one did must be rolled back."""


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this worker holds until the lease ends."""

    id: int
    workspace_id: int
    kind: str
    payload: dict[str, Any]
    attempts: int  # this one included
    lease_token: str
    crashes: int = 0  # workers that fell silent over it since it last got on
    priority: int = Priority.BULK


@dataclass(frozen=True, slots=True)
class Due:
    """What would be claimed next."""

    kind: str
    priority: int


def enqueue(
    session: Session,
    *,
    workspace_id: int,
    kind: str,
    payload: dict[str, Any],
    priority: Priority,
    dedupe_key: str | None = None,
    delay_seconds: float = 0.0,
    run_after: datetime | None = None,
) -> None:
    """Write a job in the caller's transaction; with a dedupe_key a queued twin makes it a no-op.

    Jobs of one priority come in the order of `run_after`; it may lie in the past. None: `delay_seconds` from now.
    """
    values = {
        "workspace_id": workspace_id,
        "kind": kind,
        "payload": payload,
        "priority": int(priority),
        "state": "queued",
        "dedupe_key": dedupe_key,
        "attempts": 0,
        "crashes": 0,
        "run_after": run_after or now() + timedelta(seconds=delay_seconds),
        "created_at": now(),
    }
    if dedupe_key is None:
        session.execute(_NEW_JOB, values)
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(Job).values(values).on_conflict_do_nothing())


def ask(session: Session, *, workspace_id: int, kind: str, lock: int, delay_seconds: float) -> None:
    """Queue a workspace's upkeep of one kind in the caller's transaction; a queued twin makes it a no-op.

    Two transactions that write the same de-duplication key would wait for each other; on PostgreSQL the second
    finds the advisory lock (`lock`, one number a kind) taken and leaves it to the first.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = {"what": lock, "workspace": workspace_id % 2**31}
        if not session.execute(text("SELECT pg_try_advisory_xact_lock(:what, :workspace)"), key).scalar_one():
            return
    enqueue(
        session,
        workspace_id=workspace_id,
        kind=kind,
        payload={},
        priority=Priority.UPKEEP,
        dedupe_key=f"{kind}{'' if delay_seconds else '-now'}:{workspace_id}",
        delay_seconds=delay_seconds,
    )


def due(
    session: Session,
    *,
    kinds: Sequence[str] | None = None,
    min_priority: int = Priority.SINGLE,
    max_priority: int | None = None,
) -> Due | None:
    """What `claim` would find now; a look that takes no lock, so that idle workers disturb nobody."""
    moment = now()
    waiting_now = select(col(Job.kind), col(Job.priority)).where(
        col(Job.state) == "queued", col(Job.run_after) <= moment
    )
    silent = select(col(Job.kind), col(Job.priority)).where(
        col(Job.state) == "running", col(Job.lease_until) < moment
    )
    for query in (waiting_now, silent):
        if kinds is not None:
            query = query.where(col(Job.kind).in_(kinds))
        if min_priority > Priority.SINGLE:
            query = query.where(col(Job.priority) >= min_priority)
        if max_priority is not None:
            query = query.where(col(Job.priority) <= max_priority)
        found = session.execute(
            query.order_by(col(Job.priority), col(Job.run_after), col(Job.id)).limit(1)
        ).first()
        if found is not None:
            return Due(kind=found.kind, priority=found.priority)
    return None


def jobs_within(session: Session, found: Due, *, jobs: int, items: int) -> int:
    """How many of the most urgent jobs like the one found hold at most so many items together; at least one.

    A look that takes no lock: what another worker claims meanwhile only makes the batch another one.
    """
    payloads = session.execute(
        select(col(Job.payload))
        .where(
            col(Job.state) == "queued",
            col(Job.run_after) <= now(),
            col(Job.kind) == found.kind,
            col(Job.priority) == found.priority,
        )
        .order_by(col(Job.run_after), col(Job.id))
        .limit(jobs)
    ).scalars()
    sums = accumulate(len(payload["items"]) for payload in payloads)
    return max(1, sum(1 for so_far in sums if so_far <= items))


def claim(
    session: Session,
    *,
    worker: str,
    lease_seconds: float,
    limit: int = 1,
    kinds: Sequence[str] | None = None,
    min_priority: int = Priority.SINGLE,
    max_priority: int | None = None,
) -> list[ClaimedJob]:
    """Take up to `limit` due jobs, most urgent first: queued ones, and those whose worker has fallen silent."""
    moment = now()
    _take_from_silent(session, moment)
    waiting_now = select(col(Job.id)).where(col(Job.state) == "queued", col(Job.run_after) <= moment)
    if kinds is not None:
        waiting_now = waiting_now.where(col(Job.kind).in_(kinds))
    if min_priority > Priority.SINGLE:
        waiting_now = waiting_now.where(col(Job.priority) >= min_priority)
    if max_priority is not None:
        waiting_now = waiting_now.where(col(Job.priority) <= max_priority)
    waiting_now = waiting_now.order_by(col(Job.priority), col(Job.run_after), col(Job.id)).limit(limit)
    token = secrets.token_hex(8)
    taken = session.execute(
        update(Job)
        # SQLAlchemy leaves the lock clause out on SQLite, where the writer is alone anyway
        .where(col(Job.id).in_(waiting_now.with_for_update(skip_locked=True)))
        .values(
            state="running",
            lease_token=token,
            lease_until=moment + timedelta(seconds=lease_seconds),
            worker=worker,
            attempts=col(Job.attempts) + 1,
        )
        .returning(
            col(Job.id),
            col(Job.workspace_id),
            col(Job.kind),
            col(Job.payload),
            col(Job.attempts),
            col(Job.crashes),
            col(Job.priority),
        ),
        execution_options=UNTRACKED,
    ).all()
    ordered = sorted(taken, key=lambda row: (row.priority, row.id))
    return [
        ClaimedJob(r.id, r.workspace_id, r.kind, r.payload, r.attempts, token, r.crashes, r.priority)
        for r in ordered
    ]


def _take_from_silent(session: Session, moment: datetime) -> None:
    """Queue again what a silent worker holds. SKIP LOCKED: a worker in the middle of a result is not silent."""
    silent = (
        select(col(Job.id))
        .where(col(Job.state) == "running", col(Job.lease_until) < moment)
        .with_for_update(skip_locked=True)
    )
    session.execute(
        update(Job).where(col(Job.id).in_(silent)).values(**_given_back(moment), crashes=col(Job.crashes) + 1),
        execution_options=UNTRACKED,
    )


def _given_back(moment: datetime) -> dict[str, Any]:
    return {
        "state": "queued",
        "dedupe_key": None,  # a twin may have been queued meanwhile
        "lease_token": None,
        "lease_until": None,
        "run_after": moment,
        "attempts": col(Job.attempts) - 1,  # it did not fail
    }


def extend(session: Session, jobs: Sequence[ClaimedJob], *, lease_seconds: float) -> None:
    """The heartbeat: push the lease of held jobs into the future.

    A job whose result is just being stored is passed over: to wait for its row here, while that transaction
    waits for the next row, would be a deadlock; and nobody can take it over meanwhile either.
    """
    if not jobs:
        return
    ours = (
        select(col(Job.id))
        .where(
            col(Job.id).in_([job.id for job in jobs]),
            col(Job.lease_token).in_({job.lease_token for job in jobs}),
            col(Job.state) == "running",
        )
        .with_for_update(skip_locked=True)
    )
    session.execute(
        update(Job).where(col(Job.id).in_(ours)).values(lease_until=now() + timedelta(seconds=lease_seconds)),
        execution_options=UNTRACKED,
    )


def hold(session: Session, job: ClaimedJob) -> None:
    """Lock the job's row inside a result's transaction; raises LeaseLost if it is no longer ours.

    Called first in every transaction that stores results, so that a worker that was taken for dead and wakes
    up again can't store a second time.
    """
    _must_be_ours(
        session.execute(
            update(Job).where(*_ours(job)).values(lease_token=job.lease_token), execution_options=UNTRACKED
        ),
        job,
    )


def advance(session: Session, job: ClaimedJob) -> None:
    """`hold` for one of many transactions of a long job: it got on, so what failed before no longer counts.

    Without it, a file that takes an hour would be given up after a few restarts. Not to be called in a
    transaction that repeats at every attempt, or a job that always fails behind it is never given up.
    """
    _must_be_ours(
        session.execute(update(Job).where(*_ours(job)).values(attempts=1, crashes=0), execution_options=UNTRACKED),
        job,
    )


def finish(session: Session, job: ClaimedJob) -> None:
    """Delete a done job, in the transaction of its results; raises LeaseLost if it is no longer ours."""
    _must_be_ours(session.execute(delete(Job).where(*_ours(job)), execution_options=UNTRACKED), job)


def _ours(job: ClaimedJob) -> tuple[Any, ...]:
    return col(Job.id) == job.id, col(Job.lease_token) == job.lease_token, col(Job.state) == "running"


def _must_be_ours(result: Result[Any], job: ClaimedJob) -> None:
    if cast("CursorResult[Any]", result).rowcount != 1:
        raise LeaseLost(f"job {job.id}")


def release(session: Session, jobs: Sequence[ClaimedJob]) -> None:
    """Give held jobs back as if they had never been claimed (the worker stops, or the database was away)."""
    if not jobs:
        return
    session.execute(
        update(Job)
        .where(
            col(Job.id).in_([job.id for job in jobs]),
            col(Job.lease_token).in_({job.lease_token for job in jobs}),
            col(Job.state) == "running",
        )
        .values(**_given_back(now())),
        execution_options=UNTRACKED,
    )


def due_since(session: Session, job: ClaimedJob) -> datetime:
    """Since when a held job was due: its place among those of its priority."""
    found: datetime = session.execute(select(col(Job.run_after)).where(col(Job.id) == job.id)).scalar_one()
    return found


def attempts_of(session: Session, job: ClaimedJob) -> int | None:
    """How often the job has been tried since it last got on; None when it is no longer ours."""
    return session.execute(select(col(Job.attempts)).where(*_ours(job))).scalar_one_or_none()


def postpone(session: Session, job: ClaimedJob, *, delay_seconds: float, reason: str) -> None:
    """Put a job back for later, however often it was tried; raises LeaseLost if it is no longer ours.

    `reason` says what it waits for and never holds customers' words.
    """
    later = {
        "state": "queued",
        "dedupe_key": None,  # a twin may have been queued meanwhile
        "lease_token": None,
        "lease_until": None,
        "run_after": now() + timedelta(seconds=delay_seconds),
        "error": reason,
    }
    postponed = session.execute(update(Job).where(*_ours(job)).values(**later), execution_options=UNTRACKED)
    _must_be_ours(postponed, job)


def fail(session: Session, job: ClaimedJob, *, error: str, max_attempts: int) -> bool:
    """Put a failed job back with back-off, or set it aside as dead; True when dead.

    `error` says what failed and never holds customers' words. A job that is no longer ours is left alone.
    """
    attempts = attempts_of(session, job)
    if attempts is None:
        return False
    dead = attempts >= max_attempts
    backoff = timedelta(seconds=min(MAX_BACKOFF_SECONDS, 2.0 ** (attempts - 1)))
    session.execute(
        update(Job)
        .where(*_ours(job))
        .values(
            state="dead" if dead else "queued",
            dedupe_key=None,  # a twin may have been queued meanwhile
            lease_token=None,
            lease_until=None,
            run_after=now() + backoff,
            error=error,
        ),
        execution_options=UNTRACKED,
    )
    return dead


def waiting(session: Session) -> int:
    """How many jobs wait or run."""
    n: int = session.execute(select(func.count()).select_from(Job).where(col(Job.state) != "dead")).scalar_one()
    return n


def oldest_waiting(session: Session) -> datetime | None:
    """When the longest-waiting job was due."""
    moment: datetime | None = session.execute(
        select(func.min(col(Job.run_after))).where(col(Job.state) == "queued")
    ).scalar_one()
    return moment
