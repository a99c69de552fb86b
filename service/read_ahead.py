"""The next part of a file is read and checked while the one before is stored."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.2  # how soon a reader that can't hand over sees that nobody takes any more


class ReadAhead(Generic[T]):
    """Runs an iterator in a thread of its own, one step ahead of who iterates over this.

    While the database works or waits for the disk, Python does not, so that reading costs less time by the clock.
    What the iterator raises is raised here, in its place. Leaving the `with` block ends the thread.
    """

    def __init__(self, source: Iterator[T]) -> None:
        self._source = source
        self._read: queue.Queue[T | _End] = queue.Queue(1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._taken()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with suppress(queue.Empty):
            self._read.get_nowait()  # so that the reader need not wait
        self._thread.join()

    def _taken(self) -> Iterator[T]:
        while True:
            one = self._read.get()
            if isinstance(one, _End):
                if one.error is not None:
                    raise one.error
                return
            yield one

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for one in self._source:
                if not self._put(one):
                    return
        except BaseException as raised:  # whoever waits for the next part must hear of it
            error = raised
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        self._put(_End(error))

    def _put(self, one: T | _End) -> bool:
        while not self._over.is_set():
            with suppress(queue.Full):
                self._read.put(one, timeout=_LOOK_SECONDS)
                return True
        return False


class _End:
    """The last thing read: nothing more comes, or why."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
