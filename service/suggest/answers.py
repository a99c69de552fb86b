"""What the suggestion routes answer; these shapes are what the OpenAPI document shows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

EXAMPLE: dict[str, Any] = {
    "id": "purchase.ease_of_use",
    "status": "suggested",
    "stage": "purchase",
    "model_stage": "Conversion",
    "topic": "ease_of_use",
    "theme": "Too many steps",
    "themes": [
        {
            "id": "12",
            "name": "Too many steps",
            "respondents": 23,
            "complaining": 21,
            "fits": True,
            "best": {
                "playbook_entry": "purchase-complicated-checkout",
                "pain": "The checkout takes too many steps",
                "adaptation": "Cut the checkout to one page and offer the two most wanted ways to pay first.",
                "effort": "medium",
                "similarity": 0.612,
            },
        }
    ],
    "touchpoint": "checkout",
    "pain": "The checkout takes too many steps",
    "customer_feedback": "The checkout takes too many steps: “Three pages just to pay for a pair of socks.”",
    "adaptation": "Cut the checkout to one page and offer the two most wanted ways to pay first.",
    "why": "42 of 310 items in this stage say so (14%, between 10% and 18%); the size is known well. "
    "Severity 0.6 of 1. Up by 6 points in the latest 28 days.",
    "size": {
        "count": 42,
        "n": 310,
        "share": 0.1355,
        "low": 0.1018,
        "high": 0.178,
        "respondents": 41,
        "mentions": 47,
        "value": None,
    },
    "trend": {
        "change": 0.0621,
        "low": 0.0184,
        "high": 0.1109,
        "significant": True,
        "days": 28,
        "before_days": 84,
        "withheld": None,
        "mix": {"change": -0.004, "covered": 0.98},
        "noise": 1.4,
    },
    "rate": {
        "per": "orders",
        "value": 4.2,
        "low": 2.9,
        "high": 5.9,
        "count": 42,
        "of": 10000.0,
        "from": "2026-08-03",
        "to": "2026-11-02",
        "noise": 1.2,
    },
    "severity": 0.611,
    "priority": 5.782,
    "effort": "medium",
    "confidence": "high",
    "evidence": [
        {
            "feedback_id": "1042",
            "verbatim": "Three pages just to pay for a pair of socks.",
            "occurred_at": "2026-11-02T10:15:00Z",
            "start": 0,
            "end": 44,
        }
    ],
    "metric": "Share of started checkouts that end in an order",
    "test": "Offer the short checkout to a tenth of visitors for two weeks and compare.",
    "customers_per_month": 10.27,
    "playbook_entry": "purchase-complicated-checkout",
    "idea": "Large-scale usability research on checkouts: fewer fields, guest orders",
    "fits": True,
    "alternatives": [
        {
            "playbook_entry": "purchase-forced-account",
            "pain": "An account, password or code is demanded in the middle of ordering",
            "adaptation": "Let guests order and offer the account after the order.",
            "effort": "medium",
            "similarity": 0.142,
        }
    ],
    "ask": [],
    "owner": None,
    "usual_owner": "Checkout product owner",
    "snoozed_until": None,
    "due": None,
    "ticket": None,
    "reopened": None,
    "same_change_as": None,
    "kind": "pain",
    "possible": ["accept", "edit", "reject", "snooze"],
    "created_at": "2026-08-03T00:00:00Z",
    "updated_at": "2026-11-02T00:00:00Z",
}
DECISION_EXAMPLE: dict[str, Any] = {
    "id": "7",
    "at": "2026-11-03T09:00:00Z",
    "actor": "person:maria",
    "decision": "accept",
    "old": {
        "status": "suggested",
        "adaptation": "Cut the checkout to one page.",
        "owner": None,
        "until": None,
        "due": None,
        "ticket": None,
    },
    "new": {
        "status": "accepted",
        "adaptation": "Cut the checkout to one page.",
        "owner": "Maria",
        "until": None,
        "due": "2026-12-01",
        "ticket": None,
    },
    "reason": "Worst point of the autumn survey",
    "effective_at": None,
    "numbers": {"size": EXAMPLE["size"], "trend": EXAMPLE["trend"], "priority": 5.782},
}
RANK_EXAMPLE: dict[str, Any] = {
    "formula": "priority = fit × (affected + bonus) × score × money ÷ effort",
    "says": "At least 10.3 customers a month × severity 0.61 + 0.6 for the rise ÷ 1.19 for medium effort = 5.8.",
    "low": 0.1018,
    "n": 310,
    "people": 0.9762,
    "months": 3.0,
    "days": None,
    "customers": 10.269,
    "severity": 0.611,
    "affected": 6.274,
    "rise": 0.0098,
    "recent": 402,
    "bonus": 0.602,
    "score_drop": None,
    "score_effect": None,
    "score": 1.0,
    "money_ratio": None,
    "money": 1.0,
    "effort": 1.1892,
    "fit": 1.0,
    "priority": 5.782,
    "weights": {
        "severity": 1.0,
        "trend": 0.25,
        "score": 1.0,
        "money": 0.5,
        "effort": 0.25,
        "find_out_why": 0.5,
    },
}


def _shows(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class Size(BaseModel):
    """How many: items with the pain of the items in the stage, the share with its 95 % interval."""

    count: int = Field(description="Items in the stage's column that say something negative about the topic.")
    n: int = Field(description="Items in the stage's column.")
    share: float
    low: float
    high: float
    respondents: int = Field(description="People behind `count`; an item without a respondent counts as one.")
    mentions: int = Field(description="Negative mentions, those in items of other columns included.")
    value: float | None = Field(description="Money behind the items, where senders gave it.")


class Rate(BaseModel):
    """Contacts per 1,000 of a series of the stage from `/v1/metrics` (orders, visits …), with 95 % interval."""

    model_config = ConfigDict(alias_generator=lambda name: name.rstrip("_"))

    per: str
    value: float
    low: float
    high: float
    count: int = Field(description="Items with the pain on these days whose sender gave the time.")
    of: float = Field(description="Sum of the series.")
    from_: str
    to: str
    noise: float = Field(description="Variance over that of a Poisson count.")


class Mix(BaseModel):
    """What the mix of sources and channels did by itself; the plain change is the sum of both."""

    change: float
    covered: float = Field(description="Share of items from sources and channels that both windows have.")


class Change(BaseModel):
    """The share of the latest `days` of full weeks minus that of the `before_days` before, with its 95 % interval.

    At a fixed mix of sources and channels.
    """

    change: float | None
    low: float | None
    high: float | None
    significant: bool = Field(
        description="Beyond what this and all other pains do by themselves, and seen in most of the period; "
        "at most 5 % false alarms for all pains together per look (not per year: see docs/statistics.md)."
    )
    days: int = Field(description="28, or 56 where 28 days hold few items.")
    before_days: int = Field(description="Three times as many; fewer where feedback does not reach back so far.")
    withheld: str | None = Field(description="Why no change is told: labels of different models are not compared.")
    mix: Mix | None = Field(description="Null where everything comes from one source and channel.")
    noise: float | None = Field(description="Variance over that of independent items, as the past shows it.")


class Evidence(BaseModel):
    """Customers' own words."""

    feedback_id: str
    verbatim: str
    occurred_at: datetime
    start: int = Field(description="Characters into the item's text.")
    end: int


