"""What customers ask, by column of the map: question-shaped mentions, grouped by the words that they share.

A mention is a question when it ends with a question mark, or is short and begins as questions do. Questions that
share at least half of their telling words are one (Jaccard's index), told by the one that shares most with the
others. Groups that one person alone asks are not shown. Simple on purpose: it finds what is asked in the same
words, not what means the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, Final

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from nlp.codebook import JourneyModel
from service.selection import Selection
from service.store.journey_models import journey_model
from service.store.rollup_codes import codebook
from service.store.rollup_frame import load
from service.store.schema import FeedbackItem, Segment
from service.store.verbatim import Said, said, said_columns

READ: Final = 4_000  # newest items that are read
AT_ONCE: Final = 1_000
MAX_CHARS: Final = 300
SAME: Final = 0.5
SHOWN: Final = 5  # of a column
PEOPLE: Final = 2
SHORT_WORDS: Final = 20  # a question without its mark is short
BEGINS: Final = (
    *("how", "what", "when", "where", "why", "who", "which", "can", "could", "do", "does", "did"),
    *("is", "are", "will", "would", "should", "may", "has", "have"),
)
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
# words that tell nothing of what is asked
EMPTY: Final = frozenset(
    (
        *BEGINS,
        *("the", "an", "and", "or", "of", "to", "in", "on", "at", "for", "from", "with", "by", "as", "but", "if"),
        *("me", "my", "we", "our", "you", "your", "they", "he", "she", "it", "its", "this", "that", "these"),
        *("those", "there", "here", "not", "no", "be", "been", "was", "were", "am", "get", "got", "just", "still"),
        *("any", "so", "im", "ive", "now"),
    )
)


def top_questions(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection, model_id: str
) -> dict[str, Any]:
    """{"model", "items_read", "stages": [{"stage", "asked", "people", "questions": […]}]}, JSON-ready.

    A question has `verbatim`, `feedback_id`, `people` and `mentions`; `asked` counts question-shaped mentions.
    """
    model = journey_model(session, workspace_id=workspace_id, model_id=model_id, codebook=codebook())
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    rows = np.flatnonzero(frame.mask(first_day=first, end_day=end, filters=selection.filters()))
    newest = rows[np.lexsort((frame.rows["item_id"][rows], frame.rows["day"][rows]))[::-1][:READ]]
    asked = _asked(session, workspace_id, frame.rows["item_id"][newest].tolist(), model)
    return {
        "model": model.id,
        "items_read": len(newest),
        "stages": [
            {
                "stage": column.name,
                "asked": len(asked[number]),
                "people": len({one.person for one in asked[number]}),
                "questions": _grouped(asked[number]),
            }
            for number, column in enumerate(model.stages)
        ],
    }


class _Question:
    __slots__ = ("item_id", "person", "said", "words")

    def __init__(self, item_id: int, person: str, told: Said, words: frozenset[str]) -> None:
        self.item_id, self.person, self.said, self.words = item_id, person, told, words


def is_question(text: str) -> bool:
    """Whether a mention is shaped like a question."""
    text = text.strip()
    if text.endswith(("?", "？", "؟")):
        return True
    words = _WORD.findall(text.lower())
    return 3 <= len(words) <= SHORT_WORDS and words[0] in BEGINS and not text.endswith(("!", ":"))


def _asked(
    session: Session, workspace_id: int, ids: list[int], model: JourneyModel
) -> defaultdict[int, list[_Question]]:
    found: defaultdict[int, list[_Question]] = defaultdict(list)
    for start in range(0, len(ids), AT_ONCE):
        rows = session.execute(
            select(
                col(Segment.item_id),
                col(Segment.stage),
                col(Segment.touchpoint),
                col(FeedbackItem.respondent),
                *said_columns(MAX_CHARS),
            )
            .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
            .where(
                # the segment's workspace is its item's; asked of both, SQLite walks all items of the workspace
                col(Segment.workspace_id) == workspace_id,
                col(Segment.item_id).in_(ids[start : start + AT_ONCE]),
            )
            .order_by(col(Segment.item_id), col(Segment.position))
        )
        for row in rows:
            column = model.column(row.stage, row.touchpoint)
            told = said(row, MAX_CHARS)
            if column is None or not is_question(told.raw):
                continue
            words = frozenset(_WORD.findall(told.raw.lower())) - EMPTY
            if words:
                person = row.respondent or f"item {row.item_id}"
                found[column].append(_Question(row.item_id, person, told, words))
    return found


def _grouped(asked: list[_Question]) -> list[dict[str, Any]]:
    """The questions that most people ask, largest first; the same whatever order they come in."""
    groups: list[list[_Question]] = []
    by_word: defaultdict[str, set[int]] = defaultdict(set)
    # long ones first: what is short joins the group that it shares most with
    for one in sorted(asked, key=lambda one: (-len(one.words), one.item_id)):
        near = {number for word in one.words for number in by_word[word]}
        best, shared = None, SAME
        for number in sorted(near):
            leader = groups[number][0].words
            part = len(one.words & leader) / len(one.words | leader)
            if part >= shared:
                best, shared = number, part + 1e-9
        if best is not None:
            groups[best].append(one)
            continue
        groups.append([one])
        for word in one.words:
            by_word[word].add(len(groups) - 1)
    told: list[tuple[int, int, _Question]] = []
    for group in groups:
        people = len({one.person for one in group})
        if people < PEOPLE:
            continue
        typical = max(group, key=lambda one: (sum(len(one.words & other.words) for other in group), -one.item_id))
        told.append((people, len(group), typical))
    told.sort(key=lambda one: (-one[0], -one[1], one[2].item_id))
    return [
        {
            "verbatim": typical.said.shown(),
            "feedback_id": str(typical.item_id),
            "people": people,
            "mentions": mentions,
        }
        for people, mentions, typical in told[:SHOWN]
    ]
