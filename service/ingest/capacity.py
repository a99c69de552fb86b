"""Whether there is room for more: the queue's length and the disk, asked by every way in before it writes."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import Depends

from service.dependencies import AnyCaller, DatabaseOf, SettingsOf
from service.errors import CannotStore, TooManyRequests
from service.settings import Settings
from service.store import queue
from service.store.engine import Database

REMEMBERED_SECONDS = 1.0  # asking the disk and the queue for every call would cost more than the call
RETRY_QUEUE_SECONDS = 10
RETRY_DISK_SECONDS = 60

_lock = threading.Lock()
# per database: when it was asked, jobs that wait, free MiB
_known: WeakKeyDictionary[Database, tuple[float, int, float]] = WeakKeyDictionary()


def ensure_capacity(database: Database, settings: Settings) -> None:
    """TooManyRequests where too many jobs wait, CannotStore where the disk is nearly full; else nothing.

    Reads on a session of its own: call it before the writing transaction begins.
    """
    jobs, free_mb = _measured(database, settings)
    if free_mb < settings.min_free_disk_mb:
        raise CannotStore(
            f"Less than {settings.min_free_disk_mb} MiB of disk are free; nothing is taken until there is more.",
            retry_after_seconds=RETRY_DISK_SECONDS,
        )
    if jobs > settings.max_queue_jobs:
        raise TooManyRequests(
            f"{jobs} jobs wait to be worked off, the limit is {settings.max_queue_jobs}; send it again later.",
            retry_after_seconds=RETRY_QUEUE_SECONDS,
        )


def _measured(database: Database, settings: Settings) -> tuple[int, float]:
    with _lock:
        known = _known.get(database)
        if known is not None and time.monotonic() - known[0] < REMEMBERED_SECONDS:
            return known[1], known[2]
    with database.read() as session:
        jobs = queue.waiting(session)
    free_mb = shutil.disk_usage(_existing(settings.data_dir)).free / 1024**2
    with _lock:
        _known[database] = (time.monotonic(), jobs, free_mb)
    return jobs, free_mb


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists: the disk it will be on."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def require_capacity(_caller: AnyCaller, database: DatabaseOf, settings: SettingsOf) -> None:
    """`ensure_capacity` for routes, asked only of known callers."""
    ensure_capacity(database, settings)


# stands in a route's signature before its `Db`
RoomLeft = Annotated[None, Depends(require_capacity)]
