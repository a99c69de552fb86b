"""What a stage function gets from the worker, and the shape that all of them have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from service.auth import Vault
from service.settings import Settings
from service.store.engine import Database
from service.store.queue import ClaimedJob


@dataclass(frozen=True, slots=True)
class Work:
    """The worker's means, handed to every stage function."""

    settings: Settings
    database: Database
    vault: Vault


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
    takes_turns: bool = False  # one step for every batch of single arrivals, where its steps are as short as these
    bulk: int = 1  # how many jobs it takes at once of what no single arrival brought
    on_dead: Callable[[Work, ClaimedJob, str], None] | None = None  # told when a job is given up
