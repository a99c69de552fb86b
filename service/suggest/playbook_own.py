"""A workspace's playbook: the shipped entries, its own ones, and its wording of shipped ones.

An own entry under a shipped id takes that entry's place; removing it brings the shipped one back.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict
from threading import Lock
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from service.errors import BadInput, Conflict, FieldError, NotFound
from service.moments import rfc3339
from service.said import Said, Short
from service.store.columns import now
from service.store.rollup_codes import codebook
from service.store.schema import OwnPlaybookEntry
from service.suggest.match import Matcher
from service.suggest.playbook import FALLBACK_TOPIC, Effort, Entry, Playbook, shipped_playbook

MAX_OWN: Final = 500
MATCHERS_KEPT: Final = 8

EXAMPLE: dict[str, Any] = {
    "stage": "delivery",
    "topics": ["delivery"],
    "pain": "Furniture is left at the kerb although it was to be carried in",
    "patterns": ["left the sofa on the street", "driver would not carry it upstairs", "kerbside only"],
    "adaptation": "Ask for floor and lift when the delivery day is booked, and send two people where needed.",
    "effort": "medium",
    "metric": "Complaints about carrying per 1,000 furniture deliveries",
    "owner": "Home delivery lead",
    "test": "Ask the two questions in one city for a month.",
    "idea": "Our drivers' round table in spring",
}


class PlaybookBody(BaseModel):
    """An entry as people write it. `patterns`: phrases as customers say them, by which their words are matched."""

    model_config = ConfigDict(extra="forbid")

    stage: Short
    topics: Annotated[list[Short], Field(min_length=1, max_length=10)]
    pain: Said
    patterns: Annotated[list[Short], Field(min_length=1, max_length=40)]
    adaptation: Said
    effort: Effort
    metric: Said
    owner: Short
    test: Said
    idea: Said | None = None


class _Kept:
    """Matchers by playbook: made of many phrases, so not for every request."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: OrderedDict[Playbook, Matcher] = OrderedDict()

    def of(self, playbook: Playbook) -> Matcher:
        with self._lock:
            found = self._made.pop(playbook, None) or Matcher(playbook)
            self._made[playbook] = found
            while len(self._made) > MATCHERS_KEPT:
                self._made.popitem(last=False)
            return found


_kept = _Kept()


def matcher_of(session: Session, workspace_id: int) -> Matcher:
    """The workspace's playbook, ready to be matched."""
    return _kept.of(playbook_of(session, workspace_id))


def playbook_of(session: Session, workspace_id: int) -> Playbook:
    """Own entries first (they know the company best), then the shipped ones that no own entry replaces."""
    shipped, rows = shipped_playbook(), _rows(session, workspace_id)
    if not rows:
        return shipped
    own = [_entry(row) for row in rows]
    replaced = {entry.id for entry in own}
    kept = tuple(entry for entry in shipped.entries if entry.id not in replaced)
    return Playbook((*own, *kept), shipped.questions)


def listed(
    session: Session, *, workspace_id: int, stage: str | None, topic: str | None, after: str | None, limit: int
) -> list[dict[str, Any]]:
    """Entries by id, behind `after`; at most `limit`."""
    rows = {row.public_id: row for row in _rows(session, workspace_id)}
    entries = sorted(playbook_of(session, workspace_id).entries, key=lambda entry: entry.id)
    found = [
        entry
        for entry in entries
        if (stage is None or entry.stage == stage)
        and (topic is None or topic in entry.topics)
        and (after is None or entry.id > after)
    ]
    return [public(entry, rows.get(entry.id)) for entry in found[:limit]]


def one(session: Session, *, workspace_id: int, entry_id: str) -> dict[str, Any]:
    """One entry; NotFound where the workspace has none of this id."""
    entry = playbook_of(session, workspace_id).entry(entry_id)
    if entry is None:
        raise NotFound("This playbook entry does not exist.")
    rows = {row.public_id: row for row in _rows(session, workspace_id)}
    return public(entry, rows.get(entry_id))


