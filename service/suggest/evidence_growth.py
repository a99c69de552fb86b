"""Whether the evidence for a rejected suggestion has grown so much that it is worth a second look.

A rejection holds the numbers as they stood. It is reopened when, over all time and without filters,

- at least MIN_PEOPLE more people have the pain than then, and
- the share among the items that came since is higher than then beyond chance (Newcombe's interval of the
  difference at 99.5 %, with n divided by the noise of the pain's own past), or the people have become GROWN times
  as many and the share has not fallen beyond chance.

Rejected again, the numbers of then are the new ones, and it takes as much growth anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session, col, select

from service.intervals import difference_interval, share_interval
from service.moments import rfc3339
from service.store.schema import Suggestion, SuggestionDecision
from service.suggest.pains import Pain

MIN_PEOPLE: Final = 10
GROWN: Final = 2.0
# it is looked at again and again: of unchanged, bursty pains looked at every week for half a year 6 % came back,
# of those that rose by half 86 % (at 99 % without the noise 15 and 96 %; python -m benchmarks.reopening)
LEVEL: Final = 0.995


@dataclass(frozen=True, slots=True)
class Growth:
    """What is new since a rejection."""

    rejected_at: datetime
    reason: str | None
    then: dict[str, Any]  # count, n, share, respondents
    now: dict[str, Any]
    since: dict[str, Any]  # count, n, share of what came since
    says: str

    def public(self) -> dict[str, Any]:
        """As in the answer."""
        return {
            "rejected_at": rfc3339(self.rejected_at),
            "reason": self.reason,
            "then": self.then,
            "now": self.now,
            "since": self.since,
            "says": self.says,
        }


def grown(
    session: Session, *, workspace_id: int, rows: Sequence[Suggestion], pains: Mapping[tuple[str, str], Pain]
) -> dict[tuple[str, str], Growth]:
    """Of the rejected ones among `rows` those to be reopened, by stage and topic; one query, none without any.

    `pains` are those of all time without filters.
    """
    rejected = {row.id: row for row in rows if row.status == "rejected" and (row.stage, row.topic) in pains}
    if not rejected:
        return {}
    decisions = session.exec(
        select(SuggestionDecision)
        .where(
            SuggestionDecision.workspace_id == workspace_id,
            SuggestionDecision.decision == "reject",
            col(SuggestionDecision.suggestion_id).in_(list(rejected)),
        )
        .order_by(col(SuggestionDecision.id))
    ).all()
    found = {}
    for decision in decisions:  # the newest comes last and stands
        row = rejected[decision.suggestion_id]
        key = (row.stage, row.topic)
        growth = growth_of(decision, pains[key])
        if growth is not None:
            found[key] = growth
        else:
            found.pop(key, None)
    return found


def growth_of(decision: SuggestionDecision, pain: Pain) -> Growth | None:
    """What is new since a rejection, None where it is not enough, or its numbers can't be read."""
    size = decision.numbers.get("size")
    if not isinstance(size, dict) or not {"count", "n", "respondents"} <= size.keys():
        return None
    count, n, people = int(size["count"]), int(size["n"]), int(size["respondents"])
    new, new_n = pain.count - count, pain.n - n
    if pain.respondents - people < MIN_PEOPLE or new <= 0 or new_n < new:
        return None
    # people who repeat themselves count once, and what comes in bursts counts less
    worth = min(pain.effective_n / pain.n, 1 / max(1.0, pain.trend.noise or 1.0))
    before = share_interval(count / n if n else 0.0, n * worth, level=LEVEL)
    since = share_interval(new / new_n, new_n * worth, level=LEVEL)
    change = difference_interval(since, before)
    if change.low > 0:
        why = f"the share rose from {before.value:.0%} to {since.value:.0%} of what came since"
    elif pain.respondents >= GROWN * max(1, people) and change.high >= 0:
        why = f"{pain.respondents} people report it by now, {people} did then"
    else:
        return None
    return Growth(
        rejected_at=decision.at,
        reason=decision.reason,
        then={"count": count, "n": n, "share": round(count / n, 4) if n else 0.0, "respondents": people},
        now={
            "count": pain.count,
            "n": pain.n,
            "share": round(pain.share.value, 4),
            "respondents": pain.respondents,
        },
        since={"count": new, "n": new_n, "share": round(new / new_n, 4)},
        says=f"Rejected on {decision.at:%Y-%m-%d}; what is new: {why}.",
    )
