"""Qualtrics: thin events as forms, and responses fetched from a stand-in of its API."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from service.ingest.incoming import Call, CannotParse, Wanted
from service.ingest.senders import SENDERS, qualtrics
from service.ingest.senders.contract import NotThere, Refused, TryLater
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Asked, PlainHttp, fake_api
from tests.ingest.senders.mangled import BROKEN, mangled, understood
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

KEY = "test_qualtrics_shared_key"
EVENT = {
    "Status": "Complete",
    "SurveyID": "SV_22VlHYNeldTest1",
    "ResponseID": "R_1l9mcVuXuTest01",
    "CompletedDate": "2026-11-20 02:14:03",
    "BrandID": "acmebrand",
}
TOPIC = "acmebrand.surveyengine.completedResponse.SV_22VlHYNeldTest1"
WANTED = Wanted("response", {"survey_id": "SV_22VlHYNeldTest1", "response_id": "R_1l9mcVuXuTest01"})
TOKEN = qualtrics.ApiToken(api_token="token-1")


def choices(*texts: str) -> dict[str, Any]:
    return {str(place): {"Display": text} for place, text in enumerate(texts, start=1)}


def asked(kind: str, words: str, **more: Any) -> dict[str, Any]:
    return {"QuestionType": kind, "QuestionText": words, **more}


SURVEY: dict[str, Any] = {
    "SurveyName": "Relationship 2026",
    "Questions": {
        "QID9": asked("DB", "Welcome"),
        "QID1": asked("MC", "How likely are you to <b>recommend</b> us?", Selector="NPS"),
        "QID2": asked("TE", "What is the main<br>reason?", Selector="ML"),
        "QID3": asked("Matrix", "Please rate", Selector="Likert", Choices=choices("Reliability", "Speed")),
        "QID4": asked("MC", "What brought you here?", Selector="SAVR", Choices=choices("Ad", "Other")),
        "QID5": asked("MC", "Areas", Selector="MAVR", Choices=choices("Search", "Map")),
        "QID6": asked("TE", "About you", Selector="FORM", Choices=choices("Full name", "Email", "Your wish")),
        "QID7": asked("TE", "Anything else?", Selector="SL"),
        "QID8": asked("FileUpload", "Screenshot"),
    },
}
RESPONSE: dict[str, Any] = {
    "responseId": "R_1l9mcVuXuTest01",
    "values": {
        "startDate": "2026-11-20T09:12:31Z",
        "endDate": "2026-11-20T09:14:03Z",
        "recordedDate": "2026-11-20T09:14:04.123Z",
        "status": 0,
        "ipAddress": "192.0.2.20",
        "progress": 100,
        "duration": 92,
        "finished": 1,
        "_recordId": "R_1l9mcVuXuTest01",
        "recipientEmail": "respondent@example.com",
        "recipientFirstName": "Test",
        "externalDataReference": "cust-7781",
        "distributionChannel": "email",
        "userLanguage": "EN",
        "QID7_TEXT": "More colours.",
        "QID1_NPS_GROUP": 3,
        "QID1": 9,
        "QID2_TEXT": "Support answered fast.",
        "QID3_1": 2,
        "QID3_2": 4,
        "QID4": 2,
        "QID4_2_TEXT": "a poster at the station downtown",
        "QID5": ["1", "2"],
        "QID5_DO": ["2", "1"],
        "QID6_1": "Anna Smith",
        "QID6_2": "anna@example.com",
        "QID6_3": "Longer opening hours, please",
        "QID8_FILE_ID": "F_1",
        "plan": "pro",
        "Email": "embedded@example.com",
    },
    "labels": {
        "status": "IP Address",
        "QID1_NPS_GROUP": "Promoter",
        "QID3_1": "Bad",
        "QID3_2": "Good",
        "QID4": "Other",
        "QID5": ["Search", "Map"],
    },
    "displayedFields": ["QID1"],
    "displayedValues": {"QID1": [0, 1]},
}


def values(**changed: Any) -> dict[str, Any]:
    return {**RESPONSE, "values": {**RESPONSE["values"], **changed}}


def fetched(response: Any = RESPONSE, survey: Any = SURVEY) -> Call:
    payload = {"response": {"result": response, "meta": {}}, "survey": {"result": survey}}
    return replace(json_call("qualtrics", payload), fetched="response")


def form(**fields: str) -> Call:
    return Call({"content-type": "application/x-www-form-urlencoded"}, urlencode(fields).encode())


def signed(message: str, key: str = KEY, *, over: str | None = None) -> Call:
    digest = hmac.new(key.encode(), (message if over is None else over).encode(), hashlib.sha512).hexdigest()
    body = f"HMAC={digest}&MSG={quote(message)}&Topic={TOPIC}"
    return Call({"content-type": "application/x-www-form-urlencoded"}, body.encode())


@pytest.mark.parametrize("name", ["event.completedResponse.plain", "event.completedResponse.signed"])
def test_the_recorded_events_name_what_is_wanted(name: str) -> None:
    one = recorded("qualtrics", name)
    assert accepted("qualtrics", one.call, [], one.clock), "without a key the address is the secret"
    found = parsed("qualtrics", one.call)
    assert (found.items, found.wanted) == ([], [WANTED])
    assert SENDERS["qualtrics"].delivery_id(one.call) == f"R_1l9mcVuXuTest01:{TOPIC}"


def test_signatures() -> None:
    one = recorded("qualtrics", "event.completedResponse.signed")
    assert one.secret == KEY
    assert accepted("qualtrics", one.call, [KEY], one.clock)
    assert accepted("qualtrics", one.call, ["new key", KEY], one.clock)
    assert not accepted("qualtrics", one.call, ["new key"], one.clock)
    place = one.call.body.index(b"R_1l9")
    flipped = bytearray(one.call.body)
    flipped[place] ^= 1
    assert not accepted("qualtrics", replace(one.call, body=bytes(flipped)), [KEY], one.clock)
    assert not accepted("qualtrics", recorded("qualtrics", "event.completedResponse.plain").call, [KEY], one.clock)
    workflow = json_call("qualtrics", EVENT, x_journeymap_token=KEY)
    assert accepted("qualtrics", workflow, [KEY], one.clock)
    assert not accepted("qualtrics", workflow, ["new key"], one.clock)
    message = json.dumps(EVENT)
    assert accepted("qualtrics", signed(message, over=quote(message)), [KEY], one.clock), "the other reading"
    assert not accepted("qualtrics", signed(message, over=""), [KEY], one.clock)
    # one signed message must not let in another that stands before it under the same name
    digest = hmac.new(KEY.encode(), message.encode(), hashlib.sha512).hexdigest()
    for first in ("%4DSG=" + quote(message.replace("R_1", "R_2")), "%4DSG="):
        forged = replace(one.call, body=f"{first}&MSG={message}&HMAC={digest}&Topic={TOPIC}".encode())
        assert not accepted("qualtrics", forged, [KEY], one.clock)
    for body in (*BROKEN, b"HMAC=&MSG=", b"HMAC=abc", b"MSG={}", b"HMAC=%ff&MSG=%ff", b"HMAC=\xc3\xa9&MSG=a"):
        assert not accepted("qualtrics", replace(one.call, body=body), [KEY], one.clock)


def test_events() -> None:
    completed = json.dumps(EVENT)
    assert parsed("qualtrics", signed(completed)).wanted == [WANTED]
    assert parsed("qualtrics", json_call("qualtrics", {**EVENT, "Topic": TOPIC})).wanted == [WANTED]
    without = {name: value for name, value in EVENT.items() if name != "SurveyID"}
    assert parsed("qualtrics", form(**without, Topic=TOPIC)).wanted == [WANTED]
    assert parsed("qualtrics", form(**EVENT)).wanted == [WANTED]
    for ignored in (
        {**EVENT, "Topic": "acmebrand.controlpanel.activateSurvey"},
        {**EVENT, "Topic": "acmebrand.surveyengine.startedRecipientSession.SV_22VlHYNeldTest1"},
        {**EVENT, "Topic": TOPIC, "Status": "Survey Preview"},
        {**EVENT, "Topic": TOPIC, "Status": "Survey Test"},
    ):
        found = parsed("qualtrics", form(**ignored))
        assert found.ignored
        assert not found.wanted
    with pytest.raises(CannotParse, match="response"):
        parsed("qualtrics", form(Topic=TOPIC))
    with pytest.raises(CannotParse, match="survey"):
        parsed("qualtrics", form(ResponseID="R_1"))


def test_encrypted_messages_are_refused_in_words() -> None:
    call = signed("q83vEjRWeJq83vEjRWeJq83vEjRWeJ==")
    with pytest.raises(CannotParse, match="encrypt set to false"):
        parsed("qualtrics", call)
    assert SENDERS["qualtrics"].delivery_id(call) is None


def test_a_response_is_fetched_with_its_survey() -> None:
    def answer(asked: Asked) -> tuple[int, Any]:
        assert asked.headers["x-api-token"] == "token-1"
        result = RESPONSE if "/responses/" in asked.path else SURVEY
        return 200, {"result": result, "meta": {"httpStatus": "200 - OK"}}

    fetcher = SENDERS["qualtrics"].fetcher
    assert fetcher is not None
    with fake_api(answer) as api:
        (one,) = fetcher.fetch(PlainHttp(), TOKEN, qualtrics.Options(api_url=api.url), WANTED)
    assert [one.path for one in api.asked] == [
        "/API/v3/surveys/SV_22VlHYNeldTest1/responses/R_1l9mcVuXuTest01",
        "/API/v3/survey-definitions/SV_22VlHYNeldTest1",
    ]
    call = Call({}, one.body, fetched=one.what)
    assert SENDERS["qualtrics"].delivery_id(call) is None
    items = {item["external_id"].partition(":")[2]: item for item in parsed("qualtrics", call).items}
    assert {key: (item["text"], item["question"]) for key, item in items.items()} == {
        "": ("Support answered fast.", "What is the main reason?"),
        "QID4_2_TEXT-other": ("a poster at the station downtown", "What brought you here?"),
        "QID6_3": ("Longer opening hours, please", "About you – Your wish"),
        "QID7_TEXT": ("More colours.", "Anything else?"),
    }
    assert items[""]["score"] == {"kind": "nps", "value": 9, "scale_min": 0, "scale_max": 10}
    for item in items.values():
        assert item["respondent"] == "cust-7781"
        assert item["response_id"] == "R_1l9mcVuXuTest01"
        assert item["occurred_at"] == "2026-11-20T09:14:03+00:00"
        assert item["updated_at"] == "2026-11-20T09:14:04.123000+00:00"
        assert item["language"] == "en"
        assert item["attributes"] == {
            "form": "Relationship 2026",
            "distribution": "email",
            "plan": "pro",
            "Please rate – Reliability": "Bad",
            "Please rate – Speed": "Good",
            "What brought you here?": "Other",
            "Areas": "Search, Map",
        }
        assert "Smith" not in str(item)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": 1},
        {"status": "Survey Preview"},
        {"distributionChannel": "preview"},
        {"status": 2},
        {"status": "2"},
        {"status": 8},
        {"status": 9},
        {"status": "Spam"},
    ],
)
def test_previews_tests_and_spam_are_no_feedback(changed: dict[str, Any]) -> None:
    found = parsed("qualtrics", fetched(values(**changed)))
    assert found.ignored
    assert not found.items
    with fake_api(lambda _: (200, {"result": values(**changed)})) as api:
        qualtrics.fetch(PlainHttp(), TOKEN, qualtrics.Options(api_url=api.url), WANTED)
    assert len(api.asked) == 1, "the survey is not asked for"


@pytest.mark.parametrize(("status", "raised"), [(404, NotThere), (403, Refused), (429, TryLater), (500, TryLater)])
def test_what_the_api_refuses_is_told(status: int, raised: type[Exception]) -> None:
    with fake_api(lambda _: (status, {"meta": {}})) as api, pytest.raises(raised):
        qualtrics.fetch(PlainHttp(), TOKEN, qualtrics.Options(api_url=api.url), WANTED)


def test_scales() -> None:
    def score(question: dict[str, Any], value: Any, label: str | None = None) -> Any:
        survey = {"Questions": {"QID1": question}}
        response = {"responseId": "R_1", "values": {"QID1": value}, "labels": {"QID1": label} if label else {}}
        items = parsed("qualtrics", fetched(response, survey)).items
        return items[0]["score"] if items else None

    numbers = asked("MC", "How satisfied are you?", Selector="SAHR", Choices=choices(*"1234567"))
    assert score(numbers, 6, "6") == {"kind": "csat", "value": 6, "scale_min": 1, "scale_max": 7}
    words = asked("MC", "How satisfied are you?", Selector="SAHR", Choices=choices("Very", "Not at all"))
    assert score(words, 1, "Very") is None, "which end is the good one is not told"
    stars = asked("Slider", "Our shop", Selector="STAR", Configuration={"StarCount": 10}, Choices=choices("Shop"))
    assert score(stars, 8) == {"kind": "stars", "value": 8, "scale_min": 1, "scale_max": 10}
    slider = asked(
        "Slider", "How easy was it?", Selector="HBAR", Configuration={"CSSliderMin": 0, "CSSliderMax": 100}
    )
    assert score(slider, 55) == {"kind": "ces", "value": 55, "scale_min": 0, "scale_max": 100}
    older = {"questionType": {"type": "MC", "selector": "NPS"}, "questionText": "Recommend?"}
    assert parsed("qualtrics", fetched({"responseId": "R", "values": {"QID1": 3}}, {"questions": {"QID1": older}}))


def test_without_the_definition_the_words_are_kept() -> None:
    items = parsed("qualtrics", fetched(survey={})).items
    assert {"Support answered fast.", "a poster at the station downtown"} <= {item.get("text") for item in items}
    assert not any(item.get("text") == "Smith" for item in items)


def test_a_response_recorded_again_in_any_order(database: Database, settings: Settings) -> None:
    order_free(
        database,
        settings,
        "qualtrics",
        [
            form(**EVENT, Topic=TOPIC),
            fetched(values(recordedDate="2026-11-20T09:15:00Z", QID2_TEXT="", finished=0)),
            fetched(values(recordedDate="2026-11-20T09:16:00Z", QID1=8)),
            fetched(values(recordedDate="2026-11-20T09:17:00Z", QID2_TEXT="Fast, really.")),
        ],
    )


def test_what_qualtrics_never_sends() -> None:
    for number, payload in enumerate(mangled({"response": {"result": RESPONSE}, "survey": {"result": SURVEY}})):
        if number % 12 == 0:
            understood("qualtrics", replace(fetched(), body=json.dumps(payload).encode()))
    for payload in mangled({**EVENT, "Topic": TOPIC}):
        understood("qualtrics", json_call("qualtrics", payload))
        understood("qualtrics", form(MSG=json.dumps(payload), HMAC="0", Topic=TOPIC))
    for body in (*BROKEN, b"MSG=%7B", b"MSG=[]", b"MSG", b"=", b"&&&"):
        understood("qualtrics", replace(form(), body=body))
        understood("qualtrics", replace(fetched(), body=body))
