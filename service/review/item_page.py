"""The page of one piece of feedback: its words, its labels, and which words weighed for a label."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from nlp.analysis import FIELDS
from service.dependencies import ReadDb, Reader, SettingsOf
from service.paging import row_id
from service.review.explanation import FieldName, explanation
from service.review.feedback_view import documents, item_of
from service.review.render import page

router = APIRouter(include_in_schema=False)

REASONS = {
    "low_confidence": "the model is not sure enough",
    "unsupported_language": "this language is not read yet",
    "empty": "there is nothing to read",
    "meaningless": "these words mean nothing",
}
# probability that a word is worth, from which it is shown as weighing a little, more, much
_FOR = ((0.25, "for3"), (0.1, "for2"), (0.03, "for1"))
_AGAINST = -0.03


@router.get("/feedback/{feedback_id}")
def feedback_page(
    caller: Reader,
    session: ReadDb,
    settings: SettingsOf,
    feedback_id: str,
    field: FieldName = "stage",
    segment: Annotated[int | None, Query(ge=0)] = None,
) -> HTMLResponse:
    """One item; `field` and `segment` choose the label whose words are marked."""
    item_id = row_id(feedback_id, "This feedback item")
    verbatims = caller.may("verbatims")
    (item,) = documents(session, [item_of(session, caller, item_id)], verbatims=verbatims)
    why = None
    if verbatims and item["text"] is not None and item["state"] == "tagged":
        why = explanation(session, caller, settings, item_id, field=field, segment=segment)
    rows: list[dict[str, Any]] = [{"name": "Whole text", "words": None, "segment": None, "labels": item}]
    if len(item["segments"]) > 1:
        rows += [
            {
                "name": f"Part {number + 1}",
                "words": _part(item["text"], labels),
                "segment": number,
                "labels": labels,
            }
            for number, labels in enumerate(item["segments"])
        ]
    return page(
        "item.html",
        {
            "caller": caller,
            "page": "feedback",
            "item": item,
            "fields": FIELDS,
            "rows": rows,
            "why": why,
            "reason": REASONS.get(item["unsure_reason"] or "", "it was not read yet"),
            "parts": marked(item["text"] or "", why["words"] if why and why["of"] == "text" else []),
            "translated": marked(item["translation"] or "", why["words"] if why and why["of"] != "text" else []),
        },
    )


def _part(text: str | None, segment: dict[str, Any]) -> str | None:
    return None if text is None else text[segment["start"] : segment["end"]]


def marked(text: str, words: list[dict[str, Any]]) -> list[dict[str, str | None]]:
    """The text in pieces; those that weigh have a `kind` (a style) and say their weight in points of percent."""
    parts: list[dict[str, str | None]] = []
    position = 0
    for word in words:
        kind = next((name for least, name in _FOR if word["weight"] >= least), None)
        if word["weight"] <= _AGAINST:
            kind = "against"
        if kind is None:
            continue
        parts.append({"text": text[position : word["start"]], "kind": None, "title": None})
        said = f"{round(100 * word['weight']):+d} points"
        parts.append({"text": text[word["start"] : word["end"]], "kind": kind, "title": said})
        position = word["end"]
    return [*parts, {"text": text[position:], "kind": None, "title": None}]
