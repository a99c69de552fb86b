"""The customers' own words for a pain: a few telling, different verbatims of different people."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from nlp.codebook import Codebook
from service.store.schema import Classification, FeedbackItem, Segment
from service.store.verbatim import Said, said, said_columns
from service.suggest.pains import Pain

VERBATIMS = 4  # shown for one pain
CANDIDATES = 24  # newest items looked at for one pain: recent words, and a bound on the work
FINALISTS = 16  # of these, asked for the model's confidence
MAX_CHARS = 600  # of one verbatim; longer ones are cut
SAME = 0.6  # shared part of the words (Jaccard) from which two texts are the same thing said twice
GOOD_CHARS = (40, 200)  # long enough to say something, short enough to be read
AGAINST = 0.6
"""How much less telling a verbatim is whose emotion speaks against its sentiment, as joy does against negative: on
the gold dev and elsewhere sets the sentiment of 18 of 33 such texts was right, of 502 of 558 where both agree."""
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(slots=True)
class Verbatim:
    """A negative segment about a pain, cut out of its item's text."""

    item_id: int
    respondent: str
    at: datetime
    raw: str  # as said, to compare and choose
    said: Said
    start: int  # characters into the item's text
    end: int
    emotion: str
    corrected: bool
    words: frozenset[str]
    score: float = 0.0

    @property
    def text(self) -> str:
        """What of it may be shown."""
        return self.said.shown()

    def public(self) -> dict[str, Any]:
        """As in the contract."""
        return {
            "feedback_id": str(self.item_id),
            "verbatim": self.text,
            "occurred_at": self.at,
            "start": self.start,
            "end": self.end,
        }


Key = tuple[str, str]


def evidence_of(
    session: Session,
    *,
    workspace_id: int,
    pains: Sequence[Pain],
    codebook: Codebook,
    limit: int = VERBATIMS,
    sentiment: str = "negative",
) -> dict[Key, list[Verbatim]]:
    """The best verbatims of each pain, best first, by stage and topic; two queries for any number of pains."""
    wanted = {(pain.stage, pain.topic): pain.newest(CANDIDATES) for pain in pains}
    found = _candidates(session, workspace_id, wanted, sentiment)
    background = Counter(word for group in found.values() for one in group for word in one.words)
    everything = sum(len(group) for group in found.values())
    finalists: dict[Key, list[Verbatim]] = {}
    for key, group in found.items():
        typical = Counter(word for one in group for word in one.words)
        for one in group:
            feeling = codebook.valence(one.emotion) * (-1 if sentiment == "negative" else 1)
            one.score = _told(one, typical, len(group), background, everything, feeling)
        finalists[key] = _distinct(group, FINALISTS)
    confidence = _confidences(session, workspace_id, finalists)
    chosen = {}
    for key, group in finalists.items():
        for one in group:
            one.score *= 1.0 if one.corrected else confidence.get((one.item_id, one.start, one.end), 0.5)
        chosen[key] = sorted(group, key=lambda one: -one.score)[:limit]
    return chosen


def _candidates(
    session: Session, workspace_id: int, wanted: Mapping[Key, Sequence[int]], sentiment: str
) -> dict[Key, list[Verbatim]]:
    ids = sorted({item_id for group in wanted.values() for item_id in group})
    if not ids:
        return {}
    rows = session.execute(
        select(
            col(Segment.item_id),
            col(Segment.stage),
            col(Segment.topic),
            col(Segment.emotion),
            col(Segment.start),
            col(Segment.end),
            col(Segment.corrected),
            *said_columns(MAX_CHARS),
            func.coalesce(col(FeedbackItem.respondent), "").label("respondent"),
            col(FeedbackItem.at).label("at"),
        )
        .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
        .where(
            # the segment's workspace is its item's; asked of both, SQLite walks all items of the workspace
            col(Segment.workspace_id) == workspace_id,
            col(Segment.item_id).in_(ids),
            col(Segment.sentiment) == sentiment,
        )
        .order_by(col(FeedbackItem.at).desc(), col(Segment.item_id), col(Segment.position))
    ).all()
    members = {key: set(group) for key, group in wanted.items()}
    found: dict[Key, list[Verbatim]] = defaultdict(list)
    for row in rows:
        key = (row.stage, row.topic)
        words = said(row, MAX_CHARS)
        if not words.raw or row.item_id not in members.get(key, ()):
            continue
        found[key].append(
            Verbatim(
                item_id=row.item_id,
                respondent=row.respondent or f"item {row.item_id}",
                at=row.at,
                raw=words.raw,
                said=words,
                start=row.start,
                end=row.end,
                emotion=row.emotion,
                corrected=row.corrected,
                words=frozenset(_WORD.findall(words.raw.lower())),
            )
        )
    return found


def _told(
    one: Verbatim, typical: Counter[str], size: int, background: Counter[str], everything: int, feeling: float
) -> float:
    """How telling a verbatim is, in [0, 1]: readable length, words that set this pain apart, and feeling.

    `feeling` is the valence of its emotion in the direction of the sentiment that is asked for, in [-1, 1].
    """
    low, high = GOOD_CHARS
    chars = len(one.raw)
    length = chars / low if chars < low else high / chars if chars > high else 1.0
    # words that others use for this pain and not for everything else
    lifts = sorted((typical[word] / size - background[word] / everything for word in one.words), reverse=True)
    apart = sum(lifts[:5]) / 5
    score = 0.5 * length + 0.3 * min(1.0, max(0.0, 2 * apart)) + 0.2 * max(0.0, feeling)
    return score * AGAINST if feeling < 0 and not one.corrected else score


def _distinct(group: Sequence[Verbatim], limit: int) -> list[Verbatim]:
    """The best ones, each of another respondent and saying something else; fewer where there are no more."""
    chosen: list[Verbatim] = []
    for one in sorted(group, key=lambda one: -one.score):
        if any(one.respondent == other.respondent or _same(one, other) for other in chosen):
            continue
        chosen.append(one)
        if len(chosen) == limit:
            break
    return chosen


def _same(one: Verbatim, other: Verbatim) -> bool:
    if one.raw.casefold() == other.raw.casefold():
        return True
    both = len(one.words & other.words)
    return both > 0 and both / len(one.words | other.words) >= SAME


def _confidences(
    session: Session, workspace_id: int, finalists: Mapping[Key, Sequence[Verbatim]]
) -> dict[tuple[int, int, int], float]:
    """The model's confidence in a segment's stage, topic and sentiment, by item and span."""
    ids = sorted({one.item_id for group in finalists.values() for one in group})
    if not ids:
        return {}
    rows = session.execute(
        select(col(Classification.item_id), col(Classification.analysis))
        .join(FeedbackItem, col(FeedbackItem.id) == col(Classification.item_id))
        .where(
            col(FeedbackItem.workspace_id) == workspace_id,
            col(Classification.workspace_id) == workspace_id,
            col(Classification.item_id).in_(ids),
            col(Classification.text_version) == col(FeedbackItem.text_version),
            col(Classification.model) == col(FeedbackItem.model),
        )
    ).all()
    return {
        (item_id, segment["start"], segment["end"]): float(
            segment["stage"]["confidence"] * segment["topic"]["confidence"] * segment["sentiment"]["confidence"]
        )
        for item_id, analysis in rows
        for segment in analysis.get("segments", ())
    }
