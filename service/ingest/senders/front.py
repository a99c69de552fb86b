"""Front: application webhooks and rule webhooks, which share a header and not their way of signing.

Both carry an event; the application's stands in an envelope. Event previews name the message without its body:
then Front's API is asked for the event.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Channel, Erased, Parsed, Wanted
from service.ingest.senders.bodies import answer_object, json_object
from service.ingest.senders.contract import Credentials, Fetched, Fetcher, Http, NotThere, Reply, Sender
from service.ingest.senders.quotes import opening_subject, own_words, plain_reply
from service.ingest.senders.signatures import BadSignature, SenderOptions, check_fresh, check_hmac
from service.ingest.senders.values import (
    attributes,
    identifier,
    moment,
    said,
    titled,
)
from service.ingest.senders.written_fields import yes_or_no

SIGNATURE, TIMESTAMP, CHALLENGE = "x-front-signature", "x-front-request-timestamp", "x-front-challenge"
MAX_CHALLENGE_CHARS = 1000
API = "https://api2.frontapp.com"

# application webhooks and rule webhooks name the same events differently
INBOUND = frozenset({"inbound", "inbound_received"})
THROWN_AWAY = ("deleted", "spam", "trashed")
# into the bin and out of it
DELETED = frozenset({"trash", "delete", "conversation_deleted"})
RESTORED = frozenset({"restore", "restored", "undelete", "conversation_restored"})
IGNORED = {
    "sync": "Front's check of the address",
    "outbound": "an agent's reply",
    "outbound_sent": "an agent's reply",
    "out_reply": "an agent's reply",
    "forward": "an agent's message",
    "comment": "an internal comment",
    "mention": "an internal comment",
    "new_comment_added": "an internal comment",
}
CHANNELS: dict[str, Channel] = {
    "email": "ticket",
    "form": "ticket",
    "call": "call",
    "phone-call": "call",
    "voicemail": "call",
    "tweet": "social",
    "tweet_dm": "social",
    "twitter": "social",
    "facebook": "social",
    "instagram": "social",
    "sms": "chat",
    "smooch": "chat",
    "front_chat": "chat",
    "intercom": "chat",
    "whatsapp": "chat",
    "googleplay": "review",
}


class Options(SenderOptions):
    """Front's two kinds of webhook, and where its API is."""

    scheme: Literal["application", "rule"] = Field(
        default="application", description="Which of Front's two ways of sending this address is for."
    )
    api_base_url: str = Field(default=API, pattern="^https?://", description="Where Front's API is.")


class ApiToken(Credentials):
    """An API token of the Front company with the scope to read conversations."""

    api_token: str = Field(min_length=1, max_length=4000)


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """BadSignature unless the call is signed by the scheme of this address; the other scheme is never tried."""
    given = call.headers.get(SIGNATURE)
    if options.scheme == "rule":
        check_hmac(given, secrets, call.body, algorithm="sha1", encoding="base64")
        return
    sent_at = call.headers.get(TIMESTAMP, "")
    if not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) <= 15):
        raise BadSignature(f"The header {TIMESTAMP} (unix milliseconds) is required.")
    check_fresh(int(sent_at) / 1000, now=now, window_seconds=options.replay_window_seconds)
    check_hmac(given, secrets, f"{sent_at}:".encode() + call.body, encoding="base64")


def reply(call: Call, _options: Options) -> Reply | None:
    """Front's check of the address wants its challenge back; None for everything else."""
    challenge = call.headers.get(CHALLENGE)
    if not challenge or len(challenge) > MAX_CHALLENGE_CHARS:
        return None
    try:
        is_sync = json_object(call).get("type") == "sync"
    except CannotParse:
        return None
    return Reply(json.dumps({"challenge": challenge}).encode()) if is_sync else None


def delivery_id(call: Call) -> str | None:
    """The event's id, the same over retries; what was fetched for it is a delivery of its own."""
    if call.fetched:
        return None
    try:
        return identifier(_event(json_object(call)).get("id"))
    except CannotParse:
        return None


def parse(call: Call, options: Options) -> Parsed:
    """The customer's message of an event, or where to ask for it."""
    payload = json_object(call)
    event = _event(payload)
    kinds = [kind for kind in (payload.get("type"), event.get("type")) if isinstance(kind, str)]
    if not kinds:
        raise CannotParse("the body names no event type")
    conversation_id = _conversation_id(event)
    if DELETED.intersection(kinds):
        if conversation_id is None:
            raise CannotParse("a deletion without the conversation's id")
        return Parsed(erased=[Erased("conversation", conversation_id, moment(event.get("emitted_at")))])
    if not (INBOUND | RESTORED).intersection(kinds):
        return Parsed(ignored=next((IGNORED[kind] for kind in kinds if kind in IGNORED), "not a message"))
    message = _message(event)
    if not message and not INBOUND.intersection(kinds):
        return Parsed(ignored="a conversation out of the bin, without its message")
    if _object(event.get("conversation")).get("status") in THROWN_AWAY:
        return Parsed(ignored="a conversation that the team threw away or called spam")
    if yes_or_no(message.get("is_inbound")) is False or message.get("author"):
        return Parsed(ignored="somebody of the team wrote it")
    text = _words(message)
    if text is None:
        has_body = any(isinstance(message.get(name), str) for name in ("body", "text"))
        if has_body or call.fetched:
            return Parsed(ignored="a message without words")
        return Parsed(wanted=[_wanted(event, message, conversation_id)])
    return Parsed([_item(event, message, text, conversation_id)])


