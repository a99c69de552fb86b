"""SurveyMonkey: thin events, and responses fetched from a stand-in of its API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased, Wanted
from service.ingest.senders import SENDERS, surveymonkey
from service.ingest.senders.contract import NotThere, Refused, TryLater
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Asked, PlainHttp, fake_api
from tests.ingest.senders.mangled import BROKEN, mangled, only_signed_calls_are_taken, survives, understood
from tests.ingest.senders.recorded import json_call, order_free, parsed, recorded

WANTED = Wanted("response", {"survey_id": "410029001", "response_id": "118600034567"})
TOKEN = surveymonkey.AccessToken(access_token="token-1")


def heading(words: str) -> dict[str, Any]:
    return {"headings": [{"heading": words}]}


def choices(*texts: str, weights: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "choices": [
            {"id": f"c{place}", "text": text, **({"weight": place} if weights else {})}
            for place, text in enumerate(texts, start=1)
        ],
        **more,
    }


SURVEY: dict[str, Any] = {
    "id": "410029001",
    "title": "Product pulse",
    "language": "en",
    "pages": [
        {"questions": [{"id": "0", "family": "presentation", "subtype": "image", **heading("Welcome")}]},
        {
            "questions": [
                {
                    "id": "1",
                    "family": "matrix",
                    "subtype": "rating",
                    **heading("How likely is it that you would <strong>recommend</strong> us?"),
                    "answers": {
                        "rows": [{"id": "r1", "text": ""}],
                        # three weights for eleven choices
                        "choices": [
                            {"id": f"n{n}", "text": f"{n}", "weight": 100 if n > 8 else 0 if n > 6 else -100}
                            for n in range(11)
                        ],
                        "other": {"id": "o1", "text": "Why?", "is_answer_choice": False},
                    },
                },
                {"id": "2", "family": "open_ended", "subtype": "essay", **heading("What should we improve?")},
                {
                    "id": "3",
                    "family": "multiple_choice",
                    "subtype": "vertical",
                    **heading("Which areas?"),
                    "answers": choices("Reports", "Speed", other={"id": "o3", "text": "Other"}),
                },
                {
                    "id": "4",
                    "family": "matrix",
                    "subtype": "rating",
                    **heading("Rate"),
                    "answers": choices(
                        "Bad",
                        "Good",
                        weights=True,
                        rows=[{"id": "x", "text": "Price"}, {"id": "y", "text": "Look"}],
                    ),
                },
                {
                    "id": "5",
                    "family": "open_ended",
                    "subtype": "multi",
                    **heading("In your words"),
                    "answers": {"rows": [{"id": "a", "text": "Best"}, {"id": "b", "text": "Worst"}]},
                },
                {"id": "6", "family": "demographic", "subtype": "international", **heading("Address")},
                {"id": "7", "family": "datetime", "subtype": "date_only", **heading("Visit")},
                {"id": "8", "family": "open_ended", "subtype": "numerical", **heading("Seats")},
            ]
        },
    ],
}
RESPONSE: dict[str, Any] = {
    "id": "118600034567",
    "survey_id": "410029001",
    "collector_id": "430011223",
    "recipient_id": "0",
    "response_status": "completed",
    "collection_mode": "default",
    "date_created": "2026-11-20T09:12:31+00:00",
    "date_modified": "2026-11-20T09:14:03+00:00",
    "ip_address": "192.0.2.10",
    "analyze_url": "https://www.surveymonkey.com/analyze/browse/abc",
    "custom_variables": {"plan": "pro", "customer_id": "7781", "email": "custom@example.com"},
    "custom_value": "batch-3",
    "metadata": {
        "respondent": {"language": {"type": "string", "value": "de"}},
        "contact": {
            "email": {"type": "string", "value": "respondent@example.com"},
            "first_name": {"value": "Test"},
        },
    },
    "pages": [
        {
            "questions": [
                {
                    "id": "5",
                    "answers": [{"row_id": "b", "text": "The queue."}, {"row_id": "a", "text": "Your staff."}],
                },
                {"id": "1", "answers": [{"row_id": "r1", "choice_id": "n4"}, {"other_id": "o1", "text": "Slow"}]},
                {"id": "2", "answers": [{"text": "Exports take an hour."}]},
                {"id": "3", "answers": [{"choice_id": "c1"}, {"other_id": "o3", "text": "offline mode"}]},
                {
                    "id": "4",
                    "answers": [
                        {"row_id": "x", "choice_id": "c2", "choice_metadata": {"weight": "2"}},
                        {"row_id": "y", "choice_id": "c1", "choice_metadata": {"weight": "1"}},
                    ],
                },
                {
                    "id": "6",
                    "answers": [{"row_id": "1", "text": "Anna Smith"}, {"row_id": "2", "text": "Street 1"}],
                },
                {"id": "7", "answers": [{"row_id": "z", "text": "11/02/2026"}]},
                {"id": "8", "answers": [{"text": "7"}]},
            ]
        }
    ],
}


def fetched(response: Any = RESPONSE, survey: Any = SURVEY) -> Call:
    call = json_call("surveymonkey", {"response": response, "survey": survey})
    return replace(call, fetched="response")


def event(kind: str, **fields: Any) -> Call:
    return json_call(
        "surveymonkey",
        {
            "event_type": kind,
            "event_id": f"event-{kind}",
            "object_type": "response",
            "object_id": "118600034567",
            "filter_type": "survey",
            "filter_id": "410029001",
            "resources": {"survey_id": "410029001", "recipient_id": "0"},
            **fields,
        },
    )


def test_the_recorded_event_names_what_is_wanted() -> None:
    one = recorded("surveymonkey", "response_completed")
    only_signed_calls_are_taken("surveymonkey", one, "sm-signature")
    assert SENDERS["surveymonkey"].delivery_id(one.call) == "10038457291"
    found = parsed("surveymonkey", one.call)
    assert (found.items, found.wanted) == ([], [WANTED])


def test_events() -> None:
    for kind in ("response_completed", "response_created", "response_updated"):
        assert parsed("surveymonkey", event(kind)).wanted == [WANTED]
    assert parsed("surveymonkey", event("response_updated", resources=None)).wanted == [WANTED]
    for kind in ("response_disqualified", "response_overquota", "collector_created", "app_installed", ""):
        found = parsed("surveymonkey", event(kind))
        assert found.ignored
        assert not found.wanted
    assert parsed("surveymonkey", event("response_deleted")).erased == [
        Erased("item", "118600034567"),
        Erased("conversation", "118600034567"),
    ]
    with pytest.raises(CannotParse):
        parsed("surveymonkey", event("response_completed", object_id=None))
    with pytest.raises(CannotParse):
        parsed("surveymonkey", event("response_completed", resources={}, filter_type="collector"))


def test_the_secret_is_client_id_and_secret() -> None:
    check = SENDERS["surveymonkey"].check_secret
    check("client&secret")
    for wrong in ("client", "client&", "&secret", ""):
        with pytest.raises(ValueError, match="client id"):
            check(wrong)


def test_a_response_is_fetched_with_its_survey() -> None:
    def answer(asked: Asked) -> tuple[int, Any]:
        assert asked.headers["authorization"] == "Bearer token-1"
        return 200, RESPONSE if "/responses/" in asked.path else SURVEY

    fetcher = SENDERS["surveymonkey"].fetcher
    assert fetcher is not None
    with fake_api(answer) as api:
        options = surveymonkey.Options(api_url=api.url + "/")
        (one,) = fetcher.fetch(PlainHttp(), TOKEN, options, WANTED)
    assert [asked.path for asked in api.asked] == [
        "/v3/surveys/410029001/responses/118600034567/details",
        "/v3/surveys/410029001/details",
    ]
    assert one.what == "response"
    call = Call({}, one.body, fetched=one.what)
    assert SENDERS["surveymonkey"].delivery_id(call) is None
    first, comment, best, worst = sorted(
        parsed("surveymonkey", call).items, key=lambda item: str(item["external_id"])
    )
    assert (first["text"], first["question"]) == ("Slow", "How likely is it that you would recommend us?")
    assert first["score"] == {"kind": "nps", "value": 4, "scale_min": 0, "scale_max": 10}
    assert (comment["external_id"], comment["text"]) == ("118600034567:2", "Exports take an hour.")
    assert (best["text"], best["question"]) == ("Your staff.", "In your words – Best")
    assert (worst["text"], worst["question"]) == ("The queue.", "In your words – Worst")
    for item in (first, comment, best, worst):
        assert item["respondent"] == "respondent@example.com"
        assert item["response_id"] == item["conversation_id"] == "118600034567"
        assert item["language"] == "de"
        assert item["updated_at"] == "2026-11-20T09:14:03+00:00"
        assert item["attributes"] == {
            "form": "Product pulse",
            "collector": "430011223",
            "custom value": "batch-3",
            "plan": "pro",
            "customer_id": "7781",
            "Which areas?": "Reports, offline mode",
            "Rate – Price": "Good",
            "Rate – Look": "Bad",
            "Visit": "11/02/2026",
            "Seats": "7",
        }
        assert "Smith" not in str(item)


@pytest.mark.parametrize(("status", "raised"), [(404, NotThere), (401, Refused), (429, TryLater), (503, TryLater)])
def test_what_the_api_refuses_is_told(status: int, raised: type[Exception]) -> None:
    with fake_api(lambda _: (status, {"error": {"id": "1"}})) as api, pytest.raises(raised):
        surveymonkey.fetch(PlainHttp(), TOKEN, surveymonkey.Options(api_url=api.url), WANTED)


def test_answers_that_are_no_json_are_asked_for_again() -> None:
    with fake_api(lambda _: (200, b"<html>")) as api, pytest.raises(TryLater):
        surveymonkey.fetch(PlainHttp(), TOKEN, surveymonkey.Options(api_url=api.url), WANTED)


def rating(words: str, answers: dict[str, Any], chosen: str, family: str = "matrix", **more: Any) -> Any:
    question = {"id": "9", "family": family, "subtype": "rating", **heading(words), "answers": answers, **more}
    survey = {"pages": [{"questions": [question]}]}
    response = {"id": "1", "pages": [{"questions": [{"id": "9", "answers": [{"choice_id": chosen}]}]}]}
    items = parsed("surveymonkey", fetched(response, survey)).items
    return items[0]["score"] if items else None


def test_scales_are_those_of_the_choices() -> None:
    satisfied = choices("Very bad", "Bad", "So so", "Good", "Very good", "Excellent", "Best", weights=True)
    assert rating("How satisfied are you?", satisfied, "c6") == {
        "kind": "csat",
        "value": 6,
        "scale_min": 1,
        "scale_max": 7,
    }
    stars = choices("", "", "", "", "", weights=True)
    assert rating("Our café", stars, "c2") == {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5}
    ten = choices(*"abcdefghij", weights=True)
    assert rating("Our café", ten, "c8") is None
    assert rating("Our café", ten, "c8", display_options={"display_type": "emoji"}) == {
        "kind": "stars",
        "value": 8,
        "scale_min": 1,
        "scale_max": 10,
    }
    likely = choices(*["0 - Not at all likely", *map(str, range(1, 10)), "10 - Extremely likely"])
    assert rating("How likely are you to recommend us?", likely, "c11", "single_choice") == {
        "kind": "nps",
        "value": 10,
        "scale_min": 0,
        "scale_max": 10,
    }
    assert rating("How satisfied are you?", choices("Good", "Bad"), "c1") is None


def test_what_is_no_feedback_is_ignored() -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"response_status": "disqualified"},
        {"response_status": "overquota"},
        {"collection_mode": "survey_preview"},
        {"pages": []},
    )
    for change in changes:
        found = parsed("surveymonkey", fetched({**RESPONSE, **change}))
        assert found.ignored
        assert not found.items
    assert parsed("surveymonkey", fetched(survey={})).items, "a survey that is gone leaves the words"


def test_pages_in_any_order(database: Database, settings: Settings) -> None:
    def state(minute: int, *names: str) -> Call:
        questions = [one for one in RESPONSE["pages"][0]["questions"] if one["id"] in names]
        return fetched(
            {**RESPONSE, "date_modified": f"2026-11-20T09:{minute}:03+00:00", "pages": [{"questions": questions}]}
        )

    calls = [event("response_created"), state(14, "5"), state(15, "5", "1"), state(16, "5", "1", "2", "3")]
    order_free(database, settings, "surveymonkey", calls)


def test_a_deleted_response_stays_gone(database: Database, settings: Settings) -> None:
    order_free(
        database,
        settings,
        "surveymonkey",
        [fetched(), fetched({**RESPONSE, "id": "2", "metadata": None}), event("response_deleted"), fetched()],
    )


def test_what_surveymonkey_never_sends() -> None:
    one = recorded("surveymonkey", "response_completed")
    assert survives("surveymonkey", one.call, json.loads(one.call.body)) > 100
    for number, payload in enumerate(mangled({"response": RESPONSE, "survey": SURVEY})):
        if number % 16 == 0:
            understood("surveymonkey", replace(fetched(), body=json.dumps(payload).encode()))
    for body in BROKEN:
        understood("surveymonkey", replace(fetched(), body=body))
