"""Trustpilot: batches of review events, and the private reviews API."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from service.ingest.incoming import CannotParse, Erased
from service.ingest.senders import SENDERS, trustpilot
from service.ingest.senders.contract import Refused, TryLater
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.fake_api import Answer, Asked, PlainHttp, fake_api
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import accepted, json_call, options, order_free, parsed, recorded


def event(kind: str, **fields: Any) -> dict[str, Any]:
    review = {
        "id": "rev-1",
        "stars": 2,
        "title": "Slow refund",
        "text": "Five weeks and six mails.",
        "createdAt": "2026-11-20T09:14:03Z",
        "consumer": {"id": "c-1", "name": "Test"},
    }
    return {"eventName": f"service-review-{kind}", "eventData": {**review, **fields}}


def test_the_recorded_batch_is_a_review_and_its_edit() -> None:
    one = recorded("trustpilot", "service-review-created")
    assert accepted("trustpilot", one.call, [], one.clock)
    first, second = parsed("trustpilot", one.call).items
    assert first == {
        "external_id": "reviewtest000000000001",
        "text": "Good product, slow refunds\n\nThe shoes are fine. "
        "The refund for the second pair took five weeks and six emails.",
        "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "language": "en",
        "respondent": "consumertest01",
        "url": "https://www.trustpilot.com/reviews/reviewtest000000000001",
        "attributes": {"verified": "true", "reference": "ORDER-10023"},
    }
    assert second["score"]["value"] == 4
    assert second["updated_at"] > first["updated_at"]
    assert second["occurred_at"] == first["occurred_at"]


def test_with_a_token_the_token_is_asked_for() -> None:
    one = recorded("trustpilot", "service-review-created")
    assert not accepted("trustpilot", one.call, ["s3cret"], one.clock)
    for headers, expected in (
        ({"x-journeymap-token": "s3cret"}, True),
        ({"authorization": "Basic " + base64.b64encode(b"tp:s3cret").decode()}, True),
        ({"authorization": "Basic !!!"}, False),
        ({"x-journeymap-token": "s3cre"}, False),
    ):
        assert accepted("trustpilot", replace(one.call, headers=headers), ["old", "s3cret"], one.clock) is expected


def test_names_of_the_consumer_in_hook_and_api_and_the_last_resorts() -> None:
    for consumer, mail, expected in (
        ({"id": "c-1", "name": "A"}, None, "c-1"),
        ({"name": "A"}, None, "A"),
        ({"displayName": "B"}, None, "B"),
        ({"displayName": "B"}, "b@example.com", "b@example.com"),
        (None, None, None),
        ("odd", None, None),
    ):
        (item,) = parsed(
            "trustpilot",
            json_call(
                "trustpilot",
                {"reviews": [{**event("x")["eventData"], "consumer": consumer, "referralEmail": mail}]},
            ),
        ).items
        assert item.get("respondent") == expected


def test_a_deletion_erases_and_other_events_are_ignored_by_name() -> None:
    found = parsed(
        "trustpilot", json_call("trustpilot", {"events": [event("deleted"), event("created", id="rev-2")]})
    )
    assert found.erased == [Erased("item", "rev-1")]
    assert [item["external_id"] for item in found.items] == ["rev-2"]
    found = parsed("trustpilot", json_call("trustpilot", {"events": [event("reported")]}))
    assert not found.items
    assert "service-review-reported" in found.ignored
    assert parsed("trustpilot", json_call("trustpilot", {"events": []})).ignored
    assert parsed("trustpilot", json_call("trustpilot", event("updated"))).items


@pytest.mark.parametrize(
    "what", ["reply-created", "reply-updated", "reply-deleted", "tag-deleted", "invitation-created"]
)
def test_what_is_about_a_review_is_no_review(what: str) -> None:
    found = parsed(
        "trustpilot", json_call("trustpilot", {"events": [event(what, text="Thank you, we are sorry")]})
    )
    assert not found.items
    assert not found.erased
    assert what in found.ignored


def test_event_names_in_other_spellings_and_a_consumer_who_is_gone() -> None:
    for name in ("serviceReviewCreated", "service_review_created", "Service-Review-Created", "review-created"):
        one = {**event("created"), "eventName": name}
        assert parsed("trustpilot", json_call("trustpilot", {"events": [one]})).items, name
    gone = {"eventName": "consumer-deleted", "eventData": {"id": "c-1"}}
    assert parsed("trustpilot", json_call("trustpilot", {"events": [gone]})).erased == [
        Erased("respondent", "c-1")
    ]


def test_a_deletion_without_an_id_does_not_keep_back_the_rest_of_its_batch() -> None:
    nameless = {"eventName": "service-review-deleted", "eventData": {}}
    call = json_call("trustpilot", {"events": [nameless, event("created")]})
    found = SENDERS["trustpilot"].parse(call, options("trustpilot"))
    assert found.items[0] is None
    assert found.items[1]["external_id"] == "rev-1"


def test_values_of_other_types_and_missing_fields() -> None:
    (item,) = parsed(
        "trustpilot",
        json_call(
            "trustpilot",
            {
                "events": [
                    event(
                        "updated",
                        id=77,
                        stars="5",
                        text=None,
                        consumer=None,
                        updatedAt="0001-01-01T00:00:00",
                        link="x" * 5000,
                        tags=[{"group": "g", "value": "v"}, "w", 3, None],
                    )
                ]
            },
        ),
    ).items
    assert (item["external_id"], item["score"]["value"], item["text"]) == ("77", 5.0, "Slow refund")
    assert item["url"] == "https://www.trustpilot.com/reviews/77"
    assert item["attributes"]["tags"] == "g:v, w"
    (item,) = parsed("trustpilot", json_call("trustpilot", {"events": [event("created", stars=9)]})).items
    assert "score" not in item


def test_edits_arrive_in_any_order(database: Database, settings: Settings) -> None:
    edited = "2026-11-21T10:00:00Z"
    calls = [
        json_call("trustpilot", {"events": [event("created")]}),
        json_call("trustpilot", {"events": [event("updated", stars=4, text="Update: it arrived.")]}),
        json_call(
            "trustpilot", {"reviews": [{**event("x")["eventData"], "tags": [{"group": "a", "value": "b"}]}]}
        ),
        json_call("trustpilot", {"events": [event("created", id="rev-2", stars=5)]}),
        json_call("trustpilot", {"events": [event("created", id="rev-3"), event("updated", id="rev-3")]}),
        json_call("trustpilot", {"events": [event("deleted", id="rev-3")]}),
    ]
    order_free(database, settings, "trustpilot", calls)
    order_free(
        database,
        settings,
        "trustpilot",
        [*calls, json_call("trustpilot", {"reviews": [event("x", stars=1, updatedAt=edited)["eventData"]]})],
    )


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'""',
        b"{}",
        b'{"events":{}}',
        b'{"events":[{"eventName":"service-review-deleted","eventData":{}}]}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_what_trustpilot_never_sends(body: bytes) -> None:
    with pytest.raises(CannotParse):
        parsed("trustpilot", replace(recorded("trustpilot", "service-review-created").call, body=body))


# --- the API ---

OPTIONS: dict[str, Any] = {"business_unit_id": "unit-1"}


class Reviews:
    """The private reviews API: oldest first, by pages, from a start time on."""

    def __init__(self, count: int) -> None:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        self.reviews = [
            {**event("x", id=f"r{n}")["eventData"], "createdAt": (start + timedelta(hours=n)).isoformat()}
            for n in range(count)
        ]

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("/accesstoken"):
            pair = base64.b64encode(b"key:secret").decode()
            right = (
                asked.headers["authorization"] == f"Basic {pair}"
                and asked.body == b"grant_type=client_credentials"
            )
            return (200, {"access_token": "t0ken", "expires_in": "3600"}) if right else (401, {})
        if asked.path != "/v1/private/business-units/unit-1/reviews" or asked.headers.get("apikey") != "key":
            return 404, {}
        if asked.headers.get("authorization") not in (None, "Bearer t0ken"):
            return 401, {}
        since = asked.params.get("startDateTime")
        found = [
            one
            for one in self.reviews
            if since is None or datetime.fromisoformat(one["createdAt"]) >= datetime.fromisoformat(since)
        ]
        size, page = int(asked.params["perPage"]), int(asked.params["page"])
        return 200, {"links": [], "reviews": found[(page - 1) * size : page * size]}


def read_all(url: str, cursor: dict[str, Any], secret: str = "secret") -> tuple[list[str], dict[str, Any]]:
    options = trustpilot.Options(**OPTIONS, api_url=url)
    credentials = trustpilot.ApiKey(api_key="key", api_secret=secret)
    ids: list[str] = []
    for _ in range(20):
        polled = trustpilot.poll(PlainHttp(), credentials, options, cursor)
        cursor = polled.cursor
        if polled.page is not None:
            call = replace(json_call("trustpilot", {}), body=polled.page.body, fetched=polled.page.what)
            ids += [item["external_id"] for item in parsed("trustpilot", call).items]
        if not polled.more:
            return ids, cursor
    raise AssertionError("the poller never ends")


@pytest.mark.parametrize("secret", ["secret", ""])
def test_the_poller_reads_all_pages_once_and_then_only_what_is_new(secret: str) -> None:
    reviews = Reviews(120)
    with fake_api(reviews) as api:
        ids, cursor = read_all(api.url, {}, secret)
        assert ids == [f"r{n}" for n in range(120)]
        assert cursor["newest"] == "2026-01-05T23:00:00+00:00"
        ids, cursor = read_all(api.url, cursor, secret)
        assert ids == ["r119"]
        reviews.reviews.append({**reviews.reviews[-1], "id": "new", "createdAt": "2026-01-06T00:00:00Z"})
        ids, cursor = read_all(api.url, cursor, secret)
        assert ids == ["r119", "new"]
        # a day later the last 30 days are read again, for edits
        cursor["looked_back"] = "2026-01-01T00:00:00+00:00"
        assert len(read_all(api.url, cursor, secret)[0]) == 121


def test_an_interrupted_round_goes_on_where_it_was() -> None:
    with fake_api(Reviews(120)) as api:
        options = trustpilot.Options(**OPTIONS, api_url=api.url)
        credentials = trustpilot.ApiKey(api_key="key")
        first = trustpilot.poll(PlainHttp(), credentials, options, {})
        assert first.more
        ids, _ = read_all(api.url, first.cursor)
        assert ids == [f"r{n}" for n in range(50, 120)]


def test_what_can_go_wrong_is_said() -> None:
    with pytest.raises(Refused, match="business_unit_id"):
        trustpilot.poll(PlainHttp(), trustpilot.ApiKey(api_key="k"), trustpilot.Options(), {})
    cases: list[tuple[Answer, type[Exception]]] = [
        ((401, {}), Refused),
        ((429, {}), TryLater),
        ((200, b"<html>"), TryLater),
    ]
    for answer, error in cases:
        with fake_api(partial(_always, answer)) as api, pytest.raises(error):
            read_all(api.url, {}, "")


def _always(answer: Answer, _asked: Asked) -> Answer:
    return answer


def test_any_value_may_be_of_another_kind() -> None:
    given = {
        "updatedAt": "2026-11-21T00:00:00Z",
        "tags": [{"group": "a", "value": "b"}],
        "location": {"name": "x"},
    }
    for kind in ("created", "deleted"):
        check_hostile("trustpilot", json_call("trustpilot", {"events": [event(kind, **given)]}))
    check_hostile("trustpilot", json_call("trustpilot", {"reviews": [event("x", **given)["eventData"]]}))


def test_words_taken_out_of_a_review_go() -> None:
    (item,) = parsed(
        "trustpilot", json_call("trustpilot", {"events": [event("updated", title="", text="")]})
    ).items
    assert item["text"] is None
    assert item["score"]
