"""What is agreed on before the outcome is known: frozen with the decision, so that nobody chooses it later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from service.selection import EPOCH
from service.suggest.measures import agreed, told_since

BASELINE_WEEKS: Final = 26
TRIGGER_WEEKS: Final = 8  # before the decision: by these suggestions are ranked (lately.py)
WASHOUT_WEEKS: Final = 1  # after the start, while the change reaches people
PLANNED_WEEKS: Final = 8  # measured after that
MIN_BASELINE_WEEKS: Final = 4
SMALLEST_EFFECT: Final = 0.2  # worth having: a fifth fewer of the stage's items
UNDO: Final = "undo"  # the decision that takes the one right before it back
AGREED: Final = ("accepted", "edited", "planned", "testing", "live", "kept")


Segment = Mapping[str, Sequence[str]]  # kind of filter ("channel", "attr.country" …) to its values


@dataclass(frozen=True, slots=True)
class Plan:
    """How a change is measured: weeks of each window; the smallest effect worth having, as a part of the share."""

    baseline_weeks: int = BASELINE_WEEKS
    trigger_weeks: int = TRIGGER_WEEKS
    washout_weeks: int = WASHOUT_WEEKS
    planned_weeks: int = PLANNED_WEEKS
    smallest_effect: float = SMALLEST_EFFECT

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Plan:
        """The plan as it was frozen, or today's."""
        return cls(**{name: stored[name] for name in asdict(cls()) if name in stored}) if stored else cls()


@dataclass(frozen=True, slots=True)
class Course:
    """When a change was agreed on, when it took effect, and when it was taken back."""

    agreed_at: datetime
    starts_at: datetime
    ended_at: datetime | None
    plan: Plan
    started: bool  # somebody said so; else the day of the decision stands for it
    segment: Segment | None = None  # where it was changed; None: everywhere
    tried: Course | None = None  # in a segment, before it was changed everywhere
    outcomes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # metrics it is meant to move, by name


def course_of(history: Sequence[Mapping[str, Any]]) -> Course | None:
    """What the decisions on a suggestion (oldest first) say; None where no change stands agreed or was.

    Agreed again after it was rejected or rolled back, a change begins anew; an agreement taken back was none.
    """
    found: Course | None = None
    stands: list[Mapping[str, Any]] = []
    for one in history:
        if one["decision"] == UNDO:  # of the decision right before it, always
            del stands[-1:]
        else:
            stands.append(one)
    for one in stands:
        status, before = one["new"]["status"], one["old"]["status"]
        named = one["numbers"].get("outcomes") or ()
        if status in ("accepted", "edited") and before not in AGREED:
            start = one["effective_at"] or one["at"]
            plan, segment = Plan.of(one["numbers"].get("plan")), one["numbers"].get("segment")
            known = one["effective_at"] is not None
            found = Course(one["at"], start, None, plan, known, segment, outcomes=agreed(named))
            continue
        if found is not None and named:
            found = replace(found, outcomes=told_since(found.outcomes, named))
        if found is not None and (one["decision"] == "start" or one["numbers"].get("segment")):
            found = _started(found, one["effective_at"] or one["at"], one["numbers"].get("segment"))
        elif found is not None and one["decision"] == "roll_back":
            found = replace(found, ended_at=one["effective_at"] or one["at"])
        elif status == "rejected":
            found = None
    return found


def _started(course: Course, at: datetime, segment: Segment | None) -> Course:
    """From then on changed in the segment, or everywhere: what was tried in a segment before ends with it."""
    tried = course.tried
    if course.segment is not None and segment != course.segment:
        tried = replace(course, ended_at=at, tried=None)
    return replace(course, starts_at=at, ended_at=None, started=True, segment=segment, tried=tried)


def day_of(moment: datetime, timezone: str) -> int:
    """The day since 1970-01-01 of a moment in a zone."""
    return (moment.astimezone(ZoneInfo(timezone)).date() - EPOCH).days
