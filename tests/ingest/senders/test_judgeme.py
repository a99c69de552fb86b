"""Judge.me: signed review events."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased
from service.settings import Settings
from service.store.engine import Database
from tests.ingest.senders.hostile import check_hostile
from tests.ingest.senders.recorded import Recorded, accepted, json_call, order_free, parsed, recorded


@pytest.fixture
def one() -> Recorded:
    return recorded("judgeme", "review-created")


def call(kind: str, **fields: Any) -> Call:
    review = {
        "id": 900000001,
        "title": "Straps broke",
        "body": "The left strap came off.",
        "rating": 2,
        "product_external_id": 7,
        "product_title": "City backpack",
        "reviewer": {"id": 8, "external_id": 6, "email": "buyer@example.com"},
        "hidden": False,
        "created_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
    }
    return json_call("judgeme", {"event": f"review/{kind}", "review": {**review, **fields}})


def test_the_recorded_review(one: Recorded) -> None:
    assert accepted("judgeme", one.call, [one.secret or ""], one.clock)
    (item,) = parsed("judgeme", one.call).items
    assert item == {
        "external_id": "900000001",
        "text": "Straps broke\n\nAfter two weeks the left strap came off. Colour is lovely though.",
        "score": {"kind": "stars", "value": 2, "scale_min": 1, "scale_max": 5},
        "occurred_at": "2026-11-20T09:14:03+00:00",
        "updated_at": "2026-11-20T09:14:03+00:00",
        "respondent": "800000001",
        "attributes": {
            "product": "City backpack",
            "product_id": "700000001",
            "verified": "buyer",
            "hidden": "false",
            "curated": "not-yet",
            "featured": "false",
            "collected_by": "email",
        },
    }


def test_signatures(one: Recorded) -> None:
    secret, name = one.secret or "", "judgeme-hmac-sha256"
    good = one.call.headers[name]
    assert accepted("judgeme", one.call, ["other", secret], one.clock)
    renamed = {"x-judgeme-hmac-sha256": good.upper()}
    assert accepted("judgeme", replace(one.call, headers=renamed), [secret], one.clock)
    for place in (0, len(one.call.body) // 2, len(one.call.body) - 1):
        flipped = bytearray(one.call.body)
        flipped[place] ^= 1
        assert not accepted("judgeme", replace(one.call, body=bytes(flipped)), [secret], one.clock)
    assert not accepted("judgeme", one.call, ["other"], one.clock)
    assert not accepted("judgeme", one.call, [], one.clock)
    in_base64 = hmac.new(secret.encode(), one.call.body, hashlib.sha256).digest()
    for wrong in ("", " ", "sha256=" + good, good[:-1], good + "0", "é", "\x00", in_base64.hex()[::-1]):
        assert not accepted("judgeme", replace(one.call, headers={name: wrong}), [secret], one.clock)
    assert not accepted("judgeme", replace(one.call, headers={}), [secret], one.clock)


def test_events_that_hide_publish_and_delete() -> None:
    (item,) = parsed("judgeme", call("hidden", hidden=None)).items
    assert item["attributes"]["hidden"] == "true"
    (item,) = parsed("judgeme", call("published", hidden=None, curated="ok")).items
    assert (item["attributes"]["hidden"], item["attributes"]["curated"]) == ("false", "ok")
    assert parsed("judgeme", call("deleted")).erased == [Erased("item", "900000001")]
    for body in ({"event": "review/deleted", "review_id": 5}, {"key": "review/deleted", "review": {"id": "5"}}):
        assert parsed("judgeme", json_call("judgeme", body)).erased == [Erased("item", "5")]


def test_other_shapes_and_events() -> None:
    bare = json.loads(call("created").body)["review"]
    assert parsed("judgeme", json_call("judgeme", bare)).items[0]["external_id"] == "900000001"
    (item,) = parsed("judgeme", json_call("judgeme", {"review": bare}, x_judgeme_topic="review/updated")).items
    assert item["text"].startswith("Straps")
    for topic in ("review/replied", "question/created", "review/test"):
        assert parsed("judgeme", json_call("judgeme", {"event": topic, "review": bare})).ignored
    (item,) = parsed("judgeme", call("created", rating="4", body="<p>Fine &amp; good</p>", title=None)).items
    assert (item["score"]["value"], item["text"]) == (4.0, "Fine & good")
    (item,) = parsed("judgeme", call("created", body="a <b and 1 > 0", title="", reviewer=None, rating=0)).items
    assert item["text"] == "a <b and 1 > 0"
    assert "score" not in item
    assert "respondent" not in item
    (item,) = parsed("judgeme", call("created", reviewer={"id": None, "email": "b@example.com"})).items
    assert item["respondent"] == "b@example.com"


def test_events_in_any_order(database: Database, settings: Settings) -> None:
    later = "2026-11-21T08:00:00+00:00"
    ends = order_free(
        database,
        settings,
        "judgeme",
        [
            call("created"),
            call("updated", body="The left strap came off. Support helped.", rating=3),
            call("published", body="The left strap came off. Support helped.", rating=3, curated="ok"),
            call("hidden", body="The left strap came off. Support helped.", hidden=True, updated_at=later),
            call("created", id=2, body="Lovely.", rating=5, title=None),
            call("created", id=3, body="Gone soon.", rating=1),
            call("deleted", id=3),
        ],
    )
    assert {name: (row["text"], row["score_value"]) for name, row in ends.items()} == {
        "900000001": ("Straps broke\n\nThe left strap came off. Support helped.", 2),
        "2": ("Lovely.", 5),
    }
    assert ends["900000001"]["attributes"]["hidden"] == "true"


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b'""',
        b"{}",
        b'{"review":[]}',
        b'{"event":"review/created"}',
        b'{"event":"review/deleted","review":{}}',
        b"\xff\xfe",
        b'{"a":' * 900,
    ],
)
def test_what_judgeme_never_sends(one: Recorded, body: bytes) -> None:
    with pytest.raises(CannotParse):
        parsed("judgeme", replace(one.call, body=body))


def test_any_value_may_be_of_another_kind() -> None:
    for kind in ("created", "hidden", "deleted"):
        check_hostile("judgeme", call(kind))


def test_an_unpublished_review_is_hidden_and_words_taken_out_go() -> None:
    (item,) = parsed("judgeme", call("unpublished", hidden=None)).items
    assert item["attributes"]["hidden"] == "true"
    (bare,) = parsed("judgeme", call("updated", title="", body="")).items
    assert bare["text"] is None, "as the review is now, whatever it said before"
    assert bare["score"]
