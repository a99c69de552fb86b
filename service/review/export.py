"""Feedback out again, a row an item: streamed in pages, each on a session of its own, with constant memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import select
from sqlmodel import col

from service.moments import rfc3339
from service.review.feedback_query import FeedbackFilters
from service.review.feedback_view import documents
from service.review.parquet import Field, Kind, parquet
from service.store.bulk import by_walk
from service.store.engine import Database
from service.store.schema import Correction, FeedbackItem
from service.store.shown import ITEM_FIELDS

PAGE = 500
MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
FORMATS: Final = tuple(MEDIA_TYPES)

NDJSON: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z  # times as the API writes them

# a spreadsheet takes a cell that starts so for a formula
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

CSV_COLUMNS: Final = (
    *("id", "source", "external_id", "channel", "occurred_at", "received_at", "text", "question", "translation"),
    *("respondent", "response_id", "conversation_id", "url", "value"),
    *("score_kind", "score_value", "score_min", "score_max"),
    *("declared_stage", "declared_touchpoint", "declared_language"),
    *("state", "model", "language", "unsure_reason"),
    *(column for name in ITEM_FIELDS for column in (name, f"{name}_confidence")),
    *("corrected", "corrected_fields", "corrected_by", "follow_up", "attributes"),
)

# text where nothing else is said; Parquet holds the segments too
KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("occurred_at", "received_at"), "moment"),
    **dict.fromkeys(("value", "score_value", "score_min", "score_max"), "number"),
    **{f"{name}_confidence": "number" for name in ITEM_FIELDS},
    "corrected": "truth",
    "attributes": "json",
}
PARQUET_FIELDS: Final = (
    *(Field(name, KINDS.get(name, "text")) for name in CSV_COLUMNS),
    Field("segments", "json"),
)


def export_rows(
    database: Database, workspace_id: int, filters: FeedbackFilters, *, verbatims: bool = True
) -> Iterator[dict[str, Any]]:
    """The items as `GET /v1/feedback` shows them, with `corrections`, in the order in which they were stored.

    Items that are stored while it runs may or may not be among them; none comes twice.
    """
    last = 0
    while True:
        with database.read() as session:
            items = list(
                session.execute(
                    select(FeedbackItem)
                    .where(
                        by_walk(session, col(FeedbackItem.workspace_id), workspace_id),
                        *filters.asked(workspace_id),
                        col(FeedbackItem.id) > last,
                    )
                    .order_by(col(FeedbackItem.id))
                    .limit(PAGE)
                ).scalars()
            )
            rows = documents(session, items, verbatims=verbatims)
            corrected = [item.id for item in items if item.corrected]
            said = session.execute(
                select(Correction)
                .where(col(Correction.item_id).in_(corrected), col(Correction.undone_at).is_(None))
                .order_by(col(Correction.id))
            ).scalars()
            by_item: dict[str, list[dict[str, Any]]] = {}
            versions = {str(item.id): item.text_version for item in items}
            for one in said:
                if one.text_version == versions[str(one.item_id)]:
                    by_item.setdefault(str(one.item_id), []).append(_said(one))
        for row in rows:
            yield row | {"corrections": by_item.get(row["id"], [])}
        if len(items) < PAGE:
            return
        last = items[-1].id or last


def _said(one: Correction) -> dict[str, Any]:
    span = None if one.span_start is None else {"start": one.span_start, "end": one.span_end}
    return {"labels": one.labels, "segment": span, "author": one.author, "created_at": one.created_at}


def encode(rows: Iterator[dict[str, Any]], form: str) -> Iterator[bytes]:
    """The rows as `csv` (with a head), `ndjson`, both in UTF-8, or `parquet`, a few at a time."""
    if form == "parquet":
        yield from parquet(PARQUET_FIELDS, (_flat(row) for row in rows))
        return
    lines = _csv(rows) if form == "csv" else (orjson.dumps(row, option=NDJSON) for row in rows)
    waiting: list[bytes] = []
    for line in lines:
        waiting.append(line)
        if len(waiting) == 100:
            yield b"".join(waiting)
            waiting = []
    if waiting:
        yield b"".join(waiting)


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # RFC 4180

    def line(cells: Sequence[Any]) -> bytes:
        writer.writerow(cells)
        written = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return written.encode("utf-8", "replace")

    yield line(CSV_COLUMNS)
    for row in rows:
        flat = _flat(row)
        yield line([spreadsheet_cell(flat[name]) for name in CSV_COLUMNS])


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row's nested values as columns."""
    score = row["score"] or {}
    flat = row | {
        "score_kind": score.get("kind"),
        "score_value": score.get("value"),
        "score_min": score.get("scale_min"),
        "score_max": score.get("scale_max"),
        "corrected_fields": " ".join(name for name in ITEM_FIELDS if row[name] and row[name]["corrected"]),
        "corrected_by": row["corrections"][-1]["author"] if row["corrections"] else None,
        "follow_up": row["follow_up"]["state"] if row["follow_up"] else None,
        "attributes": orjson.dumps(row["attributes"]).decode() if row["attributes"] else None,
        "segments": orjson.dumps(row["segments"]).decode() if row["segments"] else None,
    }
    for name in ITEM_FIELDS:
        label = row[name] or {}
        flat[name] = label.get("label")
        flat[f"{name}_confidence"] = label.get("confidence")
    return flat


def spreadsheet_cell(value: Any) -> Any:
    """A cell as spreadsheets take it: what one would run as a formula gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value
