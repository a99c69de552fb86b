"""Which column holds what, and a row made into an item by it.

`study` looks at the first rows of a table and makes a Plan; the Plan is stored with the import, so that a resumed
import reads its file in the same way. What can't be decided becomes a question, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC
from typing import Any, get_args

from service.errors import BadInput, FieldError
from service.ingest.column_names import FIELDS, guess_field, is_personal
from service.ingest.conversions import day_and_month, is_blank, to_moment, to_number, to_rating
from service.ingest.files.table import REJECT_COLUMNS, FileRefused, Row, RowError, Table
from service.ingest.incoming import (
    MAX_ATTRIBUTE_CHARS,
    MAX_ATTRIBUTES,
    SCALES,
    Channel,
    ScoreKind,
)

STUDIED_ROWS = 1000
CERTAIN = 0.95  # names that are believed whatever the column holds
CERTAIN_TIME = 0.9  # better rows refused for their date than a file without dates that nobody notices
# the order of day and month may show late in a file that is sorted by time
DATED_ROWS = 50_000
CHANNELS = get_args(Channel)
KINDS = get_args(ScoreKind)
TIME_FIELDS = frozenset({"occurred_at", "updated_at"})


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What one column is taken for; `field` is None where it is left out, and `note` says why."""

    column: str
    field: str | None
    confidence: float
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """What the uploader fixed about the reading of rows; None is to be found out."""

    mapping: Mapping[str, str | None] | None = None
    channel: str | None = None
    timezone: str = "UTC"
    day_first: bool | None = None
    preset: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How the rows of one file become items, and what is still open."""

    preset: str
    columns: list[ColumnUse]
    channel: str
    timezone: str
    day_first: bool | None
    questions: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the import's row."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Plan:
        """The plan of an import's row again."""
        return cls(**{**stored, "columns": [ColumnUse(**column) for column in stored["columns"]]})


Sample = Sequence[Row]
Preset = Callable[[Sequence[str], Sample], list[ColumnUse]]


def _generic(columns: Sequence[str], sample: Sample) -> list[ColumnUse]:
    """Names first; where no name is a text's, the column that reads like one."""
    guesses = {column: guess_field(column) for column in columns if column not in REJECT_COLUMNS}
    for column, guess in guesses.items():
        if guess is None or guess[1] >= (CERTAIN_TIME if guess[0] in TIME_FIELDS else CERTAIN):
            continue
        if not _plausible(guess[0], _cells(column, columns, sample)):
            guesses[column] = None
    best: dict[str, tuple[float, str]] = {}
    for column, guess in guesses.items():
        if guess is not None and (guess[0] not in best or guess[1] > best[guess[0]][0]):
            best[guess[0]] = (guess[1], column)
    if "text" not in best:
        prose = _prose([column for column in guesses if guesses[column] is None], columns, sample)
        if len(prose) == 1:
            guesses[prose[0]] = ("text", 0.5)
            best["text"] = (0.5, prose[0])
    uses = []
    for column in columns:
        if column in REJECT_COLUMNS:
            uses.append(ColumnUse(column, None, 1.0, "added by rejected.csv"))
            continue
        guess = guesses[column]
        if guess is not None and best[guess[0]][1] == column and not _second_score(guess[0], column, best):
            uses.append(ColumnUse(column, guess[0], guess[1]))
        else:
            uses.append(_as_attribute(column, columns, sample))
    return _within_limit(uses)


# survey tools and review platforms get an entry each; `guess` by content comes with them
PRESETS: dict[str, Preset] = {"generic": _generic}


def _plausible(name: str, cells: Sequence[Any]) -> bool:
    """Whether a column's cells can be what its name says: a wrong guess would refuse or merge whole files."""
    if not cells:
        return True
    if name == "text":
        return _share(cells, to_number) < 0.5
    if name == "score" or name.startswith("score_"):
        return _share(cells, to_rating) >= 0.5
    if name in TIME_FIELDS:
        return max(_share(cells, _as_time(day_first)) for day_first in (True, False)) >= 0.5
    if name == "value":
        return _share(cells, to_number) >= 0.5
    if name == "external_id" and len(cells) >= 20:
        return len({str(cell) for cell in cells}) >= 0.95 * len(cells)
    return True


def _as_time(day_first: bool) -> Callable[[Any], Any]:
    return lambda cell: to_moment(cell, zone=UTC, day_first=day_first)


def _share(cells: Sequence[Any], convert: Callable[[Any], Any]) -> float:
    good = 0
    for cell in cells:
        try:
            convert(cell)
            good += 1
        except (ValueError, OverflowError):
            continue
    return good / len(cells)


