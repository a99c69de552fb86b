"""Whatever the order and repetition of an item's versions and parts, the newest by the sender's clock stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func
from sqlmodel import Session, col, select

from service import auth
from service.ingest.incoming import IncomingItem
from service.ingest.receive import receive
from service.settings import Settings
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import FeedbackItem, ItemVersion, Job

RATING = {"external_id": "r-1", "score": 2, "attributes": {"plan": "pro"}}
COMMENT = {"external_id": "r-1", "text": "Too slow.", "channel": "survey"}
EARLIER, LATER = "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"
SHOWN = (
    "text",
    "channel",
    "score_value",
    "attributes",
    "sender_updated_at",
    "occurred_at",
    "at",
    "state",
    "question",
    "respondent",
)

versions = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.sampled_from(["late", "late again", "lost", None]),
            "score": st.sampled_from([1, 3, 5]),
            "channel": st.sampled_from(["review", "survey"]),
            "question": st.sampled_from([None, "Why?"]),
            "attributes": st.sampled_from([{}, {"plan": "pro"}]),
            "occurred_at": st.sampled_from(["2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"]),
        }
    ),
    min_size=1,
    max_size=5,
)


@st.composite
def histories(draw: Any) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """An item's versions, oldest first, and calls of one or more of them that deliver each at least once."""
    made = [
        version | {"external_id": "r-1", "respondent": "c-1", "updated_at": f"2026-11-0{number + 1}T00:00:00Z"}
        for number, version in enumerate(draw(versions))
    ]
    places = list(range(len(made)))
    order = draw(st.permutations(places + draw(st.lists(st.sampled_from(places), max_size=4))))
    calls: list[list[int]] = [[]]
    for place in order:
        if calls[-1] and draw(st.booleans()):
            calls.append([])
        calls[-1].append(place)
    return made, calls


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories())
def test_every_order_ends_in_the_same_state(
    database: Database, settings: Settings, history: tuple[list[dict[str, Any]], list[list[int]]]
) -> None:
    made, calls = history
    vault = auth.Vault(settings)
    with database.write() as session:
        ws = auth.workspace_named(session, f"w{id(history)}", create=True).id
        assert ws is not None
        newest = {**made[-1], "external_id": "expected"}
        take = {"workspace_id": ws, "source_default": "shop", "priority": Priority.SINGLE}
        receive(session, vault, items=[IncomingItem.model_validate(newest)], **take)
        tagged = 0
        for call in calls:
            outcomes = receive(session, vault, items=[IncomingItem.model_validate(made[n]) for n in call], **take)
            tagged += sum(outcome.needs_tagging for outcome in outcomes)
        expected, found = session.exec(
            select(FeedbackItem).where(FeedbackItem.workspace_id == ws).order_by(FeedbackItem.id)  # type: ignore[arg-type]
        ).all()
        assert {name: getattr(found, name) for name in SHOWN} == {name: getattr(expected, name) for name in SHOWN}
        history_rows = session.exec(select(ItemVersion).where(ItemVersion.item_id == found.id)).all()
        assert found.text_version == 1 + len(history_rows)
        assert sorted(row.text_version for row in history_rows) == list(range(1, found.text_version))
        jobs = session.exec(select(Job).where(Job.workspace_id == ws, Job.kind == "classify")).all()
        assert sum(job.payload["items"].count(found.id) for job in jobs) == tagged
        session.rollback()


parts = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "text": st.sampled_from(["late", "late again", "lost", None]),
            "score": st.sampled_from([1, 5, None]),
            "channel": st.sampled_from(["review", "survey"]),
            "question": st.sampled_from([None, "Why?"]),
            "respondent": st.sampled_from(["c-1", None]),
            "attributes": st.sampled_from([{}, {"plan": "pro"}]),
            "occurred_at": st.sampled_from(["2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", None]),
        },
    ).filter(lambda part: part.get("text") is not None or part.get("score") is not None),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data(), told=parts)
