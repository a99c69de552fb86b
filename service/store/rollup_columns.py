"""Blocks become columns in memory: labels and respondents as small numbers, arrays that can grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.store.rollup_blocks import FLAG_DATED, FLAG_KNOWN, Block
from service.store.rollup_codes import codes
from service.store.rollup_records import LABEL_FIELDS, REASONS

Array = NDArray[Any]
FILTER_WORDS = ("channel", "source", "language", "declared_stage", "score_kind")


class Growing:
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


class Numbers:
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
class Columns:
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


@dataclass(slots=True)
class Numbering:
    """What was numbered so far."""

    words: dict[str, dict[str, int]] = field(default_factory=dict)  # by column
    clusters: Numbers = field(default_factory=Numbers)
    responses: Numbers = field(default_factory=Numbers)


def _models(block: Block, reason: Array, numbering: Numbering) -> Array:
    """The number of the model that labelled each item, -1 for items without labels."""
    known = numbering.words.setdefault("model", {})
    table = np.array([*(known.setdefault(w, len(known)) for w in block.words["model"]), -1], dtype=np.int16)
    unlabelled = (reason == REASONS.index("no_text")) | (reason == REASONS.index("untagged"))
    return np.where(unlabelled, np.int16(-1), table[block.columns["model"]])


def columns_of(block: Block, numbering: Numbering) -> Columns:
    """A block's records; words, respondents and responses that are new to the numbering get their numbers."""
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
        "cluster": numbering.clusters.of(block.columns["respondent"]),
        "response": numbering.responses.of(block.columns["response"]),
        "place": place.astype(np.uint16),
        "mood": mood.astype(np.uint16),
        "topic": topic.astype(np.uint8),
        "cell": (place * code.moods + mood) * code.size("topic") + topic,
        "model": _models(block, reason, numbering),
        **{name: block.columns[name] for name in ("chars", "value", "score_value", "score_min", "score_max")},
    }
    words = {}
    for name in (*FILTER_WORDS, "attribute"):
        known = numbering.words.setdefault(name, {})
        table = np.array([*(known.setdefault(w, len(known)) for w in block.words[name]), -1], dtype=np.int32)
        words[name] = table[block.columns[name]]
    rows |= {name: words[name] for name in FILTER_WORDS}
    pair, mood, topic = _cells(block, "segment_")
    item_reason = np.repeat(reason, block.columns["segment_count"])
    # a segment of an item whose labels do not hold is counted with the item
    place = np.where(item_reason > 1, code.pairs + item_reason, pair)
    return Columns(
        rows,
        block.columns["segment_count"].astype(np.int64),
        (place * code.moods + mood) * code.size("topic") + topic,
        block.columns["attribute_count"].astype(np.int64),
        words["attribute"],
    )
