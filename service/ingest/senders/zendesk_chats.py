"""Zendesk's chats: single messages as events, and what Zendesk writes into a chat's ticket by itself."""

from __future__ import annotations

import re
from typing import Any

from service.ingest.incoming import CannotParse, Parsed
from service.ingest.senders.values import identifier, inner, moment, said, text_of_html
from service.ingest.senders.written_fields import snake

# what Zendesk calls a chat's ticket, as its subject and as its first text
NAMED_BY_ZENDESK = re.compile(r"(conversation|chat|messaging) with [^\n]{1,120}", re.IGNORECASE)
# "(09:14:03 AM) Jane Roe: where is my parcel?"
SPOKEN = re.compile(r"\(\d{1,2}:\d\d(?::\d\d)?(?: ?[AP]M)?\) ([^:\n]{1,100}): ?(.*)", re.IGNORECASE)
VISITOR = re.compile(r"(visitor|web user|anonymous)\b", re.IGNORECASE)
CUSTOMERS = frozenset(("end_user", "enduser", "user", "customer"))


def message_added(ticket: str, event: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    """An end user's message of a chat, as an item of its ticket; CannotParse where it has no id."""
    if snake(str(inner(event, "actor", "type") or "")) not in CUSTOMERS:
        return Parsed(ignored="a chat message of an agent or a bot")
    message = event.get("message")
    text = text_of_html(inner(message, "body") or inner(message, "text"))
    if text is None:
        return Parsed(ignored="a chat message without words")
    key = identifier(inner(message, "id"))
    if key is None:
        raise CannotParse("the chat message has no id")
    at = moment(payload.get("time"))
    return Parsed(
        [
            {
                "external_id": key,
                "conversation_id": ticket,
                "channel": "chat",
                "text": text,
                **said(
                    {
                        "respondent": identifier(inner(event, "actor", "id")),
                        "occurred_at": moment(inner(message, "created_at")) or at,
                        "updated_at": at,
                    }
                ),
            }
        ]
    )


def said_in_chat(text: str, author: Any) -> str | None:
    """The customer's own lines where a text is a chat's transcript, else the text; None where none is theirs.

    `author` is the customer's name, where it is known: only their lines are taken, and those of nameless visitors.
    """
    if NAMED_BY_ZENDESK.fullmatch(text.strip()):
        return None
    lines = text.splitlines()
    if not any(map(SPOKEN.match, lines)):
        return text
    name = " ".join(author.casefold().split()) if isinstance(author, str) else ""
    kept: list[str] = []
    theirs = False
    for line in lines:
        spoken = SPOKEN.match(line)
        if spoken:
            speaker = " ".join(spoken[1].casefold().split())
            theirs = bool(speaker == name or VISITOR.match(speaker))
            line = spoken[2]
        if theirs and line.strip():
            kept.append(line.strip())
    return "\n".join(kept) or None
