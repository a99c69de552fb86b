"""Freshdesk: bodies of automation rules, ticked or written, with a token in place of a signature."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.ingest.senders import SENDERS
from service.ingest.senders.freshdesk import score_of
from service.ingest.senders.guide import read_guide
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import survives
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

NAMES = ("ticket_created.simple", "note_added.advanced")
TOKEN = "test_freshdesk_token_3b7d"


@pytest.mark.parametrize("name", NAMES)
def test_without_a_token_the_address_is_enough_and_with_one_it_is_asked_for(name: str) -> None:
    one = recorded("freshdesk", name)
    assert one.secret is None
    assert not SENDERS["freshdesk"].secret_needed
    assert accepted("freshdesk", one.call, [], one.clock)
    assert accepted("freshdesk", one.call, [TOKEN], one.clock), "the key as the user's name"
    assert accepted("freshdesk", one.call, ["new", TOKEN], one.clock)
    assert not accepted("freshdesk", one.call, [TOKEN[:-1]], one.clock)
    basic = base64.b64encode(f"freshdesk:{TOKEN}".encode()).decode()
    for headers, expected in (
        ({"x-journeymap-token": TOKEN}, True),
        ({"authorization": f"Basic {basic}"}, True),
        ({"authorization": f"Bearer {TOKEN}"}, True),
        ({"authorization": "Basic \xe9"}, False),
        ({"authorization": "Basic"}, False),
        ({"x-journeymap-token": TOKEN.upper()}, False),
        ({}, False),
    ):
        assert accepted("freshdesk", replace(one.call, headers=headers), [TOKEN], one.clock) is expected


def test_the_recorded_ticket_with_ticked_fields() -> None:
    (item,) = parsed("freshdesk", recorded("freshdesk", "ticket_created.simple").call).items
    assert item == {
        "external_id": "ticket:197416",
        "conversation_id": "197416",
        "respondent": "requester@example.com",
        "text": "Parcel marked delivered but never arrived\n\n"
        "Tracking says delivered on Tuesday. Nobody at home saw a courier.",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "url": "https://acme.freshdesk.example/helpdesk/tickets/197416",
        "attributes": {
            "status": "Open",
            "priority": "Medium",
            "type": "Problem",
            "tags": "delivery, courier",
            "via": "Email",
        },
    }


def test_the_recorded_reply_of_the_customer() -> None:
    (item,) = parsed("freshdesk", recorded("freshdesk", "note_added.advanced").call).items
    assert item["text"] == "Still nothing, please refund me."
    assert item["conversation_id"] == "197416"
    assert item["external_id"].startswith("197416:")
    assert item["respondent"] == "requester@example.com"
    assert item["attributes"] == {"status": "Open", "priority": "Medium", "tags": "delivery, courier"}


def rule(event: str = "customer_reply", **values: Any) -> Call:
    """Our own template as Freshdesk fills it."""
    filled = dict.fromkeys(json.loads(read_guide("freshdesk").template or "{}")["freshdesk_webhook"], "")
    assert {"id", "event", "description", "latest_public_comment", "requester_name", "agent_name"} <= set(filled)
    body = {
        **filled,
        "event": event,
        "id": "197416",
        "url": "https://acme.freshdesk.example/a/tickets/197416",
        "subject": "Parcel never came",
        "description": "<div>Nobody saw a courier.</div>",
        "latest_public_comment": "Jane Roe : <div>Any news?</div>",
        "requester_name": "Jane Roe",
        "requester_email": "Jane@example.com",
        "agent_name": "Sam Agent",
        "status": "Open",
        "source": "Portal",
        "updated_at": "2026-11-20T10:02:11Z",
        **values,
    }
    return json_call("freshdesk", {"freshdesk_webhook": body})


def test_our_template_of_a_new_ticket_and_of_a_reply() -> None:
    created = rule("ticket_created", latest_public_comment="Jane Roe : Nobody saw a courier.")
    (opening,) = parsed("freshdesk", created).items
    assert opening["external_id"] == "ticket:197416"
    assert opening["text"] == "Parcel never came\n\nNobody saw a courier."
    again, reply = parsed("freshdesk", rule()).items
    assert again["text"] == opening["text"]
    assert (reply["text"], reply["respondent"]) == ("Any news?", "jane@example.com")
    assert reply["conversation_id"] == opening["conversation_id"] == "197416"
    assert reply["occurred_at"] == "2026-11-20T10:02:11+00:00"


def texts(call: Call) -> list[str]:
    return [
        item["text"] for item in parsed("freshdesk", call).items if not item["external_id"].startswith("ticket:")
    ]


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ({}, True),
        ({"latest_public_comment": "Sam Agent : We look."}, False),
        ({"latest_public_comment": "Kim Copied : Me too."}, True),
        ({"event": "", "latest_public_comment": "Kim Copied : Me too."}, False),
        ({"event": "", "latest_public_comment": "jane  roe : Me too."}, True),
        ({"event": "", "requester_name": ""}, False),
        ({"event": "ticket_updated"}, True),
        ({"event": "agent_reply"}, False),
        ({"event": "note_added"}, False),
        ({"event": "private_note"}, False),
        ({"is_public": "false"}, False),
        ({"event": "", "author_email": "jane@example.com"}, True),
        ({"author_role": "agent"}, False),
        ({"event": "{{triggered_event}}", "requester_name": ""}, False),
        ({"event": "", "triggered_event": "{reply_sent:sent}"}, True),
        ({"latest_public_comment": " "}, False),
    ],
)
def test_who_wrote_decides(values: dict[str, Any], taken: bool) -> None:
    call = rule(**{"description": "", **values})
    assert bool(texts(call)) is taken
    assert taken or parsed("freshdesk", call).ignored


def test_a_colon_of_the_customers_own_stays() -> None:
    call = json_call("freshdesk", {"id": 5, "event": "customer_reply", "comment": "Error : the file is empty"})
    assert texts(call) == ["Error : the file is empty"]
    call = json_call("freshdesk", {"id": 5, "event": "customer_reply", "latest_public_comment": "Error: empty"})
    assert texts(call) == ["Error: empty"]


@pytest.mark.parametrize(
    "set_off", ["{ticket_action:created}", "{'ticket_action': 'created'}", '{"ticket_action":"created"}']
)
def test_what_freshdesk_says_set_off_the_rule(set_off: str) -> None:
    for names in ({"triggered_event": set_off}, {"event": set_off}):
        body = {"ticket_id": 5, "ticket_description": "It broke.", "created_at": "2026-11-20T09:14:03Z", **names}
        (item,) = parsed("freshdesk", json_call("freshdesk", body)).items
        assert item["updated_at"] == "2026-11-20T09:14:03+00:00"
    for gone in ("deleted", "marked_spam", "spam"):
        body = {"ticket_id": 5, "ticket_description": "It broke.", "triggered_event": f"{{ticket_action:{gone}}}"}
        assert parsed("freshdesk", json_call("freshdesk", body)).erased == [Erased("conversation", "5")]
    withdrawn = Erased("conversation", "197416", "2026-11-20T10:02:11+00:00")
    assert parsed("freshdesk", rule("ticket_deleted")).erased == [withdrawn]
    assert parsed("freshdesk", rule("ticket_deleted", updated_at="")).erased == [Erased("conversation", "197416")]


def test_tickets_that_agents_open_by_mail_are_not_the_customers_words() -> None:
    for source in ("Outbound Email", "outbound email", 10, "10"):
        found = parsed("freshdesk", rule("ticket_created", source=source, latest_public_comment=""))
        assert not found.items
        assert "agent" in found.ignored


def test_labels_and_codes_are_the_same_to_one_who_filters() -> None:
    labels = rule(status="Resolved", priority="Urgent", source="Chat", tags="a, b c")
    codes = rule(status=4, priority="4", source=7, tags=["a", "b c"])
    assert parsed("freshdesk", labels).items == parsed("freshdesk", codes).items
    (opening, _) = parsed("freshdesk", rule(source=3, cf_plan="Pro", ticket_cf_region="EU")).items
    assert opening["channel"] == "call"
    assert opening["attributes"] == {"status": "Open", "via": "Phone", "plan": "Pro", "region": "EU"}


@pytest.mark.parametrize(
    ("given", "points", "top"),
    [
        ("Extremely Happy", 3, 3),
        ("happy", 3, 3),
        ("Very unhappy", 1, 3),
        ("Neutral", 2, 3),
        ("Awesome", 3, 3),
        ("Just Okay", 2, 3),
        ("Not Good", 1, 3),
        ("Not satisfied", 1, 3),
        ("Extremely Satisfied", 3, 3),
        (103, 3, 3),
        ("100", 2, 3),
        ("-102", 1, 3),
        (-103.0, 1, 3),
        ("4", 4, 5),
        (5, 5, 5),
    ],
)
def test_ratings_in_words_codes_and_numbers(given: Any, points: int, top: int) -> None:
    assert score_of(given) == {"kind": "csat", "value": points, "scale_min": 1, "scale_max": top}
    (item,) = parsed("freshdesk", rule("csat", rating=given)).items
    assert item["external_id"] == item["response_id"] == "csat:197416"
    assert item["score"]["value"] == points
    assert "text" not in item
    assert item["conversation_id"] == "197416"


@pytest.mark.parametrize("given", [None, "", "-", 0, 6, 99, 104, True, "purple", [], {}, "nan"])
def test_what_is_no_rating(given: Any) -> None:
    assert score_of(given) is None
    assert parsed("freshdesk", rule("csat", rating=given)).ignored


def test_a_rating_with_its_comment() -> None:
    for names in ({"feedback": "Two weeks!"}, {"satisfaction_comment": "Two weeks!"}, {"comment": "Two weeks!"}):
        (item,) = parsed("freshdesk", rule("customer_feedback", satisfaction_rating="Unhappy", **names)).items
        assert item["text"] == "Two weeks!"
        assert item["attributes"]["rating"] == "Unhappy"
    (item,) = parsed("freshdesk", rule("csat", feedback="Two weeks!")).items
    assert "score" not in item
    found = parsed("freshdesk", rule(satisfaction="Happy"))
    assert len(found.items) == 2, "an old rating is not given again by a later reply"
    body = {"id": 5, "satisfaction_rating": "Happy", "triggered_event": "{customer_feedback:103}"}
    assert [one["external_id"] for one in parsed("freshdesk", json_call("freshdesk", body)).items] == ["csat:5"]


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"id": 5, "subject": "Broken", "description": "It broke.", "email": "a@example.com"}, ["ticket:5"]),
        ({"ticketId": "5", "description": "It broke."}, ["ticket:5"]),
        (
            {
                "ticket": {"id": "5", "subject": "Broken"},
                "event": "customer_reply",
                "reply": {"id": 9, "body_text": "Hello?"},
            },
            ["9"],
        ),
        ({"data": {"ticket": {"id": 5, "description": "It broke."}}}, ["ticket:5"]),
    ],
)
def test_bodies_with_other_names_are_understood(body: dict[str, Any], ids: list[str]) -> None:
    found = parsed("freshdesk", json_call("freshdesk", body))
    assert [item["external_id"] for item in found.items] == ids
    assert found.items[0]["conversation_id"] == "5"


def test_forms_and_xml() -> None:
    values = {"ticket_id": "5", "ticket_description": "It broke.", "triggered_event": "{ticket_action:created}"}
    expected = parsed("freshdesk", json_call("freshdesk", {"freshdesk_webhook": values})).items
    assert [item["external_id"] for item in expected] == ["ticket:5"]
    form = urlencode({f"freshdesk_webhook[{name}]": value for name, value in values.items()}).encode()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert parsed("freshdesk", Call(kind, form)).items == expected
    xml = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    xml = f"<?xml version='1.0'?><freshdesk_webhook>{xml}</freshdesk_webhook>"
    assert parsed("freshdesk", Call({"content-type": "application/xml"}, xml.encode())).items == expected


def test_tests_of_the_tool_and_what_is_no_body() -> None:
    assert "test" in parsed("freshdesk", Call({}, (read_guide("freshdesk").template or "").encode())).ignored
    assert parsed("freshdesk", Call({}, b"", method="GET")).ignored
    assert parsed("freshdesk", rule("status_changed", description="", latest_public_comment="")).ignored
    for body in (b"{", b"[]", b'{"freshdesk_webhook":null}', b'{"subject":"x"}'):
        with pytest.raises(CannotParse):
            parsed("freshdesk", Call({}, body))


def test_rules_fire_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        rule("ticket_created", latest_public_comment="", updated_at="2026-11-20T09:14:03Z"),
        rule(),
        rule(latest_public_comment="Sam Agent : We look.", updated_at="2026-11-20T10:10:00Z", status="Pending"),
        rule(latest_public_comment="Jane Roe : Still nothing.", updated_at="2026-11-20T10:30:00Z", status=2),
        rule("csat", rating="unhappy", updated_at="2026-11-20T11:00:00Z"),
        rule("csat", rating="unhappy", feedback="Two weeks!", updated_at="2026-11-20T11:01:00Z"),
    ]
    order_free(database, settings, "freshdesk", calls)


def test_a_ticket_out_of_the_bin_is_taken_again_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        rule("ticket_created", latest_public_comment="", updated_at="2026-11-20T09:14:03Z"),
        rule(updated_at="2026-11-20T10:00:00Z"),
        rule("ticket_deleted", updated_at="2026-11-20T11:00:00Z"),
        rule("ticket_restored", latest_public_comment="", updated_at="2026-11-20T12:00:00Z"),
        rule(latest_public_comment="Jane Roe : Thank you.", updated_at="2026-11-20T13:00:00Z"),
    ]
    ends = order_free(database, settings, "freshdesk", calls)
    assert sorted(str(row["text"]).partition("\n")[0] for row in ends.values()) == [
        "Parcel never came",
        "Thank you.",
    ]
    gone = [*calls, rule("ticket_deleted", latest_public_comment="", updated_at="")]
    assert order_free(database, settings, "freshdesk", gone) == {}


def test_a_deleted_ticket_stays_gone_in_any_order(database: Database, settings: Settings) -> None:
    calls = [
        rule("ticket_created", latest_public_comment=""),
        rule(),
        rule(id="8", latest_public_comment=""),
        rule("ticket_deleted"),
    ]
    order_free(database, settings, "freshdesk", calls)


@pytest.mark.parametrize(
    "call",
    [
        recorded("freshdesk", "ticket_created.simple").call,
        recorded("freshdesk", "note_added.advanced").call,
        rule(),
        rule("csat", rating="happy", feedback="Fine."),
        rule("ticket_deleted"),
    ],
    ids=("simple", "advanced", "reply", "csat", "deleted"),
)
def test_content_of_any_shape_is_understood_or_refused(call: Call) -> None:
    assert survives("freshdesk", call) > 50


def test_a_reply_comes_without_what_it_quotes() -> None:
    quoted = "Still nothing.\n\nOn Fri, 20 Nov 2026 at 10:00 Acme <help@acme.example> wrote:\n> We look into it"
    (item,) = parsed(
        "freshdesk", json_call("freshdesk", {"id": 5, "event": "customer_reply", "comment": quoted})
    ).items
    assert item["text"] == "Still nothing."


@pytest.mark.parametrize(
    ("label", "points"),
    [
        ("Not happy", 1),
        ("Not at all satisfied", 1),
        ("No good", 1),
        ("Less than satisfied", 1),
        ("Not OK", 1),
        ("Neither satisfied nor dissatisfied", 2),
        ("Not bad", 2),
        ("Nothing but happy", 3),
    ],
)
def test_a_label_that_denies_is_not_what_it_denies(label: str, points: int) -> None:
    assert score_of(label) == {"kind": "csat", "value": points, "scale_min": 1, "scale_max": 3}


@pytest.mark.parametrize("flag", ["deleted", "spam"])
def test_a_ticket_that_says_of_itself_that_it_is_gone_is_erased(flag: str) -> None:
    body = {"ticket": {"id": 12, "subject": "Broken", "description": "Since Monday.", flag: True}}
    assert parsed("freshdesk", json_call("freshdesk", body)).erased == [Erased("conversation", "12")]
    body["ticket"][flag] = "false"
    assert [one["external_id"] for one in parsed("freshdesk", json_call("freshdesk", body)).items] == ["ticket:12"]
