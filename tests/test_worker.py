"""The worker's loop with stages made for the test: order, batches, failures, stopping, time."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from service import worker as worker_module
from service.classify import active_model
from service.heartbeat import Heartbeat
from service.stop import Stop
from service.store import queue
from service.store.changes import Changes
from service.store.columns import now
from service.store.queue import ClaimedJob, Priority
from service.store.schema import FileImport, Job, ProcessBeat
from service.work import JobKind, Work
from service.worker import KINDS, Worker


@dataclass
class Recorder:
    """Stages that write down what they are given."""

    seen: list[list[Any]] = field(default_factory=list)
    dead: list[tuple[int, str]] = field(default_factory=list)
    poison: set[Any] = field(default_factory=set)

    def stage(self, work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        self.seen.append([job.payload["n"] for job in jobs])
        if self.poison & {job.payload["n"] for job in jobs}:
            raise ValueError("words of a customer")
        with work.database.write() as session:
            for job in jobs:
                queue.finish(session, job)
        yield

    def on_dead(self, work: Work, job: ClaimedJob, error: str) -> None:
        self.dead.append((job.payload["n"], error))

    @property
    def kinds(self) -> Mapping[str, JobKind]:
        return {"one": JobKind(self.stage, batch=4, on_dead=self.on_dead)}


@pytest.fixture
def enqueue(work: Work, workspace_id: int) -> Callable[..., None]:
    def add(*numbers: Any, kind: str = "one", priority: Priority = Priority.SINGLE) -> None:
        with work.database.write() as session:
            for n in numbers:
                queue.enqueue(session, workspace_id=workspace_id, kind=kind, payload={"n": n}, priority=priority)

    return add


def _run(work: Work, kinds: Mapping[str, JobKind]) -> None:
    Worker(work, Stop(), kinds=kinds).run_until_idle()


def _jobs(work: Work) -> list[Job]:
    with work.database.read() as session:
        return list(session.execute(select(Job).order_by(Job.id)).scalars())


def _due_now(work: Work) -> None:
    with work.database.write() as session:
        session.execute(update(Job).values(run_after=now()))


def test_single_arrivals_run_together_bulk_one_by_one(work: Work, enqueue: Callable[..., None]) -> None:
    recorder = Recorder()
    enqueue(10, 11, priority=Priority.BULK)
    enqueue(0, 1, 2, 3, 4, 5)
    _run(work, recorder.kinds)
    assert recorder.seen == [[0, 1, 2, 3], [4, 5], [10], [11]]
    assert _jobs(work) == []


def test_one_bad_job_fails_alone(
    work: Work, enqueue: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(poison={1})
    enqueue(0, 1, 2)
    with caplog.at_level(logging.DEBUG):
        _run(work, recorder.kinds)
    assert recorder.seen == [[0, 1, 2], [0], [1], [2]]
    [left] = _jobs(work)
    assert (left.payload["n"], left.state, left.attempts) == (1, "queued", 1)
    assert left.run_after > now()
    assert left.error is not None
    assert left.error.startswith("ValueError at test_worker.py:")

    assert all("words" not in record.getMessage() for record in caplog.records)


def test_a_job_that_never_works_is_set_aside_and_told(work: Work, enqueue: Callable[..., None]) -> None:
    recorder = Recorder(poison={1})
    enqueue(1)
    for _ in range(work.settings.max_attempts + 2):
        _run(work, recorder.kinds)
        _due_now(work)
    [left] = _jobs(work)
    assert (left.state, left.attempts) == ("dead", work.settings.max_attempts)
    assert len(recorder.seen) == work.settings.max_attempts
    [(n, error)] = recorder.dead
    assert n == 1
    assert error == left.error


def test_a_job_that_kills_its_workers_is_set_aside(work: Work, enqueue: Callable[..., None]) -> None:
    recorder = Recorder()
    enqueue(1)
    with work.database.write() as session:
        session.execute(update(Job).values(crashes=2 * work.settings.max_attempts))
    _run(work, recorder.kinds)
    assert recorder.seen == []
    assert [n for n, _ in recorder.dead] == [1]
    assert _jobs(work)[0].state == "dead"


def test_single_arrivals_overtake_a_long_job(work: Work, enqueue: Callable[..., None]) -> None:
    recorder = Recorder()
    order: list[Any] = []

    def long(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        for slice_ in range(3):
            with work.database.write() as session:
                queue.hold(session, jobs[0])
            order.append(f"slice {slice_}")
            if slice_ == 0:
                enqueue(1)
                enqueue(2, priority=Priority.BULK)
            yield
        with work.database.write() as session:
            queue.finish(session, jobs[0])

    def single(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        order.extend(job.payload["n"] for job in jobs)
        return recorder.stage(work, jobs)

    enqueue(0, kind="long", priority=Priority.READ_FILE)
    _run(work, {"long": JobKind(long), "one": JobKind(single, batch=4)})
    assert order == ["slice 0", 1, "slice 1", "slice 2", 2]
    assert _jobs(work) == []


@pytest.mark.parametrize("share", [0.5, 3.0])
def test_where_single_arrivals_never_end_other_work_gets_its_share_of_the_time(
    work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(worker_module, "OTHERS_AFTER_SECONDS", 0.1)
    work = replace(work, settings=work.settings.model_copy(update={"single_share": share}))
    stop, seen, took = Stop(), list[str](), {"single": 0.0, "step": 0.0}
    clock = [0.0]  # time goes on only while something is worked on
    monkeypatch.setattr(worker_module.time, "monotonic", lambda: clock[0])

    def spend(what: str, seconds: float) -> None:
        seen.append(what)
        if "step" in seen:
            took[what] += seconds
        clock[0] += seconds

    def single(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        spend("single", 0.02)
        with work.database.write() as session:
            for job in jobs:
                queue.finish(session, job)
        if len(seen) < 2000:
            enqueue(1)  # another has come by the time this one is done
        yield

    def long(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        for _ in range(10):
            spend("step", 0.01)
            yield
        with work.database.write() as session:
            queue.finish(session, jobs[0])

    def last(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        with work.database.write() as session:
            queue.finish(session, jobs[0])
        stop.request()
        yield

    enqueue(1)
    # what comes after the end of a job has its turn by the same count
    for kind in ("long", "long", "long", "last"):
        enqueue(2, kind=kind, priority=Priority.BULK)
    kinds = {"one": JobKind(single), "long": JobKind(long), "last": JobKind(last)}
    Worker(work, stop, kinds=kinds).run_until_idle()
    assert len(seen) < 2000, "the long jobs ended while others still came"
    assert seen.index("step") == 5, "single arrivals go first"
    assert seen.count("step") == 30
    assert took["single"] / took["step"] == pytest.approx(share, rel=0.1)


def test_a_single_arrival_is_noticed_before_its_turn(
    work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "OTHERS_AFTER_SECONDS", 0.0)
    work = replace(work, settings=work.settings.model_copy(update={"single_share": 0.0}))
    noticed = list[bool]()

    def long(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        yield
        noticed.append(work.arrivals.lately)
        enqueue(1)
        yield
        noticed.append(work.arrivals.lately)
        with work.database.write() as session:
            queue.finish(session, jobs[0])

    def single(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        assert len(noticed) == 2
        with work.database.write() as session:
            queue.finish(session, jobs[0])
        yield

    enqueue(0, kind="long", priority=Priority.READ_FILE)
    _run(work, {"long": JobKind(long), "one": JobKind(single)})
    assert noticed == [False, work.database.is_sqlite]
    assert _jobs(work) == []


def test_a_file_is_read_while_single_arrivals_never_end(
    client: Any, work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "OTHERS_AFTER_SECONDS", 0.01)
    work = replace(work, settings=work.settings.model_copy(update={"import_slice_rows": 2}))
    lines = "".join(f"{number},late again {number}\n" for number in range(19))
    shown = client.post("/v1/imports", content=f"id,comment\n{lines}", params={"filename": "f.csv"}).json()
    stop, read = Stop(), list[int]()

    def single(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        with work.database.write() as session:
            found = session.get_one(FileImport, int(shown["id"]))
            read.append(found.rows_read)
            for job in jobs:
                queue.finish(session, job)
        if found.read_done or len(read) >= 2000:
            stop.request()
        enqueue(1)  # another has come by the time this one is done
        yield

    enqueue(1)
    Worker(work, stop, kinds={"one": JobKind(single, batch=4), "import": KINDS["import"]}).run_until_idle()
    assert read[-1] == 19, "the file ended while others still came"
    assert len({rows for rows in read if 0 < rows < 19}) > 1, "single ones were worked on between its slices"


def test_a_batch_ends_at_so_many_items(work: Work, workspace_id: int) -> None:
    """Jobs hold one item or hundreds: by jobs alone a batch could last minutes, and nothing else has a turn."""
    recorder = Recorder()
    with work.database.write() as session:
        for n, items in enumerate([3, 3, 5, 1, 1, 30, 1]):
            queue.enqueue(
                session,
                workspace_id=workspace_id,
                kind="one",
                payload={"n": n, "items": list(range(items))},
                priority=Priority.SINGLE,
            )
    _run(work, {"one": JobKind(recorder.stage, batch=3, batch_items=10)})
    assert recorder.seen == [[0, 1], [2, 3, 4], [5], [6]], "a longer job comes alone"


def test_housekeeping_gets_its_turn_during_a_long_job(
    work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "HOUSEKEEPING_SECONDS", 0.0)
    order: list[Any] = []

    def long(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        for slice_ in range(2):
            order.append(f"slice {slice_}")
            yield
        with work.database.write() as session:
            queue.finish(session, jobs[0])

    def compact(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        order.append("compact begins")
        enqueue(1)
        yield
        with work.database.write() as session:
            queue.finish(session, jobs[0])
        order.append("compact ends")

    def single(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        order.append("single")
        return Recorder().stage(work, jobs)

    enqueue(0, kind="long", priority=Priority.READ_FILE)
    enqueue(0, kind="compact", priority=Priority.UPKEEP)
    _run(work, {"long": JobKind(long), "compact": JobKind(compact), "one": JobKind(single)})
    assert order == ["slice 0", "compact begins", "single", "compact ends", "slice 1"]
    assert _jobs(work) == []


def test_a_lost_lease_rolls_back_and_goes_on(work: Work, enqueue: Callable[..., None]) -> None:
    done: list[Any] = []

    def late(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        with work.database.write() as session:
            if jobs[0].payload["n"] == 0:
                session.execute(update(Job).where(Job.id == jobs[0].id).values(lease_token="another worker's"))
        with work.database.write() as session:
            queue.finish(session, jobs[0])
        done.append(jobs[0].payload["n"])
        yield

    enqueue(0, 1)
    _run(work, {"one": JobKind(late)})
    assert done == [1]
    assert [(job.payload["n"], job.state, job.attempts) for job in _jobs(work)] == [(0, "running", 1)]


def test_a_stop_gives_the_jobs_back(work: Work, enqueue: Callable[..., None]) -> None:
    stop = Stop()

    def slow(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        with work.database.write() as session:
            queue.hold(session, jobs[0])
        stop.request()
        yield
        raise AssertionError("went on after the stop")

    enqueue(0, 1)
    Worker(work, stop, kinds={"one": JobKind(slow, batch=2)}).run()
    assert [(job.state, job.attempts, job.lease_token) for job in _jobs(work)] == [("queued", 0, None)] * 2
    with work.database.read() as session:
        assert session.execute(select(ProcessBeat)).first() is None, "signed off"


def test_a_database_that_is_away_is_waited_for(
    work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "DATABASE_RETRY_SECONDS", 0.01)
    recorder, stop = Recorder(), Stop()
    enqueue(0)
    troubles = [sqlite3.OperationalError("database is locked")] * 2
    real = work.database.write

    @contextmanager
    def sometimes() -> Iterator[Any]:
        if troubles and threading.current_thread() is threading.main_thread():
            from sqlalchemy.exc import OperationalError

            raise OperationalError("statement", {}, troubles.pop())
        with real() as session:
            yield session

    def stage(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        yield from recorder.stage(work, jobs)
        stop.request()

    monkeypatch.setattr(work.database, "write", sometimes)
    Worker(work, stop, kinds={"one": JobKind(stage)}).run()
    assert recorder.seen == [[0]]
    assert troubles == []


@contextmanager
def _idle(work: Work, kinds: Mapping[str, JobKind], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While a worker runs in a thread that has found nothing to do."""
    stop, rests = Stop(), threading.Event()
    rest = Worker._rest

    def resting(worker: Worker, changes: Changes) -> None:
        rests.set()
        rest(worker, changes)

    monkeypatch.setattr(Worker, "_rest", resting)
    thread = threading.Thread(target=Worker(work, stop, kinds=kinds).run)
    thread.start()
    try:
        assert rests.wait(20)
        yield
    finally:
        stop.request()
        thread.join(20)
        assert not thread.is_alive()


