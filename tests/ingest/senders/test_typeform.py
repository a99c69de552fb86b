"""Typeform: whole and partial responses, every type of answer, scales of the form."""

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

Answer = tuple[str, dict[str, Any], dict[str, Any]]  # type of the question, question, answer


def form(*answers: Answer, event: str = "form_response", **fields: Any) -> dict[str, Any]:
    """A response to a form with these questions; an answer {} is a question that was left out."""
    asked, given = [], []
    for number, (kind, question, answer) in enumerate(answers):
        own = {"id": f"f{number}", "ref": f"ref{number}", "type": kind}
        asked.append({**own, "title": f"Question {number}", "properties": {}, **question})
        if answer:
            given.append({**answer, "field": own})
    return {
        "event_id": "e-1",
        "event_type": event,
        "form_response": {
            "form_id": "form1",
            "token": "tok",
            "landed_at": "2026-11-20T09:12:31Z",
            "submitted_at": "2026-11-20T09:14:03Z",
            "definition": {"id": "form1", "title": "Pulse", "fields": asked},
            "answers": given,
            **fields,
        },
    }


def number(value: Any) -> dict[str, Any]:
    return {"type": "number", "number": value}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def items(payload: Any) -> list[dict[str, Any]]:
    return parsed("typeform", json_call("typeform", payload)).items


def test_the_recorded_response() -> None:
    one = recorded("typeform", "form_response")
    only_signed_calls_are_taken("typeform", one, "typeform-signature")
    assert SENDERS["typeform"].delivery_id(one.call) == "01JD4M7QZTYPEFORMTEST00001"
    (item,) = parsed("typeform", one.call).items
    assert item == {
        "external_id": "tok0000000000000000000000000test",
        "response_id": "tok0000000000000000000000000test",
        "text": "Too many clicks to find last month’s report.\nAlso: exports are slow.",
        "question": "What is the main reason for your score?",
        "score": {"kind": "nps", "value": 4, "scale_min": 0, "scale_max": 10},
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "cust-7781",
        "url": "https://admin.typeform.com/form/uaIAtest/results?responseId=tok0000000000000000000000000test#responses",
        "attributes": {
            "form": "Product pulse",
            "user_id": "cust-7781",
            "Which areas should we improve?": "Reports, Speed, Dark mode please",
            "Rate the onboarding": "3",
        },
    }


def test_every_type_of_answer() -> None:
    (first, second, other) = items(
        form(
            ("statement", {}, {}),
            ("short_text", {"title": "What is your name?"}, text("Anna Smith")),
            ("email", {}, {"type": "email", "email": "anna@example.com"}),
            ("phone_number", {}, {"type": "phone_number", "phone_number": "+4915112345678"}),
            ("long_text", {"title": "What did you think of *our* {{field:x}}?"}, text(" Great support \n")),
            ("short_text", {"title": "Anything else?"}, text("No")),
            ("short_text", {"title": "What company do you work for?"}, text("ACME")),
            ("yes_no", {"title": "Would you buy again?"}, {"type": "boolean", "boolean": False}),
            ("dropdown", {"title": "Plan"}, {"type": "choice", "choice": {"label": "Pro"}}),
            (
                "multiple_choice",
                {"title": "What brought you here?"},
                {"type": "choice", "choice": {"other": "a friend told me about it"}},
            ),
            ("date", {"title": "Visit"}, {"type": "date", "date": "2026-11-01"}),
            ("number", {"title": "Seats"}, number(7)),
            ("website", {"title": "Site"}, {"type": "url", "url": "https://example.com"}),
            ("file_upload", {"title": "Upload"}, {"type": "file_url", "file_url": "https://f.example/x.png"}),
            ("payment", {"title": "Pay"}, {"type": "payment", "payment": {"name": "Anna Smith", "last4": "1234"}}),
            ("new_type", {"title": "Future"}, {"type": "future", "future": {"a": 1}}),
            hidden={"plan": "team", "email": "other@example.com", "utm_source": "mail", "lang": "de"},
            variables=[{"key": "score", "type": "number", "number": 0}, {"key": "v", "type": "text", "text": "b"}],
            metadata={"platform": "mobile", "country": "DE"},
        )
    )
    assert (first["external_id"], first["text"]) == ("tok", "Great support")
    assert first["question"] == "What did you think of our …?"
    assert "score" not in first
    assert (second["external_id"], second["text"], second["question"]) == ("tok:f5", "No", "Anything else?")
    assert (other["external_id"], other["text"]) == ("tok:f9-other", "a friend told me about it")
    for item in (first, second, other):
        assert item["respondent"] == "other@example.com"
        assert item["language"] == "de"
        assert item["response_id"] == "tok"
        assert item["attributes"] == {
            "form": "Pulse",
            "country": "DE",
            "platform": "mobile",
            "plan": "team",
            "utm_source": "mail",
            "v": "b",
            "What company do you work for?": "ACME",
            "Would you buy again?": "false",
            "Plan": "Pro",
            "Visit": "2026-11-01",
            "Seats": "7",
        }


