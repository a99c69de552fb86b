"""What a person's form says about labels: which fields were changed, and the choices that it offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nlp.analysis import FIELDS as SEGMENT_FIELDS
from service.errors import BadInput, FieldError
from service.review.corrections import FIELD_OF_SECOND, Span
from service.review.feedback_query import codebook
from service.store.shown import ITEM_FIELDS

NONE = "–"  # what a form sends where a second stage or emotion is wanted absent
KEYS = "1234567890qwertyuiopfghjkl"  # to choose a label with one press; s and z are skip and undo


def choices(field: str, *, of_segment: bool = False) -> list[dict[str, Any]]:
    """The labels that a field can have, each with its definition and the key that chooses it."""
    found = codebook().definitions(FIELD_OF_SECOND.get(field, field))
    kept = [one for one in found if not (of_segment and field == "sentiment" and one.label == "mixed")]
    keys = [*KEYS, *([""] * len(kept))]
    return [
        {"label": one.label, "definition": one.definition, "key": key}
        for one, key in zip(kept, keys, strict=False)
    ]


def fields_of(row: Mapping[str, Any], *, of_segment: bool) -> list[dict[str, Any]]:
    """What a form asks of an item or segment as shown: field, label now, choices, whether it may be absent."""
    return [
        {
            "name": name,
            "now": row[name]["label"] if row[name] else None,
            "choices": choices(name, of_segment=of_segment),
            "optional": name in FIELD_OF_SECOND,
        }
        for name in (SEGMENT_FIELDS if of_segment else ITEM_FIELDS)
    ]


def labels_said(form: Mapping[str, str]) -> dict[str, str | None]:
    """The labels that a form says: those that differ from what was shown; with `confirm`, all that were shown.

    `was.<field>` holds what was shown, so that labels that changed meanwhile are not taken for a person's word.
    Raises BadInput where nothing was said.
    """
    said: dict[str, str | None] = {}
    for name in ITEM_FIELDS:
        if not form.get(name):
            continue
        given = None if form[name] == NONE else form[name]
        was = form.get(f"was.{name}") or None
        if given != was or ("confirm" in form and given is not None):
            said[name] = given
    if not said:
        detail = "change a label first, or confirm them as they are"
        raise BadInput(f"Nothing was changed: {detail}.", errors=[FieldError("/labels", "empty", detail)])
    return said


def span_said(form: Mapping[str, str]) -> Span | None:
    """The part of the text that a form speaks of, written as `12-40`; None for the whole."""
    text = form.get("span", "")
    if not text:
        return None
    start, _, end = text.partition("-")
    if not all(one.isascii() and one.isdecimal() and len(one) < 9 for one in (start, end)):
        detail = "a part of the text is written as two places, such as 12-40"
        raise BadInput(f"{detail}.", errors=[FieldError("/span", "no_span", detail)])
    return int(start), int(end)


def pieces(text: str, segments: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The text cut at its segments: start and end of each piece, the segment's number or None between segments."""
    found: list[dict[str, Any]] = []
    position = 0
    for number, segment in enumerate(segments):
        if segment["start"] > position:
            found.append({"start": position, "end": segment["start"], "segment": None})
        found.append({"start": segment["start"], "end": segment["end"], "segment": number})
        position = segment["end"]
    if position < len(text):
        found.append({"start": position, "end": len(text), "segment": None})
    return found
