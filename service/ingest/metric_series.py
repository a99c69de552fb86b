"""Series from elsewhere: orders, visits, conversion, response times; lanes of the map and outcomes for impact.

They are what feedback is measured against: a share of feedback says what customers talk about, contacts per 1,000
orders say how often something goes wrong.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from nlp.codebook import load_codebook
from service.dependencies import Db, Ingester, JsonBody, ReadDb, Reader
from service.errors import BadInput, FieldError, TooLarge, field_errors
from service.idempotency import IdempotentRoute
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, MAX_ATTRIBUTES
from service.paging import Page
from service.store.columns import now
from service.store.schema import MetricValue

router = APIRouter(tags=["map"], route_class=IdempotentRoute)

MAX_VALUES = 10_000  # of one call
MAX_NAME_CHARS = 100
SLICE = 500  # rows of one statement: SQLite allows so many parameters
ATTRIBUTE_COLUMN = "attributes."
_DECIMAL_COMMA = re.compile(r"[-+]?[\d \u00a0]+,\d+")

EXAMPLE: dict[str, Any] = {"name": "orders", "stage": "purchase", "date": "2026-11-20", "value": 1412}
STORED_EXAMPLE = EXAMPLE | {"denominator": None, "attributes": {}}


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _number(value: Any) -> Any:
    # spreadsheets write 1 412 and 1,412.50; a comma that may be either is refused by the number's own check
    return value.replace("\u00a0", "").replace(" ", "") if isinstance(value, str) else value


def _day(value: Any) -> Any:
    """A moment stands for its day in UTC; the day itself is the usual form."""
    if isinstance(value, str) and "T" in value:
        moment = datetime.fromisoformat(value.strip())
        return (moment.astimezone(ZoneInfo("UTC")) if moment.tzinfo else moment).date()
    return value.strip() if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]


class MetricPoint(BaseModel):
    """One value of one day. `denominator` makes it a rate (converted of visits); `stage` puts it on a column."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    stage: Annotated[str | None, BeforeValidator(_blank_is_none)] = None
    date: Annotated[date, BeforeValidator(_day)]
    value: Number
    denominator: Annotated[Number | None, BeforeValidator(_blank_is_none)] = None
    attributes: dict[str, str] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _trimmed(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("a metric needs a name")
        return value.strip()

    @field_validator("stage")
    @classmethod
    def _known_stage(cls, value: str | None) -> str | None:
        stages = load_codebook().labels("stage")
        if value is not None and value not in stages:
            raise ValueError(f"stages are {', '.join(stages)}")
        return value

    @field_validator("denominator")
    @classmethod
    def _positive(cls, value: float | None) -> float | None:
        if value is not None and value < 0:
            raise ValueError("a denominator is not negative")
        return value

    @field_validator("attributes")
    @classmethod
    def _few_and_short(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > MAX_ATTRIBUTES:
            raise ValueError(f"at most {MAX_ATTRIBUTES} attributes")
        if any(not name.strip() or len(name) > MAX_ATTRIBUTE_CHARS for name in value):
            raise ValueError(f"attribute names have 1 to {MAX_ATTRIBUTE_CHARS} characters")
        if any(len(text) > MAX_ATTRIBUTE_CHARS for text in value.values()):
            raise ValueError(f"attribute values have at most {MAX_ATTRIBUTE_CHARS} characters")
        return value


class PointError(BaseModel):
    """What is wrong with a field of a value."""

    pointer: str
    code: str
    detail: str


class PointResult(BaseModel):
    """A value that was refused; `index` counts from 0 in the order sent."""

    index: int
    errors: list[PointError]


class PointsAnswer(BaseModel):
    """How many values were stored, and which were not."""

    model_config = ConfigDict(json_schema_extra={"example": {"accepted": 2, "rejected": 0, "results": []}})

    accepted: int
    rejected: int
    results: Annotated[list[PointResult], Field(description="The refused values only.")]


class StoredPoint(BaseModel):
    """One value as stored."""

    model_config = ConfigDict(json_schema_extra={"example": STORED_EXAMPLE})

    name: str
    stage: str | None
    date: date
    value: float
    denominator: float | None
    attributes: dict[str, str]


class PointPage(BaseModel):
    """One page of values, by name and day."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [STORED_EXAMPLE], "next": None}})

    data: list[StoredPoint]
    next: str | None


@router.post(
    "/v1/metrics",
    response_model=PointsAnswer,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {}, "example": [EXAMPLE]},
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "name,stage,date,value,denominator\norders,purchase,2026-11-20,1412,\n",
                },
            },
        }
    },
    summary="Send metrics from elsewhere",
)
def post_metrics(request: Request, caller: Ingester, body: JsonBody, session: Db) -> PointsAnswer:
    """Store values of one or many days. The same name, stage, day and attributes again replaces the value."""
    points: list[MetricPoint] = []
    refused: list[PointResult] = []
    for index, entry in enumerate(_entries(body, request.headers.get("content-type", ""))):
        if index >= MAX_VALUES:
            raise TooLarge(f"One call takes at most {MAX_VALUES:,} values; send the rest in another.")
        try:
            points.append(MetricPoint.model_validate(entry))
        except ValidationError as error:
            errors = [PointError(pointer=e.pointer, code=e.code, detail=e.detail) for e in field_errors(error)]
            refused.append(PointResult(index=index, errors=errors))
    if refused and not points:
        first = refused[0].errors
        detail = "; ".join(f"{one.pointer or 'value'}: {one.detail}" for one in first[:5])
        raise BadInput(
            f"No value can be used. The first one: {detail}",
            errors=[FieldError(f"/{refused[0].index}{one.pointer}", one.code, one.detail) for one in first],
        )
    store_points(session, workspace_id=caller.workspace_id, points=points)
    return PointsAnswer(accepted=len(points), rejected=len(refused), results=refused)


def _entries(body: bytes, content_type: str) -> Iterator[Any]:
    if not body.strip():
        raise BadInput("The body is empty; send JSON or CSV.", errors=[FieldError("", "empty", "empty body")])
    if content_type.partition(";")[0].strip().lower() in ("text/csv", "application/csv"):
        yield from _csv_entries(body)
        return
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = "the body is not JSON; send CSV as text/csv"
        raise BadInput(detail, errors=[FieldError("", "not_json", detail)]) from error
    if isinstance(value, dict) and isinstance(value.get("metrics"), list):
        value = value["metrics"]
    yield from value if isinstance(value, list) else [value]


def _csv_entries(body: bytes) -> Iterator[dict[str, Any]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", "replace")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [(name or "").strip().lower() for name in rows.fieldnames or []]
    if missing := {"name", "date", "value"} - set(names):
        detail = f"the header lacks {', '.join(sorted(missing))}"
        raise BadInput(f"The CSV can't be read: {detail}.", errors=[FieldError("", "missing_column", detail)])
    rows.fieldnames = names
    for row in _told(rows):
        if delimiter == ";":  # spreadsheets write it where the comma stands in numbers
            row |= {name: _with_point(row[name]) for name in ("value", "denominator") if name in row}
        attributes = {
            name.removeprefix(ATTRIBUTE_COLUMN): value
            for name, value in row.items()
            if name and name.startswith(ATTRIBUTE_COLUMN) and value
        }
        # what has no header stands under None and is refused by its name, as any unknown column
        entry = {
            name or "beyond the header": value
            for name, value in row.items()
            if not (name or "").startswith(ATTRIBUTE_COLUMN)
        }
        yield {**entry, "attributes": attributes}


def _told(rows: csv.DictReader[str]) -> Iterator[dict[str, Any]]:
    try:
        yield from rows
    except csv.Error as error:
        detail = f"line {rows.line_num} can't be read: a cell is too long, or a quotation mark is left open"
        raise BadInput(f"The CSV can't be read: {detail}.", errors=[FieldError("", "bad_csv", detail)]) from error


def _with_point(cell: Any) -> Any:
    return cell.replace(",", ".") if isinstance(cell, str) and _DECIMAL_COMMA.fullmatch(cell.strip()) else cell


def store_points(session: Session, *, workspace_id: int, points: list[MetricPoint]) -> None:
    """Insert or replace; of equal keys in one call the last holds."""
    moment = now()
    rows: dict[str, dict[str, Any]] = {}
    for point in points:
        key = _key(point)
        rows[key] = {
            "workspace_id": workspace_id,
            "key": key,
            "name": point.name,
            "stage": point.stage,
            "day": point.date,
            "value": point.value,
            "denominator": point.denominator,
            "attributes": point.attributes,
            "updated_at": moment,
        }
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    ordered = [rows[key] for key in sorted(rows)]
    for start in range(0, len(ordered), SLICE):
        statement = dialect.insert(MetricValue).values(ordered[start : start + SLICE])
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["workspace_id", "key"],
                set_={name: statement.excluded[name] for name in ("value", "denominator", "updated_at")},
            )
        )


def _key(point: MetricPoint) -> str:
    told = [point.name, point.stage, point.date.isoformat(), sorted(point.attributes.items())]
    return hashlib.sha256(orjson.dumps(told)).hexdigest()


@router.get("/v1/metrics", response_model=PointPage, summary="Metrics from elsewhere")
def get_metrics(
    caller: Reader,
    page: Page,
    session: ReadDb,
    name: Annotated[str | None, Query(description="Only this metric.")] = None,
    stage: Annotated[str | None, Query(description="Only of this stage.")] = None,
    from_: Annotated[date | None, Query(alias="from", description="First day.")] = None,
    to: Annotated[date | None, Query(description="Day after the last.")] = None,
) -> PointPage:
    """The stored values, in the order in which they were first stored."""
    wanted = select(MetricValue).where(col(MetricValue.workspace_id) == caller.workspace_id)
    if name is not None:
        wanted = wanted.where(col(MetricValue.name) == name)
    if stage is not None:
        wanted = wanted.where(col(MetricValue.stage) == stage)
    if from_ is not None:
        wanted = wanted.where(col(MetricValue.day) >= from_)
    if to is not None:
        wanted = wanted.where(col(MetricValue.day) < to)
    if (after := page.key_id()) is not None:
        wanted = wanted.where(col(MetricValue.id) > after)
    rows = list(session.execute(wanted.order_by(col(MetricValue.id)).limit(page.limit + 1)).scalars())
    shown = rows[: page.limit]
    return PointPage(
        data=[
            StoredPoint(
                name=row.name,
                stage=row.stage,
                date=row.day,
                value=row.value,
                denominator=row.denominator,
                attributes=row.attributes,
            )
            for row in shown
        ],
        next=page.next_after(rows, shown[-1].id) if shown else None,
    )
