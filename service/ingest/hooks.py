"""The addresses that senders deliver to: verify, store, answer; tagging comes later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlmodel import select

from service.dependencies import DatabaseOf, Db, SettingsOf, VaultOf, body_within
from service.errors import Gone, NotFound, Unauthorized
from service.ingest import deliveries, endpoints
from service.ingest.capacity import ensure_capacity
from service.ingest.deliver import deliver
from service.ingest.endpoints import active_secrets, options_of
from service.ingest.incoming import Call
from service.ingest.senders import SENDERS
from service.ingest.senders.signatures import BadSignature
from service.store.columns import now
from service.store.schema import Endpoint

router = APIRouter()
router.include_router(endpoints.router)
router.include_router(deliveries.router)


class Taken(BaseModel):
    """The delivery is stored (or was before); small, because senders wait for it."""

    model_config = ConfigDict(json_schema_extra={"example": {"ok": True}})

    ok: bool = True


def known_endpoint(sender: str, endpoint_id: str, database: DatabaseOf) -> Endpoint:
    """The endpoint of an address, read on a session of its own; NotFound, or Gone where it was removed."""
    with database.read() as session:
        endpoint = session.exec(
            select(Endpoint).where(Endpoint.public_id == endpoint_id, Endpoint.sender == sender)
        ).first()
    if endpoint is None or endpoint.sender not in SENDERS:
        raise NotFound("There is no such webhook address.")
    if endpoint.removed_at is not None:
        raise Gone("This webhook address was removed; stop sending to it.")
    return endpoint


KnownEndpoint = Annotated[Endpoint, Depends(known_endpoint)]


async def _hook_body(request: Request, _endpoint: KnownEndpoint, settings: SettingsOf) -> bytes:
    return await body_within(request, settings.max_hook_bytes)


HookBody = Annotated[bytes, Depends(_hook_body)]


def joined(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names in lower case, without NUL, which PostgreSQL can't store."""
    return {name.lower(): value.replace("\x00", "") for name, value in headers.items()}


@router.post(
    "/hooks/{sender}/{endpoint_id}",
    response_model=Taken,
    tags=["webhooks in"],
    summary="Deliver (for senders)",
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "description": "As the sender sends it. It is verified byte by byte, stored, then parsed.",
            "content": {
                "application/json": {
                    "schema": {"type": "object"},
                    "example": {
                        "type": "feedback.created",
                        "timestamp": "2026-11-20T09:14:03Z",
                        "data": {"id": "fb_1", "text": "The export never ends.", "rating": 2},
                    },
                }
            },
        },
    },
)
def post_hook(
    request: Request,
    endpoint: KnownEndpoint,
    body: HookBody,
    settings: SettingsOf,
    vault: VaultOf,
    database: DatabaseOf,
    session: Db,
) -> Taken:
    """Take a delivery of a sender. 200 means stored; the same delivery again is only counted."""
    sender = SENDERS[endpoint.sender]
    call = Call(
        headers=joined(request.headers),
        body=body,
        method=request.method,
        # as the sender knows it, whatever a proxy made of it
        url=f"{settings.public_url}{request.url.path}{'?' + request.url.query if request.url.query else ''}",
    )
    moment = now()
    try:
        sender.verify(call, active_secrets(endpoint, vault, moment), options_of(sender, endpoint.options), moment)
    except BadSignature as error:
        raise Unauthorized(str(error)) from error
    ensure_capacity(database, settings)
    deliver(session, vault, settings, endpoint=endpoint, call=call)
    return Taken()


@router.head(
    "/hooks/{sender}/{endpoint_id}",
    response_class=Response,
    tags=["webhooks in"],
    summary="Check an address (for senders)",
)
def head_hook(endpoint: KnownEndpoint) -> Response:
    """200 where deliveries are taken; some senders ask before they save an address."""
    return Response(status_code=200)
