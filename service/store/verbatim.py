"""A segment's words as examples show them: cut to a length, and without what is personal.

The item itself shows the customer's own text to those who may read it; a verbatim on the map or under a suggestion
is an example: it is copied into slides and mails, and needs nobody's phone number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func
from sqlmodel import col

from nlp.redact import PART_CONTEXT_CHARS, redact_part
from service.store.schema import FeedbackItem, Segment


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a segment with some around them, to understand what a number or a name is."""

    around: str
    start: int
    """Where the segment begins in `around`."""
    chars: int
    """Length of the segment in the item's text."""
    most: int
    """Characters shown."""

    @property
    def raw(self) -> str:
        """The customer's own words, cut: to compare and choose, not to show."""
        return _cut(self.around[self.start : self.start + self.chars], self.most)

    def shown(self) -> str:
        """What may be shown."""
        end = self.start + min(self.chars, self.most + 1)
        part = redact_part(self.around, self.start, end).strip()
        # a placeholder may be shorter than what it hides: cut all the same, for there is more
        return _cut(part + "…" if self.chars > self.most and len(part) <= self.most else part, self.most)


def said_columns(most: int) -> tuple[ColumnElement[Any], ...]:
    """Columns of a query over segments and items that `said` reads; the text is cut in the database.

    An item may be a hundred thousand characters long.
    """
    before = _before()
    length = col(Segment.end) - col(Segment.start)
    shown = case((length > most, most + 1), else_=length)
    return (
        func.substr(
            col(FeedbackItem.text), col(Segment.start) - before + 1, before + shown + PART_CONTEXT_CHARS
        ).label("around"),
        before.label("before"),
        length.label("chars"),
    )


def said(row: Any, most: int) -> Said:
    """The words of a row that has the columns of `said_columns`."""
    return Said(row.around or "", int(row.before), int(row.chars), most)


def _before() -> ColumnElement[Any]:
    start = col(Segment.start)
    return case((start > PART_CONTEXT_CHARS, PART_CONTEXT_CHARS), else_=start)


def _cut(text: str, most: int) -> str:
    text = text.strip()
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
