"""Structured logs without customers' words: one JSON object a line, or plain text for a terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import orjson
from fastapi import FastAPI, Request, Response

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
            line["exception"] = _place(record.exc_info[1])
        return orjson.dumps(line, default=str).decode()


class PlainLines(logging.Formatter):
    """For people at a terminal; exceptions as in JsonLines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatException(self, ei: object) -> str:
        error = ei[1] if isinstance(ei, tuple) else None
        return str(_place(error)) if isinstance(error, BaseException) else ""


def _place(error: BaseException) -> dict[str, str]:
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
    logging.getLogger("alembic").setLevel(logging.WARNING)


def install(app: FastAPI) -> None:
    """Log and measure every request under its route's template, never its path: a hook's path is a credential."""

    @app.middleware("http")
    async def record(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        status = 500
        try:
            response = await call_next(request)
            status = response.status_code
            return response
        finally:
            seconds = time.perf_counter() - started
            route = getattr(request.scope.get("route"), "path", "(no route)")
            observe_request(request.method, route, status, seconds)
            if route not in _QUIET_PATHS:
                log.info(
                    "%s %s %d",
                    request.method,
                    route,
                    status,
                    extra={"status": status, "ms": round(seconds * 1000, 1)},
                )
