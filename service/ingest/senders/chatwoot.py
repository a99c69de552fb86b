"""Chatwoot: conversation and message webhooks, signed in newer versions, and the API for what got lost.

A webhook is sent once and never again, so the poller in `chatwoot_api` reads the same conversations afterwards.
The newest message of a conversation comes by several events with one time of change, and each tells of it in its
own way: they stand microseconds after one another, so that what wins does not depend on which came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders.bodies import json_object, json_value
from service.ingest.senders.chatwoot_api import CONVERSATION, CSAT, POLLER, Options
from service.ingest.senders.contract import Sender
from service.ingest.senders.questions import asks_contact, has_words, is_e_mail, is_phone
from service.ingest.senders.quotes import opening_subject, own_words, plain_reply
from service.ingest.senders.signatures import check_fresh, check_hmac, unix_time
from service.ingest.senders.values import (
    attributes,
    identifier,
    inner,
    moment,
    moment_after,
    number,
    said,
    text_of_either,
    titled,
    words,
)

SIGNATURE, TIMESTAMP = "x-chatwoot-signature", "x-chatwoot-timestamp"
INCOMING = ("incoming", 0, "0")
CSAT_CONTENT = "input_csat"
FORM_CONTENT = "form"  # a bot asks, the customer fills in
WRITTEN = frozenset(("text", "text_area"))  # fields of a form that are not chosen
# a rule's or macro's own webhook action, which tells the conversation like its other events
BY_RULE = "macro.executed"
AUTOMATION = "automation_event."
# of equal times of change, the event further down holds
RANKS = {
    BY_RULE: 1,
    "conversation_created": 1,
    "conversation_opened": 2,
    "conversation_updated": 3,
    "conversation_status_changed": 4,
    "conversation_resolved": 5,
    "message_created": 6,
    "message_updated": 7,
    CONVERSATION: 8,  # asked for afterwards, with all of it
}
ERASING: dict[str, Literal["item", "conversation", "respondent"]] = {
    "conversation_deleted": "conversation",
    "contact_deleted": "respondent",
    "message_deleted": "item",
}
CHANNELS = {
    "email": "ticket",
    "facebookpage": "social",
    "instagram": "social",
    "twitterprofile": "social",
    "tiktok": "social",
    "voice": "call",
}
MESSAGES_OF_CUSTOMERS = "only messages that customers write and their satisfaction answers are taken"


def verify(call: Call, secrets: Sequence[str], options: Options, now: datetime) -> None:
    """BadSignature unless signed with one of the secrets; without any, the address alone is the credential."""
    if not secrets:
        return  # versions before the signing ones
    signed_at = call.headers.get(TIMESTAMP, "")
    check_fresh(unix_time(signed_at), now=now, window_seconds=options.replay_window_seconds)
    check_hmac(
        call.headers.get(SIGNATURE),
        secrets,
        signed_at.encode() + b"." + call.body,
        encoding="hex",
        prefix="sha256=",
    )


def parse(call: Call, options: Options) -> Parsed:
    """The customer's messages and satisfaction answers of an event, or of an answer of the API."""
    if call.fetched == CSAT:
        return _answers(json_value(call), options)
    body = json_object(call)
    if call.fetched == CONVERSATION:
        messages = [{"inbox": body.get("inbox"), **one} for one in _objects(body.get("messages"))]
        return _gathered(messages, _object(body.get("conversation")), CONVERSATION, options)
    event = body.get("event")
    if not isinstance(event, str):
        raise CannotParse("there is no event name in it")
    if event.startswith(AUTOMATION):
        event = BY_RULE  # whatever set off the rule, the body is the conversation's
    if event in ERASING:
        key = identifier(body.get("id"))
        if key is None:
            raise CannotParse("it does not say what is gone")
        return Parsed(erased=[Erased(ERASING[event], key)])
    if event in ("message_created", "message_updated"):
        return _gathered([body], _object(body.get("conversation")), event, options)
    if event in RANKS:
        return _gathered(_objects(body.get("messages")), body, event, options)
    return Parsed(ignored=MESSAGES_OF_CUSTOMERS)


