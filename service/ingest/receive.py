"""The one way in: items of an API call, a delivery or a file slice become rows, in the caller's transaction.

A fixed number of statements for any number of items: what exists is read in one SELECT, the items are folded
onto it in memory in their order, and what came out is written in bulk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest import people
from service.ingest.fold import Draft, Status, new_draft, redacted, sent_columns, stored_draft
from service.ingest.identity import identities
from service.ingest.incoming import IncomingItem, Whole
from service.ingest.kept_out import kept_out
from service.ingest.removal import delete_items
from service.ingest.taken_back import Key, ToldWhole, one_at_a_time, taken_back, told_whole
from service.store import bulk, queue, rollups
from service.store.columns import now
from service.store.queue import Priority
from service.store.schema import ErasureMark, FeedbackItem, ItemVersion, MergedPerson
from service.store.shown import delete_segments

MAX_ATTEMPTS = 20
JOB_ITEMS = 500  # tagged by one job: what is more urgent waits for its end

TABLE = FeedbackItem.__table__  # type: ignore[attr-defined]
# in the usual case nobody was ever erased or merged, and nothing has to be hashed or looked for
_EVER = select(
    select(col(ErasureMark.id)).where(col(ErasureMark.workspace_id) == bindparam("workspace_id")).exists(),
    select(col(MergedPerson.id)).where(col(MergedPerson.workspace_id) == bindparam("workspace_id")).exists(),
)
VERSIONS = ItemVersion.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one incoming item."""

    status: Literal["accepted", "updated", "duplicate"]
    item_id: int | None  # None: nothing is stored, because the person or item was erased, or it came late
    needs_tagging: bool = False  # the job of this call tags it; true once per item, so that counts add up
    late: bool = False  # the answer was taken back since


@dataclass(frozen=True, slots=True)
class Part:
    """Items that came together: of a delivery, a call or a file's slice."""

    items: Sequence[IncomingItem]
    source_default: str
    default_channel: str
    delivery_id: int | None
    received_at: datetime
    row_numbers: Sequence[int] | None = None
    whole: Sequence[Whole] = ()  # survey responses that it tells whole, each once in all parts
    sent: Sequence[dict[str, Any]] | None = None  # `sent_columns` of the items, where that is done already


def receive(
    session: Session,
    vault: Vault,
    *,
    workspace_id: int,
    source_default: str,
    items: Sequence[IncomingItem],
    priority: Priority,
    default_channel: str = "other",
    delivery_id: int | None = None,
    import_id: int | None = None,
    received_at: datetime | None = None,
    file_sha256: str | None = None,
    row_numbers: Sequence[int] | None = None,
    equal_before: Mapping[str, int] | None = None,
    enqueue: bool = True,
    replayed: bool = False,
    redact: bool = False,
    whole: Sequence[Whole] = (),
    sent: Sequence[dict[str, Any]] | None = None,
    meanwhile: Callable[[], bool] | None = None,
) -> list[Outcome]:
    """Store items and the job that tags them; one Outcome per item, in order.

    `delivery_id` or `import_id` is where they came from; `default_channel` is that of new items that name none.
    For a file, `file_sha256` and `row_numbers` name rows that nothing else identifies, and `equal_before` says how
    often each `identity.content_key` stood in its earlier slices, so that a repeated or resumed file doubles
    nothing. `replayed`: a stored delivery is taken again, later arrivals stay. `redact` (the setting
    REDACT_STORED): texts are stored without what is personal; what identifies an item is still made from what was
    sent. `whole`: survey responses of which items that are stored and not among these were taken back. Rollups
    move with it.
    `sent`: what `sent_columns` makes of each item, where the caller has had the time to ask.
    `meanwhile`: what the caller has to do beside it, see `bulk.insert_with_ids`.
    """
    if not items and not whole:
        return []
    part = Part(
        items=items,
        source_default=source_default,
        default_channel=default_channel,
        delivery_id=delivery_id,
        received_at=received_at or now(),
        row_numbers=row_numbers,
        whole=whole,
        sent=sent,
    )
    [outcomes] = receive_parts(
        session,
        vault,
        workspace_id=workspace_id,
        parts=[part],
        priority=priority,
        import_id=import_id,
        file_sha256=file_sha256,
        equal_before=equal_before,
        enqueue=enqueue,
        replayed=replayed,
        redact=redact,
        meanwhile=meanwhile,
    )
    return outcomes


