"""Forms that our own pages send."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from service.dependencies import AnyCaller, body_within, check_csrf

FORM_BYTES = 64 * 1024


async def _form(request: Request) -> dict[str, str]:
    body = await body_within(request, FORM_BYTES)
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


Form = Annotated[dict[str, str], Depends(_form)]
"""The fields of a form, of whoever sent it."""


async def _signed_in_form(request: Request, caller: AnyCaller) -> dict[str, str]:
    fields = await _form(request)
    check_csrf(caller, fields.get("csrf", ""))
    return fields


SignedInForm = Annotated[dict[str, str], Depends(_signed_in_form)]
"""A form of a signed-in person, sent from our own page."""
