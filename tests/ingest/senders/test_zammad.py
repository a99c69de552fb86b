"""Zammad: its default payload, our template, and who wrote."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.guide import read_guide
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded


def sent(ticket: dict[str, Any] | None = None, article: dict[str, Any] | None = None) -> Call:
    own_ticket = {
        "id": 81,
        "number": "10081",
        "title": "Invoice paid twice",
        "article_ids": [104],
        "article_count": 1,
        "state": "new",
        "customer": {"id": 8, "email": "customer@example.com", "organization": "Example GmbH"},
        "updated_at": "2026-11-20T09:14:03.333Z",
        **(ticket or {}),
    }
    own_article = {
        "id": 104,
        "ticket_id": 81,
        "sender": "Customer",
        "internal": False,
        "type": "email",
        "subject": "Invoice paid twice",
        "body": "Please send it back.",
        "content_type": "text/plain",
        "created_at": "2026-11-20T09:14:03.318Z",
        "updated_at": "2026-11-20T09:14:03.318Z",
        **(article or {}),
    }
    return json_call("zammad", {"ticket": own_ticket, "article": own_article})


def text_of(call: Call) -> str | None:
    (item,) = parsed("zammad", call).items
    return item["text"]  # type: ignore[no-any-return]


def test_the_recorded_call_holds_with_its_secret_only() -> None:
    one = recorded("zammad", "ticket.created")
    secret = one.secret or ""
    assert accepted("zammad", one.call, [secret], one.clock)
    assert accepted("zammad", one.call, ["new", secret], one.clock), "while secrets change"
    assert not accepted("zammad", one.call, ["new"], one.clock)
    assert not accepted("zammad", one.call, [], one.clock)
    assert not accepted("zammad", replace(one.call, body=one.call.body[:-1] + b" }"), [secret], one.clock)
    again = json.dumps(json.loads(one.call.body)).encode()
    assert not accepted("zammad", replace(one.call, body=again), [secret], one.clock), "escapes are signed too"
    for value in (None, "", "sha1=", "sha256=" + "0" * 64, "sha1=zz", "garbage", "\ud83d", "sha1"):
        headers = {name: text for name, text in one.call.headers.items() if name != "x-hub-signature"}
        headers |= {} if value is None else {"x-hub-signature": value}
        assert not accepted("zammad", replace(one.call, headers=headers), [secret], one.clock)


def test_the_recorded_article_is_the_customers_item() -> None:
    (item,) = parsed(
        "zammad", recorded("zammad", "ticket.created").call, base_url="https://desk.example.com/"
    ).items
    assert item == {
        "external_id": "104",
        "text": "Rechnung doppelt abgebucht\n\nGuten Tag,\n"
        "im Oktober wurde der Betrag zweimal abgebucht. Bitte um Rückzahlung.",
        "occurred_at": "2026-11-20T09:14:03.318000+00:00",
        "updated_at": "2026-11-20T09:14:03.333000+00:00",
        "conversation_id": "81",
        "respondent": "8",
        "channel": "ticket",
        "url": "https://desk.example.com/#ticket/zoom/81",
        "attributes": {
            "group": "Service Desk",
            "priority": "2 normal",
            "status": "new",
            "article_type": "email",
            "organization": "Example GmbH",
            "customer_organization": "Example GmbH",
        },
    }


@pytest.mark.parametrize(
    "article",
    [
        {"sender": "Agent"},
        {"sender": "System"},
        {"sender": {"id": 1, "name": "Agent"}},
        {"sender": None},
        {"sender": "-"},
        {"sender": 2},
        {"internal": True},
        {"internal": "true"},
        {"internal": 1},
        {"body": None},
        {"body": "<div></div>", "content_type": "text/html"},
    ],
)
def test_what_no_customer_wrote_is_ignored(article: dict[str, Any]) -> None:
    found = parsed("zammad", sent({"title": None}, article))
    assert found.items == []
    assert found.ignored


@pytest.mark.parametrize("article", [None, {}, "", [], "-"])
def test_triggers_without_an_article_are_ignored(article: Any) -> None:
    found = parsed("zammad", json_call("zammad", {"ticket": {"id": 81, "state": "closed"}, "article": article}))
    assert found.items == []
    assert found.ignored


def test_the_title_opens_the_ticket_and_is_not_repeated() -> None:
    assert text_of(sent()) == "Invoice paid twice\n\nPlease send it back."
    later = {"article_ids": [104, 107], "article_count": 2}
    assert text_of(sent(later, {"id": 107, "body": "Still nothing"})) == "Still nothing"
    assert text_of(sent(later)) == "Invoice paid twice\n\nPlease send it back.", "sent again after a reply"
    assert text_of(sent({"article_ids": None, "article_count": "2"}, {"body": "Hello?"})) == "Hello?"
    bare = {"article_ids": None, "article_count": None}
    assert text_of(sent(bare, {"subject": "Re: Invoice", "body": "Hello?"})) == "Hello?"
    assert text_of(sent(bare)) == "Invoice paid twice\n\nPlease send it back."


def test_words_come_by_content_type_and_without_quotes() -> None:
    reply = {"article_ids": [1, 104]}
    html = {"content_type": "text/html", "body": "<p>No &amp; no</p><blockquote type='cite'>Is it?</blockquote>"}
    assert text_of(sent(reply, html)) == "No & no"
    plain = {"content_type": "text/plain; charset=utf-8", "body": "a < b\n\nAm Montag schrieb Acme:\n> Hallo"}
    assert text_of(sent(reply, plain)) == "a < b"


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("phone", "call"),
        ("twitter status", "social"),
        ("facebook feed post", "social"),
        ("telegram personal-message", "chat"),
        ("whatsapp message", "chat"),
        ("sms", "chat"),
        ("web", "ticket"),
        ({"name": "chat"}, "chat"),
        (None, "ticket"),
    ],
)
def test_channels(kind: Any, channel: str) -> None:
    assert parsed("zammad", sent(article={"type": kind})).items[0]["channel"] == channel


def test_own_objects_become_attributes() -> None:
    call = sent(
        {
            "product_line": "Scales",
            "rank": 3,
            "renewal": True,
            "modules": ["a", "b"],
            "contract": {"value": "k-9", "label": "Contract 9"},
            "empty": "",
            "none": None,
            "dash": "-",
            "tags": ["vip", "refund"],
            "escalation_at": "2026-11-21T09:14:03Z",
        }
    )
    assert parsed("zammad", call).items[0]["attributes"] == {
        "status": "new",
        "article_type": "email",
        "customer_organization": "Example GmbH",
        "tags": "vip, refund",
        "product_line": "Scales",
        "rank": "3",
        "renewal": "true",
        "modules": "a, b",
        "contract": "Contract 9",
    }


def test_an_agent_who_notes_a_call_is_not_the_respondent() -> None:
    call = sent(article={"type": "phone", "created_by_id": 5, "origin_by_id": 8})
    assert parsed("zammad", call).items[0]["respondent"] == "8"
    assert parsed("zammad", sent({"customer": None, "customer_id": 9})).items[0]["respondent"] == "9"


def filled(**values: str) -> Call:
    """Our template as Zammad fills it in."""
    template = read_guide("zammad").template or ""
    body = re.sub(r"#\{([\w.]+)\}", lambda found: values.get(found[1].replace(".", "_"), "-"), template)
    return Call({"content-type": "application/json"}, body.encode())


def test_our_template_is_understood() -> None:
    (item,) = parsed(
        "zammad",
        filled(
            ticket_id="81",
            ticket_title="Invoice paid twice",
            ticket_state_name="open",
            ticket_group_name="Billing",
            ticket_customer_id="8",
            ticket_article_count="1",
            ticket_tags="vip, refund",
            ticket_updated_at="2026-11-20 09:14:03 UTC",
            article_id="104",
            article_sender_name="Customer",
            article_internal="false",
            article_type_name="email",
            article_body="Please send it back.",
            article_content_type="text/plain",
            article_created_at="2026-11-20 09:14:03 UTC",
        ),
    ).items
    assert item == {
        "external_id": "104",
        "text": "Invoice paid twice\n\nPlease send it back.",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "conversation_id": "81",
        "respondent": "8",
        "channel": "ticket",
        "attributes": {"group": "Billing", "status": "open", "article_type": "email", "tags": "vip, refund"},
    }
    assert parsed("zammad", filled(ticket_id="81")).ignored, "no article"
    assert parsed("zammad", filled(article_id="1", article_sender_name="Agent", article_body="x")).ignored


@pytest.mark.parametrize("body", [{}, {"article": {"id": 1}}, {"ticket": []}, {"event": "x"}])
def test_other_bodies_are_refused(body: Any) -> None:
    with pytest.raises(CannotParse):
        parsed("zammad", json_call("zammad", body))


def test_triggers_in_any_order_end_in_the_same_state(database: Database, settings: Settings) -> None:
    reply = {"id": 107, "body": "Still nothing", "created_at": "2026-11-20T10:00:00Z"}
    calls = [
        sent(),
        sent({"state": "open", "updated_at": "2026-11-20T09:30:00Z", "tags": ["refund"]}),
        sent({"updated_at": "2026-11-20T09:40:00Z"}, {"id": 106, "sender": "Agent", "body": "On it"}),
        sent({"article_ids": [104, 106, 107], "updated_at": "2026-11-20T10:00:00Z"}, reply),
        sent(
            {"article_ids": [104, 106, 107], "updated_at": "2026-11-20T11:00:00Z", "priority": {"name": "3 high"}},
            reply,
        ),
        sent({"state": "closed", "updated_at": "2026-11-20T12:00:00Z"}, {"id": 108, "internal": True}),
    ]
    order_free(database, settings, "zammad", calls)


def test_odd_shapes_are_parsed_or_refused() -> None:
    check_hostile("zammad", sent({"own": {"label": "x"}, "tags": ["a"], "group": {"name": "Desk"}}))


def test_machines_that_answer_for_the_customer_are_ignored() -> None:
    found = parsed("zammad", sent(article={"body": "I am away", "preferences": {"is-auto-response": True}}))
    assert (found.items, bool(found.ignored)) == ([], True)
    assert parsed("zammad", sent(article={"preferences": {"is-auto-response": False}})).items


def test_html_without_a_type_and_quotes_of_outlook() -> None:
    reply = {"article_ids": [1, 104]}
    assert text_of(sent(reply, {"content_type": None, "body": "<div>Still late</div>"})) == "Still late"
    mail = "<div>Still late</div><div>Von: Acme<br>Gesendet: Montag<br>An: Kundin</div><div>Hallo</div>"
    assert text_of(sent(reply, {"content_type": "text/html", "body": mail})) == "Still late"


def test_the_number_of_the_writers_kind_does_where_its_name_is_missing() -> None:
    assert parsed("zammad", sent(article={"sender": None, "sender_id": 2})).items
    for kind in (1, 3, 9):
        found = parsed("zammad", sent(article={"sender": None, "sender_id": kind}))
        assert (found.items, bool(found.ignored)) == ([], True)
