"""Salesforce Service Cloud: outbound messages (SOAP) and a Flow's HTTP callout (JSON), about records.

Neither is signed. Salesforce sends an outbound message again for a day unless it reads an acknowledgement in SOAP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Channel, Erased, Parsed
from service.ingest.senders.contract import Reply, Sender
from service.ingest.senders.quotes import opening_subject, own_words, plain_reply
from service.ingest.senders.salesforce_fields import (
    CASE_OF,
    CHANGED,
    CREATED,
    PERSON,
    QUESTIONS,
    commented_rating,
    rating_texts,
    ratings,
    record_attributes,
    texts,
)
from service.ingest.senders.salesforce_records import (
    Record,
    is_json,
    long_id,
    name_words,
    organization_ids,
    records,
)
from service.ingest.senders.signatures import BadSignature, SenderOptions, check_token, new_token
from service.ingest.senders.values import moment, said, text_of_either, titled

ACKNOWLEDGED = Reply(
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>",
    "text/xml",
)
CHANNELS: dict[str, Channel] = {
    "phone": "call",
    "chat": "chat",
    "messaging": "chat",
    "whatsapp": "chat",
    "sms": "chat",
    "twitter": "social",
    "x": "social",
    "facebook": "social",
    "instagram": "social",
    "social": "social",
    "survey": "survey",
}
# words in the name of an object whose records are customers' answers
SURVEY_WORDS = ("survey", "feedback", "csat", "nps", "ces", "satisfaction", "response", "review", "rating")
PORTAL = ("portal", "customer", "guest", "partner", "csp")


class Options(SenderOptions):
    """Which org may send, and what its rules send."""

    organization_id: str = Field(
        default="",
        pattern="^([A-Za-z0-9]{15}([A-Za-z0-9]{3})?)?$",
        description="The org's id; calls that name another one or none are refused.",
    )
    comments_from_customers: bool = Field(
        default=False,
        description="The rule sends case comments of customers only; a comment itself does not say who wrote it.",
    )


def verify(call: Call, secrets: Sequence[str], options: Options, _now: datetime) -> None:
    """BadSignature without the token, where there is one, or from another org than the one that is named."""
    check_token(call, secrets)
    if not options.organization_id:
        return
    try:
        found = organization_ids(call)
    except CannotParse:
        return  # it is kept and shown as what could not be read; nothing is taken from it
    if not found or any(one != long_id(options.organization_id) for one in found):
        raise BadSignature("The call is not from the organisation of this endpoint.")


def reply(call: Call, _options: Options) -> Reply | None:
    """The acknowledgement that outbound messages wait for, whatever became of the content."""
    return None if is_json(call) else ACKNOWLEDGED


def parse(call: Call, options: Options) -> Parsed:
    """The customers' words and ratings in the records; what is no use in one does not hold up the others."""
    items: list[Any] = []
    erased: list[Erased] = []
    reasons: list[str] = []
    for record in records(call):
        key = record.key("id", "recordid")
        if not record.object:
            items.append(None)  # refused for itself, the others are taken
        elif key is None:
            reasons.append("a record without an id")
        elif record.kind == "case" and record.get("masterrecordid"):
            reasons.append("a case merged into another one: what was said in it is here already")
        elif record.flag("isdeleted") or record.flag("deleted"):
            erased += _erased(record, key)
        elif record.flag("shouldforget"):
            person = record.key("contactid") or (key if record.kind == "contact" else None)
            erased += [Erased("respondent", person)] if person else []
            reasons.append("somebody is to be forgotten, and it does not say which contact")
        else:
            found = list(_items(record, key, options, reasons))
            items += [said(item) for item in found]
    if items or erased:
        return Parsed(items, erased)
    return Parsed(ignored="; ".join(dict.fromkeys(reasons)) or "no record in it")


def _erased(record: Record, key: str) -> list[Erased]:
    if record.kind == "case":
        return [Erased("conversation", key)]
    if record.kind in ("contact", "personaccount"):
        return [Erased("respondent", key)]
    return [Erased("item", key)]


def _items(record: Record, key: str, options: Options, reasons: list[str]) -> Iterator[dict[str, Any]]:
    """The items of one record, or the reason why there is none."""
    if record.kind == "case":
        yield from _case(record, key, reasons)
    elif record.kind == "casecomment":
        yield from _case_comment(record, key, options, reasons)
    elif record.kind == "emailmessage":
        yield from _email(record, key, reasons)
    elif record.kind.startswith(SURVEY_WORDS) or set(SURVEY_WORDS).intersection(name_words(record.object)):
        yield from _answer(record, key, reasons)
    else:
        reasons.append("not a case, a comment, a mail or a survey's answer")


