"""Gorgias: an HTTP integration whose body the administrator writes; our template, or a message as the API has it.

Templates print everything as text, "True" and "None" included. A ticket has one satisfaction survey, so its score
is an item of its own beside the messages, by the ticket's number: it is the same however the survey is named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Channel, Erased, Parsed
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.quotes import opening_subject, plain_reply
from service.ingest.senders.signatures import SenderOptions, check_token, new_token
from service.ingest.senders.values import (
    attributes,
    identifier,
    inner,
    moment,
    number,
    said,
    text_of_html,
    titled,
    words,
)

# what a template prints where there is nothing, or where it knows no such place
NOTHING = re.compile(r"None|null|undefined|\{\{.*\}\}", re.DOTALL)
CHANNELS: dict[str, Channel] = {
    "aircall": "call",
    "phone": "call",
    "chat": "chat",
    "sms": "chat",
    "whatsapp": "chat",
    "facebook-messenger": "chat",
    "facebook": "social",
    "facebook-mention": "social",
    "facebook-recommendations": "review",
    "instagram-ad-comment": "social",
    "instagram-comment": "social",
    "instagram-direct-message": "social",
    "instagram-mention": "social",
    "twitter": "social",
    "twitter-direct-message": "social",
    "tiktok-shop": "social",
    "yotpo-review": "review",
}


class Options(SenderOptions):
    """Where this helpdesk is."""

    base_url: str = Field(
        default="", description="Address of your helpdesk, https://<name>.gorgias.com, for links back to tickets."
    )


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """Gorgias signs nothing: the address, and a token sent as a header, are the credential."""
    check_token(call, secrets)


def parse(call: Call, options: Options) -> Parsed:
    """The message a customer wrote, and the score of the ticket's satisfaction survey."""
    body = _cleaned(json_object(call))
    ticket = _object(body.get("ticket"))
    event = str(body.get("event") or "").lower()
    if event in ("ticket-deleted", "ticket-message-deleted", "customer-deleted"):
        return _gone(body, ticket, event)
    if not ticket and isinstance(body.get("messages"), list):
        ticket = body  # a ticket as the API has it
    key = identifier(ticket.get("id"))
    if key is not None and (_truth(ticket.get("spam")) or moment(ticket.get("trashed_datetime"))):
        told = (moment(ticket.get(name)) for name in ("updated_datetime", "trashed_datetime"))
        return Parsed(erased=[Erased("conversation", key, max(filter(None, told), default=None))])
    messages = _messages(body, ticket)
    surveys = (body.get("satisfaction_survey"), body.get("survey"), ticket.get("satisfaction_survey"))
    survey = next(filter(None, map(_object, surveys)), {})
    if not survey and _is_survey(body):
        survey = body
    if not messages and not survey and not ticket and not event:
        raise CannotParse("there is neither a message nor a survey in it: use our template")
    deleted = [one for one in messages if moment(one.get("deleted_datetime"))]
    erased = [Erased("item", key) for one in deleted if (key := identifier(one.get("id")))]
    found = [_message(one, ticket, options) for one in messages if one not in deleted]
    items = [item for item in (*found, _survey(survey, ticket, options)) if item]
    return Parsed(items, erased, ignored="" if items or erased else _why_not(messages))


def _gone(body: dict[str, Any], ticket: dict[str, Any], event: str) -> Parsed:
    if event == "ticket-deleted":
        key = identifier(ticket.get("id")) or identifier(body.get("ticket_id")) or identifier(body.get("id"))
        gone = [Erased("conversation", key)] if key else []
    elif event == "customer-deleted":
        key = identifier(inner(body, "customer", "id")) or identifier(body.get("customer_id") or body.get("id"))
        gone = [Erased("respondent", key)] if key else []
    else:
        key = identifier(inner(body, "message", "id")) or identifier(body.get("id"))
        gone = [Erased("item", key)] if key else []
    if not gone:
        raise CannotParse("it does not say what is gone")
    return Parsed(erased=gone)


def _is_survey(body: dict[str, Any]) -> bool:
    return "score" in body and "from_agent" not in body


def _is_message(body: dict[str, Any]) -> bool:
    return not _is_survey(body) and any(name in body for name in ("from_agent", "body_text", "stripped_text"))


def _messages(body: dict[str, Any], ticket: dict[str, Any]) -> list[dict[str, Any]]:
    """The message that is told of; all of them where the template printed the ticket with its messages.

    The customer's may not be the last: an answer by a rule may stand behind it already.
    """
    if message := _object(body.get("message")):
        return [message]
    printed = ticket.get("messages")
    found = [one for one in printed if isinstance(one, dict)] if isinstance(printed, list) else []
    return [one for one in found if one] or ([body] if _is_message(body) else [])


def _why_not(messages: list[dict[str, Any]]) -> str:
    if not messages:
        return "the ticket changed, nobody wrote"
    if any(_truth(one.get("from_agent")) is None for one in messages):
        return "it does not say who wrote the message"
    return "only public messages that customers write are taken"


