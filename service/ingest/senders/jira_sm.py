"""Jira Service Management: issues that customers raised, and what they commented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Erased, Parsed
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.jira_text import words
from service.ingest.senders.quotes import plain_reply
from service.ingest.senders.signatures import SenderOptions, check_hmac, new_token
from service.ingest.senders.values import attributes, identifier, inner, moment, number, said, titled

SIGNATURE, IDENTIFIER = "x-hub-signature", "x-atlassian-webhook-identifier"
ISSUE = "issue:"  # before an issue's number: comments are numbered too
COMMENT_GONE = frozenset({"comment_deleted", "issue_comment_deleted"})


class Options(SenderOptions):
    """Which of a site's own fields mean something to us."""

    csat_field: str = Field(
        default="",
        max_length=200,
        description="The field that holds the customer's rating from 1 to 5, such as customfield_10017.",
    )
    only_customer_accounts: bool = Field(
        default=False,
        description="Licensed users are agents, also where they raised the issue themselves: a call that they "
        "took down, or a request of their own.",
    )
    attribute_fields: dict[str, str] = Field(
        default_factory=dict,
        max_length=10,
        description='Further fields that become attributes, by the name to show: {"plan": "customfield_10050"}.',
    )


def verify(call: Call, secrets: Sequence[str], _options: Options, _now: datetime) -> None:
    """BadSignature unless the body is signed with one of the secrets; SHA-256 whatever method the header names."""
    check_hmac(call.headers.get(SIGNATURE), secrets, call.body, encoding="hex", prefix="sha256=")


def delivery_id(call: Call) -> str | None:
    """Jira's name of the delivery, the same over retries, with what it is about."""
    name = call.headers.get(IDENTIFIER)
    if not name:
        return None
    try:
        payload = json_object(call)
    except CannotParse:
        return name
    about = (payload.get("webhookEvent"), inner(payload, "issue", "id"), inner(payload, "comment", "id"))
    return ":".join([name, *(identifier(one) or "" for one in about)])


def parse(call: Call, options: Options) -> Parsed:
    """The customer's words in an event of an issue or a comment, and their rating."""
    payload = json_object(call)
    event = payload.get("webhookEvent")
    if not isinstance(event, str):
        raise CannotParse("the body names no event")
    event = event.removeprefix("jira:")
    if event == "user_deleted":
        user = _user_id(payload.get("user")) or identifier(payload.get("accountId"))
        return Parsed(erased=[Erased("respondent", user)]) if user else Parsed(ignored="an account without an id")
    if event not in ("issue_created", "issue_updated", "issue_deleted") and not event.startswith("comment_"):
        return Parsed(ignored="neither an issue nor a comment")
    issue, comment = _object(payload.get("issue")), _object(payload.get("comment"))
    if event == "issue_deleted":
        issue_id = identifier(issue.get("id"))
        if issue_id is None:
            raise CannotParse("a deleted issue without its id")
        return Parsed(erased=[Erased("conversation", issue_id)])
    items: list[dict[str, Any]] = []
    erased: list[Erased] = []
    reasons: list[str] = []
    if comment:
        gone = event in COMMENT_GONE or str(payload.get("issue_event_type_name")) in COMMENT_GONE
        if gone and (key := identifier(comment.get("id"))) is not None:
            erased.append(Erased("item", key))
        elif not gone:
            _take_comment(payload, issue, comment, options, items, reasons)
    elif event.startswith("comment_"):
        raise CannotParse("a comment's event without the comment")
    if not event.startswith("comment_"):
        _take_issue(payload, issue, options, items, reasons)
    return Parsed(items, erased, ignored="" if items or erased else "; ".join(reasons) or "nothing was said in it")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _user_id(user: Any) -> str | None:
    """An account's stable id; Jira on own servers has a key or a name instead."""
    found = (identifier(inner(user, name)) for name in ("accountId", "key", "name", "emailAddress"))
    return next(filter(None, found), None)


def _is_customer(author: Any, fields: Mapping[str, Any], options: Options) -> bool:
    """Whether the author is the customer: by the kind of account, or as who raised the issue.

    Who raised it and works on it as well is an agent; of others with a licence nothing more is told.
    """
    kind = inner(author, "accountType")
    if kind == "customer":
        return True
    if kind == "app" or (kind and options.only_customer_accounts):
        return False
    who = _user_id(author)
    return who is not None and who == _user_id(fields.get("reporter")) and who != _user_id(fields.get("assignee"))


def _take_comment(
    payload: Mapping[str, Any],
    issue: Mapping[str, Any],
    comment: Mapping[str, Any],
    options: Options,
    items: list[dict[str, Any]],
    reasons: list[str],
) -> None:
    fields = _object(issue.get("fields"))
    key, text = identifier(comment.get("id")), plain_reply(words(comment.get("body")))
    if comment.get("jsdPublic") is False or comment.get("visibility") or _marked_internal(comment):
        reasons.append("an internal comment")
    elif not _is_customer(comment.get("author"), fields, options):
        reasons.append("an agent or an app wrote the comment, or it is not said that a customer did")
    elif text is None:
        reasons.append("a comment without words")
    elif key is None:
        raise CannotParse("a comment without an id")
    else:
        written_at = moment(comment.get("created"))
        address = _address(issue)
        item = {
            "external_id": key,
            "conversation_id": identifier(issue.get("id")) or _issue_of(comment),
            "text": text,
            "occurred_at": written_at,
            "updated_at": moment(comment.get("updated")) or moment(payload.get("timestamp")) or written_at,
            "respondent": _user_id(comment.get("author")),
            "url": address and f"{address}?focusedCommentId={key}",
            "attributes": _attributes(fields, {}),
        }
        items.append(said(item))


