"""The pains of a selection, counted on the rollups.

What does not depend on the selection (which items complain about what, sorted by pain) is worked out once for each
state of the rollups and kept; period and filters are then a mask over it. The pains of the last selections are
kept as well: the map, the table and one suggestion ask for the same ones. A frame never changes, so nothing kept
can be out of date.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from sqlmodel import Session

from service.selection import Selection
from service.store import rollup_codes, rollup_frame
from service.store.rollup_frame import Frame
from service.suggest.counted import Chosen, Counted, complaints
from service.suggest.pains import Pain, find_pains

Kind = Literal["pain", "delight"]
# sentiment of the mentions, and on which side of 0 its emotions lie
SAID: dict[Kind, tuple[str, float]] = {"pain": ("negative", -1.0), "delight": ("positive", 1.0)}
FRAMES_KEPT = 8
SELECTIONS_KEPT = 8  # of a frame


@dataclass(frozen=True, slots=True)
class Selected:
    """The pains of a selection by stage and topic, and how many items stand in each stage's column.

    `days` is the time that the selected items span, `value` their mean value in money, None where none is known.
    """

    pains: dict[tuple[str, str], Pain]
    items: dict[str, int]
    days: int = 1
    dated: bool = True  # whether any item has a time of its own
    value: float | None = None


def pains_of(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection, kind: Kind = "pain"
) -> Selected:
    """The pains or delights of a workspace's items in a selection; BadInput for a period that can't be counted."""
    first, end = selection.days(timezone)
    filters = selection.filters()
    frame = rollup_frame.load(session, workspace_id)
    kept = _kept_of(frame)
    key = (kind, first, end, tuple((kind, tuple(values)) for kind, values in sorted(filters.items())))
    with kept.lock:
        found = kept.selections.get(key)
        if found is None:
            everything = _everything(kept, frame, kind)
            mask = frame.mask(first_day=first, end_day=end, filters=filters)
            found = _found(everything.at(mask), whole=first is not None)
            kept.selections[key] = found
            while len(kept.selections) > SELECTIONS_KEPT:
                kept.selections.popitem(last=False)
        kept.selections.move_to_end(key)
    return found


def counted_of(frame: Frame) -> Counted:
    """All items of a workspace with what they complain about, whatever the selection."""
    kept = _kept_of(frame)
    with kept.lock:
        return _everything(kept, frame, "pain")


def _everything(kept: _Kept, frame: Frame, kind: Kind) -> Counted:
    if kind not in kept.counted:
        kept.counted[kind] = _counted(frame, kind)
    return kept.counted[kind]


@dataclass(slots=True)
class _Kept:
    frame: weakref.ref[Frame]
    lock: threading.Lock = field(default_factory=threading.Lock)
    counted: dict[Kind, Counted] = field(default_factory=dict)
    selections: OrderedDict[Hashable, Selected] = field(default_factory=OrderedDict)


_frames: OrderedDict[int, _Kept] = OrderedDict()
_lock = threading.Lock()


def _kept_of(frame: Frame) -> _Kept:
    with _lock:
        for key in [key for key, one in _frames.items() if one.frame() is None]:
            del _frames[key]
        kept = _frames.setdefault(id(frame), _Kept(weakref.ref(frame)))
        _frames.move_to_end(id(frame))
        while len(_frames) > FRAMES_KEPT:
            _frames.popitem(last=False)
        return kept


def _found(chosen: Chosen, *, whole: bool) -> Selected:
    book = rollup_codes.codebook()
    stages = book.labels("stage")
    items = np.bincount(chosen.stage, minlength=len(stages))
    days, known = chosen.dated_days, np.empty(0, dtype=np.int64)
    if chosen.of.valued is not None:
        known = chosen.rows[chosen.of.valued.take(chosen.rows)]
    return Selected(
        find_pains(chosen, book, whole=whole),
        dict(zip(stages, items.tolist(), strict=True)),
        days=int(days.max() - days.min()) + 1 if len(days) else 1,
        dated=len(days) > 0,
        value=float(chosen.of.item_value.take(known).mean()) if len(known) else None,
    )


def _counted(frame: Frame, kind: Kind) -> Counted:
    """The columns of all items of a frame, whatever the selection."""
    codes = rollup_codes.codes()
    touchpoints, topics, sentiments = (codes.size(name) for name in ("touchpoint", "topic", "sentiment"))
    place = frame.rows["place"].astype(np.int64)
    stage = np.where(place < codes.pairs, place // touchpoints, -1)
    stage[stage >= len(codes.labels["stage"])] = -1  # a label that has left the codebook

    sentiment, sign = SAID[kind]
    said = codes.labels["sentiment"].index(sentiment)
    chosen = np.flatnonzero(frame.segment_cell // topics % sentiments == said)
    cell = frame.segment_cell[chosen].astype(np.int64)
    mention_place, mood, topic = cell // topics // codes.moods, cell // topics % codes.moods, cell % topics
    mention_stage, emotion = mention_place // touchpoints, mood // sentiments
    touchpoint = mention_place % touchpoints
    touchpoint[touchpoint == touchpoints - 1] = -1
    known = (mention_place < codes.pairs) & (mention_stage < len(codes.labels["stage"]))
    known &= (topic < len(codes.labels["topic"])) & (emotion < len(codes.labels["emotion"]))
    found = complaints(
        rollup_codes.codebook(),
        item_stage=stage,
        mention_item=frame.segment_row[chosen][known].astype(np.int64),
        mention_stage=mention_stage[known],
        mention_topic=topic[known],
        mention_emotion=emotion[known],
        mention_touchpoint=touchpoint[known],
        sign=sign,
    )
    return Counted(
        item_id=frame.rows["item_id"],
        item_stage=stage,
        item_day=frame.rows["day"],
        item_dated=frame.rows["dated"],
        item_respondent=frame.rows["cluster"],
        item_alone=frame.alone[frame.rows["cluster"]],
        item_value=frame.rows["value"],
        item_source=frame.rows["source"],
        item_channel=frame.rows["channel"],
        item_model=frame.rows["model"],
        complaints=found,
    )
