"""Deliveries of senders: verified, stored whole in one transaction, answered; repeated ones counted."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from service.ingest import deliver
from service.ingest.senders import SENDERS
from service.store.engine import Database
from service.store.schema import Delivery, FeedbackItem, Job
from tests.ingest.rows import stored
from tests.running import wait_for

SECRET = "whsec_H88Xnvcy4tZtqj1S4LQMtexwFurze6b/38//YTwT3hs="
DATA = {"id": "fb_1", "rating": 2, "text": "The export never ends."}


def signed(
    payload: Any, *, message_id: str = "msg_1", secret: str = SECRET, sent_at: int | None = None
) -> dict[str, Any]:
    """`content` and `headers` of a delivery as a Standard Webhooks library would send it."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    sent = str(int(time.time()) if sent_at is None else sent_at)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": sent,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
        "content-type": "application/json",
        "authorization": "",
    }
    return {"content": body, "headers": headers}


@pytest.fixture
def endpoint(client: Any) -> dict[str, Any]:
    made = client.post(
        "/v1/endpoints",
        json={"sender": "standard-webhooks", "name": "App", "source": "app", "secrets": [SECRET]},
    ).json()
    return made | {"path": made["url"].removeprefix("http://localhost:8000")}


def deliveries(database: Database) -> list[Delivery]:
    with database.read() as session:
        return list(session.execute(select(Delivery).order_by(Delivery.id)).scalars())


