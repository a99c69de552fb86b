"""Which column holds what: a file's plan, by its preset or by names and values, and what has to be asked.

`study` looks at the first rows of a table and makes a Plan; the Plan is stored with the import, so that a resumed
import reads its file in the same way. What can't be decided becomes a question, not a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, get_args

from service.errors import BadInput, FieldError
from service.ingest.column_names import FIELDS
from service.ingest.column_values import (
    TIME_FIELDS,
    Cells,
    ColumnUse,
    maybe_data,
    outside_scale,
    prose,
    ratings,
    reads_like_data,
    within_limit,
)
from service.ingest.conversions import day_and_month
from service.ingest.files.table import REJECT_COLUMNS, FileRefused, Row, RowError, Table
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, SCALES, Channel, ScoreKind
from service.ingest.presets import PRESETS, detect
from service.ingest.presets.contract import Sheet

STUDIED_ROWS = 1000
# the order of day and month may show late in a file that is sorted by time
DATED_ROWS = 50_000
CHANNELS = get_args(Channel)
KINDS = get_args(ScoreKind)
SCORE_CHOICES = (
    "score_nps",
    "score_stars:0-5",
    "score_stars:1-10",
    "score_csat:1-7",
    "score_csat:1-10",
    "score_csat:0-100",
    "score_ces:1-7",
)


@dataclass(frozen=True, slots=True)
class Choices:
    """What the uploader fixed about the reading of rows; None is to be found out."""

    mapping: Mapping[str, str | None] | None = None
    channel: str | None = None
    timezone: str | None = None
    day_first: bool | None = None
    preset: str | None = None
    filename: str = ""
    default_timezone: str = "UTC"  # the workspace's, where neither the uploader nor the file names one
    # what was told about an earlier file of this kind; what this file shows by itself goes before
    earlier_mapping: Mapping[str, str | None] | None = None
    earlier_day_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one file become items, and what is still open."""

    preset: str
    columns: list[ColumnUse]  # those that share a field in the order in which they are tried, the surest first
    channel: str
    timezone: str
    day_first: bool | None
    questions: list[dict[str, Any]] = field(default_factory=list)
    head: int = 0  # the number of the last row below the header that is part of it
    head_cells: list[list[str]] = field(default_factory=list)  # those rows
    source: str | None = None  # the form or product that the file is about
    skip: dict[str, list[str]] = field(default_factory=dict)  # column, values of rows that no customer wrote
    responses: bool = False  # whether the id names a survey's response

    def as_json(self) -> dict[str, Any]:
        """For the import's row."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plan:
        """The plan of an import's row again."""
        return cls(**{**stored, "columns": [ColumnUse(**column) for column in stored["columns"]]})


Sample = Sequence[Row]
HEADER_SAMPLE = 50


def begins_with_data(table: Table) -> bool:
    """Whether a freshly opened table has no header: its first row reads like those below it, and names no field.

    Uses up the table's rows.
    """
    if table.format in ("json", "ndjson") or not maybe_data(table.columns):
        return False
    rows = [row for row in islice(table.rows(), HEADER_SAMPLE) if isinstance(row, Row)]
    return reads_like_data(table.columns, Cells(table.columns, rows))


def body_of(table: Table, plan: Plan) -> Iterator[Row | RowError]:
    """A table's rows without those that belong to its header."""
    for row in table.rows():
        if row.number > plan.head:
            yield row


def chosen_field(wanted: str | None, column: str) -> str | None:
    """The field that a caller names for a column: a field, `attribute`, a score with its scale, or nothing.

    Raises BadInput for anything else. `score_csat:1-7` gives the scale of a rating.
    """
    name = (wanted or "").strip()
    if name in ("", "-", "ignore"):
        return None
    if name in ("attribute", "attributes"):
        return f"attributes.{column}"[:MAX_ATTRIBUTE_CHARS]
    if name in FIELDS or name == "title" or (name.startswith("attributes.") and len(name) > len("attributes.")):
        return name
    if scale_of(name) is not None:
        return name
    detail = (
        f"a field is one of {', '.join(FIELDS)}, title, attributes.<name>, score_<kind>:<min>-<max>, or ignore"
    )
    raise BadInput(f"mapping: {detail}", errors=[FieldError("/mapping", "unknown_field", detail)])


