"""Cursor paging of every list, and the reading of public ids: the one place for both."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query

from service.errors import BadInput, FieldError, NotFound

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
MAX_ID = 2**63 - 1


def encode_cursor(value: Any) -> str:
    """Where the next page starts: any JSON value (an id, a list of sort keys), base64url without padding."""
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def decode_cursor(text: str) -> Any:
    """The value of `encode_cursor` again; BadInput for anything else."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError) as error:
        raise _bad_cursor() from error


def _bad_cursor() -> BadInput:
    detail = "this cursor did not come from here; start without one"
    return BadInput(f"cursor: {detail}", errors=[FieldError("/cursor", "bad_cursor", detail)])


def row_id(text: str, what: str = "This row") -> int:
    """The number behind a public id; NotFound for anything that can't be one, so that no id answers 500."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= MAX_ID):
        raise NotFound(f"{what} does not exist.")
    return int(text)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """`?limit=&cursor=` of a list."""

    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows of one page.")] = DEFAULT_LIMIT
    cursor: Annotated[str | None, Query(description="`next` of the page before.", max_length=1000)] = None

    def key(self) -> Any:
        """What the cursor holds, or None on the first page."""
        return None if not self.cursor else decode_cursor(self.cursor)

    def key_id(self) -> int | None:
        """The row id that the cursor holds, for lists that page by id; None on the first page."""
        value = self.key()
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= MAX_ID:
            raise _bad_cursor()
        return value

    def next_after(self, rows: Sequence[Any], last_key: Any) -> str | None:
        """`next` of the answer, for rows fetched with `limit + 1`: None where no row is left.

        `last_key` is the key of the last row that is shown, that is of `rows[limit - 1]`.
        """
        return encode_cursor(last_key) if len(rows) > self.limit else None


Page = Annotated[PageQuery, Depends()]
