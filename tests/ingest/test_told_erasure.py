"""What a sender says is gone goes, before and after it came, with its raw deliveries; and only what is its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.ingest import erasure, removal
from service.ingest.incoming import Erased
from service.ingest.senders import SENDERS
from service.store.engine import Database
from service.store.schema import AuditEvent, Delivery, Endpoint, ErasureMark, FeedbackItem, Job
from service.work import Work
from tests.ingest.telling import TOLD, Desk, check_rollups, run_jobs

COMMENT = {"external_id": "c-1", "text": "It broke at once.", "conversation_id": "t-1", "respondent": "42"}
RATING = {"external_id": "c-1", "score": 1}
OTHER = {"external_id": "c-2", "text": "All is well.", "conversation_id": "t-2", "respondent": "43"}


@pytest.fixture
def desk(work: Work, workspace_id: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Desk]:
    monkeypatch.setitem(SENDERS, "told", TOLD)
    monkeypatch.setattr(erasure, "LATECOMER_SECONDS", 0.0)
    return lambda source: Desk(work, workspace_id, source)


def items(database: Database) -> list[tuple[str, str | None]]:
    with database.read() as session:
        rows = session.execute(
            select(col(FeedbackItem.source), col(FeedbackItem.external_id)).order_by(col(FeedbackItem.id))
        )
        return [(row.source, row.external_id) for row in rows]


def bodies(database: Database) -> dict[int, bytes]:
    with database.read() as session:
        return {row.id: row.body for row in session.execute(select(col(Delivery.id), col(Delivery.body)))}


GONE = (["item", "c-1"], ["conversation", "t-1"], ["respondent", "42"], ["respondent", "a@example.com"])


@pytest.mark.parametrize("gone", GONE)
def test_whatever_the_order_nothing_of_it_stands(
    work: Work, desk: Callable[[str], Desk], database: Database, workspace_id: int, gone: list[str]
) -> None:
    comment = COMMENT | ({"respondent": gone[1]} if gone[0] == "respondent" else {})
    calls: list[dict[str, Any]] = [
        {"items": [comment, OTHER]},
        {"items": [RATING | {"updated_at": "2026-11-01T00:00:00Z"}]},  # does not say whose it is
        {"gone": [gone]},
    ]
    for number, order in enumerate(itertools.permutations(calls)):
        place = desk(f"desk {number}")
        for call in order:
            place.tells(**call)
        assert items(database) == [(f"desk {number}", "c-2")], order
        with database.write() as session:
            removal.delete_items(session, workspace_id, list(session.execute(select(FeedbackItem.id)).scalars()))
    check_rollups(work, workspace_id)


def test_an_erasure_beside_items_of_the_same_delivery(desk: Callable[[str], Desk], database: Database) -> None:
    desk("a").tells(items=[COMMENT, OTHER], gone=[["item", "c-1"], ["item", ""], ["item", "c-1"]])
    assert items(database) == [("a", "c-2")]


def test_raw_deliveries_of_what_is_gone_are_blanked(
    work: Work, desk: Callable[[str], Desk], database: Database, workspace_id: int
) -> None:
    place = desk("a")
    first = place.tells(items=[COMMENT])
    second = place.tells(items=[COMMENT | {"text": "It broke again.", "respondent": "99"}])
    kept = place.tells(items=[OTHER])
    asked = place.tells(gone=[["conversation", "t-1"]])
    run_jobs(work)
    found = bodies(database)
    assert (found[first], found[second], found[asked]) == (b"", b"", b"")
    assert b"All is well" in found[kept]
    with database.read() as session:
        event = session.execute(select(AuditEvent).where(col(AuditEvent.action) == "feedback.erase")).scalar_one()
    assert (event.actor, event.detail) == ("sender:a", {"items": 1, "told": {"conversation": 1}})
    assert place.tells(items=[COMMENT | {"external_id": "c-9"}])
    assert items(database) == [("a", "c-2")]


def test_a_person_goes_from_unread_deliveries_too(
    work: Work, desk: Callable[[str], Desk], database: Database
) -> None:
    place = desk("a")
    theirs = place.tells(unknown=True, person=42, said="My words.")
    others = place.tells(unknown=True, person=43, said="I have 42 apples and 7.")
    asked = place.tells(gone=[["respondent", "42"]], name="Their Name")
    with database.read() as session:
        (job,) = session.execute(select(Job).where(col(Job.kind) == "erase")).scalars()
    # whom it means stands encrypted and nowhere else (not sought by its digits: a time may have them by chance)
    assert set(job.payload) == {"endpoint_id", "told", "items", "since", "until"}
    assert '"respondent"' not in job.payload["told"]
    assert '"42"' in work.vault.decrypt(job.payload["told"])
    run_jobs(work)
    found = bodies(database)
    assert (found[theirs], found[asked]) == (b"", b"")
    assert b"apples" in found[others]


def test_an_id_means_somebody_at_its_own_sender_only(
    work: Work, desk: Callable[[str], Desk], database: Database
) -> None:
    a, b = desk("a"), desk("b")
    for place in (a, b):
        place.tells(items=[COMMENT, OTHER | {"respondent": "x@example.com"}])
    a.tells(gone=[["respondent", "42"]])
    run_jobs(work)
    assert items(database) == [("a", "c-2"), ("b", "c-1"), ("b", "c-2")]
    b.tells(gone=[["conversation", "t-1"], ["item", "c-7"]])
    a.tells(items=[OTHER | {"external_id": "c-7"}])
    assert items(database) == [("a", "c-2"), ("b", "c-2"), ("a", "c-7")]
    b.tells(gone=[["respondent", "x@example.com"]])
    run_jobs(work)
    assert items(database) == [("a", "c-7")]


def test_what_slipped_in_meanwhile_goes_with_the_job(
    work: Work, desk: Callable[[str], Desk], database: Database, workspace_id: int
) -> None:
    place = desk("a")
    with database.write() as session:
        endpoint = session.get_one(Endpoint, place.endpoint.id)
        told = Erased("conversation", "t-1")
        delivery = Delivery(
            workspace_id=workspace_id, endpoint_id=endpoint.id, external_id="x", body=b"", state="parsed"
        )
        session.add(delivery)
        session.flush()
        erasure.erase_told(session, work.vault, endpoint=endpoint, delivery=delivery, told=[told])
        # as a transaction that had begun before leaves it
        session.execute(ErasureMark.__table__.delete())  # type: ignore[attr-defined]
    place.tells(items=[COMMENT])
    assert len(items(database)) == 1
    run_jobs(work)
    assert items(database) == []
