"""What a sender merged is one person here as well: said before the merge or after it, whatever comes first.

A merge speaks for its own source only. Where the survivor was erased, the other one goes too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest import people
from service.ingest.erasure import LATECOMER_SECONDS, erase_told
from service.ingest.identity import person_mark, respondent_mark
from service.ingest.incoming import CannotParse, Erased, Merged
from service.store import queue, rollups
from service.store.columns import now
from service.store.queue import Priority
from service.store.schema import Delivery, Endpoint, ErasureMark, FeedbackItem, MergedPerson
from service.work import Work

PAGE = 500  # items moved at once
MAX_MERGES = 1000  # told by one delivery; senders tell of a handful


def merge_told(
    session: Session, vault: Vault, *, endpoint: Endpoint, delivery: Delivery, told: Sequence[Merged]
) -> int:
    """Make one person of those whom a delivery tells to be one, in its transaction; how many merges it told.

    What was being stored meanwhile is looked for by a job. CannotParse for more than any sender tells at once.
    """
    told = [one for one in dict.fromkeys(told) if _is_merge(one)]
    if not told:
        return 0
    if len(told) > MAX_MERGES:
        raise CannotParse(f"it tells of more than {MAX_MERGES} merged people at once")
    _merge(session, vault, endpoint=endpoint, delivery=delivery, told=told)
    queue.enqueue(
        session,
        workspace_id=endpoint.workspace_id,
        kind="merge",
        payload={
            "endpoint_id": endpoint.id,
            "delivery_id": delivery.id,
            # a job's payload can be read by whoever runs the installation: not who is whom
            "told": vault.encrypt(json.dumps([[one.gone, one.survivor] for one in told])),
        },
        priority=Priority.UPKEEP,
        delay_seconds=LATECOMER_SECONDS,
    )
    return len(told)


def _is_merge(one: Merged) -> bool:
    return bool(one.gone.strip()) and bool(one.survivor.strip()) and one.gone != one.survivor


def merge(work: Work, jobs: Sequence[queue.ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "merge": items that were being stored while their person was merged."""
    for job in jobs:
        told = [Merged(*pair) for pair in json.loads(work.vault.decrypt(job.payload["told"]))]
        with work.database.write() as session:
            queue.hold(session, job)
            endpoint = session.get(Endpoint, job.payload["endpoint_id"])
            delivery = session.get(Delivery, job.payload["delivery_id"])
            if endpoint is not None and delivery is not None:
                _merge(session, work.vault, endpoint=endpoint, delivery=delivery, told=told)
            queue.finish(session, job)
        yield


def _merge(
    session: Session, vault: Vault, *, endpoint: Endpoint, delivery: Delivery, told: Sequence[Merged]
) -> None:
    """Write the merges down and move what is stored; calling it again is harmless."""
    erased = _erased(session, vault, endpoint, {name for one in told for name in (one.gone, one.survivor)})
    # in a chain of merges that come together each may lead to the one that was erased
    while more := {one.gone for one in told if one.survivor in erased} - erased:
        erased |= more
        named = [Erased("respondent", name) for name in sorted(more)]
        erase_told(session, vault, endpoint=endpoint, delivery=delivery, told=named)
    open_ones = [one for one in told if one.gone not in erased]
    _write(session, vault, endpoint, open_ones)
    _move(session, vault, endpoint, {vault.pseudonym(endpoint.workspace_id, one.gone) for one in open_ones})


def _erased(session: Session, vault: Vault, endpoint: Endpoint, names: Collection[str]) -> set[str]:
    """Who among these was erased: nothing but their mark may be kept of them."""
    workspace_id = endpoint.workspace_id
    marks = {
        key_hash: name
        for name in names
        for key_hash in (
            respondent_mark(vault, workspace_id, name),
            person_mark(vault, workspace_id, endpoint.source, name),
        )
    }
    found = session.execute(
        select(col(ErasureMark.key_hash)).where(
            col(ErasureMark.workspace_id) == workspace_id,
            col(ErasureMark.kind) == "respondent",
            col(ErasureMark.key_hash).in_(sorted(marks)),
        )
    ).scalars()
    return {marks[key_hash] for key_hash in found}


def _write(session: Session, vault: Vault, endpoint: Endpoint, told: Sequence[Merged]) -> None:
    if not told:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    rows = [
        {
            "workspace_id": endpoint.workspace_id,
            "source": endpoint.source,
            "gone": vault.pseudonym(endpoint.workspace_id, one.gone),
            "survivor": vault.pseudonym(endpoint.workspace_id, one.survivor),
            "gone_key": vault.encrypt(one.gone),
            "created_at": now(),
        }
        for one in sorted(told, key=lambda one: (one.gone, one.survivor))
    ]
    session.execute(dialect.insert(MergedPerson).on_conflict_do_nothing(), rows)


def _move(session: Session, vault: Vault, endpoint: Endpoint, gone: Collection[str]) -> None:
    """Give the items of these people, and of all who were merged into them, whom the ways lead to now."""
    if not gone:
        return
    workspace_id, source = endpoint.workspace_id, endpoint.source
    below = people.merged_into(session, vault, workspace_id, gone, source=source)
    moved = {(source, name) for name in gone} | below.keys()
    today = people.survivors(session, workspace_id, moved)
    for person in sorted(moved):
        told, (_, survivor) = person[1], today.get(person, person)
        theirs = (
            col(FeedbackItem.workspace_id) == workspace_id,
            col(FeedbackItem.source) == source,
            people.told_of([told]),
            col(FeedbackItem.respondent) != survivor,
        )
        held = select(col(FeedbackItem.id)).where(*theirs).order_by(col(FeedbackItem.id)).with_for_update()
        ids = list(session.execute(held).scalars())
        for start in range(0, len(ids), PAGE):
            some = ids[start : start + PAGE]
            before = rollups.snapshot(session, workspace_id, some)
            session.execute(
                update(FeedbackItem)
                .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.id).in_(some))
                .values(respondent=survivor, respondent_told=None if survivor == told else told)
                .execution_options(synchronize_session=False)
            )
            after = rollups.snapshot(session, workspace_id, some)
            rollups.apply(session, workspace_id, before=before, after=after)
