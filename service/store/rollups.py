"""The counted side of the store and its one writer.

Rollups are a log of records in columns. A change appends one block: the records before it with weight -1, those
after it with weight +1. Nothing is read, updated or locked to count, so writers never wait for each other;
compaction merges small blocks and lets opposite records cancel. `rollup_frame` reads them.

Everything that changes what is counted does, inside its own transaction:
    before = snapshot(session, workspace_id, ids)
    …change rows, flush…
    apply(session, workspace_id, before=before, after=snapshot(session, workspace_id, ids))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete, func, insert, select, text, update
from sqlmodel import Session, col

from service.store import queue
from service.store.columns import now
from service.store.queue import ClaimedJob, Priority
from service.store.rollup_blocks import (
    Block,
    BlockError,
    concatenate,
    encode_records,
    from_bytes,
    surviving,
    take,
    to_bytes,
)
from service.store.rollup_records import EPOCH_ORDINAL, ItemRecord, new_record, read_records, zone_of
from service.store.schema import FeedbackItem, RollupBlock, Workspace
from service.work import Work

Snapshot = Sequence[ItemRecord]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

FAN_IN = 32  # blocks of one size class that are merged at once
MAX_RECORDS = 65_536  # of a block
MAX_LEAVES = 8_192  # appended blocks that a merged one remembers
ASK_EVERY = 16  # one block in so many asks for compaction
ASKING, MERGING = 0x726F6C6C, 0x726F6C6D  # names of advisory locks
# made once, of the table: every change of an item writes one
_NEW_BLOCK = insert(RollupBlock.__table__).returning(RollupBlock.__table__.c.id)  # type: ignore[attr-defined]
RECOUNT_ITEMS = 5_000  # items read at once by verify and rebuild


def snapshot(session: Session, workspace_id: int, item_ids: Sequence[int]) -> Snapshot:
    """What is to be counted of these items as they stand now (missing ones count nothing).

    The rows of the items are locked until the transaction ends.
    """
    if not item_ids:
        return []
    return read_records(session, workspace_id, item_ids, zone=zone_of(session, workspace_id))


def snapshot_new(session: Session, workspace_id: int, items: Sequence[tuple[int, Mapping[str, Any]]]) -> Snapshot:
    """`snapshot` of items that this transaction stored just now (id and columns): they need not be read again."""
    if not items:
        return []
    zone = zone_of(session, workspace_id)
    return [new_record(item_id, columns, zone) for item_id, columns in items]


def apply(session: Session, workspace_id: int, *, before: Snapshot, after: Snapshot) -> None:
    """Count the change from `before` to `after`, in the transaction of its cause; one record an item in each."""
    removed, added = before, after
    if before:
        stood = {record.item_id: record for record in before}
        # equality looks at the first fields that differ, a hash at all of them
        unchanged = {record.item_id for record in after if stood.get(record.item_id) == record}
        removed = [record for record in before if record.item_id not in unchanged]
        added = [record for record in after if record.item_id not in unchanged]
    if not removed and not added:
        return
    made = _append(session, workspace_id, encode_records(added, removed))
    if (made * 2_654_435_761 >> 16) % ASK_EVERY == 0:
        _ask_for_compaction(session, workspace_id)


def _append(session: Session, workspace_id: int, block: Block, *, level: int = 0) -> int:
    days = block.columns["day"]
    first, last = (int(days.min()), int(days.max())) if len(days) else (0, 0)
    return int(
        session.execute(
            _NEW_BLOCK,
            {
                "workspace_id": workspace_id,
                "level": level,
                "records": len(block),
                "first_day": date.fromordinal(first + EPOCH_ORDINAL),
                "last_day": date.fromordinal(last + EPOCH_ORDINAL),
                "payload": to_bytes(block),
                "created_at": now(),
            },
        ).scalar_one()
    )


def _ask_for_compaction(session: Session, workspace_id: int) -> None:
    # two transactions that write the same de-duplication key wait for each other; the second just leaves it
    if not _only_one(session, ASKING, workspace_id, wait=False):
        return
    queue.enqueue(
        session,
        workspace_id=workspace_id,
        kind="compact",
        payload={},
        priority=Priority.UPKEEP,
        dedupe_key=f"compact:{workspace_id}",
    )


def _only_one(session: Session, what: int, workspace_id: int, *, wait: bool) -> bool:
    """Whether no other transaction does `what` in the workspace until this one ends (SQLite has one writer)."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    key = {"what": what, "workspace": workspace_id % 2**31}
    if wait:
        session.execute(text("SELECT pg_advisory_xact_lock(:what, :workspace)"), key)
        return True
    return bool(session.execute(text("SELECT pg_try_advisory_xact_lock(:what, :workspace)"), key).scalar_one())


# --- compaction


def leaf_of(block_id: int, created_at_us: int) -> int:
    """What tells an appended block from every other, also after its row's id was used again."""
    return (created_at_us * 1_000_003 + block_id) % 2**63


