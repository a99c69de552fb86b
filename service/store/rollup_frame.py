"""The reading side of the rollups: all counted items of a workspace in columns, kept in memory.

A frame is the net content of a workspace's blocks. It is kept per process and brought up to date with the blocks
appended since; a frame that was handed out never changes. Rows are mostly ordered by respondent.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlmodel import Session, col

from service.store.engine import SEEN
from service.store.rollup_blocks import Block, concatenate, from_bytes, surviving, take
from service.store.rollup_columns import Growing, Numbering, columns_of
from service.store.rollups import leaf_of, microseconds
from service.store.schema import RollupBlock

Array = NDArray[Any]
Made = TypeVar("Made")
CACHE_BYTES = 256 * 2**20  # of all frames of a process; the one in use stays whatever its size
BESIDE = (
    *("segment_row", "segment_cell", "attribute_row", "attribute_word"),
    *("pain_row", "pain_topic", "delight_row", "delight_topic", "scored_row"),
)
PAYLOADS_AT_ONCE = 200
FILTERS_KEPT = 16  # of a frame
DEAD_SHARE = 0.25  # of rows that were taken back, beyond which the frame is made anew


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was made of a frame that another one continues, and how long its columns were."""

    made: dict[Callable[..., Any], Any]
    lengths: dict[str, int]


@dataclass(frozen=True, eq=False)
class Frame:
    """Counted items in columns, one row an item, and their segments.

    `rows`: item_id, digest, day, dated, known, cluster (number of the respondent), response (number), place,
    mood, topic, cell, model (number of the one that labelled it, -1: no labels), chars, value,
    score_value/_min/_max, and the words of rollup_columns.FILTER_WORDS as indices into `words` (-1: none). Places,
    moods and cells are those of rollup_codes.Codes.
    `segment_row`, `segment_cell`: a segment's item, and its labels. `attribute_row`, `attribute_word`: pairs
    "<name>\\0<value>". `pain_row`, `pain_topic`: items that say something negative about a topic in a segment of
    their own stage, once each; `delight_…` likewise positive.
    `scored_row`: items with a score. `live` is False for rows that were taken back.
    """

    rows: dict[str, Array]
    live: Array
    segment_row: Array
    segment_cell: Array
    attribute_row: Array
    attribute_word: Array
    pain_row: Array
    pain_topic: Array
    delight_row: Array
    delight_topic: Array
    scored_row: Array
    words: dict[str, dict[str, int]]
    clusters: int  # how many respondents have a number
    responses: int
    # of the frame that this one continues: the same rows, before its own
    earlier: Earlier | None = field(default=None, repr=False)
    _made: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False)
    _passed: dict[tuple[str, ...], Array] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.live)

    @property
    def nbytes(self) -> int:
        """Memory of the columns."""
        return sum(part.nbytes for part in (*self.rows.values(), self.live, *(getattr(self, n) for n in BESIDE)))

    @cached_property
    def alone(self) -> Array:
        """By respondent: whether only one row is theirs, so that nothing has to be summed up over them."""
        return np.asarray(np.bincount(self.rows["cluster"][self.live], minlength=self.clusters) <= 1)

    @cached_property
    def repeated(self) -> Array:
        """By row: whether its respondent has another one."""
        return np.asarray(~self.alone[self.rows["cluster"]])

    def once(
        self,
        make: Callable[[Frame], Made],
        extend: Callable[[Frame, Made, Mapping[str, int]], Made | None] | None = None,
    ) -> Made:
        """What a function makes of this frame alone, made at the first question and kept as long as the frame.

        `extend` makes it of what was made of the frame that this one continues, given the lengths of its columns
        ("live" and those beside the rows); None where that is not enough.
        """
        if make not in self._made:  # two threads at once make the same
            made = None
            before = self.earlier.made.pop(make, None) if self.earlier is not None else None
            if extend is not None and self.earlier is not None and before is not None:
                made = extend(self, before, self.earlier.lengths)
            self._made[make] = make(self) if made is None else made
        found: Made = self._made[make]
        return found

    def mask(self, *, first_day: int | None, end_day: int | None, filters: Mapping[str, Sequence[str]]) -> Array:
        """Which rows are live, of the period (first_day ≤ day < end_day) and pass every filter.

        `filters`: kind ("channel", "source", "language", "attr.<name>") to its accepted values.
        """
        mask = self.live.copy()
        if first_day is not None:
            mask &= self.rows["day"] >= first_day
        if end_day is not None:
            mask &= self.rows["day"] < end_day
        for kind, values in filters.items():
            mask &= self._having(kind, values)
        return mask

    def _having(self, kind: str, values: Sequence[str]) -> Array:
        """Which rows pass a filter; the answers to one question ask for the same ones several times."""
        key = (kind, *values)
        passed = self._passed.get(key)
        if passed is None:
            passed = self._look_for(kind, values)
            if len(self._passed) >= FILTERS_KEPT:
                self._passed.clear()
            self._passed[key] = passed
        return passed

    def _look_for(self, kind: str, values: Sequence[str]) -> Array:
        passed = np.zeros(len(self), dtype=bool)
        if kind.startswith("attr."):
            name = kind.removeprefix("attr.")
            for value in values:
                word = self.words["attribute"].get(f"{name}\0{value}")
                if word is not None:
                    passed[self.attribute_row[self.attribute_word == word]] = True
            return passed
        for value in values:
            word = self.words[kind].get(value)
            if word is not None:
                passed |= self.rows[kind] == word
        return passed


