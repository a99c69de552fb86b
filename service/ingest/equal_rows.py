"""How often each row of a file has been seen, in 16 to 32 bytes a row: two equal rows are two items."""

from __future__ import annotations

from array import array

_START_SLOTS = 1 << 12


class EqualRows:
    """Counts content keys (SHA-256 hex) by their first 64 bits, in a table that doubles when it is half full.

    Two keys that share these bits are counted as one, in every import of the file alike, so that even then the
    file sent again brings nothing new.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _START_SLOTS))
        self._used = 0
        self._repeats: dict[int, int] = {}  # how often beyond the first time

    def count(self, key: str) -> int:
        """How often a key was added."""
        mark = self._mark(key)
        return 1 + self._repeats.get(mark, 0) if self._slots[self._slot(mark)] else 0

    def add(self, key: str) -> None:
        """Count a key once more."""
        mark = self._mark(key)
        slot = self._slot(mark)
        if self._slots[slot]:
            self._repeats[mark] = self._repeats.get(mark, 0) + 1
            return
        self._slots[slot] = mark
        self._used += 1
        if 2 * self._used > len(self._slots):
            old, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
            for kept in old:
                if kept:
                    self._slots[self._slot(kept)] = kept

    @staticmethod
    def _mark(key: str) -> int:
        return int(key[:16], 16) or 1  # 0 is an empty slot

    def _slot(self, mark: int) -> int:
        mask = len(self._slots) - 1
        slot = mark & mask
        while (kept := self._slots[slot]) and kept != mark:
            slot = (slot + 1) & mask
        return slot
