"""What the impact route answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

EXAMPLE: dict[str, Any] = {
    "id": "purchase.payment",
    "metric": {
        "name": "share_of_stage",
        "stage": "purchase",
        "topic": "payment",
        "about": "Share of the stage's items that say something negative about the topic.",
    },
    "agreed_at": "2026-06-01T09:00:00Z",
    "started_at": "2026-06-08T00:00:00Z",
    "start_told": True,
    "ended_at": None,
    "plan": {
        "smallest_effect": 0.2,
        "planned_weeks": 8,
        "washout_weeks": 1,
        "ends_on": "2026-08-10",
        "weeks_done": 8,
    },
    "baseline": {
        "from": "2025-10-06",
        "to": "2026-04-06",
        "weeks": 26,
        "excluded_from": "2026-04-06",
        "excluded_to": "2026-06-15",
    },
    "before": {"count": 260, "n": 1900, "share": 0.1368, "low": 0.1214, "high": 0.1539},
    "after": {"count": 41, "n": 620, "share": 0.0661, "low": 0.0477, "high": 0.0909},
    "difference": {"value": -0.0702, "low": -0.0912, "high": -0.0391},
    "ratio": {"value": 0.49, "low": 0.33, "high": 0.71},
    "comparison": {
        "against": "the same weeks in stages that were not changed",
        "cells": 96,
        "ratio": {"value": 0.99, "low": 0.94, "high": 1.04},
        "variance_over_counts": 1.3,
    },
    "mix": {"difference": 0.0011, "sources_and_channels": 3, "covered": 0.97},
    "final": True,
    "verdict": "helped",
    "says": "It helped: 51 % less than before, measured against what was not changed "
    "(between 29 % less and 67 % less).",
    "enough_on": None,
    "withheld": None,
    "overlapping": [],
    "assumptions": [
        {
            "says": "Without the change the share would have moved as in the same weeks in stages that were not "
            "changed. In the two halves of the weeks before it did.",
            "holds": True,
        }
    ],
    "segment": None,
    "rate": {
        "per": "orders",
        "before": {"count": 260, "of": 36400.0, "value": 7.143, "low": 6.31, "high": 8.09},
        "after": {"count": 41, "of": 11900.0, "value": 3.445, "low": 2.45, "high": 4.84},
        "ratio": {"value": 0.48, "low": 0.33, "high": 0.7},
        "cells": 14,
        "final": True,
        "verdict": "helped",
    },
    "outcomes": [
        {
            "name": "conversion",
            "kind": "ratio",
            "before": 0.031,
            "after": 0.034,
            "difference": 0.003,
            "earlier_windows": 40,
            "moved_as_much": 3,
            "effect": None,
            "ratio": {"value": 1.114, "low": 1.021, "high": 1.215},
            "better": "higher",
            "smallest_effect": 0.05,
            "frozen": True,
            "against": "its own course before",
            "weeks_before": 104,
            "weeks_after": 8,
            "final": True,
            "verdict": "helped",
            "enough_on": None,
            "says": "conversion: 0.031 before, 0.034 after. It helped: 11 % higher (between 2.1 % higher and 22 % "
            "higher) than without the change, measured against its own course before, 104 weeks, the season taken "
            "off.",
        }
    ],
    "tried": {
        "segment": {"attr.country": ["DE"]},
        "weeks_done": 5,
        "final": False,
        "verdict": "helped",
        "ratio": {"value": 0.42, "low": 0.2, "high": 0.9},
        "says": "It helped: 58 % less than before, measured against what was not changed (between 10 % less and "
        "80 % less). An early look after 5 weeks; the plan ends on 2026-07-06.",
    },
    "series": [{"from": "2025-10-06", "part": "baseline", "count": 9, "n": 71}],
}


class Metric(BaseModel):
    """What is measured."""

    name: str
    stage: str
    topic: str
    about: str


class FrozenPlan(BaseModel):
    """What was agreed on before the outcome was known."""

    smallest_effect: float = Field(description="Worth having: this part less of the share.")
    planned_weeks: int
    washout_weeks: int
    ends_on: date
    weeks_done: int


class Baseline(BaseModel):
    """The weeks that stand for before; from those that raised the suggestion to the wash-out all are left out."""

    model_config = ConfigDict(populate_by_name=True)

    from_: date = Field(alias="from")
    to: date
    weeks: int
    excluded_from: date
    excluded_to: date


class Side(BaseModel):
    """A window's share with its 95 % interval, widened as far as shares wander here by themselves."""

    count: int
    n: int
    share: float
    low: float
    high: float


