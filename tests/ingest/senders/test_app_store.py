"""App Store Connect: signed webhooks, TestFlight feedback to fetch, reviews to poll."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from service.ingest.incoming import Call, CannotParse, Wanted
from service.ingest.senders import app_store
from service.ingest.senders.contract import NotThere, Refused
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Answer, Asked, FakeApi, PlainHttp, fake_api
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, order_free, parsed, recorded

KEY = ec.generate_private_key(ec.SECP256R1())
P8 = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CREDENTIALS = app_store.ApiKey(issuer_id="iss-1", key_id="KEY1", private_key=P8)
HEADER = "x-apple-signature"


def review(number: int, date: str, **fields: Any) -> dict[str, Any]:
    given = {"rating": 2, "title": "Blank", "body": f"Text {number}.", "reviewerNickname": f"n{number}"}
    return {
        "type": "customerReviews",
        "id": f"r{number}",
        "attributes": {**given, "createdDate": date, "territory": "DEU", **fields},
    }


def test_the_recorded_ping_is_accepted_and_ignored() -> None:
    one = recorded("app-store", "webhook.ping")
    secret, good = one.secret or "", one.call.headers[HEADER]
    assert accepted("app-store", one.call, ["other", secret], one.clock)
    bare = good.removeprefix("hmacsha256=")
    for form in (bare, bare.upper(), "HMACSHA256=" + bare):
        assert accepted("app-store", replace(one.call, headers={HEADER: form}), [secret], one.clock)
    in_base64 = base64.b64encode(hmac.new(secret.encode(), one.call.body, hashlib.sha256).digest()).decode()
    for form in ("", "hmacsha256=", "sha256=" + bare, bare[:-1], in_base64, "é", "hmacsha256=hmacsha256=" + bare):
        assert not accepted("app-store", replace(one.call, headers={HEADER: form}), [secret], one.clock)
    assert not accepted("app-store", replace(one.call, headers={}), [secret], one.clock)
    assert not accepted("app-store", one.call, ["other"], one.clock)
    for place in (0, 70, len(one.call.body) - 1):
        flipped = bytearray(one.call.body)
        flipped[place] ^= 1
        assert not accepted("app-store", replace(one.call, body=bytes(flipped)), [secret], one.clock)
    assert parsed("app-store", one.call).ignored == "a test of the connection"
    assert app_store.delivery_id(one.call) == "9d3f5a3e-0000-4000-8000-000000000001"


def test_the_recorded_page_of_reviews() -> None:
    (item,) = parsed("app-store", recorded("app-store", "api.customerReviews").call).items
    assert item == {
        "external_id": "00000032-6f0e-9d2a-3f1a-21c700000001",
        "text": "Widget is blank\n\nAfter the update the widget shows nothing until I open the app.\n"
        "Reinstalling did not help.",
        "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "tester_4711",
        "attributes": {"territory": "DEU", "app": "1234567890"},
    }


def feedback_event(kind: str = "Screenshot", **fields: Any) -> dict[str, Any]:
    return {
        "data": {
            "type": f"betaFeedback{kind}SubmissionCreated",
            "id": "event-1",
            "version": 1,
            "attributes": {"timestamp": "2026-11-20T09:14:03.12Z"},
            "relationships": {"instance": {"data": {"type": f"betaFeedback{kind}Submissions", "id": "fb-1"}}},
            **fields,
        }
    }


def test_feedback_events_name_what_to_fetch() -> None:
    for kind in ("Screenshot", "Crash"):
        found = parsed("app-store", json_call("app-store", feedback_event(kind)))
        assert found.wanted == [Wanted(f"betaFeedback{kind}Submissions", {"id": "fb-1"})]
        assert not found.items
    assert app_store.delivery_id(json_call("app-store", feedback_event())) == "event-1"


def test_words_that_come_with_the_event_are_taken_at_once() -> None:
    event = feedback_event(attributes={"timestamp": "2026-11-20T09:14:03Z", "comment": "The map is empty."})
    found = parsed("app-store", json_call("app-store", event))
    assert not found.wanted
    assert [(item["external_id"], item["text"], item["channel"]) for item in found.items] == [
        ("fb-1", "The map is empty.", "other")
    ]
    event = feedback_event() | {"included": [FEEDBACK["data"]]}
    assert parsed("app-store", json_call("app-store", event)).items[0]["text"] == "Button does nothing"


def test_other_events_and_what_says_nothing() -> None:
    events: list[dict[str, Any]] = [
        {
            "data": {
                "type": "appStoreVersionAppVersionStateUpdated",
                "id": "1",
                "attributes": {"newValue": "READY"},
            }
        },
        {"data": {"type": "webhookPingCreated", "id": "1"}},
        {"data": {"type": "buildUploadStateUpdated", "id": "1", "attributes": {"ping": True}}},
        feedback_event(relationships=None),
        {"data": []},
        {"data": [{"type": "customerReviewResponses", "id": "1", "attributes": {"responseBody": "Thanks!"}}]},
        {"data": {**FEEDBACK["data"], "attributes": {"comment": "  "}}},
    ]
    for event in events:
        found = parsed("app-store", json_call("app-store", event))
        assert found.ignored
        assert not found.items


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"{}", b'{"data":null}', b'{"data":{"type":7}}', b"\x00", b"[" * 9999]
)
def test_what_apple_never_sends(body: bytes) -> None:
    call = Call({}, body)
    assert app_store.delivery_id(call) is None
    with pytest.raises(CannotParse):
        parsed("app-store", call)


def page(*reviews: dict[str, Any]) -> Call:
    return replace(json_call("app-store", {"data": list(reviews)}), fetched="customerReviews:12")


def test_reviews_and_their_edits_in_any_order(database: Database, settings: Settings) -> None:
    ends = order_free(
        database,
        settings,
        "app-store",
        [
            page(review(1, "2026-11-20T01:14:03-08:00"), review(2, "2026-11-19T01:14:03-08:00")),
            page(review(1, "2026-11-21T01:14:03-08:00", rating=5, body="Fixed now.")),
            page(review(3, "2026-11-21T01:14:03-08:00", rating=None)),
            replace(json_call("app-store", FEEDBACK), fetched="betaFeedbackScreenshotSubmissions"),
        ],
    )
    assert {name: (row["text"], row["score_value"]) for name, row in ends.items()} == {
        "r1": ("Blank\n\nFixed now.", 5),
        "r2": ("Blank\n\nText 2.", 2),
        "r3": ("Blank\n\nText 3.", None),
        "fb-1": ("Button does nothing", None),
    }


# --- the API ---

FEEDBACK: dict[str, Any] = {
    "data": {
        "type": "betaFeedbackScreenshotSubmissions",
        "id": "fb-1",
        "attributes": {
            "comment": "Button does nothing",
            "createdDate": "2026-11-20T09:14:03Z",
            "email": "tester@example.com",
            "deviceModel": "iPhone17_1",
            "osVersion": "19.1",
            "locale": "de-DE",
            "appPlatform": "IOS",
        },
        "relationships": {"build": {"data": {"type": "builds", "id": "b-1"}}},
    },
    "included": [{"type": "builds", "id": "b-1", "attributes": {"version": "210"}}],
}


def claims_of(asked: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of the token; fails unless it was signed with the key."""
    token = asked.headers["authorization"].removeprefix("Bearer ")
    header, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    assert len(signature) == 64
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    KEY.public_key().verify(der, token.rpartition(".")[0].encode(), ec.ECDSA(SHA256()))
    return json.loads(header), json.loads(claims)


