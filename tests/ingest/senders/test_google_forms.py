"""Google Forms: our own script, run here against stand-ins of Google's classes, and bare `namedValues`."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders import SENDERS
from service.ingest.senders.guide import read_guide
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.mangled import survives
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER_SECRET = "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="

# what the script uses of Google's, on Node.js
STAND_INS = """
const crypto = require('crypto');
const bytes = (value) => (typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value));
const signed = (buffer) => Array.from(buffer, (one) => (one > 127 ? one - 256 : one));
global.Utilities = {
  base64Decode: (text) => signed(Buffer.from(text, 'base64')),
  base64Encode: (value) => bytes(value).toString('base64'),
  newBlob: (text) => ({ getBytes: () => signed(Buffer.from(text, 'utf8')) }),
  computeHmacSha256Signature: (value, key) =>
    signed(crypto.createHmac('sha256', bytes(key)).update(bytes(value)).digest()),
  sleep: () => undefined,
};
const sent = [];
const statuses = [503, 200, 200];
global.UrlFetchApp = {
  fetch: (url, options) => {
    sent.push({ url, ...options });
    const status = statuses.shift();
    if (status === undefined) throw new Error('no connection');
    return { getResponseCode: () => status };
  },
};
const made = [];
const trigger = { getHandlerFunction: () => 'onResponse' };
global.ScriptApp = {
  getProjectTriggers: () => [trigger],
  deleteTrigger: (one) => made.push(one === trigger ? 'old one deleted' : 'wrong one deleted'),
  newTrigger: (name) => ({ forForm: () => ({ onFormSubmit: () => ({ create: () => made.push(name) }) }) }),
};
const item = (id, title, type, more) => ({
  getId: () => id, getTitle: () => title, getType: () => ({ toString: () => type }), ...more,
});
const form = {
  getId: () => 'form1', getTitle: () => 'Course',
  getItems: () => [
    item(11, 'How satisfied are you?', 'SCALE',
      { asScaleItem: () => ({ getLowerBound: () => 0, getUpperBound: () => 7 }) }),
    item(12, 'Stars', 'RATING', { asRatingItem: () => ({ getRatingScaleLevel: () => 10 }) }),
    item(13, 'Your name', 'TEXT'),
    item(14, 'What should we improve?', 'PARAGRAPH_TEXT'),
    item(15, 'Anything else?', 'PARAGRAPH_TEXT'),
    item(16, 'Days', 'CHECKBOX'),
    item(17, 'Rate', 'GRID', { asGridItem: () => ({ getRows: () => ['Room', 'Food'] }) }),
    item(18, 'When', 'CHECKBOX_GRID', { asCheckboxGridItem: () => ({ getRows: () => ['Mon', 'Tue'] }) }),
    item(19, 'Part two', 'PAGE_BREAK'),
    item(20, 'File', 'FILE_UPLOAD'),
    item(21, 'Visit', 'DATE'),
  ],
};
global.FormApp = { getActiveForm: () => form };
const answer = (id, value) => ({ getItem: () => ({ getId: () => id }), getResponse: () => value });
const event = {
  source: form,
  response: {
    getId: () => '2_ABa', getTimestamp: () => new Date('2026-11-20T09:14:03Z'),
    getRespondentEmail: () => 'respondent@example.com',
    getItemResponses: () => [
      answer(11, '2'), answer(12, '9'), answer(13, 'Anna Smith'), answer(14, 'Größere Räume 🙂'),
      answer(16, ['Mon', 'Tue']), answer(17, ['Good', null]), answer(18, [['am', 'pm'], null]),
      answer(20, ['1x2y3z']), answer(21, '2026-11-02'),
    ],
  },
};
"""
CALLS = """
onResponse(event);
connect();
try { onResponse(event); } catch (error) { made.push(error.message); }
console.log(JSON.stringify({ sent, made }));
"""


@pytest.fixture(scope="module")
def script_sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script of the guide sends: a response (twice, the first try is refused) and its test."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not here: the script can't be run")
    template = read_guide("google-forms").template or ""
    script = template.replace("{url}", "https://feedback.example.com/hooks/google-forms/t1")
    found: dict[str, Any] = {}
    for secret in ("no secret was made", SECRET):
        file: Path = tmp_path_factory.mktemp("script") / "script.js"
        file.write_text(STAND_INS + script.replace("{secret}", secret) + CALLS, encoding="utf-8")
        done = subprocess.run([node, str(file)], capture_output=True, check=True, timeout=60)
        found = {"unsigned": found.get("sent"), **json.loads(done.stdout)}
    return found


def call_of(sent: dict[str, Any]) -> Call:
    return Call(
        {**sent["headers"], "content-type": sent["contentType"]}, sent["payload"].encode(), url=sent["url"]
    )


def test_what_our_script_sends_is_signed_and_tried_again(script_sent: dict[str, Any]) -> None:
    first, again, test = (call_of(one) for one in script_sent["sent"][:3])
    assert first.url == "https://feedback.example.com/hooks/google-forms/t1"
    for call in (first, again, test):
        now = datetime.fromtimestamp(int(call.headers["webhook-timestamp"]), UTC)
        assert accepted("google-forms", call, [OTHER_SECRET, SECRET], now)
        assert not accepted("google-forms", call, [OTHER_SECRET], now)
        assert not accepted("google-forms", call, [SECRET], now + timedelta(seconds=301))
        assert not accepted("google-forms", replace(call, body=call.body[:-1] + b" }"), [SECRET], now)
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
            for wrong in ("", "garbage", "v1,"):
                assert not accepted(
                    "google-forms", replace(call, headers={**call.headers, name: wrong}), [SECRET], now
                )
    of = SENDERS["google-forms"].delivery_id
    assert of(first) == of(again) != of(test)
    assert parsed("google-forms", test).ignored == "a test of the connection"
    assert script_sent["made"][:2] == ["old one deleted", "onResponse"]
    assert len(script_sent["sent"]) == 8, "five tries, then it gives up"
    assert "did not take" in script_sent["made"][2]


def test_without_a_secret_our_script_sends_unsigned(script_sent: dict[str, Any]) -> None:
    call = call_of(script_sent["unsigned"][0])
    assert "webhook-signature" not in call.headers
    assert accepted("google-forms", call, [], datetime.now(UTC))
    assert not accepted("google-forms", call, [SECRET], datetime.now(UTC))
    assert parsed("google-forms", call) == parsed("google-forms", call_of(script_sent["sent"][0]))


def test_what_our_script_sends_is_understood(script_sent: dict[str, Any]) -> None:
    (item,) = parsed("google-forms", call_of(script_sent["sent"][0])).items
    assert item == {
        "external_id": "2_ABa",
        "response_id": "2_ABa",
        "text": "Größere Räume 🙂",
        "question": "What should we improve?",
        "score": {"kind": "csat", "value": 2, "scale_min": 0, "scale_max": 7},
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "respondent@example.com",
        "attributes": {
            "form": "Course",
            "Stars": "9",
            "Days": "Mon, Tue",
            "Rate – Room": "Good",
            "When – Mon": "am, pm",
            "Visit": "2026-11-02",
        },
    }


def test_what_our_script_never_sends(script_sent: dict[str, Any]) -> None:
    call = call_of(script_sent["sent"][0])
    assert survives("google-forms", call, json.loads(call.body)) > 500


def test_the_recorded_named_values() -> None:
    one = recorded("google-forms", "apps-script.onFormSubmit")
    (item,) = parsed("google-forms", one.call).items
    assert item == {
        "external_id": "2_ABaOnudTest",
        "response_id": "2_ABaOnudTest",
        "text": "Font is tiny",
        "question": "Anything else?",
        "score": {"kind": "csat", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "respondent@example.com",
        "attributes": {"form": "1FAIpQLTestForm", "What should we improve? (pick all)": "Speed, Reports"},
    }
    assert survives("google-forms", one.call, json.loads(one.call.body)) > 100


def test_a_token_in_the_body_or_a_header() -> None:
    one = recorded("google-forms", "apps-script.onFormSubmit")
    assert accepted("google-forms", one.call, [], one.clock)
    assert accepted("google-forms", one.call, ["another", "test_apps_script_token"], one.clock)
    assert not accepted("google-forms", one.call, ["another"], one.clock)
    assert not accepted("google-forms", one.call, [SECRET], one.clock), "a signing secret asks for a signature"
    assert not accepted("google-forms", replace(one.call, body=b"{}"), ["test_apps_script_token"], one.clock)
    assert not accepted("google-forms", replace(one.call, body=b"\xff"), ["test_apps_script_token"], one.clock)
    headers = {**one.call.headers, "x-journeymap-token": "another"}
    assert accepted("google-forms", replace(one.call, headers=headers, body=b"{}"), ["another"], one.clock)
    check = SENDERS["google-forms"].check_secret
    check("any token")
    with pytest.raises(ValueError, match=r"base64|empty"):
        check("whsec_!")


def test_bare_values_in_other_languages() -> None:
    values = {
        "Zeitstempel": ["20.11.2026 10:14:03"],
        "E-Mail-Adresse": ["kundin@example.com"],
        "Wie heißen Sie?": ["Anna Schmidt"],
        "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?": ["10"],
        "Was können wir verbessern?": ["Mehr Farben"],
        "Größe": ["M"],
        "Wie alt ist das Gerät, ungefähr?": ["ungefähr drei Jahre, glaube ich"],
        "Leer": [""],
    }
    (item, second) = parsed(
        "google-forms", json_call("google-forms", {"namedValues": values, "formId": "f"})
    ).items
    assert item["text"] == "Mehr Farben"
    assert item["score"] == {"kind": "nps", "value": 10, "scale_min": 0, "scale_max": 10}
    assert item["respondent"] == "kundin@example.com"
    assert item["attributes"] == {"form": "f", "Größe": "M"}
    assert second["text"].startswith("ungefähr")
    assert "Schmidt" not in str((item, second))
    again = parsed("google-forms", json_call("google-forms", {"formId": "f", "namedValues": values})).items
    assert [one["external_id"] for one in again] == [item["external_id"], second["external_id"]]


def test_what_is_no_response() -> None:
    with pytest.raises(CannotParse):
        parsed("google-forms", json_call("google-forms", {"formId": "f"}))
    assert parsed("google-forms", json_call("google-forms", {"items": []})).ignored


def test_an_edited_response_in_any_order(database: Database, settings: Settings) -> None:
    def call(minute: int, stars: str, **texts: str | None) -> Call:
        items: list[dict[str, Any]] = [
            {"id": "1", "title": "Stars", "type": "RATING", "scaleMin": 1, "scaleMax": 5, "answer": stars}
        ]
        items += [{"id": key, "title": key, "type": "TEXT", "answer": text} for key, text in texts.items()]
        content = {"responseId": "r", "submittedAt": f"2026-11-20T09:{minute}:00.000Z", "items": items}
        return json_call("google-forms", content)

    order_free(
        database,
        settings,
        "google-forms",
        [
            call(10, "2", why=None, more="Bad food"),
            call(11, "3", why="Slow", more="Bad food"),
            call(12, "4", why="Quick", more="Good food"),
        ],
    )
