"""The page of one piece of feedback: its words and labels, why, its history, and a person's word on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from nlp.analysis import FIELDS
from service.dependencies import Db, ReadDb, Reader, Reviewer, SettingsOf
from service.paging import row_id
from service.review import corrections
from service.review.explanation import FieldName, explanation
from service.review.feedback_page import STATES, score_said
from service.review.feedback_view import detail
from service.review.forms import SignedInForm
from service.review.label_form import fields_of, labels_said, pieces, span_said
from service.review.render import page

router = APIRouter(include_in_schema=False)

REASONS = {
    "low_confidence": "the model is not sure enough",
    "unsupported_language": "this language is not read yet",
    "empty": "there is nothing to read",
    "meaningless": "these words mean nothing",
}
DONE = {
    "corrected": "Stored. The map counts it from now on, and the next retrain learns from it.",
    "undone": "Taken back; what stood before is shown again.",
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
    field: FieldName | None = None,
    segment: Annotated[int | None, Query(ge=0)] = None,
    done: str | None = None,
) -> HTMLResponse:
    """One item with its history; `field` and `segment` choose the label whose words are marked."""
    item_id = row_id(feedback_id, "This feedback item")
    verbatims = caller.may("verbatims")
    item = detail(session, caller, item_id).model_dump(by_alias=True)
    why = None
    if field and verbatims and item["text"] is not None and item["state"] == "tagged":
        why = explanation(session, caller, settings, item_id, field=field, segment=segment)
    text = item["text"] or ""
    rows: list[dict[str, Any]] = [{"name": "Whole text", "words": None, "segment": None, "labels": item}]
    if len(item["segments"]) > 1:
        rows += [
            {"name": f"Part {number + 1}", "words": _part(text, labels), "segment": number, "labels": labels}
            for number, labels in enumerate(item["segments"])
        ]
    weighing = why["words"] if why and why["of"] == "text" else []
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
            "pieces": _pieces(text, item["segments"], weighing),
            "translated": marked(item["translation"] or "", why["words"] if why and why["of"] != "text" else []),
            "asks": [fields_of(row["labels"], of_segment=row["segment"] is not None) for row in rows],
            "may_correct": caller.may("review") and verbatims and item["state"] == "tagged",
            "states": STATES,
            "score": score_said(item["score"]),
            "notice": DONE.get(done or ""),
        },
    )


@router.post("/feedback/{feedback_id}/labels")
def correct(feedback_id: str, form: SignedInForm, caller: Reviewer, session: Db) -> RedirectResponse:
    """Store what a person says of the item or one part, then show it again."""
    item_id = row_id(feedback_id, "This feedback item")
    corrections.correct(session, caller, item_id, labels=labels_said(form), span=span_said(form))
    return RedirectResponse(f"/feedback/{item_id}?done=corrected#labels", status_code=303)


@router.post("/feedback/{feedback_id}/labels/undo")
def undo(feedback_id: str, form: SignedInForm, caller: Reviewer, session: Db) -> RedirectResponse:
    """Take a correction back."""
    item_id = row_id(feedback_id, "This feedback item")
    corrections.undo(session, caller, item_id, row_id(form.get("correction", ""), "This correction"))
    return RedirectResponse(f"/feedback/{item_id}?done=undone#labels", status_code=303)


def _pieces(
    text: str, segments: Sequence[dict[str, Any]], words: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The text's segments in place, each with its words marked; `tone` is the sentiment of a segment."""
    found = []
    for piece in pieces(text, segments if len(segments) > 1 else []):
        start, end, number = piece["start"], piece["end"], piece["segment"]
        inside = [
            word | {"start": word["start"] - start, "end": word["end"] - start}
            for word in words
            if word["start"] >= start and word["end"] <= end
        ]
        tone = segments[number]["sentiment"]["label"] if number is not None else None
        found.append({"segment": number, "tone": tone, "parts": marked(text[start:end], inside)})
    return found


def _part(text: str, segment: dict[str, Any]) -> str:
    return text[segment["start"] : segment["end"]]


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
