"""Help Scout: webhooks signed with a secret of our choice (HMAC-SHA1, base64).

What happened stands only in the header `X-HelpScout-Event`; the body's `type` is the conversation's channel.
Both payload versions are understood: threads lie under `_embedded` in the second and beside in the first.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders.answers import SurveyOptions
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.helpscout_items import (
    chat_items,
    conversation_of,
    is_gone,
    rating_items,
    survey_items,
    thread_items,
    told_at,
)
from service.ingest.senders.signatures import check_hmac
from service.ingest.senders.values import identifier

EVENT, SIGNATURE = "x-helpscout-event", "x-helpscout-signature"
MAX_SECRET_CHARS = 40
# events after which the conversation is told as it now is; of one second the later kind counts
CONVERSATION = {
    "convo.created": 0,
    "convo.customer.reply.created": 1,
    "convo.ai-answers.created": 1,
    "convo.status": 2,
    "convo.tags": 2,
    "convo.custom-fields": 2,
    "convo.moved": 2,
}
CHAT = frozenset(("beacon.chat.created", "beacon.chat.customer.replied"))


def verify(call: Call, given: Sequence[str], _options: SurveyOptions, _now: datetime) -> None:
    """BadSignature unless the body was signed with one of the secrets."""
    check_hmac(call.headers.get(SIGNATURE), given, call.body, algorithm="sha1", encoding="base64")


def delivery_id(call: Call) -> str | None:
    """Event and content: a deleted conversation and a deleted customer may have the same body."""
    return f"{call.headers.get(EVENT, '')[:100]}:{hashlib.sha256(call.body).hexdigest()}"


def new_secret() -> str:
    """A secret within Help Scout's limit: 160 random bits."""
    return secrets.token_hex(MAX_SECRET_CHARS // 2)


def check_secret(secret: str) -> None:
    """ValueError where Help Scout would not take it."""
    if not 0 < len(secret) <= MAX_SECRET_CHARS:
        raise ValueError(f"Help Scout takes secrets of 1 to {MAX_SECRET_CHARS} characters")


def parse(call: Call, options: SurveyOptions) -> Parsed:
    """What a customer said, or what is gone since; CannotParse without the header that tells the event."""
    event = call.headers.get(EVENT, "").strip().lower()
    if not event:
        raise CannotParse("the header X-HelpScout-Event, which tells what happened, is missing")
    payload = json_object(call)
    if event == "convo.deleted":
        return Parsed(erased=[Erased("conversation", _gone(payload, "conversation"))])
    if event == "customer.deleted":
        return Parsed(erased=[Erased("respondent", _gone(payload, "customer"))])
    if event not in {*CONVERSATION, *CHAT, "satisfaction.ratings", "message.survey.response.received"}:
        return Parsed(ignored=f"{event[:80]} holds nothing that a customer said")
    if _only_names(payload):
        return Parsed(
            ignored="only the address of what changed; switch off notification mode in Help Scout's webhook"
        )
    if event == "satisfaction.ratings":
        return _found(rating_items(payload), "there is no rating in it")
    if event == "message.survey.response.received":
        return _found(survey_items(payload, options), "a choice or number without a comment or a known scale")
    if event in CHAT:
        return _found(chat_items(payload), "nothing in it is written by a customer")
    if is_gone(payload):
        key = _gone(dict(conversation_of(payload)), "conversation")
        return Parsed(erased=[Erased("conversation", key, told_at(payload, later_by=CONVERSATION[event]))])
    return _found(thread_items(payload, later_by=CONVERSATION[event]), "nothing in it is written by a customer")


def _found(items: list[dict[str, Any]], reason: str) -> Parsed:
    return Parsed(items) if items else Parsed(ignored=reason)


def _gone(payload: dict[str, Any], what: str) -> str:
    found = identifier(payload.get("id") or payload.get(f"{what}Id"))
    if found is None:
        raise CannotParse(f"the event names no {what}")
    return found


def _only_names(payload: dict[str, Any]) -> bool:
    """Whether it is a bare notification: an address or an id, and nothing of what was said."""
    plain = {name for name in payload if not name.startswith("_")}
    return bool(payload) and plain <= {"uri", "url", "href", "id", "webhookId", "event", "eventType"}


SENDER = Sender(
    name="helpscout",
    title="Help Scout",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=SurveyOptions,
    delivery_id=delivery_id,
    new_secret=new_secret,
    check_secret=check_secret,
)
