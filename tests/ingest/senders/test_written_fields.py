"""Bodies that administrators write: any names, any nesting, three formats."""

from __future__ import annotations

from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.written_fields import (
    channel_of,
    first,
    first_text,
    holds_placeholders,
    same_person,
    snake,
    tag_list,
    text_mark,
    web_address,
    written_body,
    written_fields,
    yes_or_no,
)


def test_nesting_becomes_one_level_of_names() -> None:
    content = {
        "freshdesk_webhook": {
            "ticketId": 5,
            "ticket": {"requester": {"Email Address": "a@example.com"}, "tags": ["a", None, {"b": 1}, 2]},
            "empty": "-",
            "unfilled": "{{ticket.id}}",
            "loop": "{% for c in ticket.comments %}{% endfor %}",
        },
        "ticket_id": 6,
    }
    fields = written_fields(content, ("freshdesk_webhook",))
    assert fields == {"ticket_id": 5, "ticket_requester_email_address": "a@example.com", "ticket_tags": ["a", 2]}
    assert first(fields, "nothing", "id") == 5
    assert first(fields, "requester_email_address") == "a@example.com"
    assert first_text(fields, "id") is None, "a number is no text"
    assert first(fields, "nothing") is None


@pytest.mark.parametrize("content", [None, [], "x", 1, {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}])
def test_what_holds_nothing_readable_is_empty(content: Any) -> None:
    assert written_fields(content) == {}


def test_three_formats() -> None:
    assert written_body(Call({"content-type": "application/json"}, b'{"a":1}')) == {"a": 1}
    assert written_body(Call({}, b' \n{"a":1}')) == {"a": 1}
    form = "application/x-www-form-urlencoded"
    assert written_body(Call({"content-type": form}, b"a=1&b=x+y")) == {"a": "1", "b": "x y"}
    assert written_body(Call({"content-type": form}, b'{"a":1}')) == {"a": 1}, "tools that say form and send JSON"
    assert written_body(Call({}, b"<h><t><a>1</a></t><b/></h>")) == {"h": {"t": {"a": "1"}, "b": ""}}
    for body in (b"", b"a", b"[]", b"<a", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"):
        with pytest.raises(CannotParse):
            written_body(Call({}, body))


def test_names_in_one_spelling() -> None:
    assert [snake(one) for one in ("ticketId", "Ticket-ID", "freshdesk_webhook[ticket_id]", "§")] == [
        "ticket_id",
        "ticket_id",
        "freshdesk_webhook_ticket_id",
        "",
    ]


def test_placeholders_that_nobody_filled() -> None:
    assert holds_placeholders({"a": [{"b": " {{ticket.id}} "}]})
    assert not holds_placeholders({"a": "I typed {{name}} and it failed", "b": 1})


def test_flags_people_and_tags() -> None:
    assert [yes_or_no(one) for one in (True, "Yes", 1, False, "private", "0", None, "maybe")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        None,
        None,
    ]
    assert same_person(" Jane  Roe", "jane roe") is True
    assert same_person(5, "5") is True
    assert same_person("a", "b") is False
    assert same_person(None, "b") is same_person("", "b") is None
    assert tag_list("billing pdf", " ") == tag_list(["billing", "pdf"], " ") == "billing, pdf"
    assert tag_list("late parcel, courier,", ",") == "late parcel, courier"
    assert tag_list(None, ",") is tag_list("", " ") is tag_list(5, " ") is None


def test_channels_and_links() -> None:
    assert [
        channel_of(one) for one in ("Voicemail", "native_messaging", "Twitter DM", "Web form", "online", 3)
    ] == [
        "call",
        "chat",
        "social",
        None,
        None,
        None,
    ]
    assert web_address("acme.zendesk.com/agent/tickets/1") == "https://acme.zendesk.com/agent/tickets/1"
    assert web_address(" https://acme.example/1 ") == "https://acme.example/1"
    for bad in (
        "javascript:alert(1)",
        "/tickets/1",
        "",
        None,
        5,
        "https://a b",
        "https://a.example/" + "x" * 3000,
    ):
        assert web_address(bad) is None


def test_the_same_words_have_the_same_mark() -> None:
    assert text_mark("Hello\n  there") == text_mark("Hello there") != text_mark("Hello where")
