"""The reading side of the rollups: all counted items of a workspace in columns, kept in memory.

A frame is the net content of a workspace's blocks. It is kept per process and brought up to date with the blocks
appended since; a frame that was handed out never changes. Rows are mostly ordered by respondent.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlmodel import Session, col

from nlp.codebook import Codebook, load_codebook
from service.store.rollup_blocks import (
    FLAG_DATED,
    FLAG_KNOWN,
    Block,
    concatenate,
    from_bytes,
    surviving,
    take,
)
from service.store.rollup_records import LABEL_FIELDS, REASONS
from service.store.rollups import leaf_of, microseconds
from service.store.schema import RollupBlock

Array = NDArray[Any]
CACHE_BYTES = 256 * 2**20  # of all frames of a process; the one in use stays whatever its size
FILTER_WORDS = ("channel", "source", "language", "declared_stage", "score_kind")
BESIDE = (
    *("segment_row", "segment_cell", "attribute_row", "attribute_word"),
    *("pain_row", "pain_topic", "delight_row", "delight_topic", "scored_row"),
)
PAYLOADS_AT_ONCE = 200


@cache
def codebook() -> Codebook:
    """The codebook by which frames number labels."""
    return load_codebook()


@dataclass(frozen=True, slots=True)
class Codes:
    """How labels are numbered in frames: by their place in the codebook, the number after the last for none.

    A *place* is stage and touchpoint of an item that stands in a column, else the reason why not.
    A *mood* is emotion and sentiment. A *cell* is place, mood and topic in one number.
    """

    labels: dict[str, tuple[str, ...]]

    def size(self, name: str) -> int:
        """How many numbers a field has, with the one for none."""
        return len(self.labels[name]) + 1

    @property
    def moods(self) -> int:
        return self.size("emotion") * self.size("sentiment")

    @property
    def pairs(self) -> int:
        """Places below this are stage * size("touchpoint") + touchpoint; from here on reasons."""
        return self.size("stage") * self.size("touchpoint")

    @property
    def places(self) -> int:
        return self.pairs + len(REASONS)

    @property
    def cells(self) -> int:
        return self.places * self.moods * self.size("topic")

    def mood_values(self, of: Mapping[tuple[str | None, str | None], float]) -> Array:
        """A value for each mood, by (emotion, sentiment)."""
        emotions, sentiments = ((*self.labels[name], None) for name in ("emotion", "sentiment"))
        return np.array([of[e, s] for e in emotions for s in sentiments])


@cache
def codes() -> Codes:
    """The numbering by the codebook; a label that it no longer has counts as none."""
    return Codes({name: codebook().labels(name) for name in LABEL_FIELDS})


@dataclass(frozen=True, eq=False)
class Frame:
    """Counted items in columns, one row an item, and their segments.

    `rows`: item_id, digest, day, dated, known, cluster (number of the respondent), response (number), place,
    mood, topic, cell, chars, value, score_value/_min/_max, and FILTER_WORDS as indices into `words` (-1: none).
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


