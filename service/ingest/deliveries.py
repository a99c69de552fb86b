"""What came in by webhook, as received beside what was made of it, and how to take it again."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func
from sqlmodel import Session, col, select

from service.auth import Vault
from service.dependencies import (
    Db,
    Ingester,
    JsonBody,
    ReadDb,
    Reader,
    SettingsOf,
    VaultOf,
    VerbatimReader,
    json_body,
    parse_body,
)
from service.errors import Conflict, NotFound
from service.idempotency import IdempotentRoute
from service.ingest.capacity import RoomLeft
from service.ingest.replays import may_be_retaken, replay_many, retake
from service.ingest.senders import SENDERS
from service.paging import Page, row_id
from service.settings import Settings
from service.store.schema import Delivery, Endpoint, WantedFetch

State = Literal["parsed", "ignored", "waiting", "unparsed"]

router = APIRouter(tags=["webhooks in"], route_class=IdempotentRoute)

EXAMPLE: dict[str, Any] = {
    "id": "17",
    "endpoint_id": "Jh2xq0cPMpyWQd7jZcT9yA",
    "sender": "standard-webhooks",
    "external_id": "msg_2pXk",
    "received_at": "2026-11-20T09:14:05Z",
    "state": "parsed",
    "detail": "",
    "size_bytes": 270,
    "repeats": 0,
}


class DeliveryView(BaseModel):
    """One inbound call. `unparsed`: at least one item in it could not be used, `detail` says why.

    `waiting`: it only names what happened, and the sender's API is asked for the words.
    """

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    endpoint_id: str
    sender: str
    external_id: str
    received_at: datetime
    state: State
    detail: str
    size_bytes: int
    repeats: Annotated[int, Field(description="How often the sender sent it again.")]


class WantedView(BaseModel):
    """Something that a delivery only names. `gone`: the sender's API has it no more; `failed`: given up."""

    what: str
    ids: dict[str, Any]
    state: Literal["waiting", "done", "gone", "failed"]
    detail: str


class DeliveryDetail(DeliveryView):
    """The call as received, raw beside parsed. A body that is no UTF-8 text comes as base64."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": EXAMPLE
            | {
                "content_type": "application/json",
                "headers": {"webhook-id": "msg_2pXk"},
                "body": '{"type":"feedback.created","data":{"id":"fb_1","text":"The export never ends."}}',
                "body_base64": None,
                "results": [{"index": 0, "status": "accepted", "id": "4711", "external_id": "fb_1"}],
                "wanted": [],
            }
        }
    )

    content_type: str
    headers: dict[str, Any]
    body: str | None
    body_base64: str | None
    results: list[dict[str, Any]]
    wanted: Annotated[list[WantedView], Field(description="What the sender's API was asked for because of it.")]


class DeliveryPage(BaseModel):
    """One page of deliveries, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [EXAMPLE], "next": "MTc"}})

    data: list[DeliveryView]
    next: str | None


class NewReplays(BaseModel):
    """Which deliveries to take again."""

    model_config = ConfigDict(extra="forbid")

    endpoint_id: Annotated[str | None, Field(description="Only those of one address.")] = None
    state: State = "unparsed"


class Replays(BaseModel):
    """How many there are, and whether they were taken now or are left to the worker."""

    model_config = ConfigDict(json_schema_extra={"example": {"deliveries": 12, "state": "done"}})

    deliveries: int
    state: Literal["done", "queued"]


@router.get("/v1/deliveries", response_model=DeliveryPage, summary="List deliveries")
def get_deliveries(
    caller: Reader,
    page: Page,
    session: ReadDb,
    state: Annotated[State | None, Query(description="Only deliveries in this state.")] = None,
    endpoint_id: Annotated[str | None, Query(description="Only deliveries to this address.")] = None,
) -> DeliveryPage:
    """Deliveries of this workspace, newest first; `state=unparsed` shows what could not be used."""
    query = (
        # a page of deliveries does not need their bodies
        select(
            col(Delivery.id),
            col(Delivery.external_id),
            col(Delivery.received_at),
            col(Delivery.state),
            col(Delivery.detail),
            func.length(col(Delivery.body)).label("size_bytes"),
            col(Delivery.repeats),
            col(Endpoint.public_id),
            col(Endpoint.sender),
        )  # type: ignore[call-overload]
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(col(Delivery.workspace_id) == caller.workspace_id)
    )
    if state is not None:
        query = query.where(col(Delivery.state) == state)
    if endpoint_id is not None:
        query = query.where(col(Endpoint.public_id) == endpoint_id)
    if (key := page.key_id()) is not None:
        query = query.where(col(Delivery.id) < key)
    rows = session.execute(query.order_by(col(Delivery.id).desc()).limit(page.limit + 1)).all()
    shown = rows[: page.limit]
    return DeliveryPage(
        data=[
            DeliveryView(
                id=str(row.id),
                endpoint_id=row.public_id,
                sender=row.sender,
                external_id=row.external_id,
                received_at=row.received_at,
                state=row.state,
                detail=row.detail,
                size_bytes=row.size_bytes,
                repeats=row.repeats,
            )
            for row in shown
        ],
        next=page.next_after(rows, shown[-1].id) if shown else None,
    )


