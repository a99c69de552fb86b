"""Gorgias: messages as its API has them, our template filled in, satisfaction surveys, the token."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.ingest.senders.guide import read_guide
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

TOKEN = "test_gorgias_token"
QUOTED = "Still wrong.\n\nOn Wed, Acme Support wrote:\n> hello"


def message(**fields: Any) -> dict[str, Any]:
    return {
        "id": 200000001,
        "ticket_id": 80000001,
        "from_agent": False,
        "public": True,
        "channel": "email",
        "sender": {"id": 300000001, "email": "customer@example.com", "meta": {"plan": "pro"}},
        "subject": None,
        "stripped_text": "Still the wrong size.",
        "created_datetime": "2026-11-20T09:14:03.308988+00:00",
        **fields,
    }


def sent(own: dict[str, Any] | None = None, ticket: dict[str, Any] | None = None) -> Call:
    body: dict[str, Any] = {"message": message(**(own or {})), "ticket": {"id": 80000001, **(ticket or {})}}
    return json_call("gorgias", body)


def survey(**fields: Any) -> Call:
    body = {
        "id": 7,
        "ticket_id": 80000001,
        "customer_id": 300000001,
        "score": 2,
        "body_text": "Two exchanges",
        "created_datetime": "2026-11-21T09:00:00Z",
        "scored_datetime": "2026-11-21T10:00:00Z",
        **fields,
    }
    return json_call("gorgias", body)


def filled(**values: str) -> Call:
    """Our template as Gorgias fills it in: every place becomes text."""
    template = read_guide("gorgias").template or ""

    def value(found: re.Match[str]) -> str:
        name = found[1].replace("messages[-1]", "message").replace(".", "_")
        return json.dumps(values.get(name, "None"))[1:-1]

    return Call({"content-type": "application/json"}, re.sub(r"\{\{([^}]+)\}\}", value, template).encode())


def test_the_token_is_asked_for_where_there_is_one() -> None:
    one = recorded("gorgias", "ticket-message-created")
    assert accepted("gorgias", one.call, [], one.clock), "the address alone"
    assert accepted("gorgias", one.call, [TOKEN], one.clock)
    assert accepted("gorgias", one.call, ["new", TOKEN], one.clock), "while tokens change"
    pair = base64.b64encode(f"user:{TOKEN}".encode()).decode()
    key = base64.b64encode(f"{TOKEN}:x".encode()).decode()
    for headers, expected in (
        ({"x-journeymap-token": TOKEN}, True),
        ({"authorization": f"Bearer {TOKEN}"}, True),
        ({"authorization": f"Basic {pair}"}, True),
        ({"authorization": f"Basic {key}"}, True),
        ({"authorization": TOKEN}, True),
        ({"authorization": "Basic !!"}, False),
        ({"authorization": "Bearer"}, False),
        ({"x-journeymap-token": TOKEN[:-1]}, False),
        ({"x-journeymap-token": ""}, False),
        ({"x-feedback-token": "\ud83d"}, False),
        ({}, False),
    ):
        assert accepted("gorgias", replace(one.call, headers=headers), [TOKEN], one.clock) is expected


def test_the_recorded_message_is_the_customers_item() -> None:
    call = recorded("gorgias", "ticket-message-created").call
    (item,) = parsed("gorgias", call, base_url="https://acme.gorgias.com/").items
    assert item == {
        "external_id": "200000001",
        "text": "Wrong size again\n\nSecond exchange and still the wrong size.",
        "channel": "ticket",
        "occurred_at": "2026-11-20T09:14:01+00:00",
        "updated_at": "2026-11-20T09:14:03.308988+00:00",
        "conversation_id": "80000001",
        "respondent": "300000001",
        "url": "https://acme.gorgias.com/app/ticket/80000001",
        "attributes": {"channel": "email", "integration": "66567"},
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"from_agent": True},
        {"from_agent": "True"},
        {"from_agent": "None"},
        {"from_agent": None},
        {"from_agent": "{{ticket.messages[-1].from_agent}}"},
        {"public": False},
        {"channel": "internal-note"},
        {"public": "False"},
        {"stripped_text": None},
        {"stripped_text": " "},
        {"id": None},
    ],
)
def test_what_no_customer_wrote_is_ignored(fields: dict[str, Any]) -> None:
    found = parsed("gorgias", sent(fields))
    assert found.items == []
    assert found.ignored


def test_quoted_mails_are_left_out_however_the_text_comes() -> None:
    for fields, expected in (
        ({"stripped_text": "Still wrong.", "body_text": QUOTED}, "Still wrong."),
        ({"stripped_text": None, "body_text": QUOTED}, "Still wrong."),
        (
            {"stripped_text": None, "stripped_html": "<p>Still <b>wrong</b>.</p>", "body_text": QUOTED},
            "Still wrong.",
        ),
        ({"stripped_text": None, "body_html": "Still wrong.<blockquote>hello</blockquote>"}, "Still wrong."),
        ({"subject": "Re: Wrong size"}, "Still the wrong size."),
    ):
        assert parsed("gorgias", sent(fields)).items[0]["text"] == expected


def test_the_subject_opens_the_ticket() -> None:
    first = {"subject": "Wrong size", "messages_count": 1}
    assert parsed("gorgias", sent(None, first)).items[0]["text"] == "Wrong size\n\nStill the wrong size."
    later = {"subject": "Wrong size", "messages_count": 3}
    assert parsed("gorgias", sent(None, later)).items[0]["text"] == "Still the wrong size."
    whole = json_call("gorgias", {"ticket": {"id": 8, "subject": "Wrong size", "messages": [message()]}})
    assert parsed("gorgias", whole).items[0]["text"] == "Wrong size\n\nStill the wrong size."


def test_tags_fields_and_the_customers_data_become_attributes() -> None:
    ticket = {
        "status": "open",
        "priority": "high",
        "spam": False,
        "tags": [{"id": 1, "name": "exchange"}, {"id": 2, "name": "vip"}],
        "custom_fields": {"11": {"id": 11, "value": "Shoes"}, "12": None},
        "assignee_team": {"name": "Returns"},
        "language": "de",
    }
    (item,) = parsed("gorgias", sent(None, ticket)).items
    assert item["attributes"] == {
        "channel": "email",
        "status": "open",
        "priority": "high",
        "tags": "exchange, vip",
        "team": "Returns",
        "field 11": "Shoes",
        "plan": "pro",
    }
    assert item["language"] == "de"
    for channel, expected in (
        ("chat", "chat"),
        ("phone", "call"),
        ("instagram-comment", "social"),
        ("api", "ticket"),
    ):
        assert parsed("gorgias", sent({"channel": channel})).items[0]["channel"] == expected


def test_our_template_is_understood() -> None:
    call = filled(
        ticket_id="80000001",
        ticket_subject="Wrong size",
        ticket_channel="email",
        ticket_status="open",
        ticket_tags="exchange, vip",
        ticket_customer_id="300000001",
        ticket_updated_datetime="2026-11-20T09:14:05+00:00",
        ticket_message_id="200000001",
        ticket_message_from_agent="False",
        ticket_message_public="True",
        ticket_message_channel="email",
        ticket_message_stripped_text='Still "wrong".\nReally.',
        ticket_message_created_datetime="2026-11-20T09:14:03+00:00",
    )
    (item,) = parsed("gorgias", call).items
    assert item == {
        "external_id": "200000001",
        "text": 'Still "wrong".\nReally.',
        "channel": "ticket",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:05+00:00",
        "conversation_id": "80000001",
        "respondent": "300000001",
        "attributes": {"channel": "email", "status": "open", "tags": "exchange, vip"},
    }
    rated = filled(
        ticket_id="80000001",
        ticket_satisfaction_survey_score="4",
        ticket_message_id="200000002",
        ticket_message_from_agent="True",
        ticket_message_body_text="Sorry!",
    )
    (item,) = parsed("gorgias", rated).items
    assert (item["external_id"], item["score"]["value"]) == ("survey:80000001", 4)
    assert "text" not in item
    assert parsed("gorgias", filled()).ignored, "nothing filled in"


def test_a_satisfaction_survey_is_a_score_of_its_ticket() -> None:
    (item,) = parsed("gorgias", survey()).items
    assert item == {
        "external_id": "survey:80000001",
        "text": "Two exchanges",
        "score": {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-21T10:00:00+00:00",
        "updated_at": "2026-11-21T10:00:00+00:00",
        "conversation_id": "80000001",
        "respondent": "300000001",
    }
    (alone,) = parsed("gorgias", survey(ticket_id=None)).items
    assert alone["external_id"] == "survey-id:7"
    for score in (None, 0, 6, "good", True):
        assert parsed("gorgias", survey(score=score)).items == [], "sent, not answered"
    both = sent({}, {"satisfaction_survey": {"score": 5, "scored_datetime": "2026-11-21T10:00:00Z"}})
    assert [item["external_id"] for item in parsed("gorgias", both).items] == ["200000001", "survey:80000001"]


def test_deleted_tickets_and_messages_are_erased() -> None:
    ticket = json_call("gorgias", {"event": "ticket-deleted", "ticket": {"id": 80000001}})
    assert parsed("gorgias", ticket).erased == [Erased("conversation", "80000001")]
    gone = json_call("gorgias", {"event": "ticket-message-deleted", "message": {"id": 200000001}})
    assert parsed("gorgias", gone).erased == [Erased("item", "200000001")]
    with pytest.raises(CannotParse):
        parsed("gorgias", json_call("gorgias", {"event": "ticket-deleted"}))


def test_other_bodies_are_refused_and_empty_events_ignored() -> None:
    with pytest.raises(CannotParse):
        parsed("gorgias", json_call("gorgias", {"hello": 1}))
    with pytest.raises(CannotParse, match="not JSON"):
        parsed("gorgias", Call({}, b'{"text": "it said "no""}'))
    assert parsed("gorgias", json_call("gorgias", {"event": "ticket-updated"})).ignored
    assert parsed("gorgias", json_call("gorgias", {"ticket": {"id": 1}})).ignored


def test_calls_in_any_order_end_in_the_same_state(database: Database, settings: Settings) -> None:
    calls = [
        sent({"subject": "Wrong size"}, {"updated_datetime": "2026-11-20T09:14:04Z", "status": "open"}),
        sent({"subject": "Wrong size"}, {"updated_datetime": "2026-11-20T09:20:00Z", "tags": [{"name": "vip"}]}),
        sent({"id": 200000002, "from_agent": True}, {"updated_datetime": "2026-11-20T09:30:00Z"}),
        sent({"id": 200000003, "created_datetime": "2026-11-20T10:00:00Z", "stripped_text": "Again"}),
        survey(score=1, body_text=None, scored_datetime="2026-11-21T09:59:00Z"),
        survey(),
        json_call("gorgias", {"event": "ticket-message-deleted", "message": {"id": 200000003}}),
    ]
    order_free(database, settings, "gorgias", calls)


def test_odd_shapes_are_parsed_or_refused() -> None:
    check_hostile("gorgias", recorded("gorgias", "ticket-message-created").call)
    check_hostile(
        "gorgias", sent({}, {"tags": [{"name": "x"}], "custom_fields": {"1": {"value": 2}}, "language": "en"})
    )
    check_hostile("gorgias", survey())


def test_a_ticket_with_its_messages_gives_all_that_the_customer_wrote() -> None:
    messages = [
        message(id=1, ticket_id=None, stripped_text="Broken"),
        message(id=2, ticket_id=None, from_agent=True, stripped_text="We have got your message"),
        message(id=3, ticket_id=None, stripped_text="Hello?"),
        message(id=4, ticket_id=None, stripped_text="Oops", deleted_datetime="2026-11-20T10:00:00"),
        None,
    ]
    ticket = {"id": 8, "subject": "My lamp", "customer": {"id": 3}, "messages": messages}
    for body in (ticket, {"event": "ticket-created", "ticket": ticket}):
        found = parsed("gorgias", json_call("gorgias", body))
        words = [(one["external_id"], one["conversation_id"], one["text"]) for one in found.items]
        assert words == [("1", "8", "My lamp\n\nBroken"), ("3", "8", "Hello?")]
        assert found.erased == [Erased("item", "4")]
    agents = {"id": 8, "messages": [messages[1]]}
    assert parsed("gorgias", json_call("gorgias", agents)).ignored


def test_a_survey_by_its_other_name_and_a_deleted_customer() -> None:
    body = {"event": "satisfaction-survey-responded", "survey": {"ticket_id": 8, "score": "4", "body_text": "ok"}}
    (item,) = parsed("gorgias", json_call("gorgias", body)).items
    assert (item["external_id"], item["score"]["value"], item["text"]) == ("survey:8", 4, "ok")
    gone = parsed("gorgias", json_call("gorgias", {"event": "customer-deleted", "customer": {"id": 3}}))
    assert gone.erased == [Erased("respondent", "3")]


@pytest.mark.parametrize("mark", [{"spam": "True"}, {"spam": True}, {"trashed_datetime": "2026-11-20T10:00:00"}])
def test_a_ticket_called_spam_or_trashed_is_erased(mark: dict[str, Any]) -> None:
    found = parsed("gorgias", sent(ticket={"id": 21, **mark}))
    trashed = "2026-11-20T10:00:00+00:00" if "trashed_datetime" in mark else None
    assert (found.items, found.erased) == ([], [Erased("conversation", "21", trashed)])
    (gone,) = parsed("gorgias", sent(ticket={"id": 21, "updated_datetime": "2026-11-20T11:00:00", **mark})).erased
    assert gone.up_to == "2026-11-20T11:00:00+00:00"


def test_a_ticket_that_is_no_spam_after_all_is_taken_again_in_any_order(
    database: Database, settings: Settings
) -> None:
    calls = [
        sent(ticket={"updated_datetime": "2026-11-20T09:14:04Z"}),
        sent({"id": 200000003, "stripped_text": "Again"}, {"updated_datetime": "2026-11-20T09:20:00Z"}),
        sent(ticket={"updated_datetime": "2026-11-20T10:00:00Z", "spam": True}),
        sent(ticket={"updated_datetime": "2026-11-20T11:00:00Z", "spam": False}),
        survey(),
    ]
    ends = order_free(database, settings, "gorgias", calls)
    assert set(ends) == {"200000001", "survey:80000001"}
    gone = [*calls, json_call("gorgias", {"event": "ticket-deleted", "ticket": {"id": 80000001}})]
    assert order_free(database, settings, "gorgias", gone) == {}
