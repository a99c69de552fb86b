"""The addresses that senders deliver to: verify, store, answer; tagging comes later."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from service.auth import Vault
from service.dependencies import body_within
from service.errors import TooLarge, Unauthorized
from service.ingest import deliveries, endpoints
from service.ingest.deliver import NOT_UNDERSTOOD, OUR_HEADERS
from service.ingest.endpoint_secrets import active_secrets, has_secrets
from service.ingest.endpoints import options_of
from service.ingest.incoming import Call, CannotParse
from service.ingest.intake import Intake, IntakeOf
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Reply, Sender
from service.ingest.senders.signatures import BadSignature, SenderOptions
from service.ingest.unpacking import ENCODING, body_limit, unpacked
from service.settings import Settings
from service.store.columns import now
from service.store.schema import Endpoint

log = logging.getLogger(__name__)

# a longer body is verified in a thread: its hash would hold up the other calls
AT_ONCE_BYTES = 64 * 1024

router = APIRouter()
router.include_router(endpoints.router)
router.include_router(deliveries.router)


class Taken(BaseModel):
    """The delivery is stored (or was before); small, because senders wait for it."""

    model_config = ConfigDict(json_schema_extra={"example": {"ok": True}})

    ok: bool = True


def joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header names in lower case, several of one name joined; without NUL, which PostgreSQL can't store.

    Our own marks on stored calls are nothing that a sender can set.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        name, value = name.lower(), value.replace("\x00", "")
        if not name.startswith(OUR_HEADERS):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


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
async def post_hook(request: Request, sender: str, endpoint_id: str) -> Response:
    """Take a delivery of a sender. 200 means stored; the same delivery again is only counted."""
    return await _taken(request, sender, endpoint_id)


@router.api_route(
    "/hooks/{sender}/{endpoint_id}", methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False
)
# pasted with a slash at its end the address still takes deliveries: senders that follow a redirect lose the body
@router.api_route(
    "/hooks/{sender}/{endpoint_id}/", methods=["POST", "GET", "PUT", "PATCH", "DELETE"], include_in_schema=False
)
async def other_hook(request: Request, sender: str, endpoint_id: str) -> Response:
    """The same by another method, where the tool lets its admins choose one; 405 for all other senders."""
    return await _taken(request, sender, endpoint_id)


async def _taken(request: Request, sender: str, endpoint_id: str) -> Response:
    # without dependencies: to resolve them took a sixth of what a delivery costs
    state = request.app.state
    settings: Settings = state.settings
    vault: Vault = state.vault
    intake: Intake = state.intake
    endpoint = await intake.endpoint(sender, endpoint_id)
    if request.method not in {"POST", *SENDERS[endpoint.sender].methods}:
        raise HTTPException(405, headers={"Allow": _allowed(endpoint)})
    body = await body_within(request, body_limit(SENDERS[endpoint.sender], settings))
    call = Call(
        headers=joined(request.headers.items()),
        body=body,
        method=request.method,
        # as the sender knows it, whatever a proxy made of it
        url=f"{settings.public_url}{request.url.path}{'?' + request.url.query if request.url.query else ''}",
    )
    moment = now()
    if len(body) > AT_ONCE_BYTES or ENCODING in call.headers:
        readable = await run_in_threadpool(_verified, endpoint, call, vault, settings, moment)
    else:
        readable = _verified(endpoint, call, vault, settings, moment)
    await intake.store(endpoint, call, moment)
    reply = _reply(endpoint, readable)
    return Response(content=reply.body, status_code=reply.status, media_type=reply.media_type)


def _allowed(endpoint: Endpoint) -> str:
    """The methods that the address takes, for `Allow`."""
    sender = SENDERS[endpoint.sender]
    asking = {"HEAD"} if sender.handshake is None else {"HEAD", "OPTIONS"}
    return ", ".join(sorted({"POST", *asking, *sender.methods}))


def _verified(endpoint: Endpoint, call: Call, vault: Vault, settings: Settings, moment: datetime) -> Call:
    """The call as it can be read, once it is surely from who holds one of the endpoint's secrets.

    Unauthorized, or TooLarge where it unpacks to more than is taken. What can't be unpacked is stored as it is.
    """
    sender = SENDERS[endpoint.sender]
    limit_bytes = body_limit(sender, settings)
    secrets, options = active_secrets(endpoint, vault, moment), options_of(sender, endpoint.options)
    if not secrets and (sender.secret_needed or has_secrets(endpoint, vault)):
        if has_secrets(endpoint, vault):
            raise Unauthorized("No secret of this endpoint holds any more.")
        raise Unauthorized(f"This endpoint still waits for the secret that {sender.title} signs with.")
    try:
        _verify(sender, call, secrets, options, moment)
    except BadSignature as error:
        # the signature should be over what was sent; some sign first and pack then
        try:
            readable = unpacked(call, limit_bytes)
            if readable is call:
                raise Unauthorized(str(error)) from error
            _verify(sender, readable, secrets, options, moment)
        except (BadSignature, CannotParse, TooLarge):
            raise Unauthorized(str(error)) from error
        return readable
    try:
        return unpacked(call, limit_bytes)
    except CannotParse:
        return call


def _verify(sender: Sender, call: Call, secrets: list[str], options: SenderOptions, moment: datetime) -> None:
    try:
        sender.verify(call, secrets, options, moment)
    except NOT_UNDERSTOOD as error:
        # a defect of the adapter; who it is from can't be told, so that it must not be taken
        log.error("a call to %s can't be verified: %s", sender.name, type(error).__name__)
        raise BadSignature("The signature can't be read.") from error


def _reply(endpoint: Endpoint, call: Call) -> Reply:
    """What the sender reads back, whatever became of its delivery: some wait for an answer of their own."""
    sender = SENDERS[endpoint.sender]
    try:
        own = sender.reply(call, options_of(sender, endpoint.options)) if sender.reply is not None else None
    except (CannotParse, *NOT_UNDERSTOOD):
        own = None  # what can't be understood is stored and shown; the sender need not know
    return own or Reply()


@router.head(
    "/hooks/{sender}/{endpoint_id}",
    response_class=Response,
    tags=["webhooks in"],
    summary="Check an address (for senders)",
)
@router.head("/hooks/{sender}/{endpoint_id}/", response_class=Response, include_in_schema=False)
async def head_hook(sender: str, endpoint_id: str, intake: IntakeOf) -> Response:
    """200 where deliveries are taken; some senders ask before they save an address."""
    await intake.endpoint(sender, endpoint_id)
    return Response(status_code=200)


@router.options(
    "/hooks/{sender}/{endpoint_id}",
    response_class=Response,
    tags=["webhooks in"],
    summary="Ask whether events may be sent (for senders)",
)
@router.options("/hooks/{sender}/{endpoint_id}/", response_class=Response, include_in_schema=False)
async def options_hook(request: Request, sender: str, endpoint_id: str, intake: IntakeOf) -> Response:
    """The consent that CloudEvents brokers ask for before they send anything; 405 for all other senders.

    It needs no token: it says that deliveries are expected here, and lets nobody in.
    """
    endpoint = await intake.endpoint(sender, endpoint_id)
    handshake = SENDERS[endpoint.sender].handshake
    if handshake is None:
        raise HTTPException(405, headers={"Allow": _allowed(endpoint)})
    return Response(headers={"Allow": _allowed(endpoint)} | handshake(joined(request.headers.items())))
