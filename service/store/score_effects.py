"""How much more or less customers score who mention a topic: asked for here by those who weigh by it.

It is counted where labels become numbers (`aggregate`), and suggestions are ranked by it (`suggest`). Stages do
not know each other, so the programs, which know all of them, say at their beginning who counts: `counted_by`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlmodel import Session

from service.selection import Selection


@dataclass(frozen=True, slots=True)
class ScoreEffect:
    """Of customers who mention a topic beside others, in standard deviations; association, not cause."""

    label: str
    n: int  # responses with a score that mention it
    value: float
    low: float  # of the 95 % interval
    high: float

    @property
    def loss(self) -> float:
        """By how much they score less at the very least; 0 where nothing is certain."""
        return max(0.0, -self.high)

    @property
    def gain(self) -> float:
        """By how much they score more at the very least; 0 where nothing is certain."""
        return max(0.0, self.low)


class Counts(Protocol):
    """What answers: the effects of a selection by topic, empty where too few gave a score."""

    def __call__(
        self, session: Session, *, workspace_id: int, timezone: str, selection: Selection
    ) -> Mapping[str, ScoreEffect]: ...


_counts: list[Counts] = []


def counted_by(counts: Counts) -> None:
    """Say who counts them in this process; the last word holds."""
    _counts[:] = [counts]


def effects_of(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection
) -> Mapping[str, ScoreEffect]:
    """The effects by topic; none in a program that nobody told who counts them."""
    if not _counts:
        return {}
    return _counts[0](session, workspace_id=workspace_id, timezone=timezone, selection=selection)
