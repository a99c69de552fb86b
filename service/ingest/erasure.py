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
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest import traces
from service.ingest.identity import conversation_mark, item_mark, person_mark, respondent_mark
from service.ingest.incoming import Erased
from service.settings import Settings
from service.store import queue, rollups
from service.store.columns import now
from service.store.engine import Database
from service.store.learned import ask_retrain
from service.store.meaning_blocks import forget_vectors
from service.store.queue import Priority
from service.store.schema import AuditEvent, Delivery, Endpoint, ErasureMark, FeedbackItem
from service.store.theme_upkeep import forget_words
from service.work import Work

PAGE = 500  # items deleted at once
# a call that was under way while its item was erased has stored it by then; the job looks once more
LATECOMER_SECONDS = 15.0

Mark = tuple[str, str]  # kind, key_hash


def mark(session: Session, workspace_id: int, marks: Collection[Mark]) -> None:
    """Keep what these keyed hashes stand for from coming back."""
    if not marks:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    moment = now()
    rows = [
        {"workspace_id": workspace_id, "kind": kind, "key_hash": key_hash, "created_at": moment}
        for kind, key_hash in sorted(marks)
    ]
    new = dialect.insert(ErasureMark)
    # a second erasure renews the mark: spooled deliveries are told by its time to have come before
    renewed = new.on_conflict_do_update(
        index_elements=["workspace_id", "kind", "key_hash"], set_={"created_at": new.excluded.created_at}
    )
    session.execute(renewed, rows)


def delete_items(session: Session, workspace_id: int, ids: Sequence[int]) -> None:
    """Delete items (versions, segments, classifications and corrections go with them) and uncount them.

    What was learnt from them is learnt anew without them.
    """
    if ids:
        ask_retrain(session, workspace_id, because="erasure")
    for start in range(0, len(ids), PAGE):
        some = ids[start : start + PAGE]
        before = rollups.snapshot(session, workspace_id, some)
        forget_words(session, workspace_id, some)
        forget_vectors(session, workspace_id, some)
        session.execute(
            delete(FeedbackItem)
            .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.id).in_(some))
            .execution_options(synchronize_session=False)
        )
        rollups.apply(session, workspace_id, before=before, after=[])


def _items_where(session: Session, workspace_id: int, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    """What has to be known of the items that go, in the order of their ids and locked."""
    return session.execute(
        select(
            col(FeedbackItem.id),
            col(FeedbackItem.source),
            col(FeedbackItem.identity),
            col(FeedbackItem.delivery_id),
            col(FeedbackItem.received_at),
        )
        .where(col(FeedbackItem.workspace_id) == workspace_id, *conditions)
        .order_by(col(FeedbackItem.id))
        .with_for_update()
    ).all()


def _take_out(
    session: Session, vault: Vault, workspace_id: int, *conditions: ColumnElement[bool]
) -> Sequence[Any]:
    """Delete the items that fit, and mark each: a part of it that comes later need not say whose it is."""
    rows = _items_where(session, workspace_id, *conditions)
    mark(session, workspace_id, _item_marks(vault, workspace_id, [(row.source, row.identity) for row in rows]))
    delete_items(session, workspace_id, [row.id for row in rows])
    return rows


def _item_marks(vault: Vault, workspace_id: int, keys: Collection[tuple[str, str]]) -> set[Mark]:
    # only what the sender gave an id can be told again in parts
    return {("item", item_mark(vault, workspace_id, *key)) for key in keys if key[1].startswith("id:")}


def keep_away(session: Session, vault: Vault, workspace_id: int, keys: Collection[tuple[str, str]]) -> None:
    """Items (source, identity) that were told to be of an erased person or conversation: gone, in all their parts.

    A part that did not say whose it is may have been stored before.
    """
    for source in sorted({source for source, _ in keys}):
        identities = sorted({identity for own, identity in keys if own == source})
        _take_out(
            session,
            vault,
            workspace_id,
            col(FeedbackItem.source) == source,
            col(FeedbackItem.identity).in_(identities),
        )
    mark(session, workspace_id, _item_marks(vault, workspace_id, keys))


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

    `source`: only what this one brought. `actor` is noted in the audit log. The mark is committed first, so that
    nothing of them comes in while the rest is looked for; that is done by reading, and everything found goes in
    one transaction. Calling it again is harmless.
    """
    pseudonym = vault.pseudonym(workspace_id, respondent)
    with database.write() as session:
        mark(session, workspace_id, {("respondent", _person_hash(vault, workspace_id, respondent, source))})
    found = traces.of_person(
        database, workspace_id=workspace_id, respondent=respondent, pseudonym=pseudonym, source=source
    )
    with database.write() as session:
        # again, now held: some may have come in while we looked
        theirs = [col(FeedbackItem.respondent) == pseudonym]
        if source is not None:
            theirs.append(col(FeedbackItem.source) == source)
        rows = _take_out(session, vault, workspace_id, *theirs)
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
    """Erase what a sender says is gone, in the transaction of its delivery; how many of these it told.

    Marks and items at once; what else names them is looked for by a job. The delivery keeps no content where it
    names a person.
    """
    told = [one for one in dict.fromkeys(told) if one.key.strip()]
    if not told:
        return 0
    workspace_id = endpoint.workspace_id
    mark(session, workspace_id, {_mark_of(vault, endpoint, one) for one in told})
    rows = _take_out(session, vault, workspace_id, _told_items(vault, endpoint, told))
    since = min((row.received_at for row in rows), default=None)
    queue.enqueue(
        session,
        workspace_id=workspace_id,
        kind="erase",
        payload={
            "endpoint_id": endpoint.id,
            # a job's payload can be read by whoever runs the installation: not who was erased
            "told": vault.encrypt(json.dumps([[one.kind, one.key] for one in told])),
            "items": [str(row.id) for row in rows],
            "since": since.isoformat() if since is not None else None,
        },
        priority=Priority.UPKEEP,
        delay_seconds=LATECOMER_SECONDS,
    )
    kinds = {kind: sum(one.kind == kind for one in told) for kind in sorted({one.kind for one in told})}
    detail = {"items": len(rows), "told": kinds}
    audit(session, workspace_id, f"sender:{endpoint.name}", "feedback.erase", f"delivery:{delivery.id}", detail)
    return len(told)


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
        found.append(here & col(FeedbackItem.respondent).in_(keys["respondent"]))
    if keys["anywhere"]:
        found.append(col(FeedbackItem.respondent).in_(keys["anywhere"]))
    return or_(*found)


def erase(work: Work, jobs: Sequence[queue.ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "erase": latecomers, and everything else that names what a sender has erased."""
    for job in jobs:
        with work.database.read() as session:
            endpoint = session.get(Endpoint, job.payload["endpoint_id"])
        told = [Erased(*pair) for pair in json.loads(work.vault.decrypt(job.payload["told"]))]
        ids, since = set(job.payload["items"]), job.payload["since"]
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
                rows = _take_out(session, work.vault, job.workspace_id, _told_items(work.vault, endpoint, told))
            ids |= {str(row.id) for row in rows}
            first = min(
                [row.received_at for row in rows] + ([datetime.fromisoformat(since)] if since else []),
                default=None,
            )
            yield
            found = traces.Found()
            if first is not None:
                found.deliveries = traces.deliveries_of_items(
                    work.database, endpoint=endpoint, public_ids=ids, since=first
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
