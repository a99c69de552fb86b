"""How labels are numbered in memory: by their place in the codebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from nlp.codebook import Codebook, load_codebook
from service.store.rollup_records import LABEL_FIELDS, REASONS


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


@cache
def codes() -> Codes:
    """The numbering by the codebook; a label that it no longer has counts as none."""
    return Codes({name: codebook().labels(name) for name in LABEL_FIELDS})
