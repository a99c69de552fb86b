"""Zendesk: signed events of tickets, and the bodies that administrators write into triggers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from service.ingest.incoming import Call, CannotParse, Erased, Merged
from service.ingest.senders import SENDERS
from service.ingest.senders.guide import read_guide
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import survives
from tests.ingest.senders.recorded import Recorded, accepted, json_call, order_free, parsed, recorded

NAMES = ("ticket.created", "ticket.comment_added", "trigger.custom")
CUSTOMER, AGENT = "9000000000494", "9000000000001"
COMMENT_BACK = {
    "id": "800",
    "body": "Thank you.",
    "is_public": True,
    "author": {"id": CUSTOMER, "is_staff": False, "name": "Jane Roe"},
}


def signed(one: Recorded, body: bytes, *, secret: str | None = None, at: str | None = None) -> Call:
    at = one.call.headers["x-zendesk-webhook-signature-timestamp"] if at is None else at
    digest = hmac.new((secret or one.secret or "").encode(), at.encode() + body, hashlib.sha256).digest()
    return replace(
        one.call,
        body=body,
        headers={
            **one.call.headers,
            "x-zendesk-webhook-signature-timestamp": at,
            "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
        },
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_was_recorded_is_accepted_and_nothing_else(name: str) -> None:
    one = recorded("zendesk", name)
    assert one.secret
    assert accepted("zendesk", one.call, [one.secret], one.clock)
    assert accepted("zendesk", one.call, ["new", one.secret], one.clock)
    assert not accepted("zendesk", one.call, ["wrong"], one.clock)
    assert not accepted("zendesk", one.call, [], one.clock)
    for place in (0, len(one.call.body) // 2, len(one.call.body) - 1):
        body = bytearray(one.call.body)
        body[place] ^= 1
        assert not accepted("zendesk", replace(one.call, body=bytes(body)), [one.secret], one.clock)
    again = json.dumps(json.loads(one.call.body)).encode()
    assert not accepted("zendesk", replace(one.call, body=again), [one.secret], one.clock)


@pytest.mark.parametrize("header", ["x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"])
@pytest.mark.parametrize("value", [None, "", "garbage", "\xe9", "2026-11-20T09:14:06Z", "====", "9" * 300])
def test_a_missing_or_garbled_header_is_refused(header: str, value: str | None) -> None:
    one = recorded("zendesk", "ticket.created")
    assert one.secret
    headers = {key: text for key, text in one.call.headers.items() if key != header}
    if value is not None:
        headers[header] = value
    assert not accepted("zendesk", replace(one.call, headers=headers), [one.secret], one.clock)


def test_the_replay_window_and_a_signed_time_that_is_none() -> None:
    one = recorded("zendesk", "ticket.created")
    assert one.secret
    for seconds, expected in ((299, True), (-299, True), (302, False), (-302, False)):
        assert accepted("zendesk", one.call, [one.secret], one.clock + timedelta(seconds=seconds)) is expected
    late = one.clock + timedelta(hours=1)
    assert accepted("zendesk", one.call, [one.secret], late, replay_window_seconds=4000)
    for at in ("", "soon", "99999-01-01", "0001-01-01T00:00:00Z"):
        assert not accepted("zendesk", signed(one, one.call.body, at=at), [one.secret], one.clock)
    assert accepted("zendesk", signed(one, b""), [one.secret], one.clock)


def test_the_recorded_ticket_and_its_follow_up() -> None:
    (ticket,) = parsed("zendesk", recorded("zendesk", "ticket.created").call).items
    assert ticket == {
        "external_id": "ticket:5158",
        "conversation_id": "5158",
        "respondent": CUSTOMER,
        "text": "Invoice total is wrong\n\nSince yesterday’s update the invoice PDF shows last month’s total. "
        "I need it corrected before our audit on Monday.",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03.672717+00:00",
        "attributes": {
            "status": "new",
            "priority": "high",
            "type": "problem",
            "tags": "billing, pdf",
            "via": "web_service",
            "form": "9000000000822",
            "brand": "9000000000310",
            "group": "9000000000430",
            "organization": "9000000000462",
        },
    }
    (comment,) = parsed("zendesk", recorded("zendesk", "ticket.comment_added").call).items
    assert (comment["external_id"], comment["conversation_id"]) == ("9000000000777", "5158")
    assert comment["text"].startswith("Any news?")
    assert comment["respondent"] == CUSTOMER


def test_the_recorded_trigger_gives_the_customers_text_and_leaves_the_comment_of_nobody() -> None:
    call = recorded("zendesk", "trigger.custom").call
    (item,) = parsed("zendesk", call).items
    assert item["external_id"] == "ticket:5158"
    assert item["text"] == (
        "Invoice total is wrong\n\nSince yesterday’s update the invoice PDF shows last month’s total."
    )
    assert item["url"] == "https://acme.zendesk.example/agent/tickets/5158"
    assert item["attributes"] == {"status": "open", "priority": "high", "tags": "billing, pdf", "via": "Web form"}
    # an administrator who says that only customers set off the trigger
    ticket, comment = parsed("zendesk", call, only_customers_trigger=True).items
    assert ticket == item
    assert comment["text"] == "Any news? My accountant is asking."
    assert comment["conversation_id"] == "5158"


def test_ids_of_deliveries() -> None:
    event, trigger = recorded("zendesk", "ticket.created").call, recorded("zendesk", "trigger.custom").call
    delivery_id = SENDERS["zendesk"].delivery_id
    assert delivery_id(event) == "11111111-2222-4333-8444-000000000001"
    assert delivery_id(trigger) is None, "the invocation's id is not signed"
    assert delivery_id(replace(event, body=b"{")) is None


def event(
    kind: str, detail: dict[str, Any] | None = None, *, time: str = "2026-11-20T11:00:00.5Z", **body: Any
) -> Call:
    payload = json.loads(recorded("zendesk", "ticket.created").call.body)
    payload.update(
        type=f"zen:event-type:{kind}",
        time=time,
        id=f"{kind}@{time}",
        event=body,
        detail=payload["detail"] | (detail or {}),
    )
    return json_call("zendesk", payload)


def comment(number: str, text: str, **given: Any) -> dict[str, Any]:
    author = {"id": given.pop("author", CUSTOMER), "is_staff": given.pop("is_staff", False), "name": "T"}
    return {"comment": {"id": number, "body": text, "is_public": True, "author": author, **given}}


def test_only_public_comments_of_customers_are_taken() -> None:
    for body, reason in (
        (comment("1", "We are looking.", author=AGENT, is_staff=True), "agent"),
        (comment("1", "Refund her.", is_public=False), "internal"),
        (comment("1", "Refund her.", author=AGENT, is_staff=True, is_public=False), "internal"),
        (comment("1", "Who?", author=AGENT, is_staff=None), "not said"),
        (comment("1", "Who?", author=None, is_staff=None), "not said"),
        (comment("1", "This ticket was closed by a rule.", author="-1"), "Zendesk itself"),
        (comment("1", "  "), "without words"),
        (comment("1", "My card is ▇▇▇▇"), "without words"),
    ):
        found = parsed("zendesk", event("ticket.comment_added", **body))
        assert not found.items
        assert reason in found.ignored
    for body in (
        comment("1", "Hello?"),
        comment("1", "Hello?", is_staff=None),
        comment("1", "Hello?", author="9000000000999"),  # another customer in copy
    ):
        (item,) = parsed("zendesk", event("ticket.comment_added", **body)).items
        assert item["text"] == "Hello?"


def changed_event(name: str, **changes: Any) -> Call:
    """The recorded event with other values at its top and, by a dict, below."""
    body = json.loads(recorded("zendesk", name).call.body)
    for key, value in changes.items():
        body[key] = (
            {**body[key], **value} if isinstance(value, dict) and isinstance(body.get(key), dict) else value
        )
    return json_call("zendesk", body)


def comment_of(**fields: Any) -> Call:
    event = json.loads(recorded("zendesk", "ticket.comment_added").call.body)["event"]
    return changed_event("ticket.comment_added", event={"comment": {**event["comment"], **fields}})


def test_flags_as_text_are_flags() -> None:
    assert parsed("zendesk", comment_of(is_public="false")).ignored == "an internal note"
    author = {"id": CUSTOMER, "is_staff": "true"}
    assert parsed("zendesk", comment_of(author=author)).ignored == "a comment of an agent"


def test_a_quoted_earlier_mail_is_not_the_customers_words() -> None:
    quoted = "Any news?\n\nOn Fri, Nov 20, 2026 at 10:00 AM Acme <help@acme.example> wrote:\n> We look into it"
    assert [one["text"] for one in parsed("zendesk", comment_of(body=quoted)).items] == ["Any news?"]
    detail = {"description": 'This is a follow-up to your previous request #12 "Invoice"\n\nStill wrong'}
    (item,) = parsed("zendesk", changed_event("ticket.created", detail=detail)).items
    assert item["text"] == "Invoice total is wrong\n\nStill wrong"


def test_of_a_chat_only_the_customers_lines_are_taken() -> None:
    spoken = "Chat started\n(09:14:03) Test Requester: Where is it?\n(09:14:20 AM) Tim: So\n(09:15) Visitor 12: Ok"
    assert [one["text"] for one in parsed("zendesk", comment_of(body=spoken)).items] == ["Where is it?\nOk"]
    of_agents = "(09:14:20) Tim: Let me see\nand look"
    assert "transcript" in parsed("zendesk", comment_of(body=of_agents)).ignored
    named = {"description": "Conversation with Jane Roe", "via": {"channel": "native_messaging"}}
    assert parsed("zendesk", changed_event("ticket.created", detail=named)).ignored == "a ticket without words"


def test_messages_of_a_chat_come_as_events_of_their_own() -> None:
    def message(kind: str, **fields: Any) -> Call:
        return changed_event(
            "ticket.comment_added",
            type="zen:event-type:messaging_ticket.message_added",
            detail={"id": "5158"},
            event={
                "actor": {"id": "77", "type": kind},
                "message": {"id": "67ab", "body": "Hi <b@c.example>", **fields},
            },
        )

    (item,) = parsed("zendesk", message("end_user")).items
    assert (item["external_id"], item["conversation_id"], item["respondent"]) == ("67ab", "5158", "77")
    assert (item["text"], item["channel"]) == ("Hi <b@c.example>", "chat")
    for kind in ("agent", "system", "trigger", ""):
        assert parsed("zendesk", message(kind)).ignored == "a chat message of an agent or a bot"
    assert parsed("zendesk", message("end_user", body=None)).ignored == "a chat message without words"
    with pytest.raises(CannotParse):
        parsed("zendesk", message("end_user", id=None))


def test_ratings_are_read_in_the_accounts_language() -> None:
    for said, value in (("Gut, ich bin zufrieden", 1), ("Schlecht, ich bin unzufrieden", 0), ("Mauvais", 0)):
        (item,) = parsed("zendesk", json_call("zendesk", {"ticket_id": "5", "satisfaction_rating": said})).items
        assert item["score"] == {"kind": "csat", "value": value, "scale_min": 0, "scale_max": 1}


def test_tickets_that_agents_open_are_not_the_customers_words() -> None:
    for detail, reason in (
        ({"submitter_id": AGENT}, "an agent opened"),
        ({"is_public": False}, "does not see"),
        ({"submitter_id": None, "actor_id": None}, "not said"),
        ({"requester_id": None}, "not said"),
        ({"subject": None, "description": ""}, "without words"),
    ):
        found = parsed("zendesk", event("ticket.created", detail))
        assert not found.items
        assert reason in found.ignored
    (item,) = parsed("zendesk", event("ticket.created", {"submitter_id": None})).items
    assert item["respondent"] == CUSTOMER


def test_the_first_comment_is_the_description_and_not_a_second_item() -> None:
    text = json.loads(recorded("zendesk", "ticket.created").call.body)["detail"]["description"]
    (item,) = parsed("zendesk", event("ticket.comment_added", **comment("1", f" {text}\n"))).items
    assert item["external_id"] == "ticket:5158"
    assert item["text"].startswith("Invoice total is wrong\n\n")


def test_chats_are_named_by_zendesk_and_are_chats() -> None:
    detail = {"via": {"channel": "native_messaging"}, "subject": "Conversation with Test"}
    (item,) = parsed("zendesk", event("ticket.created", detail)).items
    assert item["channel"] == "chat"
    assert item["text"].startswith("Since yesterday")


@pytest.mark.parametrize(
    "kind", ["soft_deleted", "permanently_deleted", "deleted", "marked_as_spam"], ids=lambda kind: kind
)
def test_deleted_tickets_are_erased(kind: str) -> None:
    up_to = None if kind == "permanently_deleted" else "2026-11-20T11:00:00.500000+00:00"
    assert parsed("zendesk", event(f"ticket.{kind}")).erased == [Erased("conversation", "5158", up_to)]
    bare = {"type": f"zen:event-type:ticket.{kind}", "subject": "zen:ticket:5158", "detail": {}, "event": {}}
    assert parsed("zendesk", json_call("zendesk", bare)).erased == [Erased("conversation", "5158")]


def test_redacted_and_hidden_comments_are_erased_also_where_they_opened_the_ticket() -> None:
    for kind in ("comment_redacted", "comment_made_private"):
        found = parsed("zendesk", event(f"ticket.{kind}", comment={"id": 777}))
        assert found.erased == [Erased("item", "777")]
    opening = Erased("item", "ticket:5158")
    found = parsed(
        "zendesk", event("ticket.comment_redacted", {"description": "My card ▇▇▇▇"}, comment={"id": 777})
    )
    assert found.erased == [Erased("item", "777"), opening]
    text = json.loads(recorded("zendesk", "ticket.created").call.body)["detail"]["description"]
    found = parsed("zendesk", event("ticket.comment_made_private", comment={"id": 777, "body": text}))
    assert opening in found.erased
    with pytest.raises(CannotParse):
        parsed("zendesk", event("ticket.comment_redacted"))


def test_a_deleted_user_is_erased_by_id_and_address() -> None:
    payload = {
        "type": "zen:event-type:user.deleted",
        "subject": f"zen:user:{CUSTOMER}",
        "detail": {"id": CUSTOMER, "email": "Requester@Example.com", "role": "end-user"},
    }
    assert parsed("zendesk", json_call("zendesk", payload)).erased == [
        Erased("respondent", CUSTOMER),
        Erased("respondent", "requester@example.com"),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "ticket.merged",
        "ticket.attachment_linked_to_comment",
        "ticket.csat_requested",
        "ticket.something_new",
        "user.created",
        "organization.created",
        "article.published",
        "odd",
    ],
)
def test_other_events_are_ignored_with_a_reason(kind: str) -> None:
    found = parsed("zendesk", event(kind))
    assert found.ignored
    assert not found.items
    assert not found.erased


@pytest.mark.parametrize(
    ("body", "score", "text"),
    [
        ({"satisfaction_score": {"score": "GOOD", "comment": "Quick!"}}, (1, 0, 1), "Quick!"),
        ({"satisfaction_score": {"score": "BAD", "comment": None}}, (0, 0, 1), None),
        ({"satisfaction_rating": "good"}, (1, 0, 1), None),
        ({"current": "Bad, I'm unsatisfied", "previous": None}, (0, 0, 1), None),
        ({"current": {"score": "bad", "comment": "Slow."}}, (0, 0, 1), "Slow."),
        (
            {
                "survey_response": {
                    "id": "01J",
                    "answers": [
                        {"type": "rating_scale", "rating": 2, "rating_category": "bad"},
                        {"type": "closed_ended", "selections": [{"key": "time"}]},
                        {"type": "open_ended", "value": "Three days of waiting."},
                        {"type": "skipped"},
                    ],
                }
            },
            (2, 1, 5),
            "Three days of waiting.",
        ),
        (
            {
                "answers": [
                    {
                        "type": "rating_scale",
                        "rating": "3",
                        "question": {"options": [{"rating": 1}, {"rating": 3}]},
                    },
                    None,
                ]
            },
            (3, 1, 3),
            None,
        ),
        ({"csat": {"rating_category": "good"}}, (1, 0, 1), None),
    ],
)
def test_ratings_become_scores_with_their_comment(
    body: dict[str, Any], score: tuple[float, float, float], text: str | None
) -> None:
    (item,) = parsed("zendesk", event("ticket.csat_received", **body)).items
    assert item["external_id"] == item["response_id"] == "csat:5158"
    assert item["score"] == dict(zip(("kind", "value", "scale_min", "scale_max"), ("csat", *score), strict=True))
    assert item.get("text") == text
    assert item["conversation_id"] == "5158"


@pytest.mark.parametrize("body", [{}, {"satisfaction_score": "offered"}, {"answers": []}, {"current": 9}])
def test_an_event_without_a_rating_is_ignored(body: dict[str, Any]) -> None:
    assert parsed("zendesk", event("ticket.csat_received", **body)).ignored


def test_a_survey_response_without_its_ticket_stands_for_itself() -> None:
    payload = {
        "type": "zen:event-type:survey_response.submitted",
        "time": "2026-11-20T11:00:00Z",
        "detail": {"id": "01J", "responder_id": 9, "answers": [{"type": "rating_scale", "rating": 5}]},
        "event": {},
    }
    (item,) = parsed("zendesk", json_call("zendesk", payload)).items
    assert (item["external_id"], item["respondent"]) == ("csat:01J", "9")


def template(event: str = "comment_added", **values: Any) -> dict[str, Any]:
    """Our own template as Zendesk fills it."""
    filled = dict.fromkeys(json.loads(read_guide("zendesk").template or "{}"), "")
    assert {"ticket_id", "comment_id", "comment", "is_public", "author_id", "requester_id", "event"} <= set(filled)
    return {
        **filled,
        "event": event,
        "ticket_id": "5158",
        "url": "https://acme.zendesk.example/agent/tickets/5158",
        "title": "Invoice total is wrong",
        "comment_id": "777",
        "comment": "Any news?",
        "is_public": "true",
        "author_id": CUSTOMER,
        "updater_id": CUSTOMER,
        "requester_id": CUSTOMER,
        "requester_email": "requester@example.com",
        "created_at": "2026-11-20T09:14:03Z",
        "updated_at": "2026-11-20T10:02:11Z",
        "status": "Open",
        "priority": "-",
        "tags": "billing pdf",
        "via": "Mail",
        "satisfaction_rating": "Offered",
        **values,
    }


def trigger(event: str = "comment_added", **values: Any) -> Call:
    return json_call("zendesk", template(event, **values))


def test_our_template_as_json_form_and_xml() -> None:
    body = template()
    form = Call({"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, urlencode(body).encode())
    xml = "<ticket>" + "".join(f"<{name}>{text}</{name}>" for name, text in body.items()) + "</ticket>"
    expected = parsed("zendesk", trigger()).items
    assert expected == [
        {
            "external_id": "777",
            "conversation_id": "5158",
            "respondent": CUSTOMER,
            "text": "Any news?",
            "occurred_at": "2026-11-20T10:02:11+00:00",
            "updated_at": "2026-11-20T10:02:11+00:00",
            "url": "https://acme.zendesk.example/agent/tickets/5158",
            "attributes": {"status": "open", "tags": "billing, pdf", "via": "Mail"},
        }
    ]
    assert parsed("zendesk", form).items == expected
    assert parsed("zendesk", Call({"content-type": "application/xml"}, xml.encode())).items == expected


def test_our_template_for_a_new_ticket_and_for_a_rating() -> None:
    (item,) = parsed("zendesk", trigger("ticket_created")).items
    assert (item["external_id"], item["text"]) == ("777", "Invoice total is wrong\n\nAny news?")
    (item,) = parsed(
        "zendesk", trigger("csat", satisfaction_rating="Bad", satisfaction_comment="Never again.")
    ).items
    assert (item["external_id"], item["text"], item["score"]["value"]) == ("csat:5158", "Never again.", 0)
    assert parsed("zendesk", trigger("csat")).ignored, "it was only offered"
    (item,) = parsed("zendesk", trigger(satisfaction_rating="Good")).items
    assert item["external_id"] == "777", "an old rating is not given again by a later comment"


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ({"author_id": AGENT}, False),
        ({"author_id": AGENT, "author_role": "end-user"}, True),
        ({"author_role": "agent"}, False),
        ({"is_public": "false"}, False),
        ({"author_id": "", "author_email": "Requester@example.com"}, True),
        ({"author_id": "", "author_email": "agent@example.com"}, False),
        ({"author_id": "", "updater_id": CUSTOMER}, True),
        ({"author_id": "", "updater_id": AGENT}, False),
        ({"author_id": "", "updater_id": ""}, False),
        ({"author_id": "{{ticket.latest_comment.author.id}}", "updater_id": ""}, False),
        ({"event": "customer_reply", "author_id": "", "updater_id": ""}, True),
        ({"event": "agent_reply"}, False),
        ({"event": "internal_note", "author_id": "", "updater_id": ""}, False),
        ({"event": "status_changed", "author_id": "", "updater_id": CUSTOMER}, False),
        ({"comment": "  "}, False),
    ],
)
def test_who_wrote_decides(values: dict[str, Any], taken: bool) -> None:
    found = parsed("zendesk", trigger(**values))
    assert bool(found.items) is taken
    assert taken or found.ignored


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (
            {"id": 5158, "subject": "Wrong", "description": "The total is wrong.", "email": "r@example.com"},
            ["ticket:5158"],
        ),
        (
            {"ticket": {"id": "5158", "requester": {"email": "r@example.com"}}, "description": "Wrong."},
            ["ticket:5158"],
        ),
        (
            {
                "ticketId": "5158",
                "commentId": 9,
                "commentBody": "Hello?",
                "commentAuthorEmail": "R@example.com",
                "requesterEmail": "r@example.com",
            },
            ["9"],
        ),
        (
            {
                "ticket": {"id": 5158, "requester": {"id": 1}},
                "latest_comment": {"id": 9, "value": "Hello?", "author": {"id": 1}, "is_public": "yes"},
            },
            ["9"],
        ),
        ({"ticket_id": "5158", "event": "end_user_comment", "comment": "Hello?"}, ["5158:0da72197e898ebe1"]),
        ({"ticket_id": "5158", "rating": "good", "comment": "Quick."}, ["csat:5158"]),
        (
            {"ticket_id": "5158", "satisfaction": {"current_rating": "Bad", "current_comment": "No."}},
            ["csat:5158"],
        ),
        ({"ticket": {"id": "5158", "satisfaction_rating": {"score": "bad", "comment": "No."}}}, ["csat:5158"]),
        (
            {
                "id": "5158",
                "requester": "Jane Roe",
                "latest_public_comment_formatted": "----------------------------------------------\n\n"
                "Jane Roe, Nov 20, 2026, 09:14\n\nHello?",
            },
            ["5158:0da72197e898ebe1"],
        ),
    ],
)
def test_bodies_with_other_names_are_understood(body: dict[str, Any], ids: list[str]) -> None:
    found = parsed("zendesk", json_call("zendesk", body))
    assert [item["external_id"] for item in found.items] == ids
    assert all(item["conversation_id"] == "5158" for item in found.items)
    assert all(item.get("text") for item in found.items)


def test_a_description_headed_by_an_agents_name_is_not_taken() -> None:
    head = f"{'-' * 46}\n\nSam Agent, Nov 20, 2026, 09:14\n\nShe called: wrong total."
    found = parsed("zendesk", json_call("zendesk", {"id": 1, "requester_name": "Jane Roe", "description": head}))
    assert not found.items
    assert "agent" in found.ignored


def test_tests_of_the_tool_and_calls_without_content() -> None:
    text = read_guide("zendesk").template or ""
    assert "test" in parsed("zendesk", Call({}, text.encode())).ignored
    for method in ("GET", "DELETE", "POST"):
        assert parsed("zendesk", Call({}, b"", method=method)).ignored
    for body in (b'{"ticket_id":"5158","comment":"She said "hi""}', b"[]", b'{"message":"hello"}'):
        with pytest.raises(CannotParse):
            parsed("zendesk", Call({"content-type": "application/json"}, body))


def test_events_arrive_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        recorded("zendesk", "ticket.created").call,
        recorded("zendesk", "ticket.comment_added").call,
        event("ticket.tags_changed", {"tags": ["vip"]}, time="2026-11-20T10:30:00.1Z"),
        event("ticket.comment_added", time="2026-11-20T10:40:00Z", **comment("778", "Still waiting.")),
        event("ticket.comment_added", time="2026-11-20T10:41:00Z", **comment("779", "On it.", is_staff=True)),
        event("ticket.status_changed", {"status": "SOLVED"}, time="2026-11-20T10:50:00Z", current="SOLVED"),
        event("ticket.csat_received", time="2026-11-20T11:00:00Z", satisfaction_score={"score": "BAD"}),
        event(
            "ticket.csat_received",
            time="2026-11-20T11:05:00Z",
            satisfaction_score={"score": "GOOD", "comment": "In the end."},
        ),
        event("ticket.comment_redacted", time="2026-11-20T11:10:00Z", comment={"id": "778"}),
    ]
    order_free(database, settings, "zendesk", calls)


def test_triggers_arrive_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        trigger(
            "ticket_created", comment_id="1", comment="The total is wrong.", updated_at="2026-11-20T09:14:03Z"
        ),
        trigger(),
        trigger(comment_id="778", comment="Still waiting.", updated_at="2026-11-20T10:30:00Z", status="Pending"),
        trigger("csat", satisfaction_rating="Bad", updated_at="2026-11-20T11:00:00Z"),
        trigger(
            "csat",
            satisfaction_rating="Bad",
            satisfaction_comment="Never again.",
            updated_at="2026-11-20T11:01:00Z",
        ),
    ]
    order_free(database, settings, "zendesk", calls)


def test_later_messages_and_ratings_told_by_event_and_by_trigger_are_one(
    database: Database, settings: Settings
) -> None:
    more = "Still waiting for the invoice."
    calls = [
        event("ticket.comment_added", time="2026-11-20T10:40:00Z", **comment("778", more)),
        trigger(comment_id="778", comment=more, updated_at="2026-11-20T10:40:01Z"),
        event("ticket.csat_received", time="2026-11-20T11:00:00Z", satisfaction_score={"score": "BAD"}),
        trigger("csat", satisfaction_rating="Bad", updated_at="2026-11-20T11:00:01Z"),
    ]
    ends = order_free(database, settings, "zendesk", calls)
    assert {name: (row["text"], row["score_value"]) for name, row in ends.items()} == {
        "778": (more, None),
        "csat:5158": (None, 0),
    }
    # what can't be told apart from another message, as the set-up says: use one of the two
    (opened,) = parsed("zendesk", trigger("ticket_created")).items
    (unnamed,) = parsed("zendesk", trigger(comment_id="", comment=more)).items
    assert (opened["external_id"], unnamed["external_id"].partition(":")[0]) == ("777", "5158")


def test_a_deleted_ticket_stays_gone_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        recorded("zendesk", "ticket.created").call,
        recorded("zendesk", "ticket.comment_added").call,
        event("ticket.soft_deleted"),
    ]
    order_free(database, settings, "zendesk", calls)


def test_a_ticket_out_of_the_bin_is_taken_again_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        recorded("zendesk", "ticket.created").call,
        recorded("zendesk", "ticket.comment_added").call,
        event("ticket.marked_as_spam", time="2026-11-20T12:00:00Z"),
        # changes of a ticket that lies in the bin are told as well
        event("ticket.status_changed", {"status": "DELETED"}, time="2026-11-20T12:00:00.1Z"),
        event("ticket.undeleted", time="2026-11-20T13:00:00Z"),
        event("ticket.comment_added", time="2026-11-20T14:00:00Z", comment=COMMENT_BACK),
    ]
    ends = order_free(database, settings, "zendesk", calls)
    assert set(ends) == {"ticket:5158", "800"}
    assert (ends["ticket:5158"]["attributes"]["status"], ends["800"]["text"]) == ("new", "Thank you.")
    gone = [*calls, event("ticket.permanently_deleted", time="2026-11-20T12:30:00Z")]
    assert order_free(database, settings, "zendesk", gone) == {}


def test_merged_users_are_one_in_any_order(database: Database, settings: Settings) -> None:
    other = {"id": "9001", "requester_id": "9000000000495", "submitter_id": "9000000000495"}
    opened = [recorded("zendesk", "ticket.created").call, event("ticket.created", other)]
    merged = event("user.merged", {"id": CUSTOMER}, user={"id": "9000000000495"})
    assert parsed("zendesk", merged).merged == [Merged("9000000000495", CUSTOMER)]
    ends = order_free(database, settings, "zendesk", [*opened, merged])
    assert ends["ticket:5158"]["respondent"] == ends["ticket:9001"]["respondent"]
    erased = event("user.deleted", {"id": CUSTOMER, "email": ""})
    assert order_free(database, settings, "zendesk", [*opened, merged, erased]) == {}


@pytest.mark.parametrize(
    ("told", "merged"),
    [
        ({"user": {"id": 8}}, [Merged("8", "7")]),
        ({"merged_user": {"id": 8}}, [Merged("8", "7")]),
        ({"merged_user_id": 8}, [Merged("8", "7")]),
        ({"merged_into": {"id": 8}}, [Merged("7", "8")]),
        ({"winner": {"id": 9}, "loser": {"id": 8}}, [Merged("7", "9"), Merged("8", "9")]),
        ({"winner": {"id": 7}, "loser": {"id": 8}}, [Merged("8", "7")]),
        ({"merged_users": [{"id": 8}, 9]}, [Merged("8", "7"), Merged("9", "7")]),
    ],
)
def test_who_was_merged_into_whom(told: dict[str, Any], merged: list[Merged]) -> None:
    assert parsed("zendesk", event("user.merged", {"id": 7}, **told)).merged == merged


def test_a_merge_that_does_not_say_who_is_kept_to_be_seen() -> None:
    for told in ({}, {"user": {"id": 7}}, {"user": None}, {"user": {"name": "Jane"}}):
        with pytest.raises(CannotParse):
            parsed("zendesk", event("user.merged", {"id": 7}, **told))


@pytest.mark.parametrize(
    "call",
    [
        recorded("zendesk", "ticket.created").call,
        recorded("zendesk", "ticket.comment_added").call,
        recorded("zendesk", "trigger.custom").call,
        event("user.merged", {"id": CUSTOMER}, user={"id": "9000000000495"}),
        trigger(),
        trigger("csat", satisfaction_rating="Bad"),
        event(
            "ticket.csat_received",
            survey_response={"id": 1, "answers": [{"rating": 4, "question": {"options": []}}]},
        ),
        event("ticket.comment_redacted", comment={"id": "778"}),
    ],
    ids=lambda call: json.loads(call.body).get("type", "trigger"),
)
def test_content_of_any_shape_is_understood_or_refused(call: Call) -> None:
    assert survives("zendesk", call) > 100


def test_a_survey_response_belongs_to_the_ticket_that_it_names() -> None:
    response = {
        "id": "R1",
        "subjects": [{"type": "user", "id": "5"}, {"type": "TICKET", "id": 77}],
        "answers": [{"type": "rating_scale", "rating": 2}, {"type": "open_ended", "value": "Slow."}],
    }
    for body in ({"detail": response, "event": {}}, {"detail": {}, "event": {"survey_response": response}}):
        told = {"type": "zen:event-type:csat_survey_response.submitted", "time": "2026-11-20T10:00:00Z", **body}
        (item,) = parsed("zendesk", json_call("zendesk", told)).items
        assert (item["external_id"], item["conversation_id"]) == ("csat:77", "77")
        assert (item["score"]["value"], item["text"]) == (2, "Slow.")


def test_a_rating_in_an_unknown_language_keeps_its_comment() -> None:
    body = {"ticket_id": 77, "event": "csat", "satisfaction": "Jättebra", "satisfaction_comment": "Snabbt svar!"}
    (item,) = parsed("zendesk", json_call("zendesk", body)).items
    assert (item["external_id"], item["text"]) == ("csat:77", "Snabbt svar!")
    assert "score" not in item
