"""Bodies that an administrator writes into a Zendesk trigger or automation, our template among them.

A trigger says less than an event: who wrote the newest comment has to be in the body (our template has the ids of
its author and of the requester). Where it is not, the comment is left alone: it may be an agent's.
"""

from __future__ import annotations

from typing import Any

from service.ingest.incoming import CannotParse, Erased, Parsed
from service.ingest.senders.quotes import own_words
from service.ingest.senders.values import attributes, identifier, inner, moment, said, text_of_html, titled
from service.ingest.senders.written_fields import (
    BY_CUSTOMER,
    BY_STAFF,
    CREATED,
    GONE,
    RATED,
    REQUESTER,
    Fields,
    about_message,
    channel_of,
    first,
    first_text,
    holds_placeholders,
    is_customer,
    requester_of,
    same_person,
    snake,
    tag_list,
    text_mark,
    web_address,
    written_fields,
    yes_or_no,
)
from service.ingest.senders.zendesk_chats import said_in_chat
from service.ingest.senders.zendesk_csat import Rating, rating_in, score_of
from service.ingest.senders.zendesk_events import REDACTED, opening_id, opening_words, rating_id

WRAPPERS = ("xml", "zendesk_webhook", "zendesk", "webhook", "payload", "data")
TICKET_TYPES = frozenset(("", "problem", "incident", "question", "task"))
# a "formatted" comment and the description come as a line of dashes, "name, date, time", and then the text
DASHES = "-" * 10
LATEST = (
    "latest_public_comment",
    "latest_comment",
    "public_comment",
    "last_comment",
    "comment",
    "message",
    "reply",
)
TEXT_ENDINGS = ("value", "body", "text", "html", "formatted")
COMMENT_TEXT = tuple(name for stem in LATEST for name in (stem, *(f"{stem}_{end}" for end in TEXT_ENDINGS)))
COMMENT_ID = tuple(f"{stem}_id" for stem in LATEST)
PUBLIC = ("is_public", "public", *(f"{stem}_{end}" for stem in LATEST for end in ("is_public", "public")))
AUTHOR = ("author", "commenter", *(f"{stem}_author" for stem in LATEST))
# who set off the trigger: perhaps by something else than a comment
UPDATER = ("current_user", "updater")
RATING = (
    *(
        f"{stem}{end}"
        for stem in ("satisfaction_rating", "csat", "csat_rating")
        for end in ("", "_score", "_value")
    ),
    "satisfaction_current_rating",
    "satisfaction_score",
    "satisfaction",
    "current_rating",
    "rating",
)
RATING_COMMENT = (
    "satisfaction_comment",
    "satisfaction_current_comment",
    "satisfaction_rating_comment",
    "csat_comment",
    "csat_rating_comment",
    "current_comment",
    "rating_comment",
    "feedback",
)
VIA = ("via", "via_channel", "channel")


def parse_trigger(content: Any, *, only_customers: bool) -> Parsed:
    """The customer's messages and the rating in a trigger's body; CannotParse where it names no ticket."""
    fields = written_fields(content, WRAPPERS)
    ticket = identifier(first(fields, "id", "ticket_id", "nice_id", "number", "case_id"))
    if ticket is None:
        if holds_placeholders(content):
            return Parsed(ignored="a test of the trigger's body: its placeholders are not filled")
        raise CannotParse("the body names no ticket; put {{ticket.id}} into it as ticket_id")
    event = _event(fields)
    if event in GONE:
        return Parsed(erased=[Erased("conversation", ticket, _changed_at(fields))])
    rated = bool(RATED.search(event))
    items = []
    # beside a message the rating is an old one, whose time is not known
    if rated or not about_message(event):
        items += _rating(ticket, fields, content, alone=rated)
    reasons: list[str] = []
    if not rated:
        items += _messages(ticket, fields, event, only_customers, reasons)
    if items:
        return Parsed(items)
    return Parsed(ignored="; ".join(reasons) or "there is nothing of a customer in it")


def _event(fields: Fields) -> str:
    """What the body says happened, in the administrator's words."""
    event = snake(first_text(fields, "event", "event_type", "event_name", "trigger", "action") or "")
    if not event and snake(str(fields.get("type", ""))) not in TICKET_TYPES:
        event = snake(str(fields["type"]))
    return event


def _messages(
    ticket: str, fields: Fields, event: str, only_customers: bool, reasons: list[str]
) -> list[dict[str, Any]]:
    if BY_STAFF.search(event):
        reasons.append("the body says that an agent wrote")
        return []
    found = []
    written_by, description = _without_head(first_text(fields, "description", "description_html"))
    latest_by, latest = _without_head(first_text(fields, *COMMENT_TEXT))
    if description and latest and description.split() == latest.split():
        latest = None  # of a new ticket both are the same text
    if description:
        reason = _not_the_requester(fields, event, written_by, opening=latest is None)
        if reason:
            reasons.append(reason)
        elif REDACTED not in description and (opened := opening_words(description)):
            found.append(_opening(ticket, fields, opened))
    if latest and REDACTED not in latest:
        reason = _not_a_customer(fields, event, latest_by, only_customers)
        if reason:
            reasons.append(reason)
        elif spoken := said_in_chat(latest, first(fields, *REQUESTER["name"])):
            found.append(_comment(ticket, fields, event, spoken))
    return found


def _without_head(text: str | None) -> tuple[str | None, str | None]:
    """Who wrote a text and the text, where Zendesk prints both; else None and the text."""
    if text is None:
        return None, None
    dashes, _, below = text.strip().partition("\n")
    head, _, rest = below.lstrip().partition("\n")
    if not dashes.startswith(DASHES) or "," not in head or not rest.strip():
        return None, own_words(text)
    return head.strip(), own_words(rest)


