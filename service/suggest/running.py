"""Changes that were agreed on, each with what it did so far."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select
from sqlmodel import Session, col

from service.store import rollup_frame
from service.store.columns import now
from service.store.schema import Suggestion
from service.suggest.decisions import public_id
from service.suggest.impact import impacts
from service.suggest.impact_plan import AGREED, day_of
from service.suggest.suggestions import SuggestionQuery, suggestions

ENDED: Final = ("rolled_back",)  # still told, because why it was taken back is worth knowing
# what comes first: those that say something, then those that still wait for data
ORDER: Final = ("got_worse", "helped", "no_effect_worth_having", "inconclusive", "not_enough_data")

MOVED: Final = 100  # chosen anew once one record in so many is new
KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The changes with most to say, as of so many records, a day and the decisions until then."""

    records: int
    stamp: tuple[Any, ...]
    ids: tuple[str, ...]


_lock = threading.Lock()
_kept: OrderedDict[Hashable, _Chosen] = OrderedDict()


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


def most_telling(session: Session, *, workspace_id: int, timezone: str, limit: int) -> list[dict[str, Any]]:
    """Of all changes that were agreed on those with most to say, as `running_changes` has them; the newest first
    where several say alike.

    Which these are may lag one hundredth of the records behind, as to measure hundreds of changes after each
    arrival would keep the first page waiting; what is told of them is measured now. A decision or a new day
    chooses anew.
    """
    agreed = session.execute(
        select(col(Suggestion.stage), col(Suggestion.topic), col(Suggestion.status), col(Suggestion.updated_at))
        .where(col(Suggestion.workspace_id) == workspace_id, col(Suggestion.status).in_((*AGREED, *ENDED)))
        .order_by(col(Suggestion.updated_at).desc(), col(Suggestion.id).desc())
    ).all()
    if not agreed:
        return []
    ids = [public_id(stage, topic) for stage, topic, *_ in agreed]
    records = len(rollup_frame.load(session, workspace_id))
    question = (session.get_bind().engine.url.render_as_string(hide_password=True), workspace_id, timezone, limit)
    stamp = (day_of(now(), timezone), tuple(tuple(row) for row in agreed))
    with _lock:
        kept = _kept.get(question)
    if kept is not None and kept.stamp == stamp and abs(records - kept.records) * MOVED <= kept.records:
        chosen = kept.ids
    else:
        measured = impacts(session, workspace_id=workspace_id, timezone=timezone, public_ids=ids)
        ordered = sorted(ids, key=lambda one: _place(measured[one]))  # keeps the newest first among equals
        chosen = tuple(ordered[:limit])
        with _lock:
            _kept[question] = _Chosen(records, stamp, chosen)
            _kept.move_to_end(question)
            while len(_kept) > KEPT:
                _kept.popitem(last=False)
    found = suggestions(
        session,
        workspace_id=workspace_id,
        timezone=timezone,
        query=SuggestionQuery(ids=chosen, status=(*AGREED, *ENDED)),
        limit=limit,
        verbatims=False,
    )
    now_told = impacts(session, workspace_id=workspace_id, timezone=timezone, public_ids=chosen)
    rows = [one | {"impact": now_told[one["id"]]} for one in found["data"]]
    return sorted(rows, key=lambda row: (_place(row["impact"]), chosen.index(row["id"])))


def _place(impact: dict[str, Any] | None) -> int:
    return ORDER.index(impact["verdict"]) if impact else len(ORDER)
