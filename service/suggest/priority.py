"""The rank of a suggestion: customers a month, severity, scores and money against effort, on one screen.

    priority = fit × (affected + bonus) × score × money / effort

    affected = customers a month × severity      who has the pain at the very least, weighed by how bad it is
    customers a month = low × n × people / months
    bonus    = trend × max(0, rise) × recent a month × severity      at most `trend` of affected

- All of this of the latest eight weeks (lately.py): what counts is who has the pain now.
- `low` is the lower bound of the 95 % interval of the share of the stage's items that have the pain, `n` the items
  in the stage. Ranking by the lower bound asks how many there are *at the very least*, so that three loud voices
  of five do not pass three hundred of a thousand (E. Miller, "How not to sort by average rating", 2009; the
  interval is Wilson's, see service/intervals.py). `people` is customers over items among those with the pain,
  `months` the time that is counted, at least one.
- `severity` in [0.2, 1]: mean over the pain's items of minus the valence of the worst emotion with which the pain
  is mentioned (valences of data/codebook.toml: anger 1.0, disappointment 0.6). A fault told without feeling weighs
  FLOOR: it is a fault all the same.
- `rise` is the lower bound of the change of the share over the latest weeks where that change is significant,
  else 0; `recent` the stage's items in those weeks. The bonus is added, never multiplied, and bounded: a big
  steady pain stays above a small rising one. Weighing size and severity before trend follows failure mode analysis
  (IEC 60812), which multiplies severity and occurrence.
- `score` = 1 + weight × the score that customers who mention the topic give less than others (of delights: more),
  in standard deviations, by the bound of its 95 % interval that is nearer to none, at most 2; 1 where too few gave
  one or nothing is certain: what is not known takes nothing away. It is that of GET /v1/drivers: beside all
  other topics, within source and month; an association.
- `money` = r ^ weight: r is the mean value of orders behind the pain over that of all feedback with a value, held
  within a quarter and four; 1 where no value is known.
- `effort` = (1 low, 2 medium, 4 high) ^ weight: the playbook's guess about any company, so its weight is small.
- `fit` is 1 where it is known what customers talk about, the weight "find_out_why" where the reason has to be
  found out first: what can be acted on comes first, unless the unexplained pain is far larger.

A workspace may set the weights; 0 takes a part out of the rank.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

from service.store.score_effects import ScoreEffect
from service.suggest.playbook import EFFORTS, Effort

FLOOR = 0.2  # severity of a fault that is told without feeling
MIN_RESPONDENTS = 3  # below this many people a pain is an anecdote: no suggestion
DAYS_OF_MONTH: Final = 30.44
COST: Final[dict[Effort, float]] = {"low": 1.0, "medium": 2.0, "high": 4.0}
MOST_SCORE: Final = 2.0
MONEY_BOUNDS: Final = (0.25, 4.0)

Confidence = Literal["low", "medium", "high"]
# the lower bound as a part of the share itself: how much of the size is certain
CERTAIN_FROM: tuple[tuple[float, Confidence], ...] = ((0.7, "high"), (0.5, "medium"))


@dataclass(frozen=True, slots=True)
class Weights:
    """What a workspace may set; see the formula."""

    severity: float = 1.0  # 0: every pain weighs the same; 1: as felt
    trend: float = 0.25
    score: float = 1.0
    money: float = 0.5
    effort: float = 0.25
    find_out_why: float = 0.5


# the largest that each may be; none may be below 0
MOST: Final[dict[str, float]] = {
    "severity": 2.0,
    "trend": 1.0,
    "score": 3.0,
    "money": 1.0,
    "effort": 1.0,
    "find_out_why": 1.0,
}
assert MOST.keys() == {field.name for field in fields(Weights)}
DEFAULT: Final = Weights()


@dataclass(frozen=True, slots=True)
class Rank:
    """A priority with every number that it was made of. Units: customers a month, weighed."""

    share_low: float
    n: int
    people: float
    months: float
    customers: float  # a month, at the very least
    severity: float
    affected: float
    rise: float
    recent: int
    bonus: float
    score_drop: float | None  # in standard deviations, the bound nearer to none
    score: float
    money_ratio: float | None
    money: float
    effort: float
    fit: float
    priority: float
    weights: Weights
    days: int | None = None  # the latest days that are counted; None: all of the selection
    dated: bool = True  # False: no item has a time, so that a month means all of them
    effect: ScoreEffect | None = None  # of its topic on scores, None where too few gave one


def rank(
    *,
    share_low: float,
    n: int,
    severity: float,
    rise: float = 0.0,
    recent: int = 0,
    recent_months: float = 1.0,
    exact_entry: bool = True,
    people: float = 1.0,
    months: float = 1.0,
    score_drop: float | None = None,
    money_ratio: float | None = None,
    effort: Effort = "low",
    weights: Weights = DEFAULT,
    days: int | None = None,
    effect: ScoreEffect | None = None,
    dated: bool = True,
) -> Rank:
    """The formula above. `rise` is a difference of shares, 0 unless it is significant and upward."""
    customers = share_low * n * people / months
    felt = severity**weights.severity if severity > 0 else 0.0
    affected = customers * felt
    grown = weights.trend * max(0.0, rise) * recent * people / recent_months * felt
    bonus = min(grown, weights.trend * affected)
    score = min(MOST_SCORE, 1 + weights.score * max(0.0, score_drop or 0.0))
    least, most = MONEY_BOUNDS
    money = min(most, max(least, money_ratio)) ** weights.money if money_ratio is not None else 1.0
    cost = COST[effort] ** weights.effort
    fit = 1.0 if exact_entry else weights.find_out_why
    return Rank(
        share_low=share_low,
        n=n,
        people=people,
        months=months,
        customers=customers,
        severity=severity,
        affected=affected,
        rise=rise,
        recent=recent,
        bonus=bonus,
        score_drop=score_drop,
        score=score,
        money_ratio=money_ratio,
        money=money,
        effort=cost,
        fit=fit,
        priority=fit * (affected + bonus) * score * money / cost,
        weights=weights,
        days=days,
        effect=effect,
        dated=dated,
    )


def sort_key(priority: float, effort: Effort, key: str) -> tuple[float, int, str]:
    """Best first: by priority, then less effort, then by name, so that the order is the same at every reading."""
    return (-priority, EFFORTS.index(effort), key)


def confidence(share: float, low: float) -> Confidence:
    """How certain the size is: the part of the share that its lower bound vouches for."""
    part = low / share if share > 0 else 0.0
    return next((name for bound, name in CERTAIN_FROM if part >= bound), "low")


def in_words(certainty: Confidence, respondents: int) -> str:
    """What the certainty means for a decision, small n included."""
    if respondents < 10:
        return f"only {respondents} voices so far: the size is uncertain, take it as a lead"
    return {
        "low": "the size is uncertain",
        "medium": "the size is known roughly",
        "high": "the size is known well",
    }[certainty]
