"""Reading ahead: order, errors in their place, and an end that waits for nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from service.read_ahead import ReadAhead


def test_everything_comes_in_its_order() -> None:
    with ReadAhead(iter(range(100))) as parts:
        assert list(parts) == list(range(100))


def test_only_a_little_is_read_before_it_is_wanted() -> None:
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    with ReadAhead(numbers()) as parts:
        assert next(parts) == 0
        # one that waits and one in hand, however slow the storing is
        assert len(read) <= 4


def test_an_error_comes_after_what_was_read_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("row 2")

    with ReadAhead(broken()) as parts:
        assert next(parts) == 1
        with pytest.raises(ValueError, match="row 2"):
            next(parts)


def test_leaving_early_ends_the_thread_and_the_reading() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    with ReadAhead(endless()) as parts:
        next(parts)
    assert closed.is_set()
    assert threading.active_count() == before
