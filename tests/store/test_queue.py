"""The queue gives every job to one worker at a time, whatever the workers and the databases do."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlmodel import Session

from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.queue import LeaseLost, Priority
from service.store.schema import Job

LEASE = 10.0
JOBS = 500

CLAIMER = """
import sys
from service.store import queue
from service.store.engine import Database

database = Database(sys.argv[1])
done = []
while True:
    with database.write() as session:
        jobs = queue.claim(session, worker=sys.argv[2], lease_seconds=60, limit=3)
    if not jobs:
        break
    with database.write() as session:
        for job in jobs:
            queue.finish(session, job)
    done += [job.payload["n"] for job in jobs]
print(*done)
"""


def _enqueue(database: Database, workspace_id: int, n: int = 1, **fields: Any) -> None:
    values = {"kind": "classify", "priority": Priority.BULK, **fields}
    with database.write() as session:
        for i in range(n):
            queue.enqueue(session, workspace_id=workspace_id, **{"payload": {"n": i}, **values})


def _claim(database: Database, **fields: Any) -> list[queue.ClaimedJob]:
    with database.write() as session:
        return queue.claim(session, worker="me", lease_seconds=LEASE, **fields)


def _silence(database: Database, job: queue.ClaimedJob) -> None:
    """Make the job's worker look as if it had been silent for longer than its lease."""
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(lease_until=now() - timedelta(seconds=1)))


def _row(session: Session) -> Job:
    return session.execute(select(Job)).scalar_one()


