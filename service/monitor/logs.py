"""Structured logs without customers' words: one JSON object a line, or plain text for a terminal."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.monitor.metrics import observe_request
from service.settings import Settings

log = logging.getLogger("journeymap.http")
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class JsonLines(logging.Formatter):
    """A record as one JSON object; `extra=` fields stand beside time, level, logger and message.

    Of an exception only the type and the place are written: its text may quote a customer.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in record.__dict__.items() if k not in _STANDARD and not k.startswith("_")})
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = place(record.exc_info[1])
        return orjson.dumps(line, default=str).decode()


class PlainLines(logging.Formatter):
    """For people at a terminal; exceptions as in JsonLines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatException(self, ei: object) -> str:
        error = ei[1] if isinstance(ei, tuple) else None
        return str(place(error)) if isinstance(error, BaseException) else ""


def place(error: BaseException) -> dict[str, str]:
    """What of an exception may be written: its type and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
    return {"type": type(error).__name__, "where": where.rpartition("/")[2]}


def configure(settings: Settings) -> None:
    """Send everything that this process logs to standard error, in the format of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else PlainLines())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # its lines carry whole paths, and a hook's path is a credential
    logging.getLogger("uvicorn.access").disabled = True
    # what is asked of senders' APIs: addresses hold ids of customers, and some their credentials
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)


class RequestLog:
    """Logs and measures every request under its route's template, never its path: a hook's path is a credential.

    Plain ASGI: Starlette's function middleware would copy every streamed body through a queue.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_status)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "(no route)")
            observe_request(scope["method"], route, status, seconds)
            if route not in _QUIET_PATHS:
                log.info(
                    "%s %s %d",
                    scope["method"],
                    route,
                    status,
                    extra={"status": status, "ms": round(seconds * 1000, 1)},
                )
