"""Survey tools whose exports have one header row: what they add around the questions, and how that names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.ingest.column_names import FIELDS, guess_field, normalised_name
from service.ingest.column_values import Cells, ColumnUse, are_times, as_attribute, within_limit
from service.ingest.files.table import REJECT_COLUMNS
from service.ingest.presets.contract import ADDED, Derive, Found, Preset, Sheet
from service.ingest.presets.questions import Question, uses_of

FORMS_TIMES = frozenset(
    (
        "timestamp",
        "zeitstempel",
        "horodateur",
        "marca_temporal",
        "marca_de_tiempo",
        "informazioni_cronologiche",
        "carimbo_de_data_hora",
        "tijdstempel",
        "sygnatura_czasowa",
        "tidsstampel",
        "tidsstempel",
    )
)
_ABOUT = "about the filling in, not the answer"
_NESTED = re.compile(r"^(?:person_properties|hidden|metadata)\.(?=.)")
Meta = Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class _Tool:
    """A tool's export: the columns it adds, by normalised name; the first of a field that says something holds."""

    name: str
    title: str
    meta: Meta
    recognised: Callable[[Sheet], bool]
    told_by: str
    timezone: str | None = None
    form: re.Pattern[str] | None = None  # the form's id in the file's name
    attributes: frozenset[str] = field(default_factory=frozenset)  # columns that are attributes as they are
    derive: Derive | None = None
    is_aside: Callable[[str], bool] = lambda _column: False  # what was typed in beside a choice
    derived: frozenset[str] = frozenset()

    def preset(self) -> Preset:
        return Preset(self.name, self.title, self.recognised, self.read, self.derive, self.told_by)

    def read(self, sheet: Sheet) -> Found:
        cells = sheet.below(0)
        order = {name: place for place, name in enumerate(self.meta)}
        meta: list[tuple[int, ColumnUse]] = []
        plain: list[ColumnUse] = []
        questions: list[Question] = []
        for column in sheet.own_columns:
            name = normalised_name(column) or column.strip()
            if name in self.meta:
                found, note = self.meta[name]
                meta.append((order[name], ColumnUse(column, found, 0.99 if found else 1.0, note)))
            elif name in self.attributes:
                plain.append(as_attribute(column, cells, confidence=0.9))
            else:
                questions.append(self._question(column))
        ranked = [use for _, use in sorted(meta, key=lambda pair: pair[0])]
        added = [ColumnUse(column, None, 1.0, ADDED) for column in sheet.columns if column in REJECT_COLUMNS]
        uses = [*ranked, *plain, *_with_names(uses_of(_without_joined(questions, cells), cells, ranked)), *added]
        known = {use.column for use in uses}
        rest = [column for column in sheet.columns if column not in known]
        uses += [ColumnUse(column, None, 1.0, "told by another column") for column in rest]
        form = self.form.search(sheet.filename) if self.form is not None else None
        return Found(
            within_limit(uses),
            channel="survey",
            timezone=self.timezone,
            source=form.group(1) if form else None,
            responses=any(use.field == "external_id" for use in ranked),
            derived=self.derived if "survey_type" in sheet.names or "text" in self.derived else frozenset(),
        )

    def _question(self, column: str) -> Question:
        aside = self.is_aside(column)
        label = _NESTED.sub("", re.sub(r"_\d+$", "", column))
        return Question(column, label, is_open=True if aside else None, is_aside=aside)


def _with_names(uses: list[ColumnUse]) -> list[ColumnUse]:
    """Fields of the contract as headers win whatever tool made the file."""
    found = []
    for use in uses:
        told = guess_field(use.column)
        is_field = told is not None and told[1] == 1.0 and (use.column in FIELDS or "." in use.column)
        found.append(ColumnUse(use.column, told[0], 1.0) if told is not None and is_field else use)
    return found


