"""HubSpot: batches of thin events about tickets, conversations, survey responses and contacts.

An event names what happened. The words come from HubSpot's API (`hubspot_api`), except those of a changed
property, which the event carries itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from service.ingest.incoming import Call, CannotParse, Erased, Merged, Parsed, Wanted
from service.ingest.senders.bodies import json_value
from service.ingest.senders.contract import Fetcher, Sender
from service.ingest.senders.hubspot_api import (
    FEEDBACK,
    MESSAGE,
    TICKET,
    AccessToken,
    Options,
    fetch,
    fetched_items,
)
from service.ingest.senders.signatures import (
    BadSignature,
    check_fresh,
    encode_base64,
    hmac_digest,
    same,
)
from service.ingest.senders.values import identifier, moment, moment_after, said, text_of_either, titled

SIGNATURE_V3, TIMESTAMP, SIGNATURE = "x-hubspot-signature-v3", "x-hubspot-request-timestamp", "x-hubspot-signature"
# what HubSpot decodes in the address before it signs it, as far as is known
SIGNED_DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)

# generic subscriptions ("object.creation") name the kind of object by a number
OBJECT_TYPES = {"0-1": "contact", "0-5": "ticket", "0-19": "feedback_submission", "0-11": "conversation"}
KINDS = {"ticket": TICKET, "feedback_submission": FEEDBACK}
READS = {"creation", "propertychange", "merge", "restore", "associationchange"}
TEXTS = {"ticket": ("content", "subject"), "feedback_submission": ("hs_content",)}
# A ticket's text is subject and content, and events tell of one of them. What tells of more of it counts as the
# newer of equal times; a subject alone counts as older than every ticket, so that it never replaces the content.
BOTH_AFTER, SUBJECT_BEFORE = 250, -int(timedelta(days=10_000) / timedelta(microseconds=1))

Key = tuple[str, str]  # kind of object, its id


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """BadSignature unless the call is signed by the version that this address is for."""
    if options.scheme == "v3":
        _verify_v3(call, secrets, options, now)
        return
    given = call.headers.get(SIGNATURE, "").strip().lower()
    signed = [b""] if options.scheme == "v1" else [f"{call.method}{url}".encode() for url in _signed_urls(call)]
    for secret in secrets:
        for head in signed:
            # not a MAC, but what HubSpot's first two versions are
            expected = hashlib.sha256(secret.encode() + head + call.body).hexdigest()
            if given and same(given, expected):
                return
    raise BadSignature("No signature fits a secret of this endpoint." if given else "The signature is missing.")


def _verify_v3(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    sent_at, given = call.headers.get(TIMESTAMP, ""), call.headers.get(SIGNATURE_V3, "").strip()
    if not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) <= 15):
        raise BadSignature(f"The header {TIMESTAMP} (unix milliseconds) is required.")
    check_fresh(int(sent_at) / 1000, now=now, window_seconds=options.replay_window_seconds)
    for url in _signed_urls(call):
        signed = f"{call.method}{url}".encode() + call.body + sent_at.encode()
        if given and any(same(given, encode_base64(hmac_digest(one.encode(), signed))) for one in secrets):
            return
    raise BadSignature("No signature fits a secret of this endpoint." if given else "The signature is missing.")


def _signed_urls(call: Call) -> list[str]:
    """The public address as it was called, and as HubSpot may have decoded it before signing."""
    decoded = SIGNED_DECODED.sub(lambda found: chr(int(found[1], 16)), call.url)
    return [call.url] if decoded == call.url else [call.url, decoded]


def delivery_id(call: Call) -> str | None:
    """The same over retries, which differ in the attempt's number; None where an event has no id."""
    if call.fetched:
        return None
    try:
        events = _events(call)
    except CannotParse:
        return None
    names = (
        "eventId",
        "subscriptionId",
        "objectId",
        "occurredAt",
        "subscriptionType",
        "propertyName",
        "messageId",
    )
    if any(identifier(event.get("eventId")) is None for event in events):
        return None
    marks = [[identifier(event.get(name)) for name in names] for event in events]
    return "events:" + hashlib.sha256(repr(marks).encode()).hexdigest() if marks else None


def parse(call: Call, options: Options) -> Parsed:
    """Words that the events carry, what has to be fetched for the others, and what is to be erased."""
    if call.fetched:
        return fetched_items(call, options)
    events = _events(call)
    erased: list[Erased] = []
    merged: list[Merged] = []
    wanted: dict[tuple[str, str, str], Wanted] = {}
    told_at: dict[tuple[str, str], str] = {}  # when something else than the end of it was told last
    changes: dict[Key, dict[str, tuple[str, str]]] = {}
    created: dict[Key, str | None] = {}
    reasons: list[str] = []
    for event in events:
        kind, action = _kind_and_action(event)
        object_id = identifier(event.get("objectId"))
        at = moment(event.get("occurredAt")) or ""
        if kind == "contact" and action == "merge":
            merged += _merged_contacts(event)
            reasons.append("a merge that does not say which contacts")
            continue
        if kind in KINDS and action == "merge":
            object_id = _survivor(event)
            if object_id is None:
                reasons.append("records merged into a new one: what was said in them is here already")
                continue
        if object_id is None:
            reasons.append("an event without an object")
        elif (gone := _erased(kind, action, object_id, at)) is not None:
            erased.append(gone)
        elif kind == "conversation":
            _conversation_event(event, action, object_id, wanted, reasons)
            told_at["conversation", object_id] = max(at, told_at.get(("conversation", object_id), ""))
        elif kind in KINDS and action in READS:
            wanted[KINDS[kind], object_id, ""] = Wanted(KINDS[kind], {"id": object_id})
            key = f"{KINDS[kind]}:{object_id}"
            told_at["item", key] = max(at, told_at.get(("item", key), ""))
            if action == "creation":
                created[kind, object_id] = moment(event.get("occurredAt"))
            _note_change(event, kind, action, changes.setdefault((kind, object_id), {}))
        else:
            reasons.append("nothing that a customer said")
    # what was told after the deletion may have been restored: HubSpot's API says so, or has nothing of it
    ended = [one for one in erased if not one.up_to or told_at.get((one.kind, one.key), "") <= one.up_to]
    gone_items = {one.key for one in ended if one.kind == "item"}
    gone_threads = {one.key for one in ended if one.kind == "conversation"}
    items = [_item(key, found, created.get(key)) for key, found in changes.items() if found]
    items = [item for item in items if item.get("text") and item["external_id"] not in gone_items]
    left = [
        one
        for one in wanted.values()
        if f"{one.what}:{one.ids['id']}" not in gone_items and one.ids.get("thread") not in gone_threads
    ]
    if items or erased or left or merged:
        return Parsed(items, erased, left, merged=merged)
    return Parsed(ignored="; ".join(dict.fromkeys(reasons)) or "an empty batch")


