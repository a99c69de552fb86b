"""The queue: jobs in the database, claimed under a lease, one statement for both databases."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from service.store.columns import now
from service.store.schema import Job


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
    attempts: int
    lease_token: str


def enqueue(
    session: Session,
    *,
    workspace_id: int,
    kind: str,
    payload: dict[str, Any],
    priority: Priority,
    dedupe_key: str | None = None,
    delay_seconds: float = 0.0,
) -> None:
    """Write a job in the caller's transaction; with a dedupe_key a queued twin makes it a no-op."""
    values = {
        "workspace_id": workspace_id,
        "kind": kind,
        "payload": payload,
        "priority": int(priority),
        "state": "queued",
        "dedupe_key": dedupe_key,
        "attempts": 0,
        "run_after": now() + timedelta(seconds=delay_seconds),
        "created_at": now(),
    }
    if dedupe_key is None:
        session.execute(insert(Job).values(values))
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(Job).values(values).on_conflict_do_nothing())


def claim(
    session: Session,
    *,
    worker: str,
    lease_seconds: float,
    limit: int = 1,
    kinds: Sequence[str] | None = None,
    max_priority: int | None = None,
) -> list[ClaimedJob]:
    """Take up to `limit` due jobs: queued ones, and running ones whose worker has fallen silent."""
    moment = now()
    due = select(Job.id).where(
        or_(
            (Job.state == "queued") & (Job.run_after <= moment),  # type: ignore[arg-type]
            (Job.state == "running") & (Job.lease_until < moment),  # type: ignore[operator,arg-type]
        )
    )
    if kinds is not None:
        due = due.where(Job.kind.in_(kinds))  # type: ignore[attr-defined]
    if max_priority is not None:
        due = due.where(Job.priority <= max_priority)  # type: ignore[arg-type]
    due = due.order_by(Job.priority, Job.run_after, Job.id).limit(limit)  # type: ignore[arg-type]
    token = secrets.token_hex(8)
    # SQLAlchemy leaves the lock clause out on SQLite, where the writer is alone anyway
    taken = session.execute(
        update(Job)
        .where(Job.id.in_(due.with_for_update(skip_locked=True)))  # type: ignore[union-attr]
        .values(
            state="running",
            lease_token=token,
            lease_until=moment + timedelta(seconds=lease_seconds),
            worker=worker,
            attempts=Job.attempts + 1,
        )
        .returning(Job.id, Job.workspace_id, Job.kind, Job.payload, Job.attempts, Job.priority)  # type: ignore[call-overload]
        .execution_options(synchronize_session=False)
    ).all()
    ordered = sorted(taken, key=lambda row: (row.priority, row.id))
    return [ClaimedJob(r.id, r.workspace_id, r.kind, r.payload, r.attempts, token) for r in ordered]


def extend(session: Session, jobs: Sequence[ClaimedJob], *, lease_seconds: float) -> None:
    """The heartbeat: push the lease of held jobs into the future."""
    if not jobs:
        return
    session.execute(
        update(Job)
        .where(
            Job.id.in_([job.id for job in jobs]),  # type: ignore[union-attr]
            Job.lease_token.in_({job.lease_token for job in jobs}),  # type: ignore[union-attr]
        )
        .values(lease_until=now() + timedelta(seconds=lease_seconds))
        .execution_options(synchronize_session=False)
    )


def hold(session: Session, job: ClaimedJob) -> None:
    """Lock the job's row inside a result's transaction; raises LeaseLost if it is no longer ours.

    Called first in every transaction that stores results, so that a worker that was taken for dead and wakes
    up again can't store a second time.
    """
    found = session.execute(
        update(Job)
        .where(Job.id == job.id, Job.lease_token == job.lease_token, Job.state == "running")  # type: ignore[arg-type]
        .values(lease_token=job.lease_token)
        .execution_options(synchronize_session=False)
    )
    if found.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(f"job {job.id}")


def finish(session: Session, job: ClaimedJob) -> None:
    """Delete a done job, in the transaction of its results; raises LeaseLost if it is no longer ours."""
    done = session.execute(
        delete(Job)
        .where(Job.id == job.id, Job.lease_token == job.lease_token, Job.state == "running")  # type: ignore[arg-type]
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(f"job {job.id}")


def fail(session: Session, job: ClaimedJob, *, error: str, max_attempts: int) -> bool:
    """Put a failed job back with back-off, or set it aside as dead; True when dead.

    `error` says what failed and never holds customers' words.
    """
    dead = job.attempts >= max_attempts
    backoff = timedelta(seconds=min(300.0, 2.0 ** (job.attempts - 1)))
    session.execute(
        update(Job)
        .where(Job.id == job.id, Job.lease_token == job.lease_token)  # type: ignore[arg-type]
        .values(
            state="dead" if dead else "queued",
            dedupe_key=None,  # a twin may have been queued meanwhile
            lease_token=None,
            lease_until=None,
            run_after=now() + backoff,
            error=error,
        )
        .execution_options(synchronize_session=False)
    )
    return dead


def waiting(session: Session) -> int:
    """How many jobs wait or run."""
    return session.execute(select(func.count()).select_from(Job).where(Job.state != "dead")).scalar_one()  # type: ignore[arg-type]


def oldest_waiting(session: Session) -> datetime | None:
    """When the longest-waiting job was due."""
    return session.execute(select(func.min(Job.run_after)).where(Job.state == "queued")).scalar_one()  # type: ignore[arg-type]
