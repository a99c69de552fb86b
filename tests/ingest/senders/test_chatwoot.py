"""Chatwoot: what its webhooks become, signed and unsigned."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

NAMES = ("conversation_created", "message_created", "conversation_status_changed.resolved")
CONTACT = {"id": 5679, "name": "Test", "email": "contact@example.com", "custom_attributes": {"plan": "pro"}}
TEXT = "Checkout says <total> but charges shipping twice & no coupon field"


def conversation(at: float = 1795166045.5, **fields: Any) -> dict[str, Any]:
    return {
        "id": 85,
        "channel": "Channel::WebWidget",
        "status": "open",
        "labels": [],
        "messages": [],
        "contact_inbox": {"contact_id": 5679},
        "meta": {"sender": {**CONTACT, "type": "contact"}, "team": {"id": 1, "name": "Billing"}},
        "updated_at": at,
        **fields,
    }


def message(event: str = "message_created", at: float = 1795166045.5, **fields: Any) -> Call:
    body = {
        "event": event,
        "id": 98770,
        "account": {"id": 7, "name": "Acme"},
        "content": "It is still broken.",
        "content_type": "text",
        "content_attributes": {},
        "created_at": "2026-11-20T09:14:03.120Z",
        "message_type": "incoming",
        "private": False,
        "inbox": {"id": 45, "name": "Website"},
        "sender": CONTACT,
        "conversation": conversation(at),
        **fields,
    }
    return json_call("chatwoot", body)


def csat(at: float, answer: Any, **fields: Any) -> Call:
    submitted = {"submitted_values": {"csat_survey_response": answer}} if answer is not None else {}
    return message(
        "message_updated",
        at,
        **{
            "id": 98790,
            "content": "Please rate the conversation",
            "content_type": "input_csat",
            "message_type": "template",
            "content_attributes": submitted,
            "sender": None,
            **fields,
        },
    )


def happened(event: str, at: float = 1795166045.5, **fields: Any) -> Call:
    return json_call("chatwoot", {"event": event, **conversation(at, **fields)})


@pytest.mark.parametrize("name", NAMES)
def test_recorded_calls_hold_with_their_secret_only(name: str) -> None:
    one = recorded("chatwoot", name)
    assert accepted("chatwoot", one.call, [one.secret or ""], one.clock)
    assert accepted("chatwoot", one.call, ["new", one.secret or ""], one.clock), "while secrets change"
    assert accepted("chatwoot", one.call, [], one.clock), "versions that do not sign"
    assert not accepted("chatwoot", one.call, ["other"], one.clock)
    secret = [one.secret or ""]
    assert not accepted("chatwoot", replace(one.call, body=one.call.body + b" "), secret, one.clock)
    again = json.dumps(json.loads(one.call.body)).encode()
    assert not accepted("chatwoot", replace(one.call, body=again), secret, one.clock), "escapes are signed too"
    for late in (timedelta(seconds=301), timedelta(seconds=-301)):
        assert not accepted("chatwoot", one.call, secret, one.clock + late)
    assert accepted("chatwoot", one.call, secret, one.clock + timedelta(hours=1), replay_window_seconds=4000)


@pytest.mark.parametrize("header", ["x-chatwoot-signature", "x-chatwoot-timestamp"])
@pytest.mark.parametrize(
    "value", [None, "", "sha256=", "garbage", "sha256=zz", "-1", "1e9", "٣", "9" * 400, "\ud83d"]
)
def test_garbled_headers_are_refused(header: str, value: str | None) -> None:
    one = recorded("chatwoot", "message_created")
    headers = {name: text for name, text in one.call.headers.items() if name != header}
    if value is not None:
        headers[header] = value
    assert not accepted("chatwoot", replace(one.call, headers=headers), [one.secret or ""], one.clock)


def test_the_recorded_message_is_the_customers_item() -> None:
    (item,) = parsed("chatwoot", recorded("chatwoot", "message_created").call).items
    assert item == {
        "external_id": "98766",
        "text": TEXT,
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:05.500006+00:00",
        "conversation_id": "85",
        "respondent": "5679",
        "channel": "chat",
        "attributes": {"inbox": "Website", "channel": "WebWidget", "status": "open", "plan": "pro"},
    }


def test_a_conversations_first_message_is_the_same_item() -> None:
    (item,) = parsed("chatwoot", recorded("chatwoot", "conversation_created").call).items
    assert (item["external_id"], item["conversation_id"], item["text"]) == ("98766", "85", TEXT)
    assert item["updated_at"] == "2026-11-20T09:14:05.500001+00:00"
    assert parsed("chatwoot", recorded("chatwoot", "conversation_status_changed.resolved").call).items == []


def test_links_are_made_where_the_account_is_known() -> None:
    (item,) = parsed("chatwoot", message(), base_url="https://chat.example.com/", account_id="7").items
    assert item["url"] == "https://chat.example.com/app/accounts/7/conversations/85"
    assert "url" not in parsed("chatwoot", message()).items[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"message_type": "outgoing"},
        {"message_type": "activity"},
        {"message_type": "template"},
        {"message_type": 1},
        {"message_type": 2},
        {"message_type": 3},
        {"message_type": None},
        {"message_type": False},
        {"private": True},
        {"private": "true"},
        {"sender": {"id": 1, "type": "user"}},
        {"sender": {"id": 1, "type": "agent_bot"}},
        {"sender_type": "AgentBot"},
        {"content": None},
        {"content": "  "},
        {"content": None, "attachments": [{"id": 1, "file_type": "image"}]},
        {"id": None},
    ],
)
def test_what_no_customer_wrote_is_ignored(fields: dict[str, Any]) -> None:
    found = parsed("chatwoot", message(**fields))
    assert found.items == []
    assert found.ignored


def test_what_a_customer_says_in_a_voice_message_is_theirs() -> None:
    voice = {"id": 1, "file_type": "audio", "data_url": "https://chat.example.com/a.ogg"}
    assert parsed("chatwoot", message(content=None, attachments=[voice])).items == []
    written = {**voice, "transcribed_text": "I want my money back."}
    (item,) = parsed("chatwoot", message("message_updated", content=None, attachments=[written])).items
    assert item["text"] == "I want my money back."
    (item,) = parsed("chatwoot", message(content="Listen:", attachments=[written, voice, None])).items
    assert item["text"] == "Listen:\n\nI want my money back."
    ours = message(content=None, attachments=[written], message_type="outgoing")
    assert parsed("chatwoot", ours).items == []


def form(at: float, *values: dict[str, Any]) -> Call:
    fields = [
        {"name": "why", "label": "Why do you leave?", "type": "text_area"},
        {"name": "mail", "label": "Your e-mail", "type": "text"},
        {"name": "plan", "label": "Plan", "type": "select", "options": []},
    ]
    content = {"items": fields, "submitted_values": list(values)}
    return message("message_updated", at, message_type="outgoing", content_type="form", content_attributes=content)


def test_what_a_customer_writes_into_a_bots_form_is_theirs() -> None:
    values = ({"name": "why", "value": "Too dear."}, {"name": "mail", "value": "a@b.example"})
    (item,) = parsed("chatwoot", form(1795166045.5, *values, {"name": "plan", "value": "Pro"})).items
    assert (item["external_id"], item["text"]) == ("98770:why", "Too dear.")
    assert (item["question"], item["conversation_id"]) == ("Why do you leave?", "85")
    assert item["respondent"] == parsed("chatwoot", message()).items[0]["respondent"]
    for nothing in ((), ({"name": "why"},), ({"name": "other", "value": "x y"},), ({"value": "x y"},)):
        assert parsed("chatwoot", form(1795166045.5, *nothing)).items == []


def test_the_type_comes_as_a_word_or_a_number() -> None:
    for kind in ("incoming", 0, "0"):
        assert parsed("chatwoot", message(message_type=kind)).items[0]["text"] == "It is still broken."


def test_mails_come_with_their_subject_and_without_what_they_quote() -> None:
    mail: dict[str, Any] = {
        "subject": "Refund",
        "text_content": {"reply": "Where is it?", "full": "Where is it?\n> hi"},
    }
    call = message(content_type="incoming_email", content_attributes={"email": mail}, content="full")
    assert parsed("chatwoot", call).items[0]["text"] == "Refund\n\nWhere is it?"
    mail["in_reply_to"] = "<a@b>"
    call = message(content_type="incoming_email", content_attributes={"email": mail})
    assert parsed("chatwoot", call).items[0]["text"] == "Where is it?"
    plain = message(
        content_attributes={"email": {"subject": "Re: x"}}, content="Thanks\n\nOn Monday Acme wrote:\n> hello"
    )
    assert parsed("chatwoot", plain).items[0]["text"] == "Thanks"


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("Channel::Email", "ticket"),
        ("Channel::FacebookPage", "social"),
        ("Channel::Whatsapp", "chat"),
        ("Channel::Voice", "call"),
        ("Channel::Something", "chat"),
    ],
)
def test_channels(channel: str, expected: str) -> None:
    call = message(conversation=conversation(channel=channel))
    assert parsed("chatwoot", call).items[0]["channel"] == expected


def test_a_satisfaction_answer_is_a_score_in_its_conversation() -> None:
    assert parsed("chatwoot", csat(1795167000.1, None)).items == [], "a survey that is not answered"
    (item,) = parsed("chatwoot", csat(1795167000.1, {"rating": 2, "feedback_message": " Took days. "})).items
    assert item["score"] == {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5}
    assert (item["text"], item["conversation_id"], item["external_id"]) == ("Took days.", "85", "98790")
    assert item["respondent"] == "5679", "the contact, whoever sent the survey"
    (bare,) = parsed("chatwoot", csat(1795167000.1, {"rating": "5", "feedback_message": ""})).items
    assert bare["score"]["value"] == 5
    assert "text" not in bare
    agent = csat(1795167000.1, {"rating": 4}, sender={"id": 3, "type": "user", "name": "Agent"})
    assert parsed("chatwoot", agent).items[0]["respondent"] == "5679"
    odd: tuple[Any, ...] = (None, 0, 6, "great", [], True)
    for rating in odd:
        assert parsed("chatwoot", csat(1795167000.1, {"rating": rating})).items == []


def test_deleted_messages_conversations_and_contacts_are_erased() -> None:
    gone = message("message_updated", content="This message was deleted", content_attributes={"deleted": True})
    assert parsed("chatwoot", gone).erased == [Erased("item", "98770")]
    by_agent = message("message_updated", message_type="outgoing", content_attributes={"deleted": True})
    assert parsed("chatwoot", by_agent).erased == []
    assert parsed("chatwoot", happened("conversation_deleted")).erased == [Erased("conversation", "85")]
    contact = json_call("chatwoot", {"event": "contact_deleted", "id": 5679})
    assert parsed("chatwoot", contact).erased == [Erased("respondent", "5679")]
    with pytest.raises(CannotParse):
        parsed("chatwoot", json_call("chatwoot", {"event": "contact_deleted", "id": None}))


@pytest.mark.parametrize(
    "event",
    [
        "contact_created",
        "contact_updated",
        "webwidget_triggered",
        "inbox_created",
        "conversation_typing_on",
        "something_new",
    ],
)
def test_other_events_are_ignored(event: str) -> None:
    found = parsed("chatwoot", json_call("chatwoot", {"event": event, "id": 5679, "name": "Test"}))
    assert found.items == found.erased == []
    assert found.ignored


def test_events_in_any_order_end_in_the_same_state(database: Database, settings: Settings) -> None:
    first = {
        "id": 98766,
        "content": "First words",
        "message_type": 0,
        "content_type": "text",
        "private": False,
        "created_at": 1795166045,
        "conversation_id": 85,
        "sender_type": "Contact",
    }
    calls = [
        recorded("chatwoot", "conversation_created").call,
        recorded("chatwoot", "message_created").call,
        message(at=1795166100.2),
        message(id=98771, message_type="outgoing", at=1795166120.2, content="We are on it"),
        message(id=98772, at=1795166130.2, content="A mistake"),
        message("message_updated", 1795166140.2, id=98772, content_attributes={"deleted": True}, content="gone"),
        happened("conversation_updated", 1795166150.2, labels=["billing"], messages=[first]),
        happened("conversation_status_changed", 1795166160.2, status="resolved", messages=[first]),
        csat(1795166170.2, None),
        csat(1795166180.2, {"rating": 1}),
        csat(1795166190.2, {"rating": 2, "feedback_message": "Slow"}),
        recorded("chatwoot", "conversation_status_changed.resolved").call,
    ]
    spoken = {"id": 1, "file_type": "audio", "transcribed_text": "I want my money back."}
    calls += [
        message(id=98800, content=None, attachments=[{"id": 1, "file_type": "audio"}]),
        message("message_updated", 1795166100.5, id=98800, content=None, attachments=[spoken]),
        form(1795166046.5, {"name": "why", "value": "Too dear."}),
        form(1795166047.5, {"name": "why", "value": "Far too dear."}),
    ]
    order_free(database, settings, "chatwoot", calls)


def test_odd_shapes_are_parsed_or_refused() -> None:
    for call in (
        recorded("chatwoot", "conversation_created").call,
        recorded("chatwoot", "message_created").call,
        csat(1795167000.1, {"rating": 2, "feedback_message": "Took days."}),
    ):
        check_hostile("chatwoot", call)


def test_a_mail_that_has_html_only_comes_as_its_words() -> None:
    mail = {"subject": "Re: Broken", "text_content": None, "html_content": {"reply": "<p>Still <b>broken</b></p>"}}
    call = message(
        content="<p>Still <b>broken</b></p><blockquote>Hi</blockquote>", content_attributes={"email": mail}
    )
    assert parsed("chatwoot", call).items[0]["text"] == "Still broken"
    call = message(content="<p>Still <b>broken</b></p>", content_attributes={})
    assert parsed("chatwoot", call).items[0]["text"] == "Still broken"


@pytest.mark.parametrize(
    "event", ["automation_event.message_created", "automation_event.conversation_updated", "macro.executed"]
)
def test_the_webhook_of_a_rule_or_macro_tells_the_conversation(event: str) -> None:
    said_in_it = {
        "id": 98770,
        "content": "It is still broken.",
        "message_type": 0,
        "created_at": 1795166043,
        "sender": CONTACT,
        "sender_type": "Contact",
    }
    agents = {**said_in_it, "id": 98771, "content": "We look into it.", "message_type": 1, "sender_type": "User"}
    (item,) = parsed("chatwoot", happened(event, messages=[said_in_it, agents])).items
    assert (item["external_id"], item["text"], item["conversation_id"]) == ("98770", "It is still broken.", "85")
