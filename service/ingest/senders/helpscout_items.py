"""What customers said in Help Scout's conversations, live chats, ratings and survey messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from service.ingest.incoming import Channel
from service.ingest.senders.answers import Answer, SurveyOptions, score_of
from service.ingest.senders.quotes import own_words
from service.ingest.senders.values import (
    attributes,
    identifier,
    inner,
    moment,
    moment_after,
    number,
    said,
    text_of_html,
    titled,
)
from service.ingest.senders.written_fields import web_address

CHANNELS: dict[str, Channel] = {"email": "ticket", "chat": "chat", "phone": "call"}
# customer: what they wrote; the others may be anybody's, and say whose
BY_WHOM = frozenset(("chat", "beaconchat"))
UNSEEN = frozenset(("deleted", "draft", "hidden", "underreview"))
OPENING_SECONDS = 60  # between a conversation and its first thread
RATINGS = {"great": 3, "okay": 2, "ok": 2, "not good": 1, "bad": 1}
FACES = {"😀": 3, "😐": 2, "🙁": 1, "happy": 3, "neutral": 2, "sad": 1}
THUMBS = {"👍": 1, "👎": 0, "thumbs up": 1, "thumbs down": 0}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def person_of(*people: Any) -> str | None:
    """The first id among these people, else the first address."""
    found = next((key for one in people if (key := identifier(inner(one, "id")))), None)
    return found or next((key for one in people if (key := _address(one))), None)


def _address(person: Any) -> str | None:
    email = inner(person, "email")
    if not isinstance(email, str):
        emails = _listed(inner(person, "emails") or inner(person, "_embedded", "emails"))
        email = next((one if isinstance(one, str) else inner(one, "value") for one in emails), None)
    return email.strip().lower() or None if isinstance(email, str) else None


def _by_customer(author: Any) -> bool | None:
    """Whether a customer wrote it; None where the payload does not say."""
    kind = inner(author, "type")
    return kind.strip().lower() == "customer" if isinstance(kind, str) and kind.strip() else None


def _threads(conversation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Threads of payload version 2 (embedded) and 1 (beside); version 2 has their number under that name."""
    for threads in (inner(conversation, "_embedded", "threads"), conversation.get("threads")):
        for thread in _listed(threads):
            if isinstance(thread, Mapping):
                yield thread


def _latest(*times: Any) -> str | None:
    return max((found for one in times if (found := moment(one))), default=None)