class Alternative(BaseModel):
    """Another entry of the playbook that comes near."""

    playbook_entry: str
    pain: str
    adaptation: str
    effort: str
    similarity: float = Field(description="Of customers' words to its patterns, 0 to 1; not a probability.")


class ThemeFit(BaseModel):
    """A theme of the pain with what fits it."""

    id: str
    name: str
    respondents: int = Field(description="Of all time.")
    complaining: int = Field(description="Of these, in a negative tone; the order of the list.")
    fits: bool = Field(description="False: no entry fits, or the worker has not looked yet.")
    best: Alternative | None = Field(description="The entry that its texts mean; `similarity` by meaning.")


class Reopened(BaseModel):
    """A rejection that no longer holds: the numbers then, now, and of what came since."""

    rejected_at: datetime
    reason: str | None
    then: dict[str, Any]
    now: dict[str, Any]
    since: dict[str, Any]
    says: str


class SuggestionOut(BaseModel):
    """A row of the table: what customers say at a stage, and what to change."""

    model_config = _shows(EXAMPLE)

    id: str
    status: str
    stage: str = Field(description="Codebook stage.")
    model_stage: str | None = Field(description="Its column in the chosen journey model.")
    topic: str
    theme: str | None = Field(description="Name of the largest theme of this pain; see `/v1/themes`.")
    themes: list[ThemeFit] = Field(description="The largest themes, each with what fits it.")
    touchpoint: str | None
    pain: str = Field(description="The pain in the playbook's words.")
    customer_feedback: str = Field(description="The pain with the most telling verbatim.")
    adaptation: str
    why: str
    size: Size
    trend: Change
    rate: Rate | None = Field(description="Null where the stage has no series that contacts can be counted per.")
    severity: float = Field(description="0.2 (told without feeling) to 1 (anger).")
    priority: float = Field(description="Customers a month at the very least, weighed; the list's order.")
    customers_per_month: float = Field(description="With this pain, at the very least.")
    effort: str
    confidence: str = Field(description="How sure the size is: low, medium or high.")
    evidence: list[Evidence] = Field(description="Empty for callers who may not read verbatims.")
    metric: str = Field(description="What should move when the adaptation works.")
    test: str = Field(description="A small first step.")
    playbook_entry: str
    idea: str = Field(description="Where the adaptation comes from in the field.")
    fits: bool = Field(description="False: no entry fits these words, so it says how to find out why.")
    alternatives: list[Alternative]
    ask: list[str] = Field(description="What to ask customers where nothing fits.")
    owner: str | None
    usual_owner: str = Field(description="The role that usually owns such a change.")
    snoozed_until: datetime | None
    due: date | None = Field(description="Day by which it is to be done.")
    ticket: str | None = Field(description="Address of a ticket in another system.")
    reopened: Reopened | None = Field(description="It was rejected; the evidence has grown since.")
    same_change_as: str | None = Field(
        description="Id of another suggestion of the stage, agreed on or open and better ranked, that proposes "
        "the very same change for another topic: once is enough for both."
    )
    kind: str = Field(description="pain (what to change) or delight (what to keep and spread).")
    possible: list[str] = Field(description="Decisions that are possible now.")
    created_at: datetime | None = Field(description="Since when customers report it.")
    updated_at: datetime | None = Field(description="Newest evidence or decision.")