def scale_of(name: str) -> tuple[str, float, float] | None:
    """(kind, min, max) of `score_<kind>:<min>-<max>`."""
    head, _, scale = name.partition(":")
    low, _, high = scale.partition("-")
    if head.removeprefix("score_") not in KINDS or not head.startswith("score_"):
        return None
    try:
        found = head.removeprefix("score_"), float(low), float(high)
    except ValueError:
        return None
    return found if found[1] < found[2] else None


def _with_choices(uses: list[ColumnUse], wanted: Mapping[str, str | None], note: str) -> list[ColumnUse]:
    known = {use.column for use in uses}
    unknown = sorted(set(wanted) - known)
    if unknown:
        detail = f"the file's columns are {', '.join(use.column[:60] for use in uses[:50])}"
        raise BadInput(f"mapping: {detail}", errors=[FieldError("/mapping", "unknown_column", detail)])
    fields = {column: chosen_field(name, column) for column, name in wanted.items()}
    taken = [name for name in fields.values() if name is not None]
    # several open questions of one response are several texts; everything else a row has once
    twice = sorted({name for name in taken if name != "text" and taken.count(name) > 1})
    if twice:
        detail = f"two columns are mapped to {', '.join(twice)}"
        raise BadInput(f"mapping: {detail}", errors=[FieldError("/mapping", "field_twice", detail)])
    found = []
    for use in uses:
        if use.column in fields:
            found.append(ColumnUse(use.column, fields[use.column], 1.0, note, use.label, use.value))
        elif use.field in taken:
            found.append(ColumnUse(use.column, None, 1.0, "another column holds this field"))
        else:
            found.append(use)
    return within_limit(found)


def study(table: Table, choices: Choices) -> Plan:
    """Decide how to read a freshly opened table (its rows are used up by this).

    Raises BadInput for an unknown preset or a mapping that does not fit, FileRefused (no_rows) for an empty one.
    """
    if choices.preset not in (None, *PRESETS):
        detail = f"known presets are {', '.join(sorted(PRESETS))}"
        raise BadInput(f"preset: {detail}", errors=[FieldError("/preset", "unknown_preset", detail)])
    rows = table.rows()
    sample: list[Row] = []
    refused = 0
    for row in rows:
        if isinstance(row, RowError):
            refused += 1
        else:
            sample.append(row)
        if len(sample) + refused >= STUDIED_ROWS:
            break
    sheet = Sheet(table.columns, sample, choices.filename, table.format)
    preset = PRESETS[choices.preset] if choices.preset is not None else detect(sheet)
    found = preset.read(sheet)
    head = [row for row in sample if row.number <= found.head]
    sample = [row for row in sample if row.number > found.head]
    if not sample and not refused:
        raise FileRefused("no_rows", "The file has column names but no rows below them.")
    uses = found.uses
    earlier = {name: what for name, what in (choices.earlier_mapping or {}).items() if name in table.columns}
    if earlier:
        uses = _with_choices(uses, earlier, "as told for an earlier file")
    uses = _with_choices(uses, choices.mapping or {}, "as told")
    channel = choices.channel or found.channel or ("other" if table.format in ("json", "ndjson") else "survey")
    cells = Cells(table.columns, sample)
    day_first, questions = choices.day_first, []
    if (
        sample
        and "text" not in found.derived
        and _text_is_open(uses, cells, answered=bool(choices.mapping or earlier))
    ):
        questions.append(_ask_text([column for column in table.columns if column not in REJECT_COLUMNS]))
    if day_first is None:
        day_first, open_column = _order_of_days(uses, table.columns, sample, rows)
        if open_column is not None:
            told = choices.earlier_day_first if choices.earlier_day_first is not None else found.day_first
            if told is None:
                questions.append(_ask_day_first(open_column))
            day_first = told
    if "score" not in found.derived:
        questions += _ask_scales(uses, cells)
    return Plan(
        preset.name,
        uses,
        channel,
        choices.timezone or found.timezone or choices.default_timezone,
        day_first,
        questions,
        head=found.head,
        head_cells=[["" if cell is None else str(cell) for cell in row.cells] for row in head],
        source=found.source,
        skip=found.skip,
        responses=found.responses,
    )


