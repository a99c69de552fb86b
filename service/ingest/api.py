"""Feedback in by API: one item, or a batch of which each item stands for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from service.auth import Caller, Vault
from service.dependencies import Db, Ingester, SettingsOf, VaultOf, json_body
from service.errors import BadInput, FieldError, TooLarge
from service.idempotency import IdempotentRoute
from service.ingest.body import BatchBody, FeedbackBody, batch_entries, read_json
from service.ingest.capacity import RoomLeft
from service.ingest.incoming import IncomingItem, read_item
from service.ingest.receive import Outcome, receive
from service.settings import Settings
from service.store.queue import Priority

SOURCE = "api"  # of items that name none
# above this, a batch is bulk: the tagger takes single arrivals first
MAX_SINGLE_ITEMS = 50

EXAMPLE = {
    "text": "Checkout was easy but my parcel came a week late.",
    "channel": "review",
    "external_id": "r-1001",
    "source": "shop-reviews",
    "occurred_at": "2026-11-02T10:15:00Z",
    "score": {"kind": "stars", "value": 3, "scale_min": 1, "scale_max": 5},
    "respondent": "c-83",
    "url": "https://shop.example/reviews/r-1001",
    "attributes": {"plan": "pro", "country": "DE"},
}

router = APIRouter(tags=["feedback in"], route_class=IdempotentRoute)


class Received(BaseModel):
    """What became of the item. `id` is null where its person or the item itself was erased: nothing is stored."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": "4711", "status": "accepted"}})

    id: str | None
    status: Literal["accepted", "updated", "duplicate"]


class ItemError(BaseModel):
    """One thing wrong with an item: JSON pointer into it, kind, what to do."""

    pointer: str
    code: str
    detail: str


class BatchResult(BaseModel):
    """What became of one item of a batch; `index` counts from 0 in the order sent."""

    index: int
    status: Literal["accepted", "updated", "duplicate", "rejected"]
    id: str | None = None
    external_id: str | None = None
    errors: list[ItemError] | None = None


class BatchAnswer(BaseModel):
    """One result per item, in order, and how many of each kind."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "accepted": 1,
                "updated": 0,
                "duplicate": 0,
                "rejected": 1,
                "results": [
                    {"index": 0, "status": "accepted", "id": "4711", "external_id": "r-1001"},
                    {
                        "index": 1,
                        "status": "rejected",
                        "external_id": "r-1002",
                        "errors": [{"pointer": "", "code": "value_error", "detail": "text or score is required"}],
                    },
                ],
            }
        }
    )

    accepted: Annotated[int, Field(ge=0)]
    updated: Annotated[int, Field(ge=0)]
    duplicate: Annotated[int, Field(ge=0)]
    rejected: Annotated[int, Field(ge=0)]
    results: list[BatchResult]


@router.post(
    "/v1/feedback",
    status_code=202,
    response_model=Received,
    openapi_extra=json_body(IncomingItem, EXAMPLE),
    summary="Send one feedback item",
)
def post_feedback(
    caller: Ingester, body: FeedbackBody, _room: RoomLeft, settings: SettingsOf, vault: VaultOf, session: Db
) -> Received:
    """Store one item; it is tagged within seconds. The same item again is a duplicate, a newer one an update."""
    item = read_item(read_json(body), max_text_chars=settings.max_text_chars)
    (outcome,) = _receive(session, vault, settings, caller, [item])
    return Received(id=_public(outcome.item_id), status=outcome.status)


@router.post(
    "/v1/feedback/batch",
    response_model=BatchAnswer,
    response_model_exclude_none=True,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "array", "items": {"type": "object"}, "maxItems": 1000},
                    "example": [EXAMPLE, {"score": 5, "channel": "survey", "response_id": "s-77"}],
                },
                "application/x-ndjson": {
                    "schema": {"type": "string", "description": "One item a line."},
                    "example": '{"text": "Fast!", "external_id": "r-1"}\n{"score": 2, "external_id": "r-2"}\n',
                },
            },
        }
    },
    summary="Send many feedback items",
)
def post_batch(
    request: Request,
    caller: Ingester,
    body: BatchBody,
    _room: RoomLeft,
    settings: SettingsOf,
    vault: VaultOf,
    session: Db,
) -> BatchAnswer:
    """Store the items of a JSON array or of NDJSON in one transaction; a bad item never refuses the others."""
    results, items = read_batch(body, request.headers.get("content-type", ""), settings)
    taken = [result for result in results if result.errors is None]
    for result, outcome in zip(taken, _receive(session, vault, settings, caller, items), strict=True):
        result.id, result.status = _public(outcome.item_id), outcome.status
    counts = {
        status: sum(result.status == status for result in results)
        for status in ("accepted", "updated", "duplicate", "rejected")
    }
    return BatchAnswer(results=results, **counts)


def read_batch(body: bytes, content_type: str, settings: Settings) -> tuple[list[BatchResult], list[IncomingItem]]:
    """A result per entry, the bad ones rejected with their errors, and the good ones' items, both in order."""
    results: list[BatchResult] = []
    items: list[IncomingItem] = []
    for index, entry in enumerate(batch_entries(body, content_type)):
        if index >= settings.max_batch_items:
            raise TooLarge(f"A batch has at most {settings.max_batch_items} items; use /v1/imports for more.")
        errors: Sequence[FieldError] | None = None
        try:
            if isinstance(entry, BadInput):
                raise entry
            items.append(read_item(entry, max_text_chars=settings.max_text_chars))
        except BadInput as error:
            errors = error.errors
        results.append(
            BatchResult(
                index=index,
                status="rejected" if errors is not None else "accepted",
                external_id=_external_id(entry),
                errors=None
                if errors is None
                else [ItemError(pointer=e.pointer, code=e.code, detail=e.detail) for e in errors],
            )
        )
    return results, items


def _receive(
    session: Session, vault: Vault, settings: Settings, caller: Caller, items: Sequence[IncomingItem]
) -> list[Outcome]:
    return receive(
        session,
        vault,
        workspace_id=caller.workspace_id,
        source_default=SOURCE,
        items=items,
        priority=Priority.SINGLE if len(items) <= MAX_SINGLE_ITEMS else Priority.BULK,
        redact=settings.redact_stored,
    )


def _external_id(entry: Any) -> str | None:
    """The sender's id of an entry that may be anything, so that a rejected item can be found again."""
    value = entry.get("external_id") if isinstance(entry, dict) else None
    return str(value)[:512] if isinstance(value, str | int) and not isinstance(value, bool) else None


def _public(item_id: int | None) -> str | None:
    return None if item_id is None else str(item_id)