def add(session: Session, *, workspace_id: int, actor: str, body: PlaybookBody) -> dict[str, Any]:
    """A new entry of the workspace; Conflict beyond MAX_OWN."""
    _check(body)
    if len(_rows(session, workspace_id)) >= MAX_OWN:
        raise Conflict(f"A workspace has at most {MAX_OWN} entries of its own.")
    row = OwnPlaybookEntry(
        workspace_id=workspace_id,
        public_id=f"own-{secrets.token_hex(6)}",
        entry=body.model_dump(),
        actor=actor,
    )
    session.add(row)
    session.flush()
    return public(_entry(row), row)


def replace(
    session: Session, *, workspace_id: int, actor: str, entry_id: str, body: PlaybookBody
) -> dict[str, Any]:
    """Write an entry anew: an own one, or the workspace's wording of a shipped one."""
    _check(body)
    row = _row(session, workspace_id, entry_id)
    if row is None:
        shipped = shipped_playbook().entry(entry_id)
        if shipped is None:
            raise NotFound("This playbook entry does not exist.")
        if not shipped.patterns:
            raise Conflict("This entry says how to find out why where nothing else fits; it can't be replaced.")
        row = OwnPlaybookEntry(workspace_id=workspace_id, public_id=entry_id, actor=actor)
    row.entry, row.actor, row.updated_at = body.model_dump(), actor, now()
    session.add(row)
    session.flush()
    return public(_entry(row), row)


def remove(session: Session, *, workspace_id: int, entry_id: str) -> None:
    """Remove an own entry; of a shipped one, the workspace's wording, so that the shipped one is back."""
    row = _row(session, workspace_id, entry_id)
    if row is None:
        if shipped_playbook().entry(entry_id) is not None:
            raise Conflict("A shipped entry can't be removed; write it anew with PUT.")
        raise NotFound("This playbook entry does not exist.")
    session.delete(row)
    session.flush()


def public(entry: Entry, row: OwnPlaybookEntry | None) -> dict[str, Any]:
    """An entry as callers see it."""
    shipped = shipped_playbook().entry(entry.id) is not None
    return asdict(entry) | {
        "origin": "shipped" if row is None else "edited" if shipped else "own",
        "actor": row.actor if row is not None else None,
        "updated_at": rfc3339(row.updated_at) if row is not None else None,
    }


def _rows(session: Session, workspace_id: int) -> Sequence[OwnPlaybookEntry]:
    return session.exec(
        select(OwnPlaybookEntry)
        .where(OwnPlaybookEntry.workspace_id == workspace_id)
        .order_by(col(OwnPlaybookEntry.id))
    ).all()


def _row(session: Session, workspace_id: int, entry_id: str) -> OwnPlaybookEntry | None:
    """The row, locked: of two who write at once the second sees the first."""
    if "\x00" in entry_id:
        return None
    return session.exec(
        select(OwnPlaybookEntry)
        .where(OwnPlaybookEntry.workspace_id == workspace_id, OwnPlaybookEntry.public_id == entry_id)
        .with_for_update()
    ).first()


def _entry(row: OwnPlaybookEntry) -> Entry:
    texts = {**row.entry, "idea": row.entry["idea"] or "Our own experience"}
    return Entry(
        **{**texts, "topics": tuple(texts["topics"]), "patterns": tuple(texts["patterns"])}, id=row.public_id
    )


def _check(body: PlaybookBody) -> None:
    book = codebook()
    errors = []
    if body.stage not in book.labels("stage") or body.stage == "none":
        errors.append(FieldError("/stage", "unknown_stage", "must be a stage of the codebook"))
    for place, topic in enumerate(body.topics):
        if topic not in book.labels("topic") or topic == FALLBACK_TOPIC:
            errors.append(FieldError(f"/topics/{place}", "unknown_topic", "must be a topic of the codebook"))
    if errors:
        raise BadInput("; ".join(f"{one.pointer}: {one.detail}" for one in errors), errors=errors)