def _events(call: Call) -> list[dict[str, Any]]:
    """The events of a batch; what is no event is left out, a batch of nothing else can't be parsed."""
    payload = json_value(call)
    if isinstance(payload, dict) and "subscriptionType" in payload:
        payload = [payload]
    if not isinstance(payload, list):
        raise CannotParse("the body is not a list of events")
    events = [one for one in payload if isinstance(one, dict) and isinstance(one.get("subscriptionType"), str)]
    if payload and not events:
        raise CannotParse("no entry of the body is an event")
    return events


def _kind_and_action(event: Mapping[str, Any]) -> tuple[str, str]:
    """("ticket", "propertychange"), whether the subscription is the ticket's own or a generic one."""
    kind, _, action = str(event["subscriptionType"]).partition(".")
    if kind == "object":
        kind = OBJECT_TYPES.get(identifier(event.get("objectTypeId")) or "", "")
    return kind.lower(), action.lower()


def _erased(kind: str, action: str, object_id: str, at: str) -> Erased | None:
    if action not in ("deletion", "privacydeletion"):
        return None
    # HubSpot restores what was deleted otherwise than for privacy; people stay away in any case
    up_to = at or None if action == "deletion" else None
    if kind == "contact":
        return Erased("respondent", object_id)
    if kind == "conversation":
        return Erased("conversation", object_id, up_to)
    # not as a conversation: a thread may have the same number as the ticket
    return Erased("item", f"{KINDS[kind]}:{object_id}", up_to) if kind in KINDS else None


def _merged_contacts(event: Mapping[str, Any]) -> list[Merged]:
    """The contacts that went on in another one, or in a new one that HubSpot made of all."""
    primary = identifier(event.get("primaryObjectId")) or identifier(event.get("objectId"))
    survivor = identifier(event.get("newObjectId")) or primary
    others = event.get("mergedObjectIds")
    gone = [primary, *map(identifier, others if isinstance(others, list) else [others])]
    return [Merged(one, survivor) for one in gone if one and survivor and one != survivor]


def _survivor(event: Mapping[str, Any]) -> str | None:
    """The record that goes on after a merge; None where HubSpot made a new one from the old ones' words."""
    primary = identifier(event.get("primaryObjectId")) or identifier(event.get("objectId"))
    made = identifier(event.get("newObjectId"))
    return primary if made in (None, primary) else None


def _conversation_event(
    event: Mapping[str, Any],
    action: str,
    thread_id: str,
    wanted: dict[tuple[str, str, str], Wanted],
    reasons: list[str],
) -> None:
    message_id = identifier(event.get("messageId"))
    if action != "newmessage" or message_id is None:
        reasons.append("a change of a conversation without a message")
    elif event.get("messageType") == "COMMENT":
        reasons.append("an internal comment")
    else:
        wanted[MESSAGE, thread_id, message_id] = Wanted(MESSAGE, {"id": message_id, "thread": thread_id})


def _note_change(event: Mapping[str, Any], kind: str, action: str, found: dict[str, tuple[str, str]]) -> None:
    """Keep the newest words of each text property; without a time nothing could be kept in order."""
    name, value, at = event.get("propertyName"), event.get("propertyValue"), moment(event.get("occurredAt"))
    if action != "propertychange" or name not in TEXTS[kind] or at is None:
        return
    if isinstance(value, str) and value.strip() and at >= found.get(str(name), ("", ""))[0]:
        found[str(name)] = (at, value)


def _item(key: Key, found: Mapping[str, tuple[str, str]], created_at: str | None) -> dict[str, Any]:
    kind, object_id = key
    if kind == "feedback_submission":
        at, text = found["hs_content"]
        text = text_of_either(text) or ""
        own = {"channel": "survey", "response_id": object_id}
    else:
        own = {"conversation_id": object_id}
        (subject_at, subject), (content_at, content) = (found.get(one, ("", "")) for one in ("subject", "content"))
        text = titled(subject, text_of_either(content)) or ""
        if content:
            at = moment_after(content_at, BOTH_AFTER) or "" if subject else content_at
        else:
            at = moment_after(subject_at, SUBJECT_BEFORE) or ""
    return said(
        {
            "external_id": f"{KINDS[kind]}:{object_id}",
            "text": text,
            "occurred_at": created_at,
            "updated_at": at or None,
            **own,
        }
    )


SENDER = Sender(
    name="hubspot",
    title="HubSpot",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    fetcher=Fetcher(AccessToken, fetch, requests_per_minute=300),
)
