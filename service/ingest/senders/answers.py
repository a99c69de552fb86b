"""One response of a survey, whoever sends it, as items: the one rule of all survey senders.

The item with the response's own id carries its score and the answer to the first open question that was answered,
in the order of the form; every further open answer is the item `<response>:<question id>`. All have the response's
id, its attributes and its times. Senders tell the whole response each time, and answers mostly become more: so the
score never leaves its item, and a question that has an item of its own keeps it, whatever arrives when. An answer
that is not told any more was taken back: its item goes, and the score is left without words where all are gone.

The first rating that is a score (see `score_of`) is the response's; other ratings, choices and short facts are
attributes. Who and where the person is (e-mail, phone, name, address) is neither: an e-mail is the respondent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from service.ingest.column_names import is_personal
from service.ingest.conversions import to_rating
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, SCALES, Call, CannotParse, Parsed, ScoreKind, Whole
from service.ingest.senders.bodies import json_object
from service.ingest.senders.questions import (
    asked_score,
    asks_contact,
    asks_profile,
    has_words,
    is_e_mail,
    is_link,
    is_phone,
    named_language,
    named_person,
    reads_as_open,
    spelled,
)
from service.ingest.senders.signatures import SenderOptions
from service.ingest.senders.values import attributes, identifier, said

Kind = Literal["open", "rating", "choice", "fact", "contact", "unknown"]
MAX_ANSWERS = 2000
MAX_KEY_CHARS = 100  # of a question's id within an item's; longer ones are hashed
MAX_PROFILE_CHARS = 60
MAX_RATING_WORDS = 6
NOTHING = "no question was answered in words or with a rating"
COMMENT_WORDS = 4  # from how many words on an "other" is something said and not one more choice
_SCALE = re.compile(r"(nps|csat|ces|stars)(?::(-?\d{1,4})-(\d{1,4}))?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*", re.IGNORECASE)


def _scale_text(value: str) -> str:
    value = value.strip().lower()
    if value == "none":
        return value
    found = _SCALE.fullmatch(value)
    if found is None or (found[2] is not None and int(found[2]) >= int(found[3])):
        raise ValueError('a scale is "nps", "csat", "ces", "stars", one of them as "csat:1-7", or "none"')
    return value


Scale = Annotated[str, AfterValidator(_scale_text)]


class SurveyOptions(SenderOptions):
    """Options of every survey sender."""

    scales: dict[str, Scale] = Field(
        default_factory=dict,
        description="What a rating is where the survey does not tell, by the question's id or text: "
        '{"How was the course?": "csat:1-7"}. "none" makes it an attribute.',
    )


class UntypedOptions(SurveyOptions):
    """Options of senders that tell neither what a question is nor its words."""

    questions: dict[str, str] = Field(
        default_factory=dict, description='The questions\' words by their ids: {"q7": "What can we do better?"}.'
    )
    choices: list[str] = Field(
        default_factory=list, description="Ids of questions whose answers are chosen from a list, not written."
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question."""

    question_id: str
    question: str | None
    # "fact": a date, a number, a consent; "unknown": a text or number of which the sender does not tell more
    kind: Kind
    value: Any
    scale: tuple[float, float] | None = None  # lowest and highest, where the sender tells
    score: ScoreKind | None = None  # where the sender itself tells what is measured
    else_score: ScoreKind | None = None  # what a rating is whose words do not tell; see `score_of`
    comment: str | None = None  # written beside a choice or a rating: "other: …"
    comment_asked: bool = False  # a comment field of its own, not one more choice
    stands_with_score: bool = False  # the one that does, also where it was not answered


@dataclass(frozen=True, slots=True)
class Response:
    """One response with its answers in the order of the form; times as RFC 3339."""

    id: str
    answers: Sequence[Answer]
    occurred_at: str | None = None
    updated_at: str | None = None
    respondent: str | None = None
    language: Any = None
    url: Any = None
    hidden: Mapping[str, Any] = field(default_factory=dict)  # what the form knew before: ids, plan, language
    attributes: Mapping[str, Any] = field(default_factory=dict)  # of the survey: form, country


