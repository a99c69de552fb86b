"""The weekly digest: what is new since the last one, so that a workspace is looked at once a week with reason.

It holds numbers and our own words, none of a customer's: a mail goes further than its reader. Who may read
customers' words finds them behind the links. What was told is not told again: a suggestion and a verdict never, a
change and a trouble not within COOLDOWN. Where nothing is new, there is nothing to send.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from service.ingest.trouble import troubles
from service.notify.news import new_suggestions, significant_changes
from service.selection import EPOCH
from service.store import rollup_frame
from service.store.schema import Digest, Workspace
from service.suggest.running import running_changes

DAYS: Final = 7
COOLDOWN: Final = timedelta(weeks=4)  # of changes, which compare four weeks with four, and of troubles
MOST: Final = 10  # of each kind in a digest; further suggestions come in the next one
MEASURED: Final = 30  # agreed changes that are measured
VERDICTS: Final = ("helped", "got_worse", "no_effect_worth_having")


@dataclass(frozen=True, slots=True)
class Told:
    """What earlier digests told: every key, and those within the cooldown."""

    ever: frozenset[str]
    lately: frozenset[str]


@dataclass(frozen=True, slots=True)
class Composed:
    """A digest's content, empty where nothing is new, and the keys that it tells."""

    content: dict[str, Any]
    keys: list[str]


def compose(session: Session, workspace: Workspace, *, day: date) -> Composed:
    """What is to be told on a day, of the seven days before it."""
    assert workspace.id is not None
    told = _told(session, workspace.id, before=week_of_day(day))
    keys: list[str] = []
    content: dict[str, Any] = {
        "from": (day - timedelta(days=DAYS)).isoformat(),
        "to": day.isoformat(),
        "feedback": _feedback(session, workspace.id, day),
        **_suggestions(session, workspace, told, keys),
        "changes": _changes(session, workspace, told, keys),
        "verdicts": _verdicts(session, workspace, told, keys),
        "troubles": _troubles(session, workspace.id, told, keys),
    }
    return Composed(content if keys else {}, keys)


def week_of_day(day: date) -> date:
    """The Monday of a day's week, by which its digest is known."""
    return day - timedelta(days=day.weekday())


def _told(session: Session, workspace_id: int, *, before: date) -> Told:
    rows = session.execute(
        select(col(Digest.week), col(Digest.told)).where(
            col(Digest.workspace_id) == workspace_id, col(Digest.week) < before
        )
    ).all()
    ever = frozenset(key for row in rows for key in row.told)
    lately = frozenset(key for row in rows if row.week > before - COOLDOWN for key in row.told)
    return Told(ever, lately)


def _feedback(session: Session, workspace_id: int, day: date) -> dict[str, int]:
    """How much feedback the week brought, and the week before."""
    frame = rollup_frame.load(session, workspace_id)
    end = (day - EPOCH).days
    now = frame.mask(first_day=end - DAYS, end_day=end, filters={})
    before = frame.mask(first_day=end - 2 * DAYS, end_day=end - DAYS, filters={})
    return {
        "items": int(np.count_nonzero(now)),
        "respondents": len(np.unique(frame.rows["cluster"][now])),
        "items_before": int(np.count_nonzero(before)),
    }


def _suggestions(session: Session, workspace: Workspace, told: Told, keys: list[str]) -> dict[str, Any]:
    assert workspace.id is not None
    pieces = new_suggestions(session, workspace.id, workspace.timezone)
    fresh = [piece for piece in pieces if piece.key not in told.ever]
    keys += [piece.key for piece in fresh[:MOST]]
    return {"suggestions": [piece.data for piece in fresh[:MOST]], "more_suggestions": len(fresh[MOST:])}


def _changes(session: Session, workspace: Workspace, told: Told, keys: list[str]) -> list[dict[str, Any]]:
    assert workspace.id is not None
    found: list[dict[str, Any]] = []
    for piece in significant_changes(session, workspace.id, workspace.timezone):
        key = piece.key.rpartition(":")[0]  # without its month
        if key not in told.lately and len(found) < MOST:
            keys.append(key)
            found.append(piece.data | {"says": piece.text})
    return found


def _verdicts(session: Session, workspace: Workspace, told: Told, keys: list[str]) -> list[dict[str, Any]]:
    """Of changes that were agreed on: what can be said of them now and could not before."""
    assert workspace.id is not None
    running = running_changes(session, workspace_id=workspace.id, timezone=workspace.timezone, limit=MEASURED)
    found: list[dict[str, Any]] = []
    for row in running["data"]:
        measured = row["impact"]
        if measured is None:
            continue
        verdict, final = measured["verdict"], measured["final"]
        key = f"verdict:{row['id']}:{measured['agreed_at']}:{verdict}:{'final' if final else 'early'}"
        if not (verdict in VERDICTS or (final and verdict == "inconclusive")) or key in told.ever:
            continue
        keys.append(key)
        found.append(
            {
                **{name: row[name] for name in ("id", "stage", "topic", "adaptation")},
                "verdict": verdict,
                "final": final,
                "says": measured["says"],
                "before": measured["before"],
                "after": measured["after"],
            }
        )
    return found[:MOST]


def _troubles(session: Session, workspace_id: int, told: Told, keys: list[str]) -> list[dict[str, Any]]:
    """Senders and files that need somebody, the new ones first; old ones alone are no reason for a digest."""
    found: list[dict[str, Any]] = []
    for one in troubles(session, workspace_id=workspace_id):
        key = f"trouble:{one.link}:{one.name}"
        new = key not in told.lately
        if new:
            keys.append(key)
        found.append({"name": one.name, "says": one.says, "link": one.link, "new": new})
    return sorted(found, key=lambda one: not one["new"])[:MOST]
