"""Google Play: reviews read by a service account."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders import google_play
from service.ingest.senders.contract import Refused
from service.ingest.senders.signatures import BadSignature
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Answer, Asked, PlainHttp, fake_api
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import json_call, order_free, parsed

KEY = rsa.generate_private_key(65537, 2048)
ACCOUNT = {
    "type": "service_account",
    "client_email": "reader@project.iam.gserviceaccount.com",
    "private_key_id": "kid-1",
    "private_key": KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    "token_uri": "https://elsewhere.example/token",
}
CREDENTIALS = google_play.ServiceAccount(service_account=json.dumps(ACCOUNT))


def review(identity: str, text: str, seconds: int, **fields: Any) -> dict[str, Any]:
    comment = {"text": text, "lastModified": {"seconds": str(seconds), "nanos": 120000000}, "starRating": 2}
    return {"reviewId": identity, "authorName": "Somebody", "comments": [{"userComment": {**comment, **fields}}]}


def test_nothing_that_is_sent_is_accepted() -> None:
    call = json_call("google-play", {"reviews": []}, authorization="Bearer x")
    for secrets in ([], ["x"]):
        with pytest.raises(BadSignature, match="service account"):
            google_play.verify(call, secrets, google_play.Options(), datetime.now(UTC))


def test_a_review_with_title_device_and_reply() -> None:
    one = review(
        "gp:AOqp1",
        "Crashes\tSince the update it stops at the start.",
        1795166043,
        reviewerLanguage="de",
        device="oriole",
        androidOsVersion=34,
        appVersionCode=210,
        appVersionName="2.1.0",
        deviceMetadata={
            "productName": "oriole (Pixel 6)",
            "manufacturer": "Google",
            "deviceClass": "FORM_FACTOR_PHONE",
        },
    )
    one["comments"].append({"developerComment": {"text": "Sorry!", "lastModified": {"seconds": "1795170000"}}})
    call = replace(json_call("google-play", {"reviews": [one]}), fetched="reviews:com.example.notes")
    (item,) = parsed("google-play", call).items
    assert item == {
        "external_id": "gp:AOqp1",
        "text": "Crashes\n\nSince the update it stops at the start.",
        "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03.120000+00:00",
        "updated_at": "2026-11-20T09:14:03.120000+00:00",
        "attributes": {
            "app": "com.example.notes",
            "app_version": "2.1.0",
            "app_version_code": "210",
            "language": "de",
            "device": "oriole (Pixel 6)",
            "manufacturer": "Google",
            "device_class": "FORM_FACTOR_PHONE",
            "android_version": "34",
        },
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\tOnly a body", "Only a body"),
        ("Only a title\t", "Only a title"),
        ("No tab at all", "No tab at all"),
        ("T\ta\tb", "T\n\na\tb"),
        (None, None),
    ],
)
def test_title_and_body(text: Any, expected: str | None) -> None:
    (item,) = parsed("google-play", json_call("google-play", review("r", text, 1795166043))).items
    assert item.get("text") == expected


def test_only_what_customers_wrote() -> None:
    only_reply = {"reviewId": "r", "comments": [{"developerComment": {"text": "Thanks"}}]}
    bodies: list[Any] = [{}, {"reviews": []}, {"reviews": [only_reply, None, {"reviewId": "x", "comments": None}]}]
    for body in bodies:
        found = parsed("google-play", json_call("google-play", body))
        assert found.ignored
        assert not found.items
    translated = review("r", "Stops", 1795166043, originalText="Stürzt ab")
    assert parsed("google-play", json_call("google-play", translated)).items[0]["text"] == "Stürzt ab"


def test_edits_in_any_order(database: Database, settings: Settings) -> None:
    def page(*reviews: Any) -> Call:
        return replace(json_call("google-play", {"reviews": reviews}), fetched="reviews:com.example.notes")

    order_free(
        database,
        settings,
        "google-play",
        [
            page(review("a", "T\tFirst.", 1795166043), review("b", "Other.", 1795166043)),
            page(review("a", "T\tSecond.", 1795166099, starRating=4)),
            page(review("b", "Other.", 1795166043), review("a", "T\tThird.", 1795167000, starRating=5)),
        ],
    )


@pytest.mark.parametrize("body", [b"null", b"[]", b"", b'{"reviews":7}', b'{"error":{}}', b"\xff", b"[" * 9999])
def test_what_google_never_answers(body: bytes) -> None:
    with pytest.raises(CannotParse):
        parsed("google-play", Call({}, body))


# --- the API ---


class Play:
    """The token exchange and `reviews.list`, newest first, two a page."""

    def __init__(self) -> None:
        self.url = ""
        self.reviews = {
            "com.a": [review(f"a{n}", "x", 1795166043 - n * 43_200) for n in range(7)],
            "com.b": [],
        }

    def __call__(self, asked: Asked) -> Answer:
        if asked.path == "/token":
            form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
            assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            head, _, signature = form["assertion"].rpartition(".")
            KEY.public_key().verify(
                base64.urlsafe_b64decode(signature + "=="), head.encode(), padding.PKCS1v15(), SHA256()
            )
            header, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in head.split("."))
            assert header == {"alg": "RS256", "typ": "JWT", "kid": "kid-1"}
            assert claims["iss"] == ACCOUNT["client_email"]
            assert claims["aud"] == f"{self.url}/token"
            assert claims["scope"] == "https://www.googleapis.com/auth/androidpublisher"
            assert 0 < claims["exp"] - claims["iat"] <= 3600
            return 200, {"access_token": "acc", "expires_in": 3599}
        if asked.headers.get("authorization") != "Bearer acc":
            return 401, {}
        package = asked.path.split("/")[4]
        assert asked.path == f"/androidpublisher/v3/applications/{package}/reviews"
        first = int(asked.params.get("token", "0"))
        found = self.reviews[package]
        answer: dict[str, Any] = {"reviews": found[first : first + 2]} if found else {}
        if first + 2 < len(found):
            answer["tokenPagination"] = {"nextPageToken": str(first + 2)}
        return 200, answer


def read_all(url: str, cursor: dict[str, Any], packages: list[str]) -> tuple[list[str], dict[str, Any]]:
    options = google_play.Options(api_url=url, token_url=f"{url}/token", package_names=packages)
    ids: list[str] = []
    for _ in range(20):
        polled = google_play.poll(PlainHttp(), CREDENTIALS, options, cursor)
        cursor = json.loads(json.dumps(polled.cursor))
        if polled.page is not None:
            call = Call({}, polled.page.body, fetched=polled.page.what)
            ids += [item["external_id"] for item in parsed("google-play", call).items]
        if not polled.more:
            return ids, cursor
    raise AssertionError("the poller never ends")


def test_the_service_account_reads_all_pages_then_what_is_new() -> None:
    play = Play()
    with fake_api(play) as api:
        play.url = api.url
        ids, cursor = read_all(api.url, {}, ["com.a", "com.b"])
        assert ids == [f"a{n}" for n in range(7)]
        assert cursor == {"newest": {"com.a": "2026-11-20T09:14:03.120000+00:00", "com.b": None}}
        assert "acc" not in json.dumps(cursor)
        ids, cursor = read_all(api.url, cursor, ["com.a", "com.b"])
        assert ids == ["a0", "a1", "a2", "a3", "a4", "a5"]  # a day back, to the end of a page that is older
        play.reviews["com.b"].append(review("b0", "x", 1795166043))
        ids, cursor = read_all(api.url, cursor, ["com.b"])
        assert ids == ["b0"]
    with pytest.raises(Refused, match="package_names"):
        google_play.poll(PlainHttp(), CREDENTIALS, google_play.Options(), {})
    assert google_play.Options(package_names="com.a, com.b").package_names == ["com.a", "com.b"]


def test_a_refused_token_is_said() -> None:
    with fake_api(lambda _: (400, {"error": "invalid_grant"})) as api, pytest.raises(Refused):
        read_all(api.url, {}, ["com.a"])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"client_email":"a","private_key":"b"}',
        '{"client_email":7,"private_key":"x"}',
        "[" * 99_999,
    ],
)
def test_a_key_file_is_checked_when_it_is_entered(content: str) -> None:
    with pytest.raises(ValidationError):
        google_play.ServiceAccount(service_account=content)


def test_any_value_may_be_of_another_kind() -> None:
    one = review("r", "T\tb", 1795166043, deviceMetadata={"productName": "p"}, appVersionCode=1)
    one["comments"].append({"developerComment": {"text": "Thanks"}})
    body = {"reviews": [one], "tokenPagination": {"nextPageToken": "x"}}
    check_hostile("google-play", json_call("google-play", body))