def size_class(records: int) -> int:
    """Blocks of one class are merged with each other, so that a record is rewritten once a class at most."""
    return max(records, 1).bit_length() // 5  # classes begin at 1, 16, 512 and 16,384 records


def compact(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Stage function: merge the small blocks of the jobs' workspaces, one merge a transaction.

    With {"full": true} in the payload everything is merged, so that nothing of a deleted item is left.
    """
    for job in jobs:
        full = bool(job.payload.get("full"))
        again = True
        while again:
            merged = None
            if not full:
                with work.database.read() as session:
                    full = _mostly_dead(session, job.workspace_id)
                    merged = None if full else _merged(session, job.workspace_id, full=False)
            with work.database.write() as session:
                queue.hold(session, job)
                if full:
                    merge(session, job.workspace_id, full=True)
                again = merged is not None and _put(session, job.workspace_id, merged)
                if not again:
                    queue.finish(session, job)
            yield


def merge(session: Session, workspace_id: int, *, full: bool = False) -> bool:
    """Merge one group of blocks of similar size; False when no group is due.

    Safe beside appends, readers and a second merge: a full one waits for the other to end, so that it leaves
    nothing out; any other leaves the workspace to the one that is at it.
    """
    if not _only_one(session, MERGING, workspace_id, wait=full):
        return False
    zone_of(session, workspace_id)  # a rebuild waits for this merge, or this merge for the rebuild
    merged = _merged(session, workspace_id, full=full)
    return merged is not None and _put(session, workspace_id, merged)


@dataclass(frozen=True, slots=True)
class _Merged:
    """What comes in the place of some blocks."""

    of: dict[int, datetime]
    """These blocks, and when each was made."""
    parts: list[Block]
    level: int


def _merged(session: Session, workspace_id: int, *, full: bool) -> _Merged | None:
    """One group of blocks of similar size, or all of them, as they are together; None when no group is due.

    Takes no lock: blocks never change, and `_put` sees whether they are still there.
    """
    chosen = _blocks_to_merge(session, workspace_id, full=full)
    if not chosen:
        return None
    rows = session.execute(
        select(col(RollupBlock.id), col(RollupBlock.level), col(RollupBlock.created_at), col(RollupBlock.payload))
        .where(col(RollupBlock.workspace_id) == workspace_id, col(RollupBlock.id).in_(chosen))
        .order_by(col(RollupBlock.id))
    ).all()
    if len(rows) < len(chosen):
        return None  # another merge took them between the two statements
    blocks = [from_bytes(row.payload) for row in rows]
    leaves: set[int] = set()
    for row, block in zip(rows, blocks, strict=True):
        leaves |= set(block.leaves) or {leaf_of(row.id, microseconds(row.created_at))}
    joined = concatenate(blocks)
    kept = surviving(joined.columns["digest"], joined.columns["weight"])
    kept = kept[np.argsort(joined.columns["day"][kept], kind="stable")]
    if len(leaves) > MAX_LEAVES:
        leaves = set()  # the block stands for itself: readers start anew once
    # an empty result is written too: it tells readers what became of the merged ones
    parts = []
    for start in range(0, max(len(kept), 1), MAX_RECORDS):
        part = take(joined, kept[start : start + MAX_RECORDS])
        parts.append(Block(part.columns, part.words, tuple(sorted(leaves))))
    level = max(row.level for row in rows) + 1
    return _Merged({row.id: row.created_at for row in rows}, parts, level)


def _put(session: Session, workspace_id: int, merged: _Merged) -> bool:
    """Blocks make place for what they are together; False where another has merged or made them anew meanwhile.

    A transaction without `merge`'s locks takes them here.
    """
    if not _only_one(session, MERGING, workspace_id, wait=False):
        return False
    zone_of(session, workspace_id)
    there = session.execute(
        select(col(RollupBlock.id), col(RollupBlock.created_at)).where(
            col(RollupBlock.workspace_id) == workspace_id, col(RollupBlock.id).in_(merged.of)
        )
    ).all()
    if {row.id: row.created_at for row in there} != merged.of:
        return False
    for part in merged.parts:
        _append(session, workspace_id, part, level=merged.level)
    session.execute(delete(RollupBlock).where(col(RollupBlock.id).in_(merged.of)))
    return True


def _blocks_to_merge(session: Session, workspace_id: int, *, full: bool) -> list[int]:
    rows = session.execute(
        select(col(RollupBlock.id), col(RollupBlock.records))
        .where(col(RollupBlock.workspace_id) == workspace_id)
        .order_by(col(RollupBlock.id))
    ).all()
    if full:
        return [row.id for row in rows]
    classes: dict[int, list[tuple[int, int]]] = {}
    for row in rows:
        if row.records < MAX_RECORDS // 2:  # larger ones have their final size
            classes.setdefault(size_class(row.records), []).append((row.id, row.records))
    for _, members in sorted(classes.items()):
        if len(members) < FAN_IN and sum(records for _, records in members) < 2 * MAX_RECORDS:
            continue
        chosen, total = [], 0
        for block_id, records in members[: 16 * FAN_IN]:
            chosen.append(block_id)
            total += records
            if total >= 4 * MAX_RECORDS:
                break
        return chosen
    return []


def _mostly_dead(session: Session, workspace_id: int) -> bool:
    """Whether more than half of the records only cancel each other, as after everything was tagged again."""
    records = session.execute(
        select(func.coalesce(func.sum(col(RollupBlock.records)), 0)).where(
            col(RollupBlock.workspace_id) == workspace_id
        )
    ).scalar_one()
    if records < 2 * MAX_RECORDS:
        return False
    items = session.execute(
        select(func.count()).select_from(FeedbackItem).where(col(FeedbackItem.workspace_id) == workspace_id)
    ).scalar_one()
    return bool(records > 2 * items + MAX_RECORDS)


def microseconds(moment: datetime) -> int:
    """A moment as whole microseconds since 1970, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


# --- recount


def verify(session: Session, workspace_id: int) -> list[str]:
    """Differences between the blocks and a recount of the items, in words; empty when they are equal.

    Needs one moment's view of both: a reading session, or a writing one while nobody else writes.
    """
    found = session.execute(
        select(col(RollupBlock.payload)).where(col(RollupBlock.workspace_id) == workspace_id)
    ).scalars()
    try:
        blocks = [from_bytes(payload) for payload in found]
    except BlockError as error:
        return [str(error)]
    columns = {
        name: np.concatenate([block.columns[name] for block in blocks] or [np.empty(0, np.int64)])
        for name in ("item_id", "digest", "weight")
    }
    kept = surviving(columns["digest"], columns["weight"])
    kept = kept[np.argsort(columns["item_id"][kept], kind="stable")]
    item_ids, digests, weights = (columns[name][kept] for name in ("item_id", "digest", "weight"))
    differences = _told("taken back without having been counted", item_ids[weights < 0].tolist())
    item_ids, digests = item_ids[weights > 0], digests[weights > 0]
    counted = dict(zip(item_ids.tolist(), digests.tolist(), strict=True))
    if len(counted) != len(item_ids):
        differences += _told("counted twice", item_ids[1:][item_ids[1:] == item_ids[:-1]].tolist())
    missing, different = [], []
    for records in _every_record(session, workspace_id):
        for record in records:
            digest = counted.pop(record.item_id, None)
            if digest is None:
                missing.append(record.item_id)
            elif digest != record.digest():
                different.append(record.item_id)
    differences += _told("not counted", missing)
    differences += _told("counted with other values than they have", different)
    differences += _told("counted although they are gone", list(counted))
    return differences


def _told(what: str, item_ids: Sequence[int]) -> list[str]:
    if not len(item_ids):
        return []
    some = ", ".join(str(item_id) for item_id in item_ids[:5])
    return [f"{len(item_ids)} items {what} (such as {some})"]


def _every_record(session: Session, workspace_id: int) -> Iterator[list[ItemRecord]]:
    zone = zone_of(session, workspace_id, lock=False)
    last = 0
    while True:
        ids = (
            session.execute(
                select(col(FeedbackItem.id))
                .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.id) > last)
                .order_by(col(FeedbackItem.id))
                .limit(RECOUNT_ITEMS)
            )
            .scalars()
            .all()
        )
        if not ids:
            return
        last = ids[-1]
        yield read_records(session, workspace_id, ids, zone=zone, lock=False)