def _second_score(found: str, column: str, best: Mapping[str, tuple[float, str]]) -> bool:
    """Whether another guessed column already holds the score: an item has one; exact field names stay."""
    if found != "score" and not found.startswith("score_"):
        return False
    confidence, _ = best[found]
    rivals = [(own, name) for key, (own, name) in best.items() if key == "score" or key.startswith("score_")]
    return confidence < 1.0 and any(own > confidence for own, name in rivals if name != column)


def _cells(column: str, columns: Sequence[str], sample: Sample) -> list[Any]:
    place = columns.index(column)
    return [row.cells[place] for row in sample if not is_blank(row.cells[place])]


def _prose(candidates: Sequence[str], columns: Sequence[str], sample: Sample) -> list[str]:
    """The columns that read like people's sentences; one if it is clearly the longest."""
    lengths = {}
    for column in candidates:
        cells = [str(cell) for cell in _cells(column, columns, sample)]
        wordy = sum(1 for cell in cells if len(cell.split()) >= 3)
        if cells and wordy >= len(cells) / 2 and len(set(cells)) > len(cells) / 2:
            lengths[column] = sum(map(len, cells)) / len(cells)
    ranked = sorted((column for column in lengths if lengths[column] >= 15), key=lambda column: -lengths[column])
    if len(ranked) > 1 and lengths[ranked[1]] <= 0.6 * lengths[ranked[0]]:
        return ranked[:1]
    return ranked


def _as_attribute(column: str, columns: Sequence[str], sample: Sample) -> ColumnUse:
    if is_personal(column):
        return ColumnUse(column, None, 1.0, "personal data")
    if any(len(str(cell)) > MAX_ATTRIBUTE_CHARS for cell in _cells(column, columns, sample)):
        return ColumnUse(column, None, 1.0, "too long for an attribute")
    return ColumnUse(column, f"attributes.{column.removeprefix('attributes.')}"[:MAX_ATTRIBUTE_CHARS], 0.5)


def _within_limit(uses: Iterable[ColumnUse]) -> list[ColumnUse]:
    kept, attributes = [], 0
    for use in sorted(uses, key=lambda one: -one.confidence):  # those that the sender names come first
        if use.field is not None and use.field.startswith("attributes."):
            attributes += 1
            if attributes > MAX_ATTRIBUTES:
                use = ColumnUse(use.column, None, 1.0, f"more than {MAX_ATTRIBUTES} attributes")
        kept.append(use)
    return kept


def chosen_field(wanted: str | None, column: str) -> str | None:
    """The field that a caller names for a column: a field, `attribute`, a score with its scale, or nothing.

    Raises BadInput for anything else. `score_csat:1-7` gives the scale of a rating.
    """
    name = (wanted or "").strip()
    if name in ("", "-", "ignore"):
        return None
    if name in ("attribute", "attributes"):
        return f"attributes.{column}"[:MAX_ATTRIBUTE_CHARS]
    if name in FIELDS or (name.startswith("attributes.") and len(name) > len("attributes.")):
        return name
    if scale_of(name) is not None:
        return name
    detail = f"a field is one of {', '.join(FIELDS)}, attributes.<name>, score_<kind>:<min>-<max>, or ignore"
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


def _with_choices(uses: list[ColumnUse], wanted: Mapping[str, str | None]) -> list[ColumnUse]:
    known = {use.column for use in uses}
    unknown = sorted(set(wanted) - known)
    if unknown:
        detail = f"the file's columns are {', '.join(use.column[:60] for use in uses[:50])}"
        raise BadInput(f"mapping: {detail}", errors=[FieldError("/mapping", "unknown_column", detail)])
    fields = {column: chosen_field(name, column) for column, name in wanted.items()}
    taken = [name for name in fields.values() if name is not None]
    twice = sorted({name for name in taken if taken.count(name) > 1})
    if twice:
        detail = f"two columns are mapped to {', '.join(twice)}"
        raise BadInput(f"mapping: {detail}", errors=[FieldError("/mapping", "field_twice", detail)])
    found = []
    for use in uses:
        if use.column in fields:
            found.append(ColumnUse(use.column, fields[use.column], 1.0, "as told"))
        elif use.field in taken:
            found.append(ColumnUse(use.column, None, 1.0, "another column holds this field"))
        else:
            found.append(use)
    return _within_limit(found)


