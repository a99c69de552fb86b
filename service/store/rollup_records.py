"""What is counted of an item: one record, read from its rows the same way on every occasion.

The record of an item depends on its rows and the workspace's time zone alone. That is what lets a change be
counted as "minus the record before, plus the record after", and what lets anyone recount.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import bindparam, func, select
from sqlmodel import Session, col

from service.store.bulk import beside_ids, one_of
from service.store.schema import FeedbackItem, Segment, Workspace

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# why an item stands in no column although it was received; "" means that its stage decides
REASONS = ("", "none", "unsure", "unsupported_language", "meaningless", "no_text", "untagged")
LABEL_FIELDS = ("stage", "emotion", "sentiment", "topic", "touchpoint")
_LABELS = itemgetter(*LABEL_FIELDS)
IDS_PER_STATEMENT = 900  # SQLite's oldest limit of parameters is 999


class ItemRecord(NamedTuple):
    """One item as it is counted. Equal records count the same; None means that nothing was said."""

    item_id: int
    day: int  # since 1970-01-01, in the workspace's time zone, of the item's `at`
    dated: bool  # the sender said when; else `day` is that of arrival and stays out of trends
    respondent: int  # 64 bits; whose answers belong together: the respondent, else the response, else the item
    response: int  # 64 bits; a score belongs to the response and is counted once
    known: bool  # `respondent` stands for a named respondent
    reason: str  # of REASONS
    stage: str | None
    emotion: str | None
    sentiment: str | None
    topic: str | None
    touchpoint: str | None
    channel: str
    source: str
    language: str | None  # as detected, else as declared
    model: str | None
    declared_stage: str | None
    corrected: bool
    chars: int  # length of the text, 0 without one
    score_kind: str | None
    score_value: float | None
    score_min: float | None
    score_max: float | None
    value: float | None  # money
    attributes: tuple[tuple[str, str], ...]  # by name
    segments: tuple[tuple[str, str, str, str, str], ...]  # stage, emotion, sentiment, topic, touchpoint

    def digest(self) -> int:
        """64 bits of the whole record: a record taken back finds the one that was added by it."""
        return int.from_bytes(blake2b(orjson.dumps(tuple(self)), digest_size=8).digest(), "little")

    def labelled(
        self,
        *,
        labels: Mapping[str, str | None],
        unsure_reason: str | None,
        language: str,
        model: str,
        corrected: bool,
        segments: Sequence[Mapping[str, str]],
    ) -> ItemRecord:
        """The record of an item with a text once these labels stand on it, as `read_records` would find it."""
        reason = reason_of(
            state="tagged", unsure_reason=unsure_reason, stage=labels["stage"], corrected=corrected, has_text=True
        )
        return self._replace(
            reason=reason,
            stage=labels["stage"],
            emotion=labels["emotion"],
            sentiment=labels["sentiment"],
            topic=labels["topic"],
            touchpoint=labels["touchpoint"],
            language=language,
            model=model,
            corrected=corrected,
            segments=tuple([_LABELS(one) for one in segments]),
        )


def hash64(text: str) -> int:
    """64 bits that stand for a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


_ITEM = (
    col(FeedbackItem.id),
    col(FeedbackItem.at),
    col(FeedbackItem.occurred_at).is_not(None),
    col(FeedbackItem.respondent),
    col(FeedbackItem.response_id),
    col(FeedbackItem.state),
    col(FeedbackItem.unsure_reason),
    col(FeedbackItem.stage),
    col(FeedbackItem.emotion),
    col(FeedbackItem.sentiment),
    col(FeedbackItem.topic),
    col(FeedbackItem.touchpoint),
    col(FeedbackItem.channel),
    col(FeedbackItem.source),
    func.coalesce(col(FeedbackItem.language), col(FeedbackItem.declared_language)),
    col(FeedbackItem.model),
    col(FeedbackItem.declared_stage),
    col(FeedbackItem.corrected),
    func.coalesce(func.length(col(FeedbackItem.text)), 0),
    col(FeedbackItem.score_kind),
    col(FeedbackItem.score_value),
    col(FeedbackItem.score_min),
    col(FeedbackItem.score_max),
    col(FeedbackItem.value),
    col(FeedbackItem.attributes),
)
_SEGMENT = (
    col(Segment.item_id),
    col(Segment.stage),
    col(Segment.emotion),
    col(Segment.sentiment),
    col(Segment.topic),
    col(Segment.touchpoint),
)


# made once: to put a statement together takes longer than to run it
_ZONE = select(col(Workspace.timezone)).where(col(Workspace.id) == bindparam("workspace_id"))
_ZONE_KEPT = _ZONE.with_for_update(read=True, key_share=True)