class Bounds(BaseModel):
    """An estimate with its interval."""

    value: float
    low: float
    high: float


class Comparison(BaseModel):
    """What happened at the same time where nothing was changed; a ratio of 1 is no change."""

    against: str
    cells: int
    ratio: Bounds
    variance_over_counts: float


class Mix(BaseModel):
    """What the change of sources and channels alone did to the share; the other numbers are without it."""

    difference: float
    sources_and_channels: int
    covered: float


class ImpactWeek(BaseModel):
    """One week, counted from the start."""

    model_config = ConfigDict(populate_by_name=True)

    from_: date = Field(alias="from")
    part: Literal["baseline", "excluded", "washout", "after", "later"]
    count: int
    n: int


class Assumption(BaseModel):
    """What has to be so for the verdict to hold; `holds` is null where it can't be checked."""

    says: str
    holds: bool | None


class PerThousand(BaseModel):
    """Contacts per 1,000 of a series in a window."""

    count: int
    of: float
    value: float
    low: float
    high: float


class ImpactRate(BaseModel):
    """The same measurement of contacts per 1,000 orders (visits …), against the stage's other pains."""

    per: str
    before: PerThousand
    after: PerThousand
    ratio: Bounds
    cells: int
    final: bool
    verdict: Literal["helped", "got_worse", "no_effect_worth_having", "inconclusive", "not_enough_data"]


class Outcome(BaseModel):
    """A metric from elsewhere before and after, measured against its own course before the change, or against the
    same metric in segments that were not changed. Before and after are as they were; `ratio` (or `effect`, in the
    metric's units, where values are not all above zero) is after against what it would have been, without season.
    """

    name: str
    kind: Literal["ratio", "level"]
    before: float | None
    after: float | None
    difference: float | None
    earlier_windows: int = Field(description="Of the same lengths, before the change.")
    moved_as_much: int = Field(description="Of these, how many moved as much or more, season and all.")
    effect: Bounds | None
    ratio: Bounds | None
    better: Literal["higher", "lower"] | None = Field(description="Null: its name does not say, nor did anybody.")
    smallest_effect: float = Field(description="Worth having: this part of the level.")
    frozen: bool = Field(description="Whether it was among the measures when the change was agreed on.")
    against: str
    weeks_before: int = Field(description="With a value, before the suggestion arose.")
    weeks_after: int
    final: bool
    verdict: Literal["helped", "got_worse", "no_effect_worth_having", "inconclusive", "not_enough_data"] | None = (
        Field(description="Null where it moved and nobody has said whether higher or lower is better.")
    )
    enough_on: date | None
    says: str


class Tried(BaseModel):
    """What a try in a segment showed, before the change came everywhere."""

    segment: dict[str, list[str]]
    weeks_done: int
    final: bool
    verdict: Literal["helped", "got_worse", "no_effect_worth_having", "inconclusive", "not_enough_data"]
    ratio: Bounds | None
    says: str


class ImpactAnswer(BaseModel):
    """Did it help? `difference` and `ratio` are after against what before would have become without the change."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str
    metric: Metric
    agreed_at: datetime
    started_at: datetime
    start_told: bool = Field(description="Whether somebody said when it took effect; else the decision's day.")
    ended_at: datetime | None
    plan: FrozenPlan
    baseline: Baseline
    before: Side | None
    after: Side | None
    difference: Bounds | None
    ratio: Bounds | None
    comparison: Comparison | None
    mix: Mix | None
    final: bool
    verdict: Literal["helped", "got_worse", "no_effect_worth_having", "inconclusive", "not_enough_data"]
    says: str
    enough_on: date | None = Field(description="About when there is enough data to say something.")
    withheld: str | None
    overlapping: list[str] = Field(description="Other changes in the same stage, whose effects mix with this one.")
    assumptions: list[Assumption]
    segment: dict[str, list[str]] | None = Field(description="Where it was changed; null: everywhere.")
    rate: ImpactRate | None = Field(description="Null where the stage has no series of counts in both windows.")
    outcomes: list[Outcome]
    tried: Tried | None = Field(description="A try in a segment that came before.")
    series: list[ImpactWeek]
