"""The reading side of the search by meaning: which parts of texts are alike what is sought.

Each process keeps a copy of a workspace's blocks in a file of its own without a name (it goes with the process),
read through the page cache: memory stays the same, however much feedback there is. Before each search blocks that
came, changed or went are brought up to date by their stamps; so what was erased is in no answer, and in no copy
after the next search. The likeness of a part is the cosine of its row and what is sought, by one matrix product
a block. The grouping of themes takes the rows of the parts that it reads from the same copy (`stored_rows`).
"""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlmodel import Session, col

from service.store.meaning_blocks import BLOCK_ROWS, PLACE_COLUMNS
from service.store.schema import MeaningBlock

KEPT: Final = 8
"""Workspaces of which a process keeps a copy."""
AT_ONCE: Final = 32
"""Blocks read in one statement, some 20 MB."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Items with their likest part, the likest first; of two equally like ones the newer."""

    item: NDArray[np.int64]
    text_version: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    likeness: NDArray[np.float64]
    """Cosine, to four digits."""
    read: int
    """Items that have vectors by now, whether alike or not, of those asked for."""


@dataclass(slots=True)
class _Copy:
    """One workspace's blocks in a file: slots of BLOCK_ROWS rows."""

    width: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    slots: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """Block id to slot, stamp and rows."""
    items: dict[int, int] = field(default_factory=dict)
    """Block id to the items in it."""
    free: list[int] = field(default_factory=list)
    room: int = 0
    content: Any = None
    places: Any = None
    scale: Any = None
    """One by the length of each row."""
    finder: tuple[NDArray[np.uint64], NDArray[np.int64]] | None = None
    """Keys of all parts in order, and where each lies (slot times BLOCK_ROWS plus row); None: to be made."""

    def bring_up(self, session: Session, workspace_id: int, vectors: str) -> None:
        """Read what is new or changed, forget what is gone."""
        mine = (col(MeaningBlock.workspace_id) == workspace_id, col(MeaningBlock.vectors) == vectors)
        rows = session.execute(
            select(col(MeaningBlock.id), col(MeaningBlock.stamp)).where(*mine).order_by(col(MeaningBlock.id))
        ).all()
        stamps: dict[int, int] = {row[0]: row[1] for row in rows}
        old = [one for one, (_, stamp, _) in self.slots.items() if stamps.get(one) != stamp]
        if old or len(stamps) > len(self.slots):
            self.finder = None
        for block_id in old:
            slot, _, count = self.slots.pop(block_id)
            self.content[slot, :count] = 0  # what was erased stays in no copy
            self.free.append(slot)
        missing = sorted(stamps.keys() - self.slots.keys())
        self._grow(len(stamps))
        for start in range(0, len(missing), AT_ONCE):
            found = session.execute(
                select(MeaningBlock.__table__).where(  # type: ignore[attr-defined]
                    *mine, col(MeaningBlock.id).in_(missing[start : start + AT_ONCE])
                )
            ).all()
            for row in found:
                self._read(row)

    def _read(self, row: Any) -> None:
        content = np.frombuffer(row.content, np.int8).reshape(row.parts, -1)
        slot = self.free.pop()
        self.content[slot, : row.parts] = content
        self.places[slot, : row.parts] = np.frombuffer(row.places, np.int64).reshape(row.parts, PLACE_COLUMNS)
        length = np.sqrt(np.square(content.astype(np.float32)).sum(axis=1))
        self.scale[slot, : row.parts] = 1 / np.maximum(length, 1)
        self.slots[row.id] = (slot, row.stamp, row.parts)
        self.items[row.id] = len(np.unique(self.places[slot, : row.parts, 0]))

    def find(self, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Slot and row of these parts (places, a row a part), and which of them are here at all."""
        if self.finder is None:
            keys = [np.empty(0, np.uint64)]
            lies = [np.empty(0, np.int64)]
            for held, _, count in self.slots.values():
                keys.append(_keys(self.places[held, :count]))
                lies.append(held * BLOCK_ROWS + np.arange(count))
            key, lie = np.concatenate(keys), np.concatenate(lies)
            order = np.argsort(key, kind="stable")
            self.finder = key[order], lie[order]
        key, lie = self.finder
        if not len(key):
            none = np.zeros(len(wanted), np.int64)
            return none, none, np.zeros(len(wanted), bool)
        at = lie[np.minimum(np.searchsorted(key, _keys(wanted)), len(key) - 1)]
        slot, row = np.divmod(at, BLOCK_ROWS)
        # two parts may have one key: the second is then taken for a part that is not here
        return slot, row, np.all(self.places[slot, row] == wanted, axis=1)

    def _grow(self, blocks: int) -> None:
        if blocks <= self.room:
            return
        room = max(8, 2 * blocks)
        grown = [
            _mapped((room, BLOCK_ROWS, *shape), kind)
            for kind, shape in ((np.int8, (self.width,)), (np.int64, (PLACE_COLUMNS,)), (np.float32, ()))
        ]
        for slot, _, count in self.slots.values():
            for new, old in zip(grown, (self.content, self.places, self.scale), strict=True):
                new[slot, :count] = old[slot, :count]
        self.content, self.places, self.scale = grown
        self.free += range(self.room, room)
        self.room = room


def _keys(places: NDArray[np.int64]) -> NDArray[np.uint64]:
    """One number a part, by which it is found."""
    key = np.zeros(len(places), np.uint64)
    for column in range(PLACE_COLUMNS):
        # Fibonacci hashing: each column's bits are spread before the next is added
        key = (key ^ (key >> np.uint64(29)) ^ places[:, column].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    return key


def _mapped(shape: tuple[int, ...], kind: Any) -> Any:
    """Zeros in a file that nobody else can open; what was not written yet takes no room on the disk."""
    with tempfile.TemporaryFile(prefix="journeymap-meaning-") as file:
        file.truncate(int(np.prod(shape)) * np.dtype(kind).itemsize)
        return np.memmap(file, dtype=kind, mode="r+", shape=shape)


_copies: OrderedDict[tuple[str, int, str], _Copy] = OrderedDict()
_lock = threading.Lock()


def alike(
    session: Session,
    workspace_id: int,
    *,
    vectors: str,
    sought: NDArray[np.int8],
    among: NDArray[np.int64] | None,
    least: float,
) -> Alike:
    """The items with a part that is at least so like what is sought (a row of `Likeness.short`).

    `vectors`: which model made it. `among`: ids of items in ascending order, None for all.
    """
    copy = _copy_of(session, workspace_id, vectors, len(sought))
    length = float(np.sqrt(np.square(sought.astype(np.float64)).sum()))
    wanted = (sought / max(length, 1.0)).astype(np.float32)
    found: list[NDArray[Any]] = []
    values: list[NDArray[np.float64]] = []
    read = 0
    space = np.empty((BLOCK_ROWS, len(sought)), np.float32)
    with copy.lock:
        copy.bring_up(session, workspace_id, vectors)
        for block_id, (slot, _, count) in copy.slots.items():
            places = copy.places[slot, :count]
            if among is None:
                chosen = np.arange(count)
                read += copy.items[block_id]
            else:
                chosen = np.flatnonzero(_inside(places[:, 0], among))
                read += len(np.unique(places[chosen, 0]))
            rows = space[: len(chosen)]
            np.copyto(rows, copy.content[slot, :count] if among is None else copy.content[slot, chosen])
            # not `rows @ wanted`: for so small a product the library's threads cost more than they bring
            product = np.einsum("ij,j->i", rows, wanted)
            likeness = np.round(product * copy.scale[slot, chosen], 4)
            near = likeness >= least
            found.append(np.array(places[chosen[near]]))
            values.append(likeness[near].astype(np.float64))
    place = np.concatenate(found) if found else np.empty((0, PLACE_COLUMNS), np.int64)
    value = np.concatenate(values) if values else np.empty(0)
    order = np.lexsort((place[:, 0], value))[::-1]
    place, value = place[order], value[order]
    _, first = np.unique(place[:, 0], return_index=True)  # of each item its likest part
    first = np.sort(first)
    place, value = place[first], value[first]
    return Alike(place[:, 0], place[:, 1], place[:, 2], place[:, 3], value, read)


def stored_rows(
    session: Session, workspace_id: int, *, vectors: str, width: int, places: NDArray[np.int64]
) -> NDArray[np.int8]:
    """The vectors of parts (item, text version, start, end; a row a part); zeros for those without one by now.

    `vectors`: which model made them. `width`: numbers of its rows.
    """
    found = np.zeros((len(places), width), np.int8)
    copy = _copy_of(session, workspace_id, vectors, width)
    with copy.lock:
        copy.bring_up(session, workspace_id, vectors)
        slot, row, here = copy.find(places)
        if here.any():
            found[here] = copy.content[slot[here], row[here]]
    return found


def _inside(items: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.bool_]:
    if not len(among):
        return np.zeros(len(items), dtype=bool)
    at = np.minimum(np.searchsorted(among, items), len(among) - 1)
    return np.asarray(among[at] == items)


def _copy_of(session: Session, workspace_id: int, vectors: str, width: int) -> _Copy:
    address = session.get_bind().engine.url.render_as_string(hide_password=True)
    key = (address, workspace_id, vectors)
    with _lock:
        found = _copies.get(key)
        if found is None:
            found = _copies[key] = _Copy(width)
        _copies.move_to_end(key)
        while len(_copies) > KEPT:
            _copies.popitem(last=False)
        return found