def _without_joined(questions: list[Question], cells: Cells) -> list[Question]:
    """Without choices that stand a second time in columns of their own ("Topics (Speed)": TRUE)."""
    whole = {question.column for question in questions}
    kept = []
    for question in questions:
        match = re.fullmatch(r"(.+) \((.+)\)", question.column, re.DOTALL)
        marks = {str(cell).strip().casefold() for cell in cells[question.column]}
        if match and match[1] in whole and marks <= {"true", "false", "1", "0", "yes", "no"}:
            continue
        kept.append(question)
    return kept


def _named(*needed: str, any_of: tuple[str, ...] = ()) -> Callable[[Sheet], bool]:
    def recognised(sheet: Sheet) -> bool:
        names = set(sheet.names) | {column.strip() for column in sheet.columns}
        return set(needed) <= names and (not any_of or bool(set(any_of) & names))

    return recognised


def _is_google_form(sheet: Sheet) -> bool:
    """The first column is the form's time, in the form's language; the others are questions."""
    own = sheet.own_columns
    if sheet.format in ("json", "ndjson") or not own or normalised_name(own[0]) not in FORMS_TIMES:
        return False
    if own[0] != own[0].strip().capitalize() and own[0] not in ("Marca temporal", "Carimbo de data/hora"):
        return False
    cells = sheet.below(0)
    names = [guess_field(column) for column in own[1:]]
    named = sum(1 for guess in names if guess is not None and guess[1] >= 0.85 and guess[0] != "respondent")
    phrases = sum(1 for column in own[1:] if len(column.split()) >= 2)
    is_time = not cells[own[0]] or are_times(cells[own[0]])
    return (
        is_time
        and phrases >= 1
        and not any(guess and guess[0] == "external_id" for guess in names)
        and (named <= phrases)
    )


def _is_aside(column: str) -> bool:
    """LimeSurvey marks what was typed in beside a choice."""
    return column.lower().endswith(("other]", "comment]"))


def _lime_times(values: Mapping[str, Any], _record: Mapping[str, Any] | None) -> dict[str, Any]:
    """A survey that keeps no times writes the first day of 1980."""
    blank = [name for name, value in values.items() if str(value).startswith("1980-01-01")]
    return {"blank": blank} if blank else {}


def _listed(record: Mapping[str, Any] | None, name: str) -> list[dict[str, Any]]:
    """The objects of a record's list; none where it is something else."""
    found = (record or {}).get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


_DELIGHTED_KINDS = {"nps": "nps", "csat": "csat", "ces": "ces", "pmf": None, "5-star": "stars", "stars": "stars"}


