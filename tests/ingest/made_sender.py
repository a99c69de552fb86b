"""A small sender for tests of the receiver, registered where a test asks for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from service.ingest.incoming import Call, CannotParse, Erased, Parsed, Wanted
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Reply, Sender
from service.ingest.senders.signatures import SenderOptions, check_hmac, encode_base64, hmac_digest

SECRET = "a secret of the tool"


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The header that proves the body."""
    return {"x-made-signature": encode_base64(hmac_digest(secret.encode(), body))}


def _verify(call: Call, secrets: Sequence[str], _options: Any, _now: datetime) -> None:
    if call.headers.get("x-made-defect"):
        raise KeyError("an adapter's own mistake")
    if secrets:
        check_hmac(call.headers.get("x-made-signature"), secrets, call.body, encoding="base64")


def _parse(call: Call, _options: Any) -> Parsed:
    try:
        payload = json.loads(call.body)
    except ValueError as error:
        raise CannotParse("not JSON") from error
    if call.fetched:
        return Parsed(items=payload["items"])
    return Parsed(
        items=payload.get("items", []),
        erased=[Erased(*pair) for pair in payload.get("gone", [])],
        wanted=[Wanted(what, ids) for what, ids in payload.get("wanted", [])],
        ignored=payload.get("ignored", ""),
    )


def _reply(call: Call, _options: Any) -> Reply | None:
    challenge = json.loads(call.body).get("challenge")
    return Reply(f"<ack>{challenge}</ack>".encode(), "text/xml", 201) if challenge else None


MADE = Sender(
    name="made",
    title="Made",
    kind="support",
    default_channel="ticket",
    verify=_verify,
    parse=_parse,
    delivery_id=lambda call: call.headers.get("x-made-id"),
    reply=_reply,
    options=SenderOptions,
)


def register(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Sender:
    """Have the sender known for one test, changed as it needs it."""
    sender = replace(MADE, **changes)
    monkeypatch.setitem(SENDERS, sender.name, sender)
    return sender


def made_endpoint(client: Any, **asked: Any) -> dict[str, Any]:
    """An endpoint of it: the answer, with its `path`."""
    new = {"sender": "made", "name": "Made", "source": "made"} | asked
    answer = client.post("/v1/endpoints", json=new)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made | {"path": made["url"].removeprefix("http://localhost:8000")}