def rebuild(session: Session, workspace_id: int) -> None:
    """Count everything anew: for repair, and after a change of the time zone (in its transaction).

    Waits for the writers of the workspace and holds them up until the transaction ends.
    """
    session.execute(select(col(Workspace.id)).where(col(Workspace.id) == workspace_id).with_for_update())
    session.execute(delete(RollupBlock).where(col(RollupBlock.workspace_id) == workspace_id))
    waiting: list[Block] = [
        encode_records([], [])
    ]  # written even if empty: readers see that the old ones are gone
    for records in _every_record(session, workspace_id):
        if sum(map(len, waiting)) + len(records) > MAX_RECORDS:
            _append(session, workspace_id, concatenate(waiting), level=1)
            waiting = []
        waiting.append(encode_records(records, []))
    _append(session, workspace_id, concatenate(waiting), level=1)


def change_timezone(session: Session, workspace_id: int, timezone: str) -> None:
    """Give the workspace another time zone (a valid IANA name) and count everything by its days."""
    # the lock first: a writer that has read the old zone ends before anything is counted anew
    session.execute(select(col(Workspace.id)).where(col(Workspace.id) == workspace_id).with_for_update())
    session.execute(update(Workspace).where(col(Workspace.id) == workspace_id).values(timezone=timezone))
    rebuild(session, workspace_id)