def test_parts_in_every_order_end_in_each_fields_newest_value(
    database: Database, settings: Settings, data: st.DataObject, told: list[dict[str, Any]]
) -> None:
    made = [
        part | {"external_id": "r-1", "updated_at": f"2026-11-0{number + 1}T00:00:00Z"}
        for number, part in enumerate(told)
    ]
    merged: dict[str, Any] = {}
    for part in made:
        merged |= part
    places = list(range(len(made)))
    order = data.draw(st.permutations(places + data.draw(st.lists(st.sampled_from(places), max_size=4))))
    with database.write() as session:
        ws = auth.workspace_named(session, f"p{id(told)}", create=True).id
        assert ws is not None
        found = _after(session, settings, ws, "shuffled", [[made[place]] for place in order])
        together = _after(session, settings, ws, "one call", [[made[place] for place in order]])
        in_turn = _after(session, settings, ws, "in turn", [[part] for part in made])
        for row in (found, together, in_turn):
            assert (row.text, row.question) == (merged.get("text"), merged.get("question"))
            assert row.score_value == merged.get("score")
            assert row.channel == merged.get("channel", "ticket")
            assert row.attributes == (merged.get("attributes") or {})
            assert (row.respondent is None) == (merged.get("respondent") is None)
            occurred_at = merged.get("occurred_at")
            assert row.occurred_at == (datetime.fromisoformat(occurred_at) if occurred_at else None)
            assert row.sender_updated_at == datetime(2026, 11, len(made), tzinfo=UTC)
            assert row.state == ("no_text" if row.text is None else "pending")
            assert row.field_times == in_turn.field_times
        jobs = session.exec(select(Job).where(Job.workspace_id == ws, Job.kind == "classify")).all()
        for row in (found, together):
            history_rows = session.exec(select(ItemVersion).where(ItemVersion.item_id == row.id)).all()
            assert row.text_version == 1 + len(history_rows)
            if row.text is not None:
                assert any(row.id in job.payload["items"] for job in jobs), "nobody will tag it"
        session.rollback()


def _after(
    session: Session, settings: Settings, workspace_id: int, source: str, calls: list[list[dict[str, Any]]]
) -> FeedbackItem:
    """The item once these calls were received."""
    for call in calls:
        receive(
            session,
            auth.Vault(settings),
            workspace_id=workspace_id,
            source_default=source,
            items=[IncomingItem.model_validate(part) for part in call],
            priority=Priority.SINGLE,
            default_channel="ticket",
        )
    session.expire_all()
    found = select(FeedbackItem).where(FeedbackItem.workspace_id == workspace_id, FeedbackItem.source == source)
    return session.exec(found).one()


@pytest.mark.parametrize("comment_first", [True, False])
def test_a_comment_that_is_older_than_its_rating_still_comes_and_is_tagged(
    database: Database, settings: Settings, workspace_id: int, comment_first: bool
) -> None:
    comment, rating = COMMENT | {"updated_at": EARLIER}, RATING | {"updated_at": LATER}
    with database.write() as session:
        calls = [[comment], [rating]] if comment_first else [[rating], [comment]]
        row = _after(session, settings, workspace_id, "shop", calls)
        assert (row.text, row.score_value, row.channel, row.attributes) == (
            "Too slow.",
            2,
            "survey",
            {"plan": "pro"},
        )
        assert (row.state, row.text_version) == ("pending", 1 if comment_first else 2)
        assert row.sender_updated_at == datetime.fromisoformat(LATER)
        (job,) = session.exec(select(Job).where(Job.kind == "classify")).all()
        assert job.payload["items"] == [row.id]


def test_what_was_emptied_later_is_not_filled_by_older_words(
    database: Database, settings: Settings, workspace_id: int
) -> None:
    emptied = RATING | {"text": None, "updated_at": LATER}
    with database.write() as session:
        calls = [[emptied], [COMMENT | {"updated_at": EARLIER}]]
        row = _after(session, settings, workspace_id, "shop", calls)
        assert (row.text, row.state, row.channel) == (None, "no_text", "survey")


def test_whole_items_need_no_times_of_their_own(database: Database, settings: Settings, workspace_id: int) -> None:
    with database.write() as session:
        whole = RATING | COMMENT
        untimed = _after(session, settings, workspace_id, "a", [[whole], [COMMENT], [RATING]])
        timed = _after(session, settings, workspace_id, "b", [[whole | {"updated_at": LATER}]])
        assert (untimed.field_times, timed.field_times) == (None, None)
        kept = select(func.count()).where(col(FeedbackItem.field_times).is_not(None))
        assert session.execute(kept).scalar_one() == 0, "an empty document takes room on every row"