class _Growing:
    """An array with room behind its end: appending copies nothing, and views handed out stay as they are."""

    def __init__(self, first: Array) -> None:
        self.room = first
        self.size = len(first)

    def append(self, more: Array) -> None:
        end = self.size + len(more)
        if end > len(self.room):
            room = np.empty(max(end, len(self.room) * 5 // 4 + 1024), dtype=self.room.dtype)
            room[: self.size] = self.room[: self.size]
            self.room = room
        self.room[self.size : end] = more
        self.size = end

    @property
    def view(self) -> Array:
        return self.room[: self.size]


class _Numbers:
    """Small numbers for 64-bit keys, in order of first sight: neighbours in rows stay neighbours in tables."""

    def __init__(self) -> None:
        self.keys: Array = np.empty(0, np.uint64)
        self.numbers: Array = np.empty(0, np.int32)

    def of(self, keys: Array) -> Array:
        """The numbers of keys; new keys get the next ones."""
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        first = np.r_[True, ordered[1:] != ordered[:-1]] if len(ordered) else np.empty(0, bool)
        distinct = ordered[first]
        at = np.searchsorted(self.keys, distinct)
        inside = np.minimum(at, max(len(self.keys) - 1, 0))
        known = self.keys[inside] == distinct if len(self.keys) else np.zeros(len(distinct), bool)
        new = np.flatnonzero(~known)
        fresh = np.empty(len(new), np.int32)
        seen_first = order[np.flatnonzero(first)[new]]
        fresh[np.argsort(seen_first)] = np.arange(len(self.keys), len(self.keys) + len(new), dtype=np.int32)
        numbers = np.empty(len(distinct), np.int32)
        numbers[known] = self.numbers[at[known]]
        numbers[new] = fresh
        self.keys = np.insert(self.keys, at[new], distinct[new])
        self.numbers = np.insert(self.numbers, at[new], fresh)
        found = np.empty(len(keys), np.int32)
        found[order] = numbers[np.cumsum(first) - 1]
        return found


@dataclass(slots=True)
class _Columns:
    """One block's records as a frame holds them."""

    rows: dict[str, Array]
    segment_count: Array
    segment_cell: Array
    attribute_count: Array
    attribute_word: Array

    def flat(self, first: int) -> dict[str, Array]:
        """Everything as columns of a frame that has `first` rows before these."""
        numbers = np.arange(first, first + len(self.segment_count), dtype=np.int32)
        segment_row = np.repeat(numbers, self.segment_count)
        found = {
            **self.rows,
            "segment_row": segment_row,
            "segment_cell": self.segment_cell,
            "attribute_row": np.repeat(numbers, self.attribute_count),
            "attribute_word": self.attribute_word,
            "scored_row": numbers[self.rows["score_kind"] >= 0],
        }
        stage_size = codes().size("touchpoint") * codes().moods * codes().size("topic")
        own_stage = (
            self.segment_cell // stage_size == np.repeat(self.rows["cell"], self.segment_count) // stage_size
        )
        sentiment = self.segment_cell // codes().size("topic") % codes().size("sentiment")
        for name, label in (("pain", "negative"), ("delight", "positive")):
            chosen = own_stage & (sentiment == codes().labels["sentiment"].index(label))
            pairs = np.unique(
                segment_row[chosen].astype(np.int64) * 256 + self.segment_cell[chosen] % codes().size("topic")
            )
            found[f"{name}_row"] = (pairs >> 8).astype(np.int32)
            found[f"{name}_topic"] = (pairs & 255).astype(np.uint8)
        return found


@dataclass(slots=True)
class _State:
    """A frame and what it was made of."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    frame: Frame | None = None
    keys: tuple[tuple[int, int], ...] = ()  # blocks (id, created_at in µs) of the last look
    leaves: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)  # by block
    known: frozenset[int] = frozenset()  # leaves that the frame contains
    columns: dict[str, _Growing] = field(default_factory=dict)
    words: dict[str, dict[str, int]] = field(default_factory=dict)
    clusters: _Numbers = field(default_factory=_Numbers)
    responses: _Numbers = field(default_factory=_Numbers)


def _label_numbers(name: str, block: Block, column: str) -> Array:
    """A label column by the codebook's numbering."""
    labels = codes().labels[name]
    none = len(labels)
    place = {label: number for number, label in enumerate(labels)}
    table = np.array([*(place.get(word, none) for word in block.words[name]), none], dtype=np.int32)
    return np.asarray(table[block.columns[column]])


def _cells(block: Block, prefix: str) -> tuple[Array, Array, Array]:
    """Stage-and-touchpoint pair, mood and topic of items or (prefix "segment_") segments."""
    number = {name: _label_numbers(name, block, prefix + name) for name in LABEL_FIELDS}
    pair = number["stage"] * codes().size("touchpoint") + number["touchpoint"]
    mood = number["emotion"] * codes().size("sentiment") + number["sentiment"]
    return pair, mood, number["topic"]


def _columns_of(block: Block, state: _State) -> _Columns:
    code = codes()
    reason = block.columns["reason"].astype(np.int32)
    pair, mood, topic = _cells(block, "")
    # of the items without a column, only the reason counts; stage `none` is one of the reasons
    place = np.where(reason > 0, code.pairs + reason, pair)
    rows = {
        "item_id": block.columns["item_id"],
        "digest": block.columns["digest"],
        "day": block.columns["day"],
        "dated": (block.columns["flags"] & FLAG_DATED) > 0,
        "known": (block.columns["flags"] & FLAG_KNOWN) > 0,
        "cluster": state.clusters.of(block.columns["respondent"]),
        "response": state.responses.of(block.columns["response"]),
        "place": place.astype(np.uint16),
        "mood": mood.astype(np.uint16),
        "topic": topic.astype(np.uint8),
        "cell": (place * code.moods + mood) * code.size("topic") + topic,
        **{name: block.columns[name] for name in ("chars", "value", "score_value", "score_min", "score_max")},
    }
    words = {}
    for name in (*FILTER_WORDS, "attribute"):
        known = state.words.setdefault(name, {})
        table = np.array([*(known.setdefault(w, len(known)) for w in block.words[name]), -1], dtype=np.int32)
        words[name] = table[block.columns[name]]
    rows |= {name: words[name] for name in FILTER_WORDS}
    pair, mood, topic = _cells(block, "segment_")
    item_reason = np.repeat(reason, block.columns["segment_count"])
    # a segment of an item whose labels do not hold is counted with the item
    place = np.where(item_reason > 1, code.pairs + item_reason, pair)
    return _Columns(
        rows,
        block.columns["segment_count"].astype(np.int64),
        (place * code.moods + mood) * code.size("topic") + topic,
        block.columns["attribute_count"].astype(np.int64),
        words["attribute"],
    )


def _frame(state: _State, live: Array) -> Frame:
    """The state as an unchangeable view."""
    views = {name: column.view for name, column in state.columns.items()}
    beside = {name: views.pop(name) for name in BESIDE}
    return Frame(
        rows=views,
        live=live,
        **beside,
        words={kind: dict(known) for kind, known in state.words.items()},
        clusters=len(state.clusters.keys),
        responses=len(state.responses.keys),
    )


def _start(state: _State, blocks: Sequence[Block]) -> None:
    """Make the frame anew from all blocks."""
    joined = concatenate(blocks)
    kept = surviving(joined.columns["digest"], joined.columns["weight"])
    kept = kept[joined.columns["weight"][kept] > 0]
    # ordered by respondent, so that sums over respondents walk through memory in order
    joined = take(joined, kept[np.argsort(joined.columns["respondent"][kept], kind="stable")])
    state.words, state.clusters, state.responses = {}, _Numbers(), _Numbers()
    columns = _columns_of(joined, state)
    state.columns = {name: _Growing(np.ascontiguousarray(column)) for name, column in columns.flat(0).items()}
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
    more = _columns_of(added, state).flat(len(frame))
    for name, column in more.items():
        state.columns[name].append(column)
    state.frame = _frame(state, np.r_[live, np.ones(len(added), dtype=bool)])


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
    """The workspace's frame as of the session's view or newer."""
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
    if state.frame is not None and keys and (not fresh or (seen >= state.known and not mixed)):
        if fresh:
            _extend(state, state.frame, [blocks[key] for key in fresh])
            state.known |= seen
    else:
        if not _fetch(session, [key for key in keys if key not in blocks], blocks):
            return False
        _start(state, [blocks[key] for key in keys])
        state.known = seen
    state.leaves, state.keys = leaves, keys
    return True


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
