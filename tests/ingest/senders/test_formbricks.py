"""Formbricks: responses by the ids of their questions, signed by Standard Webhooks or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.ingest.incoming import CannotParse
from service.ingest.senders import SENDERS
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.mangled import survives
from tests.ingest.senders.recorded import Recorded, accepted, json_call, order_free, parsed, recorded

OTHER_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def event(kind: str = "responseFinished", *, at: str = "2026-11-20T09:14:03.116Z", **data: Any) -> dict[str, Any]:
    sent = {
        "id": "resp1",
        "createdAt": "2026-11-20T09:12:31.507Z",
        "updatedAt": at,
        "surveyId": "surv1",
        "contact": None,
        "contactAttributes": {"plan": "pro", "email": "respondent@example.com", "firstName": "Test"},
        "finished": kind == "responseFinished",
        "data": {},
        "ttc": {},
        "tags": [{"tag": {"name": "beta"}}, {"name": "vip"}, "eu"],
        "meta": {"country": "DE", "userAgent": {"device": "desktop"}, "source": "app"},
        "language": "default",
        "survey": {"title": "Pulse"},
    }
    return {"webhookId": "w1", "event": kind, "data": {**sent, **data}}


def items(payload: Any, **given: Any) -> list[dict[str, Any]]:
    return parsed("formbricks", json_call("formbricks", payload), **given).items


@pytest.fixture(params=["responseCreated", "testEndpoint"])
def one(request: pytest.FixtureRequest) -> Recorded:
    return recorded("formbricks", request.param)


def test_signatures(one: Recorded) -> None:
    assert one.secret
    assert accepted("formbricks", one.call, [one.secret], one.clock)
    assert accepted("formbricks", one.call, [OTHER_SECRET, one.secret], one.clock)
    assert accepted("formbricks", one.call, [], one.clock), "older versions sign nothing"
    assert not accepted("formbricks", one.call, [OTHER_SECRET], one.clock)
    assert not accepted("formbricks", one.call, [one.secret], one.clock + timedelta(seconds=301))
    assert not accepted("formbricks", replace(one.call, body=one.call.body + b" "), [one.secret], one.clock)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        for wrong in (None, "", "garbage", "v1", "v1,", ",", "é"):
            headers = {**one.call.headers, name: wrong}
            if wrong is None:
                del headers[name]
            call = replace(one.call, headers={key: value for key, value in headers.items() if value is not None})
            assert not accepted("formbricks", call, [one.secret], one.clock)


def test_the_recorded_first_answer() -> None:
    one = recorded("formbricks", "responseCreated")
    assert SENDERS["formbricks"].delivery_id(one.call) == one.call.headers["webhook-id"]
    (item,) = parsed("formbricks", one.call).items
    assert item["score"] == {"kind": "nps", "value": 4, "scale_min": 0, "scale_max": 10}
    assert (item["external_id"], item["response_id"]) == ("cm9resp0001test", "cm9resp0001test")
    assert item["attributes"] == {"form": "Product pulse", "country": "DE", "device": "desktop", "plan": "pro"}
    assert item["language"] == "en"
    assert item["occurred_at"] == "2026-11-20T09:12:31.507000+00:00"
    assert item["text"] is None


def test_the_test_of_the_connection_is_ignored() -> None:
    found = parsed("formbricks", recorded("formbricks", "testEndpoint").call)
    assert (found.ignored, found.items) == ("a test of the connection", [])


def test_answers_by_their_ids() -> None:
    made = "k1x2c3v4b5n6m7a8s9d0f1g2"
    first, second = items(
        event(
            data={
                "csat": 5,
                "main_reason": "Slow",
                made: "The second thing is price.",
                "areas": ["Speed", "Price", "https://example.com/x.png"],
                "matrix": {"Support": "Good"},
                "cta": "clicked",
                "seats": 7,
                "contact_info": ["Anna", "Smith", "anna@example.com", "+4915112345678"],
                "address": ["Street 1", "Berlin"],
                "userId": "cust-1",
                "utm": "mail",
            },
            ttc=dict.fromkeys(("csat", "main_reason", made, "areas", "matrix", "cta", "seats"), 1.0)
            | {"contact_info": 2.0, "address": 1.0, "_total": 9.0},
            contact={"id": "contact1", "userId": "u-7"},
            language="de",
        )
    )
    assert (second["external_id"], second["text"]) == ("resp1:main_reason", "Slow")
    assert (first["external_id"], first["text"]) == ("resp1", "The second thing is price.")
    assert first["score"] == {"kind": "csat", "value": 5, "scale_min": 1, "scale_max": 5}
    assert "question" not in first, "an id that Formbricks made says nothing"
    assert second["question"] == "main_reason"
    assert first["respondent"] == "u-7"
    assert first["language"] == "de"
    assert first["attributes"] == {
        "form": "Pulse",
        "country": "DE",
        "device": "desktop",
        "source": "app",
        "tags": "beta, vip, eu",
        "userId": "cust-1",
        "utm": "mail",
        "plan": "pro",
        "areas": "Speed, Price",
        "matrix – Support": "Good",
        "cta": "clicked",
        "seats": "7",
    }


def test_words_scales_and_choices_are_set_in_the_options() -> None:
    first, second = items(
        event(data={"q1": 6, "q2": "Very good", "q3": "Search", "q4": "Too slow"}),
        questions={"q4": "What can we do better?", "q3": "What did you like?"},
        scales={"q1": "ces:1-7"},
        choices=["q2"],
    )
    assert (first["text"], first["question"]) == ("Too slow", "What can we do better?")
    assert (second["external_id"], second["question"]) == ("resp1:q3", "What did you like?")
    assert first["score"] == {"kind": "ces", "value": 6, "scale_min": 1, "scale_max": 7}
    assert first["attributes"]["q2"] == "Very good"
    assert first["respondent"] == "respondent@example.com"


def test_a_number_as_a_text_is_a_number() -> None:
    (item,) = items(event(data={"nps": "9", "reason": "Exports are slow"}))
    assert item["score"] == {"kind": "nps", "value": 9, "scale_min": 0, "scale_max": 10}
    assert item["text"] == "Exports are slow"


def test_other_events() -> None:
    assert parsed("formbricks", json_call("formbricks", {"event": "surveyClosed"})).ignored
    assert parsed("formbricks", json_call("formbricks", event())).ignored
    for data in ({"event": "responseCreated"}, event(id=None)):
        with pytest.raises(CannotParse):
            parsed("formbricks", json_call("formbricks", data))


def test_created_updated_finished_in_any_order(database: Database, settings: Settings) -> None:
    answers: dict[str, Any] = {"nps": 4}
    calls = [json_call("formbricks", event("responseCreated", data=answers, at="2026-11-20T09:13:00.000Z"))]
    for question_id, words in (("reason", "Slow exports."), ("else", "Dark mode."), ("why_so", "Because.")):
        answers = {**answers, question_id: words}
        # two of them in one millisecond
        calls.append(json_call("formbricks", event("responseUpdated", data=answers)))
    calls.append(json_call("formbricks", event("responseFinished", data=answers)))
    ends = order_free(database, settings, "formbricks", calls)
    assert {name: row["text"] for name, row in ends.items()} == {
        "resp1": "Dark mode.",
        "resp1:reason": "Slow exports.",
        "resp1:why_so": "Because.",
    }
    assert ends["resp1"]["score_value"] == 4


def test_who_goes_back_and_empties_an_answer(database: Database, settings: Settings) -> None:
    calls = [
        json_call("formbricks", event("responseUpdated", data={"nps": 4, "reason": "Slow exports."})),
        json_call("formbricks", event(data={"nps": 6, "reason": ""}, at="2026-11-20T09:15:00.000Z")),
    ]
    ends = order_free(database, settings, "formbricks", calls)
    assert [(row["text"], row["state"], row["score_value"]) for row in ends.values()] == [(None, "no_text", 6)]


def test_what_formbricks_never_sends() -> None:
    one = recorded("formbricks", "responseCreated")
    assert survives("formbricks", one.call, json.loads(one.call.body)) > 300
    payload = event(data={"nps": 3, "why": "Slow", "rows": {"a": "b"}, "list": ["x"]}, ttc={"nps": 1})
    assert survives("formbricks", one.call, payload, choices=["list"], questions={"why": "Why?"}) > 300
