"""Tally: `FORM_RESPONSE` with every field of the form in its order, answered or not.

Choices are ids that each field's options resolve. Every option of a checkbox question comes once more as a field
of its own with a truth value; those are left out. The scale of a linear scale is not told: 1 to 5 unless set
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from service.ingest.incoming import Call, CannotParse, Parsed, ScoreKind
from service.ingest.senders.answers import (
    Answer,
    Kind,
    Response,
    SurveyOptions,
    first_id,
    part,
    parts,
    response_items,
    whole_response,
    word,
)
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.questions import asked_score
from service.ingest.senders.signatures import check_hmac, new_token
from service.ingest.senders.values import identifier, moment

KINDS: dict[str, Kind] = {
    "INPUT_TEXT": "open",
    "TEXTAREA": "open",
    "LINEAR_SCALE": "rating",
    "RATING": "rating",
    "INPUT_EMAIL": "contact",
    "INPUT_PHONE_NUMBER": "contact",
    "RESPONDENT_EMAIL": "contact",
}
CHOICES = frozenset({"MULTIPLE_CHOICE", "CHECKBOXES", "DROPDOWN", "MULTI_SELECT", "RANKING"})
KNOWN_BEFORE = frozenset({"HIDDEN_FIELDS", "CALCULATED_FIELDS"})
LEFT_OUT = frozenset({"FILE_UPLOAD", "SIGNATURE", "PAYMENT", "WALLET_CONNECT"})


class Options(SurveyOptions):
    """How linear scales and stars are read."""

    rating_max: int = Field(
        default=5, ge=2, le=10, description="How many stars ratings have; Tally does not tell it."
    )
    linear_scale_max: int = Field(
        default=5, ge=2, le=10, description="Highest step of linear scales; Tally does not tell it."
    )


def verify(call: Call, secrets: Sequence[str], _options: Options, _now: datetime) -> None:
    """BadSignature unless the body was signed with one of the secrets."""
    check_hmac(call.headers.get("tally-signature"), secrets, call.body, encoding="base64")


def delivery_id(call: Call) -> str | None:
    """The event's id, the same over all retries."""
    return first_id(call, "eventId")


def parse(call: Call, options: Options) -> Parsed:
    """The items of one response."""
    payload = json_object(call)
    if payload.get("eventType") != "FORM_RESPONSE":
        return Parsed(ignored="an event that is no response to a form")
    data = payload.get("data")
    if not isinstance(data, dict):
        raise CannotParse("data is missing")
    response_id = identifier(data.get("responseId")) or identifier(data.get("submissionId"))
    if response_id is None:
        raise CannotParse("the response has no id")
    fields = [one for one in parts(data.get("fields")) if word(one.get("type")) not in LEFT_OUT]
    hidden = {
        str(one.get("label") or one.get("key")): one.get("value")
        for one in fields
        if word(one.get("type")) in KNOWN_BEFORE
    }
    created = moment(data.get("createdAt"))
    response = Response(
        id=response_id,
        answers=list(_answers(fields, options)),
        occurred_at=created or moment(payload.get("createdAt")),
        updated_at=moment(payload.get("createdAt")) or created,
        hidden=hidden,
        attributes={"form": data.get("formName") or identifier(data.get("formId"))},
    )
    browser = identifier(data.get("respondentId"))
    # Tally's own id of a respondent is one browser's: the last resort
    respondent = {} if browser is None else {"respondent": browser}
    return whole_response(response, [respondent | item for item in response_items(response, options)])


def _answers(fields: Sequence[Mapping[str, Any]], options: Options) -> Iterable[Answer]:
    for number, one in enumerate(fields):
        told, value = word(one.get("type")), one.get("value")
        if told in KNOWN_BEFORE or (told == "CHECKBOXES" and isinstance(value, bool)):
            continue
        question_id = identifier(one.get("key")) or f"question-{number + 1}"
        label = one.get("label") if isinstance(one.get("label"), str) else None
        if told == "MATRIX":
            yield from _matrix(question_id, label, one)
        elif told in CHOICES or parts(one.get("options")):
            values = value if isinstance(value, list) else [value]
            chosen, typed = _chosen(values, parts(one.get("options")))
            yield Answer(question_id, label, "choice", chosen, comment=typed)
        else:
            kind = KINDS.get(told, "fact")
            stars: ScoreKind | None = "stars" if kind == "rating" else None
            yield Answer(question_id, label, kind, value, scale=_scale(told, label, options), else_score=stars)


def _scale(told: str, label: str | None, options: Options) -> tuple[float, float] | None:
    if told == "RATING":
        return 1, options.rating_max
    if told == "LINEAR_SCALE" and asked_score(label) != "nps":
        return 1, options.linear_scale_max
    return None


def _chosen(values: Sequence[Any], options: Sequence[Mapping[str, Any]]) -> tuple[list[str], str | None]:
    """The words of the chosen options, and what was typed in beside them."""
    by_id = {identifier(one.get("id")): one for one in options}
    chosen: list[str] = []
    typed: list[str] = []
    for value in values:
        if identifier(value) is None:
            continue
        option = by_id.get(identifier(value), {})
        text = option.get("text") or option.get("name") or value
        # what is no id of an option was typed in
        (typed if option.get("isOtherOption") is True or (options and not option) else chosen).append(str(text))
    return chosen, "\n".join(typed) or None


def _matrix(question_id: str, label: str | None, one: Mapping[str, Any]) -> Iterable[Answer]:
    rows = {identifier(row.get("id")): row.get("text") for row in parts(one.get("rows"))}
    columns = {identifier(column.get("id")): column.get("text") for column in parts(one.get("columns"))}
    for row, chosen in part(one.get("value")).items():
        values = chosen if isinstance(chosen, list) else [chosen]
        asked = " – ".join(text for text in (label, rows.get(row)) if isinstance(text, str))
        shown = [columns.get(identifier(value), value) for value in values]
        yield Answer(
            f"{question_id}-{row}", asked or None, "choice", [text for text in shown if isinstance(text, str)]
        )


SENDER = Sender(
    name="tally",
    title="Tally",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=Options,
    delivery_id=delivery_id,
    new_secret=new_token,
)
