"""How a feedback item is shown: rows become what feedback_models.py describes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import and_, select
from sqlmodel import Session, col

from nlp.analysis import FIELDS as SEGMENT_FIELDS
from service.auth import Caller
from service.errors import NotFound
from service.review.feedback_models import FeedbackDetail, FeedbackView
from service.store.schema import (
    AuditEvent,
    Classification,
    Correction,
    Delivery,
    Endpoint,
    FeedbackItem,
    FileImport,
    ItemVersion,
    Segment,
)
from service.store.shown import ITEM_FIELDS, overlapped_of, shown_labels, standing_corrections

FOLLOWED_UP: Final = "feedback.follow_up"  # in the audit log, which is the history of who answers whom


def item_of(session: Session, caller: Caller, item_id: int, *, lock: bool = False) -> FeedbackItem:
    """The caller's item; NotFound for another workspace's. `lock` keeps it as it is until the commit."""
    found = select(FeedbackItem).where(
        col(FeedbackItem.id) == item_id, col(FeedbackItem.workspace_id) == caller.workspace_id
    )
    if lock:
        found = found.with_for_update()
    item: FeedbackItem | None = session.execute(found).scalar_one_or_none()
    if item is None:
        raise NotFound("This feedback item does not exist.")
    return item


def views(session: Session, items: Sequence[FeedbackItem], *, verbatims: bool) -> list[FeedbackView]:
    """The items as shown, in the same order: three statements for any number of items."""
    return [FeedbackView.model_validate(one) for one in documents(session, items, verbatims=verbatims)]


def documents(session: Session, items: Sequence[FeedbackItem], *, verbatims: bool) -> list[dict[str, Any]]:
    """The fields of `FeedbackView` of each item."""
    ids = [item.id for item in items if item.id is not None]
    segments: dict[int, list[Segment]] = defaultdict(list)
    for segment in session.execute(
        select(Segment).where(col(Segment.item_id).in_(ids)).order_by(col(Segment.item_id), col(Segment.position))
    ).scalars():
        segments[segment.item_id].append(segment)
    analyses = shown_analyses(session, ids)
    corrected = {item.id: item.text_version for item in items if item.corrected and item.id is not None}
    said = standing_corrections(session, corrected)
    return [
        _document(
            item,
            segments[item.id or 0],
            analyses.get(item.id or 0),
            said.get(item.id or 0, []),
            verbatims=verbatims,
        )
        for item in items
    ]


def shown_analyses(session: Session, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Item id to the stored analysis that its shown labels rest on."""
    rows = session.execute(
        select(col(Classification.item_id), col(Classification.analysis))
        .join(
            FeedbackItem,
            and_(
                col(FeedbackItem.id) == col(Classification.item_id),
                col(FeedbackItem.text_version) == col(Classification.text_version),
                col(FeedbackItem.model) == col(Classification.model),
            ),
        )
        .where(col(Classification.item_id).in_(ids))
    )
    return {row.item_id: row.analysis for row in rows}


def _document(
    item: FeedbackItem,
    segments: Sequence[Segment],
    analysis: dict[str, Any] | None,
    corrections: Sequence[Correction],
    *,
    verbatims: bool,
) -> dict[str, Any]:
    by_person = shown_labels(analysis, corrections).said if analysis is not None and corrections else set()
    found: dict[str, Any] = {name: getattr(item, name) for name in _PLAIN_FIELDS}
    found |= {
        "id": str(item.id),
        "text": item.text if verbatims else None,
        "translation": item.translation if verbatims else None,
        "withheld": item.text is not None and not verbatims,
        "unsure": item.unsure_reason is not None,
        "score": None,
        "follow_up": None,
    }
    if item.score_kind is not None:
        found["score"] = {
            "kind": item.score_kind,
            "value": item.score_value,
            "scale_min": item.score_min,
            "scale_max": item.score_max,
        }
    if item.follow_up is not None:
        note = item.follow_up_note if verbatims else None
        found["follow_up"] = {"state": item.follow_up, "owner": item.follow_up_owner, "note": note}
    for name in ITEM_FIELDS:
        model_s = analysis[name] if analysis is not None else None
        found[name] = _label(getattr(item, name), model_s, by_person=(None, name) in by_person)
    model_segments = analysis["segments"] if analysis is not None else []
    found["segments"] = [
        {"start": segment.start, "end": segment.end}
        | {
            name: _label(
                getattr(segment, name),
                model_segments[segment.position][name] if segment.position < len(model_segments) else None,
                by_person=(segment.position, name) in by_person,
            )
            for name in SEGMENT_FIELDS
        }
        for segment in segments
    ]
    return found