def _event(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The event of an application's envelope, or what a rule sends as it is."""
    inner = payload.get("payload")
    return inner if isinstance(inner, dict) else dict(payload)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _message(event: Mapping[str, Any]) -> dict[str, Any]:
    """The message that the event is about; empty where it does not say."""
    target = _object(event.get("target"))
    data = target.get("data")
    if isinstance(data, list):
        data = data[0] if data else None
    if isinstance(data, dict) and _object(target.get("_meta")).get("type", "message") == "message":
        return data
    last = _object(_object(event.get("conversation")).get("last_message"))
    return last if last.get("is_inbound") is True else {}


def _linked_id(resource: Mapping[str, Any], prefix: str) -> str | None:
    """The id at the end of a resource's own address: some events carry ids without their prefix."""
    address = _object(resource.get("_links")).get("self")
    last = address.rstrip("/").rpartition("/")[2] if isinstance(address, str) else ""
    return last if last.startswith(prefix) else None


def _conversation_id(event: Mapping[str, Any]) -> str | None:
    conversation = _object(event.get("conversation"))
    found = _linked_id(conversation, "cnv_") or identifier(conversation.get("id"))
    if found is not None:
        return found
    related = _object(_object(event.get("_links")).get("related")).get("conversation")
    if isinstance(related, str):
        found = _linked_id({"_links": {"self": related}}, "cnv_")
    return found or identifier(event.get("conversation_id"))


def _message_id(message: Mapping[str, Any]) -> str | None:
    return _linked_id(message, "msg_") or identifier(message.get("id"))


def _words(message: Mapping[str, Any]) -> str | None:
    """The message's own words; of a mail those of its HTML, which tells what is quoted from earlier ones."""
    plain, marked_up = message.get("text"), own_words(message.get("body"))
    if message.get("type") in (None, "email"):
        text = marked_up or plain_reply(plain)
    else:
        text = titled(None, plain) or marked_up
    return titled(opening_subject(message.get("subject")), text) if text else None


def _wanted(event: Mapping[str, Any], message: Mapping[str, Any], conversation_id: str | None) -> Wanted:
    ids = said(
        {
            "event": identifier(event.get("id")),
            "message": _message_id(message),
            "conversation": conversation_id,
        }
    )
    if not ids.keys() & {"event", "message"}:
        raise CannotParse("a preview without the id of event or message")
    return Wanted("event", ids)


def _item(
    event: Mapping[str, Any], message: Mapping[str, Any], text: str, conversation_id: str | None
) -> dict[str, Any]:
    message_id = _message_id(message) or identifier(event.get("id"))
    if message_id is None:
        raise CannotParse("a message without an id")
    conversation = _object(event.get("conversation"))
    source = _object(event.get("source"))
    inboxes = source.get("data") if _object(source.get("_meta")).get("type") == "inboxes" else None
    kind = message.get("type") if isinstance(message.get("type"), str) else None
    written_at = moment(message.get("created_at")) or moment(event.get("emitted_at"))
    own = _object(conversation.get("custom_fields"))
    return said(
        {
            "external_id": message_id,
            "conversation_id": conversation_id,
            "text": text,
            "channel": CHANNELS.get(kind or "email"),
            "occurred_at": written_at,
            "updated_at": moment(event.get("emitted_at")) or written_at,
            "respondent": _sender(message, conversation),
            "url": f"https://app.frontapp.com/open/{quote(message_id, safe='')}",
            "attributes": attributes(
                {
                    "status": conversation.get("status"),
                    "tags": _names(conversation.get("tags")),
                    "inbox": _names(inboxes),
                    "type": kind,
                    **own,
                }
            ),
        }
    )


def _names(resources: Any) -> list[str]:
    found = [_object(one).get("name") for one in resources] if isinstance(resources, list) else []
    return [name for name in found if isinstance(name, str)]


def _sender(message: Mapping[str, Any], conversation: Mapping[str, Any]) -> str | None:
    """Front's id of the contact who wrote, else the address they wrote from."""
    recipients = message.get("recipients")
    candidates = [*recipients] if isinstance(recipients, list) else []
    candidates.append(conversation.get("recipient"))
    for one in candidates:
        if not isinstance(one, dict) or one.get("role") != "from":
            continue
        contact = _object(_object(one.get("_links")).get("related")).get("contact")
        linked = _linked_id({"_links": {"self": contact}}, "crd_")
        if linked or identifier(one.get("handle")):
            return linked or identifier(one.get("handle"))
    return None


def fetch(http: Http, credentials: ApiToken, options: Options, wanted: Wanted) -> list[Fetched]:
    """The event with its message, from Front's API; the message alone where the event is gone."""
    event: dict[str, Any] = {}
    message_id = wanted.ids.get("message")
    if "event" in wanted.ids:
        try:
            event = _get(http, credentials, options, "events", wanted.ids["event"])
        except NotThere:
            if message_id is None:
                raise
    message = _message(event)
    if not any(isinstance(message.get(name), str) for name in ("body", "text")):
        message_id = _message_id(message) or message_id
        if message_id is None:
            raise NotThere("the event has no message")
        message = _get(http, credentials, options, "messages", message_id)
        event = {
            "type": "inbound",
            "id": wanted.ids.get("event"),
            "conversation": {"id": wanted.ids.get("conversation")},
            **event,
            "target": {"_meta": {"type": "message"}, "data": message},
        }
    return [Fetched("event", json.dumps(event).encode())]


def _get(http: Http, credentials: ApiToken, options: Options, kind: str, key: str) -> dict[str, Any]:
    address = f"{options.api_base_url.rstrip('/')}/{kind}/{quote(key, safe='')}"
    headers = {"authorization": f"Bearer {credentials.api_token}", "accept": "application/json"}
    return answer_object(http.request("GET", address, headers=headers))


SENDER = Sender(
    name="front",
    title="Front",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    reply=reply,
    fetcher=Fetcher(ApiToken, fetch, requests_per_minute=40),
)