def _until(done: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    return done()


def test_an_idle_worker_learns_of_new_work_between_its_looks(
    work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    rarely = replace(work, settings=work.settings.model_copy(update={"poll_seconds": 3600.0}))
    with _idle(rarely, recorder.kinds, monkeypatch):
        for n in range(3):
            enqueue(n)
            assert _until(lambda n=n: [n] in recorder.seen)


def test_a_worker_that_hears_of_nothing_finds_work_by_looking(
    work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(Changes, "seen", lambda _changes: False)
    with _idle(work, recorder.kinds, monkeypatch):
        enqueue(1)
        assert _until(lambda: recorder.seen == [[1]])


def test_the_heartbeat_extends_leases_and_beats(work: Work, enqueue: Callable[..., None]) -> None:
    enqueue(0)
    with work.database.write() as session:
        jobs = queue.claim(session, worker="me", lease_seconds=0.6)
    with Heartbeat(work.database, lease_seconds=0.6) as heart, heart.holding(jobs):
        heart.tell(model="m-1")
        time.sleep(1.5)
        with work.database.read() as session:
            assert queue.due(session) is None, "the lease has been extended"
            beat = session.execute(select(ProcessBeat)).scalar_one()
            assert beat.state["model"] == "m-1"
            assert now() - beat.beat_at < timedelta(seconds=1)
    with work.database.read() as session:
        assert session.execute(select(ProcessBeat)).first() is None


def test_a_dead_workers_jobs_are_taken_over_in_time(work: Work, enqueue: Callable[..., None]) -> None:
    """The promise is 15 s; the lease of 10 s leaves 5 s to notice, here both are a tenth."""
    recorder, stop = Recorder(), Stop()
    quick = replace(work, settings=work.settings.model_copy(update={"lease_seconds": 1.0}))
    enqueue(0)
    with work.database.write() as session:
        queue.claim(session, worker="dead", lease_seconds=quick.settings.lease_seconds)

    def stage(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        yield from recorder.stage(work, jobs)
        stop.request()

    started = time.monotonic()
    Worker(quick, stop, kinds={"one": JobKind(stage)}).run()
    assert recorder.seen == [[0]]
    assert 0.5 < time.monotonic() - started < 3.0


def test_upkeep_is_scheduled_once_per_workspace(work: Work, workspace_id: int) -> None:
    ran: list[int] = []
    stop = Stop()

    def upkeep(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
        ran.append(jobs[0].workspace_id)
        with work.database.write() as session:
            queue.finish(session, jobs[0])
        stop.request()
        yield

    Worker(work, stop, kinds={"upkeep": JobKind(upkeep)}).run()
    assert ran == [workspace_id]
    assert _jobs(work) == []


def test_what_needs_no_model_goes_on_without_one(
    work: Work, enqueue: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active_model, "_loaded", {})  # as in a new process: other tests may have loaded one
    recorder = Recorder()
    nothing = replace(work, settings=work.settings.model_copy(update={"models_dir": work.settings.data_dir}))
    enqueue(0, kind="classify")
    enqueue(1, priority=Priority.BULK)
    _run(nothing, {"classify": JobKind(recorder.stage), **recorder.kinds})
    assert recorder.seen == [[1]]
    assert [(job.kind, job.attempts) for job in _jobs(work)] == [("classify", 0)]


def test_every_kind_of_job_has_its_stage() -> None:
    here = {
        "classify",
        "retag",
        "retrain",
        "vectors",
        "themes",
        "sample",
        "import",
        "erase",
        "merge",
        "replay",
        "news",
        "compact",
        "upkeep",
        "digest",
    }
    assert set(worker_module.KINDS) == here | {"fetch", "poll", "notify"}
    assert {"fetch", "poll", "notify"} == worker_module.ASKING, "what waits for others' servers has its own thread"


def test_sigterm_ends_the_process_in_seconds(work: Work, workspace_id: int, tmp_path: Any) -> None:
    environment = {
        **os.environ,
        "JOURNEYMAP_DATABASE_URL": work.settings.database_url,
        "JOURNEYMAP_DATA_DIR": str(tmp_path / "data"),
        "JOURNEYMAP_SECRET_KEY": work.settings.secret_key,
    }
    process = subprocess.Popen([sys.executable, "-m", "service", "work"], env=environment, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with work.database.read() as session:
                if session.execute(text("SELECT count(*) FROM process_beat")).scalar_one():
                    break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)  # in the midst of loading a model, that ends first
    finally:
        process.kill()
    assert process.returncode == 0, errors.decode()
    with work.database.read() as session:
        assert session.execute(text("SELECT count(*) FROM process_beat")).scalar_one() == 0


@pytest.mark.parametrize(("asked", "threads"), [(None, 1), ("2", 2)])
def test_products_of_matrices_take_no_threads_unless_asked(asked: str | None, threads: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {} if asked is None else {"OPENBLAS_NUM_THREADS": asked}
    code = (
        "import service.worker, threading, numpy, psutil\n"
        "rows = numpy.ones((500, 500))\n"
        "rows @ rows\n"
        "print(psutil.Process().num_threads() - threading.active_count())"
    )
    found = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    # numpy and scipy each bring a library of their own, with a pool of one thread fewer than it may use
    assert (int(found.stdout) == 0) is (min(threads, os.cpu_count() or 1) == 1)