_PLAIN_FIELDS = (
    "text_version",
    "question",
    "channel",
    "source",
    "external_id",
    "occurred_at",
    "received_at",
    "respondent",
    "response_id",
    "conversation_id",
    "url",
    "value",
    "attributes",
    "declared_stage",
    "declared_touchpoint",
    "declared_language",
    "state",
    "model",
    "language",
    "unsure_reason",
    "corrected",
    "classified_at",
)


def _label(label: str | None, model_s: dict[str, Any] | None, *, by_person: bool) -> dict[str, Any] | None:
    if label is None:
        return None
    confidence = model_s["confidence"] if model_s is not None and model_s["label"] == label else None
    return {"label": label, "confidence": None if by_person else confidence, "corrected": by_person}


def detail(session: Session, caller: Caller, item_id: int) -> FeedbackDetail:
    """One item with its history; NotFound for another workspace's."""
    item = item_of(session, caller, item_id)
    verbatims = caller.may("verbatims")
    (found,) = documents(session, [item], verbatims=verbatims)
    versions = session.execute(
        select(ItemVersion).where(col(ItemVersion.item_id) == item_id).order_by(col(ItemVersion.text_version))
    ).scalars()
    classifications = session.execute(
        select(Classification).where(col(Classification.item_id) == item_id).order_by(col(Classification.id))
    ).scalars()
    corrections = session.execute(
        select(Correction).where(col(Correction.item_id) == item_id).order_by(col(Correction.id))
    ).scalars()
    return FeedbackDetail.model_validate(
        found
        | {
            "versions": [
                {
                    "text_version": one.text_version,
                    "text": one.text if verbatims else None,
                    "replaced_at": one.replaced_at,
                }
                for one in versions
            ],
            "classifications": [one.model_dump() for one in classifications],
            "corrections": [_correction(one, item, found["segments"]) for one in corrections],
            "follow_ups": _follow_ups(session, item),
            "provenance": _provenance(session, item),
        }
    )


def _follow_ups(session: Session, item: FeedbackItem) -> list[dict[str, Any]]:
    """What people said of an item's follow-up, oldest first."""
    rows = session.execute(
        select(col(AuditEvent.at), col(AuditEvent.actor), col(AuditEvent.detail))
        .where(
            col(AuditEvent.workspace_id) == item.workspace_id,
            col(AuditEvent.target) == f"feedback:{item.id}",
            col(AuditEvent.action) == FOLLOWED_UP,
        )
        .order_by(col(AuditEvent.id))
    )
    return [
        {"state": detail["new"], "before": detail["old"], "author": actor, "at": at} for at, actor, detail in rows
    ]


def _correction(one: Correction, item: FeedbackItem, segments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    span = None
    if one.span_start is not None and one.span_end is not None:
        span = {"start": one.span_start, "end": one.span_end}
    if one.undone_at is not None:
        state = "undone"
    elif one.text_version != item.text_version:
        state = "lapsed"
    elif item.state != "tagged" or (
        span and overlapped_of([(s["start"], s["end"]) for s in segments], span["start"], span["end"]) is None
    ):
        state = "waiting"
    else:
        state = "standing"
    return one.model_dump() | {"id": str(one.id), "state": state, "segment": span}


def _provenance(session: Session, item: FeedbackItem) -> dict[str, Any]:
    delivery = None
    if item.delivery_id is not None:
        row = session.execute(
            select(col(Delivery.id), col(Delivery.received_at), col(Endpoint.sender), col(Endpoint.name))
            .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
            .where(col(Delivery.id) == item.delivery_id)
        ).one()
        delivery = {
            "id": str(row.id),
            "received_at": row.received_at,
            "sender": row.sender,
            "endpoint": row.name,
        }
    from_file = None
    if item.import_id is not None:
        imported = session.execute(
            select(col(FileImport.id), col(FileImport.filename), col(FileImport.created_at)).where(
                col(FileImport.id) == item.import_id
            )
        ).one()
        from_file = {"id": str(imported.id), "filename": imported.filename, "created_at": imported.created_at}
    return {"delivery": delivery, "import": from_file}