def zone_of(session: Session, workspace_id: int, *, lock: bool = True) -> ZoneInfo:
    """The workspace's time zone; with `lock` it stays so until the transaction ends.

    The lock is the one that every insert's foreign key takes anyway; it only waits for, and holds up, a change
    of the time zone, so that no record of the old zone is added behind a rebuild's back.
    """
    zone = session.execute(_ZONE_KEPT if lock else _ZONE, {"workspace_id": workspace_id}).scalar_one()
    return ZoneInfo(zone)


def read_records(
    session: Session, workspace_id: int, item_ids: Sequence[int], *, zone: ZoneInfo, lock: bool = True
) -> list[ItemRecord]:
    """The records of these items as they stand now, by id; missing items have none.

    With `lock` the items' rows stay as they are until the transaction ends: two changes of one item could
    otherwise both take back the same record.
    """
    ids = sorted(set(item_ids))
    records: list[ItemRecord] = []
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        some = ids[start : start + IDS_PER_STATEMENT]
        items = select(*_ITEM).where(
            beside_ids(col(FeedbackItem.workspace_id), workspace_id), one_of(session, col(FeedbackItem.id), some)
        )
        if lock:
            items = items.with_for_update()
        rows = session.execute(items.order_by(col(FeedbackItem.id))).all()
        segments: dict[int, list[tuple[str, str, str, str, str]]] = defaultdict(list)
        # of what waits to be tagged no segment is counted
        labelled = [row.id for row in rows if row.state == "tagged" or row.corrected]
        if labelled:
            for item_id, *labels in session.execute(
                select(*_SEGMENT)
                .where(
                    beside_ids(col(Segment.workspace_id), workspace_id),
                    one_of(session, col(Segment.item_id), labelled),
                )
                .order_by(col(Segment.item_id), col(Segment.position))
            ).all():
                segments[item_id].append(tuple(labels))
        records += [_record(tuple(row), segments.get(row[0], ()), zone) for row in rows]
    return records


_NAMES = (
    "at",
    "occurred_at",
    "respondent",
    "response_id",
    "state",
    "unsure_reason",
    *LABEL_FIELDS,
    "channel",
    "source",
    "language",
    "model",
    "declared_stage",
    "corrected",
    "text",
    "score_kind",
    "score_value",
    "score_min",
    "score_max",
    "value",
    "attributes",
)
_PICKED = itemgetter(*_NAMES)


def new_record(item_id: int, columns: Mapping[str, Any], zone: ZoneInfo) -> ItemRecord:
    """The record of an item from the columns that were stored for it just now: it has no segments yet."""
    at, occurred_at, *row = _PICKED(columns)
    # as `_ITEM` has it
    row[11] = row[11] if row[11] is not None else columns["declared_language"]
    row[15] = len(row[15] or "")
    row[17:21] = [None if number is None else float(number) for number in row[17:21]]
    return _record((item_id, at, occurred_at is not None, *row), (), zone)


def _record(
    row: tuple[Any, ...], segments: Sequence[tuple[str, str, str, str, str]], zone: ZoneInfo
) -> ItemRecord:
    item_id, at, dated, respondent, response_id, state, unsure_reason, stage = row[:8]
    source, corrected, chars, attributes = row[13], row[17], row[18], row[24]
    response = hash64(f"response:{source}\0{response_id}") if response_id else hash64(f"item:{item_id}")
    reason = reason_of(
        state=state, unsure_reason=unsure_reason, stage=stage, corrected=corrected, has_text=chars > 0
    )
    tagged = reason not in ("no_text", "untagged")
    labels = row[7:12] if tagged else (None,) * 5  # labels of an earlier text say nothing about the new one
    return ItemRecord._make(
        (
            item_id,
            local_day(at, zone),
            bool(dated),
            hash64(f"respondent:{respondent}") if respondent else response,
            response,
            bool(respondent),
            reason,
            *labels,
            row[12],
            source,
            *row[14:17],
            bool(corrected),
            chars,
            *row[19:24],
            tuple(sorted([(str(name), str(value)) for name, value in attributes.items()])) if attributes else (),
            tuple(segments) if tagged else (),
        )
    )


def local_day(at: datetime, zone: ZoneInfo) -> int:
    """The day of a moment in a zone, counted from 1970-01-01."""
    return at.astimezone(zone).toordinal() - EPOCH_ORDINAL


def reason_of(*, state: str, unsure_reason: str | None, stage: str | None, corrected: bool, has_text: bool) -> str:
    """Why an item stands in no column ("" if its stage has one). A person's word is never unsure."""
    if not has_text or state == "no_text":
        return "no_text"
    if corrected and stage is not None:
        return "none" if stage == "none" else ""
    if state != "tagged":
        return "untagged"
    if unsure_reason == "unsupported_language":
        return "unsupported_language"
    if unsure_reason in ("meaningless", "empty"):
        return "meaningless"
    if unsure_reason is not None:
        return "unsure"
    return "none" if stage is None or stage == "none" else ""
