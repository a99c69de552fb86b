"""The changes that are more than noise, over all labels: what is told to others and stands on the front page."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log
from typing import Any, Final, Literal

from sqlmodel import Session

from service.aggregate.trends import By, weekly_trends
from service.selection import Selection
from service.store import rollup_frame
from service.store.rollup_frame import Frame

CHANGE_FIELDS: Final[tuple[By, ...]] = ("stage", "topic", "emotion")
Measure = Literal["items", "net_sentiment"]
MEASURES: Final[tuple[Measure, ...]] = ("items", "net_sentiment")
FRAMES_KEPT: Final = 8
Z: Final = 1.959964  # half the width of a 95 % interval in standard errors


@dataclass(frozen=True, slots=True)
class Change:
    """One label whose number of items (as a part of it) or net sentiment (in points) changed beyond noise."""

    by: By
    label: str
    measure: Measure
    change: float
    low: float
    high: float
    from_day: str | None
    to_day: str | None
    series: list[dict[str, Any]]  # the label's weeks, as GET /v1/trends has them

    @property
    def way(self) -> str:
        """Up or down, in a word."""
        return "rose" if self.change > 0 else "fell"

    @property
    def strength(self) -> float:
        """How many standard errors the change lies from none; a change in size on the scale of logarithms."""
        value, low, high = self.change, self.low, self.high
        if self.measure == "items":
            if low <= -1:  # nothing is left of it: beyond any scale
                return inf
            value, low, high = log(1 + value), log(1 + low), log(1 + high)
        return abs(value) / max((high - low) / (2 * Z), 1e-9)

    @property
    def says(self) -> str:
        """A sentence for people, with its interval."""
        label = self.label.replace("_", " ")
        if self.measure == "items":
            return (
                f"Feedback on {label} {self.way} by {abs(self.change):.0%} "
                f"({self.low:+.0%} to {self.high:+.0%}), beyond noise."
            )
        return (
            f"Net sentiment on {label} {self.way} by {abs(self.change):.0f} points "
            f"({self.low:+.0f} to {self.high:+.0f}), beyond noise."
        )


def significant(session: Session, *, workspace_id: int, timezone: str) -> Iterator[Change]:
    """Labels whose count or net sentiment changed beyond noise between the last two periods, field by field.

    Each field promises at most 5 % of looks with a false alarm; all fields together were measured to stay below
    that too (benchmarks/statistics_together.py), and sharing one 5 % among them would cost half of what is seen.

    Worked out once for each state of the rollups: the first page and those who are told ask for the same.
    """
    frame = rollup_frame.load(session, workspace_id)
    with _lock:
        kept = _kept.get(id(frame))
    if kept is None or kept[0]() is not frame:
        kept = (weakref.ref(frame), tuple(_found(session, workspace_id, timezone)))
        with _lock:
            _kept[id(frame)] = kept
            while len(_kept) > FRAMES_KEPT:
                _kept.popitem(last=False)
    return iter(kept[1])


_kept: OrderedDict[int, tuple[weakref.ref[Frame], tuple[Change, ...]]] = OrderedDict()
_lock = threading.Lock()


def _found(session: Session, workspace_id: int, timezone: str) -> Iterator[Change]:
    for by in CHANGE_FIELDS:
        for row in weekly_trends(
            session, workspace_id=workspace_id, timezone=timezone, selection=Selection(), by=by
        )["data"]:
            trend = row["trend"] or {}
            for measure in MEASURES:
                found = trend.get(measure)
                if found and found["significant"]:
                    yield Change(
                        by,
                        row["label"],
                        measure,
                        found["change"],
                        found["low"],
                        found["high"],
                        trend.get("from"),
                        trend.get("to"),
                        row["series"],
                    )
