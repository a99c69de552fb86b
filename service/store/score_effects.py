"""How much more or less customers score who mention a topic: asked for here by those who weigh by it.

It is counted where labels become numbers (`aggregate`), and suggestions are ranked by it (`suggest`). Stages do
not know each other, so the programs, which know all of them, say at their beginning who counts: `counted_by`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

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
    score: str | None = None  # the kind that most gave, in whose unit it is said
    scale: float = 1.0  # of that unit in a standard deviation
    kinds: int = 1  # of scores that were counted together

    def said(self, value: float) -> str:
        """One of these numbers without its sign, in the unit of the scores: «17 points of NPS»."""
        return in_unit(value, self.score, self.scale)

    @property
    def bounds(self) -> str:
        """The interval in the same unit: «−25 to −9»."""
        return f"{_signed(self.low, self.score, self.scale)} to {_signed(self.high, self.score, self.scale)}"

    @property
    def loss(self) -> float:
        """By how much they score less at the very least; 0 where nothing is certain."""
        return max(0.0, -self.high)

    @property
    def gain(self) -> float:
        """By how much they score more at the very least; 0 where nothing is certain."""
        return max(0.0, self.low)


UNITS: Final = {"nps": "of NPS", "csat": "of CSAT", "ces": "of effort (CES)", "stars": "of stars"}

DIGITS: Final = {"nps": 0}  # after the point; of the others, whose scales are short, two


def in_unit(value: float, score: str | None, scale: float) -> str:
    """An effect without its sign, in points of a kind of score; in standard deviations where none is known.

    `value` in standard deviations, `scale` the points that one of them is.
    """
    if score is None:
        return f"{abs(value):.2f} standard deviations"
    size = f"{abs(value) * scale:.{DIGITS.get(score, 2)}f}"
    return f"{size} {'point' if size == '1' else 'points'} {UNITS[score]}"


def _signed(value: float, score: str | None, scale: float) -> str:
    size = f"{value * (scale if score else 1.0):+.{DIGITS.get(score or '', 2)}f}"
    return size.replace("-", "−") if float(size) else size[1:]


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
