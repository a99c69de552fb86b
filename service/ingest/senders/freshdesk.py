"""Freshdesk: automation rules that call a webhook, with ticked fields ("Simple") or a written body ("Advanced").

Freshdesk signs nothing and names no event. Our template says by a constant what happened; without it Freshdesk's
`triggered_event` and the name in front of the newest comment have to do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Channel, Erased, Parsed
from service.ingest.senders.contract import Sender
from service.ingest.senders.quotes import own_words
from service.ingest.senders.signatures import SenderOptions, check_token, new_token
from service.ingest.senders.values import attributes, identifier, moment, number, said, text_of_html, titled
from service.ingest.senders.written_fields import (
    BY_CUSTOMER,
    BY_STAFF,
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
    written_body,
    written_fields,
    yes_or_no,
)

WRAPPERS = ("xml", "hash", "freshdesk_webhook", "freshdesk", "webhook", "payload", "data")
# Freshdesk's own account of what set off the rule: {ticket_action:created}
TICKET_GONE = re.compile(r"ticket_action\W+(delete|marked?_(as_)?spam|spam)", re.IGNORECASE)
# {{ticket.latest_public_comment}} is "Jane Roe : the comment"
SAID_BY = re.compile(r"([^\n<>]{1,120}?) : ?")
LATEST = "latest_public_comment"
COMMENTS = (LATEST, "latest_comment", "public_comment", "last_comment", "comment", "reply", "message")
ENDINGS = ("", "_text", "_body_text", "_body", "_value", "_html")
AUTHORS = ("author", "commenter", *(f"{stem}_author" for stem in COMMENTS))
DESCRIPTIONS = ("description_text", "description", "description_html")
AGENTS = ("agent_name", "responder_name", "assignee_name")
RATINGS = (
    "satisfaction_rating",
    "satisfaction_score",
    "satisfaction",
    "csat_rating",
    "csat",
    "survey_rating",
    "rating",
)
RATING_COMMENTS = (
    "satisfaction_comment",
    "satisfaction_feedback",
    "csat_comment",
    "survey_comment",
    "rating_comment",
    "feedback",
)
# labels in rule bodies, codes in the API and in fields that somebody fills from there
STATUSES = {"2": "Open", "3": "Pending", "4": "Resolved", "5": "Closed"}
PRIORITIES = {"1": "Low", "2": "Medium", "3": "High", "4": "Urgent"}
SOURCES = {"1": "Email", "2": "Portal", "3": "Phone", "7": "Chat", "9": "Feedback Widget", "10": "Outbound Email"}
UNHAPPY = ("unhappy", "dissatisf", "unsatisf", "bad", "poor", "terrible", "awful", "disappoint")
# "Not at all satisfied", "No good", "Less than happy"; "Neither satisfied nor dissatisfied", "Not bad"
DENIED = re.compile(r"_(not|no|less_than)_")
NEITHER = re.compile(r"_neither_|_nor_|_not_(too_|so_)?bad_")
NEUTRAL = ("neutral", "okay", "ok", "average", "just_ok")
HAPPY = ("happy", "awesome", "good", "great", "excellent", "satisf", "amazing")


def verify(call: Call, secrets: Sequence[str], _options: SenderOptions, _now: datetime) -> None:
    """BadSignature where the endpoint has a token and the call does not bring it."""
    check_token(call, secrets)


def parse(call: Call, _options: SenderOptions) -> Parsed:
    """The customer's messages and ratings in a rule's body; CannotParse where it names no ticket."""
    if not call.body.strip():
        return Parsed(ignored="a call without content; let the rule send a JSON body")
    content = written_body(call)
    fields = written_fields(content, WRAPPERS)
    ticket = identifier(first(fields, "id", "display_id", "number", "case_id"))
    if ticket is None:
        if holds_placeholders(content):
            return Parsed(ignored="a test of the rule's body: its placeholders are not filled")
        raise CannotParse("the body names no ticket; put {{ticket.id}} into it as id")
    event, set_off = _event(fields)
    thrown_away = any(
        yes_or_no(first(fields, flag)) for flag in ("deleted", "spam")
    )  # as Freshdesk's API tells it
    if event in GONE or TICKET_GONE.search(set_off) or thrown_away:
        # a ticket comes back out of the bin, and out of spam: what is told of it later is taken
        return Parsed(erased=[Erased("conversation", ticket, _changed_at(fields))])
    rated = bool(RATED.search(event) or (not event and RATED.search(set_off)))
    items = []
    if rated or not about_message(event):
        items += _rating(ticket, fields, alone=rated)
    reasons: list[str] = []
    if not rated:
        items += _messages(ticket, fields, event, reasons)
    if items:
        return Parsed(items)
    return Parsed(ignored="; ".join(reasons) or "there is nothing of a customer in it")


def _event(fields: Fields) -> tuple[str, str]:
    """What the body says happened in the administrator's words, and in Freshdesk's own."""
    written = first_text(fields, "event", "event_type", "event_name") or ""
    set_off = first_text(fields, "triggered_event") or ""
    if written.lstrip().startswith("{"):  # somebody put Freshdesk's own where the constant belongs
        written, set_off = "", written
    return snake(written), set_off


def _messages(ticket: str, fields: Fields, event: str, reasons: list[str]) -> list[dict[str, Any]]:
    if BY_STAFF.search(event):
        reasons.append("the body says that an agent wrote")
        return []
    found = []
    description = own_words(first_text(fields, *DESCRIPTIONS))
    said_by, latest = _latest(fields)
    if description and latest and description.split() == latest.split():
        latest = None  # of a new ticket both are the same text
    if description:
        if snake(_label(first(fields, "source"), SOURCES) or "") == "outbound_email":
            reasons.append("an agent opened the ticket with a mail to the customer")
        else:
            found.append(_opening(ticket, fields, description))
    if latest:
        reason = _not_a_customer(fields, event, said_by)
        if reason:
            reasons.append(reason)
        else:
            found.append(_comment(ticket, fields, latest))
    return found


def _latest(fields: Fields) -> tuple[str | None, str | None]:
    """Who wrote the newest comment, where Freshdesk prints the name in front of it, and the comment."""
    for name in COMMENTS:
        written = first_text(fields, *(f"{name}{ending}" for ending in ENDINGS))
        if written is None:
            continue
        written = written.strip()
        head = SAID_BY.match(written)
        known = [first(fields, *names) for names in (REQUESTER["name"], AGENTS)]
        # under other names the colon may be the customer's own
        if head and (name == LATEST or any(same_person(head[1], one) for one in known)):
            return head[1].strip(), own_words(written[head.end() :])
        return None, own_words(written)
    return None, None


def _not_a_customer(fields: Fields, event: str, said_by: str | None) -> str:
    """Why the newest comment is not a customer's own words, or nothing."""
    if yes_or_no(first(fields, "is_public", "public", *(f"{name}_public" for name in COMMENTS))) is False:
        return "an internal note"
    if said_by is not None and same_person(said_by, first(fields, *AGENTS)):
        return "a reply of the agent"
    by_customer = next((told for stem in AUTHORS if (told := is_customer(fields, stem)) is not None), None)
    if by_customer is None and event not in BY_CUSTOMER:
        # where the event says it, the name may be that of somebody in copy
        by_customer = same_person(said_by, first(fields, *REQUESTER["name"]))
    if by_customer is False:
        return "the author of the comment is not the requester"
    if by_customer is None and event not in BY_CUSTOMER:
        return (
            'it is not said who wrote the comment; put "event": "customer_reply" into the body, as in our template'
        )
    return ""


