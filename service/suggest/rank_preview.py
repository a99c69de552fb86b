"""What other weights would do to the order of suggestions, before anybody saves them."""

from __future__ import annotations

from typing import Any, Final

from sqlmodel import Session

from service.suggest.priority import Weights
from service.suggest.proposals import proposals
from service.suggest.weights import WeightsBody

SHOWN: Final = 10


def compared(
    session: Session, *, workspace_id: int, timezone: str, body: WeightsBody, most: int = SHOWN
) -> list[dict[str, Any]]:
    """The best open suggestions as they rank now and as they would rank with other weights.

    Those of the first `most` of either order, in the new order: {"id", "stage", "topic", "says", "before", "after"
    (places from 1), "priority_before", "priority"}.
    """
    before, after = (
        [
            one
            for one in proposals(session, workspace_id=workspace_id, timezone=timezone, weights=weights)
            if one.status == "suggested"
        ]
        for weights in (None, Weights(**body.model_dump()))
    )
    places = {one.id: (place, one) for place, one in enumerate(before, start=1)}
    found = []
    for place, one in enumerate(after, start=1):
        was, old = places[one.id]
        if min(place, was) <= most:
            found.append(
                {
                    "id": one.id,
                    "stage": one.stage,
                    "topic": one.topic,
                    "says": one.says,
                    "before": was,
                    "after": place,
                    "priority_before": old.rank.priority,
                    "priority": one.rank.priority,
                }
            )
    return found
