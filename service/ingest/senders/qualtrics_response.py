"""One response as Qualtrics' API tells it, with the survey's definition, as items."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from service.ingest.incoming import CannotParse, Parsed
from service.ingest.senders.answers import (
    Answer,
    Response,
    SurveyOptions,
    numbered_scale,
    part,
    response_items,
    whole_response,
    word,
)
from service.ingest.senders.questions import asks_contact
from service.ingest.senders.values import identifier, moment, number, text_of_html

# bits of `status`
PREVIEW, TEST, SPAM = 1, 2, 8
_KEY = re.compile(r"(?:(?P<loop>\d+)_)?(?P<question>QID\d+)(?:_(?P<rest>.+))?")
# what is about the response and not in it
META = frozenset(
    {
        "startDate",
        "endDate",
        "status",
        "ipAddress",
        "progress",
        "duration",
        "finished",
        "recordedDate",
        "_recordId",
        "recipientLastName",
        "recipientFirstName",
        "recipientEmail",
        "externalDataReference",
        "locationLatitude",
        "locationLongitude",
        "distributionChannel",
        "userLanguage",
        "lastModifiedDate",
    }
)


def is_not_feedback(values: Mapping[str, Any]) -> str | None:
    """Why a response is none of a customer: a preview, a test, spam; None where it is one."""
    status = values.get("status")
    words = status.lower() if isinstance(status, str) else ""
    bits = int(number(status) or 0)
    if bits & PREVIEW or "preview" in words or values.get("distributionChannel") == "preview":
        return "a preview of the survey"
    if bits & TEST or "test" in words:
        return "a test of the survey"
    if bits & SPAM or "spam" in words:
        return "taken for spam by Qualtrics"
    return None


def items_of(sent: Mapping[str, Any], survey: Mapping[str, Any], options: SurveyOptions) -> Parsed:
    """The items of a fetched response."""
    values = part(sent.get("values"))
    response_id = identifier(sent.get("responseId")) or identifier(values.get("_recordId"))
    if response_id is None:
        raise CannotParse("the fetched response has no id")
    why = is_not_feedback(values)
    if why is not None:
        return Parsed(ignored=why)
    questions = part(survey.get("Questions")) or part(survey.get("questions"))
    recorded, ended = moment(values.get("recordedDate")), moment(values.get("endDate"))
    hidden = {
        name: value
        for name, value in values.items()
        if name not in META and not _KEY.match(name) and not isinstance(value, dict)
    }
    response = Response(
        id=response_id,
        answers=list(_answers(values, part(sent.get("labels")), questions)),
        occurred_at=ended or recorded or moment(values.get("startDate")),
        updated_at=moment(values.get("lastModifiedDate")) or recorded or ended,
        respondent=identifier(values.get("externalDataReference")) or identifier(values.get("recipientEmail")),
        language=values.get("userLanguage"),
        hidden=hidden,
        attributes={
            "form": survey.get("SurveyName") or survey.get("name"),
            "distribution": values.get("distributionChannel"),
        },
    )
    return whole_response(response, response_items(response, options))


def _answers(
    values: Mapping[str, Any], labels: Mapping[str, Any], questions: Mapping[str, Any]
) -> Iterable[Answer]:
    places = {name: place for place, name in enumerate(questions)}
    keys = [(match, key) for key in values if (match := _KEY.fullmatch(key)) is not None]
    order = sorted(
        keys,
        key=lambda one: (
            places.get(one[0]["question"], len(places)),
            int(one[0]["question"][3:]),
            one[0]["loop"] or "",
        ),
    )
    for match, key in order:
        made = _answer(match, key, values, labels, part(questions.get(match["question"])))
        if made is not None:
            yield made


def _answer(
    match: re.Match[str],
    key: str,
    values: Mapping[str, Any],
    labels: Mapping[str, Any],
    question: Mapping[str, Any],
) -> Answer | None:
    value, label, rest = values[key], labels.get(key), match["rest"] or ""
    if rest.endswith("_GROUP") or rest.startswith("NPS_GROUP") or "_DO" in f"_{rest}_" or value in (None, ""):
        return None  # companions: Promoter/Detractor, the order in which choices were shown
    kind_of = part(question.get("questionType"))
    told = word(question.get("QuestionType")) or word(kind_of.get("type"))
    selector = word(question.get("Selector")) or word(kind_of.get("selector"))
    words = text_of_html(question.get("QuestionText") or question.get("questionText"))
    row = _row(question, rest)
    asked = " – ".join(text for text in (words, row) if text) or None
    if told in ("DB", "Captcha", "FileUpload", "Draw", "Signature", "Timing", "Meta"):
        return None
    if rest == "TEXT" or told == "TE" or rest.endswith("_TEXT"):
        if rest.endswith("_TEXT") and told not in ("TE", ""):
            # written beside a choice: "Other, please say"
            return Answer(key, words, "choice", None, comment=value if isinstance(value, str) else None)
        if asks_contact(row):
            return Answer(key, asked, "contact", value)
        # without the survey's definition a "…_TEXT" is still something typed in
        return Answer(key, asked, "open" if words or rest == "TEXT" else "unknown", value)
    if isinstance(value, list):
        several = label if isinstance(label, list) else value
        return Answer(key, asked, "choice", [one for one in several if isinstance(one, str | int | float)])
    scale, score = _scale(told, selector, question)
    if scale is not None and number(value) is not None:
        return Answer(key, asked, "rating", value, scale=scale, score=score, else_score=score)
    # choices are numbered in any order: only numbers that people saw are a rating
    choices = part(question.get("Choices")) or part(question.get("choices"))
    seen = [part(one).get("Display") or part(one).get("choiceText") for one in choices.values()]
    shown = label if isinstance(label, str) else value
    return Answer(key, asked, "choice", shown, scale=numbered_scale(seen) if told == "MC" else None)


def _row(question: Mapping[str, Any], rest: str) -> str | None:
    """The words of a matrix's row, a form's field or a slider's line."""
    rows = part(question.get("subQuestions")) or part(question.get("Choices")) or part(question.get("choices"))
    found = part(rows.get(rest.removesuffix("_TEXT"))) if rest and rest != "TEXT" else {}
    return text_of_html(found.get("Display") or found.get("choiceText") or found.get("description"))


def _scale(told: str, selector: str, question: Mapping[str, Any]) -> tuple[tuple[float, float] | None, Any]:
    """(scale, kind) of questions that are ratings by their type."""
    if selector == "NPS" or told == "NPS":
        return (0, 10), "nps"
    settings = part(question.get("Configuration"))
    rows = part(question.get("Choices")) or part(question.get("choices"))
    if told == "Slider" and len(rows) <= 1:
        if selector == "STAR":
            return (1, number(settings.get("StarCount")) or 5), "stars"
        low, high = number(settings.get("CSSliderMin")), number(settings.get("CSSliderMax"))
        if low is not None and high is not None and low < high:
            return (low, high), None
    return None, None