def _delighted(values: Mapping[str, Any], record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The score's kind by the survey's type; the answers to further questions."""
    found: dict[str, Any] = {}
    kind = str(values.get("survey_type") or values.get("Survey Type") or values.get("Survey type") or "").lower()
    kind = kind.split("_")[0].split(" ")[0]
    if kind in _DELIGHTED_KINDS:
        found["score_kind"] = _DELIGHTED_KINDS[kind]
    texts: list[tuple[str, Any, str]] = []
    for answer in _listed(record, "additional_answers"):
        value, question = answer.get("value"), answer.get("question")
        text = value.get("free_response") if isinstance(value, dict) else None
        if isinstance(text, str) and text.strip():
            asked = question if isinstance(question, dict) else {}
            texts.append((str(asked.get("id") or len(texts) + 1), asked.get("text"), text))
    if texts:
        found["texts"] = texts
    return found


def _typeform_answers(_values: Mapping[str, Any], record: Mapping[str, Any] | None) -> dict[str, Any]:
    """The answers of the Responses API: texts, the first scale, and choices as attributes."""
    texts: list[tuple[str, str | None, str]] = []
    attributes: dict[str, str] = {}
    for answer in _listed(record, "answers"):
        named = answer.get("field")
        asked: dict[str, Any] = named if isinstance(named, dict) else {}
        name = str(asked.get("title") or asked.get("ref") or asked.get("id") or "")
        kind = answer.get("type")
        value = answer.get(kind) if isinstance(kind, str) else None
        if kind == "text" and isinstance(value, str) and asked.get("type") != "dropdown":
            texts.append((str(asked.get("id") or name or len(texts)), asked.get("title"), value))
        elif kind in ("number", "boolean") and name and asked.get("type") != "nps":
            attributes[name] = str(value).lower()
        elif isinstance(value, dict) and name:
            picked = value.get("label") or value.get("labels") or value.get("other")
            if picked:
                attributes[name] = ", ".join(map(str, picked)) if isinstance(picked, list) else str(picked)
    found: dict[str, Any] = {"texts": texts, "attributes": attributes}
    score = _typeform_score(_listed(record, "answers"))
    return {**found, **({"score": score} if score else {})}


def _typeform_score(answers: list[dict[str, Any]]) -> dict[str, Any] | None:
    kinds = {"nps": ("nps", 0, 10), "rating": ("stars", 1, 5), "opinion_scale": ("csat", 0, 10)}
    for wanted, (kind, low, high) in kinds.items():
        for answer in answers:
            asked = answer.get("field")
            if isinstance(asked, dict) and asked.get("type") == wanted and isinstance(answer.get("number"), int):
                value = answer["number"]
                if wanted == "opinion_scale" and "nps" in str(asked.get("ref") or "").lower():
                    kind = "nps"
                if low <= value <= (10 if wanted == "rating" else high):
                    return {"kind": kind, "value": value, "scale_min": low, "scale_max": max(high, value)}
    return None


_TOOLS = (
    _Tool(
        "typeform",
        "Typeform (CSV, XLSX)",
        {
            "#": ("external_id", None),
            "token": ("external_id", None),
            "submit_date_utc": ("occurred_at", None),
            "stage_date_utc": ("occurred_at", None),
            "start_date_utc": ("occurred_at", None),
            "network_id": (None, "personal data"),
            "score": (None, "a quiz's points"),
        },
        lambda sheet: (
            "submit_date_utc" in sheet.names
            and bool({"network_id", "start_date_utc", "response_type"} & set(sheet.names))
        ),
        "`Submit Date (UTC)` beside `Network ID`, `Start Date (UTC)` or `Response Type`",
        timezone="UTC",
        form=re.compile(r"^responses-([A-Za-z0-9]{6,})-"),
        attributes=frozenset(("response_type", "tags", "ending")),
    ),
    _Tool(
        "typeform-json",
        "Typeform (JSON of its API)",
        {
            "token": ("external_id", None),
            "response_id": (None, "the same as the token"),
            "submitted_at": ("occurred_at", None),
            "landed_at": ("occurred_at", None),
            "landing_id": (None, _ABOUT),
            "answers": (None, "read answer by answer"),
            "variables": (None, _ABOUT),
            "calculated_score": (None, "a quiz's points"),
            "metadata_user_agent": (None, "personal data"),
            "metadata_network_id": (None, "personal data"),
            "metadata_referer": (None, _ABOUT),
            "metadata_browser": (None, _ABOUT),
        },
        lambda sheet: (
            sheet.format in ("json", "ndjson") and {"token", "landed_at", "answers"} <= set(sheet.columns)
        ),
        "`token`, `landed_at` and `answers`",
        timezone="UTC",
        derive=_typeform_answers,
        derived=frozenset(("text", "score")),
    ),
    _Tool(
        "tally",
        "Tally (CSV)",
        {
            "submission_id": ("external_id", None),
            "submitted_at": ("occurred_at", None),
            "respondent_id": ("respondent", None),
        },
        _named("submission_id", "respondent_id", "submitted_at"),
        "`Submission ID`, `Respondent ID` and `Submitted at`",
    ),
    _Tool(
        "jotform",
        "Jotform (CSV, XLSX)",
        {
            "submission_id": ("external_id", None),
            "submission_date": ("occurred_at", None),
            "last_update_date": ("updated_at", None),
            "submission_ip": (None, "personal data"),
            "flow_status": (None, _ABOUT),
        },
        _named("submission_date", any_of=("submission_id", "submission_ip", "last_update_date")),
        "`Submission Date` beside `Submission ID`, `Submission IP` or `Last Update Date`",
    ),
    _Tool(
        "limesurvey",
        "LimeSurvey (CSV, XLSX)",
        {
            "id": ("external_id", None),
            "response_id": ("external_id", None),
            "submitdate": ("occurred_at", None),
            "date_submitted": ("occurred_at", None),
            "datestamp": ("occurred_at", None),
            "date_last_action": ("occurred_at", None),
            "startdate": ("occurred_at", None),
            "date_started": ("occurred_at", None),
            "startlanguage": ("language", None),
            "start_language": ("language", None),
            "token": ("respondent", None),
            "access_code": ("respondent", None),
            "lastpage": (None, _ABOUT),
            "last_page": (None, _ABOUT),
            "seed": (None, _ABOUT),
            "ipaddr": (None, "personal data"),
            "ip_address": (None, "personal data"),
            "refurl": (None, _ABOUT),
            "referrer_url": (None, _ABOUT),
            "interviewtime": (None, _ABOUT),
        },
        lambda sheet: (
            {"submitdate", "lastpage", "startlanguage"} <= set(sheet.names)
            or {"date_submitted", "last_page", "start_language"} <= set(sheet.names)
        ),
        "`submitdate`, `lastpage` and `startlanguage`, or the same as full words",
        form=re.compile(r"survey[_-]?(\d{3,})", re.IGNORECASE),
        derive=_lime_times,
        is_aside=_is_aside,
    ),
    _Tool(
        "delighted",
        "Delighted (CSV, JSON of its API)",
        {
            "id": ("external_id", None),
            "response_id": ("external_id", None),
            "responded_at_utc": ("occurred_at", None),
            "responded_at": ("occurred_at", None),
            "response_date": ("occurred_at", None),
            "created_at": ("occurred_at", None),
            "responded_at_local": (None, "the same in another time zone"),
            "updated_at": ("updated_at", None),
            "score": ("score", None),
            "comment": ("text", None),
            "permalink": ("url", None),
            "person_id": ("respondent", None),
            "person": ("respondent", None),
            "email": ("respondent", None),
            "person_email": ("respondent", None),
            "survey_type": (None, "says the kind of the score"),
            "additional_answers": (None, "read answer by answer"),
            "notes": (None, "not the customer's words"),
        },
        lambda sheet: (
            {"score", "comment", "survey_type"} <= set(sheet.names)
            or (
                {"score", "comment"} <= set(sheet.names)
                and ("permalink" in sheet.names or "responded_at_utc" in sheet.names)
            )
        ),
        "`Score` and `Comment` beside `survey_type`, `Permalink` or `Responded at (UTC)`",
        derive=_delighted,
        derived=frozenset(("score",)),
        attributes=frozenset(("tags", "source", "channel", "segment", "locale")),
    ),
    _Tool(
        "google-forms",
        "Google Forms and Sheets (CSV, XLSX)",
        dict.fromkeys(sorted(FORMS_TIMES), ("occurred_at", None))
        | {
            "username": ("respondent", None),
            "email_address": ("respondent", None),
            "e_mail_adresse": ("respondent", None),
            "nutzername": ("respondent", None),
            "adresse_e_mail": ("respondent", None),
            "direccion_de_correo_electronico": ("respondent", None),
            "score": (None, "a quiz's points"),
            "punktzahl": (None, "a quiz's points"),
            "puntuacion": (None, "a quiz's points"),
        },
        _is_google_form,
        "the first column, the form's time in the form's language (`Timestamp`, `Zeitstempel`, `Horodateur` …)",
    ),
)
PRESETS = tuple(tool.preset() for tool in _TOOLS)
