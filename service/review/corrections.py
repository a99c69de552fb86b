"""A person's word on an item or a part of it; what is shown and counted follows in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlmodel import Session, col

from nlp.analysis import FIELDS as SEGMENT_FIELDS
from service.auth import Caller
from service.errors import BadInput, Conflict, FieldError, NotFound
from service.review.feedback_query import codebook
from service.review.feedback_view import item_of, shown_analyses
from service.store import rollups
from service.store.columns import now
from service.store.learned import ask_retrain
from service.store.schema import AuditEvent, Correction, FeedbackItem
from service.store.shown import (
    ITEM_FIELDS,
    ItemLabels,
    overlapped_of,
    shown_labels,
    standing_corrections,
    write_labels,
)

# a second stage or emotion is allowed to be absent
OPTIONAL_FIELDS: Final = frozenset({"stage2", "emotion2"})
FIELD_OF_SECOND: Final = {"stage2": "stage", "emotion2": "emotion"}

Span = tuple[int, int]  # start, end in characters of the text


def correct(
    session: Session, caller: Caller, item_id: int, *, labels: Mapping[str, str | None], span: Span | None
) -> int:
    """Store a person's labels for an item (span None) or for the segment that holds most of the span; its id.

    Raises BadInput naming each label that can't be used, NotFound, and Conflict while the item waits to be tagged
    or has no text.
    """
    _check(labels, of_segment=span is not None)
    item = item_of(session, caller, item_id, lock=True)
    analysis = _analysis(session, item)
    if span is not None:
        spans = [(one["start"], one["end"]) for one in analysis["segments"]]
        if span[0] >= span[1] or overlapped_of(spans, *span) is None:
            found = ", ".join(f"{start}–{end}" for start, end in spans) or "none"
            detail = f"no segment holds this span; the segments are {found}"
            raise BadInput(f"«segment»: {detail}.", errors=[FieldError("/segment", "no_segment", detail)])
    before = rollups.snapshot(session, caller.workspace_id, [item_id])
    said = Correction(
        workspace_id=caller.workspace_id,
        item_id=item_id,
        text_version=item.text_version,
        span_start=span[0] if span else None,
        span_end=span[1] if span else None,
        labels=dict(labels),
        author=caller.actor,
    )
    session.add(said)
    _audit(session, caller, "feedback.correct", item_id, sorted(labels))
    ask_retrain(session, caller.workspace_id, because="corrections")
    session.flush()
    assert said.id is not None
    made = said.id
    _show(session, item, before)
    return made


def undo(session: Session, caller: Caller, item_id: int, correction_id: int) -> None:
    """Take a correction back; what stood before it is shown again. Again is no error."""
    item = item_of(session, caller, item_id, lock=True)
    correction = session.execute(
        select(Correction).where(col(Correction.id) == correction_id, col(Correction.item_id) == item_id)
    ).scalar_one_or_none()
    if correction is None:
        raise NotFound("This correction does not exist.")
    if correction.undone_at is not None:
        return
    before = rollups.snapshot(session, caller.workspace_id, [item_id])
    correction.undone_at = now()
    session.add(correction)
    _audit(session, caller, "feedback.undo_correction", item_id, sorted(correction.labels))
    ask_retrain(session, caller.workspace_id, because="corrections")
    session.flush()
    if item.state == "tagged":
        _show(session, item, before)


def _check(labels: Mapping[str, str | None], *, of_segment: bool) -> None:
    fields = SEGMENT_FIELDS if of_segment else ITEM_FIELDS
    errors = []
    if not labels:
        errors.append(FieldError("/labels", "empty", f"give at least one of {', '.join(fields)}"))
    for name, label in labels.items():
        if name not in fields:
            what = "a segment's" if of_segment else "an item's"
            errors.append(FieldError("/labels", "unknown_field", f"{what} fields are {', '.join(fields)}"))
            continue
        allowed = list(codebook().labels(FIELD_OF_SECOND.get(name, name)))
        if of_segment and name == "sentiment":
            allowed.remove("mixed")  # a segment holds one opinion
        if label not in allowed and not (label is None and name in OPTIONAL_FIELDS):
            errors.append(FieldError(f"/labels/{name}", "unknown_label", f"one of {', '.join(allowed)}"))
    if errors:
        raise BadInput("; ".join(f"{one.pointer}: {one.detail}" for one in errors), errors=errors)


def _analysis(session: Session, item: FeedbackItem) -> dict[str, Any]:
    if item.state == "no_text":
        raise Conflict("This item has no text: there is nothing to label.")
    assert item.id is not None
    found = shown_analyses(session, [item.id]).get(item.id)
    if item.state != "tagged" or found is None:
        raise Conflict("This item is being tagged; try again in a moment.")
    return found


def _show(session: Session, item: FeedbackItem, before: rollups.Snapshot) -> None:
    """Build the shown labels again from classification and corrections, and move the rollups."""
    assert item.id is not None
    assert item.model is not None
    assert item.classified_at is not None
    said = standing_corrections(session, {item.id: item.text_version}).get(item.id, [])
    shown = shown_labels(_analysis(session, item), said)
    labels = ItemLabels(
        item_id=item.id,
        shown=shown,
        model=item.model,
        language=item.language,
        classified_at=item.classified_at,
    )
    write_labels(session, item.workspace_id, [labels])
    session.expire(item)  # written by statement: what the session holds of it is old
    after = rollups.snapshot(session, item.workspace_id, [item.id])
    rollups.apply(session, item.workspace_id, before=before, after=after)


def _audit(session: Session, caller: Caller, action: str, item_id: int, fields: list[str]) -> None:
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id,
            actor=caller.actor,
            action=action,
            target=f"feedback:{item_id}",
            detail={"fields": fields},
        )
    )
