"""What is worth telling: new suggestions, changes that are more than noise, finished imports. Read, not pushed.

Each piece of news has a key, so that it is told once however often it is found. None holds customers' words: a
receiver may be a chat room; the link leads those who may read them to the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlmodel import Session, col

from service.aggregate.significant import significant
from service.moments import rfc3339
from service.store.columns import now
from service.store.schema import FileImport
from service.suggest.priority import confidence, in_words
from service.suggest.proposals import proposals

TOLD_SUGGESTIONS: Final = 20  # the best open ones; further ones wait until they rank so high
FINISHED: Final = ("succeeded", "partially_succeeded", "failed")
IMPORTS_LOOKED_AT: Final = 100


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of news: its event, key, a sentence for people, and its data."""

    event: str
    key: str
    text: str
    data: dict[str, Any]


def new_suggestions(session: Session, workspace_id: int, timezone: str) -> Iterator[Piece]:
    """The best open suggestions; told when they first rank among the best."""
    found = proposals(session, workspace_id=workspace_id, timezone=timezone)
    for one in [one for one in found if one.status == "suggested"][:TOLD_SUGGESTIONS]:
        if one.pain is None:
            continue
        stage, topic = one.stage.replace("_", " "), one.topic.replace("_", " ")
        share = one.pain.share
        yield Piece(
            "suggestion.created",
            f"suggestion:{one.id}",
            f"{stage} · {topic}: {one.says}. {one.pain.count} of {one.pain.n} in this stage "
            f"({share.low:.0%} to {share.high:.0%}). What to change: {one.adaptation}",
            {
                "id": one.id,
                "stage": one.stage,
                "topic": one.topic,
                "customer_feedback": one.says,
                "adaptation": one.adaptation,
                "size": {
                    "count": one.pain.count,
                    "n": one.pain.n,
                    "share": round(one.pain.count / one.pain.n, 4),
                    "low": round(share.low, 4),
                    "high": round(share.high, 4),
                    "respondents": one.pain.respondents,
                    "certainty": in_words(confidence(share.value, share.low), one.pain.respondents),
                },
            },
        )


def significant_changes(session: Session, workspace_id: int, timezone: str) -> Iterator[Piece]:
    """Labels whose count or net sentiment changed beyond noise between the last two four-week periods.

    The key holds the month: what lasts is told again once a month and not every day.
    """
    month = now().strftime("%Y-%m")
    for one in significant(session, workspace_id=workspace_id, timezone=timezone):
        yield Piece(
            "change.significant",
            f"change:{one.by}:{one.label}:{one.measure}:{one.way}:{month}",
            one.says,
            {
                "by": one.by,
                "label": one.label,
                "measure": one.measure,
                **{name: getattr(one, name) for name in ("change", "low", "high")},
                "from": one.from_day,
                "to": one.to_day,
            },
        )


def finished_imports(session: Session, workspace_id: int, _timezone: str) -> Iterator[Piece]:
    """Files that are read to their end, or failed."""
    rows = session.execute(
        select(FileImport)
        .where(col(FileImport.workspace_id) == workspace_id, col(FileImport.state).in_(FINISHED))
        .order_by(col(FileImport.id).desc())
        .limit(IMPORTS_LOOKED_AT)
    ).scalars()
    for one in rows:
        told = f"{one.filename}: {one.rows_read:,} rows read, {one.items:,} items, {one.rows_rejected:,} refused."
        yield Piece(
            "import.finished",
            f"import:{one.id}",
            told if one.state != "failed" else f"{one.filename} could not be read.",
            {
                "id": str(one.id),
                "state": one.state,
                "filename": one.filename,
                "source": one.source,
                "rows": {
                    "read": one.rows_read,
                    "accepted": one.rows_accepted,
                    "updated": one.rows_updated,
                    "duplicate": one.rows_duplicate,
                    "rejected": one.rows_rejected,
                    "empty": one.rows_empty,
                },
                "finished_at": _moment(one.finished_at),
            },
        )


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)


NEWS: dict[str, Callable[[Session, int, str], Iterator[Piece]]] = {
    "suggestion.created": new_suggestions,
    "change.significant": significant_changes,
    "import.finished": finished_imports,
}
"""Every event with the function that finds it."""
