"""Webhook addresses as this process remembers them, so that deliveries are verified while the database is away.

All of them are read again every few seconds, in every process: what one process changes holds in all within
`MAX_AGE_SECONDS`, in the same process at once. An encrypted copy lies in DATA_DIR for a start without database.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import object_session
from sqlmodel import col, select

from service.auth import Vault
from service.errors import CannotStore
from service.store.engine import Database
from service.store.schema import Endpoint

log = logging.getLogger(__name__)

REFRESH_SECONDS = 2.0
RETRY_SECONDS = 1.0  # how often the database is asked while it is away
MAX_AGE_SECONDS = 6.0  # what is older is not relied on while the database can be asked
FORGOTTEN_SECONDS = 60.0  # a reading that began before a change does not take longer
RETRY_AFTER_SECONDS = 10
COLUMNS = (
    "id",
    "workspace_id",
    "public_id",
    "sender",
    "name",
    "source",
    "secrets",
    "options",
    "created_at",
    "removed_at",
)


class EndpointCache:
    """The endpoints by the id that stands in their address; `refresh` is called by the process's watch."""

    def __init__(self, database: Database, vault: Vault, path: Path) -> None:
        self._database, self._vault, self._path = database, vault, path
        self._lock = threading.Lock()
        self._known: dict[str, Endpoint] = {}
        self._forgotten: dict[str, float] = {}
        self._read_at: float | None = None
        self._failed_at: float | None = None
        self._copy_sha256 = ""
        self._copy_read = False

    @property
    def reachable(self) -> bool:
        """Whether the database answered when it was asked last; true before it was asked at all."""
        return self._failed_at is None

    def fresh(self, public_id: str) -> Endpoint | None:
        """The endpoint where it is known, as recently as it can be; None says nothing: ask `find`. Never waits."""
        if self.reachable and (self._read_at is None or time.monotonic() - self._read_at > MAX_AGE_SECONDS):
            return None
        return self._known.get(public_id)

    def find(self, public_id: str) -> Endpoint | None:
        """The endpoint, None if there surely is none; reads the database where that can be asked.

        CannotStore while it is away and the endpoint is not remembered.
        """
        if self.reachable:
            began = time.monotonic()
            try:
                with self._database.read() as session:
                    row = session.exec(select(Endpoint).where(Endpoint.public_id == public_id)).first()
            except SQLAlchemyError as error:
                self.note_away(error)
            else:
                self._remember([row] if row is not None else [], began)
                return row
        self._read_copy()
        remembered = self._known.get(public_id)
        if remembered is None:
            raise CannotStore(
                "The database is away, and this address was never used here.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        return remembered

    def forget(self, public_id: str) -> None:
        """It was changed: the next delivery asks the database."""
        with self._lock:
            self._known.pop(public_id, None)
            self._forgotten[public_id] = time.monotonic()

    def listen(self) -> None:
        """From now on forget every endpoint that this process changes, at once."""
        event.listen(Endpoint, "after_update", self._changed)

    def unlisten(self) -> None:
        """The end of `listen`."""
        event.remove(Endpoint, "after_update", self._changed)

    def _changed(self, _mapper: object, _connection: object, endpoint: Endpoint) -> None:
        session, public_id = object_session(endpoint), endpoint.public_id
        if session is not None:
            # not yet: until the commit others read what was before
            event.listen(session, "after_commit", lambda _session: self.forget(public_id), once=True)

    def note_away(self, error: BaseException) -> None:
        """Somebody found the database away."""
        if self._failed_at is None:
            log.warning("the database can't be reached: %s", type(error).__name__)
        self._failed_at = time.monotonic()

    def refresh(self) -> bool:
        """Read all endpoints again; False if the database is away."""
        began = time.monotonic()
        try:
            with self._database.read() as session:
                rows = list(session.exec(select(Endpoint).order_by(col(Endpoint.id))))
        except SQLAlchemyError as error:
            self.note_away(error)
            return False
        self._remember(rows, began, all_of_them=True)
        if self._failed_at is not None:
            log.info("the database answers again")
        self._read_at, self._failed_at = began, None
        self._write_copy(rows)
        return True

    def _remember(self, rows: Iterable[Endpoint], began: float, *, all_of_them: bool = False) -> None:
        """Keep what was read since `began`, but for what was changed meanwhile."""
        with self._lock:
            changed = {name for name, at in self._forgotten.items() if at >= began}
            found = {row.public_id: row for row in rows if row.public_id not in changed}
            if all_of_them:
                self._known = found
                self._forgotten = {
                    name: at for name, at in self._forgotten.items() if at >= began - FORGOTTEN_SECONDS
                }
            else:
                self._known.update(found)

    def _write_copy(self, rows: list[Endpoint]) -> None:
        content = json.dumps([_told(row) for row in rows]).encode()
        digest = hashlib.sha256(content).hexdigest()
        if digest == self._copy_sha256 and self._path.exists():
            return
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._vault.seal(content))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            log.warning("the copy of the webhook addresses can't be written: %s", error.strerror)
            return
        self._copy_sha256 = digest

    def _read_copy(self) -> None:
        """The copy on disk, once, where nothing was read from the database yet."""
        with self._lock:
            if self._copy_read or self._read_at is not None:
                return
            self._copy_read = True
            try:
                rows = [_read(one) for one in json.loads(self._vault.unseal(self._path.read_bytes()))]
            except FileNotFoundError:
                return
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.error("the copy of the webhook addresses can't be read: %s", type(error).__name__)
                return
            self._known = {row.public_id: row for row in rows} | self._known


def _told(row: Endpoint) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in COLUMNS}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _read(values: dict[str, Any]) -> Endpoint:
    moments = {
        name: datetime.fromisoformat(values[name]) if values[name] is not None else None
        for name in ("created_at", "removed_at")
    }
    return Endpoint(**{name: values[name] for name in COLUMNS} | moments)