def _gathered(
    messages: list[dict[str, Any]], conversation: dict[str, Any], event: str, options: Options
) -> Parsed:
    items: list[Any] = []
    erased: list[Erased] = []
    for message in messages:
        key = identifier(message.get("id"))
        content = _object(message.get("content_attributes"))
        survey = message.get("content_type") == CSAT_CONTENT
        if key is not None and message.get("content_type") == FORM_CONTENT:
            context = _context(message, conversation, event, options)
            items += [said({"external_id": f"{key}:{name}", **context, **told}) for name, told in _form(content)]
            continue
        if key is None or not (survey or _by_customer(message)):
            continue
        if content.get("deleted") is True:
            erased.append(Erased("item", key))
        elif told := _answer(content) if survey else _words(message, content):
            context = _context(message, conversation, event, options)
            items.append(said({"external_id": key, **context, **told}))
    return Parsed(items, erased, ignored="" if items or erased else MESSAGES_OF_CUSTOMERS)


def _by_customer(message: dict[str, Any]) -> bool:
    """Whether a customer wrote it: not an agent, a bot or Chatwoot itself, and no note among agents."""
    kind = message.get("message_type")
    if isinstance(kind, bool) or kind not in INCOMING or message.get("private") not in (False, None):
        return False
    return str(message.get("sender_type") or inner(message, "sender", "type") or "contact").lower() == "contact"


def _words(message: dict[str, Any], content: dict[str, Any]) -> dict[str, Any] | None:
    """The text of a message, and what was spoken where Chatwoot wrote it down; None for a picture alone."""
    mail = _object(content.get("email"))
    text = inner(mail, "text_content", "reply")
    marked_up = inner(mail, "html_content", "reply") or inner(mail, "html_content", "full")
    text = words(text) or own_words(marked_up) or text_of_either(message.get("content"))
    if mail:
        subject = None if mail.get("in_reply_to") else opening_subject(mail.get("subject"))
        text = titled(subject, plain_reply(text))
    spoken = (words(one.get("transcribed_text")) for one in _objects(message.get("attachments")))
    text = "\n\n".join(filter(None, (text, *spoken)))
    return {"text": text} if text else None


