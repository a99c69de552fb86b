"""Feedback read, corrected, answered, deleted and exported: the routes below /v1/feedback and /v1/respondents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlmodel import Session, col

from service.auth import Caller
from service.dependencies import (
    AnyCaller,
    DatabaseOf,
    Db,
    JsonBody,
    ReadDb,
    Reader,
    Reviewer,
    SettingsOf,
    VaultOf,
    json_body,
    parse_body,
)
from service.errors import BadInput, FieldError, Forbidden
from service.idempotency import IdempotentRoute
from service.paging import Page, PageQuery, encode_cursor, row_id
from service.review import corrections, erasure
from service.review.export import FORMATS, MEDIA_TYPES, encode, export_rows
from service.review.feedback_models import FeedbackDetail, FeedbackPage, FollowUp
from service.review.feedback_query import FeedbackFilters, Filters
from service.review.feedback_view import detail, views
from service.review.follow_up import FollowUpIn, answer
from service.review.meaning import search
from service.store.schema import FeedbackItem

router = APIRouter(tags=["feedback"], route_class=IdempotentRoute)


class SegmentSpan(BaseModel):
    """A part of the text, as the item's `segments` give it."""

    model_config = ConfigDict(extra="forbid")

    start: int = Field(ge=0)
    end: int = Field(ge=1)


class LabelsIn(BaseModel):
    """A person's labels: field to label, for the item or, with `segment`, for that part of its text."""

    model_config = ConfigDict(extra="forbid")

    labels: dict[str, str | None]
    segment: SegmentSpan | None = None


class Erased(BaseModel):
    """How many items were erased; 0 where there were none (later deliveries are refused all the same)."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": 3}})

    items: int


@router.get("/v1/feedback", summary="List feedback with its current labels, newest first")
def list_feedback(
    caller: Reader, session: ReadDb, settings: SettingsOf, page: Page, filters: Filters
) -> FeedbackPage:
    """Newest first by the time the customer spoke; `attr.<name>=` filters by an attribute.

    With `meaning` the likest first: every other filter narrows, then the likest part of each text counts.
    """
    if filters.meaning:
        found = search(session, settings, caller, filters, page)
        return FeedbackPage(data=found.data, next=found.next, searched=found.searched)
    rows = newest(session, caller.workspace_id, filters, page)
    shown = rows[: page.limit]
    last = shown[-1] if shown else None
    key = _key(last) if last is not None else None
    return FeedbackPage(
        data=views(session, shown, verbatims=caller.may("verbatims")), next=page.next_after(rows, key)
    )


def newest(
    session: Session, workspace_id: int, filters: FeedbackFilters, page: PageQuery
) -> Sequence[FeedbackItem]:
    """The page's items and one more if there is one."""
    found = select(FeedbackItem).where(*filters.conditions(workspace_id))
    key = page.key()
    if key is not None:
        at, last_id = _position(key)
        # the first condition is what the index can use
        found = found.where(
            col(FeedbackItem.at) <= at, (col(FeedbackItem.at) < at) | (col(FeedbackItem.id) < last_id)
        )
    newest_first = found.order_by(col(FeedbackItem.at).desc(), col(FeedbackItem.id).desc())
    return session.execute(newest_first.limit(page.limit + 1)).scalars().all()


def _key(item: FeedbackItem) -> list[int | None]:
    return [int(item.at.timestamp() * 1_000_000), item.id]


def position_of(item: FeedbackItem) -> str:
    """The cursor of what comes behind an item in the list."""
    return encode_cursor(_key(item))


def _position(key: Any) -> tuple[datetime, int]:
    try:
        microseconds, last_id = key
        if type(microseconds) is not int or type(last_id) is not int or abs(last_id) > 2**62:
            raise ValueError("no position")
        seconds, rest = divmod(microseconds, 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest), last_id
    except (ValueError, TypeError, OverflowError, OSError) as error:
        detail = "this cursor did not come from here; start without one"
        raise BadInput(f"cursor: {detail}", errors=[FieldError("/cursor", "bad_cursor", detail)]) from error


