"""What callers are told about imports, and what they may answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlmodel import Session, col

from nlp.artifact import tier_of
from service.ingest.import_files import plan_of
from service.ingest.presets.contract import ADDED
from service.store.schema import FeedbackItem, FileImport

EXAMPLE: dict[str, Any] = {
    "id": "17",
    "state": "running",
    "rows": {"read": 12000, "accepted": 11950, "updated": 3, "duplicate": 20, "rejected": 7, "empty": 20},
    "items": 11953,
    "tagged": 9500,
    "tagged_by": {"accurate": 2000, "fast": 7500},
    "progress": 0.55,
    "questions": [],
    "created_at": "2026-11-20T09:14:05Z",
    "finished_at": None,
    "error": None,
    "filename": "survey-november.csv",
    "source": "survey-november",
    "preset": "google-forms",
    "same_file_as": "9",
    "read_as_in": "12",
    "left_out": [{"column": "Telephone", "note": "personal data"}],
    "notes": [],
}


class Rows(BaseModel):
    """What became of the rows so far."""

    read: int
    accepted: int
    updated: int
    duplicate: int
    rejected: int
    empty: int = Field(description="Blank answers: neither text nor score.")


class Question(BaseModel):
    """Something about the file that only its owner knows; answered with `PUT …/mapping`."""

    id: Literal["text", "day_first", "score"]
    question: str
    columns: list[str]
    choices: list[str] | None = None
    answer_with: dict[str, Any] = Field(description="An example of the body that answers it.")


class TaggedBy(BaseModel):
    """Items of the import by the tier whose labels they carry now."""

    accurate: int
    fast: int = Field(
        description="Of a large import at first: tagged again by the accurate tier in the background."
    )


class LeftOut(BaseModel):
    """A column that was not taken."""

    column: str
    note: str | None


class ImportAnswer(BaseModel):
    """An import and how far it is."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    state: Literal["queued", "needs_input", "running", "succeeded", "partially_succeeded", "failed", "canceled"]
    rows: Rows
    items: int = Field(description="Items stored or updated.")
    tagged: int = Field(description="Of these, looked at by the pipeline.")
    tagged_by: TaggedBy
    progress: float = Field(ge=0, le=1, description="Of reading and tagging together.")
    questions: list[Question]
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    filename: str
    source: str
    preset: str = Field(description="The kind of export that it was taken for.")
    same_file_as: str | None = Field(description="The earlier import of the same bytes; its source is this one's.")
    read_as_in: str | None = Field(description="The earlier import whose answers about reading were used again.")
    left_out: list[LeftOut] = Field(description="Columns that no item has, beyond twenty attributes among them.")
    notes: list[str] = Field(description="What may surprise, once the file is read: formulas without a value.")


class ImportList(BaseModel):
    """Imports, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [EXAMPLE], "next": None}})

    data: list[ImportAnswer]
    next: str | None


class ColumnFound(BaseModel):
    """What a column is taken for."""

    column: str
    field: str | None = Field(description="null where the column is left out; `note` says why.")
    confidence: float
    note: str | None
    label: str | None = Field(description="The question that the column answers, where the file tells it.")
    examples: list[str] = Field(
        default_factory=list, description="Up to three different values; none of columns with personal data."
    )


class WouldReject(BaseModel):
    """A row that would be refused."""

    row: int
    code: str
    detail: str


class CheckedRows(BaseModel):
    """How many rows the dry run looked at."""

    checked: int
    rejected: int
    empty: int
    complete: bool = Field(description="false where the file goes on behind the rows that were checked.")


class DryRun(BaseModel):
    """What an import of this file would do."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "format": "csv",
                "packing": None,
                "encoding": "cp1252",
                "delimiter": ";",
                "sheet": None,
                "header": True,
                "preset": "generic",
                "channel": "survey",
                "source": "survey-november",
                "timezone": "Europe/Berlin",
                "day_first": True,
                "same_file_as": None,
                "read_as_in": None,
                "mapping": [
                    {
                        "column": "Kommentar",
                        "field": "text",
                        "confidence": 0.9,
                        "note": None,
                        "label": None,
                        "examples": ["Delivery was quick."],
                    }
                ],
                "questions": [],
                "items": [{"text": "Delivery was quick.", "channel": "survey", "source": "survey-november"}],
                "rows": {"checked": 3, "rejected": 1, "empty": 0, "complete": True},
                "rejected": [
                    {"row": 2, "code": "wrong_width", "detail": "The row has 4 cells, the header has 5 columns."}
                ],
                "notes": [],
            }
        }
    )

    format: str
    packing: str | None
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    header: bool = Field(description="Whether the first row holds the columns' names.")
    same_file_as: str | None
    read_as_in: str | None
    preset: str
    channel: str
    source: str
    timezone: str
    day_first: bool | None
    mapping: list[ColumnFound]
    questions: list[Question]
    items: list[dict[str, Any]]
    rows: CheckedRows
    rejected: list[WouldReject]
    notes: list[str] = Field(description="What may surprise in the rows that were checked.")


