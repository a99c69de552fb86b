"""Bodies that an administrator wrote in the tool's rule editor: any names, any nesting, JSON, form or XML.

Nesting becomes one level of snake_case names ("ticket": {"requesterEmail": …} is `ticket_requester_email`), so
that a reader asks for a handful of names and finds most of what people write.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any, Literal

from service.ingest.incoming import Call, Channel
from service.ingest.senders.bodies import form_fields, json_object, local_name, media_type, xml_root
from service.ingest.senders.values import identifier

Fields = Mapping[str, Any]

MAX_NESTING = 6
MAX_URL_CHARS = 2000  # the contract takes 2048
PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}|\{%.*%\}", re.DOTALL)
# what rule editors print where there is nothing
NOTHING = frozenset(("", "-", "null", "nil", "none", "undefined"))
YES = frozenset(("true", "yes", "1", "public"))
NO = frozenset(("false", "no", "0", "private", "internal"))
# by a word in what the tool calls its channel
CHANNEL_WORDS: tuple[tuple[Channel, tuple[str, ...]], ...] = (
    ("call", ("phone", "voice", "call", "voicemail")),
    ("social", ("twitter", "facebook", "instagram", "social", "forum", "youtube", "x_corp")),
    (
        "chat",
        (
            "chat",
            "messaging",
            "messenger",
            "whatsapp",
            "sms",
            "line",
            "wechat",
            "viber",
            "telegram",
            "text_message",
        ),
    ),
)
# what people call an event that says by itself who wrote, or what became of the ticket
CREATED = frozenset(("ticket_created", "created", "new_ticket", "create_ticket", "ticket_create"))
BY_CUSTOMER = frozenset(
    f"{who}_{what}"
    for who in ("customer", "end_user", "enduser", "requester", "contact", "user")
    for what in ("reply", "replied", "comment", "commented", "message")
)
GONE = frozenset(("ticket_deleted", "deleted", "delete_ticket", "ticket_spam", "spam", "marked_as_spam"))
BY_STAFF = re.compile(r"agent|staff|admin|internal|private|(^|_)note")
RATED = re.compile(r"csat|satisf|rating|rated|survey|feedback")
REQUESTER = {
    "id": ("requester_id", "contact_id", "customer_id"),
    "email": ("requester_email", "contact_email", "customer_email", "from_email", "email"),
    "name": ("requester_name", "contact_name", "customer_name", "requester", "contact", "customer"),
}


def written_body(call: Call) -> Any:
    """The body's content by its media type or its first character; CannotParse where it is none of the three."""
    kind, start = media_type(call), call.body.lstrip()[:1]
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data") and start != b"{":
        return form_fields(call)
    if start == b"<":
        return {local_name(root := xml_root(call)): _xml_value(root, MAX_NESTING)}
    return json_object(call)


def _xml_value(element: ElementTree.Element, depth: int) -> Any:
    if not len(element) or not depth:
        return element.text or ""
    return {local_name(child): _xml_value(child, depth - 1) for child in element}


def written_fields(content: Any, wrappers: tuple[str, ...] = ()) -> dict[str, Any]:
    """All plain values (and lists of them) by their flat names; the first of a name holds.

    `wrappers`: outer names that say nothing, left out of the names below them.
    """
    fields: dict[str, Any] = {}
    _collect(content, "", wrappers, MAX_NESTING, fields)
    return fields


def _collect(value: Any, name: str, wrappers: tuple[str, ...], depth: int, fields: dict[str, Any]) -> None:
    if isinstance(value, dict):
        if not depth:
            return
        for key, inner in value.items():
            below = "_".join(part for part in (name, snake(str(key))) if part)
            for wrapper in wrappers:
                below = "" if below == wrapper else below.removeprefix(f"{wrapper}_")
            _collect(inner, below, wrappers, depth - 1, fields)
    elif isinstance(value, list):
        plain = [one for one in value if one is not None and not isinstance(one, dict | list)]
        if plain and name:
            fields.setdefault(name, plain)
    elif name and not _blank(value):
        fields.setdefault(name, value)


def snake(name: str) -> str:
    """`ticketId`, `Ticket-ID`, `freshdesk_webhook[ticket_id]` in snake_case."""
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name[:200])
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _blank(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, str) and (
        value.strip().lower() in NOTHING or bool(PLACEHOLDER.fullmatch(value.strip()))
    )


