"""Work on what comes next, done in small steps while somebody else is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Iterates over `source`, of which others may take steps beforehand, up to the next T.

    `source` yields None after each step that does not complete a T; iterating over this yields the same, less the
    steps that `step` has taken. What the source raises in a step is raised here, in its place.

    In one thread: a second one that reads beside the one that stores would have its hour when the latter waits for
    the interpreter and not when it waits for the server.
    """

    def __init__(self, source: Iterator[T | None]) -> None:
        self._source = source
        self._found: T | None = None
        self._error: Exception | None = None
        self._over = False

    def step(self) -> bool:
        """Take one step, unless the next T is complete or the source has ended: False then."""
        if self._found is not None or self._over:
            return False
        try:
            self._found = next(self._source)
        except StopIteration:
            self._over = True
        except Exception as error:  # it says nothing about what is being done meanwhile
            self._over, self._error = True, error
        return True

    def __iter__(self) -> Iterator[T | None]:
        while True:
            self.step()
            if self._error is not None:
                raise self._error
            if self._over and self._found is None:
                return
            found, self._found = self._found, None
            yield found
