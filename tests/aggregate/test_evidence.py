"""How much a column rests on, and since when nothing new came."""

from __future__ import annotations

from datetime import date

from service.aggregate.evidence import FAIR, STALE_DAYS, THIN, staleness, strength
from service.intervals import share_interval
from service.selection import EPOCH

TODAY = date(2026, 11, 16)
NOW = (TODAY - EPOCH).days


def test_strength_goes_by_people() -> None:
    assert strength(0, 0)["strength"] == "none"
    assert strength(500, THIN - 1)["strength"] == "thin"
    assert strength(500, THIN)["strength"] == "fair"
    assert strength(500, FAIR)["strength"] == "good"
    assert "5 people" in strength(9, 5)["says"]


def test_the_limits_are_what_they_are_said_to_be() -> None:
    def width(n: int) -> float:
        found = share_interval(0.5, n)
        return found.high - found.low

    assert width(THIN - 1) > 0.34 > width(THIN + 1)
    assert width(FAIR - 1) > 0.136 > width(FAIR + 5)


def test_stale_after_a_quarter_without_anything_new() -> None:
    assert not staleness(NOW - STALE_DAYS, today=TODAY, end=None)["stale"]
    old = staleness(NOW - STALE_DAYS - 1, today=TODAY, end=None)
    assert old["stale"]
    assert old["says"] == "No new evidence since 2026-08-17, for 91 days."
    assert staleness(None, today=TODAY, end=None)["stale"]


def test_a_period_is_judged_by_its_own_end() -> None:
    found = staleness(NOW - 400, today=TODAY, end=NOW - 399)
    assert (found["days"], found["stale"]) == (0, False)
    # a period that is not over is judged by today
    assert staleness(NOW - 100, today=TODAY, end=NOW + 200)["days"] == 100