def receive_parts(
    session: Session,
    vault: Vault,
    *,
    workspace_id: int,
    parts: Sequence[Part],
    priority: Priority,
    import_id: int | None = None,
    file_sha256: str | None = None,
    equal_before: Mapping[str, int] | None = None,
    enqueue: bool = True,
    replayed: bool = False,
    redact: bool = False,
    meanwhile: Callable[[], bool] | None = None,
) -> list[list[Outcome]]:
    """`receive` for several deliveries of one workspace, in their order, in as many statements as for one."""
    keys = [
        key
        for part in parts
        for key in identities(
            vault,
            workspace_id=workspace_id,
            source_default=part.source_default,
            items=part.items,
            once=_places(
                len(part.items),
                delivery_id=part.delivery_id,
                file_sha256=file_sha256,
                row_numbers=part.row_numbers,
            ),
            equal_before=equal_before,
        )
    ]
    told = [
        one
        for part in parts
        for one in told_whole(part.whole, source=part.source_default, delivery_id=part.delivery_id)
    ]
    if not keys and not told:
        return [[] for _ in parts]
    items = [item for part in parts for item in part.items]
    erased_ever, merged_ever = session.execute(_EVER, {"workspace_id": workspace_id}).one()
    erased = [False] * len(keys)
    if erased_ever:
        erased = kept_out(session, vault, workspace_id=workspace_id, keys=keys, items=items)
    for _ in range(MAX_ATTEMPTS):
        savepoint = session.begin_nested()
        one_at_a_time(session, vault, workspace_id, told)
        drafts = _existing(
            session, workspace_id, {key for key, gone in zip(keys, erased, strict=True) if not gone}
        )
        gone, late = _taken_back(session, vault, workspace_id, told, replayed=replayed)
        stay_out = [is_erased or key in late for key, is_erased in zip(keys, erased, strict=True)]
        statuses: list[Status | None] = []
        for part in parts:
            own = slice(len(statuses), len(statuses) + len(part.items))
            statuses += _fold(
                drafts,
                vault,
                workspace_id=workspace_id,
                keys=keys[own],
                items=part.items,
                sent=part.sent,
                stay_out=stay_out[own],
                moment=part.received_at,
                origin={"delivery_id": part.delivery_id, "import_id": import_id},
                default_channel=part.default_channel,
                replayed=replayed,
                redact=redact,
            )
        if merged_ever:
            _join_people(session, workspace_id, drafts)
        if _insert_new(session, drafts, meanwhile):
            break
        # someone stored one of these a moment ago: let go of every lock, then look again
        savepoint.rollback()
    else:
        raise RuntimeError("the same items were stored and deleted again and again meanwhile")
    _write_changes(session, workspace_id, drafts, parts[-1].received_at, redact=redact)
    delete_items(session, workspace_id, gone)
    savepoint.commit()

    to_tag = {
        draft.id
        for draft in drafts.values()
        if draft.reread and draft.columns["text"] is not None and draft.id is not None
    }
    waiting = sorted(to_tag) if enqueue else []
    for start in range(0, len(waiting), JOB_ITEMS):
        queue.enqueue(
            session,
            workspace_id=workspace_id,
            kind="classify",
            payload={"items": waiting[start : start + JOB_ITEMS], "import_id": import_id},
            priority=priority,
        )
    outcomes = []
    for key, status, is_erased in zip(keys, statuses, erased, strict=True):
        draft = drafts.get(key)
        item_id = draft.id if draft is not None and status is not None else None
        tag = status in ("accepted", "updated") and item_id in to_tag
        to_tag -= {item_id} if tag else set()
        outcomes.append(Outcome(status or "duplicate", item_id, tag, late=key in late and not is_erased))
    rest = iter(outcomes)
    return [list(islice(rest, len(part.items))) for part in parts]


def _taken_back(
    session: Session, vault: Vault, workspace_id: int, told: Sequence[ToldWhole], *, replayed: bool
) -> tuple[list[int], set[Key]]:
    if not told:
        return [], set()  # the usual case: few senders tell whole responses
    return taken_back(session, vault, workspace_id, told, replayed=replayed)


def _places(
    count: int, *, delivery_id: int | None, file_sha256: str | None, row_numbers: Sequence[int] | None
) -> list[str] | None:
    """Each item's place in the file or delivery it came in; None where a call has no name of its own."""
    rows = list(row_numbers) if row_numbers is not None else list(range(count))
    if len(rows) != count:
        raise ValueError(f"{len(rows)} row numbers for {count} items")
    if file_sha256 is not None:
        return [f"file:{file_sha256}:{row}" for row in rows]
    if delivery_id is not None:
        return [f"delivery:{delivery_id}:{row}" for row in rows]
    return None