def test_a_delivery_is_stored_with_its_items_and_job(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    call = signed({"type": "feedback.created", "timestamp": "2026-11-20T09:14:03Z", "data": DATA})
    answer = client.post(endpoint["path"], **call)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    (delivery,) = deliveries(database)
    assert (delivery.state, delivery.external_id, delivery.body) == ("parsed", "msg_1", call["content"])
    assert "authorization" not in delivery.headers
    with database.read() as session:
        item = session.execute(select(FeedbackItem)).scalar_one()
    assert (item.source, item.external_id, item.delivery_id, item.state) == ("app", "fb_1", delivery.id, "pending")
    assert (item.score_kind, item.score_value, item.channel) == ("stars", 2, "other")
    assert delivery.results == [{"index": 0, "status": "accepted", "external_id": "fb_1", "id": str(item.id)}]
    assert stored(database, Job) == 1


def test_the_same_delivery_again_is_only_counted(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    bare = {"data": {"text": "No id, no time, no name."}}
    for _ in range(3):
        assert client.post(endpoint["path"], **signed(bare)).status_code == 200
    (delivery,) = deliveries(database)
    assert (delivery.repeats, stored(database), stored(database, Job)) == (2, 1, 1)
    client.post(endpoint["path"], **signed(bare, message_id="msg_2"))
    assert stored(database) == 2


def test_bad_signatures_store_nothing(client: Any, endpoint: dict[str, Any], database: Database) -> None:
    good = signed({"data": DATA})
    for change in (
        {"webhook-signature": "garbage"},
        {"webhook-signature": "v1"},
        {"webhook-signature": ""},
        {"webhook-id": "other"},
        {"webhook-timestamp": "soon"},
    ):
        answer = client.post(endpoint["path"], content=good["content"], headers=good["headers"] | change)
        assert answer.status_code == 401, change
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.post(endpoint["path"], json={"data": DATA}).status_code == 401
    assert (
        client.post(endpoint["path"], **signed({"data": DATA}, sent_at=int(time.time()) - 400)).status_code == 401
    )
    other = base64.b64encode(b"another secret of 24 byte").decode()
    assert client.post(endpoint["path"], **signed({"data": DATA}, secret=other)).status_code == 401
    assert stored(database, Delivery) == stored(database) == 0


def test_addresses_that_are_not_or_no_more(client: Any, endpoint: dict[str, Any], database: Database) -> None:
    call = signed({"data": DATA})
    assert client.head(endpoint["path"]).status_code == 200
    for path in ("/hooks/standard-webhooks/none", f"/hooks/zendesk/{endpoint['id']}", "/hooks/x/y"):
        assert client.post(path, **call).status_code == client.head(path).status_code == 404
    client.delete(f"/v1/endpoints/{endpoint['id']}")
    assert client.post(endpoint["path"], **call).status_code == client.head(endpoint["path"]).status_code == 410
    assert stored(database, Delivery) == 0


def test_another_method_is_taken_where_admins_choose_it(client: Any, endpoint: dict[str, Any]) -> None:
    made = client.post("/v1/endpoints", json={"sender": "zendesk", "name": "Z", "secrets": ["a-secret"]}).json()
    path, words = made["url"].removeprefix("http://localhost:8000"), b'{"ticket_id": 7, "description": "Broken"}'
    for method, body, status in (("GET", b"", 200), ("PUT", words, 200), ("OPTIONS", b"", 405)):
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        mac = hmac.new(b"a-secret", moment.encode() + body, hashlib.sha256).digest()
        headers = {
            "x-zendesk-webhook-signature": base64.b64encode(mac).decode(),
            "x-zendesk-webhook-signature-timestamp": moment,
        }
        assert client.request(method, path, content=body, headers=headers).status_code == status, method
        assert client.request(method, path, content=body).status_code in (401, 405)
    listed = client.get("/v1/deliveries", params={"endpoint_id": made["id"]}).json()["data"]
    assert [one["state"] for one in listed] == ["parsed", "ignored"]
    refused = client.get(endpoint["path"])
    assert (refused.status_code, refused.headers["allow"]) == (405, "HEAD, POST")
    assert client.get("/hooks/zendesk/none").status_code == 404


def test_options_is_consent_for_brokers_and_nothing_for_others(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    asked = {"authorization": "", "webhook-request-origin": "events.example.com", "webhook-request-rate": "9"}
    made = client.post("/v1/endpoints", json={"sender": "cloudevents", "name": "C", "secrets": ["a-token"]}).json()
    path = made["url"].removeprefix("http://localhost:8000")
    for address in (path, f"{path}/", f"{path}?access_token=a-token"):
        answer = client.options(address, headers=asked)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["webhook-allowed-origin"] == "events.example.com"
        assert (answer.headers["webhook-allowed-rate"], answer.headers["allow"]) == ("*", "HEAD, OPTIONS, POST")
    # who does not say where it is from gets no consent
    assert "webhook-allowed-origin" not in client.options(path).headers
    refused = client.options(endpoint["path"], headers=asked)
    assert (refused.status_code, refused.headers["allow"]) == (405, "HEAD, POST")
    assert "webhook-allowed-origin" not in refused.headers
    # consent lets nobody in
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"text": "Slow."}}
    assert client.post(path, json=event, headers=asked).status_code == 401
    assert client.post(f"{path}?access_token=a-token", json=event, headers=asked).status_code == 200
    assert client.options("/hooks/cloudevents/none", headers=asked).status_code == 404
    client.delete(f"/v1/endpoints/{made['id']}")
    assert client.options(path, headers=asked).status_code == 410
    assert stored(database) == stored(database, Delivery) == 1


def test_too_large_a_delivery_is_refused(client: Any, endpoint: dict[str, Any], database: Database) -> None:
    assert client.post(endpoint["path"], **signed(b"x" * (2 * 1024 * 1024 + 1))).status_code == 413
    assert stored(database, Delivery) == 0


UNPARSABLE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"null",
    b'{"data": null}',
    b'{"data": 5}',
    b'{"data": {"id": "x"}}',
    b'{"data": {"text": {"en": "x"}}}',
    b'{"data": {"text": "x", "occurred_at": "the day before"}}',
    b'{"data": {"text": "x", "id": "' + b"9" * 600 + b'"}}',
    b"[" * 50_000,
    b'{"data": {"text": "' + b"x" * 1_000_000 + b'"}}',
]