def conversation_of(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """The conversation itself: some events wrap it once more."""
    conversation = payload.get("conversation")
    return conversation if isinstance(conversation, Mapping) else payload


def is_gone(payload: Mapping[str, Any]) -> bool:
    """Whether the team threw the conversation away or called it spam."""
    conversation = conversation_of(payload)
    status, state = conversation.get("status"), conversation.get("state")
    return (isinstance(status, str) and status.strip().lower() == "spam") or (
        isinstance(state, str) and state.strip().lower() == "deleted"
    )


def told_at(payload: Mapping[str, Any], *, later_by: int) -> str | None:
    """When the conversation was as the event tells it; `later_by` as in `thread_items`."""
    conversation = conversation_of(payload)
    return moment_after(_changed_at(conversation, list(_threads(conversation))), later_by)


def _changed_at(conversation: Mapping[str, Any], threads: list[Mapping[str, Any]]) -> str | None:
    """The conversation's own time counts what the team does; a customer's reply is newer than that."""
    own = ("userUpdatedAt", "userModifiedAt", "updatedAt", "modifiedAt", "createdAt")
    return _latest(*(conversation.get(name) for name in own), *(thread.get("createdAt") for thread in threads))


def thread_items(payload: Mapping[str, Any], *, later_by: int = 0) -> list[dict[str, Any]]:
    """The customers' published threads of a conversation; the subject stands before the first.

    `later_by`: microseconds that order events of one second.
    """
    conversation = conversation_of(payload)
    key = identifier(conversation.get("id"))
    if key is None:
        return []
    threads = list(_threads(conversation))
    about = _about(conversation, key, threads)
    if at := moment_after(about.get("updated_at"), later_by):
        about["updated_at"] = at
    found = {}
    for thread in threads:
        thread_id = identifier(thread.get("id"))
        text = own_words(thread.get("body") or thread.get("text"))
        if thread_id is None or text is None or not _said_by_customer(thread):
            continue
        person = person_of(thread.get("createdBy"), thread.get("customer"), *_customers(conversation))
        found[thread_id] = {
            **about,
            "external_id": thread_id,
            "text": titled(conversation.get("subject"), text) if _opens(conversation, thread) else text,
            **said({"respondent": person, "occurred_at": moment(thread.get("createdAt"))}),
        }
    return list(found.values())


def _customers(conversation: Mapping[str, Any]) -> tuple[Any, ...]:
    return conversation.get("primaryCustomer"), conversation.get("customer")


def _said_by_customer(thread: Mapping[str, Any]) -> bool:
    state = thread.get("state")
    if isinstance(state, str) and state.strip().lower() in UNSEEN:
        return False
    kind = thread.get("type")
    kind = kind.strip().lower() if isinstance(kind, str) else ""
    by_customer = _by_customer(thread.get("createdBy"))
    if kind == "customer":
        return by_customer is not False  # somebody of the team may write in a customer's name
    return kind in BY_WHOM and by_customer is True


def _opens(conversation: Mapping[str, Any], thread: Mapping[str, Any]) -> bool:
    """Whether the thread is the one that the conversation began with."""
    began, written = moment(conversation.get("createdAt")), moment(thread.get("createdAt"))
    if began is None or written is None:
        return False
    apart = datetime.fromisoformat(written) - datetime.fromisoformat(began)
    return abs(apart.total_seconds()) <= OPENING_SECONDS


def _about(conversation: Mapping[str, Any], key: str, threads: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields that all items of a conversation have, as they are at the time of this event."""
    kind, number_shown = conversation.get("type"), identifier(conversation.get("number"))
    tags = [
        one if isinstance(one, str) else inner(one, "tag") or inner(one, "name") for one in _tags(conversation)
    ]
    own = {
        name: inner(field, "text") or inner(field, "value")
        for field in _listed(conversation.get("customFields"))
        if isinstance(name := inner(field, "name"), str)
    }
    return said(
        {
            "conversation_id": key,
            "channel": CHANNELS.get(kind) if isinstance(kind, str) else None,
            # Help Scout's own form of its pages' addresses
            "url": web_address(
                f"https://secure.helpscout.net/conversation/{key}/{number_shown or ''}".rstrip("/")
            ),
            "updated_at": _changed_at(conversation, threads),
            "attributes": attributes(
                {
                    "status": conversation.get("status"),
                    "tags": tags,
                    "mailbox": inner(conversation, "mailbox", "name")
                    or identifier(conversation.get("mailboxId") or inner(conversation, "mailbox", "id")),
                    "type": kind,
                    **own,
                }
            ),
        }
    )


def _tags(conversation: Mapping[str, Any]) -> list[Any]:
    return _listed(conversation.get("tags"))


def rating_items(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A rating of one reply: great, okay or not good, with what the customer wrote to it."""
    key = identifier(payload.get("id"))
    conversation = identifier(payload.get("conversationId") or payload.get("ticketId"))
    given = payload.get("rating")
    points = RATINGS.get(given.strip().lower().replace("_", " ")) if isinstance(given, str) else None
    comment = text_of_html(payload.get("comments") or payload.get("comment"))
    if points is None and comment is None:
        return []
    name = f"rating:{key or conversation}"
    if key is None and conversation is None:
        return []
    at = moment(payload.get("createdAt"))
    return [
        {
            "external_id": name,
            "response_id": name,
            **said(
                {
                    "score": {"kind": "csat", "value": points, "scale_min": 1, "scale_max": 3} if points else None,
                    "text": comment,
                    "conversation_id": conversation,
                    "respondent": person_of(payload.get("customer"), inner(payload, "_embedded", "customer")),
                    "occurred_at": at,
                    "updated_at": moment(payload.get("modifiedAt")) or at,
                    "attributes": attributes(
                        {"mailbox": inner(payload, "mailbox", "name") or identifier(payload.get("mailboxId"))}
                    ),
                }
            ),
        }
    ]


def chat_items(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The visitor's messages of a live chat, which becomes a conversation only when it ends."""
    chat = payload.get("chat")
    chat = chat if isinstance(chat, Mapping) else payload
    key = identifier(chat.get("id") or chat.get("chatId"))
    events = [
        event
        for events in (inner(chat, "_embedded", "events"), chat.get("events"), chat.get("messages"))
        for event in _listed(events)
        if isinstance(event, Mapping)
    ]
    if key is None:
        return []
    if not events:  # chats that come as conversations
        return thread_items(payload)
    newest = _latest(chat.get("createdAt"), *(event.get("createdAt") for event in events))
    tags = [one if isinstance(one, str) else inner(one, "slug") or inner(one, "tag") for one in _tags(chat)]
    found = {}
    for event in events:
        message, text = identifier(event.get("id")), text_of_html(event.get("body") or event.get("text"))
        if message is None or text is None or event.get("type") not in ("message", "chat", None):
            continue
        author = event.get("author") or event.get("createdBy")
        if _by_customer(author) is not True:
            continue
        found[message] = {
            "external_id": message,
            "conversation_id": key,
            "channel": "chat",
            "text": text,
            **said(
                {
                    "respondent": person_of(author, chat.get("customer")),
                    "occurred_at": moment(event.get("createdAt")) or moment(event.get("timestamp")),
                    "updated_at": newest,
                    "attributes": attributes(
                        {
                            "tags": tags,
                            "mailbox": identifier(chat.get("mailboxId")),
                            "beacon": chat.get("beaconId"),
                        }
                    ),
                }
            ),
        }
    return list(found.values())


def survey_items(payload: Mapping[str, Any], options: SurveyOptions) -> list[dict[str, Any]]:
    """The answer to a survey message: NPS, faces and thumbs as scores, other choices beside the comment.

    Of other numbers Help Scout does not tell the scale: the options do, by the survey's id or name.
    """
    response = payload.get("response")
    response = response if isinstance(response, Mapping) else payload
    value, label = response.get("value"), response.get("name")
    comment = text_of_html(response.get("comment"))
    survey_id, survey_name = identifier(inner(payload, "message", "id")), inner(payload, "message", "name")
    name = survey_name if isinstance(survey_name, str) else None
    if options.scales.keys() & {survey_id, name}:
        score = score_of(Answer(survey_id or "", name, "rating", value), options)
    else:
        score = _survey_score(value, label, response.get("category"))
    if score is None and comment is None:
        return []
    customer = inner(payload, "_embedded", "customer") or payload.get("customer")
    at = moment(response.get("timestamp") or response.get("createdAt"))
    survey = survey_id or identifier(survey_name)
    person = person_of(customer)
    key = identifier(response.get("id") or payload.get("id"))
    if key is None:
        # the response has no id: one person answers one survey once at a time; nobody known, the answer itself
        parts = (survey, person, at, *((value, comment) if person is None else ()))
        key = hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:20]
    return [
        {
            "external_id": f"survey:{key}",
            "response_id": f"survey:{key}",
            "channel": "survey",
            **said(
                {
                    "score": score,
                    "text": comment,
                    "respondent": person,
                    "occurred_at": at,
                    "updated_at": at,
                    "attributes": attributes(
                        {
                            "survey": inner(payload, "message", "name"),
                            "answer": label or value if score is None else None,
                            "category": response.get("category"),
                        }
                    ),
                }
            ),
        }
    ]


def _survey_score(value: Any, label: Any, category: Any) -> dict[str, Any] | None:
    rated = number(value)
    if rated is not None:
        # a category is given to NPS alone; a choice may be a number too
        nps = isinstance(category, str) and category.strip() != "" and 0 <= rated <= 10
        return {"kind": "nps", "value": rated, "scale_min": 0, "scale_max": 10} if nps else None
    for names, low, high in ((FACES, 1, 3), (THUMBS, 0, 1)):
        for one in (value, label):
            points = names.get(one.strip().lower()) if isinstance(one, str) else None
            if points is not None:
                return {"kind": "csat", "value": points, "scale_min": low, "scale_max": high}
    return None
