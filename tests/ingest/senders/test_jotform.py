"""Jotform: multipart submissions, answers by their names, questions read off the text for people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders import SENDERS
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.mangled import BROKEN, mangled, survives, understood
from tests.ingest.senders.recorded import accepted, order_free, parsed, recorded

BOUNDARY = "----b1f2c3"


def submission(raw: Any, *, pretty: str = "", identity: str = "6400000000000000002", **fields: str) -> Call:
    """A multipart call as Jotform makes it."""
    parts = {
        "formID": "250000000000001",
        "formTitle": "Feedback",
        "submissionID": identity,
        "rawRequest": raw if isinstance(raw, str) else json.dumps(raw),
        "pretty": pretty,
        "ip": "192.0.2.30",
        **fields,
    }
    body = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    return Call(
        {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, f"{body}--{BOUNDARY}--\r\n".encode()
    )


def test_the_recorded_submission() -> None:
    one = recorded("jotform", "submission.multipart")
    identity = SENDERS["jotform"].delivery_id(one.call) or ""
    assert identity.startswith("6400000000000000001:")
    assert SENDERS["jotform"].delivery_id(replace(one.call, body=one.call.body + b"\r\n")) == identity
    (item,) = parsed("jotform", one.call).items
    assert item == {
        "external_id": "6400000000000000001",
        "response_id": "6400000000000000001",
        "text": 'The search box ignores umlauts: "Müller" finds nothing.',
        "question": "Comments",
        "score": {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:05.123000+00:00",
        "updated_at": "2026-11-20T09:14:05.123000+00:00",
        "respondent": "respondent@example.com",
        "attributes": {"form": "Feedback", "What should we improve?": "Speed, Reports"},
    }
    assert "192.0.2.30" not in str(item)


def test_the_recorded_raw_request_alone() -> None:
    (item,) = parsed("jotform", recorded("jotform", "submission.rawRequest").call).items
    assert item["text"].startswith("The search box")
    assert item["score"]["value"] == 2
    assert item["external_id"] == "1795166045123_250000000000001_Test001"


def test_the_address_is_the_secret_or_a_token_beside_it() -> None:
    one = recorded("jotform", "submission.multipart")
    assert accepted("jotform", one.call, [], one.clock)
    assert not accepted("jotform", one.call, ["token"], one.clock)
    for value, expected in (("token", True), ("other", False), ("", False), ("é", False)):
        call = replace(one.call, headers={**one.call.headers, "x-journeymap-token": value})
        assert accepted("jotform", call, ["old", "token"], one.clock) is expected
    assert SENDERS["jotform"].new_secret is None, "Jotform could not send a token that we make"


def test_composite_answers() -> None:
    first, other, second = parsed(
        "jotform",
        submission(
            {
                "q1_fullName": {"first": "Anna", "last": "Smith"},
                "q2_phoneNumber": {"full": "(030) 123-4567"},
                "q3_address": {"addr_line1": "Street 1", "city": "Berlin", "postal": "10115"},
                "q4_visit": {"year": "2026", "month": "11", "day": "5"},
                "q5_arrival": {"hour": "10", "min": "30", "ampm": "AM", "timeInput": "10:30"},
                "q6_rateThe": {"Service": "Good", "Food": "Bad"},
                "q7_howDid": {"0": "Search", "other": "from my neighbour across the street"},
                "q8_likelyTo": "9 - very likely",
                "q9_tellUs": "Long queue",
                "q10_yourEmail": "anna@example.com",
                "q11_product": "Phone",
                "q12_anythingElse": "Nothing",
                "q13_file": ["https://www.jotform.com/uploads/x.png"],
                "q14_empty": "",
                "q15_rating": 4,
                "event_id": "x",
                "submitDate": "not a time",
            },
            pretty="Likely to recommend us:9 - very likely, Tell us, please:Long queue, Anything else?:Nothing",
        ),
    ).items
    assert (other["text"], other["question"]) == ("from my neighbour across the street", "how did")
    assert (first["text"], first["question"]) == ("Long queue", "Tell us, please")
    assert (second["external_id"], second["question"]) == ("6400000000000000002:q12", "Anything else?")
    assert first["score"] == {"kind": "nps", "value": 9, "scale_min": 0, "scale_max": 10}
    assert first["respondent"] == "anna@example.com"
    assert first["attributes"] == {
        "form": "Feedback",
        "visit": "2026-11-05",
        "arrival": "10:30",
        "rate the – Service": "Good",
        "rate the – Food": "Bad",
        "how did": "Search",
        "product": "Phone",
        "rating": "4",
    }
    assert "Smith" not in str(first)


def test_other_that_says_more_is_an_item() -> None:
    (item,) = parsed("jotform", submission({"q7_how": {"0": "Web", "other": "from my neighbour next door"}})).items
    assert (item["external_id"], item["text"]) == ("6400000000000000002:q7-other", "from my neighbour next door")


def test_words_scales_and_choices_are_set_in_the_options() -> None:
    (item,) = parsed(
        "jotform",
        submission({"q1_a": "7", "q2_b": "I like it very much", "q3_c": "Sure why not"}),
        scales={"q1": "csat:1-7"},
        questions={"q3": "Why did you come?"},
        choices=["q2"],
    ).items
    assert item["score"] == {"kind": "csat", "value": 7, "scale_min": 1, "scale_max": 7}
    assert (item["text"], item["question"]) == ("Sure why not", "Why did you come?")
    assert item["attributes"]["b"] == "I like it very much"


def test_an_edited_submission_in_any_order(database: Database, settings: Settings) -> None:
    ends = order_free(
        database,
        settings,
        "jotform",
        [
            submission({"q5_stars": "2", "q7_comments": "Bad.", "submitDate": "1795166045123"}),
            submission({"q5_stars": "4", "q7_comments": "Better now.", "submitDate": "1795166145123"}),
            submission(
                {"q5_stars": "4", "q7_comments": "Good.", "q8_anything": "Thanks", "submitDate": "1795166245123"}
            ),
        ],
    )
    identity = "6400000000000000002"
    assert {name: row["text"] for name, row in ends.items()} == {identity: "Good.", f"{identity}:q8": "Thanks"}
    assert ends[identity]["score_value"] == 4


def test_an_edit_that_takes_the_words_back(database: Database, settings: Settings) -> None:
    calls = [
        submission({"q5_stars": "2", "q7_comments": "Bad.", "submitDate": "1795166045123"}),
        submission({"q5_stars": "4", "q7_comments": "", "submitDate": "1795166145123"}),
    ]
    ends = order_free(database, settings, "jotform", calls)
    assert [(row["text"], row["state"], row["score_value"]) for row in ends.values()] == [(None, "no_text", 4)]


def test_what_jotform_never_sends() -> None:
    one = recorded("jotform", "submission.rawRequest")
    raw = json.loads(one.call.body)
    assert survives("jotform", one.call, raw) > 200
    for number, payload in enumerate(mangled(raw)):
        if number % 5 == 0:
            understood("jotform", submission(payload, pretty="Comments:The search box"))
    for body in BROKEN:
        understood("jotform", replace(submission({}), body=body))
        understood("jotform", submission(body.decode("latin-1")))
    for raw in ("", "[]", "null", "{"):
        with pytest.raises(CannotParse):
            parsed("jotform", submission(raw))