def _message(message: dict[str, Any], ticket: dict[str, Any], options: Options) -> dict[str, Any] | None:
    key = identifier(message.get("id"))
    if key is None or _truth(message.get("from_agent")) is not False or _is_internal(message):
        return None
    text = _text(message, ticket)
    if text is None:
        return None
    sent = moment(message.get("sent_datetime"))
    created = moment(message.get("created_datetime"))
    changed = (message.get("updated_datetime"), ticket.get("updated_datetime"), message.get("created_datetime"))
    ticket_id = identifier(ticket.get("id")) or identifier(message.get("ticket_id"))
    channel = str(message.get("channel") or ticket.get("channel") or "").lower()
    customer = _object(message.get("sender")) or _object(ticket.get("customer"))
    return said(
        {
            "external_id": key,
            "text": text,
            "channel": CHANNELS.get(channel, "ticket"),
            "occurred_at": sent or created,
            "updated_at": max((time for one in changed if (time := moment(one))), default=sent),
            "conversation_id": ticket_id,
            "respondent": _respondent(customer, ticket),
            "language": _language(ticket.get("language")),
            "url": _link(options, ticket_id),
            "attributes": _attributes(ticket, customer, channel, identifier(message.get("integration_id"))),
        }
    )


def _is_internal(message: dict[str, Any]) -> bool:
    return _truth(message.get("public")) is False or message.get("channel") == "internal-note"


def _text(message: dict[str, Any], ticket: dict[str, Any]) -> str | None:
    """The customer's words without what a mail quotes; the subject stands in front of what opened the ticket."""
    text = (
        words(message.get("stripped_text"))
        or text_of_html(message.get("stripped_html"))
        or plain_reply(message.get("body_text"))
        or text_of_html(message.get("body_html"))
    )
    subject = opening_subject(message.get("subject"))
    if not subject and _opens(message, ticket):
        subject = opening_subject(ticket.get("subject"))
    return words(titled(subject, text))


def _opens(message: dict[str, Any], ticket: dict[str, Any]) -> bool:
    printed = ticket.get("messages")
    if isinstance(printed, list) and printed:
        return identifier(inner(printed[0], "id")) == identifier(message.get("id"))
    return identifier(ticket.get("messages_count")) == "1"


def _survey(survey: dict[str, Any], ticket: dict[str, Any], options: Options) -> dict[str, Any] | None:
    score = number(survey.get("score"))
    ticket_id = identifier(survey.get("ticket_id")) or identifier(ticket.get("id"))
    own = identifier(survey.get("id"))
    if score is None or not 1 <= score <= 5 or not (ticket_id or own):
        return None
    scored = moment(survey.get("scored_datetime"))
    changed = (survey.get("updated_datetime"), survey.get("scored_datetime"), ticket.get("updated_datetime"))
    customer = _object(survey.get("customer")) or {"id": survey.get("customer_id")}
    if identifier(customer.get("id")) is None:
        customer = _object(ticket.get("customer"))
    channel = str(ticket.get("channel") or "").lower()
    return said(
        {
            "external_id": f"survey:{ticket_id}" if ticket_id else f"survey-id:{own}",
            "text": words(survey.get("body_text")),
            "score": {"kind": "csat", "value": score, "scale_min": 1, "scale_max": 5},
            "channel": CHANNELS.get(channel, "ticket") if channel else None,
            "occurred_at": scored or moment(survey.get("created_datetime")),
            "updated_at": max((time for one in changed if (time := moment(one))), default=None),
            "conversation_id": ticket_id,
            "respondent": _respondent(customer, ticket),
            "url": _link(options, ticket_id),
            "attributes": _attributes(ticket, customer, channel, None),
        }
    )


def _respondent(customer: dict[str, Any], ticket: dict[str, Any]) -> str | None:
    found = (customer.get("id"), ticket.get("customer_id"), customer.get("email"))
    return next((key for one in found if (key := identifier(one))), None)


def _link(options: Options, ticket_id: str | None) -> str | None:
    if not ticket_id or not urlsplit(options.base_url).netloc:
        return None
    return f"{options.base_url.rstrip('/')}/app/ticket/{ticket_id}"


def _attributes(
    ticket: dict[str, Any], customer: dict[str, Any], channel: str, integration: str | None
) -> dict[str, str]:
    tags = ticket.get("tags")
    if isinstance(tags, list):
        tags = [one.get("name") if isinstance(one, dict) else one for one in tags]
    fields = ticket.get("custom_fields")
    own = {
        f"field {name}": one.get("value") if isinstance(one, dict) else one
        for name, one in (fields.items() if isinstance(fields, dict) else ())
    }
    return attributes(
        {
            "channel": channel,
            "status": ticket.get("status"),
            "priority": ticket.get("priority"),
            "tags": tags,
            "team": inner(ticket, "assignee_team", "name"),
            "integration": integration,
            **own,
            **_object(customer.get("meta")),
        }
    )


def _language(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2,3}([-_]\w{2,8})?", value) else None


def _truth(value: Any) -> bool | None:
    """A truth value, also as a template prints it; None where it is neither."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def _cleaned(value: Any) -> Any:
    """The same without what a template prints for nothing."""
    if isinstance(value, dict):
        return {name: _cleaned(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    return None if isinstance(value, str) and NOTHING.fullmatch(value.strip()) else value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


SENDER = Sender(
    name="gorgias",
    title="Gorgias",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=Options,
    new_secret=new_token,
    secret_needed=False,
)
