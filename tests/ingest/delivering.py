"""Senders under test: signed deliveries over real connections, many at once, what was acknowledged noted."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from service import auth
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import Delivery, Endpoint, FeedbackItem, Job

WORDS = "the words of somebody"
SECRET = "whsec_H88Xnvcy4tZtqj1S4LQMtexwFurze6b/38//YTwT3hs="


def make_endpoint(database: Database, settings: Settings, public_id: str = "AAAAAAAAAAAAAAAAAAAAAA") -> str:
    """A Standard Webhooks endpoint with `SECRET`; its path."""
    vault = auth.Vault(settings)
    with database.write() as session:
        workspace = auth.workspace_named(session, "default", create=True)
        session.add(
            Endpoint(
                workspace_id=workspace.id,
                public_id=public_id,
                sender="standard-webhooks",
                name="App",
                source="app",
                secrets=vault.encrypt(json.dumps([{"value": SECRET, "not_after": None}])),
                options={},
            )
        )
    return f"/hooks/standard-webhooks/{public_id}"


def signed(message_id: str, payload: Any, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a delivery sent now."""
    body = json.dumps(payload).encode()
    sent = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    return body, {
        "webhook-id": message_id,
        "webhook-timestamp": sent,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
        "content-type": "application/json",
    }


def send(http: Any, path: str, name: str, **fields: Any) -> Any:
    """The answer of a test client's app to one item in a delivery."""
    body, headers = signed(name, {"data": {"id": name, "text": f"{WORDS} {name}", **fields}})
    return http.post(path, content=body, headers=headers)


def post(port: int, path: str, message_id: str, payload: Any) -> tuple[int, dict[str, str]]:
    """Status and headers of one delivery on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    try:
        body, headers = signed(message_id, payload)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


@dataclass
class Senders:
    """A bounded number of callers, each sending its next message once the one before is acknowledged."""

    port: int
    path: str
    callers: int = 8
    pause_seconds: float = 0.02
    acknowledged: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Senders:
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(self.callers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(60)

    def _send(self, caller: int) -> None:
        number = 0
        while not self._ending.wait(self.pause_seconds):
            message_id = f"m-{caller}-{number}"
            payload = {"data": {"id": message_id, "text": f"The parcel {message_id} came late."}}
            began = time.monotonic()
            try:
                status = post(self.port, self.path, message_id, payload)[0]
            except OSError:
                status = 0  # the service is gone: again, as senders do
            with self._lock:
                self.statuses[status] += 1
                if status == 200:
                    self.acknowledged.add(message_id)
                    self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
            if status == 200:
                number += 1


def check_exactly_once(database: Database, acknowledged: set[str]) -> None:
    """Every acknowledged delivery, its item and the item's place in the tagging queue are there once."""
    with database.read() as session:
        deliveries = session.execute(select(Delivery.external_id, Delivery.state)).all()
        items = session.execute(select(FeedbackItem.id, FeedbackItem.external_id)).all()
        jobs = session.execute(select(Job.payload).where(Job.kind == "classify")).scalars()  # type: ignore[arg-type]
        to_tag = [item for payload in jobs for item in payload["items"]]
    assert acknowledged <= {row.external_id for row in deliveries}
    assert {row.state for row in deliveries} == {"parsed"}
    for ids in ([row.external_id for row in deliveries], [row.external_id for row in items], to_tag):
        assert len(ids) == len(set(ids))
    assert {row.external_id for row in items} == {row.external_id for row in deliveries}
    assert sorted(to_tag) == sorted(row.id for row in items)


def stored_deliveries(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(Delivery)).scalar_one()
