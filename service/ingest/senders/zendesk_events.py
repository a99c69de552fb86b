"""Zendesk's event subscriptions: each carries the ticket as it now is (`detail`) and what happened (`event`)."""

from __future__ import annotations

import re
from typing import Any

from service.ingest.incoming import CannotParse, Erased, Parsed
from service.ingest.senders.merged_people import merged_with
from service.ingest.senders.quotes import own_words
from service.ingest.senders.values import attributes, identifier, inner, moment, said, titled
from service.ingest.senders.written_fields import channel_of, yes_or_no
from service.ingest.senders.zendesk_chats import message_added, said_in_chat
from service.ingest.senders.zendesk_csat import rated_ticket, rating_in

EVENT_PREFIX = "zen:event-type:"
# events after which the ticket is told as it now is; the opening text and what one filters by follow them
TICKET_CHANGES = frozenset(
    (
        "brand_changed",
        "created",
        "custom_status_changed",
        "description_changed",
        "form_changed",
        "group_assignment_changed",
        "organization_changed",
        "priority_changed",
        "requester_changed",
        "status_changed",
        "subject_changed",
        "submitter_changed",
        "tags_changed",
        "type_changed",
        # out of the bin again, and the same for spam
        "undeleted",
        "restored",
        "unmarked_as_spam",
    )
)
# thrown away, and to be had back for a while; what Zendesk tells of the ticket later says that it is there again
BINNED = frozenset(("soft_deleted", "deleted", "marked_as_spam", "spam"))
GONE = "permanently_deleted"
RATED = ("csat", "satisfaction", "survey_response")
ASKED_TO_RATE = ("requested", "offered", "sent", "expired")
# what Zendesk puts in place of redacted characters
REDACTED = "▇"
# the author of what Zendesk itself writes into a ticket
SYSTEM = "-1"
# what Zendesk writes above a mail that answers a closed ticket
FOLLOW_UP = re.compile(r"this is a follow-up to your previous request #\d+[^\n]*\n+", re.IGNORECASE)


def parse_event(payload: dict[str, Any]) -> Parsed:
    """What a customer said in the event, or what is gone since; CannotParse where it names no ticket."""
    domain, _, happened = str(payload["type"]).removeprefix(EVENT_PREFIX).partition(".")
    detail, event = _object(payload.get("detail")), _object(payload.get("event"))
    if domain == "user" and happened in ("deleted", GONE):
        return _user_gone(detail, payload)
    if domain == "user" and happened == "merged":
        return _users_merged(detail, event, payload)
    if any(word in domain or word in happened for word in RATED):
        return _rated(detail, event, payload, happened)
    if domain == "messaging_ticket" and happened == "message_added":
        return message_added(_ticket_id(detail, payload), event, payload)
    if domain != "ticket":
        return Parsed(ignored="an event about something else than a ticket")
    ticket = _ticket_id(detail, payload)
    if happened == GONE:
        return Parsed(erased=[Erased("conversation", ticket)])
    if happened in BINNED or _lower(detail.get("status")) == "deleted":
        # other changes of a ticket in the bin are no sign that it is there again
        at = moment(payload.get("time")) or moment(detail.get("updated_at"))
        return Parsed(erased=[Erased("conversation", ticket, at)])
    if happened in ("comment_added", "comment_created"):
        return _comment(ticket, detail, event, payload)
    if happened in ("comment_redacted", "comment_made_private"):
        return _comment_gone(ticket, detail, event)
    if happened in TICKET_CHANGES:
        return _opening(ticket, detail, payload)
    return Parsed(ignored=f"the event ticket.{happened[:60]} holds nothing that a customer said")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _ticket_id(detail: dict[str, Any], payload: dict[str, Any]) -> str:
    found = identifier(detail.get("id")) or _from_subject(payload, "zen:ticket:")
    if found is None:
        raise CannotParse("the event names no ticket")
    return found


