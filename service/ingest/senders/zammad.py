"""Zammad: what a trigger sends, as its default payload or by our template: a ticket and its newest article.

There is no event name in it. The article says who wrote; a trigger without an article has nothing of a customer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Channel, Parsed
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.quotes import opening_subject, own_words, plain_reply
from service.ingest.senders.signatures import SenderOptions, check_hmac, new_token
from service.ingest.senders.values import (
    attributes,
    identifier,
    inner,
    moment,
    said,
    text_of_either,
    titled,
    words,
)

SIGNATURE = "x-hub-signature"
CUSTOMER = "customer"
SENDERS_BY_ID = {"1": "agent", "2": CUSTOMER, "3": "system"}  # the same in every Zammad
CHANNELS: tuple[tuple[str, Channel], ...] = (
    ("phone", "call"),
    ("twitter", "social"),
    ("facebook", "social"),
    ("chat", "chat"),
    ("sms", "chat"),
    ("telegram", "chat"),
    ("whatsapp", "chat"),
)
# what Zammad prints where a placeholder has no value, or is none
NOTHING = re.compile(r"-|#\{.*\}", re.DOTALL)
# everything of Zammad's own; what else a ticket carries are the administrator's objects
OWN_FIELDS = frozenset(
    (
        "ai_agent_running",
        "article_count",
        "article_ids",
        "articles",
        "checklist",
        "checklist_id",
        "close_at",
        "close_diff_in_min",
        "close_escalation_at",
        "close_in_min",
        "create_article_sender",
        "create_article_sender_id",
        "create_article_type",
        "create_article_type_id",
        "created_at",
        "created_by",
        "created_by_id",
        "customer",
        "customer_id",
        "escalation_at",
        "first_response_at",
        "first_response_diff_in_min",
        "first_response_escalation_at",
        "first_response_in_min",
        "group",
        "group_id",
        "id",
        "last_close_at",
        "last_contact_agent_at",
        "last_contact_at",
        "last_contact_customer_at",
        "last_owner_update_at",
        "mention_ids",
        "note",
        "number",
        "organization",
        "organization_id",
        "owner",
        "owner_id",
        "pending_time",
        "preferences",
        "priority",
        "priority_id",
        "referencing_checklist_ids",
        "state",
        "state_id",
        "tags",
        "ticket_time_accounting",
        "ticket_time_accounting_ids",
        "time_unit",
        "title",
        "type",
        "update_diff_in_min",
        "update_escalation_at",
        "update_in_min",
        "updated_at",
        "updated_by",
        "updated_by_id",
    )
)


class Options(SenderOptions):
    """Where this Zammad is."""

    base_url: str = Field(default="", description="Address of your Zammad, for links back to tickets.")


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """BadSignature unless signed with one of the secrets; no time is signed."""
    check_hmac(call.headers.get(SIGNATURE), secrets, call.body, algorithm="sha1", encoding="hex", prefix="sha1=")


def parse(call: Call, options: Options) -> Parsed:
    """The article, if a customer wrote it for the agents to read."""
    body = json_object(call)
    ticket, article = body.get("ticket"), body.get("article")
    if not isinstance(ticket, dict):
        raise CannotParse("there is no ticket in it: use the default payload or our template")
    if not isinstance(article, dict) or not any(_given(one) for one in article.values()):
        return Parsed(ignored="the ticket changed, nobody wrote")
    writer = _name(article.get("sender")) or SENDERS_BY_ID.get(identifier(article.get("sender_id")) or "")
    if writer is None:
        return Parsed(ignored="it does not say who wrote the article")
    if writer.lower() != CUSTOMER:
        return Parsed(ignored="only articles that customers write are taken")
    if str(_given(article.get("internal"))).lower() not in ("false", "none", "0"):
        return Parsed(ignored="an internal note")
    if str(inner(article, "preferences", "is-auto-response")).lower() == "true":
        return Parsed(ignored="a machine answered in the customer's name, such as an out-of-office note")
    key = identifier(_given(article.get("id")))
    if key is None:
        raise CannotParse("the article has no id")
    text = _text(ticket, article)
    if text is None:
        return Parsed(ignored="an article without words")
    return Parsed([said({"external_id": key, "text": text, **_context(ticket, article, options)})])


def _text(ticket: dict[str, Any], article: dict[str, Any]) -> str | None:
    """The customer's words; the ticket's title stands in front of the article that opened it."""
    kind, body = str(article.get("content_type") or "").lower(), _given(article.get("body"))
    text = own_words(body) if "html" in kind else plain_reply(body if kind else text_of_either(body))
    return words(titled(_given(ticket.get("title")), text) if _opens(ticket, article) else text)


def _opens(ticket: dict[str, Any], article: dict[str, Any]) -> bool:
    all_ids, own = ticket.get("article_ids"), identifier(article.get("id"))
    if isinstance(all_ids, list) and all_ids:
        return identifier(all_ids[0]) == own
    if identifier(ticket.get("article_count")) is not None:
        return identifier(ticket.get("article_count")) == "1"
    # a template without both: replies repeat the subject behind "Re:", or come without one
    return opening_subject(_given(article.get("subject"))) is not None and not _given(article.get("in_reply_to"))


def _context(ticket: dict[str, Any], article: dict[str, Any], options: Options) -> dict[str, Any]:
    ticket_id = identifier(_given(ticket.get("id"))) or identifier(_given(article.get("ticket_id")))
    times = [moment(_given(one.get("updated_at"))) for one in (ticket, article)]
    created = moment(_given(article.get("created_at")))
    kind = _name(article.get("type")) or ""
    return {
        "occurred_at": created,
        "updated_at": max((one for one in times if one), default=created),
        "conversation_id": ticket_id,
        "respondent": _customer(ticket, article),
        "channel": next((channel for word, channel in CHANNELS if word in kind.lower()), "ticket"),
        "url": f"{options.base_url.rstrip('/')}/#ticket/zoom/{ticket_id}"
        if options.base_url and ticket_id
        else None,
        "attributes": _attributes(ticket, kind),
    }


def _customer(ticket: dict[str, Any], article: dict[str, Any]) -> str | None:
    """The ticket's customer. Who wrote the article may be an agent who typed a call in for the customer."""
    found = (
        inner(ticket, "customer", "id"),
        ticket.get("customer_id"),
        inner(ticket, "customer", "email"),
        article.get("created_by_id"),
    )
    return next((key for one in found if (key := identifier(_given(one)))), None)