def study(table: Table, choices: Choices) -> Plan:
    """Decide how to read a freshly opened table (its rows are used up by this).

    Raises BadInput for an unknown preset or a mapping that does not fit, FileRefused (no_rows) for an empty one.
    """
    if choices.preset not in (None, *PRESETS):
        detail = f"known presets are {', '.join(sorted(PRESETS))}"
        raise BadInput(f"preset: {detail}", errors=[FieldError("/preset", "unknown_preset", detail)])
    preset = choices.preset or "generic"
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
    if not sample and not refused:
        raise FileRefused("no_rows", "The file has column names but no rows below them.")
    uses = _with_choices(PRESETS[preset](table.columns, sample), choices.mapping or {})
    # the order of the file, for those who read it
    order = {column: place for place, column in enumerate(table.columns)}
    uses.sort(key=lambda use: order[use.column])
    channel = choices.channel or ("other" if table.format in ("json", "ndjson") else "survey")
    day_first, questions = choices.day_first, []
    if sample and _text_is_open(uses, table.columns, sample, answered=bool(choices.mapping)):
        questions.append(_ask_text(uses))
    if day_first is None:
        day_first, open_column = _order_of_days(uses, table.columns, sample, rows)
        if open_column is not None:
            questions.append(_ask_day_first(open_column))
    questions += _ask_scales(uses, table.columns, sample)
    return Plan(preset, uses, channel, choices.timezone, day_first, questions)


def _text_is_open(uses: Sequence[ColumnUse], columns: Sequence[str], sample: Sample, *, answered: bool) -> bool:
    """Whether it must be asked where the text is: nothing says it, or several columns of prose may be it."""
    fields = {use.field for use in uses if use.field is not None}
    if "text" in fields:
        return False
    if not any(name in ("score", "score.value") or name.startswith("score_") for name in fields):
        return True
    others = [use.column for use in uses if use.field is None or use.field.startswith("attributes.")]
    others = [column for column in others if column not in REJECT_COLUMNS]
    return not answered and bool(_prose(others, columns, sample))


def _ask_text(uses: Sequence[ColumnUse]) -> dict[str, Any]:
    return {
        "id": "text",
        "question": "Which column holds what the customers said?",
        "columns": [use.column for use in uses if use.note != "added by rejected.csv"],
        "answer_with": {"mapping": {"<column>": "text"}},
    }


def _ask_day_first(column: str) -> dict[str, Any]:
    return {
        "id": "day_first",
        "question": "Does 3/4/2026 mean the 3rd of April? Nothing in the file tells.",
        "columns": [column],
        "answer_with": {"day_first": True},
    }


def _order_of_days(
    uses: Sequence[ColumnUse], columns: Sequence[str], sample: Sample, rest: Iterable[Row | RowError]
) -> tuple[bool | None, str | None]:
    """(day first, the column that leaves it open): told by a number beyond 12 anywhere in the file's beginning."""
    places = [columns.index(use.column) for use in uses if use.field in TIME_FIELDS]
    open_place: int | None = None
    seen = 0
    for row in _both(sample, rest):
        if isinstance(row, RowError):
            continue
        for place in places:
            numbers = day_and_month(row.cells[place])
            if numbers is None:
                continue
            if numbers[0] > 12:
                return True, None
            if numbers[1] > 12:
                return False, None
            if numbers[0] != numbers[1]:
                open_place = place
        seen += 1
        # a file whose first rows hold no such date is not searched any further
        if seen >= DATED_ROWS or (seen >= len(sample) and open_place is None):
            break
    return None, columns[open_place] if open_place is not None else None


def _both(sample: Sample, rest: Iterable[Row | RowError]) -> Iterable[Row | RowError]:
    yield from sample
    yield from rest


def _ask_scales(uses: Sequence[ColumnUse], columns: Sequence[str], sample: Sample) -> list[dict[str, Any]]:
    """A rating of no known kind with values beyond five stars could be anything: ask."""
    found = []
    told = any(use.field in ("score.kind", "score.scale_max") for use in uses)
    for use in uses:
        if use.field not in ("score", "score_stars") or told:
            continue
        values = []
        for cell in _cells(use.column, columns, sample):
            try:
                value, top = to_rating(cell)
            except ValueError:
                continue
            if top is None:
                values.append(value)
        if values and (max(values) > SCALES["stars"][1] or min(values) < SCALES["stars"][0]):
            choices = ["score_nps", "score_stars:0-5", "score_stars:1-10", "score_csat:1-10", "score_ces:1-7"]
            found.append(
                {
                    "id": "score",
                    "question": "What scale are these numbers on?",
                    "columns": [use.column],
                    "choices": choices,
                    "answer_with": {"mapping": {use.column: choices[0]}},
                }
            )
    return found
