"""HubSpot: three versions of its signature, thin batches, and what its API answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased, Merged, Wanted
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Fetched, NotThere, Refused, TryLater
from service.ingest.senders.hubspot_api import AccessToken
from service.ingest.senders.signatures import encode_base64, hmac_digest
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Answer, Asked, PlainHttp, fake_api
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, options, order_free, parsed, recorded

SECRET = "test_hubspot_client_secret_c0ffee"
HUBSPOT = SENDERS["hubspot"]
NAME = "batch.ticket+conversation"
T0 = 1795166044000
AT_T0 = "2026-11-20T09:14:04+00:00"
TOKEN = AccessToken(access_token="pat-1")


def event(kind: str, object_id: Any = 60, at: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "appId": 1100001,
        "eventId": 100 + at,
        "subscriptionId": 23,
        "portalId": 20,
        "occurredAt": T0 + at,
        "attemptNumber": 0,
        "changeSource": "CRM_UI",
        "subscriptionType": kind,
        "objectId": object_id,
        **fields,
    }


def changed(name: str, value: Any, at: int = 0, kind: str = "ticket", object_id: int = 60) -> dict[str, Any]:
    return event(f"{kind}.propertyChange", object_id, at, propertyName=name, propertyValue=value)


def batch(*events: Any) -> Call:
    return json_call("hubspot", list(events))


def test_the_recorded_batch_is_verified_and_taken() -> None:
    one = recorded("hubspot", NAME)
    assert accepted("hubspot", one.call, [SECRET], one.clock)
    found = parsed("hubspot", one.call)
    assert found.items == [
        {
            "external_id": "ticket:6000000001",
            "conversation_id": "6000000001",
            "text": "The mobile app keeps asking me to log in again – third time today",
            "occurred_at": "2026-11-20T09:14:04.223000+00:00",
            "updated_at": "2026-11-20T09:14:04.223000+00:00",
        }
    ]
    assert found.wanted == [
        Wanted("ticket", {"id": "6000000001"}),
        Wanted("message", {"id": "0000000000000000000000000000a225", "thread": "9800001"}),
    ]
    assert not found.erased


@pytest.mark.parametrize("scheme", ["v3", "v2", "v1"])
def test_anything_changed_is_refused(scheme: str) -> None:
    one = recorded("hubspot", NAME)
    headers = dict(one.call.headers)
    if scheme == "v2":
        headers["x-hubspot-signature"] = one.meta["signature"]["legacy"]["v2 = sha256hex(secret+METHOD+URL+body)"]
    call, clock = replace(one.call, headers=headers), one.clock

    def holds(other: Call, *secrets: str) -> bool:
        return accepted("hubspot", other, secrets, clock, scheme=scheme)

    assert holds(call, SECRET)
    assert holds(call, "new", SECRET)
    assert not holds(call, "new")
    assert not holds(call)
    assert not holds(replace(call, body=call.body[:-1] + b" ]"), SECRET)
    if scheme != "v1":
        assert not holds(replace(call, method="PUT"), SECRET)
        assert not holds(replace(call, url=call.url.replace("env=test", "env=live")), SECRET)
    name = "x-hubspot-signature-v3" if scheme == "v3" else "x-hubspot-signature"
    for value in ("", "garbage", "é", "0" * 64, headers[name][:-1]):
        assert not holds(replace(call, headers=headers | {name: value}), SECRET)
    assert not holds(replace(call, headers={key: one for key, one in headers.items() if key != name}), SECRET)


def test_the_time_of_v3_is_signed_and_must_be_near() -> None:
    one = recorded("hubspot", NAME)
    for wrong in ("", "soon", "-1", "1795166045124", "9" * 400, "１７９５１６６０４５１２３"):
        headers = {**one.call.headers, "x-hubspot-request-timestamp": wrong}
        assert not accepted("hubspot", replace(one.call, headers=headers), [SECRET], one.clock)
    for shift in (timedelta(seconds=301), timedelta(seconds=-301)):
        assert not accepted("hubspot", one.call, [SECRET], one.clock + shift)
        assert accepted("hubspot", one.call, [SECRET], one.clock + shift, replay_window_seconds=900)


def test_one_version_is_never_taken_for_another() -> None:
    one = recorded("hubspot", NAME)
    v1 = replace(one.call, headers={"x-hubspot-signature": one.call.headers["x-hubspot-signature"]})
    assert accepted("hubspot", v1, [SECRET], one.clock, scheme="v1")
    assert not accepted("hubspot", v1, [SECRET], one.clock)
    assert not accepted("hubspot", v1, [SECRET], one.clock, scheme="v2")
    v3 = {name: value for name, value in one.call.headers.items() if name != "x-hubspot-signature"}
    assert not accepted("hubspot", replace(one.call, headers=v3), [SECRET], one.clock, scheme="v1")


def test_the_address_is_signed_as_called_or_with_what_hubspot_decodes() -> None:
    called = "https://feedback.example.com/hooks/hubspot/t1?b=2&a=x%3Ay%20z&a=1"
    one = batch(event("ticket.creation"))
    clock = recorded("hubspot", NAME).clock
    sent_at = str(int(clock.timestamp() * 1000))

    def signed(url: str) -> Call:
        mark = encode_base64(
            hmac_digest(SECRET.encode(), f"POST{url}".encode() + one.body + sent_at.encode(), "sha256")
        )
        headers = {"x-hubspot-request-timestamp": sent_at, "x-hubspot-signature-v3": mark}
        return replace(one, headers=headers, url=called)

    for url, expected in (
        (called, True),
        (called.replace("%3A", ":"), True),
        (called.replace("%20", " "), False),
        ("https://feedback.example.com/hooks/hubspot/t1?a=x%3Ay%20z&a=1&b=2", False),
        ("http://internal:8000/hooks/hubspot/t1?b=2&a=x%3Ay%20z&a=1", False),
    ):
        assert accepted("hubspot", signed(url), [SECRET], clock) is expected, url


def test_a_retry_is_the_same_delivery_and_another_event_is_not() -> None:
    first = event("ticket.creation")
    name = HUBSPOT.delivery_id(batch(first))
    assert name
    assert HUBSPOT.delivery_id(batch(first | {"attemptNumber": 3})) == name
    for other in (first | {"eventId": 9}, first | {"objectId": 61}, first | {"occurredAt": T0 + 1}):
        assert HUBSPOT.delivery_id(batch(other)) != name
    assert HUBSPOT.delivery_id(batch(first, first)) != name
    assert HUBSPOT.delivery_id(batch({**first, "eventId": None})) is None
    assert HUBSPOT.delivery_id(batch()) is None
    assert HUBSPOT.delivery_id(replace(batch(first), fetched="ticket")) is None


def test_changed_subject_and_content_carry_their_words() -> None:
    (content,) = parsed("hubspot", batch(changed("content", "It logs me out", 5))).items
    assert content["text"] == "It logs me out"
    assert "occurred_at" not in content, "when it was changed is not when it was said"
    (both,) = parsed("hubspot", batch(changed("subject", "Login"), changed("content", "It logs me out", 5))).items
    assert both["text"] == "Login\n\nIt logs me out"
    (subject,) = parsed("hubspot", batch(changed("subject", "Login", 9))).items
    assert subject["text"] == "Login"
    # what tells of more of the ticket holds, whenever the subject was changed
    assert subject["updated_at"] < content["updated_at"] < both["updated_at"]
    # the newest of one property in a batch
    (newest,) = parsed("hubspot", batch(changed("content", "New", 9), changed("content", "Old", 5))).items
    assert newest["text"] == "New"
    nothings: tuple[Any, ...] = (None, "", "  ", 7, {})
    for nothing in nothings:
        found = parsed("hubspot", batch(changed("content", nothing)))
        assert not found.items
        assert found.wanted == [Wanted("ticket", {"id": "60"})]


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        (event("ticket.creation"), Wanted("ticket", {"id": "60"})),
        (event("object.creation", objectTypeId="0-5"), Wanted("ticket", {"id": "60"})),
        (event("object.propertyChange", objectTypeId="0-5", propertyName="x"), Wanted("ticket", {"id": "60"})),
        (changed("hs_pipeline_stage", "4"), Wanted("ticket", {"id": "60"})),
        (event("ticket.restore"), Wanted("ticket", {"id": "60"})),
        (event("ticket.merge", primaryObjectId=60, mergedObjectIds=[61]), Wanted("ticket", {"id": "60"})),
        (event("ticket.merge", None, primaryObjectId=60, newObjectId=60), Wanted("ticket", {"id": "60"})),
        (event("object.creation", "7", objectTypeId="0-19"), Wanted("feedback", {"id": "7"})),
        (event("feedback_submission.creation", 7), Wanted("feedback", {"id": "7"})),
        (
            event("conversation.newMessage", 98, messageId="a1", messageType="MESSAGE"),
            Wanted("message", {"id": "a1", "thread": "98"}),
        ),
        (event("conversation.newMessage", 98, messageId="a1"), Wanted("message", {"id": "a1", "thread": "98"})),
    ],
)
def test_what_an_event_only_names_is_fetched(sent: dict[str, Any], wanted: Wanted) -> None:
    found = parsed("hubspot", batch(sent, sent))
    assert found.wanted == [wanted]
    assert not found.items


@pytest.mark.parametrize(
    "sent",
    [
        event("conversation.newMessage", 98, messageId="a1", messageType="COMMENT"),
        event("conversation.newMessage", 98),
        event("conversation.creation", 98),
        event("conversation.propertyChange", 98, propertyName="status", propertyValue="CLOSED"),
        event("contact.creation"),
        event("contact.propertyChange", propertyName="content", propertyValue="a note"),
        event("company.deletion"),
        event("object.creation", objectTypeId="0-2"),
        event("object.propertyChange", objectTypeId=None, propertyName="content", propertyValue="x"),
        event("ticket.merge", primaryObjectId=60, mergedObjectIds=[61], newObjectId=62),
        event("ticket.creation", None),
        event("ticket.somethingNew"),
        event("nonsense"),
    ],
)
def test_what_no_customer_said_is_ignored_with_its_reason(sent: dict[str, Any]) -> None:
    found = parsed("hubspot", batch(sent))
    assert (found.items, found.wanted, found.erased) == ([], [], [])
    assert found.ignored
    assert parsed("hubspot", batch(sent, changed("content", "Real words"))).items


@pytest.mark.parametrize(
    ("sent", "erased"),
    [
        (event("contact.privacyDeletion", 5), Erased("respondent", "5")),
        (event("contact.deletion", "5"), Erased("respondent", "5")),
        (event("object.deletion", 5, objectTypeId="0-1"), Erased("respondent", "5")),
        (event("ticket.deletion"), Erased("item", "ticket:60", AT_T0)),
        (event("ticket.deletion", occurredAt=None), Erased("item", "ticket:60")),
        (event("object.deletion", objectTypeId="0-5"), Erased("item", "ticket:60", AT_T0)),
        (event("feedback_submission.deletion", 7), Erased("item", "feedback:7", AT_T0)),
        (event("conversation.deletion", 98), Erased("conversation", "98", AT_T0)),
        (event("conversation.privacyDeletion", 98), Erased("conversation", "98")),
    ],
)
def test_deletions_erase(sent: dict[str, Any], erased: Erased) -> None:
    found = parsed("hubspot", batch(sent))
    assert found.erased == [erased]
    assert (found.items, found.wanted) == ([], [])


def test_what_is_deleted_in_the_same_batch_is_neither_taken_nor_fetched() -> None:
    found = parsed(
        "hubspot",
        batch(
            changed("content", "Oops"),
            event("ticket.deletion", at=9),
            event("conversation.newMessage", 98, messageId="a1"),
            event("conversation.deletion", 98),
        ),
    )
    assert (found.items, found.wanted) == ([], [])
    assert len(found.erased) == 2


def test_what_is_restored_in_the_same_batch_is_fetched() -> None:
    found = parsed(
        "hubspot",
        batch(
            event("ticket.deletion", at=9),
            event("ticket.restore", at=20),
            event("conversation.deletion", 98, at=9),
            event("conversation.newMessage", 98, at=20, messageId="a1"),
        ),
    )
    assert [one.what for one in found.wanted] == ["ticket", "message"]
    assert len(found.erased) == 2


@pytest.mark.parametrize(
    ("told", "merged"),
    [
        ({"primaryObjectId": 5, "mergedObjectIds": [6]}, [Merged("6", "5")]),
        (
            {"mergedObjectIds": [6, 7], "newObjectId": 5},
            [Merged("6", "5"), Merged("7", "5")],
        ),
        ({"primaryObjectId": 5, "mergedObjectIds": [6], "newObjectId": 8}, [Merged("5", "8"), Merged("6", "8")]),
        ({"mergedObjectIds": 6}, [Merged("6", "5")]),
        ({}, []),
    ],
)
def test_merged_contacts(told: dict[str, Any], merged: list[Merged]) -> None:
    for sent in (event("contact.merge", 5, **told), event("object.merge", 5, objectTypeId="0-1", **told)):
        found = parsed("hubspot", batch(sent))
        assert found.merged == merged
        assert bool(found.ignored) is not bool(merged)


def test_an_erasure_reaches_merged_contacts_in_any_order(database: Database, settings: Settings) -> None:
    other = json.loads(json.dumps(TICKET)) | {"id": "61"}
    other["associations"] = {"contacts": {"results": [{"id": "6"}]}}
    merged = batch(event("contact.merge", 5, primaryObjectId=5, mergedObjectIds=[6], newObjectId=8))
    calls = [fetched("ticket", TICKET), fetched("ticket", other), merged]
    ends = order_free(database, settings, "hubspot", calls)
    assert len({row["respondent"] for row in ends.values()}) == 1
    assert len(ends) == 2
    assert order_free(database, settings, "hubspot", [*calls, batch(event("contact.privacyDeletion", 8))]) == {}
    left = order_free(database, settings, "hubspot", [*calls, batch(event("contact.privacyDeletion", 6))])
    assert set(left) == {"ticket:60"}


def test_a_restored_ticket_is_taken_again_in_any_order(database: Database, settings: Settings) -> None:
    back = json.loads(json.dumps(TICKET))
    back["properties"] |= {"hs_lastmodifieddate": "2026-11-21T10:00:00Z"}
    calls = [
        batch(event("ticket.creation"), changed("content", "It logs me out")),
        fetched("ticket", TICKET),
        batch(event("ticket.deletion", at=3_600_000)),
        batch(event("ticket.restore", at=90_000_000)),
    ]
    order_free(database, settings, "hubspot", calls)
    ends = order_free(database, settings, "hubspot", [*calls, fetched("ticket", back)])
    assert set(ends) == {"ticket:60"}


def test_a_batch_with_strange_entries_keeps_the_others_and_nothing_but_strange_ones_is_not_hubspot() -> None:
    found = parsed("hubspot", batch(None, 7, {"x": 1}, changed("content", "Words"), []))
    assert [item["text"] for item in found.items] == ["Words"]
    assert parsed("hubspot", batch()).ignored
    assert parsed("hubspot", json_call("hubspot", changed("content", "Words"))).items
    for strange in ({"hello": 1}, [1, 2], "x", [{"a": 1}]):
        with pytest.raises(CannotParse):
            parsed("hubspot", json_call("hubspot", strange))


TICKET = {
    "id": "60",
    "properties": {
        "subject": "Login",
        "content": "It logs me out",
        "createdate": "2026-11-20T09:14:04.000Z",
        "hs_lastmodifieddate": "2026-11-20T09:14:05.000Z",
        "hs_pipeline_stage": "1",
        "hs_ticket_priority": "HIGH",
        "hs_ticket_category": None,
        "source_type": "CHAT",
        "plan": "Team",
    },
    "createdAt": "2026-11-20T09:14:04.000Z",
    "updatedAt": "2026-11-20T09:14:05.000Z",
    "archived": False,
    "associations": {"contacts": {"results": [{"id": "5", "type": "ticket_to_contact"}]}},
}
FEEDBACK = {
    "id": "7",
    "properties": {
        "hs_content": "Too many logins",
        "hs_value": "3",
        "hs_survey_type": "NPS",
        "hs_survey_name": "Loyalty",
        "hs_response_group": "DETRACTOR",
        "hs_submission_timestamp": "2026-11-20T09:14:04.000Z",
        "hs_lastmodifieddate": "2026-11-20T09:14:05.000Z",
    },
    "associations": {"contacts": {"results": [{"id": 5}]}, "tickets": {"results": [{"id": 60}]}},
}
MESSAGE = {
    "id": "a1",
    "type": "MESSAGE",
    "conversationsThreadId": "98",
    "createdAt": "2026-11-20T09:14:04.000Z",
    "createdBy": "V-5",
    "senders": [{"actorId": "V-5", "name": "Test"}],
    "text": "Is anybody there?",
    "richText": "<p>Is anybody there?</p>",
    "direction": "INCOMING",
    "channelId": "1000",
    "truncationStatus": "NOT_TRUNCATED",
}


def fetched(what: str, answer: Any) -> Call:
    return replace(json_call("hubspot", answer), fetched=what)


def test_a_fetched_ticket_is_whole() -> None:
    found = parsed("hubspot", fetched("ticket", TICKET), properties=["plan"])
    assert found.items == [
        {
            "external_id": "ticket:60",
            "conversation_id": "60",
            "text": "Login\n\nIt logs me out",
            "channel": "chat",
            "respondent": "5",
            "occurred_at": "2026-11-20T09:14:04+00:00",
            "updated_at": "2026-11-20T09:14:05.000500+00:00",
            "attributes": {"status": "1", "priority": "HIGH", "source": "CHAT", "plan": "Team"},
        }
    ]
    empty = {**TICKET, "properties": {**TICKET["properties"], "subject": None, "content": ""}}  # type: ignore[dict-item]
    assert parsed("hubspot", fetched("ticket", empty)).ignored


@pytest.mark.parametrize(
    ("kind", "value", "given", "score"),
    [
        ("NPS", "3", {}, ("nps", 3, 0, 10)),
        ("nps", 0, {}, ("nps", 0, 0, 10)),
        ("CES", "7", {}, ("ces", 7, 1, 7)),
        ("CSAT", "2", {}, ("csat", 2, 0, 2)),
        ("CSAT", "5", {"csat_scale": "1-5"}, ("csat", 5, 1, 5)),
        ("CSAT", "5", {}, None),
        ("CUSTOM", "5", {}, None),
        ("NPS", "11", {}, None),
        ("NPS", "often", {}, None),
        (None, None, {}, None),
    ],
)
def test_a_survey_response_has_its_score_and_words(
    kind: Any, value: Any, given: dict[str, Any], score: tuple[str, int, int, int] | None
) -> None:
    answer = {**FEEDBACK, "properties": {**FEEDBACK["properties"], "hs_survey_type": kind, "hs_value": value}}  # type: ignore[dict-item]
    (item,) = parsed("hubspot", fetched("feedback", answer), **given).items
    assert (item["external_id"], item["response_id"], item["conversation_id"]) == ("feedback:7", "7", "60")
    assert (item["text"], item["channel"], item["respondent"]) == ("Too many logins", "survey", "5")
    assert (item["attributes"]["survey"], item["attributes"]["sentiment"]) == ("Loyalty", "DETRACTOR")
    if score is None:
        assert "score" not in item
        assert item["attributes"].get("rating") == (value if value is None else str(value))
    else:
        assert item["score"] == dict(zip(("kind", "value", "scale_min", "scale_max"), score, strict=True))


@pytest.mark.parametrize(
    ("fields", "respondent"),
    [
        ({}, "5"),
        ({"senders": [], "createdBy": "V-5"}, "5"),
        (
            {
                "senders": [
                    {
                        "actorId": "E-9",
                        "deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS", "value": "a@example.com"},
                    }
                ]
            },
            "a@example.com",
        ),
        ({"senders": None, "createdBy": None}, None),
    ],
)
def test_a_fetched_message_of_a_customer_is_taken(fields: dict[str, Any], respondent: str | None) -> None:
    (item,) = parsed("hubspot", fetched("message", MESSAGE | fields)).items
    assert item == {
        "external_id": "a1",
        "conversation_id": "98",
        "text": "Is anybody there?",
        "channel": "chat",
        "occurred_at": "2026-11-20T09:14:04+00:00",
        "updated_at": "2026-11-20T09:14:04+00:00",
        **({"respondent": respondent} if respondent else {}),
        "attributes": {"channel": "live chat"},
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "COMMENT"},
        {"type": "WELCOME_MESSAGE"},
        {"direction": "OUTGOING"},
        {"senders": [{"actorId": "A-3"}], "direction": "OUTGOING"},
        {"senders": [{"actorId": "A-3"}]},
        {"senders": [{"actorId": "B-3"}]},
        {"senders": [{"actorId": "S-hubspot"}]},
        {"senders": [], "createdBy": "I-77"},
        {"senders": [], "createdBy": None, "direction": None},
        {"text": "", "richText": "<img src='x'>"},
    ],
)
def test_messages_of_agents_and_bots_and_comments_are_ignored(fields: dict[str, Any]) -> None:
    found = parsed("hubspot", fetched("message", MESSAGE | fields))
    assert found.items == []
    assert found.ignored


def test_the_api_is_asked_with_the_token_for_what_is_needed() -> None:
    answers: dict[str, Answer] = {
        "/crm/v3/objects/tickets/60": (200, TICKET),
        "/crm/v3/objects/feedback_submissions/7": (200, FEEDBACK),
        "/conversations/v3/conversations/threads/98/messages/a1": (200, MESSAGE),
    }

    def api(asked: Asked) -> Answer:
        if asked.headers.get("authorization") != "Bearer pat-1":
            return 401, {"category": "INVALID_AUTHENTICATION"}
        return answers.get(asked.path, (404, {"category": "OBJECT_NOT_FOUND"}))

    assert HUBSPOT.fetcher is not None
    fetch: Callable[..., list[Fetched]] = HUBSPOT.fetcher.fetch
    with fake_api(api) as hubspot:
        chosen = options("hubspot", api_base_url=hubspot.url, properties=["plan"])
        for wanted, known in (
            (Wanted("ticket", {"id": "60"}), TICKET),
            (Wanted("feedback", {"id": "7"}), FEEDBACK),
            (Wanted("message", {"id": "a1", "thread": "98"}), MESSAGE),
        ):
            (answer,) = fetch(PlainHttp(), TOKEN, chosen, wanted)
            assert answer.what == wanted.what
            taken = parsed("hubspot", Call({}, answer.body, fetched=answer.what), properties=["plan"])
            assert taken == parsed("hubspot", fetched(wanted.what, known), properties=["plan"])
            assert taken.items
        asked = hubspot.asked[0].params
        assert {"subject", "content", "plan", "hs_ticket_priority"} <= set(asked["properties"].split(","))
        assert asked["associations"] == "contacts"
        with pytest.raises(NotThere):
            fetch(PlainHttp(), TOKEN, chosen, Wanted("ticket", {"id": "61"}))
        with pytest.raises(Refused):
            fetch(PlainHttp(), AccessToken(access_token="old"), chosen, Wanted("ticket", {"id": "60"}))
        answers["/crm/v3/objects/tickets/60"] = (429, {})
        with pytest.raises(TryLater):
            fetch(PlainHttp(), TOKEN, chosen, Wanted("ticket", {"id": "60"}))
        answers["/crm/v3/objects/tickets/60"] = (200, b"<html>")
        with pytest.raises(TryLater):
            fetch(PlainHttp(), TOKEN, chosen, Wanted("ticket", {"id": "60"}))
        with pytest.raises(NotThere):
            fetch(PlainHttp(), TOKEN, chosen, Wanted("message", {"id": "../..", "thread": "98/../x"}))
        assert hubspot.asked[-1].path == "/conversations/v3/conversations/threads/98%2F..%2Fx/messages/..%2F.."


def test_a_cut_off_message_is_fetched_whole() -> None:
    path = "/conversations/v3/conversations/threads/98/messages/a1"
    cut = {name: value for name, value in MESSAGE.items() if name != "conversationsThreadId"}
    answers: dict[str, Answer] = {
        path: (200, cut | {"truncationStatus": "TRUNCATED", "text": "Is any"}),
        f"{path}/original-content": (200, {"text": "Is anybody there at all?", "richText": None}),
    }
    assert HUBSPOT.fetcher is not None
    with fake_api(lambda asked: answers.get(asked.path, (404, {}))) as hubspot:
        chosen = options("hubspot", api_base_url=hubspot.url)
        wanted = Wanted("message", {"id": "a1", "thread": "98"})
        (answer,) = HUBSPOT.fetcher.fetch(PlainHttp(), TOKEN, chosen, wanted)
    (item,) = parsed("hubspot", Call({}, answer.body, fetched="message")).items
    assert (item["text"], item["conversation_id"]) == ("Is anybody there at all?", "98")


def test_any_order_and_repetition_ends_in_the_same_state(database: Database, settings: Settings) -> None:
    later = json.loads(json.dumps(TICKET))
    later["properties"] |= {"hs_pipeline_stage": "4", "hs_lastmodifieddate": "2026-11-20T10:00:00Z"}
    calls = [
        batch(event("ticket.creation"), changed("content", "It logs me out")),
        batch(changed("subject", "Login")),
        batch(changed("content", "It logs me out, twice", 400)),
        batch(changed("subject", "Login fails", 700)),
        fetched("ticket", TICKET),
        fetched("ticket", later),
        batch(event("conversation.newMessage", 98, messageId="a1")),
        fetched("message", MESSAGE),
        batch(changed("hs_content", "Too many logins", kind="feedback_submission", object_id=7)),
        fetched("feedback", FEEDBACK),
    ]
    order_free(database, settings, "hubspot", calls)


def test_a_deletion_holds_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        batch(event("ticket.creation"), changed("content", "It logs me out")),
        fetched("ticket", TICKET),
        fetched("message", MESSAGE),
        fetched("feedback", FEEDBACK),
        batch(changed("content", "Another one", object_id=77)),
        batch(event("ticket.deletion", at=900)),
        batch(event("conversation.deletion", 98, at=900)),
    ]
    order_free(database, settings, "hubspot", calls)
    order_free(database, settings, "hubspot", [*calls, batch(event("contact.privacyDeletion", 5, at=950))])


def test_hostile_shapes() -> None:
    check_hostile(
        "hubspot", batch(event("ticket.creation"), changed("content", "Words"), changed("subject", "Login"))
    )
    check_hostile("hubspot", batch(event("conversation.newMessage", 98, messageId="a1", messageType="MESSAGE")))
    check_hostile("hubspot", batch(event("object.merge", objectTypeId="0-5", primaryObjectId=60, newObjectId=60)))
    check_hostile("hubspot", batch(event("contact.privacyDeletion", 5)))
    for what, answer in (("ticket", TICKET), ("feedback", FEEDBACK), ("message", MESSAGE)):
        check_hostile("hubspot", fetched(what, answer), properties=["plan"])


def test_v1_is_a_plain_hash_of_secret_and_body() -> None:
    call = batch(changed("content", "Words"))
    mark = hashlib.sha256(b"s3cret" + call.body).hexdigest()
    signed = replace(call, headers={"x-hubspot-signature": mark.upper()})
    assert accepted("hubspot", signed, ["s3cret"], recorded("hubspot", NAME).clock, scheme="v1")


def test_words_with_markup_come_without_it_from_the_event_and_from_the_api() -> None:
    markup = "<p>It <b>broke</b></p><blockquote>Hello</blockquote>"
    (item,) = parsed("hubspot", batch(changed("content", markup))).items
    assert item["text"] == "It broke"
    found = parsed("hubspot", fetched("ticket", {"id": "60", "properties": {"subject": "App", "content": markup}}))
    assert found.items[0]["text"] == "App\n\nIt broke"
    only_markup = parsed("hubspot", batch(changed("content", "<p></p>")))
    assert (only_markup.items, len(only_markup.wanted)) == ([], 1)


def test_a_mail_comes_without_what_it_quotes() -> None:
    mail = {
        "id": "m1",
        "type": "MESSAGE",
        "channelId": "1002",
        "senders": [{"actorId": "V-7"}],
        "text": "Still broken.\n\nOn Wed, Nov 4, 2026 Acme <help@acme.example> wrote:\n> hello",
    }
    assert parsed("hubspot", fetched("message", mail)).items[0]["text"] == "Still broken."
