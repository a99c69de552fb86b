"""Delighted: `survey_response.created` with the score, `survey_response.updated` with the comment.

The comment always stands with the score, so that an additional answer that comes first keeps an item of its own.
Times are whole seconds: the update of the same second is told by its kind, then by the number of answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.ingest.incoming import Call, CannotParse, Parsed, ScoreKind
from service.ingest.senders.answers import (
    Answer,
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
from service.ingest.senders.signatures import check_hmac
from service.ingest.senders.values import identifier, moment, moment_after

CREATED, UPDATED = "survey_response.created", "survey_response.updated"
UPDATED_MICROSECONDS = 1000


def verify(call: Call, secrets: Sequence[str], _options: SurveyOptions, _now: datetime) -> None:
    """BadSignature unless the body was signed with one of the private API keys."""
    check_hmac(
        call.headers.get("x-delighted-webhook-signature"), secrets, call.body, encoding="hex", prefix="sha256="
    )


def delivery_id(call: Call) -> str | None:
    """The event's id, the same over all retries."""
    return first_id(call, "event_id")


def parse(call: Call, options: SurveyOptions) -> Parsed:
    """The items of one response."""
    payload = json_object(call)
    event = word(payload.get("event_type"))
    if event not in (CREATED, UPDATED):
        return Parsed(ignored="an event that is no response to a survey")
    sent = payload.get("event_data")
    if not isinstance(sent, dict):
        raise CannotParse("event_data is missing")
    response_id = identifier(sent.get("id"))
    if response_id is None:
        raise CannotParse("the response has no id")
    answers = list(_answers(sent))
    person = part(sent.get("person"))
    created = moment(sent.get("created_at"))
    updated = moment(sent.get("updated_at")) or created
    later = given(answers) + (UPDATED_MICROSECONDS if event == UPDATED else 0)
    properties = part(sent.get("person_properties"))
    response = Response(
        id=response_id,
        answers=answers,
        occurred_at=created,
        updated_at=moment_after(updated, later),
        respondent=identifier(person.get("id")) or identifier(person.get("email")),
        url=sent.get("permalink"),
        hidden=properties,
        attributes={"tags": _names(sent.get("tags"))},
    )
    return whole_response(response, response_items(response, options), nothing="nothing was rated or written")


def _answers(sent: Mapping[str, Any]) -> Iterable[Answer]:
    kind, scale = _scale(str(sent.get("survey_type") or "nps"), sent.get("score"))
    # the key stands for no question: Delighted does not tell how it asked
    yield Answer("score", None, "rating", sent.get("score"), scale=scale, score=kind)
    yield Answer("comment", None, "open", sent.get("comment"), stands_with_score=True)
    for number, one in enumerate(parts(sent.get("additional_answers"))):
        asked, value = part(one.get("question")), part(one.get("value"))
        words = asked.get("text") if isinstance(asked.get("text"), str) else None
        question_id = identifier(asked.get("id")) or identifier(one.get("id")) or f"additional-{number + 1}"
        if value.get("free_response") is not None:
            yield Answer(question_id, words, "open", value["free_response"])
        elif value.get("scale") is not None:
            # of a further question only the response's score is a score
            yield Answer(question_id, words, "fact", value["scale"])
        else:
            yield Answer(
                question_id, words, "choice", _names(value.get("select_many")) or _names([value.get("select_one")])
            )


def _scale(survey_type: str, value: Any) -> tuple[ScoreKind | None, tuple[float, float] | None]:
    """What a survey of this type measures, and from where to where."""
    name = survey_type.lower().replace("-", "_")
    digits = re.search(r"\d+", name)
    top = float(digits[0]) if digits and 2 <= int(digits[0]) <= 10 else None
    if "nps" in name:
        return "nps", (0, 10)
    if "thumb" in name:
        return "csat", (0, 1)
    if "star" in name:
        return "stars", (1, top or 5)
    if "smiley" in name or "csat" in name:
        return "csat", (1, top or (3.0 if "three" in name else 5.0))
    if "ces" in name:
        # the older form has five steps, the newer one seven; both are called "ces" by some accounts
        return "ces", (1, top or (7.0 if isinstance(value, int | float) and value > 5 else 5.0))
    return None, None  # product/market fit and others have no score


def _names(values: Any) -> list[str]:
    """The words of choices or tags, which are texts or objects."""
    found = []
    for one in values if isinstance(values, list) else []:
        if isinstance(one, dict):
            one = one.get("text") or one.get("name")
        if isinstance(one, str) and one.strip():
            found.append(one.strip())
    return found


SENDER = Sender(
    name="delighted",
    title="Delighted",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=SurveyOptions,
    delivery_id=delivery_id,
)