def _existing(session: Session, workspace_id: int, keys: set[Key]) -> dict[Key, Draft]:
    """The stored items of these keys, locked in the order of their ids: two callers can't lock crosswise."""
    if not keys:
        return {}
    ids = bulk.ids_of_items(session, workspace_id, keys)
    if not ids:
        return {}
    rows = session.execute(
        select(TABLE)
        .where(TABLE.c.workspace_id == workspace_id, TABLE.c.id.in_(ids))
        .order_by(TABLE.c.id)
        .with_for_update()
    ).mappings()
    return {(row["source"], row["identity"]): stored_draft(dict(row)) for row in rows}


def _fold(
    drafts: dict[Key, Draft],
    vault: Vault,
    *,
    workspace_id: int,
    keys: Sequence[Key],
    items: Sequence[IncomingItem],
    sent: Sequence[dict[str, Any]] | None,
    stay_out: Sequence[bool],
    moment: datetime,
    origin: dict[str, Any],
    default_channel: str,
    replayed: bool,
    redact: bool,
) -> list[Status | None]:
    """Apply the items to the drafts in their order; the status of each, None for those kept out."""
    statuses: list[Status | None] = []
    for place, (key, item, is_out) in enumerate(zip(keys, items, stay_out, strict=True)):
        if is_out:
            statuses.append(None)
            continue
        own = sent[place] if sent is not None else sent_columns(item, vault, workspace_id, redact=redact)
        draft = drafts.get(key)
        if draft is None:
            drafts[key] = new_draft(
                own,
                workspace_id=workspace_id,
                source=key[0],
                identity=key[1],
                received_at=moment,
                origin=origin,
                default_channel=default_channel,
            )
            statuses.append("accepted")
        else:
            statuses.append(draft.apply(own, origin=origin, replayed=replayed))
    return statuses


def _join_people(session: Session, workspace_id: int, drafts: Mapping[Key, Draft]) -> None:
    """Who the respondents of what is written are today: the sender may have merged them into others."""
    written = [(key[0], draft.columns) for key, draft in drafts.items() if draft.touched]
    told = {(source, columns["respondent"]) for source, columns in written if columns["respondent"] is not None}
    today = people.survivors(session, workspace_id, told) if told else {}
    for source, columns in written:
        name = columns["respondent"]
        _, survivor = today.get((source, name), (source, name))
        columns.update(respondent=survivor, respondent_told=None if survivor == name else name)


def _insert_new(session: Session, drafts: dict[Key, Draft], meanwhile: Callable[[], bool] | None) -> bool:
    """Insert the new drafts and give them their ids; False if another transaction stored one of them meanwhile."""
    # in key order: two callers with the same rows wait for each other instead of deadlocking
    new = [drafts[key] for key in sorted(key for key, draft in drafts.items() if draft.id is None)]
    ids = bulk.insert_with_ids(session, TABLE, [draft.columns for draft in new], meanwhile=meanwhile)
    if ids is None:
        return False
    for draft, new_id in zip(new, ids, strict=True):
        draft.id = new_id
    return True


def _write_changes(
    session: Session, workspace_id: int, drafts: dict[Key, Draft], moment: datetime, *, redact: bool
) -> None:
    """Write what the fold changed on stored items, their history, and the rollups of all."""
    stored = [draft for draft in drafts.values() if not draft.is_new and draft.touched]
    counted = [draft.id for draft in stored if draft.counted and draft.id is not None]
    before = rollups.snapshot(session, workspace_id, counted) if counted else []
    if stored:
        session.execute(update(FeedbackItem), [{**draft.columns, "id": draft.id} for draft in stored])
    reread = [draft.id for draft in stored if draft.reread and draft.id is not None]
    if reread:
        # their offsets belong to the text that is gone
        delete_segments(session, workspace_id, reread)
    history = [
        {
            "workspace_id": workspace_id,
            "item_id": draft.id,
            "text_version": version,
            # it may have been stored before the setting was turned on
            "text": redacted(text) if redact else text,
            "replaced_at": moment,
        }
        for draft in drafts.values()
        for version, text in draft.history
    ]
    if history:
        session.execute(insert(VERSIONS), history)
    new = [(draft.id, draft.columns) for draft in drafts.values() if draft.is_new and draft.id is not None]
    if counted or new:
        added = rollups.snapshot_new(session, workspace_id, new)
        after = [*rollups.snapshot(session, workspace_id, counted), *added]
        rollups.apply(session, workspace_id, before=before, after=after)
