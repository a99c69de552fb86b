"""The labels that are shown: the model's, under what people said; and their one writer.

They stand on item and segment so that lists and rollups need no join, and can be rebuilt at any time from
classification and correction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select
from sqlmodel import Session, col

from nlp.analysis import FIELDS as SEGMENT_FIELDS
from service.store.bulk import beside_ids, insert_all, one_of
from service.store.bulk_update import update_by_id
from service.store.meaning_blocks import ask_vectors
from service.store.schema import Correction, FeedbackItem, Segment
from service.store.theme_upkeep import ask_themes

ITEMS = FeedbackItem.__table__  # type: ignore[attr-defined]
SEGMENTS = Segment.__table__  # type: ignore[attr-defined]

ITEM_FIELDS: Final = ("stage", "stage2", "emotion", "emotion2", "sentiment", "topic", "touchpoint")
"""The labels of an item, in the order in which they are always listed."""

# an item's four labels are those of its dominant segment; its sentiment is judged on the whole text
SHARED_FIELDS: Final = ("stage", "emotion", "topic", "touchpoint")


@dataclass(slots=True)
class ShownSegment:
    """One part of a text, with offsets in characters and a label for each of the five fields."""

    start: int
    end: int
    labels: dict[str, str]
    corrected: bool = False


@dataclass(slots=True)
class Shown:
    """What is shown of an item: seven labels (None where nothing is said), and its segments."""

    labels: dict[str, str | None]
    unsure_reason: str | None
    segments: list[ShownSegment] = field(default_factory=list)
    # what a person said: (position of the segment, or None for the item; field)
    said: set[tuple[int | None, str]] = field(default_factory=set)

    @property
    def corrected(self) -> bool:
        """Whether a person's word stands on at least one label; a confirmation is one too."""
        return bool(self.said)


@dataclass(frozen=True, slots=True)
class ItemLabels:
    """All that tagging writes on one item."""

    item_id: int
    shown: Shown
    model: str
    language: str | None
    classified_at: datetime


def shown_labels(analysis: Mapping[str, Any], corrections: Sequence[Correction]) -> Shown:
    """The model's analysis (JSON of the contract) under the corrections that hold for this text.

    `corrections` are those of the item's present text version that are not undone; the newest wins, field by
    field. A word on the item is a word on its dominant segment and the other way round. A person who names a
    stage ends the model's doubt.
    """
    labels = {name: analysis[name]["label"] if analysis[name] else None for name in ITEM_FIELDS}
    segments = [
        ShownSegment(one["start"], one["end"], {name: one[name]["label"] for name in SEGMENT_FIELDS})
        for one in analysis["segments"]
    ]
    shown = Shown(labels, analysis["unsure_reason"], segments)
    dominant = _dominant(labels, segments)
    spans = [(one.start, one.end) for one in segments]
    for correction in sorted(corrections, key=lambda c: c.id or 0):
        said: dict[str, str | None] = correction.labels
        if correction.span_start is None or correction.span_end is None:
            position = dominant
            _say(shown, None, said)
            if position is not None:
                _say(shown, position, _shared(said, segments))
        else:
            position = overlapped_of(spans, correction.span_start, correction.span_end)
            if position is None:
                continue  # the text is cut differently now; the correction waits until it fits again
            _say(shown, position, said)
            if position == dominant:
                _say(shown, None, _shared(said, segments))
    return shown


def _say(shown: Shown, position: int | None, said: Mapping[str, str | None]) -> None:
    """Put a person's labels on the item (position None) or on a segment."""
    if position is None:
        shown.labels.update(said)
        if said.get("stage"):
            shown.unsure_reason = None
    else:
        segment = shown.segments[position]
        segment.labels.update({name: label for name, label in said.items() if label is not None})
        segment.corrected = segment.corrected or bool(said)
    shown.said |= {(position, name) for name in said}


def _shared(said: Mapping[str, str | None], segments: Sequence[ShownSegment]) -> dict[str, str | None]:
    """What a word on the item says of its dominant segment, and the other way round."""
    found = {name: said[name] for name in SHARED_FIELDS if said.get(name)}
    # a single segment is the whole text; a segment alone is never mixed
    if len(segments) == 1 and said.get("sentiment") not in (None, "mixed"):
        found["sentiment"] = said["sentiment"]
    return found


def _dominant(labels: Mapping[str, str | None], segments: Sequence[ShownSegment]) -> int | None:
    """The segment whose labels the item carries: of those in its stage the one that agrees most, first wins."""
    if len(segments) == 1:
        return 0
    same_stage = [at for at, one in enumerate(segments) if one.labels["stage"] == labels["stage"]]
    return max(
        same_stage,
        key=lambda at: sum(segments[at].labels[name] == labels[name] for name in SHARED_FIELDS),
        default=None,
    )


def overlapped_of(spans: Sequence[tuple[int, int]], start: int, end: int) -> int | None:
    """The position of the (start, end) that holds more than half of the span, if there is one."""
    for position, (own_start, own_end) in enumerate(spans):
        if 2 * (min(own_end, end) - max(own_start, start)) > end - start:
            return position
    return None


def standing_corrections(session: Session, versions: dict[int, int]) -> dict[int, list[Correction]]:
    """Of each item (id to text version) the corrections of that version that are not undone, oldest first.

    A correction of an older text has lapsed: it spoke of other words.
    """
    rows = session.execute(
        select(Correction)
        .where(one_of(session, col(Correction.item_id), list(versions)), col(Correction.undone_at).is_(None))
        .order_by(col(Correction.id))
    ).scalars()
    found: dict[int, list[Correction]] = defaultdict(list)
    for row in rows:
        if row.text_version == versions[row.item_id]:
            found[row.item_id].append(row)
    return found


def delete_segments(session: Session, workspace_id: int, item_ids: Sequence[int]) -> None:
    """Take the segments of these items away."""
    session.execute(
        delete(Segment)
        .where(
            one_of(session, col(Segment.item_id), item_ids),
            beside_ids(col(Segment.workspace_id), workspace_id),
        )
        .execution_options(synchronize_session=False)
    )


def write_labels(session: Session, workspace_id: int, rows: Sequence[ItemLabels]) -> None:
    """Replace the shown labels and segments of these items; the caller moves the rollups."""
    if not rows:
        return
    ids = [row.item_id for row in rows]
    delete_segments(session, workspace_id, ids)
    segments = [
        {
            "workspace_id": workspace_id,
            "item_id": row.item_id,
            "position": position,
            "start": one.start,
            "end": one.end,
            "corrected": one.corrected,
            "theme": None,
            "echo": None,
            **one.labels,
        }
        for row in rows
        for position, one in enumerate(row.shown.segments)
    ]
    if segments:
        insert_all(session, SEGMENTS, segments)
    ask_themes(session, workspace_id)
    ask_vectors(session, workspace_id)
    update_by_id(
        session,
        ITEMS,
        [
            {
                "id": row.item_id,
                "state": "tagged",
                "model": row.model,
                "language": row.language,
                "classified_at": row.classified_at,
                "unsure_reason": row.shown.unsure_reason,
                "corrected": row.shown.corrected,
                **row.shown.labels,
            }
            for row in rows
        ],
    )
