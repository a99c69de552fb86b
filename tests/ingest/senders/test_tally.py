"""Tally: all kinds of fields, choices by their ids, scales."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.ingest.incoming import CannotParse
from service.ingest.senders import SENDERS
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.mangled import only_signed_calls_are_taken, survives
from tests.ingest.senders.recorded import json_call, order_free, parsed, recorded


def field(kind: str, label: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"key": f"question_{label}", "label": label, "type": kind, "value": value, **more}


def response(*fields: dict[str, Any], at: str = "2026-11-20T09:14:03.112Z", **data: Any) -> dict[str, Any]:
    return {
        "eventId": f"event-{at}",
        "eventType": "FORM_RESPONSE",
        "createdAt": at,
        "data": {"responseId": "r1", "formName": "Feedback", "createdAt": at, "fields": list(fields), **data},
    }


def items(payload: Any, **given: Any) -> list[dict[str, Any]]:
    return parsed("tally", json_call("tally", payload), **given).items


def test_the_recorded_response() -> None:
    one = recorded("tally", "FORM_RESPONSE")
    only_signed_calls_are_taken("tally", one, "tally-signature")
    assert SENDERS["tally"].delivery_id(one.call) == "11111111-2222-4333-8444-0000000000a1"
    (item,) = parsed("tally", one.call).items
    assert item == {
        "external_id": "2wgxtest",
        "response_id": "2wgxtest",
        "text": "The calendar invite shows the wrong time zone.",
        "question": "Tell us more",
        "score": {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03.112000+00:00",
        "respondent": "cust-7781",
        "attributes": {
            "form": "Feedback",
            "user_id": "cust-7781",
            "Which product?": "Scheduler",
            "Areas": "Time zones",
        },
    }


def test_all_kinds_of_fields() -> None:
    choices = [{"id": "a", "text": "Yes"}, {"id": "b", "text": "No"}]
    own = [*choices, {"id": "c", "text": "my whole team uses it daily", "isOtherOption": True}]
    first, typed = items(
        response(
            field("INPUT_TEXT", "Your name", "Anna Smith"),
            field("INPUT_EMAIL", "Mail", "anna@example.com"),
            field("INPUT_PHONE_NUMBER", "Phone", "+4915112345678"),
            field("RATING", "Your stars", 4),
            field("LINEAR_SCALE", "Would you recommend us?", 9),
            field("TEXTAREA", "Why?", "It works"),
            field("DROPDOWN", "Again?", ["a"], options=choices),
            field("MULTI_SELECT", "Use", ["b", "c"], options=own),
            field("RANKING", "Rank", ["b", "a"], options=choices),
            field("INPUT_NUMBER", "Seats", 7),
            field("INPUT_DATE", "Since", "2026-01-02"),
            field("INPUT_LINK", "Link", "https://example.com/a"),
            field("FILE_UPLOAD", "File", [{"url": "https://example.com/x.png"}]),
            field("SIGNATURE", "Sign", [{"url": "https://example.com/y.png"}]),
            field("PAYMENT", "Pay", 12.5),
            field("CALCULATED_FIELDS", "total", 3),
            field("HIDDEN_FIELDS", "plan", "pro"),
            field("HIDDEN_FIELDS", "email", "hidden@example.com"),
            field(
                "MATRIX",
                "Rate",
                {"r1": ["c1"], "r2": ["c2"]},
                rows=[{"id": "r1", "text": "Speed"}, {"id": "r2", "text": "Price"}],
                columns=[{"id": "c1", "text": "Good"}, {"id": "c2", "text": "Bad"}],
            ),
            respondentId="browser1",
        )
    )
    assert first["text"] == "It works"
    assert first["score"] == {"kind": "stars", "value": 4, "scale_min": 1, "scale_max": 5}
    assert first["respondent"] == "hidden@example.com"
    assert typed["external_id"] == "r1:question_Use-other"
    assert typed["text"] == "my whole team uses it daily"
    assert first["attributes"] == {
        "form": "Feedback",
        "total": "3",
        "plan": "pro",
        "Would you recommend us?": "9",
        "Again?": "Yes",
        "Use": "No",
        "Rank": "No, Yes",
        "Seats": "7",
        "Since": "2026-01-02",
        "Rate – Speed": "Good",
        "Rate – Price": "Bad",
    }


def test_the_scale_is_set_where_tally_tells_none() -> None:
    scale = field("LINEAR_SCALE", "Rate the course", 8)
    assert not items(response(scale))
    (item,) = items(response(scale), linear_scale_max=10)
    assert item["score"] == {"kind": "stars", "value": 8, "scale_min": 1, "scale_max": 10}
    stars = field("RATING", "Rate the course", 8)
    assert not items(response(stars)), "more stars than five, and nobody says how many there are"
    (item,) = items(response(stars), rating_max=10)
    assert item["score"] == {"kind": "stars", "value": 8, "scale_min": 1, "scale_max": 10}
    (item,) = items(response(field("RATING", "Rate the course", 3)), rating_max=10)
    assert item["score"] == {"kind": "stars", "value": 3, "scale_min": 1, "scale_max": 10}
    (item,) = items(response(scale), scales={"Rate the course": "csat:0-10"})
    assert item["score"] == {"kind": "csat", "value": 8, "scale_min": 0, "scale_max": 10}
    (item,) = items(response(field("LINEAR_SCALE", "How likely are you to recommend us?", 0)))
    assert item["score"] == {"kind": "nps", "value": 0, "scale_min": 0, "scale_max": 10}


def test_without_an_id_of_ours_the_browser_is_the_respondent() -> None:
    (item,) = items(response(field("TEXTAREA", "Why?", "It works"), respondentId="browser1"))
    assert item["respondent"] == "browser1"


def test_other_events_are_ignored() -> None:
    assert parsed("tally", json_call("tally", {"eventType": "FORM_CREATED", "data": {}})).ignored
    assert parsed("tally", json_call("tally", response())).ignored
    with pytest.raises(CannotParse):
        parsed("tally", json_call("tally", {"eventType": "FORM_RESPONSE"}))


def test_a_response_sent_again_with_more(database: Database, settings: Settings) -> None:
    rating = field("RATING", "Stars", 4)
    order_free(
        database,
        settings,
        "tally",
        [
            json_call("tally", response(rating, field("TEXTAREA", "Why?", None))),
            json_call("tally", response(rating, field("TEXTAREA", "Why?", "Good"), at="2026-11-20T09:15:00Z")),
            json_call(
                "tally",
                response(
                    rating,
                    field("TEXTAREA", "Why?", "Very good"),
                    field("TEXTAREA", "More?", "Dark mode"),
                    at="2026-11-20T09:16:00Z",
                ),
            ),
        ],
    )


def test_what_tally_never_sends() -> None:
    one = recorded("tally", "FORM_RESPONSE")
    assert survives("tally", one.call, json.loads(one.call.body)) > 500
