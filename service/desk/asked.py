"""What the address of a page asks for, as the map reads it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from fastapi import Request

from service.review.map_filters import ATTRIBUTE, selection_of, view_of
from service.selection import Selection

FILTERS: Final = ("from", "to", "channel", "source", "language")


def asked_selection(request: Request) -> Selection:
    """Period and filters; an empty form field means "not filtered"."""
    return selection_of(request, view_of(request.query_params.multi_items()))


def kept_pairs(request: Request, *more: str) -> list[tuple[str, str]]:
    """What of an address chooses: period, filters, and the page's own fields."""
    return [
        (name, value)
        for name, value in request.query_params.multi_items()
        if value and (name in (*FILTERS, *more) or name.startswith(ATTRIBUTE))
    ]


def clean_address(request: Request, path: str) -> str | None:
    """The address without the empty fields that a form sends; None where it has none."""
    given = request.query_params.multi_items()
    clean = [(name, value) for name, value in given if value]
    if clean == given:
        return None
    return f"{path}?{urlencode(clean)}" if clean else path
