"""Crisp: visitors' messages and ratings, removals, and its two kinds of hooks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.ingest.senders.signatures import hmac_digest
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import Recorded, accepted, json_call, order_free, parsed, recorded

SESSION = "session_3aa8d6ec-0000-4000-8000-000000000001"
WEBSITE = "00000000-0000-4000-8000-0000000000c1"


def happened(event: str, at: int = 1795166045123, **data: Any) -> Call:
    body = {"website_id": WEBSITE, "event": event, "data": {"session_id": SESSION, **data}, "timestamp": at}
    return json_call("crisp", body)


def message(at: int = 1795166045123, **fields: Any) -> Call:
    data = {
        "type": "text",
        "from": "user",
        "origin": "chat",
        "content": "My events are gone!",
        "fingerprint": 179516604512301,
        "user": {"nickname": "visitor42", "user_id": SESSION},
        "timestamp": at,
        **fields,
    }
    return happened("message:send", at, **data)


def signed(one: Recorded, timestamp: str) -> Call:
    digest = hmac_digest((one.secret or "").encode(), f"[{timestamp};".encode() + one.call.body + b"]").hex()
    headers = {"x-crisp-request-timestamp": timestamp, "x-crisp-signature": digest}
    return replace(one.call, headers={**one.call.headers, **headers})


def test_the_recorded_call_holds_with_its_secret_only() -> None:
    one = recorded("crisp", "message-send")
    secret = one.secret or ""
    assert accepted("crisp", one.call, [secret], one.clock)
    assert accepted("crisp", one.call, ["new", secret], one.clock), "while secrets change"
    assert not accepted("crisp", one.call, ["new"], one.clock)
    assert not accepted("crisp", one.call, [], one.clock)
    assert not accepted("crisp", replace(one.call, body=one.call.body + b" "), [secret], one.clock)
    for late in (timedelta(seconds=302), timedelta(seconds=-302)):
        assert not accepted("crisp", one.call, [secret], one.clock + late)
    seconds = str(int(one.clock.timestamp()))
    assert accepted("crisp", signed(one, seconds), [secret], one.clock), "the time in seconds"
    moved = {**one.call.headers, "x-crisp-request-timestamp": seconds}
    assert not accepted("crisp", replace(one.call, headers=moved), [secret], one.clock), "the time is signed"


@pytest.mark.parametrize("header", ["x-crisp-signature", "x-crisp-request-timestamp"])
@pytest.mark.parametrize("value", [None, "", "garbage", "zz", "-1", "٣", "9" * 400, "\ud83d", "sha256=00"])
def test_garbled_headers_are_refused(header: str, value: str | None) -> None:
    one = recorded("crisp", "message-send")
    headers = {name: text for name, text in one.call.headers.items() if name != header}
    if value is not None:
        headers[header] = value
    assert not accepted("crisp", replace(one.call, headers=headers), [one.secret or ""], one.clock)


def test_a_websites_hook_shows_its_key() -> None:
    one = recorded("crisp", "message-send")
    for query, expected in (
        ("?key=k-1", True),
        ("?a=b&key=k-1", True),
        ("?key=k-2&key=k-1", True),
        ("?key=k-2", False),
        ("?key=", False),
        ("", False),
    ):
        call = replace(one.call, headers={}, url=f"https://feedback.example.com/hooks/crisp/t1{query}")
        assert accepted("crisp", call, ["old", "k-1"], one.clock, scheme="website") is expected
    signed_only = replace(one.call, url="https://feedback.example.com/hooks/crisp/t1")
    assert not accepted("crisp", signed_only, [one.secret or ""], one.clock, scheme="website")
    keyed = replace(one.call, headers={}, url="https://feedback.example.com/hooks/crisp/t1?key=k-1")
    assert not accepted("crisp", keyed, ["k-1"], one.clock), "a plugin's hook is signed"


def test_the_recorded_message_is_the_visitors_item() -> None:
    (item,) = parsed("crisp", recorded("crisp", "message-send").call).items
    assert item == {
        "external_id": f"{SESSION}:179516604512301",
        "text": "Your calendar sync deleted my events!!",
        "channel": "chat",
        "occurred_at": "2026-11-20T09:14:05.123000+00:00",
        "updated_at": "2026-11-20T09:14:05.123000+00:00",
        "conversation_id": SESSION,
        "respondent": "session_test",
        "url": f"https://app.crisp.chat/website/{WEBSITE}/inbox/{SESSION}/",
        "attributes": {"origin": "chat", "website": WEBSITE},
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"from": "operator"},
        {"from": None},
        {"from": ["user"]},
        {"type": "note"},
        {"type": "file", "content": {"name": "a.png", "url": "https://x"}},
        {"type": "animation"},
        {"type": "picker", "content": {"text": "x"}},
        {"type": None},
        {"content": ""},
        {"content": {"text": "x"}},
        {"automated": True},
    ],
)
def test_what_no_visitor_wrote_is_ignored(fields: dict[str, Any]) -> None:
    found = parsed("crisp", message(**fields))
    assert found.items == []
    assert found.ignored


def test_an_edit_is_the_visitors_where_it_says_so() -> None:
    edit: dict[str, Any] = {"fingerprint": 179516604512301, "content": "It deleted two of my events."}
    assert parsed("crisp", happened("message:updated", **edit)).ignored
    edit |= {"from": "user", "type": "text"}
    (item,) = parsed("crisp", happened("message:updated", 1795166050000, **edit)).items
    assert item["external_id"] == parsed("crisp", message()).items[0]["external_id"]
    assert (item["text"], item["updated_at"]) == ("It deleted two of my events.", "2026-11-20T09:14:10+00:00")
    assert "occurred_at" not in item


def field(value: Any, *, event: str = "message:updated", at: int = 1795166050000, **fields: Any) -> Call:
    content = {"id": "reason", "text": "Why do you leave?", "explain": "A few words", "value": value}
    data = {"fingerprint": 99, "content": content, "user": {"user_id": "bot-1", "nickname": "Bot"}, **fields}
    return happened(event, at, **data)


def test_what_a_visitor_writes_into_a_bots_field_is_theirs() -> None:
    for call in (
        field("It is too dear for us."),
        field("It is too dear for us.", type="field", **{"from": "operator"}),
    ):
        (item,) = parsed("crisp", call).items
        assert (item["external_id"], item["conversation_id"]) == (f"{SESSION}:99", SESSION)
        assert (item["text"], item["question"]) == ("It is too dear for us.", "Why do you leave?")
        assert (item["respondent"], item["channel"]) == (SESSION, "chat")
        assert item["occurred_at"] == "2026-11-20T09:14:10+00:00"
    sent = field("It is too dear.", event="message:send", type="field", **{"from": "user"})
    assert parsed("crisp", sent).items[0]["text"] == "It is too dear."


@pytest.mark.parametrize(
    "call",
    [
        field(None),
        field(""),
        field({"a": 1}),
        field("jane@example.com"),
        field("+49 30 1234567"),
        field("42"),
        field("Jane Roe", content={"id": "name", "text": "What is your name?", "value": "Jane Roe"}),
        field("Jane", content={"id": "email", "value": "jane at example"}),
        # filled in by the bot that asks
        field("Too dear", event="message:send", type="field", **{"from": "operator", "automated": True}),
        field("Yes", type="picker", **{"from": "operator"}),
    ],
)
def test_fields_that_say_nothing_or_who_it_is_are_ignored(call: Call) -> None:
    found = parsed("crisp", call)
    assert found.items == []
    assert found.ignored


def test_a_field_arrives_in_any_order(database: Database, settings: Settings) -> None:
    asked = field(None, event="message:send", at=1795166040000, type="field", **{"from": "operator"})
    calls = [asked, field("It is too dear.", at=1795166050000), field("It is far too dear.", at=1795166060000)]
    (end,) = order_free(database, settings, "crisp", calls).values()
    assert end["text"] == "It is far too dear."


def test_times_come_in_seconds_or_milliseconds() -> None:
    for at in (1795166045, 1795166045000):
        assert parsed("crisp", message(at)).items[0]["occurred_at"] == "2026-11-20T09:14:05+00:00"


def test_session_data_and_origin() -> None:
    call = message(
        origin="email",
        content="Gone\n\nOn Monday Acme wrote:\n> Hello",
        session={
            "segments": ["vip", "beta"],
            "data": {"plan": "pro"},
            "device": {"geolocation": {"country": "FR"}},
        },
    )
    (item,) = parsed("crisp", call).items
    assert (item["text"], item["channel"]) == ("Gone", "ticket")
    assert item["attributes"] == {
        "origin": "email",
        "website": WEBSITE,
        "segments": "vip, beta",
        "country": "FR",
        "plan": "pro",
    }
    assert parsed("crisp", message(origin="urn:crisp.im:instagram:0")).items[0]["channel"] == "social"
    assert parsed("crisp", message(user=None)).items[0]["respondent"] == SESSION


def test_a_rating_is_a_score_of_its_conversation() -> None:
    (item,) = parsed("crisp", happened("session:sync:rating", rating={"stars": 2, "comment": "slow"})).items
    assert item["external_id"] == f"rating:{SESSION}"
    assert item["score"] == {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5}
    assert (item["text"], item["conversation_id"], item["respondent"]) == ("slow", SESSION, SESSION)
    (bare,) = parsed("crisp", happened("session:sync:rating", rating={"stars": 5, "comment": None})).items
    assert "text" not in bare
    for rating in (None, {}, {"stars": 0}, {"stars": "many"}, 5):
        assert parsed("crisp", happened("session:sync:rating", rating=rating)).items == []


def test_removed_messages_and_conversations_are_erased() -> None:
    gone = happened("message:removed", fingerprint=179516604512301)
    assert parsed("crisp", gone).erased == [Erased("item", f"{SESSION}:179516604512301")]
    assert parsed("crisp", happened("session:removed")).erased == [Erased("conversation", SESSION)]
    for call in (
        happened("message:removed"),
        happened("message:removed", session_id=None, fingerprint=1),
        happened("session:removed", session_id=""),
        message(fingerprint=None),
    ):
        with pytest.raises(CannotParse):
            parsed("crisp", call)


@pytest.mark.parametrize(
    "event",
    [
        "message:received",
        "message:updated",
        "message:acknowledge:read:send",
        "message:compose:send",
        "session:set_state",
        "session:set_email",
        "session:set_data",
        "people:profile:updated",
        "something:new",
    ],
)
def test_other_events_are_ignored(event: str) -> None:
    data: dict[str, Any] = {
        "from": "operator",
        "type": "text",
        "content": "Hello",
        "fingerprint": 1,
        "data": {"plan": "pro"},
    }
    found = parsed("crisp", happened(event, **data))
    assert found.items == found.erased == []
    assert found.ignored


@pytest.mark.parametrize("body", [{}, {"event": "message:send"}, {"event": 1, "data": {}}, {"data": {}}])
def test_other_bodies_are_refused(body: Any) -> None:
    with pytest.raises(CannotParse):
        parsed("crisp", json_call("crisp", body))


def test_events_in_any_order_end_in_the_same_state(database: Database, settings: Settings) -> None:
    calls = [
        message(),
        message(1795166050000, fingerprint=2, content="A second thought"),
        happened(
            "message:updated",
            1795166055000,
            **{"from": "user", "type": "text", "fingerprint": 2, "content": "A second thought, mended"},
        ),
        message(1795166060000, fingerprint=3, content="Oh no"),
        happened("message:received", 1795166070000, **{"from": "operator", "content": "Hi", "fingerprint": 4}),
        happened("message:removed", 1795166080000, fingerprint=3),
        happened("session:sync:rating", 1795166090000, rating={"stars": 4}),
        happened("session:sync:rating", 1795166095000, rating={"stars": 2, "comment": "slow after all"}),
        happened("session:set_state", 1795166099000, state="resolved"),
        message(1795166100000, session_id="session_2", fingerprint=9, content="Forget me"),
        happened("session:removed", 1795166101000, session_id="session_2"),
    ]
    order_free(database, settings, "crisp", calls)


def test_odd_shapes_are_parsed_or_refused() -> None:
    check_hostile("crisp", recorded("crisp", "message-send").call)
    check_hostile("crisp", message(session={"segments": ["vip"], "data": {"plan": "pro"}}))
    check_hostile("crisp", happened("session:sync:rating", rating={"stars": 2, "comment": "slow"}))


def test_what_a_visitor_wrote_is_taken_whichever_way_it_is_told() -> None:
    told = happened("message:received", **json.loads(message().body)["data"])
    assert parsed("crisp", told).items == parsed("crisp", message()).items


def test_a_removed_profile_is_erased_and_unknown_events_need_no_data() -> None:
    removed = parsed("crisp", happened("people:profile:removed", people_id="p-1"))
    assert removed.erased == [Erased("respondent", "p-1")]
    for data in (None, [], [1], "x"):
        found = parsed("crisp", json_call("crisp", {"event": "website:update_visitors_list", "data": data}))
        assert found.ignored
