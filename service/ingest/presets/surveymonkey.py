"""SurveyMonkey: two header rows, the question and below it its choices; condensed or a column for each choice."""

from __future__ import annotations

import re

from service.ingest.column_names import normalised_name
from service.ingest.column_values import ColumnUse, within_limit
from service.ingest.conversions import to_rating
from service.ingest.files.table import REJECT_COLUMNS
from service.ingest.presets.contract import ADDED, Found, Preset, Sheet
from service.ingest.presets.questions import Question, uses_of

_META: dict[str, tuple[str | None, str | None]] = {
    "respondent_id": ("external_id", None),
    "date_created": ("occurred_at", None),
    "start_date": ("occurred_at", None),
    "end_date": ("updated_at", None),
    "date_modified": ("updated_at", None),
    "email_address": ("respondent", None),
    "collector_id": ("attributes.Collector ID", None),
    "ip_address": (None, "personal data"),
    "first_name": (None, "personal data"),
    "last_name": (None, "personal data"),
}
_CUSTOM = re.compile(r"custom_data(?:_\d+)?$")
_UNNAMED = re.compile(r"column_\d+$")
_OPEN: tuple[str, ...] = (
    "open-ended response",
    "offene beantwortung",
    "antwort mit offenem ende",
    "réponse ouverte",
)
_OPEN += ("respuesta abierta", "risposta aperta", "open antwoord", "resposta aberta")
_PLAIN = ("", "response", "antwort", "réponse", "respuesta", "risposta", "resposta", "antwoord")
_OTHER = re.compile(r"\b(?:please specify|bitte angeben|veuillez préciser|especifique|comment)\b", re.IGNORECASE)


def _recognised(sheet: Sheet) -> bool:
    names = sheet.names
    return (
        sheet.format not in ("json", "ndjson")
        and "respondent_id" in names
        and "collector_id" in names
        and bool({"date_created", "start_date"} & set(names))
    )


def _head(sheet: Sheet) -> int:
    """1 where the row below the header holds choices: it has no respondent."""
    if not sheet.rows or sheet.rows[0].number != 1 or "respondent_id" not in sheet.names:
        return 0
    return int(not sheet.cell(sheet.rows[0], sheet.names["respondent_id"]))


def _read(sheet: Sheet) -> Found:
    head = _head(sheet)
    cells = sheet.below(head)
    below = {column: sheet.cell(sheet.rows[0], column) if head else "" for column in sheet.own_columns}
    meta: list[ColumnUse] = []
    spread: dict[str, list[str]] = {}  # question: its columns
    question = ""
    for column in sheet.own_columns:
        name = normalised_name(column)
        if name in _META and not spread:
            field, note = _META[name]
            meta.append(ColumnUse(column, field, 0.99 if field else 1.0, note))
        elif _CUSTOM.match(name) and not spread:
            meta.append(ColumnUse(column, f"attributes.{column}", 0.9))
        else:
            question = question if _UNNAMED.fullmatch(column) and question else column
            spread.setdefault(question, []).append(column)
    questions = [
        one for label, columns in spread.items() for one in _questions(label, columns, below, sheet, head)
    ]
    added = [ColumnUse(column, None, 1.0, ADDED) for column in sheet.columns if column in REJECT_COLUMNS]
    uses = [*meta, *uses_of(questions, cells, meta), *added]
    # its dates are in American order and the account's time zone, which the file does not name
    return Found(within_limit(uses), head, channel="survey", day_first=False, responses=True)


def _questions(label: str, columns: list[str], below: dict[str, str], sheet: Sheet, head: int) -> list[Question]:
    cells = sheet.below(head)
    found = []
    for column in columns:
        choice = below[column]
        if choice.casefold() in _OPEN:
            found.append(Question(column, label, is_open=True))
        elif choice.casefold() in _PLAIN:
            found.append(Question(column, label))
        elif _OTHER.search(choice):
            found.append(Question(column, f"{label} – {choice}", is_open=True, is_aside=True))
        elif len(columns) > 1 and _number(choice) is not None:
            found.append(Question(column, label))  # a scale spread over its numbers
        elif len(columns) > 1 and _is_mark(choice, {str(cell).strip() for cell in cells[column]}):
            found.append(Question(column, f"{label} – {choice}", value=choice, group=label))
        else:
            found.append(Question(column, f"{label} – {choice}"))  # a row of a matrix
    return found


def _is_mark(choice: str, found: set[str]) -> bool:
    """Whether a column's cells only say that its choice was picked: by its words or by its number."""
    return len(found) <= 1 and all(cell == choice or cell.isdigit() for cell in found)


def _number(choice: str) -> float | None:
    try:
        return to_rating(choice)[0]
    except ValueError:
        return None


PRESET = Preset(
    "surveymonkey",
    "SurveyMonkey (CSV, XLSX)",
    _recognised,
    _read,
    told_by="`Respondent ID` and `Collector ID` beside a date; a second row without a respondent holds choices",
)
