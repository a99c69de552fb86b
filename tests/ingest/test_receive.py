"""Identity, updates, duplicates and erasure, on rows of both databases."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlmodel import Session

from service.auth import Vault
from service.ingest.identity import content_key, identities, item_mark, respondent_mark
from service.ingest.incoming import IncomingItem
from service.ingest.receive import Outcome, receive
from service.settings import Settings
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import ErasureMark, FeedbackItem, ItemVersion, Job, Segment

WHEN = "2026-11-02T10:15:00Z"


def item(**fields: Any) -> IncomingItem:
    return IncomingItem.model_validate({"text": "The parcel came a week late.", **fields})


class Inbox:
    """receive() in one transaction a call, and what the database then holds."""

    def __init__(self, database: Database, settings: Settings, workspace_id: int) -> None:
        self.database, self.workspace_id, self.vault = database, workspace_id, Vault(settings)

    def take(self, *items: IncomingItem, **more: Any) -> list[Outcome]:
        with self.database.write() as session:
            return receive(
                session,
                self.vault,
                workspace_id=self.workspace_id,
                source_default="shop",
                items=items,
                priority=Priority.SINGLE,
                **more,
            )

    def statuses(self, *items: IncomingItem, **more: Any) -> list[str]:
        return [outcome.status for outcome in self.take(*items, **more)]

    def rows(self, model: Any = FeedbackItem) -> list[Any]:
        query = select(model).order_by(model.id)
        if model is Job:
            query = query.where(Job.kind == "classify")  # type: ignore[arg-type]
        with self.database.read() as session:
            return list(session.execute(query).scalars())

    def only(self) -> FeedbackItem:
        (found,) = self.rows()
        assert isinstance(found, FeedbackItem)
        return found


@pytest.fixture
def inbox(database: Database, settings: Settings, workspace_id: int) -> Inbox:
    return Inbox(database, settings, workspace_id)


def test_an_item_is_stored_whole_with_its_job(inbox: Inbox) -> None:
    (outcome,) = inbox.take(
        item(
            external_id="r-1",
            source="reviews",
            channel="review",
            occurred_at=WHEN,
            score=3,
            respondent="c-83",
            stage="delivery",
            url="https://shop.example/r-1",
            value=12.5,
            attributes={"plan": "pro", "vip": True},
        )
    )
    row = inbox.only()
    assert outcome == Outcome("accepted", row.id, True)
    assert (row.source, row.identity, row.channel, row.state) == ("reviews", "id:r-1", "review", "pending")
    assert row.at == row.occurred_at == datetime(2026, 11, 2, 10, 15, tzinfo=UTC)
    assert (row.score_kind, row.score_value, row.score_min, row.score_max) == ("stars", 3, 1, 5)
    assert row.respondent == inbox.vault.pseudonym(inbox.workspace_id, "c-83")
    assert (row.declared_stage, row.value, row.attributes) == ("delivery", 12.5, {"plan": "pro", "vip": "true"})
    (job,) = inbox.rows(Job)
    assert (job.kind, job.payload, job.priority) == ("classify", {"items": [row.id], "import_id": None}, 0)


def test_the_same_again_is_a_duplicate_without_a_job(inbox: Inbox) -> None:
    (first,) = inbox.take(item(external_id="r-1", score=3))
    (second,) = inbox.take(item(external_id="r-1", score=3))
    assert second == Outcome("duplicate", first.item_id, False)
    assert len(inbox.rows(Job)) == 1


def test_without_text_there_is_a_score_and_nothing_to_tag(inbox: Inbox) -> None:
    (outcome,) = inbox.take(IncomingItem(external_id="r-1", score={"kind": "nps", "value": 9}))
    assert outcome.needs_tagging is False
    assert (inbox.only().state, inbox.only().text) == ("no_text", None)
    assert inbox.rows(Job) == []
    assert inbox.statuses(item(external_id="r-1")) == ["updated"]
    assert (inbox.only().state, inbox.only().score_value) == ("pending", 9)
    assert len(inbox.rows(Job)) == 1


def test_new_text_is_tagged_again_and_the_old_one_kept(inbox: Inbox) -> None:
    inbox.take(item(external_id="r-1", text="It came late."))
    row = inbox.only()
    with inbox.database.write() as session:
        tagged = session.get_one(FeedbackItem, row.id)
        tagged.state, tagged.stage, tagged.model, tagged.corrected = "tagged", "delivery", "m1", True
        session.add(
            Segment(
                workspace_id=inbox.workspace_id,
                item_id=row.id,
                position=0,
                start=0,
                end=13,
                stage="delivery",
                emotion="anger",
                sentiment="negative",
                topic="delivery",
                touchpoint="delivery",
            )
        )
    (outcome,) = inbox.take(item(external_id="r-1", text="It came late, but they paid me back."))
    assert (outcome.status, outcome.needs_tagging) == ("updated", True)
    row = inbox.only()
    assert (row.text_version, row.state, row.stage, row.model, row.corrected) == (2, "pending", None, None, False)
    assert inbox.rows(Segment) == []
    (version,) = inbox.rows(ItemVersion)
    assert (version.item_id, version.text_version, version.text) == (row.id, 1, "It came late.")
    assert len(inbox.rows(Job)) == 2


def test_a_changed_question_is_read_again_too(inbox: Inbox) -> None:
    inbox.take(item(external_id="r-1", text="No.", question="Was it easy?"))
    (outcome,) = inbox.take(item(external_id="r-1", text="No.", question="Did anything go wrong?"))
    assert outcome.needs_tagging is True
    assert inbox.only().text_version == 2


@pytest.mark.parametrize(
    ("field", "value", "column"),
    [
        ("score", 5, "score_value"),
        ("occurred_at", "2026-10-01T00:00:00Z", "occurred_at"),
        ("attributes", {"plan": "free"}, "attributes"),
        ("channel", "survey", "channel"),
        ("value", 7, "value"),
    ],
)
def test_what_is_not_text_changes_without_tagging(inbox: Inbox, field: str, value: Any, column: str) -> None:
    first = {"external_id": "r-1", "score": 2, "occurred_at": WHEN, "attributes": {"plan": "pro"}, "value": 3}
    inbox.take(item(**first))
    with inbox.database.write() as session:
        row = session.execute(select(FeedbackItem)).scalar_one()
        row.state, row.stage = "tagged", "delivery"
    before = inbox.only()
    (outcome,) = inbox.take(item(**{**first, field: value}))
    after = inbox.only()
    assert (outcome.status, outcome.needs_tagging) == ("updated", False)
    assert getattr(after, column) != getattr(before, column)
    assert (after.state, after.stage, after.text_version) == ("tagged", "delivery", 1)
    assert after.at == after.occurred_at
    assert len(inbox.rows(Job)) == 1


def test_fields_that_are_not_sent_stay_and_null_clears(inbox: Inbox) -> None:
    inbox.take(item(external_id="r-1", score=2, language="de", respondent="c-1", attributes={"plan": "pro"}))
    assert inbox.statuses(item(external_id="r-1", language=None, respondent=None)) == ["updated"]
    row = inbox.only()
    assert (row.declared_language, row.respondent) == (None, None)
    assert (row.score_value, row.attributes) == (2, {"plan": "pro"})


def test_an_older_delivery_changes_nothing(inbox: Inbox) -> None:
    inbox.take(item(external_id="r-1", text="new", updated_at="2026-11-02T00:00:00Z"))
    assert inbox.statuses(item(external_id="r-1", text="old", updated_at="2026-11-01T00:00:00Z")) == ["duplicate"]
    assert (inbox.only().text, inbox.only().text_version) == ("new", 1)


def test_a_later_confirmation_outruns_what_lies_between(inbox: Inbox) -> None:
    for day, text in ((1, "A"), (3, "A"), (2, "B")):
        inbox.take(item(external_id="r-1", text=text, updated_at=f"2026-11-0{day}T00:00:00Z"))
    assert inbox.only().text == "A"


def test_without_updated_at_the_last_arrival_holds(inbox: Inbox) -> None:
    inbox.take(item(external_id="r-1", text="first", updated_at="2026-11-02T00:00:00Z"))
    inbox.take(item(external_id="r-1", text="second"))
    row = inbox.only()
    assert row.text == "second"
    assert row.sender_updated_at == datetime(2026, 11, 2, tzinfo=UTC)


def test_spaces_and_compositions_are_no_new_text(inbox: Inbox) -> None:
    inbox.take(item(external_id="r-1", text="Caf\u00e9  closed"))
    assert inbox.statuses(item(external_id="r-1", text=" Cafe\u0301 closed\n")) == ["duplicate"]


def test_the_same_identity_twice_in_one_call_is_applied_in_order(inbox: Inbox) -> None:
    outcomes = inbox.take(
        item(external_id="r-1", text="one"),
        item(external_id="r-2", text="other"),
        item(external_id="r-1", text="two"),
        item(external_id="r-1", text="two"),
    )
    assert [o.status for o in outcomes] == ["accepted", "accepted", "updated", "duplicate"]
    first, _ = inbox.rows()
    assert (first.text, first.text_version) == ("two", 2)
    (job,) = inbox.rows(Job)
    assert job.payload["items"] == sorted({o.item_id for o in outcomes})
    assert sum(o.needs_tagging for o in outcomes) == len(job.payload["items"])
    (version,) = inbox.rows(ItemVersion)
    assert version.text == "one"


def test_content_identifies_where_there_is_no_id(inbox: Inbox) -> None:
    said = {"occurred_at": WHEN, "respondent": "c-1"}
    assert inbox.statuses(item(**said)) == ["accepted"]
    assert inbox.statuses(item(**said)) == ["duplicate"]
    assert inbox.statuses(item(**said, score=2), item(occurred_at=WHEN, respondent="c-2")) == ["accepted"] * 2
    assert inbox.statuses(item(**said, source="elsewhere")) == ["accepted"]


def test_two_equal_rows_of_a_batch_are_two_items_and_the_batch_again_is_none(inbox: Inbox) -> None:
    rows = [item(occurred_at=WHEN)] * 3
    assert inbox.statuses(*rows) == ["accepted"] * 3
    assert inbox.statuses(*rows) == ["duplicate"] * 3
    assert len(inbox.rows()) == 3


def test_equal_rows_are_counted_over_the_slices_of_a_file(inbox: Inbox) -> None:
    slices = [[item(occurred_at=WHEN), item(text="else", occurred_at=WHEN)], [item(occurred_at=WHEN)]]
    for expected in ("accepted", "duplicate"):
        seen: Counter[str] = Counter()
        for rows in slices:
            assert set(inbox.statuses(*rows, equal_before=seen)) == {expected}
            for row in rows:
                key = content_key(inbox.vault, workspace_id=inbox.workspace_id, source="shop", item=row)
                assert key is not None
                seen[key] += 1
    assert len(inbox.rows()) == 3


def test_nothing_identifies_a_bare_text_but_its_place_in_a_file(inbox: Inbox) -> None:
    assert inbox.statuses(item()) + inbox.statuses(item()) == ["accepted", "accepted"]
    file = {"file_sha256": "ab" * 32, "row_numbers": [1, 2]}
    assert inbox.statuses(item(), item(), **file) == ["accepted", "accepted"]
    assert inbox.statuses(item(), item(), **file) == ["duplicate", "duplicate"]
    assert len(inbox.rows()) == 4


def test_who_was_erased_does_not_come_back(inbox: Inbox) -> None:
    ws = inbox.workspace_id
    deleted = item(external_id="r-9")
    ((source, identity),) = identities(inbox.vault, workspace_id=ws, source_default="shop", items=[deleted])
    with inbox.database.write() as session:
        person = respondent_mark(inbox.vault, ws, "c-1")
        single = item_mark(inbox.vault, ws, source, identity)
        session.add(ErasureMark(workspace_id=ws, kind="respondent", key_hash=person))
        session.add(ErasureMark(workspace_id=ws, kind="item", key_hash=single))
    outcomes = inbox.take(item(external_id="r-8", respondent="c-1"), deleted, item(external_id="r-7"))
    assert outcomes[:2] == [Outcome("duplicate", None, False)] * 2
    assert outcomes[2].status == "accepted"
    assert [row.external_id for row in inbox.rows()] == ["r-7"]


def test_another_workspace_has_its_own(inbox: Inbox, client_of: Any) -> None:
    inbox.take(item(external_id="r-1"))
    inbox.workspace_id = client_of(workspace="other").workspace_id
    assert inbox.statuses(item(external_id="r-1")) == ["accepted"]


def test_a_rolled_back_call_leaves_nothing(inbox: Inbox) -> None:
    def fails() -> None:
        with inbox.database.write() as session:
            receive(
                session,
                inbox.vault,
                workspace_id=inbox.workspace_id,
                source_default="shop",
                items=[item(external_id="r-1")],
                priority=Priority.SINGLE,
            )
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert inbox.rows() == inbox.rows(Job) == []


def test_statements_do_not_grow_with_the_items(inbox: Inbox) -> None:
    def statements(count: int) -> int:
        ran: list[str] = []

        def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
            ran.append(statement)

        event.listen(inbox.database.writer, "before_cursor_execute", note)
        try:
            for version in ("one", "two"):
                inbox.take(*(item(external_id=f"{count}-{n}", text=f"{version} {n}") for n in range(count)))
        finally:
            event.remove(inbox.database.writer, "before_cursor_execute", note)
        return len(ran)

    assert statements(400) == statements(3)


def test_many_callers_with_the_same_items_store_them_once(inbox: Inbox) -> None:
    callers, failures = 6, []
    start = threading.Barrier(callers)
    accepted: list[str] = []

    def call(number: int) -> None:
        order = range(30) if number % 2 else range(29, -1, -1)
        start.wait()
        try:
            for turn in range(3):
                accepted.extend(
                    inbox.statuses(*(item(external_id=f"{turn}-{n}", text=f"same {n}") for n in order))
                )
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert accepted.count("accepted") == len(inbox.rows()) == 90
    assert accepted.count("duplicate") == 90 * (callers - 1)


def test_rollups_move_in_the_same_transaction(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[int], list[int]]] = []
    monkeypatch.setattr("service.store.rollups.snapshot", lambda session, ws, ids: list(ids))
    monkeypatch.setattr("service.store.rollups.snapshot_new", lambda session, ws, new: [one for one, _ in new])

    def applied(session: Session, ws: int, *, before: Any, after: Any) -> None:
        calls.append((list(before), list(after)))

    monkeypatch.setattr("service.store.rollups.apply", applied)
    old, same = inbox.take(item(external_id="r-1"), item(external_id="r-2"))
    _, _, new = inbox.take(item(external_id="r-1", score=4), item(external_id="r-2"), item(external_id="r-3"))
    inbox.take(item(external_id="r-2"))
    assert calls == [([], [old.item_id, same.item_id]), ([old.item_id], [old.item_id, new.item_id])]
