"""The error tree and the one JSON shape of every error (RFC 9457, application/problem+json).

JourneymapError
├── BadInput            422  a field or row can't be used; carries FieldErrors
├── Unauthorized        401  no key or session, or one that does not hold
├── Forbidden           403  the key or role lacks the scope
├── NotFound            404  also for another workspace's rows
├── Conflict            409  the state does not allow it now
├── Gone                410  removed on purpose
├── TooLarge            413
├── UnsupportedMedia    415
├── TooManyRequests     429  with Retry-After
└── CannotStore         503  with Retry-After: disk full, database away
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with the input: where (JSON pointer or parameter name), what kind, what to do."""

    pointer: str
    code: str
    detail: str


class JourneymapError(Exception):
    """An error that a caller is told about. Its text never holds customers' words."""

    status: int = 500
    title: str = "Internal error"

    def __init__(
        self, detail: str, *, errors: Sequence[FieldError] = (), retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_seconds = retry_after_seconds


class BadInput(JourneymapError):
    status, title = 422, "The input can't be used"


class Unauthorized(JourneymapError):
    status, title = 401, "Sign in or send a valid key"


class Forbidden(JourneymapError):
    status, title = 403, "Not allowed"


class NotFound(JourneymapError):
    status, title = 404, "Not found"


class Conflict(JourneymapError):
    status, title = 409, "Not possible in this state"


class Gone(JourneymapError):
    status, title = 410, "Removed"


class TooLarge(JourneymapError):
    status, title = 413, "Too large"


class UnsupportedMedia(JourneymapError):
    status, title = 415, "This kind of content is not taken"


class TooManyRequests(JourneymapError):
    status, title = 429, "Too many requests"


class CannotStore(JourneymapError):
    status, title = 503, "Can't store right now"


PROBLEM_EXAMPLE = {
    "type": "about:blank",
    "title": "The input can't be used",
    "status": 422,
    "detail": "/score/value: value must lie on its scale, 1 to 5",
    "instance": "/v1/feedback",
    "errors": [{"pointer": "/score/value", "code": "value_error", "detail": "must lie on its scale, 1 to 5"}],
}
# what the OpenAPI document says of errors, for every route
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "An error in words (RFC 9457); `errors` names each field or row that can't be used",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": PROBLEM_EXAMPLE}},
    }
}


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with our one error shape in place of the framework's."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = {
        "type": "object",
        "title": "Problem",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {name: {"type": "string"} for name in ("pointer", "code", "detail")},
                },
            },
        },
    }
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            if "HTTPValidationError" in str(operation["responses"].get("422", "")):
                del operation["responses"]["422"]
    return document


def pointer_of(location: Sequence[str | int]) -> str:
    """A pydantic error location as a JSON pointer (RFC 6901)."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    return "/" + "/".join(parts) if parts else ""


def field_errors(error: ValidationError | RequestValidationError) -> list[FieldError]:
    """Pydantic's findings in our shape; the offending value is left out, it may hold customers' words."""
    found = []
    for one in error.errors():
        location = list(one["loc"])
        if location and location[0] in ("body", "query", "path", "header"):
            location = location[1:]
        found.append(FieldError(pointer_of(location), str(one["type"]), _said(one)))
    return found


def _said(one: Any) -> str:
    # our own checks say it in words already
    return str(one["msg"]).removeprefix("Value error, ")


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    instance: str | None = None,
    errors: Sequence[FieldError] = (),
    retry_after_seconds: int | None = None,
) -> JSONResponse:
    """The one error answer."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if instance is not None:
        body["instance"] = instance
    if errors:
        body["errors"] = [asdict(error) for error in errors]
    headers = {}
    if status in (429, 503) or retry_after_seconds is not None:
        headers["Retry-After"] = str(retry_after_seconds or 5)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def cannot_store(error: DBAPIError) -> bool:
    """Whether a database error means "try again later" (disk full, locked, connection lost) and not a defect."""
    if getattr(error, "connection_invalidated", False):
        return True
    before = error.__context__
    if isinstance(before, DBAPIError) and cannot_store(before):
        return True  # a full SQLite takes the whole transaction back, so that its savepoint is missed next
    text = str(error.orig).lower()
    signs = (
        "disk is full",
        "database is locked",
        "no space left",
        "could not connect",
        "connection",
        "disk i/o",
        "unable to open database",
        "readonly database",
        "read-only transaction",
        "starting up",
        "shutting down",
        "lock timeout",
        "statement timeout",
    )
    return isinstance(error, OperationalError | InternalError) and any(sign in text for sign in signs)


def database_away(error: BaseException) -> bool:
    """The same of any error: no connection within the time given, or a database that can't take anything now."""
    return isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and cannot_store(error))


def crossed_locks(error: BaseException) -> bool:
    """Whether two transactions waited for each other, and this one was ended for it: doing it again will do."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in ("40P01", "40001")


def install(app: FastAPI) -> None:
    """Give the app one handler for each kind of error, all answering `problem`."""

    @app.exception_handler(JourneymapError)
    def ours(request: Request, error: JourneymapError) -> Response:
        # where a person's browser asked, the pages show errors in their own way
        error_page = getattr(request.app.state, "error_page", None)
        shown: Response | None = error_page(request, error) if error_page is not None else None
        return shown or problem(
            error.status,
            error.title,
            error.detail,
            instance=request.url.path,
            errors=error.errors,
            retry_after_seconds=error.retry_after_seconds,
        )

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = field_errors(error)
        detail = "; ".join(f"{e.pointer or 'body'}: {e.detail}" for e in found[:5])
        return problem(422, BadInput.title, detail, instance=request.url.path, errors=found)

    @app.exception_handler(HTTPException)
    def framework(request: Request, error: HTTPException) -> Response:
        error_page = getattr(request.app.state, "error_page", None)
        if error.status_code == 404 and error_page is not None:
            shown: Response | None = error_page(request, NotFound("There is nothing at this address."))
            if shown is not None:
                return shown
        phrase = HTTPStatus(error.status_code).phrase
        answer = problem(error.status_code, phrase, str(error.detail), instance=request.url.path)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(DBAPIError)
    def database(request: Request, error: DBAPIError) -> JSONResponse:
        # str(error) would carry the statement's parameters, which hold customers' words
        if "NUL" in str(error.orig) or "\\u0000" in str(error.orig):
            detail = "a text holds a NUL character; leave it out"
            found = [FieldError("", "nul_character", detail)]
            return problem(422, BadInput.title, f"{detail}.", instance=request.url.path, errors=found)
        log.error("database error on %s: %s", _route(request), type(error.orig).__name__)
        if cannot_store(error):
            detail = "The database can't take this now; send it again later."
            return problem(503, CannotStore.title, detail, instance=request.url.path)
        return _failed(request)

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected %s on %s", type(error).__name__, _route(request))
        return _failed(request)


def _failed(request: Request) -> JSONResponse:
    detail = "Something failed here; it has been logged."
    return problem(500, JourneymapError.title, detail, instance=request.url.path)


def _route(request: Request) -> str:
    """The route as declared: the path as called may hold a respondent's key, often an e-mail address."""
    return getattr(request.scope.get("route"), "path", "(no route)")