def first(fields: Fields, *names: str) -> Any:
    """The value of the first name that has one, with `ticket_` in front of it or without."""
    for name in names:
        for full in (f"ticket_{name}", name):
            if full in fields:
                return fields[full]
    return None


def first_text(fields: Fields, *names: str) -> str | None:
    """Like `first`, only text."""
    value = first(fields, *names)
    return value if isinstance(value, str) else None


def yes_or_no(value: Any) -> bool | None:
    """A flag however it is written; None where it is not one."""
    text = str(value).strip().lower()
    return True if text in YES else False if text in NO else None


def holds_placeholders(content: Any) -> bool:
    """Whether a value is still a placeholder: the tool's test button sends the template as it stands."""
    level = [content]
    for _ in range(MAX_NESTING):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if any(isinstance(one, str) and PLACEHOLDER.fullmatch(one.strip()) for one in level):
            return True
    return False


def same_person(one: Any, other: Any) -> bool | None:
    """Whether two ids, addresses or names are the same; None where one is missing."""
    if one is None or other is None:
        return None
    left, right = (" ".join(str(value).casefold().split()) for value in (one, other))
    return left == right if left and right else None


def about_message(event: str) -> bool:
    """Whether an event, as `snake` writes it, tells of something that was written."""
    return event in CREATED or event in BY_CUSTOMER or bool(re.search(r"comment|message|repl", event))


def is_customer(fields: Fields, stem: str) -> bool | None:
    """Whether a person in the body (`author`: `author_id`, `author_role` …) is a customer; None where untold.

    Somebody without a role is a customer where they are the ticket's requester.
    """
    staff = yes_or_no(first(fields, f"{stem}_is_staff", f"{stem}_is_agent"))
    if staff is not None:
        return not staff
    role = snake(first_text(fields, f"{stem}_role", f"{stem}_type") or "")
    if role:
        return role in ("end_user", "enduser", "customer", "requester", "contact")
    for name, requester in REQUESTER.items():
        same = same_person(first(fields, f"{stem}_{name}"), first(fields, *requester))
        if same is not None:
            return same
    known = [one for names in REQUESTER.values() if (one := first(fields, *names)) is not None]
    person = first(fields, stem)
    return any(same_person(person, one) for one in known) if person is not None and known else None


def requester_of(fields: Fields) -> str | None:
    """The requester's id, else their address."""
    found = identifier(first(fields, *REQUESTER["id"]))
    email = first_text(fields, *REQUESTER["email"])
    return found or (email.strip().lower() if email else None)


def tag_list(value: Any, separator: Literal[" ", ","]) -> str | None:
    """Tags as "a, b", whether the tool joins them by spaces or by commas."""
    if not isinstance(value, str | list):
        return None
    joined = value if isinstance(value, str) else separator.join(str(one) for one in value)
    parts = joined.replace(",", " ").split() if separator == " " else joined.split(",")
    return ", ".join(part.strip() for part in parts if part.strip()) or None


def channel_of(via: Any) -> Channel | None:
    """The contract's channel of what the tool calls its channel; None leaves the sender's default."""
    if not isinstance(via, str):
        return None
    named = snake(via)
    for channel, known in CHANNEL_WORDS:
        if any(word == named or f"_{word}_" in f"_{named}_" for word in known):
            return channel
    return None


def web_address(value: Any) -> str | None:
    """A link as people can follow it, with its scheme; None for anything that is not a web address."""
    if not isinstance(value, str):
        return None
    address: str = value.strip()
    if len(address) > MAX_URL_CHARS:
        return None
    if re.match(r"[\w.-]+\.[a-z]{2,}(/|$)", address, re.IGNORECASE):
        address = f"https://{address}"
    return address if re.match(r"https?://\S+$", address) else None


def text_mark(text: str) -> str:
    """A short name of a text, for messages that come without an id: the same words are the same message."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).hexdigest()[:16]
