"""A worker's sign of life: extends the leases of the jobs it holds and keeps its row in process_beat fresh."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import CursorResult, delete, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import ProcessBeat

log = logging.getLogger(__name__)


class Heartbeat:
    """Beats three times a lease in a thread of its own, for as long as its `with` block lasts.

    A beat that fails (database locked or away) is logged and tried again at the next; when the leases run out
    meanwhile, another worker takes the jobs and this one finds out by LeaseLost.
    """

    def __init__(self, database: Database, *, lease_seconds: float, kind: str = "worker") -> None:
        self._kind = kind
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._database = database
        self._lease_seconds = lease_seconds
        self._held: dict[int, queue.ClaimedJob] = {}
        self._state: dict[str, Any] = {"model": None, "pid": os.getpid()}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self.beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=2)
        try:
            with self._database.write() as session:
                session.execute(delete(ProcessBeat).where(ProcessBeat.name == self.name))  # type: ignore[arg-type]
        except SQLAlchemyError as error:
            log.warning("could not sign off: %s", type(error).__name__)

    @contextmanager
    def holding(self, jobs: Iterable[queue.ClaimedJob]) -> Iterator[None]:
        """Keep the leases of these jobs while the block runs."""
        held = {job.id: job for job in jobs}
        with self._lock:
            self._held.update(held)
        try:
            yield
        finally:
            with self._lock:
                for job_id in held:
                    self._held.pop(job_id, None)

    def tell(self, **state: Any) -> None:
        """Change what the beat says about this worker (`model`: the version it has loaded), at once."""
        with self._lock:
            self._state.update(state)
        self.beat()

    def beat(self) -> None:
        """One beat; a database error is logged."""
        with self._lock:
            jobs, state = list(self._held.values()), dict(self._state)
        try:
            with self._database.write() as session:
                moment = now()
                seen = session.execute(
                    update(ProcessBeat)
                    .where(col(ProcessBeat.name) == self.name)
                    .values(beat_at=moment, state=state),
                    execution_options=queue.UNTRACKED,
                )
                if cast("CursorResult[Any]", seen).rowcount == 0:
                    session.add(ProcessBeat(name=self.name, kind=self._kind, beat_at=moment, state=state))
                queue.extend(session, jobs, lease_seconds=self._lease_seconds)
        except SQLAlchemyError as error:
            log.warning("a beat failed: %s", type(error).__name__)

    def _run(self) -> None:
        while not self._ended.wait(self._lease_seconds / 3):
            self.beat()
