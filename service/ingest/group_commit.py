"""The one thread of a process that stores deliveries: several of them in one durable commit.

A commit waits for the disk, and on SQLite for the one write lock. While it does, further deliveries gather and go
together into the next one, each in a savepoint of its own, so that a bad one fails alone. Whoever waits is told
after the commit. While the database is away everything goes to the spool and waits there in its order.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from service.auth import Vault
from service.errors import CannotStore, JourneymapError, crossed_locks, database_away
from service.ingest.capacity import ensure_capacity
from service.ingest.deliver_together import Arrival, deliver_together
from service.ingest.endpoint_cache import EndpointCache
from service.ingest.incoming import Call
from service.ingest.spool import Spool, SpoolFull
from service.ingest.spooled import Verified, deliver_spooled, sealed
from service.settings import Settings
from service.store.engine import Database
from service.store.migrate import current
from service.store.schema import Endpoint

log = logging.getLogger(__name__)

GROUP_DELIVERIES = 64  # in one commit: more would make the first of them wait
GROUP_BYTES = 8 * 1024**2
CROSSED_TRIES = 5
TICK_SECONDS = 1.0  # how soon files of ended processes are looked for when nothing comes in
DRAIN_TICK_SECONDS = 0.05
ADOPT_SECONDS = 5.0
FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.5, 5.0
RETRY_AFTER_SECONDS = 5
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    endpoint: Endpoint
    call: Call
    received_at: datetime
    answer: Future[None]


class GroupWriter:
    """Takes verified deliveries from any thread; `start` and `stop` are called by their owner."""

    def __init__(
        self,
        settings_of: Callable[[], Settings],
        vault: Vault,
        *,
        database: Database,
        cache: EndpointCache,
    ) -> None:
        settings = settings_of()
        self._settings_of, self._vault = settings_of, vault
        self._database, self._cache = database, cache
        self._spool = Spool(settings.spool_dir)
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(settings.max_waiting_deliveries)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._migrated = False
        self._backoff = FIRST_BACKOFF_SECONDS
        self._next_try = 0.0
        self._next_adoption = 0.0

    def start(self) -> None:
        """Begin to store; files that ended processes left behind are drained first."""
        with self._lock:
            if self._thread is None:
                self._ending.clear()
                self._thread = threading.Thread(target=self._run, name="delivery-writer", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Store or spool what waits, then end."""
        with self._lock:
            thread, self._thread = self._thread, None
        self._ending.set()
        with suppress(queue.Full):
            self._queue.put_nowait(None)  # so that it need not wait for the end of a tick
        if thread is not None:
            thread.join(STOP_SECONDS)

    def submit(self, endpoint: Endpoint, call: Call, received_at: datetime) -> Future[None]:
        """Have a verified delivery stored; the future ends when it is durable, or with why it could not be.

        CannotStore where too many wait already.
        """
        answer: Future[None] = Future()
        answer.set_running_or_notify_cancel()  # a caller that hangs up does not take its delivery back
        try:
            self._queue.put_nowait(_Waiting(endpoint, call, received_at, answer))
        except queue.Full:
            raise CannotStore(
                "Too many deliveries wait to be stored; send it again later.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            ) from None
        if self._thread is None:
            self.start()
        return answer

    def _run(self) -> None:
        self._spool.adopt(set_aside=True)
        while True:
            group: list[_Waiting] = []
            try:
                group = self._gathered()
                if group:
                    self._store(group)
                self._drain()
                self._adopt()
            except Exception as error:
                # a defect of ours must end neither the thread nor the wait of those who were in the group
                log.exception("the writer of deliveries failed: %s", type(error).__name__)
                self._next_try = time.monotonic() + MAX_BACKOFF_SECONDS
                for one in group:
                    if not one.answer.done():
                        one.answer.set_exception(error)
            if self._ending.is_set() and self._queue.empty():
                break
        self._spool.close()

    def _gathered(self) -> list[_Waiting]:
        """What waits, up to a group; an empty list when nothing came for a while."""
        wait = DRAIN_TICK_SECONDS if self._spool.waiting or self._ending.is_set() else TICK_SECONDS
        group: list[_Waiting] = []
        size = 0
        while len(group) < GROUP_DELIVERIES and size < GROUP_BYTES:
            try:
                one = self._queue.get_nowait() if group else self._queue.get(timeout=wait)
            except queue.Empty:
                break
            if one is None:
                break
            group.append(one)
            size += len(one.call.body)
        return group

    def _store(self, group: Sequence[_Waiting], tries: int = CROSSED_TRIES) -> None:
        """Commit the group, or spool it; every answer is given."""
        if self._spool.waiting or not self._cache.reachable:
            self._keep(group)  # behind those that came before
            return
        try:
            ensure_capacity(self._database, self._settings_of())
            failed = self._commit(group)
        except JourneymapError as error:
            _refuse(group, error)
        except Exception as error:
            if database_away(error):
                self._note_away(error)
                self._keep(group)
            elif len(group) > 1:
                # crosswise locks with another process, or a defect at the commit: each by itself
                for one in group:
                    self._store([one])
            elif crossed_locks(error) and tries > 1:
                self._store(group, tries - 1)
            else:
                _refuse(group, error)
        else:
            for number, one in enumerate(group):
                if number in failed:
                    one.answer.set_exception(failed[number])
                else:
                    one.answer.set_result(None)

    def _commit(self, group: Sequence[_Waiting]) -> dict[int, Exception]:
        """All in one transaction; which of them failed by themselves."""
        arrivals = [Arrival(one.endpoint, one.call, one.received_at) for one in group]
        with self._database.write() as session:
            return deliver_together(
                session, self._vault, self._settings_of(), arrivals, raising=len(arrivals) == 1
            )

    def _keep(self, group: Sequence[_Waiting]) -> None:
        settings = self._settings_of()
        entries = []
        for one in group:
            assert one.endpoint.id is not None
            entries.append(sealed(self._vault, Verified(one.endpoint.id, one.received_at, one.call)))
        try:
            self._spool.append(
                entries,
                limit_bytes=settings.spool_max_mb * 1024**2,
                min_free_bytes=settings.min_free_disk_mb * 1024**2,
            )
        except SpoolFull as error:
            log.error("deliveries are refused: the database is away, and %s", error)
            _refuse(
                group,
                CannotStore("The database is away; send it again later.", retry_after_seconds=RETRY_AFTER_SECONDS),
            )
            return
        for one in group:
            one.answer.set_result(None)

    def _note_away(self, error: Exception) -> None:
        self._cache.note_away(error)
        self._next_try = time.monotonic() + self._backoff
        self._backoff = min(MAX_BACKOFF_SECONDS, 2 * self._backoff)

    def _drain(self) -> None:
        """One transaction's worth of the spool, if the database is back."""
        if not (self._spool.waiting and self._cache.reachable and time.monotonic() >= self._next_try):
            return
        settings = self._settings_of()
        entries = self._spool.head(most=GROUP_DELIVERIES, most_bytes=GROUP_BYTES)
        try:
            if entries and self._is_migrated():
                failed = self._deliver_spooled(settings, entries)
            elif entries:
                return
            else:
                failed = []
        except Exception as error:
            if database_away(error):
                self._note_away(error)
            elif not crossed_locks(error):
                raise
            return  # the same entries come again
        if failed:
            self._spool.set_aside(failed)
            log.error("%d spooled deliveries can't be stored; they are tried again at the next start", len(failed))
        self._spool.stored()
        self._backoff = FIRST_BACKOFF_SECONDS
        if not self._spool.waiting:
            log.info("the spool is empty: everything that came while the database was away is stored")

    def _deliver_spooled(self, settings: Settings, entries: Sequence[bytes]) -> list[bytes]:
        """Store entries, together or, where that fails, each by itself; those that can't be stored."""
        try:
            with self._database.write() as session:
                return deliver_spooled(session, self._vault, settings, entries)
        except Exception as error:
            if database_away(error) or (crossed_locks(error) and len(entries) == 1):
                raise
            log.error("spooled deliveries can't be stored: %s", type(error).__name__)
            if len(entries) == 1:
                return list(entries)
            return [one for entry in entries for one in self._deliver_spooled(settings, [entry])]

    def _is_migrated(self) -> bool:
        # started while the database was away, we may be ahead of its schema
        self._migrated = self._migrated or current(self._database)
        if not self._migrated:
            self._next_try = time.monotonic() + MAX_BACKOFF_SECONDS
        return self._migrated

    def _adopt(self) -> None:
        if time.monotonic() >= self._next_adoption:
            self._next_adoption = time.monotonic() + ADOPT_SECONDS
            self._spool.adopt()


def _refuse(group: Sequence[_Waiting], error: Exception) -> None:
    for one in group:
        one.answer.set_exception(error)
