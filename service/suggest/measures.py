"""Metrics from elsewhere as measures of a change: which way is better, and what is worth having.

Which way is better is known from usual names (a conversion should rise, a response time fall) or said by whoever
agrees on the change; where it is neither, the answer asks, and nothing is called better or worse. What is worth
having is frozen when the change is agreed on, like the rest of the plan (impact_plan.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Better = Literal["higher", "lower"]

SMALLEST_EFFECT: Final = 0.1  # of the metric's level: worth having where nobody has said what is
MOST: Final = 20  # named with one decision
_WORD: Final = re.compile(r"[a-z]+")
# what a name says; a name with words of both kinds says nothing
HIGHER: Final = frozenset(
    (
        *("conversion", "conversions", "converted", "retention", "retained", "renewal", "renewals", "activation"),
        *("activated", "adoption", "completion", "completed", "satisfaction", "csat", "nps", "rating", "ratings"),
        *("stars", "revenue", "sales", "basket", "uptime", "availability", "loyalty", "repurchase", "repurchases"),
        *("resolved", "accuracy", "engagement", "upsell", "referrals"),
    )
)
LOWER: Final = frozenset(
    (
        *("churn", "bounce", "bounces", "abandonment", "abandoned", "cancellation", "cancellations", "refund"),
        *("refunds", "returns", "complaint", "complaints", "error", "errors", "failure", "failures"),
        *("failed", "defect", "defects", "dispute", "disputes", "chargebacks", "delay", "delays", "latency"),
        *("downtime", "backlog", "escalation", "escalations", "unsubscribes", "wait", "waiting", "reopened"),
    )
)
# a time is better short where it is one of these: a time on site is not
TIMES: Final = frozenset(
    ("response", "resolution", "delivery", "handling", "processing", "reply", "answer", "loading", "lead")
)
UNITS: Final = frozenset(("time", "times", "seconds", "minutes", "hours", "days", "duration"))


class OutcomeBody(BaseModel):
    """A metric that the change is meant to move, by the name it has in `POST /v1/metrics`.

    `better` says which way, where the name does not. `smallest_effect` is the smallest change worth having, as a
    part of the metric's level (0.05: a twentieth); it is frozen when the change is agreed on.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    better: Better | None = None
    smallest_effect: Annotated[float, Field(gt=0, lt=1)] | None = None


def better_of(name: str) -> Better | None:
    """Which way a metric of this name is better; None where the name does not say."""
    words = frozenset(_WORD.findall(name.casefold()))
    time = bool(words & UNITS and words & TIMES) and "on" not in words  # on-time delivery
    higher, lower = bool(words & HIGHER), time or bool(words & LOWER)
    if higher and words & UNITS:  # a conversion time, a delivery time satisfaction
        return None
    return None if higher == lower else "higher" if higher else "lower"


def agreed(named: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By name what was frozen with an agreement, as `SuggestionDecision.numbers` holds it."""
    return {one["name"]: {**one, "frozen": True} for one in named}


def told_since(known: Mapping[str, Mapping[str, Any]], named: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same with what a later decision said of a direction; what is worth having stays as agreed."""
    found = {name: dict(one) for name, one in known.items()}
    for one in named:
        own = found.setdefault(one["name"], {"name": one["name"], "frozen": False})
        own["better"] = one.get("better") or own.get("better")
    return found
