"""Intercom: notifications of an app's webhook, signed with the app's client secret (HMAC-SHA1).

A notification carries the object it is about (`data.item`): a conversation with its newest part, a ticket, a
contact. Only what a contact wrote is taken. Payloads follow the app's API version; those from before 2.0 name
`conversation_message` and `user` where newer ones say `source` and `contacts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders.answers import SurveyOptions
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.intercom_items import (
    conversation_items,
    erased_parts,
    rating_items,
    survey_items,
    ticket_id,
    ticket_items,
)
from service.ingest.senders.merged_people import merged_with
from service.ingest.senders.signatures import check_hmac
from service.ingest.senders.values import identifier, inner

SIGNATURE = "x-hub-signature"
# tickets' state changes tell the ticket as it is; in one second the later state counts
TICKET_CHANGES = {
    "ticket.created": 0,
    "ticket.attribute.updated": 1,
    "ticket.state.updated": 1,
    "ticket.resolved": 2,
    "ticket.closed": 3,
}
WITHOUT_CUSTOMER = ("admin", "operator", "note", "assigned", "team")


def verify(call: Call, secrets: Sequence[str], _options: SurveyOptions, _now: datetime) -> None:
    """BadSignature unless the body was signed with one of the app's client secrets."""
    check_hmac(call.headers.get(SIGNATURE), secrets, call.body, algorithm="sha1", encoding="hex", prefix="sha1=")


def delivery_id(call: Call) -> str | None:
    """The notification's id, the same over its attempts; a ping has none."""
    try:
        return identifier(json_object(call).get("id"))
    except CannotParse:
        return None


def parse(call: Call, options: SurveyOptions) -> Parsed:
    """What a contact said in the notification, or what is gone since."""
    payload = json_object(call)
    topic = payload.get("topic")
    if not isinstance(topic, str) or not topic.strip():
        raise CannotParse("the notification has no topic")
    topic = topic.strip().lower()
    if topic == "ping":
        return Parsed(ignored="a test of the connection")
    item = inner(payload, "data", "item")
    if not isinstance(item, dict):
        if topic in TOPICS or topic in TICKET_CHANGES:
            raise CannotParse("the notification has no data.item")
        return Parsed(ignored=_nothing_in(topic))
    if topic in TICKET_CHANGES:
        found = ticket_items(item, payload, opening=True, later_by=TICKET_CHANGES[topic])
        return Parsed(found) if found else Parsed(ignored="a ticket without words of a customer")
    if topic.startswith("content_stat.survey"):
        found = survey_items(item, payload, options)
        return Parsed(found) if found else Parsed(ignored="nothing written was answered in the survey")
    if topic not in TOPICS:
        return Parsed(ignored=_nothing_in(topic))
    return TOPICS[topic](item, payload)


def _nothing_in(topic: str) -> str:
    if any(word in topic for word in WITHOUT_CUSTOMER):
        return f"{topic[:80]}: what the team or a bot does"
    return f"{topic[:80]} holds nothing that a customer said"


def _opened(item: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    return _taken(item, conversation_items(item, payload, opening=True))


def _replied(item: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    return _taken(item, conversation_items(item, payload, opening=False))


def _ticket_replied(item: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    return _taken(item, ticket_items(item, payload, opening=False))


def _taken(item: dict[str, Any], items: list[dict[str, Any]]) -> Parsed:
    # a part that was redacted meanwhile comes with a notice in place of its words
    erased = erased_parts(item, all_of_them=False)
    if items or erased:
        return Parsed(items, erased)
    return Parsed(ignored="nothing in it is written by a contact")


def _rated(item: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    found = rating_items(item, payload)
    return Parsed(found) if found else Parsed(ignored="there is no rating in it")


def _redacted(item: dict[str, Any], _payload: dict[str, Any]) -> Parsed:
    erased = erased_parts(item, all_of_them=True)
    if not erased:
        raise CannotParse("the notification does not say which part was redacted")
    return Parsed(erased=erased)


def _conversation_gone(item: dict[str, Any], _payload: dict[str, Any]) -> Parsed:
    found = identifier(item.get("id") or item.get("conversation_id"))
    if found is None:
        raise CannotParse("the notification names no conversation")
    return Parsed(erased=[Erased("conversation", found)])


def _ticket_gone(item: dict[str, Any], _payload: dict[str, Any]) -> Parsed:
    found = ticket_id(item)
    if found is None:
        raise CannotParse("the notification names no ticket")
    return Parsed(erased=[Erased("conversation", found)])


def _contact_gone(item: dict[str, Any], _payload: dict[str, Any]) -> Parsed:
    contact = item.get("contact") if isinstance(item.get("contact"), dict) else item
    keys = [identifier(inner(contact, name)) for name in ("id", "email")]
    erased = [Erased("respondent", key) for key in keys if key]
    if not erased:
        raise CannotParse("the notification names no contact")
    return Parsed(erased=erased)


def _contacts_merged(item: dict[str, Any], _payload: dict[str, Any]) -> Parsed:
    contact = item.get("contact") if isinstance(item.get("contact"), dict) else item
    own = identifier(inner(contact, "id"))
    merged = [] if own is None else merged_with(own, {**item, "contact": None}, inner(item, "merge_history"))
    if not merged:
        raise CannotParse("the notification does not say which contacts were merged")
    return Parsed(merged=merged)


TOPICS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Parsed]] = {
    "conversation.user.created": _opened,
    "conversation.contact.created": _opened,
    "conversation.lead.created": _opened,
    "conversation.user.replied": _replied,
    "conversation.contact.replied": _replied,
    "conversation.lead.replied": _replied,
    "conversation.rating.added": _rated,
    "conversation.rating.updated": _rated,
    "conversation.rating.remarked": _rated,
    "conversation_part.redacted": _redacted,
    "conversation.deleted": _conversation_gone,
    "ticket.contact.replied": _ticket_replied,
    "ticket.rating.provided": _rated,
    "ticket.deleted": _ticket_gone,
    "contact.deleted": _contact_gone,
    "user.deleted": _contact_gone,
    "contact.user.deleted": _contact_gone,
    "contact.lead.deleted": _contact_gone,
    "visitor.deleted": _contact_gone,
    "contact.merged": _contacts_merged,
    "contact.user.merged": _contacts_merged,
    "contact.lead.merged": _contacts_merged,
}

SENDER = Sender(
    name="intercom",
    title="Intercom",
    kind="support",
    default_channel="chat",
    verify=verify,
    parse=parse,
    options=SurveyOptions,
    delivery_id=delivery_id,
)
