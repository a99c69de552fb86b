"""The rank of a suggestion: size, severity and certainty, on one screen.

    priority = fit × (affected + bonus)

    affected = low × n × severity        customers' items that have the pain at the very least, weighed by how bad
    bonus    = 0.25 × max(0, rise) × recent × severity      items by which it has grown for certain, a quarter each

- `low` is the lower bound of the 95 % interval of the share of the stage's items that have the pain, `n` the items
  in the stage. Ranking by the lower bound asks how many there are *at the very least*, so that three loud voices
  of five do not pass three hundred of a thousand (E. Miller, "How not to sort by average rating", 2009; the
  interval is Wilson's, see service/intervals.py).
- `severity` in [0.2, 1]: mean over the pain's items of minus the valence of the worst emotion with which the pain
  is mentioned (valences of data/codebook.toml: anger 1.0, disappointment 0.6). A fault told without feeling weighs
  FLOOR: it is a fault all the same.
- `rise` is the lower bound of the change of the share over the latest weeks where that change is significant,
  else 0; `recent` the stage's items in those weeks. The bonus is added, never multiplied, and at most a quarter of
  what the pain weighs by itself: a big steady pain stays above a small rising one. Weighing size and severity
  before trend follows failure mode analysis (IEC 60812), which multiplies severity and occurrence.
- `fit` is 1 where the playbook knows what to change for this topic, FALLBACK_FIT where it can only say "find out
  why": what can be acted on comes first, unless the unexplained pain is far larger.
- Effort breaks ties (less first) and stands beside the rank; it does not move it, because it is the playbook's
  guess about any company, not knowledge about this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.suggest.playbook import EFFORTS, Effort

FLOOR = 0.2  # severity of a fault that is told without feeling
FALLBACK_FIT = 0.5
TREND_WEIGHT = 0.25
MIN_RESPONDENTS = 3  # below this many people a pain is an anecdote: no suggestion

Confidence = Literal["low", "medium", "high"]
# the lower bound as a part of the share itself: how much of the size is certain
CERTAIN_FROM: tuple[tuple[float, Confidence], ...] = ((0.7, "high"), (0.5, "medium"))


@dataclass(frozen=True, slots=True)
class Rank:
    """A priority with every number that it was made of. Units: items of customers, weighed by severity."""

    share_low: float
    n: int
    severity: float
    affected: float
    rise: float
    recent: int
    bonus: float
    fit: float
    priority: float


def rank(
    *, share_low: float, n: int, severity: float, rise: float = 0.0, recent: int = 0, exact_entry: bool = True
) -> Rank:
    """The formula above. `rise` is a difference of shares, 0 unless it is significant and upward."""
    affected = share_low * n * severity
    bonus = min(TREND_WEIGHT * max(0.0, rise) * recent * severity, TREND_WEIGHT * affected)
    fit = 1.0 if exact_entry else FALLBACK_FIT
    return Rank(share_low, n, severity, affected, rise, recent, bonus, fit, fit * (affected + bonus))


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
