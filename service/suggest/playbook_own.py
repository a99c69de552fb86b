"""A workspace's playbook: the shipped entries, its own ones, and its wording of shipped ones.

An own entry under a shipped id takes that entry's place; removing it brings the shipped one back.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, func, select

from service.errors import BadInput, Conflict, FieldError, NotFound
from service.moments import rfc3339
from service.said import Said, Short
from service.store.columns import now
from service.store.rollup_codes import codebook
from service.store.schema import OwnPlaybookEntry, Suggestion
from service.store.theme_upkeep import ask_themes
from service.suggest.match import Matcher
from service.suggest.playbook import FALLBACK_TOPIC, Effort, Entry, Playbook, shipped_playbook

MAX_OWN: Final = 500
MATCHERS_KEPT: Final = 8
TOUCHPOINT_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "advertising": ("advert", " ads", " ad "),
    "social_media": ("social media", "social channel", " posts"),
    "word_of_mouth": ("word of mouth", "friend", "colleague", "recommend"),
    "search_content": ("search", "article", "blog", "help page", "guide"),
    "email": ("e-mail", "email", "newsletter"),
    "website": ("website", "web site", "web page", "site"),
    "mobile_app": (" app", "mobile"),
    "store": ("store", "shop floor", "branch", "counter"),
    "sales": ("sales", "quote", "demo"),
    "checkout": ("checkout", "basket", "cart"),
    "delivery": ("deliver", "courier", "parcel"),
    "product": ("product", "feature", "device"),
    "customer_support": ("support", "help desk", "agent", "ticket"),
    "billing_account": ("billing", "invoice", "account", "login"),
    "loyalty_community": ("loyalty", "community", "points", "members"),
}

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
    return Playbook((*own, *kept), shipped.questions, shipped.keeping)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None: all. `text`: words that all stand somewhere in the entry."""

    stage: str | None = None
    topic: str | None = None
    touchpoint: str | None = None
    text: str | None = None

    def holds(self, entry: Entry) -> bool:
        """Whether an entry is one of them."""
        if self.stage is not None and entry.stage != self.stage:
            return False
        if self.topic is not None and self.topic not in entry.topics:
            return False
        words = _words_of(entry)
        if self.touchpoint is not None and not any(one in words for one in _speaks_of(self.touchpoint)):
            return False
        return all(word in words for word in (self.text or "").casefold().split())


def _words_of(entry: Entry) -> str:
    told = (entry.pain, entry.adaptation, entry.metric, entry.owner, entry.test, entry.idea, *entry.patterns)
    return " ".join((entry.id, entry.stage, *entry.topics, *told)).casefold()


def _speaks_of(touchpoint: str) -> tuple[str, ...]:
    """By which words an entry is known to speak of a touchpoint: entries name stages and topics only."""
    return TOUCHPOINT_WORDS.get(touchpoint) or (touchpoint.replace("_", " "),)


def listed(
    session: Session, *, workspace_id: int, wanted: Wanted, after: str | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """Entries by id, behind `after`; at most `limit`."""
    rows = {row.public_id: row for row in _rows(session, workspace_id)}
    entries = sorted(playbook_of(session, workspace_id).entries, key=lambda entry: entry.id)
    found = [entry for entry in entries if (after is None or entry.id > after) and wanted.holds(entry)]
    used = _used(session, workspace_id)
    return [public(entry, rows.get(entry.id), used) for entry in found[:limit]]


def _used(session: Session, workspace_id: int) -> dict[str, dict[str, int]]:
    """By entry how many suggestions were agreed to, or put aside, that proposed it."""
    counted = session.exec(
        select(Suggestion.playbook_entry, Suggestion.status, func.count())
        .where(Suggestion.workspace_id == workspace_id)
        .group_by(col(Suggestion.playbook_entry), col(Suggestion.status))
    ).all()
    found: dict[str, dict[str, int]] = {}
    for entry_id, status, n in counted:
        kind = "rejected" if status == "rejected" else "agreed" if status not in ("suggested", "snoozed") else None
        if kind is not None:
            of = found.setdefault(entry_id, {"agreed": 0, "rejected": 0})
            of[kind] += n
    return found


def one(session: Session, *, workspace_id: int, entry_id: str) -> dict[str, Any]:
    """One entry; NotFound where the workspace has none of this id."""
    entry = playbook_of(session, workspace_id).entry(entry_id)
    if entry is None:
        raise NotFound("This playbook entry does not exist.")
    rows = {row.public_id: row for row in _rows(session, workspace_id)}
    return public(entry, rows.get(entry_id), _used(session, workspace_id))


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
    ask_themes(session, workspace_id)  # it may fit some of them
    return public(_entry(row), row, _used(session, workspace_id))


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
    ask_themes(session, workspace_id)  # it may fit some of them
    return public(_entry(row), row, _used(session, workspace_id))


def remove(session: Session, *, workspace_id: int, entry_id: str) -> None:
    """Remove an own entry; of a shipped one, the workspace's wording, so that the shipped one is back."""
    row = _row(session, workspace_id, entry_id)
    if row is None:
        if shipped_playbook().entry(entry_id) is not None:
            raise Conflict("A shipped entry can't be removed; write it anew with PUT.")
        raise NotFound("This playbook entry does not exist.")
    session.delete(row)
    session.flush()
    ask_themes(session, workspace_id)


def public(entry: Entry, row: OwnPlaybookEntry | None, used: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """An entry as callers see it, with how often it was used."""
    shipped = shipped_playbook().entry(entry.id) is not None
    return asdict(entry) | {
        "origin": "shipped" if row is None else "edited" if shipped else "own",
        "actor": row.actor if row is not None else None,
        "updated_at": rfc3339(row.updated_at) if row is not None else None,
        "used": used.get(entry.id, {"agreed": 0, "rejected": 0}),
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