def _form(content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What the customer wrote into a form, by the field's name; nothing of who they are."""
    asked = {name: one for one in _objects(content.get("items")) if (name := identifier(one.get("name")))}
    found: dict[str, dict[str, Any]] = {}
    for one in _objects(content.get("submitted_values")):
        name, text = identifier(one.get("name")), words(one.get("value"))
        field = asked.get(name or "", {})
        question = words(field.get("label")) or words(field.get("placeholder"))
        if name is None or text is None or field.get("type") not in WRITTEN or not has_words(text):
            continue
        if not (is_e_mail(text) or is_phone(text) or asks_contact(question or name)):
            found[name] = {"text": text, "question": question}
    return list(found.items())


def _answer(content: dict[str, Any]) -> dict[str, Any] | None:
    """What was answered to a satisfaction survey; None while it only asks."""
    return _rated(_object(inner(content, "submitted_values", "csat_survey_response")))


def _rated(answer: dict[str, Any]) -> dict[str, Any] | None:
    rating = number(answer.get("rating"))
    told = said(
        {
            "score": {"kind": "csat", "value": rating, "scale_min": 1, "scale_max": 5}
            if rating is not None and 1 <= rating <= 5
            else None,
            "text": words(answer.get("feedback_message")),
        }
    )
    return told or None


def _context(
    message: dict[str, Any], conversation: dict[str, Any], event: str, options: Options
) -> dict[str, Any]:
    """Everything about a message that is not its words."""
    conversation_id = identifier(conversation.get("id")) or identifier(message.get("conversation_id"))
    changed = (
        moment(conversation.get("updated_at"))
        or moment(conversation.get("last_activity_at"))
        or moment(conversation.get("timestamp"))
        or moment(message.get("updated_at"))
        or moment(message.get("created_at"))
    )
    contact = _contact(message, conversation)
    channel = str(
        conversation.get("channel")
        or inner(message, "inbox", "channel_type")
        or inner(conversation, "meta", "channel")
        or ""
    ).rpartition("::")[2]
    account = identifier(inner(message, "account", "id")) or identifier(message.get("account_id"))
    return {
        "occurred_at": moment(message.get("created_at")),
        "updated_at": moment_after(changed, RANKS[event]),
        "conversation_id": conversation_id,
        "respondent": _respondent(contact),
        "channel": CHANNELS.get(channel.lower(), "chat") if channel else None,
        "url": _link(options, account, conversation_id),
        "attributes": _attributes(message, conversation, contact, channel),
    }


def _contact(message: dict[str, Any], conversation: dict[str, Any]) -> dict[str, Any]:
    """The customer. The author of a survey or form is not: the conversation's contact is."""
    known = _object(inner(conversation, "meta", "sender"))
    if not known and message.get("content_type") not in (CSAT_CONTENT, FORM_CONTENT):
        known = _object(message.get("sender"))
    if str(known.get("type") or "contact").lower() != "contact":
        known = {}
    if identifier(known.get("id")) is None:
        return {**known, "id": inner(conversation, "contact_inbox", "contact_id")}
    return known


def _respondent(contact: dict[str, Any]) -> str | None:
    keys = (identifier(contact.get(name)) for name in ("id", "identifier", "email"))
    return next((key for key in keys if key), None)


def _link(options: Options, account: str | None, conversation_id: str | None) -> str | None:
    # an address of Chatwoot's cloud would lead nowhere for who runs it alone: both options belong together
    if not options.account_id or not conversation_id:
        return None
    account = account or options.account_id
    return f"{options.base_url.rstrip('/')}/app/accounts/{account}/conversations/{conversation_id}"


def _attributes(
    message: dict[str, Any], conversation: dict[str, Any], contact: dict[str, Any], channel: str
) -> dict[str, str]:
    about, own = _object(contact.get("additional_attributes")), _object(conversation.get("custom_attributes"))
    return attributes(
        {
            "inbox": inner(message, "inbox", "name"),
            "channel": channel,
            "status": conversation.get("status"),
            "priority": conversation.get("priority"),
            "labels": conversation.get("labels"),
            "team": inner(conversation, "meta", "team", "name"),
            "country": about.get("country") or about.get("country_code"),
            "company": about.get("company_name"),
            "browser_language": inner(conversation, "additional_attributes", "browser_language"),
            **_object(contact.get("custom_attributes")),
            **own,
        }
    )


def _answers(rows: Any, options: Options) -> Parsed:
    """Satisfaction answers as the API lists them; the message that asked is the item, as in the webhook."""
    items = []
    for row in _objects(rows):
        key = identifier(row.get("message_id"))
        own = identifier(row.get("id"))
        told = _rated(row)
        if told is None or not (key or own):
            continue
        contact = _object(row.get("contact"))
        conversation_id = identifier(row.get("conversation_id"))
        item = {
            "external_id": key or f"csat:{own}",
            "occurred_at": moment(row.get("created_at")),
            "updated_at": moment(row.get("updated_at")) or moment(row.get("created_at")),
            "conversation_id": conversation_id,
            "respondent": _respondent(contact),
            "url": _link(options, identifier(row.get("account_id")), conversation_id),
        }
        items.append(said({**item, **told}))
    return Parsed(items, ignored="" if items else "there is no satisfaction answer on this page")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


SENDER = Sender(
    name="chatwoot",
    title="Chatwoot",
    kind="support",
    default_channel="chat",
    verify=verify,
    parse=parse,
    options=Options,
    secret_needed=False,
    poller=POLLER,
)
