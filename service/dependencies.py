"""What routes ask for: Db, ReadDb, Caller with a scope, a body within its limit."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from sqlmodel import Session

from service.auth import Caller, Vault, caller_of_cookie, caller_of_key
from service.errors import BadInput, FieldError, Forbidden, TooLarge, Unauthorized, field_errors
from service.packed import gunzip, is_gzipped
from service.settings import Settings
from service.store.engine import Database

COOKIE = "journeymap_session"
ModelT = TypeVar("ModelT", bound=BaseModel)
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


# `async` because they wait for nothing: FastAPI runs the others in a thread each
async def get_settings(request: Request) -> Settings:
    """The settings this app was built with."""
    settings: Settings = request.app.state.settings
    return settings


async def get_database(request: Request) -> Database:
    """The app's database; for routes that open their own session (streams)."""
    database: Database = request.app.state.database
    return database


async def get_vault(request: Request) -> Vault:
    """The installation's secret."""
    vault: Vault = request.app.state.vault
    return vault


def get_db(request: Request, database: Annotated[Database, Depends(get_database)]) -> Iterator[Session]:
    """A writing session; it commits before the answer is sent (scope="function"), so a 2xx means stored."""
    with database.write() as session:
        request.state.session = session  # the result of an Idempotency-Key is stored in the same transaction
        yield session


def get_read_db(database: Annotated[Database, Depends(get_database)]) -> Iterator[Session]:
    """A reading session: one moment, never waiting for a writer."""
    with database.read() as session:
        yield session


SettingsOf = Annotated[Settings, Depends(get_settings)]
DatabaseOf = Annotated[Database, Depends(get_database)]
VaultOf = Annotated[Vault, Depends(get_vault)]
Db = Annotated[Session, Depends(get_db, scope="function")]
ReadDb = Annotated[Session, Depends(get_read_db, scope="function")]


def get_caller(request: Request, database: DatabaseOf) -> Caller:
    """Who calls, by key or by cookie; looked up on a session of its own that is closed before the route runs."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind:
        if kind.lower() != "bearer" or not key.strip():
            raise Unauthorized("Send the key as «Authorization: Bearer <key>».")
        with database.read() as session:
            return caller_of_key(session, key.strip())
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        raise Unauthorized("Send a key as «Authorization: Bearer <key>», or sign in.")
    with database.read() as session:
        caller = caller_of_cookie(session, cookie)
    if caller is None:
        raise Unauthorized("The session has ended; sign in again.")
    if request.method not in SAFE_METHODS and request.url.path.startswith("/v1/"):
        # scripts send the token as a header; the pages' forms carry it in a field, which the pages compare
        check_csrf(caller, request.headers.get(CSRF_HEADER, ""))
    return caller


def check_csrf(caller: Caller, token: str) -> None:
    """Refuse a browser's write that does not carry the session's token: another site may have sent it."""
    if caller.csrf_token is not None and not hmac.compare_digest(caller.csrf_token, token):
        raise Forbidden("The form has expired; load the page again.")


def _requires(grant: str) -> Callable[[Caller], Caller]:
    def check(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
        if not caller.may(grant):
            raise Forbidden(f"This needs the scope «{grant}».")
        return caller

    return check


def _may_import(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    # people who work with feedback bring files; everything else that comes in is a program's
    if not (caller.may("ingest") or caller.may("files")):
        raise Forbidden("This needs the scope «ingest»; of people, analysts, leads and admins may bring files.")
    return caller


AnyCaller = Annotated[Caller, Depends(get_caller)]
Ingester = Annotated[Caller, Depends(_requires("ingest"))]
Importer = Annotated[Caller, Depends(_may_import)]
Reader = Annotated[Caller, Depends(_requires("read"))]
VerbatimReader = Annotated[Caller, Depends(_requires("verbatims"))]
Reviewer = Annotated[Caller, Depends(_requires("review"))]
Decider = Annotated[Caller, Depends(_requires("decide"))]
Admin = Annotated[Caller, Depends(_requires("admin"))]


async def chunks_within(request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
    """The body's chunks; TooLarge as soon as more than the limit has come, declared or not."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit_bytes:
        raise TooLarge(f"The body has {declared} bytes; the limit is {limit_bytes}.")
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit_bytes:
            raise TooLarge(f"The body is longer than the limit of {limit_bytes} bytes.")
        yield chunk


async def body_within(request: Request, limit_bytes: int) -> bytes:
    """The whole body, at most `limit_bytes`."""
    return b"".join([chunk async for chunk in chunks_within(request, limit_bytes)])


async def unpacked_within(request: Request, limit_bytes: int) -> bytes:
    """The body, gunzipped where `Content-Encoding: gzip` says so; at most `limit_bytes` before and after."""
    gzipped = is_gzipped(request)
    body = await body_within(request, limit_bytes)
    return gunzip(body, limit_bytes) if gzipped else body


async def _json_body(request: Request, _caller: AnyCaller, settings: SettingsOf) -> bytes:
    return await unpacked_within(request, settings.max_json_bytes)


# authenticated first, then read: an unknown caller can't make us hold a body
JsonBody = Annotated[bytes, Depends(_json_body)]


def parse_body(model: type[ModelT], body: bytes) -> ModelT:
    """The body as `model`; BadInput naming each field (as JSON pointer) that can't be used."""
    if not body.strip():
        raise BadInput("The body is empty; send JSON.", errors=[FieldError("", "empty", "the body is empty")])
    try:
        return _validated(model, body)
    except ValidationError as error:
        found = field_errors(error)
        detail = "; ".join(f"{one.pointer or 'body'}: {one.detail}" for one in found[:5])
        raise BadInput(detail, errors=found) from error


def _validated(model: type[ModelT], body: bytes) -> ModelT:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_input=False)[0]["type"] != "json_invalid":
            raise
        # half an emoji is valid JSON to most writers, but not to this reader: it becomes a question mark
        try:
            mended = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
        except (ValueError, RecursionError):
            raise error from None
        return model.model_validate_json(mended)


def json_body(model: type[BaseModel], example: Any, media_type: str = "application/json") -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: schema and example for the document."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {
        "requestBody": {
            "required": True,
            "content": {media_type: {"schema": schema, "example": example}},
        }
    }