def _text_is_open(uses: Sequence[ColumnUse], cells: Cells, *, answered: bool) -> bool:
    """Whether it must be asked where the text is: nothing says it, or several columns of prose may be it."""
    fields = {use.field for use in uses if use.field is not None}
    if "text" in fields:
        return False
    if not any(name in ("score", "score.value") or name.startswith("score_") for name in fields):
        return True
    others = [use.column for use in uses if use.field is None or use.field.startswith("attributes.")]
    others = [column for column in others if column not in REJECT_COLUMNS]
    return not answered and bool(prose(others, cells))


def _ask_text(columns: list[str]) -> dict[str, Any]:
    return {
        "id": "text",
        "question": "Which column holds what the customers said? (Several open questions may all be «text».)",
        "columns": columns,
        "answer_with": {"mapping": {"<column>": "text"}},
    }


def _ask_day_first(column: str) -> dict[str, Any]:
    return {
        "id": "day_first",
        "question": "Does 3/4/2026 mean the 3rd of April? Nothing in the file tells, or it tells both.",
        "columns": [column],
        "answer_with": {"day_first": True},
    }


def _order_of_days(
    uses: Sequence[ColumnUse], columns: Sequence[str], sample: Sample, rest: Iterable[Row | RowError]
) -> tuple[bool | None, str | None]:
    """(day first, the column that leaves it open): told by a number beyond 12 anywhere in the file's beginning.

    Left open, too, by studied rows that tell both: the file was put together from two.
    """
    places = [columns.index(use.column) for use in uses if use.field in TIME_FIELDS]
    told: dict[bool, int] = {}
    open_place: int | None = None
    seen = 0
    for row in _both(sample, rest):
        if isinstance(row, RowError):
            continue
        for place in places:
            numbers = day_and_month(row.cells[place])
            if numbers is None:
                continue
            if numbers[0] > 12 or numbers[1] > 12:
                told[numbers[0] > 12] = place
            elif numbers[0] != numbers[1]:
                open_place = place
        seen += 1
        if seen < len(sample):
            continue
        if len(told) == 2:
            return None, columns[told[True]]
        if told:
            return next(iter(told)), None
        # a file whose first rows hold no such date is not searched any further
        if seen >= DATED_ROWS or open_place is None:
            break
    if told:
        return next(iter(told)), None
    return None, columns[open_place] if open_place is not None else None


def _both(sample: Sample, rest: Iterable[Row | RowError]) -> Iterable[Row | RowError]:
    yield from sample
    yield from rest


def _ask_scales(uses: Sequence[ColumnUse], cells: Cells) -> list[dict[str, Any]]:
    """A rating of no known kind beyond five stars, or a guessed one off its scale, could be anything."""
    found = []
    told = any(use.field in ("score.kind", "score.scale_max") for use in uses)
    for use in uses:
        if use.field not in ("score", "score_stars", "score_csat", "score_ces") or told:
            continue
        values = ratings(cells[use.column])
        if use.field in ("score", "score_stars"):
            low, high = SCALES["stars"]
            is_open = bool(values) and (max(values) > high or min(values) < low)
        else:  # a name that the sender chose for us, or an answer, stands; rows off the scale are refused
            kind = use.field.removeprefix("score_")
            is_open = use.confidence < 1.0 and bool(values) and outside_scale(cells[use.column], kind)
        if is_open:
            found.append(
                {
                    "id": "score",
                    "question": "What scale are these numbers on?",
                    "columns": [use.column],
                    "choices": list(SCORE_CHOICES),
                    "answer_with": {"mapping": {use.column: SCORE_CHOICES[0]}},
                }
            )
    return found