def test_no_job_is_given_twice(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id, JOBS)
    workers = [
        subprocess.Popen([sys.executable, "-c", CLAIMER, database.url, f"w{i}"], stdout=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    outputs = [(worker.communicate(timeout=120)[0], worker.returncode) for worker in workers]
    assert [code for _, code in outputs] == [0, 0, 0, 0]
    counts = Counter(int(n) for output, _ in outputs for n in output.split())
    assert counts == Counter(range(JOBS))
    with database.read() as session:
        assert session.execute(select(func.count()).select_from(Job)).scalar_one() == 0


def test_urgent_before_bulk_then_oldest_first(database: Database, workspace_id: int) -> None:
    for n, priority in enumerate([Priority.UPKEEP, Priority.BULK, Priority.SINGLE, Priority.BULK]):
        _enqueue(database, workspace_id, priority=priority, payload={"n": n})
    with database.read() as session:
        assert queue.due(session) == queue.Due("classify", Priority.SINGLE)
    assert [job.payload["n"] for job in _claim(database, limit=3)] == [2, 1, 3]
    assert _claim(database, max_priority=Priority.BULK) == []
    assert [job.payload["n"] for job in _claim(database)] == [0]


def test_only_the_kinds_asked_for(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id, kind="import", priority=Priority.SINGLE)
    with database.read() as session:
        assert queue.due(session, kinds=["classify"]) is None
        assert queue.due(session, kinds=["import"]) is not None
    assert _claim(database, kinds=["classify"]) == []
    assert len(_claim(database, kinds=["import"])) == 1


def test_a_delayed_job_is_not_due(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id, delay_seconds=60)
    with database.read() as session:
        assert queue.due(session) is None
        assert queue.waiting(session) == 1
    assert _claim(database) == []


def test_a_silent_workers_job_is_taken_over(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id)
    [first] = _claim(database)
    assert _claim(database) == []
    _silence(database, first)
    with database.read() as session:
        assert queue.due(session) is not None
    [second] = _claim(database)
    assert second.id == first.id
    assert (second.attempts, second.crashes) == (1, 1), "the worker fell silent, the job did not fail"

    # the first one wakes up again: nothing of it may be stored
    for use in (queue.hold, queue.advance, queue.finish):
        with pytest.raises(LeaseLost), database.write() as session:
            use(session, first)
    with database.write() as session:
        queue.extend(session, [first], lease_seconds=3600)
        queue.release(session, [first])
        assert queue.fail(session, first, error="late", max_attempts=1) is False
        assert _row(session).lease_token == second.lease_token
        assert _row(session).state == "running"
    with database.write() as session:
        queue.hold(session, second)
        queue.finish(session, second)
    with database.read() as session:
        assert queue.waiting(session) == 0


def test_a_heartbeat_keeps_the_lease(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id)
    jobs = _claim(database)
    _silence(database, jobs[0])
    with database.write() as session:
        queue.extend(session, jobs, lease_seconds=LEASE)
    assert _claim(database) == []


def test_lease_lost_takes_the_results_along(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id)
    [first] = _claim(database)
    _silence(database, first)
    _claim(database)

    def store_late() -> None:
        with database.write() as session:
            queue.enqueue(session, workspace_id=workspace_id, kind="result", payload={}, priority=Priority.BULK)
            session.flush()
            queue.finish(session, first)

    with pytest.raises(LeaseLost):
        store_late()
    with database.read() as session:
        assert session.execute(select(Job.kind)).scalars().all() == ["classify"]


def test_a_dedupe_key_holds_for_queued_twins_only(database: Database, workspace_id: int) -> None:
    for _ in range(3):
        _enqueue(database, workspace_id, kind="compact", dedupe_key="compact:1")
    _enqueue(database, workspace_id, kind="upkeep", dedupe_key="compact:1")
    with database.read() as session:
        assert sorted(session.execute(select(Job.kind)).scalars()) == ["compact", "upkeep"]
    [running] = _claim(database, kinds=["compact"])
    _enqueue(database, workspace_id, kind="compact", dedupe_key="compact:1")
    with database.write() as session:
        queue.release(session, [running])  # its twin waits: that must not be a conflict
    assert len(_claim(database, kinds=["compact"], limit=5)) == 2


def test_a_failing_job_waits_longer_and_is_set_aside_at_last(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id)
    waits = []
    for attempt in (1, 2, 3):
        [job] = _claim(database)
        assert job.attempts == attempt
        with database.write() as session:
            dead = queue.fail(session, job, error="ValueError at x.py:1", max_attempts=3)
            row = _row(session)
            assert dead is (attempt == 3)
            assert row.error == "ValueError at x.py:1"
            waits.append(round((row.run_after - now()).total_seconds()))
            session.execute(update(Job).values(run_after=now()))
    assert waits == [1, 2, 4]
    assert _claim(database) == []
    with database.read() as session:
        assert _row(session).state == "dead"
        assert queue.waiting(session) == 0
        assert queue.oldest_waiting(session) is None


def test_a_job_that_got_on_may_fail_anew(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id)
    for _ in range(2):
        [job] = _claim(database)
        with database.write() as session:
            queue.fail(session, job, error="x", max_attempts=9)
            session.execute(update(Job).values(run_after=now()))
    [job] = _claim(database)
    assert job.attempts == 3
    with database.write() as session:
        queue.advance(session, job)
        assert queue.attempts_of(session, job) == 1


def test_a_job_given_back_counts_no_attempt(database: Database, workspace_id: int) -> None:
    _enqueue(database, workspace_id)
    for _ in range(3):
        jobs = _claim(database)
        assert jobs[0].attempts == 1
        with database.write() as session:
            queue.release(session, jobs)
    with database.read() as session:
        oldest = queue.oldest_waiting(session)
        assert oldest is not None
        assert abs((now() - oldest).total_seconds()) < 30


def test_the_claim_reads_an_index(database: Database, workspace_id: int, tmp_path: Path) -> None:
    """With many jobs waiting, the look for the next one must not read them all."""
    _enqueue(database, workspace_id, 2000)
    with database.writer.connect() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("ANALYZE job")
        prefix = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        query = "SELECT id FROM job WHERE state = 'queued' ORDER BY priority, run_after, id LIMIT 1"
        plan = " ".join(str(row) for row in connection.exec_driver_sql(prefix + query))
    assert "ix_job_state_priority_run_after" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