class Reading(BaseModel):
    """Answers to questions, or corrections of guesses; what is left out stays as it was told."""

    model_config = ConfigDict(extra="forbid")

    mapping: dict[str, str | None] | None = Field(default=None, description='`{"<column>": "<field>"}`')
    day_first: bool | None = None
    timezone: str | None = None
    channel: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header: bool | None = None
    preset: str | None = None


def answer_of(session: Session, found: FileImport) -> ImportAnswer:
    """An import as its uploader sees it."""
    return answers_of(session, [found])[0]


def answers_of(session: Session, found: Sequence[FileImport]) -> list[ImportAnswer]:
    """Imports of one workspace as their uploaders see them."""
    tiers = _tiers(session, found)
    return [_answer(one, tiers[one.id]) for one in found]


def _tiers(session: Session, found: Sequence[FileImport]) -> dict[int | None, Counter[str]]:
    """Of each import its items by the tier that labelled them."""
    rows = session.execute(
        select(col(FeedbackItem.import_id), col(FeedbackItem.model), func.count())
        .where(
            col(FeedbackItem.import_id).in_([one.id for one in found]),
            col(FeedbackItem.workspace_id).in_({one.workspace_id for one in found}),
            col(FeedbackItem.state) == "tagged",
        )
        .group_by(col(FeedbackItem.import_id), col(FeedbackItem.model))
    )
    tiers: dict[int | None, Counter[str]] = defaultdict(Counter)
    for import_id, model, items in rows:
        tiers[import_id][tier_of(model or "") or ""] += items
    return tiers


def _answer(found: FileImport, tiers: Counter[str]) -> ImportAnswer:
    plan = plan_of(found.layout)
    if found.finished_at is not None and found.state in ("succeeded", "partially_succeeded"):
        progress = 1.0
    else:
        tagged = min(1.0, found.tagged / found.to_tag) if found.to_tag else 1.0
        progress = found.read_fraction * (1 + tagged) / 2
    return ImportAnswer.model_validate(
        {
            "id": str(found.id),
            "state": found.state,
            "rows": {
                "read": found.rows_read,
                "accepted": found.rows_accepted,
                "updated": found.rows_updated,
                "duplicate": found.rows_duplicate,
                "rejected": found.rows_rejected,
                "empty": found.rows_empty,
            },
            "items": found.items,
            "tagged": found.tagged,
            "tagged_by": {"accurate": tiers["accurate"], "fast": tiers["fast"]},
            "progress": round(progress, 4),
            "questions": found.questions,
            "created_at": found.created_at,
            "finished_at": found.finished_at,
            "error": found.error,
            "filename": found.filename,
            "source": found.source,
            "preset": plan.preset,
            "same_file_as": found.layout.get("same_file_as"),
            "read_as_in": found.layout.get("read_as_in"),
            "left_out": [
                {"column": use.column, "note": use.note}
                for use in plan.columns
                if use.field is None and use.note != ADDED
            ],
            "notes": found.layout.get("notes", []),
        }
    )
