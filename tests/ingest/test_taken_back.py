"""Answers that a respondent takes back disappear, whatever order their deliveries come in; the others stay."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlmodel import Session, col

from service import auth
from service.ingest.deliver import deliver
from service.ingest.deliver_together import Arrival, deliver_together
from service.ingest.identity import respondent_mark
from service.ingest.incoming import Call
from service.ingest.replays import retake
from service.settings import Settings
from service.stop import Stop
from service.store import rollups
from service.store.bulk import ids_of_further_answers
from service.store.engine import Database
from service.store.schema import BlankResponse, Delivery, Endpoint, ErasureMark, FeedbackItem, Workspace
from service.work import Work
from service.worker import KINDS, Worker
from tests.ingest.senders.recorded import json_call, order_free

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GOOD, BAD, MORE = "Quick delivery.", "The box was broken.", "Dark mode please."


def tally(minute: int | None, response: str = "r1", **answers: str | None) -> Call:
    fields = [
        {"key": key, "label": f"Question {key}?", "type": "TEXTAREA", "value": value}
        for key, value in answers.items()
    ]
    at = None if minute is None else f"2026-11-20T09:{minute:02}:00.000Z"
    data = {"responseId": response, "createdAt": at, "formName": "Pulse", "fields": fields}
    return json_call("tally", {"eventType": "FORM_RESPONSE", "createdAt": at, "data": data})


def typeform(minute: int, **answers: str | None) -> Call:
    fields = [{"id": key, "title": f"Question {key}?", "type": "long_text"} for key in answers]
    given = [
        {"type": "text", "text": value, "field": {"id": key, "type": "long_text"}}
        for key, value in answers.items()
        if value is not None
    ]
    at = f"2026-11-20T09:{minute:02}:00Z"
    response = {"token": "r1", "submitted_at": at, "definition": {"fields": fields}, "answers": given}
    return json_call("typeform", {"event_id": at, "event_type": "form_response", "form_response": response})


def formbricks(minute: int, **answers: str | None) -> Call:
    at = f"2026-11-20T09:{minute:02}:00.000Z"
    sent = {"id": "r1", "createdAt": at, "updatedAt": at, "data": {f"why_{key}": v for key, v in answers.items()}}
    return json_call("formbricks", {"event": "responseUpdated", "data": sent})


def jotform(minute: int, **answers: str | None) -> Call:
    at = int((NOW + timedelta(minutes=minute)).timestamp() * 1000)
    raw = {f"q{ord(key)}_comment{key}": value or "" for key, value in answers.items()}
    return json_call("jotform", {"submissionID": "r1", "rawRequest": json.dumps({**raw, "submitDate": str(at)})})


def google_forms(minute: int, **answers: str | None) -> Call:
    items = [
        {"id": key, "title": f"Question {key}?", "type": "PARAGRAPH_TEXT", "answer": value}
        for key, value in answers.items()
    ]
    at = f"2026-11-20T09:{minute:02}:00Z"
    return json_call("google-forms", {"responseId": "r1", "submittedAt": at, "items": items})


SURVEYS = {
    "tally": tally,
    "typeform": typeform,
    "formbricks": formbricks,
    "jotform": jotform,
    "google-forms": google_forms,
}


@pytest.mark.parametrize("sender", SURVEYS)
def test_in_any_order_only_what_was_told_last_stands(sender: str, database: Database, settings: Settings) -> None:
    made: Callable[..., Call] = SURVEYS[sender]
    history = [
        made(1, a=GOOD, b=BAD, c=None),
        made(2, a=GOOD, b=BAD, c=MORE),
        made(3, a=GOOD, b=None, c=MORE),
        made(4, a=None, b="It was broken after all.", c=MORE),
    ]
    ends = order_free(database, settings, sender, history)
    assert sorted(row["text"] for row in ends.values()) == [MORE, "It was broken after all."]
    ends = order_free(database, settings, sender, history[:3])
    assert sorted(row["text"] for row in ends.values()) == [MORE, GOOD]


def test_a_response_of_which_nothing_is_left_goes_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        tally(1, a=GOOD, b=BAD),
        tally(2, a=None, b=" "),
        tally(3, "r2", a=MORE),
    ]
    ends = order_free(database, settings, "tally", calls)
    assert {name: row["text"] for name, row in ends.items()} == {"r2": MORE}
    ends = order_free(database, settings, "tally", [*calls, tally(4, a=None, b=BAD)])
    assert {name: row["text"] for name, row in ends.items()} == {"r1": BAD, "r2": MORE}


@pytest.fixture
def endpoint(database: Database, settings: Settings, workspace_id: int) -> Endpoint:
    with database.write() as session:
        found = Endpoint(
            workspace_id=workspace_id,
            public_id="t1",
            sender="tally",
            name="Pulse",
            source="pulse",
            secrets=auth.Vault(settings).encrypt("[]"),
            options={},
        )
        session.add(found)
        session.flush()
        session.refresh(found)
        session.expunge(found)
        return found


def texts(session: Session) -> dict[str, str | None]:
    """What is listed, by external id; fails where the rollups count anything else."""
    for workspace in session.execute(select(col(Workspace.id))).scalars():
        assert rollups.verify(session, workspace) == []
    rows = session.execute(select(FeedbackItem)).scalars()
    return {row.external_id or "": row.text for row in rows}


def test_without_a_time_what_arrives_later_holds(
    database: Database, settings: Settings, endpoint: Endpoint
) -> None:
    vault = auth.Vault(settings)
    with database.write() as session:
        first = deliver(session, vault, settings, endpoint=endpoint, call=tally(None, a=GOOD, b=BAD))
        assert texts(session) == {"r1": GOOD, "r1:b": BAD}
        deliver(session, vault, settings, endpoint=endpoint, call=tally(None, a=MORE))
        assert texts(session) == {"r1": MORE}
        assert first is not None
        # the older one taken again brings nothing back, and keeps its content
        retake(session, vault, settings, endpoint=endpoint, delivery=first)
        assert texts(session) == {"r1": MORE}
        assert first.body
        assert [one["status"] for one in first.results] == ["duplicate", "duplicate"]


@pytest.mark.parametrize("size", [1, 3, 6])
def test_in_one_commit_as_one_by_one(
    database: Database, settings: Settings, endpoint: Endpoint, size: int
) -> None:
    calls = [
        tally(1, a=GOOD, b=BAD),
        tally(1, "r2", a=GOOD, b=BAD),
        tally(3, a=GOOD),
        tally(2, a=GOOD, b=BAD, c=MORE),
        tally(3, "r2", a=None),
        tally(2, "r2", a=GOOD, c=MORE),
    ]
    for start in range(0, len(calls), size):
        some = [Arrival(endpoint, call, NOW) for call in calls[start : start + size]]
        with database.write() as session:
            assert not deliver_together(session, auth.Vault(settings), settings, some)
    with database.read() as session:
        assert texts(session) == {"r1": GOOD}
        late = session.execute(select(Delivery).order_by(col(Delivery.id))).scalars().all()[3]
        assert [(one["status"], "id" in one) for one in late.results] == [
            ("duplicate", True),
            ("duplicate", False),
            ("duplicate", False),
        ]
        assert late.body


def test_of_two_processes_at_once_the_newer_blank_one_holds(
    database: Database, settings: Settings, endpoint: Endpoint
) -> None:
    vault = auth.Vault(settings)

    def older() -> None:
        with database.write() as session:
            deliver(session, vault, settings, endpoint=endpoint, call=tally(1, a=GOOD, b=BAD))

    other = threading.Thread(target=older)
    with database.write() as session:
        deliver(session, vault, settings, endpoint=endpoint, call=tally(2, a=None))
        other.start()
        if database.writer.dialect.name == "postgresql":
            waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            while other.is_alive() and not session.execute(waiting).scalar_one():
                time.sleep(0.01)
            assert other.is_alive(), "it did not wait for what it can't see"
    other.join()
    with database.read() as session:
        assert texts(session) == {}


def test_an_erased_persons_late_answer_leaves_no_content(
    database: Database, settings: Settings, endpoint: Endpoint
) -> None:
    vault = auth.Vault(settings)
    body = json.loads(tally(1, a=GOOD, b=BAD).body)
    body["data"]["respondentId"] = "c-gone"
    with database.write() as session:
        deliver(session, vault, settings, endpoint=endpoint, call=tally(2, a=None))
        mark = respondent_mark(vault, endpoint.workspace_id, "c-gone")
        session.add(
            ErasureMark(workspace_id=endpoint.workspace_id, kind="respondent", key_hash=mark, created_at=NOW)
        )
        session.flush()
        late = deliver(session, vault, settings, endpoint=endpoint, call=json_call("tally", body))
        assert late is not None
        assert late.body == b""
        assert texts(session) == {}


def test_other_sources_and_other_responses_are_left_alone(
    database: Database, settings: Settings, endpoint: Endpoint
) -> None:
    vault = auth.Vault(settings)
    with database.write() as session:
        other = Endpoint(
            workspace_id=endpoint.workspace_id,
            public_id="t2",
            sender="tally",
            name="Other",
            source="other",
            secrets=vault.encrypt("[]"),
            options={},
        )
        session.add(other)
        session.flush()
        deliver(session, vault, settings, endpoint=other, call=tally(1, a=GOOD, b=BAD))
        deliver(session, vault, settings, endpoint=endpoint, call=tally(1, "r11", a=GOOD, b=MORE))
        deliver(session, vault, settings, endpoint=endpoint, call=tally(1, a=GOOD, b=BAD))
        deliver(session, vault, settings, endpoint=endpoint, call=tally(2, a=GOOD))
        rows = session.execute(select(FeedbackItem)).scalars()
        found = sorted((row.source, row.external_id) for row in rows)
    assert found == [
        ("other", "r1"),
        ("other", "r1:b"),
        ("pulse", "r1"),
        ("pulse", "r11"),
        ("pulse", "r11:b"),
    ]


def test_the_mark_of_a_blank_response_goes_with_the_raw_deliveries(
    work: Work, database: Database, endpoint: Endpoint
) -> None:
    moment = datetime.now(UTC)
    with database.write() as session:
        for name, days in (("old", work.settings.delivery_retention_days + 8), ("new", 1)):
            told_at = moment - timedelta(days=days)
            session.add(BlankResponse(workspace_id=endpoint.workspace_id, key_hash=name, told_at=told_at))
    Worker(work, Stop(), kinds={"upkeep": KINDS["upkeep"]})._schedule()
    Worker(work, Stop(), kinds={"upkeep": KINDS["upkeep"]}).run_until_idle()
    with database.read() as session:
        assert session.execute(select(col(BlankResponse.key_hash))).scalars().all() == ["new"]


def test_further_answers_are_found_by_their_index(database: Database, workspace_id: int) -> None:
    with database.read() as session:
        if not database.is_sqlite:
            assert ids_of_further_answers(session, workspace_id, {("pulse", "r1")}) == []
            return
        plan = session.connection().exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT id FROM feedback_item WHERE workspace_id = 1 AND source = 'pulse'"
            " AND response_id = 'r1' AND external_id <> response_id"
        )
        assert "ix_feedback_item_further_answer" in str(plan.all())
