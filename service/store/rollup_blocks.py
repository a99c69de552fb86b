"""Blocks of counted records in columns, and their bytes.

A block is self-contained: words (labels, channels, attribute pairs …) stand once in its own lists, columns hold
their index, -1 for none. Bytes: zlib of a header (length as 4 bytes, then JSON: row counts, lists, column types)
and the columns one behind the other, little-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.store.rollup_records import LABEL_FIELDS, REASONS, ItemRecord

FORMAT = 1
Array = NDArray[Any]

# columns with one value a record
NUMBERS: dict[str, str] = {
    "item_id": "<i8",
    "digest": "<u8",  # of the whole record, see ItemRecord.digest
    "weight": "<i1",  # +1 counted, -1 taken back
    "day": "<i4",
    "flags": "<u1",  # bits: FLAG_…
    "reason": "<u1",  # index into REASONS
    "respondent": "<u8",
    "response": "<u8",
    "chars": "<i4",
    "score_value": "<f8",  # NaN without a score
    "score_min": "<f8",
    "score_max": "<f8",
    "value": "<f8",  # NaN without a weight in money
    "attribute_count": "<u1",
    "segment_count": "<u2",
}
# columns that hold the index of a word; stored in the narrowest type that fits
WORDS = (*LABEL_FIELDS, "channel", "source", "language", "model", "declared_stage", "score_kind")
FLAG_DATED, FLAG_KNOWN, FLAG_CORRECTED = 1, 2, 4
FLAGS = {"dated": FLAG_DATED, "known": FLAG_KNOWN, "corrected": FLAG_CORRECTED}
_REASON_CODES = {reason: code for code, reason in enumerate(REASONS)}
SEGMENT_WORDS = tuple(f"segment_{name}" for name in LABEL_FIELDS)
MAX_SEGMENTS = 65_535


class BlockError(ValueError):
    """A block's bytes can't be read: damaged, or of another format; `doctor --repair` rebuilds them."""


@dataclass(frozen=True, slots=True)
class Block:
    """Records in columns; `attribute` and `segment_…` hold all records' parts, one record behind the other."""

    columns: dict[str, Array]
    words: dict[str, list[str]]  # by column; segment columns share the lists of their label
    leaves: tuple[int, ...] = field(default=())  # appended blocks that this one was merged from

    def __len__(self) -> int:
        return len(self.columns["item_id"])


def words_of(column: str) -> str:
    """The list that a column of words points into."""
    return column.removeprefix("segment_")


def encode_records(added: Sequence[ItemRecord], removed: Sequence[ItemRecord]) -> Block:
    """A block that counts `added` and takes `removed` back."""
    records = [*removed, *added]
    values = zip(*records, strict=True) if records else ((),) * len(ItemRecord._fields)
    of = dict(zip(ItemRecord._fields, values, strict=True))
    lists: dict[str, dict[str, int]] = {name: {} for name in (*WORDS, "attribute")}

    def index(name: str, words: Sequence[str | None]) -> Array:
        known = lists[name]
        distinct = dict.fromkeys(words)
        for word in distinct:
            if word is not None:
                known.setdefault(word, len(known))
        if len(distinct) == 1:  # as most columns of a file's slice
            [word] = distinct
            return np.full(len(words), -1 if word is None else known[word], dtype="<i4")
        return np.array([-1 if word is None else known[word] for word in words], dtype="<i4")

    columns: dict[str, Array] = {
        "digest": np.array([r.digest() for r in records], dtype="<u8"),
        "weight": np.array([-1] * len(removed) + [1] * len(added), dtype="<i1"),
        "flags": sum(
            (np.array(of[name], dtype="<u1") * np.uint8(flag) for name, flag in FLAGS.items()), np.zeros(1, "<u1")
        ),
        "reason": np.array([_REASON_CODES[reason] for reason in of["reason"]], dtype="<u1"),
        "attribute_count": np.array([len(pairs) for pairs in of["attributes"]], dtype="<u1"),
        "segment_count": np.array([min(len(parts), MAX_SEGMENTS) for parts in of["segments"]], dtype="<u2"),
        "attribute": index(
            "attribute", [f"{name}\0{value}" for pairs in of["attributes"] for name, value in pairs]
        ),
    }
    for name in ("item_id", "day", "respondent", "response", "chars"):
        columns[name] = np.array(of[name], dtype=NUMBERS[name])
    for name in ("score_value", "score_min", "score_max", "value"):
        columns[name] = np.array(of[name], dtype=NUMBERS[name])  # None becomes NaN
    for name in WORDS:
        columns[name] = index(name, of[name])
    parts = [part for found in of["segments"] for part in found[:MAX_SEGMENTS]]
    for place, name in enumerate(LABEL_FIELDS):
        columns[f"segment_{name}"] = index(name, [part[place] for part in parts])
    return Block(columns, {name: list(known) for name, known in lists.items()})