@router.get("/v1/deliveries/{delivery_id}", response_model=DeliveryDetail, summary="One delivery, raw and parsed")
def get_delivery(delivery_id: str, caller: VerbatimReader, session: ReadDb) -> DeliveryDetail:
    """One delivery as received, beside what was made of it."""
    delivery, endpoint = _delivery(session, caller.workspace_id, delivery_id)
    return _detail(session, delivery, endpoint)


@router.post(
    "/v1/deliveries/replay",
    status_code=202,
    response_model=Replays,
    openapi_extra=json_body(NewReplays, {"endpoint_id": "Jh2xq0cPMpyWQd7jZcT9yA", "state": "unparsed"}),
    summary="Take many deliveries again",
)
def post_replays(
    caller: Ingester, _room: RoomLeft, body: JsonBody, settings: SettingsOf, vault: VaultOf, session: Db
) -> Replays:
    """Parse all stored deliveries in a state once more: after a mapping was changed, or the service renewed."""
    asked = parse_body(NewReplays, body)
    return replay_all(
        session,
        vault,
        settings,
        workspace_id=caller.workspace_id,
        endpoint_id=asked.endpoint_id,
        state=asked.state,
    )


def replay_all(
    session: Session, vault: Vault, settings: Settings, *, workspace_id: int, endpoint_id: str | None, state: str
) -> Replays:
    """Take all deliveries in a state again, of one address or (None) of all; NotFound where there is none such."""
    endpoint = None
    if endpoint_id is not None:
        endpoint = session.exec(
            select(Endpoint).where(Endpoint.workspace_id == workspace_id, Endpoint.public_id == endpoint_id)
        ).first()
        if endpoint is None:
            raise NotFound("There is no such webhook address.")
    count, done = replay_many(session, vault, settings, workspace_id=workspace_id, endpoint=endpoint, state=state)
    return Replays(deliveries=count, state="done" if done else "queued")


@router.post("/v1/deliveries/{delivery_id}/replay", response_model=DeliveryView, summary="Take a delivery again")
def post_replay(
    delivery_id: str, caller: Ingester, _room: RoomLeft, settings: SettingsOf, vault: VaultOf, session: Db
) -> DeliveryView:
    """Parse a stored delivery once more, as if it arrived when it did: nothing newer is overwritten."""
    return replay(session, vault, settings, workspace_id=caller.workspace_id, delivery_id=delivery_id)


def replay(
    session: Session, vault: Vault, settings: Settings, *, workspace_id: int, delivery_id: str
) -> DeliveryView:
    """Take a stored delivery again; Conflict where its content is not kept any more."""
    delivery, endpoint = _delivery(session, workspace_id, delivery_id, lock=True)
    if endpoint.sender not in SENDERS:
        raise NotFound("The sender of this delivery is not known any more.")
    if not may_be_retaken(delivery):
        raise Conflict("The content of this delivery is not kept any more; the sender can send it again.")
    retake(session, vault, settings, endpoint=endpoint, delivery=delivery)
    return _view(delivery, endpoint)


def _delivery(
    session: Session, workspace_id: int, delivery_id: str, *, lock: bool = False
) -> tuple[Delivery, Endpoint]:
    query = (
        select(Delivery, Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(Delivery.workspace_id == workspace_id, Delivery.id == row_id(delivery_id, "This delivery"))
    )
    found = session.exec(query.with_for_update(of=Delivery) if lock else query).first()
    if found is None:
        raise NotFound("This delivery does not exist.")
    return found


def _view(delivery: Delivery, endpoint: Endpoint) -> DeliveryView:
    return DeliveryView(
        id=str(delivery.id),
        endpoint_id=endpoint.public_id,
        sender=endpoint.sender,
        external_id=delivery.external_id,
        received_at=delivery.received_at,
        state=delivery.state,
        detail=delivery.detail,
        size_bytes=len(delivery.body),
        repeats=delivery.repeats,
    )


def _detail(session: Session, delivery: Delivery, endpoint: Endpoint) -> DeliveryDetail:
    try:
        text, packed = delivery.body.decode("utf-8"), None
    except UnicodeDecodeError:
        text, packed = None, base64.b64encode(delivery.body).decode("ascii")
    return DeliveryDetail(
        **_view(delivery, endpoint).model_dump(),
        content_type=delivery.content_type,
        headers=delivery.headers,
        body=text,
        body_base64=packed,
        results=delivery.results,
        wanted=[
            WantedView(what=row.what, ids=row.ids, state=row.state, detail=row.detail)
            for row in session.exec(
                select(WantedFetch)
                .where(WantedFetch.workspace_id == delivery.workspace_id, WantedFetch.delivery_id == delivery.id)
                .order_by(col(WantedFetch.id))
            )
        ],
    )
