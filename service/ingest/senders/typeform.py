"""Typeform: `form_response` and `form_response_partial`, which tells of the same response before it is sent off.

Answers are joined to the questions of `definition` by the field's id. Scales are in the field's properties, or
Typeform's own where these are left out. A partial response has no time of its own: it counts as a moment before
the whole one, by as many microseconds later as it has answers, so that the fuller one is the later one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Parsed
from service.ingest.senders.answers import (
    Answer,
    Kind,
    Response,
    SurveyOptions,
    first_id,
    given,
    part,
    parts,
    response_items,
    whole_response,
    word,
)
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.questions import MAX_QUESTION_CHARS
from service.ingest.senders.signatures import check_hmac, new_token
from service.ingest.senders.values import identifier, moment, moment_after

EVENTS = frozenset({"form_response", "form_response_partial"})
# [M] the response of Typeform's own documentation and of its test button
SAMPLES = frozenset({"a3a12ec67a1365927098a606107fac15"})
MAX_NESTING = 8
BEFORE_MICROSECONDS = 20_000  # more than a form has questions, less than between two events of one response
_PIPED = re.compile(r"\{\{[^{}]*\}\}")
_MARKS = re.compile(r"(?<!\w)[*_]+|[*_]+(?!\w)")

KINDS: dict[str, Kind] = {
    "short_text": "open",
    "long_text": "open",
    "rating": "rating",
    "opinion_scale": "rating",
    "nps": "rating",
    "dropdown": "choice",  # older webhooks send the chosen one as a text
    "email": "contact",
    "phone_number": "contact",
    "contact_info": "contact",
    "address": "contact",
}
ANSWER_KINDS: dict[str, Kind] = {
    "text": "open",
    "choice": "choice",
    "choices": "choice",
    "email": "contact",
    "phone_number": "contact",
}
LEFT_OUT = frozenset({"file_url", "payment", "file_upload", "multi_format", "video", "signature"})


def verify(call: Call, secrets: Sequence[str], _options: SurveyOptions, _now: datetime) -> None:
    """BadSignature unless the body was signed with one of the secrets."""
    check_hmac(call.headers.get("typeform-signature"), secrets, call.body, encoding="base64", prefix="sha256=")


def delivery_id(call: Call) -> str | None:
    """The event's id, the same over all retries."""
    return first_id(call, "event_id")


def parse(call: Call, options: SurveyOptions) -> Parsed:
    """The items of one response, partial or whole."""
    payload = json_object(call)
    event = word(payload.get("event_type"))
    if event not in EVENTS:
        return Parsed(ignored="an event that is no response to a form")
    sent = payload.get("form_response") or payload.get(event)
    if not isinstance(sent, dict):
        raise CannotParse("form_response is missing")
    token = identifier(sent.get("token")) or identifier(sent.get("response_id"))
    if token is None:
        raise CannotParse("the response has no token")
    if token in SAMPLES:
        return Parsed(ignored="a test of the connection")
    answers = list(_answers(sent))
    landed, submitted = moment(sent.get("landed_at")), moment(sent.get("submitted_at"))
    if event == "form_response":
        updated = submitted or landed
    else:
        updated = moment_after(submitted or landed, given(answers) - BEFORE_MICROSECONDS)
    definition = part(sent.get("definition"))
    metadata = part(sent.get("metadata"))
    response = Response(
        id=token,
        answers=answers,
        occurred_at=submitted or landed,
        updated_at=updated,
        url=sent.get("response_url"),
        hidden=_hidden(sent),
        attributes={
            "form": definition.get("title") or identifier(sent.get("form_id")),
            "country": metadata.get("country"),
            "platform": metadata.get("platform"),
        },
    )
    return whole_response(response, response_items(response, options))


def _hidden(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Hidden fields and what the form computed; a score of 0 is what every form without scoring has."""
    found = dict(part(sent.get("hidden")))
    for one in parts(sent.get("variables")):
        name, value = one.get("key"), one.get(str(one.get("type") or ""))
        if isinstance(name, str) and not (name == "score" and not value):
            found.setdefault(name, value)
    return found


def _fields(fields: Any, depth: int = 0) -> Iterable[dict[str, Any]]:
    """The questions of a form in their order, those in groups and matrices too."""
    for one in parts(fields):
        yield one
        if depth < MAX_NESTING:
            yield from _fields(part(one.get("properties")).get("fields"), depth + 1)


def _answers(sent: Mapping[str, Any]) -> Iterable[Answer]:
    fields = list(_fields(part(sent.get("definition")).get("fields")))
    by_name: dict[str, tuple[int, dict[str, Any]]] = {}
    for place, one in enumerate(fields):
        for name in (one.get("ref"), one.get("id")):
            if isinstance(name, str):
                by_name[name] = (place, one)
    found = []
    for number, answer in enumerate(parts(sent.get("answers"))):
        asked = part(answer.get("field"))
        names = [name for name in (asked.get("id"), asked.get("ref")) if isinstance(name, str)]
        place, field = next((by_name[name] for name in names if name in by_name), (len(fields) + number, {}))
        made = _answer(answer, {**field, **asked}, field, question_id=names[0] if names else str(number + 1))
        if made is not None:
            found.append((place, number, made))
    # in the form's order: logic jumps may lead through it in another one
    return [made for _, _, made in sorted(found, key=lambda one: one[:2])]


def _answer(
    answer: Mapping[str, Any], asked: Mapping[str, Any], field: Mapping[str, Any], *, question_id: str
) -> Answer | None:
    told = word(answer.get("type"))
    asked_type = word(asked.get("type")) or word(field.get("type"))
    if told in LEFT_OUT or asked_type in LEFT_OUT:
        return None
    value = answer.get(told)
    kind: Kind = KINDS.get(asked_type) or ANSWER_KINDS.get(told, "fact")
    comment = None
    if isinstance(value, dict):
        comment = value["other"] if isinstance(value.get("other"), str) else None
        value = _chosen(value)
        kind = "contact" if kind == "contact" else "choice"
    properties = part(field.get("properties"))
    scale = _scale(asked_type, properties)
    title = field.get("title") or asked.get("title")
    return Answer(
        question_id,
        _question(title) if isinstance(title, str) else None,
        kind,
        value,
        scale=scale,
        score="nps" if asked_type == "nps" else None,
        else_score="stars" if asked_type == "rating" else None,
        comment=comment,
    )


def _chosen(value: Mapping[str, Any]) -> list[Any]:
    labels = value.get("labels") if isinstance(value.get("labels"), list) else [value.get("label")]
    return [one for one in labels or [] if isinstance(one, str | int | float)]


def _scale(asked_type: str, properties: Mapping[str, Any]) -> tuple[float, float] | None:
    """Lowest and highest: ratings have five steps, opinions 0 to 10, unless the form says otherwise."""
    steps = properties.get("steps")
    steps = steps if isinstance(steps, int) and 2 <= steps <= 100 else None
    if asked_type == "rating":
        return 1, steps or 5
    if asked_type == "nps":
        return 0, 10
    if asked_type != "opinion_scale":
        return None
    low = 1 if properties.get("start_at_one") is True else 0
    return low, low + (steps or 11) - 1


def _question(title: str) -> str | None:
    """A question's words: what it repeats of earlier answers left out, emphasis unmarked."""
    return _MARKS.sub("", _PIPED.sub("…", title[:MAX_QUESTION_CHARS])).strip() or None


SENDER = Sender(
    name="typeform",
    title="Typeform",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=SurveyOptions,
    delivery_id=delivery_id,
    new_secret=new_token,
)