@router.get(
    "/v1/feedback/export",
    summary="Export feedback, a row an item",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The rows, streamed.",
            "content": {
                "text/csv": {"example": "id,source,external_id,channel\r\n17,shop-reviews,r-1001,review\r\n"},
                "application/x-ndjson": {"example": '{"id":"17","source":"shop-reviews","corrections":[]}\n'},
                "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
def export_feedback(
    caller: Reader,
    database: DatabaseOf,
    filters: Filters,
    form: Annotated[str, Query(alias="format", description="csv, ndjson or parquet.")] = "csv",
) -> StreamingResponse:
    """The filters of the list, without its paging. A CSV cell that a spreadsheet would run starts with «'».

    Parquet has types: moments in UTC, numbers, and attributes and segments as JSON; every column may be null.
    """
    if form not in FORMATS:
        detail = f"one of {', '.join(FORMATS)}"
        raise BadInput(f"«format» is {detail}.", errors=[FieldError("/format", "unknown_format", detail)])
    if filters.meaning:
        detail = "«meaning» orders a list; it selects nothing to be exported"
        raise BadInput(f"{detail}.", errors=[FieldError("/meaning", "not_used", detail)])
    rows = export_rows(database, caller.workspace_id, filters, verbatims=caller.may("verbatims"))
    return StreamingResponse(
        encode(rows, form),
        media_type=MEDIA_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="feedback.{form}"', "Cache-Control": "no-store"},
    )


@router.get("/v1/feedback/{feedback_id}", summary="One item with its history")
def get_feedback(caller: Reader, session: ReadDb, feedback_id: str) -> FeedbackDetail:
    """Segments, earlier texts, classifications, corrections, and what it came in with."""
    return detail(session, caller, _id(feedback_id))


@router.delete("/v1/feedback/{feedback_id}", summary="Delete one item for good", status_code=204)
def delete_feedback(caller: AnyCaller, session: Db, vault: VaultOf, feedback_id: str) -> Response:
    """A keyed hash stays, so that a later delivery does not bring it back."""
    _may_remove(caller)
    erasure.delete_item(session, vault, caller, _id(feedback_id))
    return Response(status_code=204)


@router.post(
    "/v1/feedback/{feedback_id}/follow-up",
    summary="Say whether the customer was answered",
    openapi_extra=json_body(FollowUpIn, {"state": "answered", "owner": "ann", "note": "called back"}),
)
def follow_up(caller: Reviewer, session: Db, body: JsonBody, feedback_id: str) -> FollowUp:
    """`owner` and `note` stay as they are where they are not given."""
    return answer(session, caller, _id(feedback_id), parse_body(FollowUpIn, body))


@router.put(
    "/v1/feedback/{feedback_id}/labels",
    summary="Correct or confirm labels",
    openapi_extra=json_body(LabelsIn, {"labels": {"stage": "delivery", "topic": "delivery"}, "segment": None}),
)
def correct_labels(caller: Reviewer, session: Db, body: JsonBody, feedback_id: str) -> FeedbackDetail:
    """For the item or one segment; what is shown and counted follows at once, the model's labels are kept."""
    given = parse_body(LabelsIn, body)
    span = (given.segment.start, given.segment.end) if given.segment else None
    corrections.correct(session, caller, _id(feedback_id), labels=given.labels, span=span)
    return detail(session, caller, _id(feedback_id))


@router.delete("/v1/feedback/{feedback_id}/labels", summary="Take a correction back")
def undo_correction(
    caller: Reviewer,
    session: Db,
    feedback_id: str,
    correction: Annotated[str, Query(description="`id` of the correction, as `GET /v1/feedback/{id}` lists it.")],
) -> FeedbackDetail:
    """What stood before it is shown again."""
    corrections.undo(session, caller, _id(feedback_id), row_id(correction, "This correction"))
    return detail(session, caller, _id(feedback_id))


@router.delete("/v1/respondents/{key:path}", summary="Erase a person everywhere")
def erase_respondent(
    caller: AnyCaller, database: DatabaseOf, settings: SettingsOf, vault: VaultOf, key: str
) -> Erased:
    """`key` is what the sender calls them. Items, raw deliveries, files and rejected rows of theirs go."""
    _may_remove(caller)
    return Erased(items=erasure.erase_respondent(database, settings, vault, caller, key))


def _id(text: str) -> int:
    return row_id(text, "This feedback item")


def _may_remove(caller: Caller) -> None:
    if not (caller.may("admin") or caller.may("review")):
        raise Forbidden("This needs the scope «admin» or «review».")