def _opening(ticket: str, fields: Fields, description: str) -> dict[str, Any]:
    at = moment(first(fields, "created_at", "created_on"))
    return {
        **_about_ticket(ticket, fields),
        "external_id": f"ticket:{ticket}",
        "text": titled(first_text(fields, "subject", "title"), description),
        # without a time of change it is the oldest that is known of the ticket
        **said({"occurred_at": at, "updated_at": _changed_at(fields) or at}),
    }


def _comment(ticket: str, fields: Fields, text: str) -> dict[str, Any]:
    comment_id = identifier(first(fields, *(f"{name}_id" for name in COMMENTS)))
    return {
        **_about_ticket(ticket, fields),
        "external_id": comment_id or f"{ticket}:{text_mark(text)}",
        "text": text,
        **said({"occurred_at": _changed_at(fields)}),
    }


def _changed_at(fields: Fields) -> str | None:
    return moment(first(fields, "updated_at", "modified_on", "updated_on", "event_time", "time", "timestamp"))


def _label(value: Any, labels: dict[str, str]) -> str | None:
    """The label of a status, priority or source, whether it comes as label or as code."""
    text = identifier(value)
    return None if text is None else labels.get(text, text)


def _about_ticket(ticket: str, fields: Fields) -> dict[str, Any]:
    source = _label(first(fields, "source"), SOURCES)
    channel: Channel | None = channel_of(source)
    own = {
        name.partition("cf_")[2]: value for name, value in fields.items() if name.startswith(("ticket_cf_", "cf_"))
    }
    return said(
        {
            "conversation_id": ticket,
            "respondent": requester_of(fields),
            "updated_at": _changed_at(fields),
            "channel": channel,
            "url": web_address(first(fields, "url", "portal_url", "public_url", "link")),
            "attributes": attributes(
                {
                    "status": _label(first(fields, "status"), STATUSES),
                    "priority": _label(first(fields, "priority"), PRIORITIES),
                    "type": first(fields, "ticket_type", "type"),
                    "tags": tag_list(first(fields, "tags"), ","),
                    "via": source,
                    "group": first(fields, "group_name", "group"),
                    "product": first(fields, "product_name", "product", "product_description"),
                    "company": first(fields, "company_name", "requester_company_name", "company"),
                    "plan": first(fields, "plan", "company_account_tier"),
                    "country": first(fields, "country"),
                    "language": first(fields, "requester_language", "contact_language"),
                    **own,
                }
            ),
        }
    )


