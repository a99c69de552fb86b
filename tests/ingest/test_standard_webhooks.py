"""Standard Webhooks: the specification's signatures, and what its payloads become."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased, read_item
from service.ingest.senders import SENDERS
from service.ingest.senders import standard_webhooks as sender
from service.ingest.senders.signatures import BadSignature, SenderOptions

FIXTURES = Path(__file__).parent / "fixtures" / "standard-webhooks"
META = json.loads((FIXTURES / "feedback.created.meta.json").read_text())
BODY = (FIXTURES / "feedback.created.json").read_bytes()
CLOCK = datetime.fromtimestamp(META["test_clock"]["unix"], UTC)
SECRET = META["signature"]["secret"]
CASES = META["cases"]


def call(body: bytes = BODY, **headers: str) -> Call:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call({name.lower(): value for name, value in (META["headers"] | own).items()}, body)


def accepted(one: Call, *secrets: str, now: datetime = CLOCK, window: int = 300) -> bool:
    try:
        sender.verify(one, secrets, SenderOptions(replay_window_seconds=window), now)
    except BadSignature:
        return False
    return True


def test_the_fixture_is_accepted() -> None:
    assert accepted(call(), SECRET)
    assert sender.delivery_id(call()) == "msg_2pXkTestDelivery0001"


@pytest.mark.parametrize(
    ("case", "secret", "expected"),
    [
        (name, secret, kind == "accept_with")
        for name, case in CASES.items()
        for kind in ("accept_with", "reject_with")
        for secret in case.get(kind, ())
    ]
    + [(name, case.get("public_key", SECRET), case["accept"]) for name, case in CASES.items() if "accept" in case],
)
def test_every_case_of_the_fixture(case: str, secret: str, expected: bool) -> None:
    assert accepted(call(**CASES[case]["headers"]), secret) is expected


def test_the_fixture_has_its_seven_cases() -> None:
    assert len(CASES) == 7


@pytest.mark.parametrize(
    "signature",
    ["", " ", "garbage", "v1", "v1,", ",", "v1a", "v1a,", "v1a,!!!", "v1,\xe9\xff", "v2,abc", "v1a,YWJj", "v1 ,x"],
)
def test_malformed_signatures_are_refused_and_never_crash(signature: str) -> None:
    assert not accepted(call(webhook_signature=signature), SECRET, CASES["ed25519_v1a"]["public_key"])
    good = META["signature"]["expected"]
    assert accepted(call(webhook_signature=f"{signature} {good}"), SECRET)


@pytest.mark.parametrize("sent_at", ["", "soon", "-5", "1e9", "²", "1795166045.5", "9" * 40])
def test_a_time_that_is_none_is_refused(sent_at: str) -> None:
    assert not accepted(call(webhook_timestamp=sent_at), SECRET)


def test_a_flipped_byte_anywhere_is_refused() -> None:
    for place in (0, len(BODY) // 2, len(BODY) - 1):
        flipped = bytearray(BODY)
        flipped[place] ^= 1
        assert not accepted(call(bytes(flipped)), SECRET)
    assert not accepted(call(json.dumps(json.loads(BODY)).encode()), SECRET)
    assert not accepted(call(webhook_timestamp="1795166046"), SECRET)
    assert not accepted(call())
    assert not accepted(call(), "whsec_***", "whpk_short")  # a secret that can't be read verifies nothing


def test_the_replay_window_holds_both_ways_and_is_an_option() -> None:
    for seconds, expected in ((299, True), (-299, True), (302, False), (-302, False)):
        assert accepted(call(), SECRET, now=CLOCK + timedelta(seconds=seconds)) is expected
    assert accepted(call(), SECRET, now=CLOCK + timedelta(seconds=3000), window=3600)
    assert not accepted(call(), SECRET, now=CLOCK + timedelta(seconds=20), window=10)


def test_a_made_secret_is_of_the_specified_kind() -> None:
    made = sender.new_secret()
    assert made.startswith("whsec_")
    assert 24 <= len(sender._key(made)) <= 64
    assert made != sender.new_secret()
    sender.check_secret(made)
    sender.check_secret(made.rstrip("="))
    for bad in ("whsec_", "whsec_***", "whpk_YWJj", "ünicode"):
        with pytest.raises(ValueError):  # noqa: PT011 - any message
            sender.check_secret(bad)


def items(payload: Any) -> list[Any]:
    return sender.parse(Call({}, json.dumps(payload).encode()), SenderOptions()).items


def test_the_fixture_becomes_an_item() -> None:
    (found,) = sender.parse(call(), SenderOptions()).items
    assert found == {
        "external_id": "fb_01JD4M7Q",
        "text": json.loads(BODY)["data"]["text"],
        "language": "en",
        "url": "https://app.example.com/reports",
        "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03.120000Z",
        "updated_at": "2026-11-20T09:14:03.120000Z",
        "attributes": {"source": "in_app"},
    }
    assert read_item(found, max_text_chars=1000).score is not None


def test_an_item_of_the_contract_goes_through_whole() -> None:
    item = {
        "text": "Late.",
        "channel": "ticket",
        "external_id": "t-1",
        "occurred_at": "2026-11-02T10:15:00Z",
        "score": {"kind": "nps", "value": 3},
        "respondent": "c-83",
        "stage": "delivery",
        "question": "Why?",
        "value": 12,
        "updated_at": "2026-11-03T10:15:00Z",
        "attributes": {"plan": "pro"},
    }
    assert items({"type": "x", "timestamp": "2026-11-20T00:00:00Z", "data": item}) == [item]
    assert items({"data": {"items": [item, "no item"]}}) == [item, "no item"]
    assert items(item) == [item]


def test_the_time_of_a_change_is_not_the_time_of_the_feedback() -> None:
    (found,) = items({"type": "feedback.updated", "timestamp": "2026-11-20T00:00:00Z", "data": {"text": "x"}})
    assert "occurred_at" not in found
    assert found["updated_at"] == "2026-11-20T00:00:00Z"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"comment": "a"}, {"text": "a"}),
        ({"title": "T", "body": "b"}, {"text": "T\n\nb"}),
        ({"subject": "T"}, {"text": "T"}),
        (
            {"text": "a", "nps": 9},
            {"text": "a", "score": {"kind": "nps", "value": 9, "scale_min": 0, "scale_max": 10}},
        ),
        ({"text": "a", "rating": 9}, {"text": "a", "attributes": {"rating": "9"}}),
        (
            {"text": "a", "rating": "2"},
            {"text": "a", "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5}},
        ),
        (
            {"text": "a", "score": 4},
            {"text": "a", "score": {"kind": "stars", "value": 4, "scale_min": 1, "scale_max": 5}},
        ),
        ({"text": "a", "score": "9"}, {"text": "a", "attributes": {"score": "9"}}),
        ({"text": "a", "score": "high"}, {"text": "a", "attributes": {"score": "high"}}),
        # values in other forms than the contract's refuse no words
        (
            {"text": "a", "id": 5.0, "created_at": 1795165985, "customer": {"id": 7, "email": "a@example.com"}},
            {"text": "a", "external_id": "5", "occurred_at": "2026-11-20T09:13:05+00:00", "respondent": "7"},
        ),
        (
            {"text": 12, "created_at": "Fri, 20 Nov 2026 10:13:05 +0100", "url": "x" * 3000},
            {"text": "12", "occurred_at": "2026-11-20T09:13:05+00:00"},
        ),
        (
            {"text": "a", "rating": 9, "scale_max": 10},
            {"text": "a", "score": {"kind": "stars", "value": 9, "scale_min": 1, "scale_max": 10}},
        ),
        ({"text": "a", "channel": "in-app"}, {"text": "a", "attributes": {"channel": "in-app"}}),
        (
            {"text": "a", "vip": True, "tags": ["x"], "meta": {"a": 1}, "none": None},
            {"text": "a", "attributes": {"vip": "true", "tags": "x"}},
        ),
    ],
)
def test_names_that_mean_the_same(data: dict[str, Any], expected: dict[str, Any]) -> None:
    assert items({"data": data}) == [expected]


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("feedback.deleted", "item"),
        ("com.acme.feedback.deleted.v2", "item"),
        ("Acme.FeedbackDeleted", "item"),
        ("reviews/delete", "item"),
        ("contact.privacyDeletion", "respondent"),
        ("customers/redact", "respondent"),
        ("customer.data_erasure_requested", "respondent"),
        ("conversation.erased", "conversation"),
        ("feedback.tag.removed", None),
        ("review_attachment_deleted", None),
    ],
)
def test_what_an_event_says_is_gone_in_any_spelling(name: str, gone: str | None) -> None:
    body = json.dumps({"type": name, "data": {"id": "x-1", "text": "Words that must not come back"}}).encode()
    found = sender.parse(Call({}, body), SenderOptions())
    assert found.items == []
    assert [(one.kind, one.key) for one in found.erased] == ([(gone, "x-1")] if gone else [])
    assert gone or found.ignored


@pytest.mark.parametrize(
    ("name", "data", "merged"),
    [
        ("customer.merged", {"id": "1", "into": "2"}, [("1", "2")]),
        ("com.acme.UserMerged.v2", {"user_id": 1, "merged_into_id": 2}, [("1", "2")]),
        ("contacts/merge", [{"id": "1", "from": ["2", {"id": "3"}]}], [("2", "1"), ("3", "1")]),
        ("customer.merged", {"id": "1"}, []),
        ("customer.merged", {"id": "1", "into": "1"}, []),
        ("customer.merged", ["1"], []),
    ],
)
def test_merged_people_in_any_spelling(name: str, data: Any, merged: list[tuple[str, str]]) -> None:
    found = sender.parse(Call({}, json.dumps({"type": name, "data": data}).encode()), SenderOptions())
    assert [(one.gone, one.survivor) for one in found.merged] == merged
    assert bool(found.ignored) is not bool(merged)
    assert not found.items
    branch = {"type": "branch.merged", "data": {"id": "1", "text": "Words", "into": "2"}}
    assert not sender.parse(Call({}, json.dumps(branch).encode()), SenderOptions()).merged


def test_a_kind_of_feedback_in_words_is_no_event() -> None:
    (found,) = items({"type": "Account deletion", "id": "x-1", "text": "Please delete my account"})
    assert found["text"] == "Please delete my account"


@pytest.mark.parametrize(
    "mark",
    [
        {"author_type": "agent"},
        {"author": {"type": "bot"}},
        {"sender": {"role": "Support Agent"}},
        {"internal": True},
        {"direction": "outbound"},
        {"is_test": True},
    ],
)
def test_words_that_say_they_are_no_customers_are_ignored(mark: dict[str, Any]) -> None:
    body = json.dumps({"type": "message.created", "data": {"id": "1", "text": "We are sorry", **mark}}).encode()
    found = sender.parse(Call({}, body), SenderOptions())
    assert found.items == []
    assert found.ignored
    customer = {"id": "2", "text": "Slow", "author_type": "customer", "author": {"role": "operator"}}
    assert len(items({"type": "message.created", "data": [customer, {"id": "1", "text": "Sorry", **mark}]})) == 1


def test_an_event_that_says_nothing_of_a_customer_is_ignored() -> None:
    found = sender.parse(Call({}, b'{"type":"order.created","data":{"id":7,"total":12}}'), SenderOptions())
    assert found.items == []
    assert "neither a text nor a score" in found.ignored


def test_scales_and_kinds_as_people_write_them() -> None:
    (item,) = items({"data": {"id": 1, "text": "x", "rating": "8", "scale_max": "10", "channel": "Chat"}})
    assert item["score"] == {"kind": "stars", "value": 8, "scale_min": 1, "scale_max": 10}
    assert item["channel"] == "chat"
    assert "attributes" not in item
    (item,) = items({"data": {"id": 1, "text": "x", "score": {"kind": "NPS", "value": 9}}})
    assert item["score"] == {"kind": "nps", "value": 9}
    (item,) = items({"data": {"id": 1, "text": "x", "rating": 4, "scale_max": "ten"}})
    assert item["attributes"] == {"rating": "4", "scale_max": "ten"}, "on which scale is not told"


def test_attributes_stay_within_the_contract() -> None:
    (found,) = items({"data": {"text": "a", **{f"k{n}": "v" * 900 for n in range(50)}}})
    assert len(found["attributes"]) == 20
    read_item(found, max_text_chars=1000)


def test_tests_of_the_connection_are_ignored_and_other_bodies_not_parsed() -> None:
    assert sender.parse(Call({}, b'{"type":"webhook.test","data":{}}'), SenderOptions()).ignored
    found = sender.parse(Call({}, b'{"type":"feedback.deleted","data":{"id":7}}'), SenderOptions())
    assert (found.items, found.erased) == ([], [Erased("item", "7")])
    found = sender.parse(Call({}, b'{"type":"customer.deleted","data":{"id":"c","email":"e"}}'), SenderOptions())
    assert found.erased == [Erased("respondent", "c")]
    found = sender.parse(Call({}, b'{"type":"conversation.erased","data":["a","b"]}'), SenderOptions())
    assert found.erased == [Erased("conversation", "a"), Erased("conversation", "b")]
    for nothing in (b'{"type":"feedback.deleted","data":{}}', b'{"type":"feedback.tag.removed","data":{"id":7}}'):
        found = sender.parse(Call({}, nothing), SenderOptions())
        assert found.ignored
        assert (found.items, found.erased) == ([], [])
    for body in (b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b"1" * 10_000):
        with pytest.raises(CannotParse):
            sender.parse(Call({}, body), SenderOptions())


def test_every_sender_is_listed_under_its_name() -> None:
    assert {name: one.name for name, one in SENDERS.items()} == {name: name for name in SENDERS}