def _from_subject(payload: dict[str, Any], prefix: str) -> str | None:
    subject = payload.get("subject")
    if isinstance(subject, str) and subject.startswith(prefix):
        return subject.removeprefix(prefix).strip() or None
    return None


def opening_id(ticket: str) -> str:
    """The text that opened a ticket comes without its comment's id; comment ids are numbers too."""
    return f"ticket:{ticket}"


def rating_id(ticket_or_response: str) -> str:
    """A ticket has one rating, which the customer may change."""
    return f"csat:{ticket_or_response}"


def _opening(ticket: str, detail: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    requester, author = _people(detail)
    if yes_or_no(detail.get("is_public")) is False:
        return Parsed(ignored="a ticket that the customer does not see")
    if author is None or requester is None:
        return Parsed(ignored="it is not said who wrote the ticket")
    if author != requester:
        return Parsed(ignored="a ticket that an agent opened for the customer")
    item = _opening_item(ticket, detail, payload)
    return Parsed([item]) if item else Parsed(ignored="a ticket without words")


def _people(detail: dict[str, Any]) -> tuple[str | None, str | None]:
    """The requester, and who wrote the ticket's first text."""
    return identifier(detail.get("requester_id")), identifier(detail.get("submitter_id") or detail.get("actor_id"))


def _opening_item(ticket: str, detail: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any] | None:
    channel = channel_of(inner(detail, "via", "channel"))
    description = opening_words(detail.get("description"))
    if description is None and channel == "chat":
        return None
    # Zendesk itself names a chat
    text = titled(None if channel == "chat" else detail.get("subject"), description)
    if text is None or REDACTED in text:
        return None
    return {
        **_about_ticket(ticket, detail, payload),
        "external_id": opening_id(ticket),
        "text": text,
        **said(
            {"respondent": identifier(detail.get("requester_id")), "occurred_at": moment(detail.get("created_at"))}
        ),
    }


def opening_words(description: Any) -> str | None:
    """A ticket's first text without what Zendesk adds to it; None where nothing is left."""
    text = own_words(description)
    return None if text is None else said_in_chat(FOLLOW_UP.sub("", text, count=1).strip(), None)


def _about_ticket(ticket: str, detail: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """The fields that every item of a ticket has; the event's time is when they were so."""
    return said(
        {
            "conversation_id": ticket,
            "updated_at": moment(payload.get("time")) or moment(detail.get("updated_at")),
            "channel": channel_of(inner(detail, "via", "channel")),
            "attributes": attributes(
                {
                    "status": _lower(detail.get("status")),
                    "priority": _lower(detail.get("priority")),
                    "type": _lower(detail.get("type")),
                    "tags": detail.get("tags"),
                    "via": inner(detail, "via", "channel"),
                    "form": identifier(detail.get("form_id")),
                    "brand": identifier(detail.get("brand_id")),
                    "group": identifier(detail.get("group_id")),
                    "organization": identifier(detail.get("organization_id")),
                }
            ),
        }
    )


def _lower(value: Any) -> str | None:
    # upper case here, lower case in Zendesk's API and pages
    return value.lower() if isinstance(value, str) else None


def _comment(ticket: str, detail: dict[str, Any], event: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    comment = event.get("comment")
    if not isinstance(comment, dict):
        raise CannotParse("the event has no comment")
    if yes_or_no(comment.get("is_public", comment.get("public"))) is False:
        return Parsed(ignored="an internal note")
    requester, _ = _people(detail)
    author = identifier(inner(comment, "author", "id"))
    is_staff = yes_or_no(inner(comment, "author", "is_staff"))
    if is_staff is True or author == SYSTEM:
        return Parsed(ignored="a comment of an agent" if is_staff is True else "a comment of Zendesk itself")
    if is_staff is not False and (author is None or author != requester):
        return Parsed(ignored="it is not said who wrote the comment")
    text = own_words(comment.get("body") or comment.get("plain_body") or comment.get("html_body"))
    if text is None or REDACTED in text:
        return Parsed(ignored="a comment without words")
    if _same_words(text, detail.get("description")):
        # the first comment of a ticket is its description: one text, one item
        item = _opening_item(ticket, detail, payload)
        return Parsed([item]) if item else Parsed(ignored="a comment without words")
    text = said_in_chat(text, inner(comment, "author", "name"))
    if text is None:
        return Parsed(ignored="a chat's transcript without words that are known to be the customer's")
    comment_id = identifier(comment.get("id"))
    if comment_id is None:
        raise CannotParse("the comment has no id")
    at = moment(comment.get("created_at")) or moment(payload.get("time")) or moment(detail.get("updated_at"))
    return Parsed(
        [
            {
                **_about_ticket(ticket, detail, payload),
                "external_id": comment_id,
                "text": text,
                **said({"respondent": author, "occurred_at": at}),
            }
        ]
    )


def _same_words(text: str, description: Any) -> bool:
    other = own_words(description)
    return other is not None and text.split() == other.split()


def _comment_gone(ticket: str, detail: dict[str, Any], event: dict[str, Any]) -> Parsed:
    comment = event.get("comment")
    comment_id = identifier(inner(comment, "id") or event.get("comment_id"))
    if comment_id is None:
        raise CannotParse("the event does not say which comment")
    erased = [Erased("item", comment_id)]
    body = own_words(inner(comment, "body"))
    description = detail.get("description")
    if (body is not None and _same_words(body, description)) or (
        isinstance(description, str) and REDACTED in description
    ):
        erased.append(Erased("item", opening_id(ticket)))
    return Parsed(erased=erased)


def _rated(detail: dict[str, Any], event: dict[str, Any], payload: dict[str, Any], happened: str) -> Parsed:
    if any(word in happened for word in ASKED_TO_RATE):
        return Parsed(ignored="the customer was asked for a rating")
    rating = rating_in(event, inner(event, "current"), detail)
    if not rating:
        return Parsed(ignored="there is no rating in it")
    ticket = (
        _from_subject(payload, "zen:ticket:")
        or identifier(event.get("ticket_id") or detail.get("ticket_id"))
        or rated_ticket(event, event.get("survey_response"), detail)
        # only a ticket's own event has the ticket as its detail
        or (identifier(detail.get("id")) if "requester_id" in detail or "submitter_id" in detail else None)
    )
    key = ticket or rating.response_id
    if key is None:
        raise CannotParse("the rating names neither its ticket nor itself")
    person = detail.get("requester_id") or event.get("responder_id") or detail.get("responder_id")
    at = rating.at or moment(payload.get("time"))
    return Parsed(
        [
            {
                **(_about_ticket(ticket, detail, payload) if ticket else {}),
                "external_id": rating_id(key),
                "response_id": rating_id(key),
                **said(
                    {
                        "score": rating.score,
                        "text": rating.comment,
                        "respondent": identifier(person),
                        "occurred_at": at,
                        "updated_at": moment(payload.get("time")) or at,
                    }
                ),
            }
        ]
    )


def _users_merged(detail: dict[str, Any], event: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    own = identifier(detail.get("id")) or _from_subject(payload, "zen:user:")
    merged = [] if own is None else merged_with(own, event)
    if not merged:
        raise CannotParse("the event does not say which users were merged")
    return Parsed(merged=merged)


def _user_gone(detail: dict[str, Any], payload: dict[str, Any]) -> Parsed:
    user = identifier(detail.get("id")) or _from_subject(payload, "zen:user:")
    if user is None:
        raise CannotParse("the event names no user")
    keys = [user]
    if email := identifier(detail.get("email")):
        keys.append(email.lower())  # triggers may know people by their address only
    return Parsed(erased=[Erased("respondent", key) for key in keys])
