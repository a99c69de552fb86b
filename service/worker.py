"""The worker: claim, run, finish; and the table of what it can do."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlmodel import col

from nlp.artifact import ArtifactError
from service.aggregate.grouping import regroup
from service.aggregate.score_effects import score_effects
from service.auth import Vault
from service.classify.active_model import get_pipeline, likeness_of
from service.classify.batch import SLICE_ITEMS, classify
from service.classify.batch import given_up as tagging_given_up
from service.classify.retag import Which, enqueue_retag, retag
from service.classify.retag import given_up as retagging_given_up
from service.classify.vectors import make_vectors
from service.errors import cannot_store
from service.heartbeat import Heartbeat
from service.ingest.erasure import erase
from service.ingest.fetch import fetch
from service.ingest.imports import on_dead as import_given_up
from service.ingest.imports import read_file
from service.ingest.merges import merge
from service.ingest.poll import enqueue_due, poll
from service.ingest.replays import replay
from service.ingest.sample import run as sample
from service.learn.retrain import retrain
from service.monitor import logs
from service.monitor.retention import upkeep
from service.notify.digest_schedule import enqueue_due_digests, make_digest
from service.notify.outgoing import ask_for_news, look_for_news, send
from service.process import look_for_rubbish_less
from service.settings import Settings
from service.stop import Stop
from service.store import learned, queue
from service.store.changes import Changes
from service.store.engine import Database
from service.store.meaning_blocks import ask_vectors
from service.store.queue import ClaimedJob, Due, LeaseLost, Priority
from service.store.rollups import compact
from service.store.schema import Workspace
from service.store.score_effects import counted_by
from service.store.theme_upkeep import ask_themes
from service.suggest.theme_fits import fit_themes
from service.work import JobKind, Work

log = logging.getLogger(__name__)

KINDS: Mapping[str, JobKind] = {
    "classify": JobKind(classify, batch=64, batch_items=SLICE_ITEMS, bulk=20, on_dead=tagging_given_up),
    "retag": JobKind(retag, on_dead=retagging_given_up),
    "retrain": JobKind(retrain),
    "vectors": JobKind(make_vectors),
    "themes": JobKind(partial(regroup, likeness_of=likeness_of, afterwards=fit_themes)),
    "erase": JobKind(erase),
    "merge": JobKind(merge),
    "fetch": JobKind(fetch),
    "poll": JobKind(poll),
    "replay": JobKind(replay),
    "sample": JobKind(sample),
    "import": JobKind(read_file, on_dead=import_given_up),
    "news": JobKind(look_for_news),
    "digest": JobKind(make_digest),
    "notify": JobKind(send, batch=8),
    "compact": JobKind(compact),
    "upkeep": JobKind(upkeep),
}
NEEDS_MODEL = frozenset({"classify", "retag", "retrain", "themes", "vectors"})
# they wait for other people's servers: in a thread of their own, so that tagging never waits for them
ASKING = frozenset({"fetch", "poll", "notify"})
HOUSEKEEPING = frozenset({"compact", "upkeep"})

# a job that ends its worker again and again (memory, a crash in a library) must not stop all work for good
CRASHES_PER_ATTEMPT = 2
UPKEEP_SECONDS = 3600.0
DIGEST_LOOK_SECONDS = 60.0  # how soon a digest that is due is made
POLL_LOOK_SECONDS = 5.0  # how soon an endpoint that is due is polled
HOUSEKEEPING_SECONDS = 10.0
MODEL_RETRY_SECONDS = 5.0
MODEL_LOOK_SECONDS = 20.0  # how soon a newly published model is taken up
DATABASE_RETRY_SECONDS = 1.0
WATCH_SECONDS = 0.04  # how often an idle worker asks whether anything was committed, and if so looks for work
# single arrivals go first, but where more come than can be tagged, other work gets its share of the time (setting
# SINGLE_SHARE) after so long; neither side can save up more than that
OTHERS_AFTER_SECONDS = 5.0
LOCK_FREE_SECONDS = 0.003  # between two transactions: whoever looks every millisecond finds SQLite's lock free
ASKING_STOP_SECONDS = 5.0  # an answer that comes later than that is asked for again by another worker


class Worker:
    """One process's loop over the queue; `run` returns when asked to stop.

    One that `watches` learns of new work within WATCH_SECONDS; any other at its next look, as both do of what
    becomes due by time (setting POLL_SECONDS).
    """

    def __init__(
        self,
        work: Work,
        stop: Stop,
        *,
        kinds: Mapping[str, JobKind] = KINDS,
        beats_as: str = "worker",
        watches: bool = True,
    ) -> None:
        self._work = work
        self._database = work.database
        self._settings = work.settings
        self._stop = stop
        self._kinds = kinds
        self._watches = watches
        self._heart = Heartbeat(work.database, lease_seconds=work.settings.lease_seconds, kind=beats_as)
        self._model: str | None = None  # version of the default one
        self._next_model_try = 0.0
        self._next_schedule = 0.0
        self._next_poll_look = 0.0
        self._next_digest_look = 0.0
        self._next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS
        self._credit = OTHERS_AFTER_SECONDS  # seconds that single arrivals may take before other work has its turn

    def run(self) -> None:
        """Work until asked to stop. A database that is locked or away is waited for."""
        with self._heart, Changes(self._database) as changes:
            log.info("worker started", extra={"worker": self._heart.name})
            while not self._stop.requested:
                try:
                    self._load_model()
                    self._schedule()
                    self._schedule_polls()
                    self._schedule_digests()
                    self._keep_house()
                    busy = self._run_others() or self._run_due()
                except SQLAlchemyError as error:
                    log.warning("the database can't be used now: %s", type(error).__name__)
                    self._stop.wait(DATABASE_RETRY_SECONDS)
                    continue
                if not busy:
                    self._rest(changes)
        log.info("worker stopped", extra={"worker": self._heart.name})

    def _rest(self, changes: Changes) -> None:
        """Wait for the next look: for a while, until somebody commits something, or until asked to stop."""
        until = time.monotonic() + self._settings.poll_seconds
        while (left := until - time.monotonic()) > 0:
            asked_to_stop = self._stop.wait(min(left, WATCH_SECONDS) if self._watches else left)
            if asked_to_stop or (self._watches and changes.seen()):
                return

    def run_until_idle(self) -> None:
        """Work until nothing is due; for one-off commands and tests."""
        with self._heart:
            self._load_model()
            while not self._stop.requested and (self._run_others() or self._run_due()):
                pass

    def _load_model(self) -> None:
        """Load the default model at the start, and another one soon after it was published."""
        if time.monotonic() < self._next_model_try or not NEEDS_MODEL & set(self._kinds):
            return
        try:
            version = get_pipeline(self._settings).model_version
        except Exception as error:
            # what needs no model goes on; `/readyz` says that none is loaded
            known = isinstance(error, ArtifactError | OSError)
            log.error("the model can't be loaded: %s", error if known else _reason(error))
            self._next_model_try = time.monotonic() + MODEL_RETRY_SECONDS
            return
        self._next_model_try = time.monotonic() + MODEL_LOOK_SECONDS
        if version == self._model:
            return
        if self._model is not None:
            log.info("a new model is in use", extra={"model": version, "before": self._model})
            self._next_schedule = 0.0  # what the one before has tagged is due
        self._model = version
        self._heart.tell(model=version)

    def _schedule(self) -> None:
        """At the start, hourly and after a new model: workspaces tidied up, learning and old labels renewed."""
        if time.monotonic() < self._next_schedule or "upkeep" not in self._kinds:
            return
        self._next_schedule = time.monotonic() + UPKEEP_SECONDS
        with self._database.write() as session:
            for workspace_id in session.execute(select(col(Workspace.id)).order_by(col(Workspace.id))).scalars():
                assert workspace_id is not None
                queue.enqueue(
                    session,
                    workspace_id=workspace_id,
                    kind="upkeep",
                    payload={},
                    priority=Priority.UPKEEP,
                    dedupe_key=f"upkeep:{workspace_id}",
                )
                if "themes" in self._kinds:
                    ask_themes(session, workspace_id)
                if "vectors" in self._kinds:
                    ask_vectors(session, workspace_id)
                if "news" in self._kinds:
                    ask_for_news(session, workspace_id=workspace_id)
                if "retrain" in self._kinds:
                    learned.ask_retrain(session, workspace_id, because="model")
                if "retag" in self._kinds:
                    which: Which = "all" if self._settings.retag_old else "fast"
                    enqueue_retag(session, workspace_id=workspace_id, which=which, priority=Priority.UPKEEP)

    def _schedule_polls(self) -> None:
        """Every few seconds: what is due to be asked of senders' APIs."""
        if "poll" in self._kinds and time.monotonic() >= self._next_poll_look:
            self._next_poll_look = time.monotonic() + POLL_LOOK_SECONDS
            enqueue_due(self._database)

    def _schedule_digests(self) -> None:
        """Every minute: workspaces whose weekly digest is due."""
        if "digest" in self._kinds and time.monotonic() >= self._next_digest_look:
            self._next_digest_look = time.monotonic() + DIGEST_LOOK_SECONDS
            enqueue_due_digests(self._database)

    def _run_others(self) -> bool:
        """Where for some time nothing but single arrivals was worked on: what else is due; False if nothing is."""
        return self._credit <= 0 and self._run_due(min_priority=Priority.SINGLE + 1)

    def _credit_singles(self, seconds: float) -> None:
        """What single arrivals may take more (or have taken, below zero)."""
        self._credit = max(-OTHERS_AFTER_SECONDS, min(OTHERS_AFTER_SECONDS, self._credit + seconds))

    def _run_due(
        self,
        *,
        min_priority: int = Priority.SINGLE,
        max_priority: int | None = None,
        kinds: Collection[str] | None = None,
    ) -> bool:
        """Run what is most urgent; False when nothing is due."""
        jobs = self._claim(
            min_priority=min_priority,
            max_priority=max_priority,
            kinds=self._kinds if kinds is None else kinds,
        )
        if not jobs:
            if kinds is None:
                self._credit = OTHERS_AFTER_SECONDS  # one side has nothing to do: nobody waits
            return False
        began = time.monotonic()
        if jobs[0].priority == Priority.SINGLE:
            self._work.arrivals.note()
        with self._heart.holding(jobs):
            sound = [job for job in jobs if not self._killed_too_many(job)]
            # jobs that failed or crashed before run alone, so that they take nobody with them
            fresh = [job for job in sound if job.attempts == 1 and job.crashes == 0]
            if fresh:
                self._run_batch(fresh)
            for job in sound:
                if job not in fresh:
                    self._run_batch([job])
        if jobs[0].priority == Priority.SINGLE:
            self._credit_singles(began - time.monotonic())
        return True

    def _keep_house(self) -> None:
        """Now and then, one job of those that always come last: during a long import they would never come."""
        if time.monotonic() >= self._next_housekeeping:
            self._next_housekeeping = time.monotonic() + HOUSEKEEPING_SECONDS
            self._run_due(kinds=HOUSEKEEPING & set(self._kinds))

    def _claim(self, *, min_priority: int, max_priority: int | None, kinds: Collection[str]) -> list[ClaimedJob]:
        """One kind's most urgent jobs: of single arrivals and of others as many as the kind takes at once."""
        with self._database.read() as session:
            able = self._able(kinds)
            found = queue.due(session, kinds=able, min_priority=min_priority, max_priority=max_priority)
        if found is None:
            return []
        limit = self._limit(found)
        with self._database.write() as session:
            return queue.claim(
                session,
                worker=self._heart.name,
                lease_seconds=self._settings.lease_seconds,
                limit=limit,
                kinds=[found.kind],
                min_priority=min_priority,
                max_priority=found.priority,
            )

    def _able(self, kinds: Collection[str]) -> list[str]:
        return [kind for kind in kinds if self._model is not None or kind not in NEEDS_MODEL]

    def _limit(self, found: Due) -> int:
        kind = self._kinds[found.kind]
        if found.priority != Priority.SINGLE:
            return kind.bulk
        if kind.batch_items is None:
            return kind.batch
        # a batch ends before other work has its turn: many full deliveries at once must not make it a long one
        with self._database.read() as session:
            return queue.jobs_within(session, found, jobs=kind.batch, items=kind.batch_items)

    def _run_batch(self, jobs: Sequence[ClaimedJob]) -> None:
        """Run jobs of one kind together; if that fails, each alone, so that one bad job fails alone."""
        if self._stop.requested:
            self._give_back(jobs)
            return
        try:
            self._drive(self._kinds[jobs[0].kind].stage(self._work, jobs), jobs)
        except LeaseLost as lost:
            log.warning("another worker took over: %s", lost)
            self._alone(jobs)
        except Exception as error:
            if isinstance(error, DBAPIError) and cannot_store(error):
                log.warning("the database can't be used now: %s; jobs given back", type(error).__name__)
                self._give_back(jobs)
                self._stop.wait(DATABASE_RETRY_SECONDS)
            elif len(jobs) > 1:
                self._alone(jobs)
            else:
                self._fail(jobs[0], _reason(error), trace=error)

    def _alone(self, jobs: Sequence[ClaimedJob]) -> None:
        if len(jobs) > 1:
            for job in jobs:
                self._run_batch([job])

    def _drive(self, stage: Iterator[None], jobs: Sequence[ClaimedJob]) -> None:
        """Step through a stage; between its transactions, stop if asked and let single arrivals go first.

        They go first, but not for ever: where they come faster than they can be tagged, the stage gets a share.
        """
        began = time.monotonic()
        for _ in stage:
            if self._stop.requested:
                close = getattr(stage, "close", None)
                if close is not None:
                    close()
                self._give_back(jobs)
                return
            if jobs[0].priority == Priority.SINGLE:
                continue
            if self._database.is_sqlite and self._singles_wait():
                self._work.arrivals.note()
            if self._work.write_lock_wanted:
                time.sleep(LOCK_FREE_SECONDS)
            self._credit_singles(self._settings.single_share * (time.monotonic() - began))
            while self._credit > 0 and not self._stop.requested and self._run_due(max_priority=Priority.SINGLE):
                pass
            if jobs[0].kind not in HOUSEKEEPING:
                self._keep_house()
            began = time.monotonic()

    def _singles_wait(self) -> bool:
        """Whether a single arrival is due, though its turn may be later."""
        with self._database.read() as session:
            return queue.due(session, kinds=self._able(self._kinds), max_priority=Priority.SINGLE) is not None

    def _give_back(self, jobs: Sequence[ClaimedJob]) -> None:
        try:
            with self._database.write() as session:
                queue.release(session, jobs)
        except SQLAlchemyError as error:
            # the lease will run out by itself
            log.warning("could not give %d jobs back: %s", len(jobs), type(error).__name__)

    def _killed_too_many(self, job: ClaimedJob) -> bool:
        if job.crashes < CRASHES_PER_ATTEMPT * self._settings.max_attempts:
            return False
        self._fail(job, f"its worker died {job.crashes} times over it", give_up=True)
        return True

    def _fail(
        self, job: ClaimedJob, reason: str, *, trace: Exception | None = None, give_up: bool = False
    ) -> None:
        allowed = 0 if give_up else self._settings.max_attempts
        with self._database.read() as session:
            attempts = queue.attempts_of(session, job)
        if attempts is None:
            return
        dead = attempts >= allowed
        log.error(
            "job failed: %s",
            reason,
            exc_info=trace,
            extra={"job": job.id, "kind": job.kind, "attempts": attempts, "dead": dead},
        )
        on_dead = self._kinds[job.kind].on_dead
        if dead and on_dead is not None:
            # before the job is set aside: if we die in between, the job comes again and so does this
            try:
                on_dead(self._work, job, reason)
            except SQLAlchemyError:
                raise  # the database is away: the job comes again
            except Exception as error:
                log.error("could not tell of the end of job %d: %s", job.id, _reason(error))
        with self._database.write() as session:
            queue.fail(session, job, error=reason, max_attempts=allowed)


def _reason(error: Exception) -> str:
    """What may be kept of an exception: its type and place. Its text may quote a customer."""
    found = logs.place(error)
    return f"{found['type']} at {found['where']}"


def run(settings: Settings, stop: Stop) -> None:
    """Run one worker on the settings' database until asked to stop."""
    look_for_rubbish_less()
    os.setpriority(os.PRIO_PROCESS, 0, max(settings.worker_nice, os.getpriority(os.PRIO_PROCESS, 0)))
    counted_by(score_effects)  # the news tell suggestions in the order of the pages
    database = Database(settings.sqlalchemy_url)
    work = Work(settings=settings, database=database, vault=Vault(settings))
    here = {name: kind for name, kind in KINDS.items() if name not in ASKING}
    # whom it asks takes longer than its next look comes: no need for one after every commit of the others
    asking = Worker(work, stop, kinds={name: KINDS[name] for name in ASKING}, beats_as="asking", watches=False)
    thread = threading.Thread(target=asking.run, name="asking", daemon=True)
    try:
        thread.start()
        Worker(work, stop, kinds=here).run()
        thread.join(ASKING_STOP_SECONDS)
    finally:
        database.dispose()