def _shared(record: Record, key: str) -> dict[str, Any]:
    created_at = _time(record, CREATED)
    return {
        "external_id": key,
        "occurred_at": created_at,
        "updated_at": _time(record, CHANGED) or created_at,
        "respondent": record.key(*PERSON),
        "url": f"{record.site}/{key}" if record.site and len(record.site) + len(key) < 2000 else None,
    }


def _time(record: Record, names: Sequence[str]) -> str | None:
    return next(filter(None, (moment(record.get(name)) for name in names)), None)


def _case(record: Record, key: str, reasons: list[str]) -> Iterator[dict[str, Any]]:
    text = titled(record.get("subject"), text_of_either(record.get("description")))
    shared = {**_shared(record, key), "conversation_id": key}
    # standard fields of a case such as Comments are the agents'; ratings stand in fields that the org made
    rated, comments = ratings(record, custom=True), rating_texts(record)
    named = set(comments) | {field for _score, field in rated.values()}
    own = {
        "channel": CHANNELS.get((record.get("origin") or "").strip().lower()),
        "attributes": record_attributes(record, named),
    }
    if text is not None:
        yield {**shared, "text": text, **own}
    words: dict[str, str] = {}
    for field, comment in comments.items():
        kind = commented_rating(record, field) or ""
        words[kind] = titled(words.get(kind), comment) or ""
    for kind in dict.fromkeys((*rated, *words)):
        score = rated[kind][0] if kind in rated else None
        # when it was given is not told: the case's own time is not that
        rating = {"external_id": f"{key}:{kind}", "occurred_at": None, "score": score, "text": words.get(kind)}
        yield {**shared, **own, **rating}
    if text is None and not rated and not words:
        reasons.append("a case without words")


def _case_comment(record: Record, key: str, options: Options, reasons: list[str]) -> Iterator[dict[str, Any]]:
    author = (record.get("authortype", "createdbyusertype", "usertype") or "").strip().lower()
    by_customer = options.comments_from_customers or bool(record.get("authorcontactid", "createdbycontactid"))
    if author:
        by_customer = any(word in author for word in PORTAL)
    text = text_of_either(record.get("commentbody", "comment", "text", "body"))
    if (record.flag("ispublished") if "ispublished" in record.fields else record.flag("published")) is False:
        reasons.append("an internal comment")
    elif not by_customer:
        reasons.append("an agent wrote the comment, or it is not said who did")
    elif text is None:
        reasons.append("a comment without words")
    else:
        yield {
            **_shared(record, key),
            "conversation_id": record.key(*reversed(CASE_OF)),
            "text": text,
            "respondent": record.key("authorcontactid", "createdbycontactid", *PERSON),
            "attributes": record_attributes(record, set()),
        }


def _email(record: Record, key: str, reasons: list[str]) -> Iterator[dict[str, Any]]:
    body = own_words(record.get("htmlbody")) or plain_reply(record.get("textbody", "text", "body"))
    if not record.flag("incoming"):
        reasons.append("a mail of the team, or it is not said who wrote it")
    elif body is None:
        reasons.append("a mail without words")
    else:
        yield {
            **_shared(record, key),
            "conversation_id": record.key(*reversed(CASE_OF)),
            "text": titled(opening_subject(record.get("subject")), body),
            "respondent": record.key("contactid", "fromaddress", "email"),
            "attributes": record_attributes(record, {"subject"}),
        }


def _answer(record: Record, key: str, reasons: list[str]) -> Iterator[dict[str, Any]]:
    """A record of a survey: its words, and each rating; the first rating belongs to the words."""
    written, rated = texts(record), ratings(record, custom=False)
    named = set(written) | {field for _score, field in rated.values()}
    response = record.key("responseid", "surveyresponseid") or key
    shared = {
        **_shared(record, key),
        "response_id": response,
        "conversation_id": record.key(*CASE_OF),
        "channel": "survey",
        "attributes": record_attributes(record, named | set(QUESTIONS)),
    }
    if not written and not rated:
        reasons.append("an answer without words or rating")
        return
    scores = [(kind, score) for kind, (score, _field) in rated.items()]
    question, first = record.get(*QUESTIONS), scores[0][1] if scores else None
    yield {**shared, "text": "\n\n".join(written.values()) or None, "question": question, "score": first}
    for kind, score in scores[1:]:
        # each score of a response counts: as a response of its own, as one response has one score
        yield {**shared, "external_id": f"{key}:{kind}", "response_id": f"{response}:{kind}", "score": score}


SENDER = Sender(
    name="salesforce",
    title="Salesforce Service Cloud",
    kind="support",
    default_channel="ticket",
    verify=verify,
    parse=parse,
    options=Options,
    new_secret=new_token,
    secret_needed=False,
    reply=reply,
)
