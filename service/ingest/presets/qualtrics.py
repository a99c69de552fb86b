"""Qualtrics: CSV and TSV with three header rows (names, questions, ids with the time zone), JSON, NDJSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from service.ingest.column_names import normalised_name
from service.ingest.column_values import Cells, ColumnUse, as_attribute, within_limit
from service.ingest.files.table import REJECT_COLUMNS
from service.ingest.presets.contract import ADDED, Found, Preset, Sheet
from service.ingest.presets.questions import Question, uses_of
from service.ingest.senders.values import text_of_html

# what its own columns hold, by import id; None is left out
_META: dict[str, tuple[str | None, str | None]] = {
    "_recordid": ("external_id", None),
    "responseid": ("external_id", None),
    "enddate": ("occurred_at", None),
    "recordeddate": ("occurred_at", None),
    "startdate": ("occurred_at", None),
    "externaldatareference": ("respondent", None),
    "externalreference": ("respondent", None),
    "recipientemail": ("respondent", None),
    "userlanguage": ("language", None),
    "distributionchannel": ("attributes.DistributionChannel", None),
    "finished": ("attributes.Finished", None),
    "status": (None, "says which rows are previews and tests"),
    "ipaddress": (None, "personal data"),
    "recipientlastname": (None, "personal data"),
    "recipientfirstname": (None, "personal data"),
    "locationlatitude": (None, "personal data"),
    "locationlongitude": (None, "personal data"),
    "progress": (None, "about the filling in, not the answer"),
    "duration": (None, "about the filling in, not the answer"),
    "duration_in_seconds": (None, "about the filling in, not the answer"),
}
# the first that says something is taken
_ORDER = ["enddate", "recordeddate", "startdate", "externaldatareference", "externalreference", "recipientemail"]
# previews and tests, also those filled in offline or marked as spam
_NO_CUSTOMER = ["survey preview", "survey test", "1", "2", "9", "10", "17", "18", "spam preview", "spam test"]
_NO_CUSTOMER += ["offline survey preview", "offline preview", "preview", "test"]
_NPS = re.compile(r"_NPS_GROUP$|NPS_GROUP$")
_TEXT_ENTRY = re.compile(r"(?:^|_)QID\d+(?:#\d+)?_TEXT$")
_QUESTION = re.compile(r"(?:^|_)QID\d+")
_COMPUTED = re.compile(
    r" - (?:Parent )?(?:Topics?|Topic Hierarchy.*|Sentiment.*|Actionability|Effort.*|Emotion.*)$"
    r"|_(?:TOPICS|SENTIMENT)"
)
HEADER_ROWS = 4  # beyond these no header is looked for


def _import_row(sheet: Sheet) -> int | None:
    """The number of the row that holds the import ids."""
    for row in sheet.rows[:HEADER_ROWS]:
        if any(_import_id(cell) is not None for cell in row.cells):
            return row.number
    return None


def _import_id(cell: Any) -> dict[str, Any] | None:
    if not isinstance(cell, str) or not cell.lstrip(" '").startswith("{") or "ImportId" not in cell[:40]:
        return None
    try:
        found = json.loads(cell.strip(" '"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("ImportId"), str) else None


def _recognised(sheet: Sheet) -> bool:
    return sheet.format not in ("json", "ndjson") and _import_row(sheet) is not None


def _read(sheet: Sheet) -> Found:
    head = _import_row(sheet) or 0
    cells = sheet.below(head)
    rows = {row.number: row for row in sheet.rows[:HEADER_ROWS] if row.number <= head}
    ids: dict[str, str] = {}
    zone = None
    for column in sheet.own_columns:
        found = _import_id(sheet.cell(rows[head], column)) if head else None
        ids[column] = str(found["ImportId"]) if found else column
        if found and isinstance(found.get("timeZone"), str):
            zone = zone or _zone(found["timeZone"])
    words = [row for number, row in sorted(rows.items()) if number < head]
    labels = {
        column: " ".join((text_of_html(sheet.cell(words[0], column)) or column).split()) if words else column
        for column in sheet.own_columns
    }
    return _found(sheet, cells, ids, labels, head=head, zone=zone)


def _zone(name: str) -> str | None:
    if name.strip().upper() in ("Z", "UTC", "GMT"):
        return "UTC"
    return name if name in available_timezones() else None


def _found(
    sheet: Sheet, cells: Cells, ids: Mapping[str, str], labels: Mapping[str, str], *, head: int, zone: str | None
) -> Found:
    nps = {_NPS.sub("", ids[column]) for column in ids if _NPS.search(ids[column]) or _NPS.search(column)}
    nps |= {_NPS.sub("", column) for column in ids if _NPS.search(column)}
    meta: dict[str, ColumnUse] = {}
    questions: list[Question] = []
    embedded: list[ColumnUse] = []
    skip: dict[str, list[str]] = {}
    for column in sheet.own_columns:
        key = normalised_name(ids[column]).replace("_", "") or column
        name = next((one for one in _META if one.replace("_", "") == key), None)
        if name is not None:
            field, note = _META[name]
            meta[column] = ColumnUse(column, field, 0.99 if field else 1.0, note)
            if name == "status":
                skip[column] = _NO_CUSTOMER
            elif name == "distributionchannel":
                skip[column] = ["preview", "test"]
        elif _NPS.search(column) or _NPS.search(ids[column]) or _COMPUTED.search(labels[column]):
            meta[column] = ColumnUse(column, None, 1.0, "computed from another column", labels[column])
        elif _QUESTION.search(ids[column]):
            is_nps = ids[column] in nps or column in nps
            is_open = True if _TEXT_ENTRY.search(ids[column]) else None
            questions.append(Question(column, labels[column], is_open=is_open, is_nps=is_nps))
        else:
            embedded.append(as_attribute(column, cells, confidence=0.9))
    order = {name: place for place, name in enumerate(_ORDER)}
    ranked = sorted(
        meta.values(), key=lambda use: order.get(normalised_name(ids[use.column]).replace("_", ""), len(order))
    )
    added = [ColumnUse(column, None, 1.0, ADDED) for column in sheet.columns if column in REJECT_COLUMNS]
    # embedded data goes first: it is what the sender chose to know about the customer
    uses = [*ranked, *embedded, *uses_of(questions, cells, ranked), *added]
    return Found(within_limit(uses), head, channel="survey", timezone=zone, skip=skip, responses=True)


def _recognised_records(sheet: Sheet) -> bool:
    names = set(sheet.columns)
    told = {"values.recordedDate", "values._recordId", "values.endDate"} & names
    return sheet.format in ("json", "ndjson") and "responseId" in names and bool(told)


def _read_records(sheet: Sheet) -> Found:
    """Answers by question id; where a choice has a label, the label says it."""
    cells = sheet.below(0)
    ids: dict[str, str] = {}
    hidden: dict[str, ColumnUse] = {}
    names = set(sheet.columns)
    for column in sheet.own_columns:
        part, _, key = column.partition(".")
        if part == "values" and key == "_recordId":
            hidden[column] = ColumnUse(column, None, 1.0, "the same as responseId")
        elif part in ("displayedFields", "displayedValues") or (part == "labels" and not _labelled(key)):
            hidden[column] = ColumnUse(column, None, 1.0, "about the form, not the answer")
        elif part == "values" and f"labels.{key}" in names and _labelled(key) and not _scaled(column, cells):
            hidden[column] = ColumnUse(column, None, 1.0, "its label is taken")
        elif part == "labels" and f"values.{key}" in names and _scaled(f"values.{key}", cells):
            hidden[column] = ColumnUse(column, None, 1.0, "its number is taken")
        else:
            ids[column] = key or part
    shown = Sheet([one for one in sheet.columns if one in ids], (), sheet.filename, sheet.format)
    found = _found(shown, cells, ids, {column: ids[column] for column in ids}, head=0, zone="UTC")
    renamed = [
        ColumnUse(use.column, f"attributes.{ids[use.column]}", use.confidence, use.note, use.label)
        if use.field == f"attributes.{use.column}"
        else use
        for use in found.uses
    ]
    uses = [*renamed, *hidden.values()]
    return Found(uses, channel="survey", timezone="UTC", skip=found.skip, responses=True)


def _labelled(key: str) -> bool:
    """Whether a choice's label says more than its number; what Qualtrics itself records is clear without."""
    return _QUESTION.search(key) is not None and not _NPS.search(key)


def _scaled(column: str, cells: Cells) -> bool:
    from service.ingest.column_values import whole_scale

    low_high = whole_scale(cells[column])
    labels = cells[column.replace("values.", "labels.", 1)]
    return low_high is not None and bool(labels) and all(str(one).strip()[:1].isdigit() for one in labels)


PRESETS = (
    Preset(
        "qualtrics",
        "Qualtrics (CSV, TSV, XLSX)",
        _recognised,
        _read,
        told_by='a row of {"ImportId": …} below the questions',
    ),
    Preset(
        "qualtrics-json",
        "Qualtrics (JSON, NDJSON)",
        _recognised_records,
        _read_records,
        told_by="`responseId` beside `values.recordedDate` or `values._recordId`",
    ),
)
