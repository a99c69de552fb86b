"""The addresses that senders deliver to: verify, store, answer; tagging comes later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from service.auth import Vault
from service.dependencies import SettingsOf, VaultOf, body_within
from service.errors import Unauthorized
from service.ingest import deliveries, endpoints
from service.ingest.endpoints import active_secrets, options_of
from service.ingest.incoming import Call
from service.ingest.intake import IntakeOf
from service.ingest.senders import SENDERS
from service.ingest.senders.signatures import BadSignature
from service.store.columns import now
from service.store.schema import Endpoint

# a longer body is verified in a thread: its hash would hold up the other calls
AT_ONCE_BYTES = 64 * 1024

router = APIRouter()
router.include_router(endpoints.router)
router.include_router(deliveries.router)


class Taken(BaseModel):
    """The delivery is stored (or was before); small, because senders wait for it."""

    model_config = ConfigDict(json_schema_extra={"example": {"ok": True}})

    ok: bool = True


async def known_endpoint(sender: str, endpoint_id: str, intake: IntakeOf) -> Endpoint:
    """The endpoint of an address, remembered or read; NotFound, or Gone where it was removed."""
    return await intake.endpoint(sender, endpoint_id)


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
async def post_hook(
    request: Request,
    endpoint: KnownEndpoint,
    body: HookBody,
    settings: SettingsOf,
    vault: VaultOf,
    intake: IntakeOf,
) -> Taken:
    """Take a delivery of a sender. 200 means stored; the same delivery again is only counted."""
    call = Call(
        headers=joined(request.headers),
        body=body,
        method=request.method,
        # as the sender knows it, whatever a proxy made of it
        url=f"{settings.public_url}{request.url.path}{'?' + request.url.query if request.url.query else ''}",
    )
    moment = now()
    if len(body) > AT_ONCE_BYTES:
        await run_in_threadpool(_verify, endpoint, call, vault, moment)
    else:
        _verify(endpoint, call, vault, moment)
    await intake.store(endpoint, call, moment)
    return Taken()


def _verify(endpoint: Endpoint, call: Call, vault: Vault, moment: datetime) -> None:
    """Unauthorized unless the call is from who holds one of the endpoint's secrets."""
    sender = SENDERS[endpoint.sender]
    try:
        sender.verify(call, active_secrets(endpoint, vault, moment), options_of(sender, endpoint.options), moment)
    except BadSignature as error:
        raise Unauthorized(str(error)) from error


@router.head(
    "/hooks/{sender}/{endpoint_id}",
    response_class=Response,
    tags=["webhooks in"],
    summary="Check an address (for senders)",
)
async def head_hook(endpoint: KnownEndpoint) -> Response:
    """200 where deliveries are taken; some senders ask before they save an address."""
    return Response(status_code=200)
