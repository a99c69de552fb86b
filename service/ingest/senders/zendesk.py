"""Zendesk: event subscriptions (fixed JSON) and triggers or automations (a body that the administrator writes).

Both are signed alike: HMAC-SHA256 over the time in the header and the body, nothing between them. Which of the two
a call is shows in its body: an event names its type, `zen:event-type:…`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.signatures import BadSignature, SenderOptions, check_fresh, check_hmac
from service.ingest.senders.values import identifier, moment
from service.ingest.senders.written_fields import written_body
from service.ingest.senders.zendesk_events import EVENT_PREFIX, parse_event
from service.ingest.senders.zendesk_trigger import parse_trigger

SIGNATURE, TIMESTAMP = "x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"


class ZendeskOptions(SenderOptions):
    """Zendesk's own options."""

    only_customers_trigger: bool = Field(
        default=False,
        description="The triggers fire only when an end user writes, so a comment without its author is theirs.",
    )


def verify(call: Call, secrets: Sequence[str], options: ZendeskOptions, now: datetime) -> None:
    """BadSignature unless time and body were signed with one of the secrets, within the replay window."""
    signed_at = call.headers.get(TIMESTAMP, "")
    check_hmac(
        call.headers.get(SIGNATURE),
        secrets,
        signed_at.encode("utf-8", "replace") + call.body,
        encoding="base64",
    )
    moment_signed = moment(signed_at)
    if moment_signed is None:
        raise BadSignature(f"The header {TIMESTAMP} is not a time.")
    check_fresh(
        datetime.fromisoformat(moment_signed).timestamp(), now=now, window_seconds=options.replay_window_seconds
    )


def delivery_id(call: Call) -> str | None:
    """An event's own id. Triggers have only the invocation's, which is not signed: the body stands for them."""
    try:
        payload = json_object(call)
    except CannotParse:
        return None
    return identifier(payload.get("id")) if _is_event(payload) else None


def _is_event(payload: dict[str, Any]) -> bool:
    kind = payload.get("type")
    return isinstance(kind, str) and kind.startswith(EVENT_PREFIX)


def parse(call: Call, options: ZendeskOptions) -> Parsed:
    """The customer's messages and ratings of an event or of a trigger's body."""
    if not call.body.strip():
        return Parsed(ignored="a call without content; let the webhook POST a JSON body")
    payload = written_body(call)
    if isinstance(payload, dict) and _is_event(payload):
        return parse_event(payload)
    return parse_trigger(payload, only_customers=options.only_customers_trigger)


SENDER = Sender(
    name="zendesk",
    title="Zendesk",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=ZendeskOptions,
    delivery_id=delivery_id,
    # admins choose the method of a trigger's webhook; by GET and DELETE nothing comes but the call itself
    methods=frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"}),
)
