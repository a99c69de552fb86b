"""Templates, their filters, static files, and the headers of every page."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from service.review import charts
from service.review.last_day import last_of

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
# nothing from elsewhere, nothing inline: feedback that contains markup can't do anything
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the content, so that browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _day(value: str | datetime | None, zone: str = "UTC") -> str:
    if value is None:
        return "date not told"
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y}"


def _moment_text(value: str | datetime, zone: str = "UTC") -> str:
    """A moment with its zone, for attributes and choices, where no element can stand."""
    local = _read(value).astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def _moment(value: str | datetime, zone: str = "UTC") -> Markup:
    """A moment that times.js writes in the reader's zone; without script in the workspace's, which is named."""
    return _time(value, _moment_text(value, zone), "")


def _clock(value: str | datetime, zone: str = "UTC") -> Markup:
    """The time of day alone, else as a moment."""
    return _time(value, f"{_read(value).astimezone(ZoneInfo(zone)):%H:%M %Z}", "clock")


def _time(value: str | datetime, text: str, form: str) -> Markup:
    stamp = _read(value).astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" data-moment="{}">{}</time>').format(stamp, form, text)


def _read(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _dated(text: str) -> str:
    """A sentence of the API with its dates as people write them: «until about 5 Sep 2027»."""
    return re.sub(
        r"\b\d{4}-\d\d-\d\d\b", lambda found: f"{(day := date.fromisoformat(found[0])).day} {day:%b %Y}", text
    )


def _code(text: str) -> Markup:
    """What stands between backticks as code; everything escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)


@cache
def environment() -> Environment:
    """The templates; everything is escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = asset
    made.filters.update(
        signed=charts.signed,
        percent=charts.percent,
        words=charts.words,
        day=_day,
        moment=_moment,
        moment_text=_moment_text,
        clock=_clock,
        code=_code,
        dated=_dated,
        last_day=last_of,
    )
    return made


def page(template: str, context: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """A rendered page with its security headers."""
    text = environment().get_template(template).render(**{"caller": None, "page": None, **context})
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def wants_page(request: Request) -> bool:
    """Whether a person's browser asks (and not a program): errors are then pages too."""
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith(("/v1/", "/hooks/"))