def score_of(value: Any) -> dict[str, Any] | None:
    """Happy 3, neutral 2, unhappy 1, in labels or codes; a number from 1 to 5 on that scale.

    Freshdesk's surveys have two to seven answers, and each counts as one of the three in its own reports.
    """
    rated = number(value)
    if rated is not None:
        if 1 <= rated <= 5:
            return {"kind": "csat", "value": rated, "scale_min": 1, "scale_max": 5}
        if not 100 <= abs(rated) <= 103:
            return None
        return _of_three(1 if rated < 0 else 2 if rated == 100 else 3)
    label = f"_{snake(value)}_" if isinstance(value, str) else ""
    if NEITHER.search(label):
        return _of_three(2)
    for points, names in ((1, UNHAPPY), (2, NEUTRAL), (3, HAPPY)):
        if any(f"_{name}" in label for name in names):
            return _of_three(1 if DENIED.search(label) else points)
    return None


def _of_three(points: int) -> dict[str, Any]:
    return {"kind": "csat", "value": points, "scale_min": 1, "scale_max": 3}


def _rating(ticket: str, fields: Fields, *, alone: bool) -> list[dict[str, Any]]:
    """The rating of the body; `alone` where its event says that the customer has just rated."""
    given, score = next(
        ((value, found) for name in RATINGS if (found := score_of(value := first(fields, name)))), (None, None)
    )
    comment = text_of_html(first_text(fields, *RATING_COMMENTS, *(("comment",) if alone else ())))
    if score is None and not (alone and comment):
        return []
    about = _about_ticket(ticket, fields)
    label = {"rating": given} if isinstance(given, str) and number(given) is None else {}
    return [
        {
            **about,
            "external_id": f"csat:{ticket}",
            "response_id": f"csat:{ticket}",
            **said(
                {
                    "score": score,
                    "text": comment,
                    "occurred_at": _changed_at(fields),
                    "attributes": attributes({**label, **about.get("attributes", {})}),
                }
            ),
        }
    ]


SENDER = Sender(
    name="freshdesk",
    title="Freshdesk",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    new_secret=new_token,
    secret_needed=False,
)