class AppStore:
    """`customerReviews` of apps, newest first, two a page, with links to go on."""

    def __init__(self) -> None:
        self.reviews = {
            "12": [review(n, f"2026-11-{n:02d}T01:00:00-08:00") for n in (20, 19, 18, 12, 11, 10, 3)],
            "13": [review(100, "2026-11-01T00:00:00Z")],
        }

    def __call__(self, asked: Asked) -> Answer:
        claims_of(asked)
        if asked.path == "/v1/betaFeedbackScreenshotSubmissions/fb-1":
            return 200, FEEDBACK
        parts = asked.path.split("/")
        if parts[1:3] != ["v1", "apps"] or parts[4:] != ["customerReviews"] or parts[3] not in self.reviews:
            return 404, {"errors": []}
        first = int(asked.params.get("cursor", "0"))
        found = self.reviews[parts[3]]
        links = {"self": "x"}
        if first + 2 < len(found):
            # another host: the poller must not follow it with its token
            links["next"] = f"https://elsewhere.example{asked.path}?cursor={first + 2}&limit=200&sort=-createdDate"
        return 200, {"data": found[first : first + 2], "links": links}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api(AppStore()) as found:
        yield found


def read_all(api: FakeApi, cursor: dict[str, Any], apps: list[str]) -> tuple[list[str], dict[str, Any]]:
    ids: list[str] = []
    for _ in range(20):
        polled = app_store.poll(PlainHttp(), CREDENTIALS, app_store.Options(api_url=api.url, app_ids=apps), cursor)
        cursor = json.loads(json.dumps(polled.cursor))
        if polled.page is not None:
            call = Call({}, polled.page.body, fetched=polled.page.what)
            ids += [
                f"{item['attributes']['app']}:{item['external_id']}" for item in parsed("app-store", call).items
            ]
        if not polled.more:
            return ids, cursor
    raise AssertionError("the poller never ends")


