"""What a sender withdraws goes with all that was told before; what is told later is taken, in any order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.ingest import erasure
from service.ingest.senders import SENDERS
from service.store.engine import Database
from service.store.schema import Delivery, ErasureMark, FeedbackItem, ItemVersion, Job, Segment
from service.work import Work
from tests.ingest.telling import TOLD, Desk, check_rollups, run_jobs

Told = dict[str, Any]
ORDERS = 12
FACTS = ("text", "score_value", "respondent", "conversation_id", "occurred_at", "attributes", "state")


@pytest.fixture
def desk(work: Work, workspace_id: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Desk]:
    monkeypatch.setitem(SENDERS, "told", TOLD)
    monkeypatch.setattr(erasure, "LATECOMER_SECONDS", 0.0)
    return lambda source: Desk(work, workspace_id, source)


def at(hour: int) -> str:
    return f"2026-11-20T{hour:02}:00:00+00:00"


def said(number: int, hour: int, **more: Any) -> Told:
    item = {"external_id": f"i-{number}", "conversation_id": "t-1", "updated_at": at(hour), **more}
    return {"items": [{name: value for name, value in item.items() if value is not None}]}


def binned(hour: int | None, kind: str = "conversation", key: str = "t-1") -> Told:
    return {"gone": [[kind, key, None if hour is None else at(hour)]]}


def stored(database: Database, source: str) -> dict[str, tuple[Any, ...]]:
    with database.read() as session:
        rows = session.execute(select(FeedbackItem).where(col(FeedbackItem.source) == source)).scalars()
        return {row.external_id or "": tuple(getattr(row, fact) for fact in FACTS) for row in rows}


def check_any_order(
    work: Work, desk: Callable[[str], Desk], workspace_id: int, calls: Sequence[Told], *, name: str = ""
) -> dict[str, tuple[Any, ...]]:
    """What the calls end in; fails unless random orders with repetitions end in the same."""
    chance = random.Random(11)
    wanted: dict[str, tuple[Any, ...]] | None = None
    for number in range(ORDERS):
        order = [*calls]
        if number:
            order += chance.choices(calls, k=len(calls))
            chance.shuffle(order)
        place = desk(f"{name}{number}")
        for call in order:
            place.tells(**call)
        found = stored(work.database, f"{name}{number}")
        wanted = found if wanted is None else wanted
        assert found == wanted, order
    check_rollups(work, workspace_id)
    return wanted or {}


BEFORE = [said(1, 1, text="Cheap pills.", respondent="p"), said(2, 2, text="More pills.")]


def test_what_was_told_before_stays_away(work: Work, desk: Callable[[str], Desk], workspace_id: int) -> None:
    other = {"items": [{"external_id": "i-3", "text": "All is well.", "conversation_id": "t-2"}]}
    found = check_any_order(work, desk, workspace_id, [*BEFORE, other, binned(3)])
    assert set(found) == {"i-3"}


def test_what_is_told_later_is_taken(work: Work, desk: Callable[[str], Desk], workspace_id: int) -> None:
    calls = [*BEFORE, binned(3), said(1, 4, text="It was no spam."), said(3, 5, text="Thank you.")]
    found = check_any_order(work, desk, workspace_id, calls)
    assert {key: values[0] for key, values in found.items()} == {"i-1": "It was no spam.", "i-3": "Thank you."}
    assert found["i-1"][2] is None, "who it was, was told before and not since"


def test_of_several_withdrawals_the_last_holds(work: Work, desk: Callable[[str], Desk], workspace_id: int) -> None:
    calls = [*BEFORE, binned(3), said(1, 4, text="It was no spam."), binned(6), said(3, 7, text="Thank you.")]
    found = check_any_order(work, desk, workspace_id, calls)
    assert set(found) == {"i-3"}


def test_an_erasure_is_final(work: Work, desk: Callable[[str], Desk], workspace_id: int) -> None:
    calls = [*BEFORE, binned(3), said(1, 4, text="It was no spam.")]
    for number, final in enumerate((binned(None), binned(None, "item", "i-1"), binned(None, "respondent", "p"))):
        erased = [*calls, final, said(1, 9, text="Once more.", respondent="p")]
        assert check_any_order(work, desk, workspace_id, erased, name=f"f{number}-") == {}


def test_a_part_that_does_not_say_whose_it_is_goes_too(
    work: Work, desk: Callable[[str], Desk], workspace_id: int
) -> None:
    score = said(1, 2, score={"kind": "csat", "value": 1}, conversation_id=None)
    later = said(1, 5, score={"kind": "csat", "value": 4}, conversation_id=None)
    assert check_any_order(work, desk, workspace_id, [BEFORE[0], score, binned(3)], name="a") == {}
    found = check_any_order(work, desk, workspace_id, [BEFORE[0], score, binned(3), later], name="b")
    assert [values[:4] for values in found.values()] == [(None, 4.0, None, None)]


def test_of_an_item_told_before_and_after_the_later_part_is_left(
    work: Work, desk: Callable[[str], Desk], database: Database, workspace_id: int
) -> None:
    first = said(1, 1, text="Cheap pills.", attributes={"plan": "pro"}, occurred_at=at(1))
    second = said(1, 2, text="Cheap pills!", respondent="p")
    score = said(1, 5, score={"kind": "csat", "value": 4})
    found = check_any_order(work, desk, workspace_id, [first, second, binned(3), score])
    assert found == {"i-1": (None, 4.0, None, "t-1", None, {}, "no_text")}
    with database.read() as session:
        assert session.execute(select(ItemVersion)).first() is None, "nor its earlier words"
        assert session.execute(select(Segment)).first() is None


def test_what_tells_no_time_stays_away(work: Work, desk: Callable[[str], Desk], workspace_id: int) -> None:
    timeless = {"items": [{"external_id": "i-5", "conversation_id": "t-1", "text": "When?"}]}
    assert check_any_order(work, desk, workspace_id, [*BEFORE, timeless, binned(3)]) == {}


def test_single_items_can_be_withdrawn(work: Work, desk: Callable[[str], Desk], workspace_id: int) -> None:
    calls = [*BEFORE, binned(3, "item", "i-1"), said(1, 4, text="It was no spam.")]
    found = check_any_order(work, desk, workspace_id, calls)
    assert {key: values[0] for key, values in found.items()} == {"i-1": "It was no spam.", "i-2": "More pills."}


def test_it_keeps_no_content_of_what_is_withdrawn_and_all_of_what_came_back(
    work: Work, desk: Callable[[str], Desk], database: Database
) -> None:
    place = desk("s")
    before = [place.tells(**call) for call in BEFORE]
    place.tells(**binned(3))
    late = place.tells(**said(4, 2, text="Late pills."))
    back = place.tells(**said(1, 4, text="It was no spam."))
    run_jobs(work)
    with database.read() as session:
        bodies = {row.id: row.body for row in session.execute(select(Delivery)).scalars()}
    assert [bodies[one] for one in (*before, late)] == [b"", b"", b""]
    assert b"no spam" in bodies[back]
    assert {key: values[0] for key, values in stored(database, "s").items()} == {"i-1": "It was no spam."}


def test_what_slipped_in_meanwhile_goes_with_the_job(
    work: Work, desk: Callable[[str], Desk], database: Database
) -> None:
    place = desk("s")
    place.tells(**binned(3))
    with database.write() as session:  # as a transaction that had begun before leaves it
        session.execute(ErasureMark.__table__.delete())  # type: ignore[attr-defined]
    place.tells(**BEFORE[0])
    place.tells(**said(3, 5, text="Thank you."))
    assert set(stored(database, "s")) == {"i-1", "i-3"}
    run_jobs(work)
    assert set(stored(database, "s")) == {"i-3"}
    place.tells(**BEFORE[0])
    assert set(stored(database, "s")) == {"i-3"}


def test_what_comes_back_is_tagged(work: Work, desk: Callable[[str], Desk], database: Database) -> None:
    place = desk("s")
    for call in (*BEFORE, binned(3), said(1, 4, text="It was no spam.")):
        place.tells(**call)
    with database.read() as session:
        (item,) = session.execute(select(FeedbackItem)).scalars()
        jobs = session.execute(select(col(Job.payload)).where(col(Job.kind) == "classify")).scalars()
        assert any(item.id in payload["items"] for payload in jobs)
    assert item.state == "pending"
