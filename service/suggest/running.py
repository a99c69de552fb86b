"""Changes that were agreed on, each with what it did so far."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, select
from sqlmodel import Session, col

from service.store.schema import Suggestion
from service.suggest.impact import impacts
from service.suggest.impact_plan import AGREED
from service.suggest.suggestions import SuggestionQuery, suggestions

ENDED: Final = ("rolled_back",)  # still told, because why it was taken back is worth knowing
# what comes first: those that say something, then those that still wait for data
ORDER: Final = ("got_worse", "helped", "no_effect_worth_having", "inconclusive", "not_enough_data")


def running_changes(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    limit: int,
    after: Any = None,
    status: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A page of {"data": [a suggestion with `impact`], "next"}, in the order of GET /v1/suggestions.

    `impact` is as GET /v1/suggestions/{id}/impact answers it, null for a change whose history holds no agreement.
    `status`: only these.
    """
    query = SuggestionQuery(status=status or (*AGREED, *ENDED))
    found = suggestions(
        session,
        workspace_id=workspace_id,
        timezone=timezone,
        query=query,
        limit=limit,
        after=after,
        verbatims=False,
    )
    ids = [one["id"] for one in found["data"]]
    measured = impacts(session, workspace_id=workspace_id, timezone=timezone, public_ids=ids)
    rows = [one | {"impact": measured[one["id"]]} for one in found["data"]]
    return {"data": rows, "next": found["next"]}


def changes_by_status(session: Session, workspace_id: int) -> dict[str, int]:
    """How many changes stand where, of those that were agreed on."""
    rows = session.execute(
        select(col(Suggestion.status), func.count())
        .where(col(Suggestion.workspace_id) == workspace_id, col(Suggestion.status).in_((*AGREED, *ENDED)))
        .group_by(col(Suggestion.status))
    )
    return {row[0]: row[1] for row in rows}


def by_verdict(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same rows, those with something to say first."""

    def place(row: dict[str, Any]) -> int:
        return ORDER.index(row["impact"]["verdict"]) if row["impact"] else len(ORDER)

    return sorted(rows, key=place)