def to_bytes(block: Block) -> bytes:
    """The block's payload."""
    body, layout = [], []
    for name, column in block.columns.items():
        narrow = column if name in NUMBERS else _narrowed(column)
        layout.append([name, narrow.dtype.str, len(narrow)])
        body.append(narrow.tobytes())
    header = orjson.dumps(
        {"format": FORMAT, "columns": layout, "words": block.words, "leaves": [str(leaf) for leaf in block.leaves]}
    )
    return zlib.compress(struct.pack("<I", len(header)) + header + b"".join(body), 1)


def from_bytes(payload: bytes) -> Block:
    """The block of a payload; raises BlockError when it can't be read."""
    try:
        raw = zlib.decompress(payload)
        (length,) = struct.unpack_from("<I", raw)
        header = orjson.loads(raw[4 : 4 + length])
        if header["format"] != FORMAT:
            raise BlockError(f"rollup block of format {header['format']}, expected {FORMAT}")
        columns, at = {}, 4 + length
        for name, kind, count in header["columns"]:
            columns[name] = np.frombuffer(raw, dtype=kind, count=count, offset=at)
            at += columns[name].nbytes
    except (zlib.error, struct.error, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BlockError(f"damaged rollup block ({type(error).__name__})") from error
    return Block(columns, header["words"], tuple(int(leaf) for leaf in header["leaves"]))


def _narrowed(column: Array) -> Array:
    top = int(column.max(initial=0))
    return column.astype("<i1" if top < 2**7 else "<i2" if top < 2**15 else "<i4")


def concatenate(blocks: Sequence[Block]) -> Block:
    """One block with the rows of all, in order; equal words share one index."""
    lists: dict[str, dict[str, int]] = {name: {} for name in (*WORDS, "attribute")}
    maps: list[dict[str, Array]] = []
    for block in blocks:
        mapping = {}
        for name, known in lists.items():
            # the last entry stands for index -1
            found = [known.setdefault(word, len(known)) for word in block.words[name]]
            mapping[name] = np.array([*found, -1], dtype="<i4")
        maps.append(mapping)
    columns: dict[str, Array] = {}
    for name in NUMBERS:
        columns[name] = np.concatenate([b.columns[name] for b in blocks]) if blocks else np.empty(0, NUMBERS[name])
    for name in (*WORDS, *SEGMENT_WORDS, "attribute"):
        parts = [m[words_of(name)][b.columns[name]] for b, m in zip(blocks, maps, strict=True)]
        columns[name] = np.concatenate(parts) if parts else np.empty(0, "<i4")
    return Block(columns, {name: list(known) for name, known in lists.items()})


def take(block: Block, rows: Array) -> Block:
    """The block's records at these positions, in their order, with only the words that they use."""
    columns = {name: block.columns[name][rows] for name in (*NUMBERS, *WORDS)}
    segments = flat_positions(block.columns["segment_count"], rows)
    columns |= {name: block.columns[name][segments] for name in SEGMENT_WORDS}
    columns["attribute"] = block.columns["attribute"][flat_positions(block.columns["attribute_count"], rows)]
    return _without_unused_words(columns, block.words)


def _without_unused_words(columns: dict[str, Array], words: dict[str, list[str]]) -> Block:
    """The block with only the words that its records use: nothing of a deleted item stays behind."""
    lists = {}
    for kind, known in words.items():
        sharing = [name for name in columns if name not in NUMBERS and words_of(name) == kind]
        used = np.zeros(len(known) + 1, dtype=bool)  # the last place is index -1
        for name in sharing:
            used[columns[name]] = True
        renumbered = np.r_[np.cumsum(used[:-1]) - 1, -1].astype("<i4")
        for name in sharing:
            columns[name] = renumbered[columns[name]]
        lists[kind] = [word for word, kept in zip(known, used, strict=False) if kept]
    return Block(columns, lists)


def flat_positions(counts: Array, rows: Array) -> Array:
    """Where the parts of the chosen rows stand, when row i has counts[i] parts one behind the other."""
    counts = counts.astype(np.int64)
    starts = np.cumsum(counts) - counts
    chosen = counts[rows]
    ends = np.cumsum(chosen)
    within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - chosen, chosen)
    return np.asarray(np.repeat(starts[rows], chosen) + within)


def surviving(digests: Array, weights: Array) -> Array:
    """Positions of the records that are left when equal ones of opposite weight cancel, in order.

    A record and its taking back cancel wherever they stand; of several equal ones the last are left.
    """
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, np.int64)
    sizes = np.diff(np.r_[starts, len(ordered)])
    net = np.add.reduceat(weights[order].astype(np.int64), starts) if len(starts) else np.empty(0, np.int64)
    keep = np.zeros(len(digests), dtype=bool)
    plain = (sizes == 1) & (net != 0)
    keep[order[starts[plain]]] = True
    for start, size, total in zip(starts[sizes > 1], sizes[sizes > 1], net[sizes > 1], strict=True):
        if total:
            group = order[start : start + size]
            same = group[np.sign(weights[group]) == np.sign(total)]
            keep[same[-abs(int(total)) :]] = True
    return np.flatnonzero(keep)
