"""Periods as people say them: a form asks for the last day that counts, an address holds the day after it.

`to` is not counted itself (`from ≤ day < to`), in the API and in every address, so that periods join without gap.
In a form that reads as a mistake of one day. So forms send `last`, and whoever sends it is led to the address with
`to`: without script, with one rule for all pages.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

FIELD: Final = "last"


class LastDay:
    """Leads a page's address with `last` to the one with `to`; the API does not know it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer such an address, pass all others on."""
        if scope["type"] == "http" and scope["method"] == "GET" and b"last=" in scope["query_string"]:
            query = with_end(scope["query_string"].decode("latin-1"))
            if query is not None and not scope["path"].startswith(("/v1/", "/hooks/")):
                path = URL(scope=scope).path
                answer = RedirectResponse(f"{path}?{query}" if query else path, status_code=303)
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)


def with_end(query: str) -> str | None:
    """The query with `to` instead of `last`, without a form's empty fields; None where nobody sent `last`.

    What is no date is passed on as it is, and refused like any other wrong end.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    given = [value for name, value in pairs if name == FIELD]
    if not given:
        return None
    kept = [(name, value) for name, value in pairs if name not in (FIELD, "to") and value]
    return urlencode([*kept, ("to", _day_after(given[-1]))] if given[-1] else kept)


def _day_after(day: str) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return day


def last_of(end: str | date | datetime | None) -> str:
    """The last day before the end of a period, for the field of a form; nothing where there is no end."""
    if end is None or end == "":
        return ""
    try:
        moment = datetime.fromisoformat(end) if isinstance(end, str) else end
        if isinstance(moment, datetime):
            return (moment - timedelta(microseconds=1)).date().isoformat()
        return (moment - timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return ""