class SuggestionList(BaseModel):
    """A page of the table, best first."""

    model_config = _shows({"data": [EXAMPLE], "next": None, "total": 1, "as_of": "2026-11-03T09:00:00Z"})

    data: list[SuggestionOut]
    next: str | None
    total: int = Field(description="How many fit the filters, on all pages.")
    as_of: datetime


class DecisionOut(BaseModel):
    """One decision: who, when, what was before and after, why, and the numbers as they stood."""

    model_config = _shows(DECISION_EXAMPLE)

    id: str
    at: datetime
    actor: str
    decision: str
    old: dict[str, Any]
    new: dict[str, Any]
    reason: str | None
    effective_at: datetime | None
    numbers: dict[str, Any]


class SuggestionDetail(SuggestionOut):
    """A suggestion with the arithmetic of its rank and its decisions, the oldest first."""

    model_config = _shows(EXAMPLE | {"rank": RANK_EXAMPLE, "decisions": [DECISION_EXAMPLE]})

    rank: dict[str, Any]
    decisions: list[DecisionOut]


class WeightsAnswer(BaseModel):
    """How a workspace weighs the parts of the rank."""

    model_config = _shows(
        {
            "weights": RANK_EXAMPLE["weights"] | {"effort": 0.5},
            "usual": RANK_EXAMPLE["weights"],
            "most": {"severity": 2, "trend": 1, "score": 3, "money": 1, "effort": 1, "find_out_why": 1},
            "actor": "person:maria",
            "updated_at": "2026-11-03T09:00:00Z",
        }
    )

    weights: dict[str, float]
    usual: dict[str, float]
    most: dict[str, float]
    actor: str | None = Field(description="Who set them; null for the usual ones.")
    updated_at: datetime | None


class BulkAnswer(BaseModel):
    """What became of a decision on all that fit a filter; with `dry_run` what would become."""

    model_config = _shows(
        {
            "batch": "b-5f0c9a2e71d34b68",
            "decision": "reject",
            "decided": ["usage.price", "support.speed"],
            "left": [{"id": "churn.price", "why": "«reject» is not possible while it is live"}],
        }
    )

    batch: str | None = Field(
        description="To take all of it back; null for a dry run and where nothing was decided."
    )
    decision: str
    decided: list[str] = Field(description="Ids of the suggestions, the best first.")
    left: list[dict[str, str]] = Field(description="Ids that fit the filter but not the decision, and why.")


class UndoAnswer(BaseModel):
    """What was taken back."""

    model_config = _shows({"taken_back": ["usage.price"], "left": ["support.speed"]})

    taken_back: list[str]
    left: list[str] = Field(description="Somebody has decided on these since; they stay as they are.")