def _marked_internal(comment: Mapping[str, Any]) -> bool:
    """Whether the comment's own property says that it is the team's: older events have no `jsdPublic`."""
    found = comment.get("properties")
    marks = [one for one in found if inner(one, "key") == "sd.public.comment"] if isinstance(found, list) else []
    return any(str(inner(one, "value", "internal")).lower() == "true" for one in marks)


def _issue_of(comment: Mapping[str, Any]) -> str | None:
    """The issue's id out of the comment's own address, for events that carry no issue."""
    address = comment.get("self")
    head, _, tail = address.partition("/issue/") if isinstance(address, str) else ("", "", "")
    return identifier(tail.partition("/")[0]) if head else None


def _address(issue: Mapping[str, Any]) -> str | None:
    """Where people read the issue."""
    site, found, _ = str(issue.get("self")).partition("/rest/")
    key = identifier(issue.get("key"))
    return f"{site}/browse/{key}" if found and key and len(site) + len(key) < 1000 else None


def _take_issue(
    payload: Mapping[str, Any],
    issue: Mapping[str, Any],
    options: Options,
    items: list[dict[str, Any]],
    reasons: list[str],
) -> None:
    fields = _object(issue.get("fields"))
    issue_id = identifier(issue.get("id"))
    if issue_id is None:
        raise CannotParse("an issue's event without its id")
    if inner(fields, "project", "projectTypeKey") not in (None, "service_desk"):
        reasons.append("not an issue of a service project")
        return
    reporter = fields.get("reporter") or fields.get("creator")
    created_at = moment(fields.get("created"))
    shared = {
        "conversation_id": issue_id,
        "updated_at": moment(fields.get("updated")) or moment(payload.get("timestamp")) or created_at,
        "respondent": _user_id(reporter),
        "url": _address(issue),
        "attributes": _attributes(fields, options.attribute_fields),
    }
    rating = _rating(payload, fields, options)
    if rating:
        items.append(said({"external_id": f"{ISSUE}{issue_id}:csat", **shared, **rating}))
    text = titled(fields.get("summary"), plain_reply(words(fields.get("description"))))
    if not _is_customer(reporter, fields, options):
        reasons.append("no customer raised the issue, or it is not said who did")
    elif text is not None:
        items.append(
            said({"external_id": f"{ISSUE}{issue_id}", "text": text, "occurred_at": created_at, **shared})
        )


def _rating(payload: Mapping[str, Any], fields: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """The customer's rating with the comment they left; empty where the issue has none."""
    field = options.csat_field or _rating_field(payload, fields)
    value = fields.get(field) if field else None
    given = (
        next((value.get(name) for name in ("rating", "value") if name in value), None)
        if isinstance(value, dict)
        else value
    )
    stars = number(given)
    if stars is None or not 1 <= stars <= 5:
        return {}
    comment = inner(value, "comment")
    changes = inner(payload, "changelog", "items")
    changed = isinstance(changes, list) and any(inner(one, "fieldId") == field for one in changes)
    return {
        "score": {"kind": "csat", "value": stars, "scale_min": 1, "scale_max": 5},
        "text": words(comment) or words(inner(comment, "body")),
        # when it was given is told only by the event of the change itself
        "occurred_at": moment(payload.get("timestamp")) if changed else None,
    }


def _rating_field(payload: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """The field of Jira's own satisfaction survey where the option does not name it.

    Its value is a rating with its comment, or a change tells it by its name.
    """
    for name, value in fields.items():
        if name.startswith("customfield_") and number(inner(value, "rating")) is not None:
            return name
    changes = inner(payload, "changelog", "items")
    named = [one for one in changes if inner(one, "field") == "Satisfaction"] if isinstance(changes, list) else []
    found = (identifier(inner(one, "fieldId")) for one in named)
    return next(filter(None, found), None)


def _attributes(fields: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, str]:
    request_types = (inner(value, "requestType", "name") for value in fields.values())
    return attributes(
        {
            "project": inner(fields, "project", "name"),
            "issue_type": inner(fields, "issuetype", "name"),
            "request_type": next(filter(None, request_types), None),
            "priority": inner(fields, "priority", "name"),
            "status": inner(fields, "status", "name"),
            "resolution": inner(fields, "resolution", "name"),
            "organizations": [name for value in fields.values() for name in _organizations(value)],
            "labels": fields.get("labels"),
            "components": _shown(fields.get("components")),
            **{name: _shown(fields.get(field)) for name, field in own.items()},
        }
    )


def _organizations(value: Any) -> list[Any]:
    """The names in a field of customer organisations; only its addresses are the same on all sites."""
    entries = value if isinstance(value, list) else []
    return [inner(one, "name") for one in entries if "/organization/" in str(inner(one, "_links", "self"))]


def _shown(value: Any) -> Any:
    """What Jira shows of a field: the name or value of an option, of each where there are several."""
    if isinstance(value, list):
        return [_shown(one) for one in value]
    if not isinstance(value, dict):
        return value
    return next((value[name] for name in ("value", "name", "displayName") if name in value), None)


SENDER = Sender(
    name="jira-sm",
    title="Jira Service Management",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    new_secret=new_token,
)
