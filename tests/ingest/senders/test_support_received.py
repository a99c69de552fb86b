"""Support tools through the receiver: what is said is listed, what is deleted is gone and stays gone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from service.ingest.incoming import Call
from tests.ingest.senders.recorded import json_call, recorded

SECRET = "a test secret of at most 40 characters"


def zendesk(body: bytes) -> dict[str, str]:
    at = datetime.now(UTC).isoformat()
    digest = hmac.new(SECRET.encode(), at.encode() + body, hashlib.sha256).digest()
    return {
        "x-zendesk-webhook-signature-timestamp": at,
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
    }


def intercom(body: bytes) -> dict[str, str]:
    return {"x-hub-signature": "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()}


def freshdesk(_body: bytes) -> dict[str, str]:
    return {"x-journeymap-token": SECRET}


def helpscout(body: bytes) -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha1).digest()
    return {"x-helpscout-signature": base64.b64encode(digest).decode()}


ZENDESK_GONE = json_call(
    "zendesk", {"type": "zen:event-type:ticket.soft_deleted", "id": "e9", "detail": {"id": "5158"}, "event": {}}
)
INTERCOM_GONE = json_call(
    "intercom", {"topic": "conversation.deleted", "id": "n9", "data": {"item": {"id": "21300000001"}}}
)
FRESHDESK_GONE = json_call("freshdesk", {"event": "ticket_deleted", "id": 197416})


@pytest.mark.parametrize(
    ("sender", "sign", "names", "said", "gone"),
    [
        (
            "zendesk",
            zendesk,
            ("ticket.created", "ticket.comment_added", "trigger.custom"),
            ("audit on Monday", "Any news?"),
            ZENDESK_GONE,
        ),
        (
            "intercom",
            intercom,
            ("conversation.user.created", "conversation.user.replied", "conversation.admin.closed"),
            ("I lose my draft", "on my tablet"),
            INTERCOM_GONE,
        ),
        (
            "freshdesk",
            freshdesk,
            ("ticket_created.simple", "note_added.advanced"),
            ("Nobody at home", "please refund me"),
            FRESHDESK_GONE,
        ),
        (
            "helpscout",
            helpscout,
            ("convo.created", "satisfaction.ratings"),
            ("Phone: 2 years old", "I still cannot"),
            recorded("helpscout", "convo.deleted").call,
        ),
    ],
    ids=("zendesk", "intercom", "freshdesk", "helpscout"),
)
def test_said_then_gone(
    client: Any,
    sender: str,
    sign: Callable[[bytes], dict[str, str]],
    names: tuple[str, ...],
    said: tuple[str, ...],
    gone: Call,
) -> None:
    made = client.post("/v1/endpoints", json={"sender": sender, "name": sender, "secrets": [SECRET]})
    assert made.status_code == 201, made.text
    path = made.json()["url"].removeprefix("http://localhost:8000")
    calls = [recorded(sender, name).call for name in names]

    def deliver(call: Call, **changed: str) -> int:
        headers = {**call.headers, **sign(call.body), **changed}
        return int(client.post(path, content=call.body, headers={"authorization": "", **headers}).status_code)

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get("/v1/feedback").json()["data"]
        return found

    assert deliver(calls[0], **dict.fromkeys(sign(calls[0].body), "wrong")) == 401
    for call in [*calls, *calls]:
        assert deliver(call) == 200
    items = listed()
    for words in said:
        assert sum(words in (item["text"] or "") for item in items) == 1, words
    assert len(items) == len(said)
    assert len({item["conversation_id"] for item in items}) == 1
    assert deliver(gone) == 200
    assert listed() == []
    for number, call in enumerate(calls):
        # sent again, as a delivery of its own
        payload = json.loads(call.body)
        again = json.dumps({**payload, "id": f"again-{number}"} if sender in ("zendesk", "intercom") else payload)
        assert deliver(Call(call.headers, again.encode())) == 200
    assert listed() == []
