"""The most telling words of a theme: readable, typical of it, each of another person and saying something else."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlmodel import Session, col

from service.moments import rfc3339
from service.store.schema import FeedbackItem, Segment
from service.store.verbatim import Said, said, said_columns

SHOWN: Final = 3
MAX_CHARS: Final = 400
GOOD_CHARS: Final = (30, 200)
SAME: Final = 0.6
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Told:
    """A segment of a theme, cut out of its item's text."""

    row: Any
    said: Said
    words: frozenset[str]

    def public(self) -> dict[str, Any]:
        """As answered: without what is personal."""
        return {
            "feedback_id": str(self.row.item_id),
            "text": self.said.shown(),
            "occurred_at": rfc3339(self.row.occurred_at),
            "channel": self.row.channel,
            "sentiment": self.row.sentiment,
            "emotion": self.row.emotion,
            "start": self.row.start,
            "end": self.row.end,
        }


def verbatims_of(
    session: Session, workspace_id: int, wanted: Mapping[int, Sequence[int]], *, most: int = SHOWN
) -> dict[int, list[Told]]:
    """At most so many verbatims by theme from some of its items, most telling first; one query for all."""
    items = sorted({item for some in wanted.values() for item in some})
    if not items:
        return {}
    rows = session.execute(
        select(
            col(Segment.theme),
            col(Segment.item_id),
            col(Segment.sentiment),
            col(Segment.emotion),
            col(Segment.start),
            col(Segment.end),
            *said_columns(MAX_CHARS),
            func.coalesce(col(FeedbackItem.respondent), "").label("respondent"),
            col(FeedbackItem.occurred_at),
            col(FeedbackItem.channel),
        )
        .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
        .where(
            col(Segment.workspace_id) == workspace_id,
            col(Segment.item_id).in_(items),
            col(Segment.theme).in_(sorted(wanted)),
        )
        .order_by(col(Segment.item_id).desc(), col(Segment.position))
    ).all()
    found: dict[int, list[Told]] = defaultdict(list)
    for row in rows:
        words = said(row, MAX_CHARS)
        if words.raw:
            found[row.theme].append(Told(row, words, frozenset(_WORD.findall(words.raw.lower()))))
    return {theme: _best(some, most) for theme, some in found.items()}


def _best(some: Sequence[Told], most: int) -> list[Told]:
    typical = Counter(word for one in some for word in one.words)

    def telling(one: Told) -> float:
        low, high = GOOD_CHARS
        chars = len(one.said.raw)
        readable = chars / low if chars < low else high / chars if chars > high else 1.0
        shared = sorted((typical[word] for word in one.words), reverse=True)[:5]
        return readable + sum(shared) / (5 * len(some))

    chosen: list[Told] = []
    people: set[str] = set()
    for one in sorted(some, key=lambda one: (-telling(one), -one.row.item_id)):
        person = one.row.respondent or f"item {one.row.item_id}"
        alike = any(
            len(one.words & other.words) >= SAME * max(1, len(one.words | other.words)) for other in chosen
        )
        if person in people or alike:
            continue
        chosen.append(one)
        people.add(person)
        if len(chosen) == most:
            break
    return chosen
