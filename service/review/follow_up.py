"""The inner loop: which customers wait for an answer, who answers them, and how many were answered."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.auth import Caller
from service.intervals import effective_n, share_interval
from service.review.feedback_models import FollowUp
from service.review.feedback_view import FOLLOWED_UP, item_of
from service.store.schema import AuditEvent, FeedbackItem


class FollowUpIn(BaseModel):
    """What became of the customer's concern."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["needs_answer", "answered", "dismissed"]
    owner: str | None = Field(default=None, max_length=200)
    note: str | None = Field(default=None, max_length=5000)


def answer(session: Session, caller: Caller, item_id: int, given: FollowUpIn) -> FollowUp:
    """Store the state of an item's follow-up; `owner` and `note` stay as they are where they are not given."""
    item = item_of(session, caller, item_id, lock=True)
    old = item.follow_up
    item.follow_up = given.state
    if "owner" in given.model_fields_set:
        item.follow_up_owner = given.owner
    if "note" in given.model_fields_set:
        item.follow_up_note = given.note
    session.add(item)
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id,
            actor=caller.actor,
            action=FOLLOWED_UP,
            target=f"feedback:{item.id}",
            detail={"old": old, "new": given.state},
        )
    )
    return FollowUp(state=given.state, owner=item.follow_up_owner, note=item.follow_up_note)


def closure(session: Session, workspace_id: int) -> dict[str, Any]:
    """How many waiting items were answered: counts of items, and the closure rate of all time with its interval.

    The rate is answered / (answered + waiting): what was dismissed needed no answer. `n` counts respondents (an
    item without one counts for itself); the interval is of a share over respondents: see service/intervals.py.
    `owners`: who has how many waiting and answered, the most waiting first; None for nobody.
    """
    rows = session.execute(
        select(
            col(FeedbackItem.respondent),
            col(FeedbackItem.follow_up),
            col(FeedbackItem.follow_up_owner),
            func.count(),
        )
        .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.follow_up).is_not(None))
        .group_by(col(FeedbackItem.respondent), col(FeedbackItem.follow_up), col(FeedbackItem.follow_up_owner))
    )
    states = {"needs_answer": 0, "answered": 0, "dismissed": 0}
    people: dict[str, list[int]] = defaultdict(lambda: [0, 0])  # answered, all that waited or wait
    owners: dict[str | None, dict[str, int]] = defaultdict(lambda: {"needs_answer": 0, "answered": 0})
    alone = [0, 0]
    for respondent, state, owner, count in rows:
        states[state] += count
        if state == "dismissed":
            continue
        owners[owner or None][state] += count
        tally = alone if respondent is None else people[respondent]
        tally[0] += count if state == "answered" else 0
        tally[1] += count
    singles = [1] * alone[0] + [0] * (alone[1] - alone[0])
    hits = np.array([one for one, _ in people.values()] + singles, dtype=np.float64)
    sizes = np.array([all_ for _, all_ in people.values()] + [1] * alone[1], dtype=np.float64)
    rate = None
    if len(sizes):
        found = share_interval(float(hits.sum() / sizes.sum()), effective_n(hits, sizes))
        rate = {"value": found.value, "low": found.low, "high": found.high, "n": len(sizes)}
    return {
        **states,
        "rate": rate,
        "owners": sorted(
            ({"owner": owner, **counts} for owner, counts in owners.items()),
            key=lambda one: (-int(one["needs_answer"] or 0), str(one["owner"] or "")),
        ),
    }
