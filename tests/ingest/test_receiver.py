"""What the receiver does for every sender: replies, secrets, headers, packed bodies and their limits."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from service.ingest.hooks import joined
from service.ingest.senders.signatures import check_token, new_token
from service.store.engine import Database
from service.store.schema import Delivery, FeedbackItem
from tests.ingest.made_sender import SECRET, made_endpoint, register, signed
from tests.ingest.rows import stored

ITEM = {"external_id": "1", "text": "It broke."}


@pytest.fixture
def endpoint(client: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    register(monkeypatch)
    return made_endpoint(client, secrets=[SECRET])


def deliveries(database: Database) -> list[Delivery]:
    with database.read() as session:
        return list(session.execute(select(Delivery).order_by(col(Delivery.id))).scalars())


def test_a_reply_of_the_senders_own_is_sent_as_it_is(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    for payload in (
        {"challenge": "c1", "items": [ITEM]},
        {"challenge": "c1", "ignored": "a test"},
        {"challenge": "c1", "items": [7]},
    ):
        body = json.dumps(payload).encode()
        for _ in range(2):  # once more: a repeated one is answered like the first
            answer = client.post(endpoint["path"], content=body, headers=signed(body))
            assert (answer.status_code, answer.content) == (201, b"<ack>c1</ack>")
            assert answer.headers["content-type"].startswith("text/xml")
    assert [(one.state, one.repeats) for one in deliveries(database)] == [
        ("parsed", 1),
        ("ignored", 1),
        ("unparsed", 1),
    ]
    for body in (b'{"items": []}', b"not JSON at all"):
        answer = client.post(endpoint["path"], content=body, headers=signed(body))
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
    # a word that the random id of a request in the answer can't hold
    refused = client.post(endpoint["path"], content=b'{"challenge": "a forger"}', headers=signed(b"other"))
    assert (refused.status_code, b"forger" in refused.content) == (401, False)


def test_who_makes_its_own_secret_may_bring_it_once_it_knows_the_address(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch)
    made = made_endpoint(client)
    assert made["secrets"] == []
    body = json.dumps({"items": [ITEM]}).encode()
    early = client.post(made["path"], content=body, headers=signed(body))
    assert early.status_code == 401
    assert "waits for the secret" in early.json()["detail"]
    added = client.post(f"/v1/endpoints/{made['id']}/secrets", json={"value": SECRET})
    assert (added.status_code, added.json()["secrets"]) == (201, [SECRET])
    assert client.post(made["path"], content=body, headers=signed(body)).status_code == 200
    assert client.post(made["path"], content=body, headers=signed(b"other")).status_code == 401


def test_an_unsigned_sender_needs_no_secret_until_it_has_one(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    register(
        monkeypatch,
        secret_needed=False,
        new_secret=new_token,
        verify=lambda call, secrets, _options, _now: check_token(call, secrets),
    )
    made = made_endpoint(client)
    assert made["secrets"] == []
    path, body = made["path"], json.dumps({"items": [ITEM]})
    assert client.post(path, content=body).status_code == 200
    added = client.post(f"/v1/endpoints/{made['id']}/secrets", json={"keep_old_hours": 0}).json()["secrets"]
    assert client.post(path, content=body, headers={"authorization": ""}).status_code == 401
    assert client.post(path, content=body, headers={"X-Journeymap-Token": added[0]}).status_code == 200
    shown = client.get(f"/v1/deliveries/{client.get('/v1/deliveries').json()['data'][0]['id']}").text
    assert added[0] not in shown
    over = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    ended = made_endpoint(client, secrets=[{"value": "t" * 20, "not_after": over}])
    for headers in ({}, {"X-Journeymap-Token": "t" * 20}):
        # its last secret has ended: closed, not open to all
        assert client.post(ended["path"], content=body, headers=headers).status_code == 401


def test_a_defect_in_verifying_lets_nobody_in(client: Any, endpoint: dict[str, Any], database: Database) -> None:
    answer = client.post(endpoint["path"], content=b"{}", headers=signed(b"{}") | {"x-made-defect": "1"})
    assert answer.status_code == 401
    assert stored(database, Delivery) == 0


def test_headers_are_lower_case_joined_and_never_our_own(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    assert joined([("X-A", "1"), ("x-a", "2\x00"), ("Journeymap-Fetched", "x"), ("b", "")]) == {
        "x-a": "1, 2",
        "b": "",
    }
    body = json.dumps({"wanted": [], "items": [ITEM]}).encode()
    headers = [*signed(body).items(), ("X-Many", "a"), ("X-Many", "b"), ("journeymap-fetched", "ticket")]
    assert client.post(endpoint["path"], content=body, headers=headers).status_code == 200
    (kept,) = deliveries(database)
    assert kept.headers["x-many"] == "a, b"
    assert "journeymap-fetched" not in kept.headers


BODY = json.dumps({"items": [ITEM]}).encode()
RAW_DEFLATE = zlib.compressobj(wbits=-15)
PACKED = {
    "gzip": gzip.compress(BODY, mtime=0),
    "x-gzip": gzip.compress(BODY[:5], mtime=0) + gzip.compress(BODY[5:], mtime=0),
    "deflate": zlib.compress(BODY),
    "Deflate ": RAW_DEFLATE.compress(BODY) + RAW_DEFLATE.flush(),
    "identity": BODY,
    "gzip, gzip": gzip.compress(gzip.compress(BODY, mtime=0), mtime=0),
}


@pytest.mark.parametrize("encoding", PACKED)
def test_packed_bodies_are_unpacked(
    client: Any, endpoint: dict[str, Any], database: Database, encoding: str
) -> None:
    packed = PACKED[encoding]
    for number, over in enumerate((packed, BODY)):  # signed as sent, and signed before it was packed
        headers = signed(over) | {"content-encoding": encoding, "x-made-id": f"m{number}"}
        assert client.post(endpoint["path"], content=packed, headers=headers).status_code == 200
    first, second = deliveries(database)
    assert (first.state, second.state, first.body) == ("parsed", "parsed", packed)
    with database.read() as session:
        assert session.execute(select(col(FeedbackItem.text))).scalars().all() == ["It broke."]
    assert client.post(f"/v1/deliveries/{first.id}/replay").json()["state"] == "parsed"
    wrong = signed(b"other") | {"content-encoding": encoding}
    assert client.post(endpoint["path"], content=packed, headers=wrong).status_code == 401


def test_bombs_are_refused_and_broken_ones_kept(client: Any, endpoint: dict[str, Any], database: Database) -> None:
    for encoding, bomb in (
        ("gzip", gzip.compress(b" " * 50_000_000, mtime=0)),
        ("deflate", zlib.compress(b" " * 50_000_000)),
    ):
        for over, status in ((bomb, 413), (b"other", 401)):
            headers = signed(over) | {"content-encoding": encoding}
            assert client.post(endpoint["path"], content=bomb, headers=headers).status_code == status
    assert stored(database, Delivery) == 0
    for encoding, broken in (
        ("gzip", PACKED["gzip"][:-9]),
        ("gzip", b""),
        ("deflate", b"no"),
        ("br", b"x"),
        ("gzip" + ", gzip" * 2, b""),
    ):
        headers = signed(broken) | {"content-encoding": encoding, "x-made-id": f"{encoding} {broken!r}"}
        assert client.post(endpoint["path"], content=broken, headers=headers).status_code == 200
    kept = deliveries(database)
    assert {one.state for one in kept if one.body} == {"unparsed"}
    assert all(one.detail for one in kept)


def test_a_senders_own_limit_holds_for_its_bodies(
    client: Any, endpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"items": [ITEM], "attachment": "x" * (3 * 1024 * 1024)}).encode()
    assert client.post(endpoint["path"], content=body, headers=signed(body)).status_code == 413
    register(monkeypatch, max_body_bytes=4 * 1024 * 1024)
    assert client.post(endpoint["path"], content=body, headers=signed(body)).status_code == 200
    packed = gzip.compress(body)
    headers = signed(packed) | {"content-encoding": "gzip"}
    assert client.post(endpoint["path"], content=packed, headers=headers).status_code == 200
    register(monkeypatch, max_body_bytes=1024)
    assert client.post(endpoint["path"], content=body[:-9] * 1, headers={}).status_code == 413


def test_a_delivery_id_that_can_not_be_read_is_the_bodys_hash(
    client: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, delivery_id=lambda call: json.loads(call.body)["id"])
    path = made_endpoint(client, secrets=[SECRET])["path"]
    for body in (
        b'{"id": "m1", "items": []}',
        b"{}",
        b"no",
        b'{"id": 7}',
        b'{"id": null}',
        b'{"id": "\\ud800"}',
        b'{"id": {}}',
    ):
        assert client.post(path, content=body, headers=signed(body)).status_code == 200, body
    names = [one.external_id for one in deliveries(database)]
    assert names[0] == "m1"
    assert names[3] == "7"
    assert sum(name.startswith("sha256:") for name in names) == 4
