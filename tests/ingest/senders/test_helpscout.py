"""Help Scout: conversations, ratings, chats and surveys, whose event stands only in a header."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.ingest.senders import SENDERS
from service.ingest.senders.helpscout import check_secret, new_secret
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import survives
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

NAMES = ("convo.created", "convo.deleted", "satisfaction.ratings")
CUSTOMER = {"id": 500, "type": "customer", "email": "customer@example.com"}
AGENT = {"id": 11, "type": "user", "email": "agent@example.com"}
CREATED = "2026-11-20T09:14:03Z"


@pytest.mark.parametrize("name", NAMES)
def test_what_was_recorded_is_accepted_and_nothing_else(name: str) -> None:
    one = recorded("helpscout", name)
    assert one.secret
    assert accepted("helpscout", one.call, [one.secret], one.clock)
    assert accepted("helpscout", one.call, ["new", one.secret], one.clock)
    assert not accepted("helpscout", one.call, ["wrong"], one.clock)
    assert not accepted("helpscout", one.call, [], one.clock)
    for place in (0, len(one.call.body) // 2, len(one.call.body) - 1):
        body = bytearray(one.call.body)
        body[place] ^= 1
        assert not accepted("helpscout", replace(one.call, body=bytes(body)), [one.secret], one.clock)
    good = one.call.headers["x-helpscout-signature"]
    for value in (None, "", "=", good[:-2], good.lower(), f"sha1={good}", "\xe9", "9" * 300):
        headers = {key: text for key, text in one.call.headers.items() if key != "x-helpscout-signature"}
        if value is not None:
            headers["x-helpscout-signature"] = value
        assert not accepted("helpscout", replace(one.call, headers=headers), [one.secret], one.clock)


def test_secrets_are_as_long_as_help_scout_takes_them() -> None:
    made = new_secret()
    check_secret(made)
    assert len(made) == 40
    assert made != new_secret()
    for bad in ("", "x" * 41):
        with pytest.raises(ValueError, match="40"):
            check_secret(bad)


def test_the_recorded_conversation_and_its_rating() -> None:
    (message,) = parsed("helpscout", recorded("helpscout", "convo.created").call).items
    assert message == {
        "external_id": "3002084",
        "conversation_id": "123456789",
        "respondent": "500",
        "channel": "ticket",
        "text": "App crashes when I add a photo\n\n"
        "Every time I attach a picture from the gallery the app closes.\nPhone: 2 years old.",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "url": "https://secure.helpscout.net/conversation/123456789/4521",
        "attributes": {"status": "active", "tags": "crash", "mailbox": "85", "type": "email"},
    }
    (rating,) = parsed("helpscout", recorded("helpscout", "satisfaction.ratings").call).items
    assert rating == {
        "external_id": "rating:5434",
        "response_id": "rating:5434",
        "conversation_id": "123456789",
        "respondent": "500",
        "score": {"kind": "csat", "value": 1, "scale_min": 1, "scale_max": 3},
        "text": "I still cannot add photos.",
        "occurred_at": "2026-11-20T12:12:13+00:00",
        "updated_at": "2026-11-20T12:12:13+00:00",
        "attributes": {"mailbox": "85"},
    }
    gone = parsed("helpscout", recorded("helpscout", "convo.deleted").call)
    assert gone.erased == [Erased("conversation", "123456789")]


def hook(event: str, payload: Any) -> Call:
    return json_call("helpscout", payload, x_helpscout_event=event)


def test_the_event_is_told_by_the_header_alone() -> None:
    body = recorded("helpscout", "convo.deleted").call.body
    for headers in ({}, {"x-helpscout-event": " "}):
        with pytest.raises(CannotParse, match="X-HelpScout-Event"):
            parsed("helpscout", Call(headers, body))
    # the same body says two things, and is two deliveries
    gone = hook("customer.deleted", {"id": 123456789})
    assert parsed("helpscout", gone).erased == [Erased("respondent", "123456789")]
    delivery_id = SENDERS["helpscout"].delivery_id
    assert delivery_id(gone) != delivery_id(hook("convo.deleted", {"id": 123456789}))
    assert delivery_id(gone) == delivery_id(replace(gone))
    for event in ("convo.deleted", "customer.deleted"):
        with pytest.raises(CannotParse):
            parsed("helpscout", hook(event, {"uri": "https://api.helpscout.net/v2/x"}))


def thread(number: int, body: Any, kind: str = "customer", by: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "type": kind,
        "state": "published",
        "body": body,
        "createdBy": CUSTOMER if by is None else by,
        "customer": {"id": 500, "email": "customer@example.com"},
        "createdAt": f"2026-11-20T{9 + number}:00:00Z",
        **fields,
    }


def conversation(*threads: Any, **fields: Any) -> dict[str, Any]:
    return {
        "id": 77,
        "number": 4521,
        "threads": len(threads),
        "type": "email",
        "status": "active",
        "subject": "Photos",
        "preview": "This is only a preview",
        "mailboxId": 85,
        "createdAt": CREATED,
        "userUpdatedAt": CREATED,
        "tags": [{"id": 1, "tag": "crash"}],
        "primaryCustomer": CUSTOMER,
        "_embedded": {"threads": list(threads)},
        **fields,
    }


REPLY = "convo.customer.reply.created"


@pytest.mark.parametrize(
    "written",
    [
        thread(1, "We look.", "message", AGENT),
        thread(1, "She is upset.", "note", AGENT),
        thread(1, "Status changed", "lineitem", AGENT),
        thread(1, "She called.", "phone", AGENT),
        thread(1, "Forwarded", "forwardparent", AGENT),
        thread(1, "For her", "customer", AGENT),
        thread(1, "Half a mail", state="draft"),
        thread(1, "Held", state="hidden"),
        thread(1, "Hello", "beaconchat", AGENT),
        thread(1, "Hello", "chat", {"id": 1}),
        thread(1, " <br> "),
        thread(1, None),
        {**thread(1, "No id"), "id": None},
        None,
        "odd",
    ],
)
def test_what_customers_did_not_write_is_left_out(written: Any) -> None:
    found = parsed("helpscout", hook(REPLY, conversation(written)))
    assert not found.items
    assert found.ignored


def test_customers_mails_and_chats_are_taken_each_once() -> None:
    threads = (thread(1, "One"), thread(2, "We look", "message", AGENT), thread(3, "Two", "beaconchat"))
    found = parsed("helpscout", hook(REPLY, conversation(*threads, threads[0])))
    assert [(item["external_id"], item["text"]) for item in found.items] == [("1", "One"), ("3", "Two")]
    (item,) = parsed("helpscout", hook(REPLY, conversation(thread(1, "Hi", "chat"), type="chat"))).items
    assert item["channel"] == "chat"
    (item,) = parsed("helpscout", hook(REPLY, conversation(thread(1, "Hi", by={"email": "A@example.com"})))).items
    assert item["respondent"] == "500"


@pytest.mark.parametrize(
    "event",
    [
        "convo.agent.reply.created",
        "convo.note.created",
        "convo.merged",
        "convo.assigned",
        "customer.created",
        "customer.updated",
        "tag.created",
        "organization.deleted",
        "user.status.changed",
        "beacon.chat.agent.replied",
        "something.new",
    ],
)
def test_other_events_are_ignored_by_name(event: str) -> None:
    found = parsed("helpscout", hook(event, conversation(thread(1, "Words of a customer"))))
    assert not found.items
    assert not found.erased
    assert event in found.ignored


def test_notification_mode_says_what_to_switch_off() -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {"uri": "https://api.helpscout.net/v2/conversations/1"},
        {"id": 1},
        {"_links": {"self": {}}},
    )
    for body in bodies:
        found = parsed("helpscout", hook("convo.created", body))
        assert "notification" in found.ignored
    found = parsed("helpscout", hook("convo.created", conversation()))
    assert found.ignored, "a preview is not what the customer wrote"


def test_the_first_payload_version() -> None:
    body = {
        "id": 291938,
        "type": "email",
        "number": 349,
        "mailbox": {"id": 1234, "name": "Support"},
        "customer": {"id": 500, "type": "customer", "emails": ["Customer@Example.com"]},
        "status": "active",
        "subject": "I need help!",
        "tags": ["tag1", "tag2"],
        "createdAt": CREATED,
        "userModifiedAt": "2026-11-20T10:00:00Z",
        "threads": [
            {**thread(1, "<p>Downloading fails.</p>"), "createdAt": CREATED, "customer": None},
            thread(2, "Sure", "message", AGENT),
        ],
    }
    (item,) = parsed("helpscout", hook("convo.created", body)).items
    assert item["text"] == "I need help!\n\nDownloading fails."
    assert item["attributes"] == {"status": "active", "tags": "tag1, tag2", "mailbox": "Support", "type": "email"}
    (rating,) = parsed(
        "helpscout",
        hook(
            "satisfaction.ratings",
            {
                "id": 5434,
                "customer": {"emails": [{"id": 1, "value": "Customer@Example.com"}]},
                "ticketId": 291938,
                "threadId": 1,
                "mailbox": {"id": 1234, "name": "Support"},
                "rating": "Great",
                "comments": "he was really helpful",
                "createdAt": "2015-04-13T12:34:12Z",
                "modifiedAt": "2015-04-14T20:18:33Z",
            },
        ),
    ).items
    assert rating["score"]["value"] == 3
    assert rating["conversation_id"] == "291938"
    assert rating["respondent"] == "customer@example.com"
    assert rating["updated_at"] == "2015-04-14T20:18:33+00:00"


@pytest.mark.parametrize(
    ("given", "points"),
    [
        ("great", 3),
        ("okay", 2),
        ("not_good", 1),
        ("Bad", 1),
        ("Okay", 2),
        ("unknown", None),
        (None, None),
        (3, None),
    ],
)
def test_ratings_in_both_versions_words(given: Any, points: int | None) -> None:
    body = {"id": 1, "conversationId": 77, "rating": given, "comments": "Words", "createdAt": CREATED}
    (item,) = parsed("helpscout", hook("satisfaction.ratings", body)).items
    assert item.get("score", {}).get("value") == points
    assert item["text"] == "Words"
    if points is None:
        assert parsed("helpscout", hook("satisfaction.ratings", {**body, "comments": ""})).ignored


def chat(*events: Any) -> dict[str, Any]:
    return {
        "id": "5a0da3c3-4882-3352-8db9-8fc47e14111f",
        "beaconId": "ed8e9fe0",
        "mailboxId": 2599,
        "createdAt": "2026-11-20T09:00:00.982028Z",
        "customer": {"id": 500, "type": "customer"},
        "preview": "Only a preview",
        "tags": [{"id": 1, "slug": "vip"}],
        "timeline": [{"type": "page-viewed", "url": "https://a.example"}],
        "_embedded": {"events": list(events)},
    }


def line(number: str, body: Any, author: Any = None, kind: str = "message") -> dict[str, Any]:
    author = CUSTOMER if author is None else author
    at = f"2026-11-20T09:0{number}:00Z"
    return {
        "id": f"m{number}",
        "type": kind,
        "action": "message-added",
        "author": author,
        "body": body,
        "createdAt": at,
    }


def test_what_the_visitor_writes_in_a_live_chat() -> None:
    body = chat(line("1", "<p>Hi</p>"), line("2", "Hello!", AGENT), line("3", "joined", CUSTOMER, "line-item"))
    (item,) = parsed("helpscout", hook("beacon.chat.created", body)).items
    assert item["external_id"] == "m1"
    assert item["conversation_id"] == body["id"]
    assert (item["channel"], item["text"], item["respondent"]) == ("chat", "Hi", "500")
    assert item["attributes"] == {"tags": "vip", "mailbox": "2599", "beacon": "ed8e9fe0"}
    assert parsed("helpscout", hook("beacon.chat.customer.replied", {"chat": body})).items == [item]
    assert parsed("helpscout", hook("beacon.chat.created", chat(line("1", "Hi", {"id": 1})))).ignored
    # chats that come as conversations
    found = parsed("helpscout", hook("beacon.chat.created", conversation(thread(1, "Hi", "chat"), type="chat")))
    assert [one["text"] for one in found.items] == ["Hi"]


def survey(**response: Any) -> dict[str, Any]:
    return {
        "message": {"id": "8de613e9", "name": "Monthly survey"},
        "response": {"timestamp": "2026-11-20T13:43:12Z", **response},
        "_embedded": {"customer": {"id": 500, "emails": []}},
    }


@pytest.mark.parametrize(
    ("response", "score"),
    [
        ({"value": "9", "category": "passive", "comment": "Fine."}, ("nps", 9, 0, 10)),
        ({"value": 0, "category": "detractor"}, ("nps", 0, 0, 10)),
        ({"name": "Happy", "value": "😀"}, ("csat", 3, 1, 3)),
        ({"name": "Sad", "value": "🙁", "comment": "No."}, ("csat", 1, 1, 3)),
        ({"name": "Thumbs Down", "value": "👎"}, ("csat", 0, 0, 1)),
        ({"value": "9", "comment": "Chosen from a list"}, None),
        ({"value": "Too dear", "comment": "Twice as much as before."}, None),
        ({"comment": "Only words."}, None),
        ({"value": "99", "category": "promoter", "comment": "Off the scale"}, None),
    ],
)
def test_answers_to_survey_messages(response: dict[str, Any], score: tuple[Any, ...] | None) -> None:
    (item,) = parsed("helpscout", hook("message.survey.response.received", survey(**response))).items
    names = ("kind", "value", "scale_min", "scale_max")
    assert item.get("score") == (dict(zip(names, score, strict=True)) if score else None)
    assert item.get("text") == response.get("comment")
    assert (item["channel"], item["respondent"]) == ("survey", "500")
    assert item["attributes"]["survey"] == "Monthly survey"
    assert item["external_id"] == item["response_id"]


def test_numbers_of_a_survey_are_scores_where_their_scale_is_said() -> None:
    call = hook("message.survey.response.received", survey(value="4"))
    assert parsed("helpscout", call).ignored
    for scales, score in (
        ({"Monthly survey": "csat:1-5"}, ("csat", 4, 1, 5)),
        ({"Monthly survey": "ces"}, ("ces", 4, 1, 7)),
        ({"Another": "csat:1-5"}, None),
        ({"Monthly survey": "csat:1-3"}, None),
    ):
        items = parsed("helpscout", call, scales=scales).items
        found = [
            tuple(item["score"][name] for name in ("kind", "value", "scale_min", "scale_max")) for item in items
        ]
        assert found == ([score] if score else [])


def test_survey_responses_have_no_id_of_their_own() -> None:
    def key(body: dict[str, Any]) -> str:
        return str(parsed("helpscout", hook("message.survey.response.received", body)).items[0]["external_id"])

    one = survey(value="9", category="passive")
    assert key(one) == key(survey(value="9", category="passive", comment="Added")), "the same response, told whole"
    assert key(one) != key(survey(value="9", category="passive", timestamp="2026-11-21T13:43:12Z"))
    nobody = {**one, "_embedded": {}}
    assert key(nobody) != key({**survey(value="8", category="passive"), "_embedded": {}})
    assert key({**one, "id": 7}) == "survey:7"
    for choice in ({"value": "Too dear"}, {"value": "7"}, {}):
        assert parsed("helpscout", hook("message.survey.response.received", survey(**choice))).ignored


def test_custom_fields_and_page() -> None:
    fields = [{"id": 1, "name": "Plan", "value": "3", "text": "Pro"}, {"id": 2, "name": "Seats", "value": "5"}, 7]
    body = conversation(thread(1, "Hi"), customFields=fields, number=None)
    (item,) = parsed("helpscout", hook("convo.custom-fields", body)).items
    assert item["attributes"]["Plan"] == "Pro"
    assert item["attributes"]["Seats"] == "5"
    assert item["url"] == "https://secure.helpscout.net/conversation/77"


def test_a_conversation_arrives_in_any_order(database: Database, settings: Settings) -> None:
    first = thread(1, "It crashes.", createdAt=CREATED)
    rating = {"id": 9, "conversationId": 77, "customer": {"id": 500}, "rating": "not_good", "createdAt": CREATED}
    calls = [
        hook("convo.created", conversation(first)),
        # in the same second
        hook("convo.tags", conversation(first, tags=[{"tag": "crash"}, {"tag": "vip"}])),
        hook(REPLY, conversation(first, thread(2, "Still."), userUpdatedAt="2026-11-20T10:00:00Z")),
        hook("convo.agent.reply.created", conversation(first, thread(3, "We look.", "message", AGENT))),
        hook(
            "convo.status",
            conversation(first, thread(2, "Still."), status="closed", userUpdatedAt="2026-11-20T13:00:00Z"),
        ),
        hook("satisfaction.ratings", {**rating, "modifiedAt": CREATED}),
        hook("satisfaction.ratings", {**rating, "comments": "Two weeks!", "modifiedAt": "2026-11-20T14:00:00Z"}),
        hook("beacon.chat.created", chat(line("1", "Hi"))),
        hook("beacon.chat.customer.replied", chat(line("1", "Hi"), line("2", "Hello?"))),
        hook("message.survey.response.received", survey(value="9", category="passive")),
    ]
    order_free(database, settings, "helpscout", calls)


def test_what_was_deleted_stays_gone_in_any_order(database: Database, settings: Settings) -> None:
    other = {"id": 501, "type": "customer"}
    calls = [
        hook("convo.created", conversation(thread(1, "It crashes."))),
        hook("convo.created", conversation(thread(2, "Mine too.", by=other), id=78)),
        hook("convo.created", conversation(thread(3, "Again."), id=79)),
        hook("convo.deleted", {"id": 78}),
        hook("customer.deleted", {"id": 500}),
        hook("convo.created", conversation(thread(4, "Stays.", by=other), id=80)),
    ]
    order_free(database, settings, "helpscout", calls)


@pytest.mark.parametrize(
    "call",
    [
        recorded("helpscout", "convo.created").call,
        recorded("helpscout", "convo.deleted").call,
        recorded("helpscout", "satisfaction.ratings").call,
        hook("beacon.chat.created", chat(line("1", "Hi"))),
        hook("message.survey.response.received", survey(value="9", category="passive", comment="Fine.")),
    ],
    ids=lambda call: call.headers["x-helpscout-event"],
)
def test_content_of_any_shape_is_understood_or_refused(call: Call) -> None:
    assert survives("helpscout", call) > (0 if len(json.loads(call.body)) == 1 else 50)


def test_what_is_no_spam_after_all_is_taken_again_in_any_order(database: Database, settings: Settings) -> None:
    first, second = thread(1, "It crashes."), thread(2, "Hello?", createdAt="2026-11-20T15:00:00Z")
    calls = [
        hook("convo.created", conversation(first)),
        hook("convo.status", conversation(first, status="spam", userUpdatedAt="2026-11-20T13:00:00Z")),
        hook("convo.tags", conversation(first, status="spam", userUpdatedAt="2026-11-20T13:00:00Z")),
        hook("convo.status", conversation(first, status="active", userUpdatedAt="2026-11-20T14:00:00Z")),
        hook(REPLY, conversation(second, userUpdatedAt="2026-11-20T14:00:00Z")),
    ]
    ends = order_free(database, settings, "helpscout", calls)
    assert {name: row["attributes"]["status"] for name, row in ends.items()} == {"1": "active", "2": "active"}
    assert order_free(database, settings, "helpscout", [*calls, hook("convo.deleted", {"id": 77})]) == {}


def test_spam_and_what_the_team_threw_away_is_erased() -> None:
    for fields in ({"status": "spam"}, {"state": "deleted"}):
        found = parsed("helpscout", hook("convo.status", conversation(thread(1, "Buy now"), **fields)))
        assert not found.items
        assert [one.kind for one in found.erased] == ["conversation"]


def test_a_mail_comes_without_what_it_quotes() -> None:
    apple = "<div>It fails.</div><div>On 20 Nov 2026, at 10:00, Acme wrote:</div><blockquote>Sorry</blockquote>"
    (item,) = parsed("helpscout", hook(REPLY, conversation(thread(1, apple)))).items
    assert item["text"].endswith("It fails.")
