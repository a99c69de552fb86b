"""`Idempotency-Key` on POSTs: the first result is replayed, so that a caller may send again after a lost answer.

How a router uses it::

    router = APIRouter(route_class=IdempotentRoute)

Nothing else: the route class claims the key before the route runs, hashes the body as the route reads it, and
stores the answer in the route's own `Db` transaction, so that effect and result are kept or lost together. (A
route that commits sessions of its own has its result stored right after; between the two a crash can only make
the effect happen a second time, never replay something that was rolled back.) A route whose answer holds secrets
calls `not_for_replay(request, "secrets")`: a replay has null there.

Kept are answers below 500 that say something about the request; 401, 403, 408, 413, 429 and 5xx are not, the key
is free again. A key whose process died is free at once on the same machine, elsewhere after SILENT_SECONDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.auth import Caller
from service.dependencies import get_caller
from service.errors import BadInput, Conflict, FieldError, Forbidden, JourneymapError, TooLarge
from service.process import is_gone, this_process
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
MAX_KEY_CHARS = 255
MAX_KEPT_BYTES = 4 * 1024 * 1024
KEPT_HEADERS = ("content-type", "location")
NOT_KEPT = frozenset({401, 403, 408, 413, 429})
BEAT_SECONDS = 10.0
SILENT_SECONDS = 45.0

PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Makes sending again safe: the first result is replayed (`Idempotent-Replayed: true`).",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARS},
    "example": "order-4711-feedback",
}


class IdempotencyInFlight(Conflict):
    """The first call with this key has not ended."""


def not_for_replay(request: Request, *fields: str) -> None:
    """Have these top-level fields of the answer stored as null: secrets are shown once."""
    request.state.not_for_replay = fields


class IdempotentRoute(APIRoute):
    """A route whose POST honours `Idempotency-Key`; see the module."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        if "POST" in (kwargs.get("methods") or ()):
            extra = dict(kwargs.get("openapi_extra") or {})
            named = [one for one in extra.get("parameters", []) if one.get("name") != HEADER]
            kwargs["openapi_extra"] = extra | {"parameters": [*named, PARAMETER]}
        super().__init__(path, endpoint, **kwargs)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, behind the key."""
        run = super().get_route_handler()

        async def handler(request: Request) -> Response:
            if request.method != "POST" or HEADER not in request.headers:
                return await run(request)
            return await _once(request, run)

        return handler


@dataclass(slots=True)
class _Claim:
    """A key that this call holds."""

    database: Database
    row_id: int
    owner: str
    grants: list[str]
    body: _HashedBody
    stored: bool = False
    response: Response | None = None
    secret_fields: tuple[str, ...] = ()

    def still_mine(self) -> Any:
        return (
            col(IdempotencyKey.id) == self.row_id,
            col(IdempotencyKey.owner) == self.owner,
            col(IdempotencyKey.response_status).is_(None),
        )

    def store(self, session: Session, response: Response) -> None:
        """Write the result; Conflict where another call has taken the key over, so that this one rolls back."""
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        done = session.execute(
            update(IdempotencyKey)
            .where(*self.still_mine())
            .values(
                body_hash=self.body.digest(),
                response_status=response.status_code,
                response_headers={"headers": kept, "grants": self.grants},
                response_body=_without(bytes(response.body), self.secret_fields),
            )
            .execution_options(synchronize_session=False)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]
            raise Conflict("Another call with this Idempotency-Key has taken over; this one is undone.")
        self.stored = True

    def store_apart(self, response: Response) -> None:
        with self.database.write() as session:
            self.store(session, response)

    def release(self) -> None:
        with self.database.write() as session:
            session.execute(
                delete(IdempotencyKey).where(*self.still_mine()).execution_options(synchronize_session=False)
            )

    def beat(self) -> None:
        with self.database.write() as session:
            session.execute(
                update(IdempotencyKey)
                .where(*self.still_mine())
                .values(created_at=now())
                .execution_options(synchronize_session=False)
            )


@dataclass(slots=True)
class _HashedBody:
    """The request's body on its way to the route, hashed as it passes; never held.

    Clients make up a new multipart boundary for every try, so boundaries are hashed as one fixed word.
    """

    request: Request
    limit_bytes: int
    hash: Any = field(default_factory=hashlib.sha256)
    boundary: bytes = b""
    tail: bytes = b""  # may be the beginning of a boundary
    seen: int = 0
    ended: bool = False

    def attach(self) -> None:
        self.hash.update(self.request.url.query.encode() + b"\n")
        self.boundary = _boundary(self.request.headers.get("content-type", ""))
        pass_on = self.request._receive

        async def receive() -> Message:
            message = await pass_on()
            if message["type"] == "http.request":
                self._add(message.get("body", b""))
                self.ended = not message.get("more_body", False)
            return message

        self.request._receive = receive

    def _add(self, chunk: bytes) -> None:
        self.seen += len(chunk)
        if not self.boundary:
            self.hash.update(chunk)
            return
        *parts, rest = (self.tail + chunk).split(self.boundary)
        for part in parts:
            self.hash.update(part)
            self.hash.update(b"boundary")
        kept = max(0, len(rest) - len(self.boundary) + 1)
        self.hash.update(rest[:kept])
        self.tail = rest[kept:]

    async def rest(self) -> None:
        """Hash what the route did not read."""
        while not self.ended:
            message = await self.request._receive()
            if message["type"] == "http.disconnect":
                return
            if self.seen > self.limit_bytes:
                raise TooLarge(f"The body is longer than the limit of {self.limit_bytes} bytes.")

    def digest(self) -> str:
        whole = self.hash.copy()
        whole.update(self.tail)
        return str(whole.hexdigest())


def _boundary(content_type: str) -> bytes:
    """The boundary of a multipart body, empty for others."""
    kind, _, parameters = content_type.partition(";")
    if not kind.strip().lower().startswith("multipart/"):
        return b""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "boundary":
            return value.strip().strip('"').encode("latin-1", "replace")
    return b""


async def _once(request: Request, run: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
    key = request.headers[HEADER]
    if not (0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        detail = f"an {HEADER} has 1 to {MAX_KEY_CHARS} printable ASCII characters"
        raise BadInput(detail, errors=[FieldError(HEADER, "bad_key", detail)])
    settings, database = request.app.state.settings, request.app.state.database
    caller = await run_in_threadpool(get_caller, request, database)
    route = f"{request.method} {request.url.path}"
    owner = f"{this_process()}#{secrets.token_hex(8)}"
    found = await run_in_threadpool(
        _claim, database, caller, route=route, key=key, owner=owner, hours=settings.idempotency_hours
    )
    body = _HashedBody(request, settings.max_import_bytes)
    body.attach()
    if isinstance(found, IdempotencyKey):
        await body.rest()
        return _replay(found, caller, body.digest())
    claim = _Claim(database, found, owner, sorted(caller.grants), body)

    async def settle(
        kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        # runs after the route's own transaction has been committed or rolled back
        beating.cancel()
        await run_in_threadpool(_settle, claim, request, error)
        return False

    # pushed before the route's dependencies, so it is left after them
    request.scope["fastapi_function_astack"].push_async_exit(settle)
    beating = asyncio.create_task(_beat(claim))
    response = await run(request)
    claim.response = response
    claim.secret_fields = getattr(request.state, "not_for_replay", ())
    session: Session | None = getattr(request.state, "session", None)
    if _is_kept(response):
        await body.rest()
        if session is not None:
            await run_in_threadpool(claim.store, session, response)
    return response


def _claim(
    database: Database, caller: Caller, *, route: str, key: str, owner: str, hours: int
) -> int | IdempotencyKey:
    """The id of the claimed row, or the finished row of an earlier call; Conflict while one runs."""
    moment = now()
    fresh = {
        "owner": owner,
        "body_hash": "",
        "response_status": None,
        "response_headers": None,
        "response_body": None,
        "created_at": moment,
        "expires_at": moment + timedelta(hours=hours),
    }
    identity = {"workspace_id": caller.workspace_id, "route": route, "key": key}
    with database.write() as session:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        new = session.execute(
            dialect.insert(IdempotencyKey)
            .values(**identity, **fresh)
            .on_conflict_do_nothing()
            .returning(col(IdempotencyKey.id))
        ).scalar_one_or_none()
        if new is not None:
            return int(new)
        row = session.exec(
            select(IdempotencyKey)
            .where(
                IdempotencyKey.workspace_id == caller.workspace_id,
                IdempotencyKey.route == route,
                IdempotencyKey.key == key,
            )
            .with_for_update()
        ).first()
        if row is None:  # released between the two statements
            raise _in_flight()
        if row.expires_at >= moment:
            if row.response_status is not None:
                return row
            silent = row.created_at < moment - timedelta(seconds=SILENT_SECONDS)
            if not silent and not is_gone(row.owner.partition("#")[0]):
                raise _in_flight()
        for name, value in fresh.items():
            setattr(row, name, value)
        session.add(row)
        assert row.id is not None
        return row.id


def _in_flight() -> IdempotencyInFlight:
    return IdempotencyInFlight(
        "The first call with this Idempotency-Key is still running; send it again in a moment.",
        retry_after_seconds=1,
    )


def _replay(row: IdempotencyKey, caller: Caller, digest: str) -> Response:
    if row.body_hash != digest:
        detail = "this key was used with another body; a new request needs a new key"
        raise BadInput(detail, errors=[FieldError(HEADER, "key_reused", detail)])
    kept = row.response_headers or {}
    if not set(kept.get("grants", ())) <= caller.grants:
        # the route's own check does not run on a replay: who may do less than the first caller gets nothing
        raise Forbidden("This Idempotency-Key was first used with a key that has more scopes.")
    assert row.response_status is not None
    return Response(
        row.response_body,
        status_code=row.response_status,
        headers={**kept.get("headers", {}), REPLAYED_HEADER: "true"},
    )


async def _beat(claim: _Claim) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        with contextlib.suppress(DBAPIError):  # the next one may get through
            await run_in_threadpool(claim.beat)


def _settle(claim: _Claim, request: Request, error: BaseException | None) -> None:
    """Keep the result of a route that has no `Db`, or of an error that would come again; else free the key."""
    response = claim.response if error is None else _answer_of(error, request)
    if error is None and claim.stored:
        return
    if response is not None and _is_kept(response) and claim.body.ended:
        # taken over: the other call's result holds; no room: the key falls free by its silence
        with contextlib.suppress(Conflict, DBAPIError):
            claim.store_apart(response)
        return
    with contextlib.suppress(DBAPIError):  # it falls free by its silence
        claim.release()


def _answer_of(error: BaseException, request: Request) -> Response | None:
    """What the caller is told about this error, by the app's own handlers; None for defects."""
    for kind in (JourneymapError, RequestValidationError, HTTPException):
        if isinstance(error, kind):
            answer: Response = request.app.exception_handlers[kind](request, error)
            return answer
    return None


def _is_kept(response: Response) -> bool:
    body = getattr(response, "body", None)  # a stream has none
    return (
        response.status_code < 500
        and response.status_code not in NOT_KEPT
        and isinstance(body, bytes | memoryview)
        and len(body) <= MAX_KEPT_BYTES
    )


def _without(body: bytes, fields: tuple[str, ...]) -> bytes:
    if not fields:
        return body
    value = json.loads(body)
    return json.dumps(value | dict.fromkeys(fields), separators=(",", ":")).encode()