@pytest.mark.parametrize(
    ("kind", "question", "value", "expected"),
    [
        ("nps", {"title": "Wie geht es?"}, 9, ("nps", 0, 10)),
        ("opinion_scale", {"title": "How likely are you to recommend us?"}, 0, ("nps", 0, 10)),
        (
            "opinion_scale",
            {"title": "Wie zufrieden sind Sie?", "properties": {"steps": 7, "start_at_one": True}},
            7,
            ("csat", 1, 7),
        ),
        ("opinion_scale", {"title": "¿Fue fácil?", "properties": {"steps": 5}}, 4, ("ces", 0, 4)),
        ("rating", {"title": "Votre avis", "properties": {"steps": 10, "shape": "star"}}, 8, ("stars", 1, 10)),
        ("rating", {"title": "How satisfied were you?"}, 3, ("csat", 1, 5)),
        ("opinion_scale", {"title": "Pick", "properties": {"steps": 5, "start_at_one": True}}, 3, ("stars", 1, 5)),
        ("opinion_scale", {"title": "How often do you travel?"}, 3, None),
        ("rating", {"title": "Rate us"}, 8, None),  # off the five steps that a form has by default
        ("number", {"title": "How many stars do you see?"}, 3, None),
    ],
)
def test_scales_are_the_forms(kind: str, question: dict[str, Any], value: int, expected: Any) -> None:
    found = items(form((kind, question, number(value)), ("long_text", {}, text("Fine words"))))[0].get("score")
    if expected is None:
        assert found is None
    else:
        assert found == {"kind": expected[0], "value": value, "scale_min": expected[1], "scale_max": expected[2]}


def test_a_score_alone_is_an_item_and_nothing_is_none() -> None:
    (item,) = items(form(("nps", {}, number(10))))
    assert item["external_id"] == item["response_id"] == "tok"
    assert item["text"] is None
    assert not items(form(("dropdown", {}, {"type": "choice", "choice": {"label": "Pro"}})))


def test_questions_in_groups_and_answers_in_another_order() -> None:
    payload = form(("nps", {}, number(3)), ("long_text", {"title": "Why?"}, text("Slow.")))
    sent = payload["form_response"]
    sent["definition"]["fields"] = [
        {"id": "g", "type": "group", "title": "All", "properties": {"fields": sent["definition"]["fields"]}},
        {"id": "last", "type": "long_text", "title": "More?"},
    ]
    sent["answers"].insert(0, {**text("Later."), "field": {"id": "last", "type": "long_text"}})
    first, second = items(payload)
    assert (first["text"], first["question"], second["text"]) == ("Slow.", "Why?", "Later.")
    del sent["definition"]
    assert {item["text"] for item in items(payload)} == {"Later.", "Slow."}


def test_other_events_and_the_documentations_sample_are_ignored() -> None:
    for payload in (
        {"event_type": "form_deleted"},
        {},
        form(("long_text", {}, text("Lorem ipsum")), token="a3a12ec67a1365927098a606107fac15"),
    ):
        found = parsed("typeform", json_call("typeform", payload))
        assert found.ignored
        assert not found.items
    with pytest.raises(CannotParse):
        parsed("typeform", json_call("typeform", {"event_type": "form_response", "form_response": None}))
    partial = form(("long_text", {}, text("Begun")), event="form_response_partial")
    partial["form_response_partial"] = partial.pop("form_response")
    assert items(partial)[0]["text"] == "Begun"


def test_pieces_of_one_response_in_any_order(database: Database, settings: Settings) -> None:
    nps = ("nps", {"title": "How likely are you to recommend us?"}, number(3))
    why = ("long_text", {"title": "Why?"}, text("Slow exports."))
    more = ("long_text", {"title": "What else?"}, text("Dark mode."))
    unanswered: list[Answer] = [(kind, question, {}) for kind, question, _ in (nps, why, more)]
    begun = {"submitted_at": None, "hidden": {"plan": "pro"}}
    ends = order_free(
        database,
        settings,
        "typeform",
        [
            json_call("typeform", {**payload, "event_id": f"e-{place}"})
            for place, payload in enumerate(
                (
                    form(nps, *unanswered[1:], event="form_response_partial", **begun),
                    form(nps, unanswered[1], more, event="form_response_partial", **begun),
                    form(nps, why, more, event="form_response_partial", **begun),
                    form(nps, why, more, hidden={"plan": "pro"}),
                )
            )
        ],
    )
    assert {name: row["text"] for name, row in ends.items()} == {"tok": "Slow exports.", "tok:f2": "Dark mode."}
    assert (ends["tok"]["score_value"], ends["tok"]["occurred_at"].minute) == (3, 14)


def test_what_was_emptied_before_it_was_sent_off(database: Database, settings: Settings) -> None:
    nps, why = ("nps", {}, number(3)), ("long_text", {"title": "Why?"}, text("Slow exports."))
    begun = form(nps, why, event="form_response_partial", submitted_at=None) | {"event_id": "e-0"}
    whole = form(("nps", {}, number(7)), ("long_text", {"title": "Why?"}, {}))
    ends = order_free(database, settings, "typeform", [json_call("typeform", one) for one in (begun, whole)])
    assert [(row["text"], row["state"], row["score_value"]) for row in ends.values()] == [(None, "no_text", 7)]


def test_what_typeform_never_sends() -> None:
    one = recorded("typeform", "form_response")
    assert survives("typeform", one.call, json.loads(one.call.body)) > 500
