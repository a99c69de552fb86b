"""What a stage function gets from the worker, and the shape that all of them have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from service.auth import Vault
from service.settings import Settings
from service.store.engine import Database
from service.store.queue import ClaimedJob

LATELY_SECONDS = 10.0


class Arrivals:
    """Whether feedback has come in one by one lately: whoever stores a file stands back for it then."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def note(self) -> None:
        """One has come."""
        self._last = time.monotonic()

    @property
    def lately(self) -> bool:
        """Whether one came within LATELY_SECONDS."""
        return time.monotonic() - self._last < LATELY_SECONDS


@dataclass(frozen=True, slots=True)
class Work:
    """The worker's means, handed to every stage function."""

    settings: Settings
    database: Database
    vault: Vault
    arrivals: Arrivals = field(default_factory=Arrivals)

    @property
    def write_lock_wanted(self) -> bool:
        """Whether senders wait while a transaction is open: SQLite has one writer at a time, and they send now."""
        return self.database.is_sqlite and self.arrivals.lately


# A stage function is a generator: it yields between transactions, so that the worker can run what is more
# urgent in between. Every transaction that stores results starts with queue.hold for each job, the last one
# calls queue.finish for each.
Stage = Callable[[Work, Sequence[ClaimedJob]], Iterator[None]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """How the worker runs one kind of job."""

    stage: Stage
    batch: int = 1  # how many jobs the stage takes at once
    batch_items: int | None = None  # and how many items of their payloads together (a longer job comes alone)
    bulk: int = 1  # how many jobs it takes at once of what no single arrival brought
    on_dead: Callable[[Work, ClaimedJob, str], None] | None = None  # told when a job is given up