def response_items(response: Response, options: SurveyOptions) -> list[dict[str, Any]]:
    """The items of a response; none where nothing was written or rated.

    CannotParse for more answers than any survey has questions.
    """
    if len(response.answers) > MAX_ANSWERS:
        raise CannotParse(f"the response has more than {MAX_ANSWERS} answers")
    answers = [one for one in response.answers if _kind(one) != "contact"]
    scored = next(((one, score) for one in answers if (score := score_of(one, options)) is not None), None)
    respondent, language, hidden = person_of(response.hidden)
    if respondent is None:
        respondent = next((one.value.strip() for one in response.answers if is_e_mail(one.value)), None)
    shared: dict[str, Any] = {
        "occurred_at": response.occurred_at,
        "updated_at": response.updated_at,
        "respondent": response.respondent or respondent,
        "language": _language(response.language) or language,
        "url": response.url if isinstance(response.url, str) and len(response.url) <= 2048 else None,
        "response_id": response.id,
        "attributes": attributes(
            dict(response.attributes) | hidden | _attributes(answers, scored[0] if scored else None)
        ),
    }
    written = list(_written(answers))
    fixed = any(one.stands_with_score for one in answers)
    first = next((one for one in written if not one.beside_choice and one.stands_with_score >= fixed), None)
    own: dict[str, Any] = {"external_id": response.id, "score": scored[1] if scored else None, **shared}
    if first is not None:
        own |= {"text": first.text, "question": first.question}
    items = [own] if first is not None or scored else []
    taken: set[str] = set()
    for one in written:
        if one is first:
            continue
        key = one.key if one.key not in taken else f"{one.key}:{len(taken)}"
        taken.add(key)
        items.append({"external_id": f"{response.id}:{key}", "text": one.text, "question": one.question} | shared)
    found = [said(item) for item in items]
    if scored and first is None:
        found[0]["text"] = None  # what an earlier delivery had written there was taken back
    return found


def whole_response(response: Response, items: Sequence[dict[str, Any]], *, nothing: str = NOTHING) -> Parsed:
    """A delivery that tells the whole response; `nothing` is why there are no items, where there are none."""
    told = frozenset(str(item["external_id"]) for item in items)
    whole = [Whole(response.id, response.updated_at, told)]
    return Parsed(list(items), whole=whole, ignored="" if items else nothing)


def part(value: Any) -> dict[str, Any]:
    """An object of a payload; an empty one where there is something else."""
    return value if isinstance(value, dict) else {}


def parts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list of a payload."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def word(value: Any) -> str:
    """A name that a payload gives for a kind or an event; empty where there is no text."""
    return value if isinstance(value, str) else ""


def first_id(call: Call, *names: str) -> str | None:
    """The first of these fields of a JSON body that holds an id; None where there is none."""
    try:
        body = json_object(call)
    except CannotParse:
        return None
    return next((found for name in names if (found := identifier(body.get(name))) is not None), None)


def given(answers: Iterable[Answer]) -> int:
    """How many questions were answered: with equal times, the delivery with more of them is the later one."""
    return sum(1 for one in answers if one.value not in (None, "", [], {}) or one.comment)


def score_of(answer: Answer, options: SurveyOptions) -> dict[str, Any] | None:
    """The answer as the contract's score; None where it is none, or lies off its scale.

    The kind is what the options or the sender say, else what the question's words ask for (recommend, satisfied,
    easy); a rating from 1 to 5 whose words say nothing is stars. Other numbers are no score.
    """
    told = options.scales.get(answer.question_id) or options.scales.get(answer.question or "")
    if told == "none" or _kind(answer) == "contact":
        return None
    if told is None and answer.kind in ("open", "fact") and answer.score is None:
        return None
    value, top = _number(answer.value)
    if value is None:
        return None
    scale = answer.scale
    if scale is None and top is not None:
        scale = (1.0, top)
    kind: Any
    if told is not None and (found := _SCALE.fullmatch(told)) is not None:
        kind = found[1]
        scale = (float(found[2]), float(found[3])) if found[2] is not None else scale
    else:
        kind = answer.score or _kind_by_words(answer, scale)
    if kind is None:
        return None
    low, high = scale or SCALES[kind]
    if not low < high or not low <= value <= high:
        return None
    return {"kind": kind, "value": value, "scale_min": low, "scale_max": high}


def numbered_scale(labels: Iterable[Any]) -> tuple[float, float] | None:
    """Lowest and highest of choices that are all different numbers, as people saw them; None for other choices."""
    numbers = [_number(label)[0] for label in labels]
    found = [one for one in numbers if one is not None]
    if len(found) < 2 or len(set(found)) < len(numbers):
        return None
    return min(found), max(found)


