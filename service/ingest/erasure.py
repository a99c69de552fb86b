"""Taking feedback out again, as people or senders ask: deleted, uncounted, and marked so that it stays away.

An erased person leaves a keyed hash and nothing else. What is deleted with them: items with their versions,
segments, classifications and corrections, the raw deliveries that brought them, uploaded files that may hold
them, the cells of rejected rows that name them, and stored answers that name their items.

A sender that erases speaks for its own: items and conversations of the endpoint's source, and persons by the ids
that it gives them, because 42 is somebody else at the next sender. An e-mail address is the same person at every
sender, so that it is erased everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest import people, traces
from service.ingest.identity import conversation_mark, item_mark, person_mark, respondent_mark
from service.ingest.incoming import Erased
from service.ingest.removal import Mark, mark, take_out
from service.ingest.withdrawn import withdraw
from service.settings import Settings
from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.queue import Priority
from service.store.schema import AuditEvent, Delivery, Endpoint, FeedbackItem
from service.work import Work

# a call that was under way while its item was erased has stored it by then; the job looks once more
LATECOMER_SECONDS = 15.0


def erase_person(
    database: Database,
    settings: Settings,
    vault: Vault,
    *,
    workspace_id: int,
    respondent: str,
    source: str | None = None,
    actor: str | None = None,
) -> int:
    """Erase a person, named as the sender names them; the number of items that went (0 is no error).

    `source`: only what this one brought. `actor` is noted in the audit log. Whoever was merged into them goes as
    well. The marks are committed first, so that nothing of them comes in while the rest is looked for; that is
    done by reading, and everything found of one name goes in one transaction. Calling it again is harmless.
    """
    with database.write() as session:
        below = people.merged_into(
            session, vault, workspace_id, [vault.pseudonym(workspace_id, respondent)], source=source
        )
        # those who were merged first: until all of them are gone, the merges lead to them from the last one
        named = [*((key, _scope(key, own)) for (own, _), key in reversed(below.items())), (respondent, source)]
        mark(session, workspace_id, {("respondent", _person_hash(vault, workspace_id, *one)) for one in named})
    return sum(
        _erase_name(database, settings, vault, workspace_id=workspace_id, name=name, source=own, actor=actor)
        for name, own in named
    )


def _erase_name(
    database: Database,
    settings: Settings,
    vault: Vault,
    *,
    workspace_id: int,
    name: str,
    source: str | None,
    actor: str | None,
) -> int:
    """Erase what was told of one name of a person; how many items that were."""
    pseudonym = vault.pseudonym(workspace_id, name)
    found = traces.of_person(
        database, workspace_id=workspace_id, respondent=name, pseudonym=pseudonym, source=source
    )
    with database.write() as session:
        # again, now held: some may have come in while we looked
        theirs = [people.told_of([pseudonym])]
        if source is not None:
            theirs.append(col(FeedbackItem.source) == source)
        rows = take_out(session, vault, workspace_id, *theirs)
        people.forget(session, workspace_id, pseudonym, source=source)
        found.deliveries |= {row.delivery_id for row in rows if row.delivery_id is not None}
        traces.blank(session, workspace_id, found)
        paths = traces.forget_files(session, workspace_id)
        queue.enqueue(
            session,
            workspace_id=workspace_id,
            kind="compact",
            payload={"full": True},  # until then opposite records of the person stand beside each other
            priority=Priority.UPKEEP,
            dedupe_key=f"compact-full:{workspace_id}",
        )
        if actor is not None:
            audit(session, workspace_id, actor, "respondent.erase", "respondent", {"items": len(rows)})
    for path in paths:
        (settings.imports_dir / Path(path).name).unlink(missing_ok=True)
    return len(rows)


def _person_hash(vault: Vault, workspace_id: int, respondent: str, source: str | None) -> str:
    if source is None:
        return respondent_mark(vault, workspace_id, respondent)
    return person_mark(vault, workspace_id, source, respondent)


def _scope(key: str, source: str) -> str | None:
    """Where a person goes whom a sender erases: an id means somebody at this sender only."""
    return None if "@" in key else source


def erase_told(
    session: Session, vault: Vault, *, endpoint: Endpoint, delivery: Delivery, told: Sequence[Erased]
) -> int:
    """Erase or withdraw what a sender says is gone, in the transaction of its delivery; how many of these it told.

    Marks and items at once; what else names them is looked for by a job. The delivery keeps no content where it
    names a person.
    """
    told = [one for one in dict.fromkeys(told) if one.key.strip()]
    if not told:
        return 0
    workspace_id = endpoint.workspace_id
    told += _merged_into(session, vault, endpoint, told)
    rows = _take_told(session, vault, endpoint, told)
    since = min((row.received_at for row in rows), default=None)
    queue.enqueue(
        session,
        workspace_id=workspace_id,
        kind="erase",
        payload={
            "endpoint_id": endpoint.id,
            # a job's payload can be read by whoever runs the installation: not who was erased
            "told": vault.encrypt(json.dumps([[one.kind, one.key, one.up_to] for one in told])),
            "items": [str(row.id) for row in rows],
            "since": since.isoformat() if since is not None else None,
            "until": now().isoformat(),
        },
        priority=Priority.UPKEEP,
        delay_seconds=LATECOMER_SECONDS,
    )
    kinds = {kind: sum(one.kind == kind for one in told) for kind in sorted({one.kind for one in told})}
    detail = {"items": len(rows), "told": kinds}
    audit(session, workspace_id, f"sender:{endpoint.name}", "feedback.erase", f"delivery:{delivery.id}", detail)
    return len(told)


def _merged_into(session: Session, vault: Vault, endpoint: Endpoint, told: Sequence[Erased]) -> list[Erased]:
    """The people who were merged into those who are told to be gone."""
    names = [vault.pseudonym(endpoint.workspace_id, one.key) for one in told if one.kind == "respondent"]
    if not names:
        return []
    found = people.merged_into(session, vault, endpoint.workspace_id, names, source=endpoint.source)
    return [one for key in found.values() if (one := Erased("respondent", key)) not in told]


def _take_told(session: Session, vault: Vault, endpoint: Endpoint, told: Sequence[Erased]) -> list[Any]:
    """Mark and take out what is told to be gone, up to its time where it has one; the items that went."""
    by_time: dict[datetime | None, list[Erased]] = {}
    for one in told:
        # people are erased, never withdrawn
        up_to = datetime.fromisoformat(one.up_to) if one.up_to and one.kind != "respondent" else None
        by_time.setdefault(up_to, []).append(one)
    rows: list[Any] = []
    for up_to, some in by_time.items():
        mark(session, endpoint.workspace_id, {_mark_of(vault, endpoint, one) for one in some}, up_to=up_to)
        these = _told_items(vault, endpoint, some)
        if up_to is None:
            rows += take_out(session, vault, endpoint.workspace_id, these)
        else:
            rows += withdraw(session, vault, endpoint.workspace_id, these, up_to=up_to)
    return rows


def _mark_of(vault: Vault, endpoint: Endpoint, one: Erased) -> Mark:
    workspace_id, key = endpoint.workspace_id, one.key.replace("\x00", "")
    if one.kind == "item":
        return "item", item_mark(vault, workspace_id, endpoint.source, f"id:{key}")
    if one.kind == "conversation":
        return "conversation", conversation_mark(vault, workspace_id, endpoint.source, key)
    return "respondent", _person_hash(vault, workspace_id, key, _scope(key, endpoint.source))


def _told_items(vault: Vault, endpoint: Endpoint, told: Sequence[Erased]) -> ColumnElement[bool]:
    keys: dict[str, list[str]] = {"item": [], "conversation": [], "respondent": [], "anywhere": []}
    for one in told:
        key = one.key.replace("\x00", "")
        if one.kind == "respondent":
            pseudonym = vault.pseudonym(endpoint.workspace_id, key)
            keys["anywhere" if _scope(key, endpoint.source) is None else "respondent"].append(pseudonym)
        else:
            keys[one.kind].append(f"id:{key}" if one.kind == "item" else key)
    here = col(FeedbackItem.source) == endpoint.source
    found: list[ColumnElement[bool]] = []
    if keys["item"]:
        found.append(here & col(FeedbackItem.identity).in_(keys["item"]))
    if keys["conversation"]:
        found.append(here & col(FeedbackItem.conversation_id).in_(keys["conversation"]))
    if keys["respondent"]:
        found.append(here & people.told_of(keys["respondent"]))
    if keys["anywhere"]:
        found.append(people.told_of(keys["anywhere"]))
    return or_(*found)


def erase(work: Work, jobs: Sequence[queue.ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "erase": latecomers, and everything else that names what a sender has erased."""
    for job in jobs:
        with work.database.read() as session:
            endpoint = session.get(Endpoint, job.payload["endpoint_id"])
        told = [Erased(*parts) for parts in json.loads(work.vault.decrypt(job.payload["told"]))]
        ids, since = set(job.payload["items"]), job.payload["since"]
        until = job.payload.get("until") or now().isoformat()
        if endpoint is not None:
            for one in told:
                if one.kind == "respondent":
                    erase_person(
                        work.database,
                        work.settings,
                        work.vault,
                        workspace_id=job.workspace_id,
                        respondent=one.key,
                        source=_scope(one.key, endpoint.source),
                    )
                    yield
            with work.database.write() as session:
                queue.hold(session, job)
                rows = _take_told(session, work.vault, endpoint, told)
            first = min(
                [row.received_at for row in rows] + ([datetime.fromisoformat(since)] if since else []),
                default=None,
            )
            latest = now() if rows else datetime.fromisoformat(until)
            ids |= {str(row.id) for row in rows}
            yield
            found = traces.Found()
            if first is not None:
                found.deliveries = traces.deliveries_of_items(
                    work.database, endpoint=endpoint, public_ids=ids, since=first, until=latest
                )
            with work.database.write() as session:
                queue.hold(session, job)
                traces.blank(session, job.workspace_id, found)
                queue.finish(session, job)
        else:
            with work.database.write() as session:
                queue.hold(session, job)
                queue.finish(session, job)


def audit(
    session: Session, workspace_id: int, actor: str, action: str, target: str, detail: dict[str, Any]
) -> None:
    """Note who took what out; never the thing itself."""
    session.add(AuditEvent(workspace_id=workspace_id, actor=actor, action=action, target=target, detail=detail))
