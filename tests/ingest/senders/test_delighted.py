"""Delighted: score and comment apart, scales of all kinds of survey, additional answers."""

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

MORE = [
    {
        "id": "a1",
        "question": {"id": "q-free", "type": "free_response", "text": "What else?"},
        "value": {"free_response": "A dark mode."},
    },
    {
        "id": "a2",
        "question": {"id": "q-scale", "type": "scale", "text": "How easy was it?"},
        "value": {"scale": 4},
    },
    {
        "id": "a3",
        "question": {"id": "q-one", "type": "select_one", "text": "Use"},
        "value": {"select_one": {"id": "s1", "text": "Daily"}},
    },
    {
        "id": "a4",
        "question": {"id": "q-many", "type": "select_many", "text": "Parts"},
        "value": {"select_many": [{"id": "s2", "text": "Map"}, {"id": "s3", "text": "Lists"}]},
    },
]


def event(kind: str = "survey_response.updated", **data: Any) -> dict[str, Any]:
    sent = {
        "id": "5435",
        "person": {"id": "5975", "email": "respondent@example.com", "name": "Test Respondent"},
        "survey_type": "nps",
        "score": 3,
        "comment": "Too slow.",
        "created_at": 1795165985,
        "updated_at": 1795165985,
        "person_properties": {"plan": "pro", "Email": "x@example.com", "locale": "de"},
        "notes": [{"id": "1", "text": "our own note", "user_email": "agent@example.com"}],
        "tags": ["churn", {"name": "vip"}],
        "additional_answers": [],
    }
    return {"event_type": kind, "event_id": f"{kind}-{json.dumps(data)}", "event_data": {**sent, **data}}


def items(payload: Any, **given: Any) -> list[dict[str, Any]]:
    return parsed("delighted", json_call("delighted", payload), **given).items


def test_the_recorded_score() -> None:
    one = recorded("delighted", "survey_response.created")
    only_signed_calls_are_taken("delighted", one, "x-delighted-webhook-signature")
    assert SENDERS["delighted"].delivery_id(one.call) == one.call.body.decode().split('"event_id":"')[1][:64]
    (item,) = parsed("delighted", one.call).items
    assert item["score"] == {"kind": "nps", "value": 3, "scale_min": 0, "scale_max": 10}
    assert item["text"] is None
    assert (item["external_id"], item["respondent"]) == ("5435", "5975")
    assert item["occurred_at"] == "2026-11-20T09:13:05+00:00"
    assert item["attributes"] == {"plan": "pro"}


def test_the_recorded_unsubscription_is_ignored() -> None:
    one = recorded("delighted", "unsubscribe.created")
    only_signed_calls_are_taken("delighted", one, "x-delighted-webhook-signature")
    assert parsed("delighted", one.call).ignored
    assert not parsed("delighted", one.call).items


def test_comment_and_additional_answers() -> None:
    first, second = items(event(additional_answers=MORE))
    assert (first["external_id"], first["text"], "question" in first) == ("5435", "Too slow.", False)
    assert (second["external_id"], second["text"]) == ("5435:q-free", "A dark mode.")
    assert second["question"] == "What else?"
    assert "score" not in second
    for item in (first, second):
        assert item["language"] == "de"
        assert item["attributes"] == {
            "plan": "pro",
            "tags": "churn, vip",
            "How easy was it?": "4",
            "Use": "Daily",
            "Parts": "Map, Lists",
        }
        assert "agent@example.com" not in str(item)


def test_an_additional_answer_never_takes_the_comments_place() -> None:
    first, second = items(event(comment=None, additional_answers=MORE))
    assert (first["text"], first["score"]["value"]) == (None, 3)
    assert second["external_id"] == "5435:q-free"


@pytest.mark.parametrize(
    ("kind", "score", "expected"),
    [
        ("nps", 0, ("nps", 0, 10)),
        ("enps", 10, ("nps", 0, 10)),
        ("csat", 5, ("csat", 1, 5)),
        ("ces", 2, ("ces", 1, 5)),
        ("ces7", 2, ("ces", 1, 7)),
        ("ces", 7, ("ces", 1, 7)),
        ("5-star", 4, ("stars", 1, 5)),
        ("stars_five", 4, ("stars", 1, 5)),
        ("smileys_five", 1, ("csat", 1, 5)),
        ("smileys_three", 3, ("csat", 1, 3)),
        ("thumbs", 1, ("csat", 0, 1)),
        ("pmf", 2, None),
        ("nps", 11, None),
        ("nps", "9", ("nps", 0, 10)),
    ],
)
def test_scales_by_the_kind_of_survey(kind: str, score: Any, expected: Any) -> None:
    found = items(event(survey_type=kind, score=score))[0].get("score")
    if expected is None:
        assert found is None
    else:
        assert found == {
            "kind": expected[0],
            "value": float(score),
            "scale_min": expected[1],
            "scale_max": expected[2],
        }


def test_the_steps_of_an_effort_score_can_be_set() -> None:
    (item,) = items(event(survey_type="ces", score=3), scales={"score": "ces:1-7"})
    assert item["score"] == {"kind": "ces", "value": 3, "scale_min": 1, "scale_max": 7}


def test_other_events() -> None:
    assert parsed("delighted", json_call("delighted", event("person.created"))).ignored
    for payload in ({"event_type": "survey_response.created"}, event(id=None)):
        with pytest.raises(CannotParse):
            parsed("delighted", json_call("delighted", payload))


def test_score_and_comment_in_any_order(database: Database, settings: Settings) -> None:
    order_free(
        database,
        settings,
        "delighted",
        [
            json_call("delighted", one)
            for one in (
                event("survey_response.created", comment=None, tags=[]),
                event(),  # in the same second
                event(comment="Too slow, really.", score=2, updated_at=1795165990),
                event(comment="Too slow, really.", score=2, updated_at=1795165990, additional_answers=MORE),
                event("unsubscribe.created"),
            )
        ],
    )


def test_what_delighted_never_sends() -> None:
    one = recorded("delighted", "survey_response.created")
    assert survives("delighted", one.call, event(additional_answers=MORE)) > 500