def _wrote(head: str | None, name: Any) -> bool | None:
    """Whether the name in a text's head is that of the requester; None where one of them is missing."""
    if head is None or not isinstance(name, str):
        return None
    return " ".join(head.casefold().split()).startswith(" ".join(name.casefold().split()) + ",")


def _not_the_requester(fields: Fields, event: str, head: str | None, *, opening: bool) -> str:
    """Why the ticket's description is not the requester's own words, or nothing."""
    by_name = _wrote(head, first(fields, *REQUESTER["name"]))
    submitter = same_person(first(fields, "submitter_id"), first(fields, *REQUESTER["id"]))
    # author fields tell of the newest comment; they tell of the description where that is the newest
    by_author = _by_author(fields, event) if opening and by_name is None else None
    if by_name is False or submitter is False or by_author is False:
        return "an agent opened the ticket for the customer"
    return ""


def _by_author(fields: Fields, event: str) -> bool | None:
    """Whether the newest comment is a customer's, by what the body says of its author; None where it does not."""
    for stem in (*AUTHOR, *UPDATER):
        found = is_customer(fields, stem)
        if found is False or (found and (stem in AUTHOR or about_message(event))):
            return found
    return None


def _not_a_customer(fields: Fields, event: str, head: str | None, only_customers: bool) -> str:
    """Why the newest comment is not a customer's own words, or nothing."""
    if yes_or_no(first(fields, *PUBLIC)) is False:
        return "an internal note"
    by_author = _by_author(fields, event)
    if by_author is None:
        by_author = _wrote(head, first(fields, *REQUESTER["name"]))
    if by_author is False:
        return "the author of the comment is not the requester"
    if by_author is None and not (only_customers or event in BY_CUSTOMER):
        return "it is not said who wrote the comment; add its author to the body, as in our template"
    return ""


def _comment(ticket: str, fields: Fields, event: str, text: str) -> dict[str, Any]:
    comment_id = identifier(first(fields, *COMMENT_ID))
    at = _changed_at(fields)
    return {
        **_about_ticket(ticket, fields),
        "external_id": comment_id or f"{ticket}:{text_mark(text)}",
        "text": titled(_title(fields), text) if event in CREATED else text,
        **said({"occurred_at": at}),
    }


def _opening(ticket: str, fields: Fields, description: str) -> dict[str, Any]:
    at = moment(first(fields, "created_at", "created_at_with_timestamp", "created"))
    return {
        **_about_ticket(ticket, fields),
        "external_id": opening_id(ticket),
        "text": titled(_title(fields), description),
        # without a time of change it is the oldest that is known of the ticket
        **said({"occurred_at": at, "updated_at": _changed_at(fields) or at}),
    }


def _title(fields: Fields) -> str | None:
    # Zendesk itself names a chat
    return first_text(fields, "title", "subject") if channel_of(first(fields, *VIA)) != "chat" else None


def _changed_at(fields: Fields) -> str | None:
    return moment(
        first(fields, "updated_at", "updated_at_with_timestamp", "updated", "time", "timestamp", "event_time")
    )


def _about_ticket(ticket: str, fields: Fields) -> dict[str, Any]:
    via = first(fields, *VIA)
    return said(
        {
            "conversation_id": ticket,
            "respondent": requester_of(fields),
            "updated_at": _changed_at(fields),
            "channel": channel_of(via),
            "url": web_address(first(fields, "url_with_protocol", "url", "link", "ticket_link")),
            "attributes": attributes(
                {
                    "status": _lower(first(fields, "status")),
                    "priority": _lower(first(fields, "priority")),
                    "type": _lower(first(fields, "ticket_type", "type")),
                    "tags": tag_list(first(fields, "tags"), " "),
                    "via": via,
                    "form": first(fields, "form", "form_name", "ticket_form"),
                    "brand": first(fields, "brand_name", "brand"),
                    "group": first(fields, "group_name", "group"),
                    "organization": first(fields, "organization_name", "organization"),
                    "plan": first(fields, "plan"),
                    "product": first(fields, "product"),
                    "country": first(fields, "country"),
                }
            ),
        }
    )


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _rating(ticket: str, fields: Fields, content: Any, *, alone: bool) -> list[dict[str, Any]]:
    """The rating of the body; `alone` where its event says that the customer has just rated."""
    names = (*RATING, "score") if alone else RATING  # a ticket has a score of another kind
    score = next((found for name in names if (found := score_of(first(fields, name)))), None)
    if score is not None:
        # `comment` may be what was said to the rating, or the ticket's newest comment
        plain = ("comment",) if first(fields, *COMMENT_ID, *(f"{stem}_id" for stem in AUTHOR)) is None else ()
        rating = Rating(score, text_of_html(first_text(fields, *RATING_COMMENT, *plain)))
    else:
        rating = rating_in(content, inner(content, "ticket"), bare=False)
    if not rating and alone:
        # a label in a language that is not known here: the words beside it are the customer's all the same
        rating = Rating(None, text_of_html(first_text(fields, *RATING_COMMENT)))
    if not rating:
        return []
    at = rating.at or _changed_at(fields)
    return [
        {
            **_about_ticket(ticket, fields),
            "external_id": rating_id(ticket),
            "response_id": rating_id(ticket),
            **said({"score": rating.score, "text": rating.comment, "occurred_at": at}),
        }
    ]
