"""Steps taken ahead: order, no further than one, errors in their place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.ahead import Ahead


class Numbers:
    """0, 1, 2 … each after two steps, and how many steps were taken."""

    def __init__(self, count: int) -> None:
        self.steps = 0
        self._count = count

    def __iter__(self) -> Iterator[int | None]:
        for number in range(self._count):
            for found in (None, None, number):
                self.steps += 1
                yield found


@pytest.mark.parametrize("ahead_of_each", [0, 1, 2, 3, 50])
def test_everything_comes_in_its_order_however_much_is_done_ahead(ahead_of_each: int) -> None:
    numbers = Numbers(20)
    ahead = Ahead(iter(numbers))
    found = []
    for number in ahead:
        if number is not None:
            found.append(number)
            for _ in range(ahead_of_each):
                ahead.step()
    assert found == list(range(20))
    assert numbers.steps == 60


def test_steps_end_at_what_is_not_taken_yet() -> None:
    numbers = Numbers(20)
    ahead = Ahead(iter(numbers))
    for _ in range(50):
        ahead.step()
    assert numbers.steps == 3
    assert next(iter(ahead)) == 0


def test_who_iterates_has_a_turn_after_every_step_that_is_left() -> None:
    assert list(Ahead(iter(Numbers(2)))) == [None, None, 0, None, None, 1]


def test_an_error_comes_after_what_was_found_before_it() -> None:
    def broken() -> Iterator[int | None]:
        yield 1
        yield None
        raise ValueError("row 2")

    ahead = Ahead(broken())
    parts = iter(ahead)
    assert next(parts) == 1
    for _ in range(5):
        ahead.step()  # raises nothing: what is done meanwhile has no part in it
    with pytest.raises(ValueError, match="row 2"):
        list(parts)


def test_leaving_ends_the_reading() -> None:
    closed = []

    def endless() -> Iterator[int | None]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    def some() -> Iterator[int | None]:
        yield from Ahead(endless())

    parts = some()
    next(parts)
    parts.close()
    del parts
    assert closed == [True]