def test_all_pages_of_all_apps_then_only_the_newest(api: FakeApi) -> None:
    ids, cursor = read_all(api, {}, ["12", "13"])
    assert ids == [f"12:r{n}" for n in (20, 19, 18, 12, 11, 10, 3)] + ["13:r100"]
    assert cursor["newest"] == {"12": "2026-11-20T09:00:00+00:00", "13": "2026-11-01T00:00:00+00:00"}
    header, claims = claims_of(api.asked[0])
    assert header == {"alg": "ES256", "typ": "JWT", "kid": "KEY1"}
    assert claims["aud"] == "appstoreconnect-v1"
    assert claims["iss"] == "iss-1"
    assert 0 < claims["exp"] - claims["iat"] <= 1200
    assert api.asked[0].params == {"sort": "-createdDate", "limit": "200"}
    ids, cursor = read_all(api, cursor, ["12", "13"])
    assert ids == ["12:r20", "12:r19", "12:r18", "12:r12", "13:r100"]


def test_an_interrupted_round_goes_on_and_an_app_may_go(api: FakeApi) -> None:
    options = app_store.Options(api_url=api.url, app_ids=["12", "13"])
    first = app_store.poll(PlainHttp(), CREDENTIALS, options, {})
    assert first.more
    ids, cursor = read_all(api, first.cursor, ["12", "13"])
    assert ids[0] == "12:r18"
    assert cursor["newest"]["12"] == "2026-11-20T09:00:00+00:00"
    ids, _ = read_all(api, first.cursor, ["13"])
    assert ids == ["13:r100"]
    assert app_store.poll(PlainHttp(), CREDENTIALS, app_store.Options(), {}).page is None
    with pytest.raises(NotThere):
        app_store.poll(PlainHttp(), CREDENTIALS, app_store.Options(api_url=api.url, app_ids=["99"]), {})


def test_feedback_is_fetched(api: FakeApi) -> None:
    options = app_store.Options(api_url=api.url)
    (found,) = parsed("app-store", json_call("app-store", feedback_event())).wanted
    (answer,) = app_store.fetch(PlainHttp(), CREDENTIALS, options, found)
    call = Call({}, answer.body, fetched=answer.what)
    assert app_store.delivery_id(call) is None
    (item,) = parsed("app-store", call).items
    assert item == {
        "external_id": "fb-1",
        "channel": "other",
        "text": "Button does nothing",
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "tester@example.com",
        "attributes": {
            "kind": "TestFlight screenshot",
            "device": "iPhone17_1",
            "os_version": "19.1",
            "platform": "IOS",
            "locale": "de-DE",
            "build": "210",
        },
    }
    with pytest.raises(NotThere):
        app_store.fetch(
            PlainHttp(), CREDENTIALS, options, Wanted("betaFeedbackScreenshotSubmissions", {"id": "../x"})
        )
    assert app_store.fetch(PlainHttp(), CREDENTIALS, options, Wanted("users", {"id": "1"})) == []


def test_credentials_are_checked_when_they_are_entered() -> None:
    for pasted in (P8.replace("\n", ""), P8.replace("\n", "\\n"), P8.replace("\n", "\r\n")):
        assert app_store.token(app_store.ApiKey(key_id="K", private_key=pasted), 1)
    one_line = app_store.ApiKey(key_id="K", private_key=P8.replace("\n", " "))
    token = app_store.token(one_line, 1)
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")) == {
        "iat": 1,
        "exp": 901,
        "aud": "appstoreconnect-v1",
        "sub": "user",
    }
    other = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    wide = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for wrong in ("", "garbage", P8.replace("M", "%"), other.decode(), wide.decode()):
        with pytest.raises(ValidationError):
            app_store.ApiKey(key_id="K", private_key=wrong)


def test_an_api_that_refuses_is_said() -> None:
    with fake_api(lambda _: (401, {})) as api, pytest.raises(Refused):
        read_all(api, {}, ["12"])


def test_any_value_may_be_of_another_kind() -> None:
    included = feedback_event() | {"included": [FEEDBACK["data"]]}
    for body in (FEEDBACK, feedback_event(), included, {"data": [review(1, "2026-11-20T01:14:03-08:00")]}):
        check_hostile("app-store", json_call("app-store", body))