def test_what_can_not_be_parsed_is_kept_and_answered_200(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    for number, body in enumerate(UNPARSABLE):
        assert client.post(endpoint["path"], **signed(body, message_id=f"m{number}")).status_code == 200
    kept = deliveries(database)
    assert [delivery.body for delivery in kept] == UNPARSABLE
    assert {delivery.state for delivery in kept} == {"unparsed"}
    assert all(delivery.detail for delivery in kept)
    assert stored(database) == stored(database, Job) == 0


def test_a_defect_of_an_adapter_is_kept_too(
    client: Any, endpoint: dict[str, Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(call: Any, options: Any) -> Any:
        return {}["missing"]

    name = "standard-webhooks"
    changed = {name: deliver.SENDERS[name].__class__(**{**_fields(SENDERS[name]), "parse": broken})}
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "SENDERS", changed)
        assert client.post(endpoint["path"], **signed({"data": DATA})).status_code == 200
    (delivery,) = deliveries(database)
    assert delivery.state == "unparsed"
    replayed = client.post(f"/v1/deliveries/{delivery.id}/replay")
    assert (replayed.status_code, replayed.json()["state"]) == (200, "parsed")
    assert stored(database) == 1


def _fields(sender: Any) -> dict[str, Any]:
    return {name: getattr(sender, name) for name in sender.__dataclass_fields__}


def test_a_bad_item_refuses_no_other(client: Any, endpoint: dict[str, Any], database: Database) -> None:
    items = [DATA, {"id": "fb_2"}, 7, {"id": "fb_3", "text": "Good."}]
    assert client.post(endpoint["path"], **signed({"data": {"items": items}})).status_code == 200
    (delivery,) = deliveries(database)
    assert [result["status"] for result in delivery.results] == ["accepted", "rejected", "rejected", "accepted"]
    assert (delivery.state, delivery.detail) == ("unparsed", "2 of 4 items can't be used")
    assert stored(database) == 2


def test_tests_of_the_connection_are_ignored(client: Any, endpoint: dict[str, Any], database: Database) -> None:
    assert client.post(endpoint["path"], **signed({"type": "webhook.test", "data": DATA})).status_code == 200
    assert deliveries(database)[0].state == "ignored"
    assert stored(database) == 0


def test_an_update_that_was_overtaken_changes_nothing(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    for number, (text, sent) in enumerate([("newer", "2026-11-20T10:00:00Z"), ("older", "2026-11-20T09:00:00Z")]):
        payload = {"type": "feedback.created", "timestamp": sent, "data": DATA | {"text": text}}
        client.post(endpoint["path"], **signed(payload, message_id=f"m{number}"))
    with database.read() as session:
        assert session.execute(select(FeedbackItem.text)).scalar_one() == "newer"


def test_nothing_is_stored_where_there_is_no_room(
    client: Any, app: Any, endpoint: dict[str, Any], database: Database
) -> None:
    app.state.settings = app.state.settings.model_copy(update={"min_free_disk_mb": 10**9})
    answer = client.post(endpoint["path"], **signed({"data": DATA}))
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert stored(database, Delivery) == 0


def test_too_long_a_queue_is_answered_429(
    client: Any, app: Any, endpoint: dict[str, Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.ingest.capacity.REMEMBERED_SECONDS", 0.0)
    app.state.settings = app.state.settings.model_copy(update={"max_queue_jobs": 1})
    assert client.post(endpoint["path"], **signed({"data": DATA})).status_code == 200
    assert client.post("/v1/feedback", json={"text": "one more that waits"}).status_code == 202
    answer = client.post(endpoint["path"], **signed({"data": DATA}, message_id="msg_2"))
    # some senders try again only where they are asked to within a minute
    assert (answer.status_code, 0 < int(answer.headers["retry-after"]) < 60) == (429, True)
    assert stored(database, Delivery) == 1


def test_a_failed_commit_is_no_200_where_nothing_is_spooled(
    client: Any, app: Any, endpoint: dict[str, Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError
    from sqlmodel import Session

    def fails(self: Session) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk is full"))

    app.state.settings = app.state.settings.model_copy(update={"spool_max_mb": 0})
    with monkeypatch.context() as patch:
        patch.setattr(Session, "commit", fails)
        answer = client.post(endpoint["path"], **signed({"data": DATA}))
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert stored(database, Delivery) == stored(database) == stored(database, Job) == 0
    again = functools.partial(client.post, endpoint["path"], **signed({"data": DATA}))
    wait_for(lambda: again().status_code == 200, seconds=10, what="a delivery taken again")
    assert stored(database) == 1


def test_nothing_of_an_erased_person_comes_back_raw(
    client: Any, endpoint: dict[str, Any], database: Database
) -> None:
    assert client.delete("/v1/respondents/c-77").status_code == 200
    payload = {"data": {"text": "my words of old", "respondent": "c-77", "external_id": "e1"}}
    answer = client.post(endpoint["path"], **signed(payload))
    assert answer.status_code == 200
    [kept] = deliveries(database)
    assert b"words of old" not in kept.body
    assert "erased" in kept.detail
    assert client.get("/v1/feedback").json()["data"] == []


def test_a_slash_at_the_end_of_the_address_is_no_redirect(client: Any, endpoint: dict[str, Any]) -> None:
    answer = client.post(endpoint["path"] + "/", **signed({"data": DATA}), follow_redirects=False)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert client.head(endpoint["path"] + "/", follow_redirects=False).status_code == 200
    assert client.get(endpoint["path"] + "/", follow_redirects=False).status_code == 405
