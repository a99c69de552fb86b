"""What a web process has running for deliveries: the remembered endpoints, their watch, and the writer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from service.auth import Vault
from service.errors import CannotStore, Gone, NotFound
from service.ingest.endpoint_cache import REFRESH_SECONDS, RETRY_SECONDS, EndpointCache
from service.ingest.group_commit import RETRY_AFTER_SECONDS, GroupWriter
from service.ingest.incoming import Call
from service.ingest.senders import SENDERS
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import Endpoint

# a sender waits for five seconds at least; what takes longer to store goes to the spool
WAIT_SECONDS = 2.0
ANSWER_SECONDS = 10.0  # then the caller is told to come again, whatever holds us up; most wait no longer


class Intake:
    """Everything between a delivery's arrival and its answer; runs while one of its `with` blocks lasts."""

    def __init__(self, settings_of: Callable[[], Settings], vault: Vault) -> None:
        settings = settings_of()
        self._database = Database(settings.sqlalchemy_url, pool_size=4, wait_seconds=WAIT_SECONDS)
        self.endpoints = EndpointCache(self._database, vault, settings.endpoints_copy)
        self._writer = GroupWriter(settings_of, vault, database=self._database, cache=self.endpoints)
        self._lock = threading.Lock()
        self._users = 0
        self._ending = threading.Event()
        self._watch: threading.Thread | None = None

    def __enter__(self) -> Intake:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._ending.clear()
                self._watch = threading.Thread(target=self._watching, name="endpoint-watch", daemon=True)
                self._watch.start()
                self.endpoints.listen()
                self._writer.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            self._ending.set()
            self.endpoints.unlisten()
            self._writer.stop()
            if self._watch is not None:
                self._watch.join(timeout=10 * WAIT_SECONDS)
            self._database.dispose()

    async def endpoint(self, sender: str, public_id: str) -> Endpoint:
        """The endpoint of an address; NotFound, Gone where it was removed, CannotStore if that can't be told."""
        found = self.endpoints.fresh(public_id)
        if found is None:
            found = await run_in_threadpool(self.endpoints.find, public_id)
        if found is None or found.sender != sender or sender not in SENDERS:
            raise NotFound("There is no such webhook address.")
        if found.removed_at is not None:
            raise Gone("This webhook address was removed; stop sending to it.")
        return found

    async def store(self, endpoint: Endpoint, call: Call, received_at: datetime) -> None:
        """Have a verified call stored; when this returns it survives a power loss.

        Raises what `deliver` raises, and CannotStore where too many wait or nothing can be kept.
        """
        answer = asyncio.wrap_future(self._writer.submit(endpoint, call, received_at))
        try:
            await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError as error:
            raise CannotStore(
                "It takes too long to store this; send it again later.", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from error

    def _watching(self) -> None:
        while not self._ending.wait(REFRESH_SECONDS if self.endpoints.refresh() else RETRY_SECONDS):
            pass


async def get_intake(request: Request) -> Intake:
    """The app's intake of deliveries."""
    intake: Intake = request.app.state.intake
    return intake


IntakeOf = Annotated[Intake, Depends(get_intake)]
