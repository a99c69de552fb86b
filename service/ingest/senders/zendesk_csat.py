"""Zendesk's satisfaction ratings: the old good or bad, and the newer survey responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.ingest.senders.values import identifier, moment, number, text_of_html

# the first word of what Zendesk calls the rating, in the account's language
GOOD = (
    "good",
    "satisfied",
    "gut",
    "zufrieden",
    "bien",
    "bon",
    "bonne",
    "satisfait",
    "bueno",
    "buena",
    "satisfecho",
)
BAD = (
    *("bad", "unsatisfied", "dissatisfied", "schlecht", "unzufrieden", "mal", "mauvais", "mauvaise"),
    *("insatisfait", "malo", "mala", "insatisfecho"),
)
FIVE_POINTS = (1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Rating:
    """What the customer answered; `score` is the contract's, or None where only words were given."""

    score: dict[str, Any] | None
    comment: str | None
    response_id: str | None = None
    at: str | None = None  # when the answer was given or changed last

    def __bool__(self) -> bool:
        return self.score is not None or self.comment is not None


def score_of(value: Any, low: float = FIVE_POINTS[0], high: float = FIVE_POINTS[1]) -> dict[str, Any] | None:
    """Good is 1 and bad is 0; numbers lie on the survey's scale. None for "offered", "unoffered" and the like."""
    rated = number(value)
    if rated is not None:
        if not low <= rated <= high:
            return None
        return {"kind": "csat", "value": rated, "scale_min": low, "scale_max": high}
    if not isinstance(value, str):
        return None
    said = value.strip().lower().replace("_", " ")
    beginning = said.partition(",")[0].split(" ")[0]
    for rating, names in ((1, GOOD), (0, BAD)):
        if beginning in names:
            return {"kind": "csat", "value": rating, "scale_min": 0, "scale_max": 1}
    return None


def rating_in(*places: Any, bare: bool = True) -> Rating:
    """The rating that one of the objects holds, looked for in this order; empty where none does.

    `bare`: the objects may be a rating themselves, else they hold one under its name.
    """
    for place in places:
        if not isinstance(place, Mapping):
            continue
        if isinstance(place.get("answers"), list):
            return _survey_response(place)
        for name in (
            "survey_response",
            "csat_survey_response",
            "csat",
            "satisfaction_score",
            "satisfaction_rating",
        ):
            if name in place:
                found = _rating(place[name])
                if found:
                    return found
        if bare and (found := _rating(place)):
            return found
    return Rating(None, None)


def rated_ticket(*places: Any) -> str | None:
    """The ticket that a survey response among these objects names as what was rated; None where none does."""
    for place in places:
        subjects = place.get("subjects") if isinstance(place, Mapping) else None
        for one in subjects if isinstance(subjects, list) else ():
            kind = one.get("type") if isinstance(one, Mapping) else None
            if isinstance(kind, str) and kind.strip().lower() == "ticket" and (key := identifier(one.get("id"))):
                return key
    return None


def _rating(value: Any) -> Rating:
    if not isinstance(value, Mapping):
        return Rating(score_of(value), None)
    if isinstance(value.get("answers"), list):
        return _survey_response(value)
    rated = next(
        (value[name] for name in ("score", "rating", "current", "value") if value.get(name) is not None), None
    )
    if isinstance(rated, Mapping):
        return _rating(rated)
    score = score_of(rated)
    if score is None and "rating_category" in value:
        score = score_of(value["rating_category"])
    comment = text_of_html(value.get("comment")) if score is not None else None
    return Rating(score, comment, None, moment(value.get("updated_at")) or moment(value.get("created_at")))


def _survey_response(response: Mapping[str, Any]) -> Rating:
    """The rating and the words among the answers of a survey response; skipped questions say nothing."""
    score: dict[str, Any] | None = None
    comments: list[str] = []
    times: list[str] = []
    for answer in response["answers"]:
        if not isinstance(answer, Mapping) or answer.get("type") == "skipped":
            continue
        times += [at for name in ("created_at", "updated_at") if (at := moment(answer.get(name)))]
        if answer.get("rating") is not None or answer.get("rating_category") is not None:
            low, high = _scale(answer.get("question"))
            score = score or score_of(answer.get("rating"), low, high) or score_of(answer.get("rating_category"))
        elif answer.get("type") in ("open_ended", "text", None):
            written = next((answer[name] for name in ("value", "text", "answer") if answer.get(name)), None)
            if comment := text_of_html(written):
                comments.append(comment)
    return Rating(score, "\n\n".join(comments) or None, identifier(response.get("id")), max(times, default=None))


def _scale(question: Any) -> tuple[float, float]:
    """The lowest and highest of the question's options, where they are told."""
    options = question.get("options") if isinstance(question, Mapping) else None
    ratings = [
        rated
        for option in (options if isinstance(options, list) else ())
        if isinstance(option, Mapping) and (rated := number(option.get("rating"))) is not None
    ]
    return (min(ratings), max(ratings)) if len(set(ratings)) > 1 else FIVE_POINTS