# --- building


@dataclass(slots=True)
class _State:
    """A frame and what it was made of."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    frame: Frame | None = None
    keys: tuple[tuple[int, int], ...] = ()  # blocks (id, created_at in µs) of the last look
    leaves: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)  # by block
    known: frozenset[int] = frozenset()  # leaves that the frame contains
    columns: dict[str, Growing] = field(default_factory=dict)
    numbering: Numbering = field(default_factory=Numbering)


def _frame(state: _State, live: Array, earlier: Earlier | None = None) -> Frame:
    """The state as an unchangeable view."""
    views = {name: column.view for name, column in state.columns.items()}
    beside = {name: views.pop(name) for name in BESIDE}
    return Frame(
        rows=views,
        live=live,
        **beside,
        words={kind: dict(known) for kind, known in state.numbering.words.items()},
        clusters=len(state.numbering.clusters.keys),
        responses=len(state.numbering.responses.keys),
        earlier=earlier,
    )


def _start(state: _State, blocks: Sequence[Block]) -> None:
    """Make the frame anew from all blocks."""
    joined = concatenate(blocks)
    kept = surviving(joined.columns["digest"], joined.columns["weight"])
    kept = kept[joined.columns["weight"][kept] > 0]
    # ordered by respondent, so that sums over respondents walk through memory in order
    joined = take(joined, kept[np.argsort(joined.columns["respondent"][kept], kind="stable")])
    state.numbering = Numbering()
    columns = columns_of(joined, state.numbering)
    state.columns = {name: Growing(np.ascontiguousarray(column)) for name, column in columns.flat(0).items()}
    state.frame = _frame(state, np.ones(len(joined), dtype=bool))


def _extend(state: _State, frame: Frame, blocks: Sequence[Block]) -> None:
    """Add appended blocks to the frame."""
    joined = concatenate(blocks)
    kept = surviving(joined.columns["digest"], joined.columns["weight"])
    weights = joined.columns["weight"][kept]
    live = frame.live
    gone = kept[weights < 0]
    if len(gone):
        live = live.copy()
        ids, digests = joined.columns["item_id"][gone], joined.columns["digest"][gone]
        near = np.flatnonzero((frame.rows["item_id"] >= ids.min()) & (frame.rows["item_id"] <= ids.max()) & live)
        live[near[np.isin(frame.rows["digest"][near], digests)]] = False
    added = take(joined, kept[weights > 0])
    more = columns_of(added, state.numbering).flat(len(frame))
    lengths = {"live": len(frame), **{name: len(getattr(frame, name)) for name in BESIDE}}
    for name, column in more.items():
        state.columns[name].append(column)
    earlier = None if len(gone) else Earlier(dict(frame._made), lengths)
    state.frame = _frame(state, np.r_[live, np.ones(len(added), dtype=bool)], earlier)


# --- keeping

_states: OrderedDict[tuple[str, int], _State] = OrderedDict()
_states_lock = threading.Lock()


def _state_of(session: Session, workspace_id: int) -> _State:
    url = session.get_bind().engine.url.render_as_string(hide_password=True)
    with _states_lock:
        state = _states.setdefault((url, workspace_id), _State())
        _states.move_to_end((url, workspace_id))
        kept = 0
        for key in reversed(list(_states)):
            frame = _states[key].frame
            kept += frame.nbytes if frame is not None else 0
            if kept > CACHE_BYTES and _states[key] is not state:
                del _states[key]
        return state


def forget() -> None:
    """Drop all kept frames, as a newly started process has none."""
    with _states_lock:
        _states.clear()


def load(session: Session, workspace_id: int) -> Frame:
    """The workspace's frame as of the session's view or newer; in a reading session always the same one."""
    seen: dict[object, Frame] = session.info.get(SEEN, {})
    frame = seen.get(("frame", workspace_id))
    if frame is None:
        frame = seen["frame", workspace_id] = _load(session, workspace_id)
    return frame


def _load(session: Session, workspace_id: int) -> Frame:
    state = _state_of(session, workspace_id)
    with state.lock:
        for _ in range(5):
            rows = session.execute(
                select(col(RollupBlock.id), col(RollupBlock.created_at))
                .where(col(RollupBlock.workspace_id) == workspace_id)
                .order_by(col(RollupBlock.id))
            ).all()
            keys = tuple((row.id, microseconds(row.created_at)) for row in rows)
            if state.frame is not None and keys == state.keys:
                return state.frame
            # a session that sees each statement's own moment may miss blocks that were merged in between
            if _refresh(session, state, keys):
                assert state.frame is not None
                return state.frame
    raise RuntimeError("rollup blocks kept changing while they were read")


def _refresh(session: Session, state: _State, keys: tuple[tuple[int, int], ...]) -> bool:
    """Bring the state to these blocks; False when one of them is gone meanwhile."""
    blocks: dict[tuple[int, int], Block] = {}
    if not _fetch(session, [key for key in keys if key not in state.leaves], blocks):
        return False
    leaves = {key: state.leaves[key] if key in state.leaves else _leaves(key, blocks[key]) for key in keys}
    seen = frozenset().union(*leaves.values())
    fresh = [key for key in keys if not leaves[key] <= state.known]
    mixed = any(leaves[key] & state.known for key in fresh)
    frame = state.frame
    if frame is not None and keys and (not fresh or (seen >= state.known and not mixed and not _crowded(frame))):
        if fresh:
            state.frame = None  # should this fail half-way, the next reader makes it anew
            _extend(state, frame, [blocks[key] for key in fresh])
            state.known |= seen
    else:
        if not _fetch(session, [key for key in keys if key not in blocks], blocks):
            return False
        _start(state, [blocks[key] for key in keys])
        state.known = seen
    state.leaves, state.keys = leaves, keys
    return True


def _crowded(frame: Frame) -> bool:
    return len(frame) - int(np.count_nonzero(frame.live)) > max(1_000, DEAD_SHARE * len(frame))


def _leaves(key: tuple[int, int], block: Block) -> frozenset[int]:
    return frozenset(block.leaves) or frozenset((leaf_of(*key),))


def _fetch(session: Session, keys: Sequence[tuple[int, int]], blocks: dict[tuple[int, int], Block]) -> bool:
    for start in range(0, len(keys), PAYLOADS_AT_ONCE):
        some = {key[0]: key for key in keys[start : start + PAYLOADS_AT_ONCE]}
        found = session.execute(
            select(col(RollupBlock.id), col(RollupBlock.payload)).where(col(RollupBlock.id).in_(list(some)))
        ).all()
        blocks.update((some[row.id], from_bytes(row.payload)) for row in found)
        if len(found) < len(some):
            return False
    return True