def _kind_by_words(answer: Answer, scale: tuple[float, float] | None) -> ScoreKind | None:
    kind = asked_score(answer.question or answer.question_id)
    if kind == "nps" and scale is not None and scale[1] != SCALES["nps"][1]:
        kind = None  # a likelihood on another scale is no NPS
    if answer.kind != "rating" and kind == "stars" and scale is None:
        return "stars" if answer.kind == "unknown" else None
    if kind is None and answer.else_score is not None:
        return answer.else_score
    if kind is None and answer.kind == "rating" and scale == SCALES["stars"]:
        return "stars"
    return kind


def person_of(hidden: Mapping[str, Any]) -> tuple[str | None, str | None, dict[str, Any]]:
    """(respondent, language, the rest) of the fields that a form knew before: an id before an e-mail.

    The rest has nothing that names a person.
    """
    found_id = found_mail = language = None
    rest: dict[str, Any] = {}
    for name, value in hidden.items():
        if isinstance(value, dict) or value in (None, "", []):
            continue
        if is_e_mail(value):
            found_mail = found_mail or str(value).strip()
            continue
        if named_language(name) and _language(value):
            language = language or _language(value)
            continue
        if is_personal(name) or is_phone(value):
            continue
        if named_person(name):
            found_id = found_id or identifier(value)
        rest[name] = value
    return found_id or found_mail, language, rest


def _language(value: Any) -> str | None:
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value.strip()):
        return None
    return value.strip().replace("_", "-").lower()


def _kind(answer: Answer) -> Kind:
    """What the answer is, where its words tell more than the sender."""
    if answer.kind == "contact" or is_e_mail(answer.value):
        return "contact"
    if answer.kind in ("open", "unknown", "fact") and (asks_contact(answer.question or answer.question_id)):
        return "contact"
    if not isinstance(answer.value, str):
        return answer.kind
    if answer.kind in ("open", "unknown"):
        if is_phone(answer.value):
            return "contact"
        if not has_words(answer.value) or is_link(answer.value):
            return "fact" if answer.kind == "open" else answer.kind
        if asks_profile(answer.question) and len(answer.value) <= MAX_PROFILE_CHARS:
            return "fact"
        if answer.kind == "unknown":
            if _number(answer.value)[0] is not None and len(answer.value.split()) <= MAX_RATING_WORDS:
                return "unknown"  # "9 - very likely"
            return "open" if reads_as_open(answer.question or answer.question_id, answer.value) else "unknown"
    return answer.kind


def _number(value: Any) -> tuple[float | None, float | None]:
    if value is None or isinstance(value, bool | list | dict):
        return None, None
    try:
        return to_rating(value)
    except (ValueError, OverflowError):
        return None, None


@dataclass(frozen=True, slots=True)
class _Text:
    """Something that was written."""

    key: str  # within the response
    question: str | None
    text: str
    beside_choice: bool
    stands_with_score: bool


def _written(answers: Sequence[Answer]) -> Iterable[_Text]:
    """All that was written, in the order of the form."""
    for one in answers:
        question = " ".join(one.question.split()) if one.question and one.question.strip() else None
        if _kind(one) == "open" and isinstance(one.value, str) and one.value.strip():
            yield _Text(_key(one.question_id), question, one.value.strip(), False, one.stands_with_score)
        if one.comment is not None and _is_said(one):
            key = _key(f"{one.question_id}-other")
            yield _Text(key, question, one.comment.strip(), not one.comment_asked, one.stands_with_score)


def _is_said(answer: Answer) -> bool:
    """Whether what stands beside a choice is something said: a comment, or an "other" of more than a few words."""
    comment = answer.comment
    if not isinstance(comment, str) or not has_words(comment):
        return False
    return answer.comment_asked or len(comment.split()) >= COMMENT_WORDS


def _key(question_id: str) -> str:
    if len(question_id) <= MAX_KEY_CHARS:
        return question_id
    return hashlib.sha256(question_id.encode("utf-8", "replace")).hexdigest()[:32]


def _attributes(answers: Sequence[Answer], scored: Answer | None) -> dict[str, Any]:
    """Choices, facts and the ratings that are not the score, by their questions."""
    found: dict[str, Any] = {}
    for one in answers:
        if one is scored or _kind(one) == "open" or isinstance(one.value, dict):
            continue
        values = list(one.value) if isinstance(one.value, list) else [one.value]
        if one.comment and not _is_said(one):
            values.append(one.comment)
        values = [
            _shown(value)
            for value in values
            if value not in (None, "") and not is_e_mail(value) and not is_link(value) and not is_phone(value)
        ]
        name = spelled(one.question) or spelled(one.question_id)
        if values:
            found.setdefault(name[:MAX_ATTRIBUTE_CHARS], values)
    return found


def _shown(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
