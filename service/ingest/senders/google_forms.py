"""Google Forms: what our own Apps Script sends, or any script that sends `namedValues` of the form's event.

Our script signs by Standard Webhooks and tells every question with its id, type and scale, in the form's order. A
bare `namedValues` has questions and texts alone: there the words decide what is an answer, and ids are made of the
questions. The secret tells the scheme: `whsec_…` is a signature, any other one a token, in a header or the body.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.ingest.column_names import guess_field
from service.ingest.incoming import Call, CannotParse, Parsed, ScoreKind
from service.ingest.senders import standard_webhooks
from service.ingest.senders.answers import (
    NOTHING,
    Answer,
    Kind,
    Response,
    UntypedOptions,
    parts,
    response_items,
    whole_response,
    word,
)
from service.ingest.senders.bodies import json_object
from service.ingest.senders.contract import Sender
from service.ingest.senders.signatures import BadSignature, check_token, same
from service.ingest.senders.values import identifier, moment, number

KINDS: dict[str, Kind] = {
    "TEXT": "open",
    "PARAGRAPH_TEXT": "open",
    "SCALE": "rating",
    "RATING": "rating",
    "MULTIPLE_CHOICE": "choice",
    "CHECKBOX": "choice",
    "LIST": "choice",
    "GRID": "choice",
    "CHECKBOX_GRID": "choice",
}
SIGNING = (standard_webhooks.SECRET_PREFIX, standard_webhooks.PUBLIC_KEY_PREFIX)
LEFT_OUT = frozenset({"FILE_UPLOAD", "IMAGE", "VIDEO", "PAGE_BREAK", "SECTION_HEADER"})


def check_secret(secret: str) -> None:
    """ValueError for what begins like a signing secret and is none."""
    if secret.startswith(SIGNING):
        standard_webhooks.check_secret(secret)


def verify(call: Call, secrets: Sequence[str], options: UntypedOptions, now: datetime) -> None:
    """BadSignature unless the call is signed with, or carries, a secret; without secrets all are good."""
    signing = [one for one in secrets if one.startswith(SIGNING)]
    tokens = [one for one in secrets if one not in signing]
    if signing:
        try:
            standard_webhooks.verify(call, signing, options, now)
        except BadSignature:
            if not tokens:
                raise
        else:
            return
    try:
        check_token(call, tokens)
    except BadSignature:
        try:
            sent = json_object(call).get("token")
        except CannotParse:
            sent = None
        if not isinstance(sent, str) or not any(same(sent, one) for one in tokens):
            raise


def delivery_id(call: Call) -> str | None:
    """The message's id, the same over all tries of our script."""
    return call.headers.get(standard_webhooks.ID)


def parse(call: Call, options: UntypedOptions) -> Parsed:
    """The items of one response."""
    payload = json_object(call)
    if payload.get("test") is True:
        return Parsed(ignored="a test of the connection")
    named = payload.get("namedValues")
    # of an edited response namedValues have only what was changed
    answers_are_whole = isinstance(payload.get("items"), list)
    if answers_are_whole:
        answers = list(_typed(parts(payload["items"])))
    elif isinstance(named, dict):
        answers = list(_untyped(named, options))
    else:
        raise CannotParse("neither items nor namedValues are there")
    submitted = moment(payload.get("submittedAt")) or moment(payload.get("timestamp"))
    response = Response(
        id=identifier(payload.get("responseId")) or _made_id(payload),
        answers=answers,
        occurred_at=submitted,
        updated_at=submitted,
        respondent=identifier(payload.get("respondentEmail")),
        url=payload.get("url"),
        attributes={"form": payload.get("formTitle") or identifier(payload.get("formId"))},
    )
    items = response_items(response, options)
    if answers_are_whole:
        return whole_response(response, items)
    return Parsed(items) if items else Parsed(ignored=NOTHING)


def _made_id(payload: Mapping[str, Any]) -> str:
    """An id for a response that has none: all of its content, without the token."""
    content = {name: value for name, value in payload.items() if name != "token"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8", "replace")).hexdigest()[:32]


def _typed(items: Sequence[Mapping[str, Any]]) -> Iterable[Answer]:
    for place, one in enumerate(items):
        told = word(one.get("type"))
        if told in LEFT_OUT:
            continue
        question_id = identifier(one.get("id")) or f"question-{place + 1}"
        title = one.get("title") if isinstance(one.get("title"), str) else None
        value = one.get("answer")
        low, high = number(one.get("scaleMin")), number(one.get("scaleMax"))
        scale = (low, high) if low is not None and high is not None and low < high else None
        if told in ("GRID", "CHECKBOX_GRID"):
            yield from _grid(question_id, title, value, one.get("rows"))
        else:
            stars: ScoreKind | None = "stars" if told == "RATING" else None
            yield Answer(question_id, title, KINDS.get(told, "fact"), value, scale=scale, else_score=stars)


def _grid(question_id: str, title: str | None, value: Any, rows: Any) -> Iterable[Answer]:
    names = rows if isinstance(rows, list) else []
    for place, chosen in enumerate(value if isinstance(value, list) else []):
        row = names[place] if place < len(names) else None
        asked = " – ".join(text for text in (title, row) if isinstance(text, str) and text)
        yield Answer(f"{question_id}-{place + 1}", asked or None, "choice", chosen)


def _untyped(named: Mapping[str, Any], options: UntypedOptions) -> Iterable[Answer]:
    for question, values in named.items():
        guess = guess_field(question)
        if guess is not None and guess[0] in ("occurred_at", "updated_at") and guess[1] >= 0.8:
            continue  # the sheet's own column: "Timestamp", "Zeitstempel"
        texts = [one for one in (values if isinstance(values, list) else [values]) if one not in (None, "")]
        words = options.questions.get(question, question)
        if question in options.choices:
            yield Answer(question, words, "choice", texts)
        else:
            yield Answer(question, words, "unknown", texts[0] if len(texts) == 1 else texts or None)


SENDER = Sender(
    name="google-forms",
    title="Google Forms",
    kind="survey",
    default_channel="survey",
    verify=verify,
    parse=parse,
    options=UntypedOptions,
    delivery_id=delivery_id,
    check_secret=check_secret,
    new_secret=standard_webhooks.new_secret,
    secret_needed=False,
)