def _attributes(ticket: dict[str, Any], kind: str) -> dict[str, str]:
    tags = _given(ticket.get("tags"))
    objects = {name: value for name, value in ticket.items() if name not in OWN_FIELDS}
    return attributes(
        {
            "group": _name(ticket.get("group")),
            "priority": _name(ticket.get("priority")),
            "status": _name(ticket.get("state")),
            "type": _name(ticket.get("type")),
            "article_type": kind,
            "organization": _name(ticket.get("organization")),
            "customer_organization": _name(inner(ticket, "customer", "organization")),
            "tags": tags,
            **{name: _object_value(value) for name, value in objects.items()},
        }
    )


def _object_value(value: Any) -> Any:
    """A custom object's value; those from other systems come as a value with its label."""
    if isinstance(value, list):
        return [_object_value(one) for one in value]
    if isinstance(value, dict):
        return next((value[name] for name in ("label", "name", "value") if name in value), None)
    return _given(value)


def _name(value: Any) -> str | None:
    """What something is called; Zammad sends the name, or an object with it."""
    if isinstance(value, dict):
        value = value.get("name")
    return words(_given(value))


def _given(value: Any) -> Any:
    """The value, or None where Zammad printed that there is none."""
    return None if isinstance(value, str) and (not value.strip() or NOTHING.fullmatch(value.strip())) else value


SENDER = Sender(
    name="zammad",
    title="Zammad",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=Options,
    new_secret=new_token,
    max_body_bytes=8 * 1024 * 1024,  # articles come whole, with what is quoted in them
)
