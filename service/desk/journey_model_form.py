"""The form of a journey model: columns in order, where each stage of the codebook stands, and exceptions.

A form works without script: buttons move, add and remove, and the page comes back with what was filled in. Columns
and exceptions have keys of their own (`c1`, `e1`), so that fields keep their meaning when their order changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from nlp.codebook import JourneyModel
from service.aggregate.journey_models import MAX_STAGES, JourneyModelBody, checked_model
from service.errors import BadInput, FieldError, field_errors
from service.store.rollup_codes import codebook

MAX_EXCEPTIONS: Final = 40


@dataclass(frozen=True, slots=True)
class Exceptional:
    """One stage at some touchpoints stands in another column than the stage itself."""

    key: str
    stage: str = ""
    touchpoints: tuple[str, ...] = ()
    column: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is filled in. `columns`: key and name, in order; `places`: codebook stage to a column's key or ""."""

    name: str
    columns: tuple[tuple[str, str], ...]
    places: dict[str, str] = field(default_factory=dict)
    exceptions: tuple[Exceptional, ...] = ()


def stages() -> tuple[str, ...]:
    """The codebook's stages that can stand in a column."""
    return tuple(stage for stage in codebook().labels("stage") if stage != "none")


def draft_of(model: Mapping[str, Any], *, name: str | None = None) -> Draft:
    """The form of a model as GET /v1/journey-models answers it."""
    columns, places = [], {}
    exceptions: list[Exceptional] = []
    for number, column in enumerate(model["stages"], start=1):
        columns.append((f"c{number}", column["name"]))
        for covered in column["codebook_stages"]:
            if covered["touchpoints"] is None:
                places[covered["stage"]] = f"c{number}"
            else:
                key = f"e{len(exceptions) + 1}"
                exceptions.append(Exceptional(key, covered["stage"], tuple(covered["touchpoints"]), f"c{number}"))
    return Draft(name if name is not None else model["name"], tuple(columns), places, tuple(exceptions))


def draft_of_form(form: Mapping[str, str]) -> Draft:
    """What was filled in; what the form does not know is left out, nothing is checked yet."""
    columns = tuple((key, form.get(f"name.{key}", "").strip()) for key in _keys(form, "columns", "c", MAX_STAGES))
    known = {key for key, _ in columns}
    touchpoints = codebook().labels("touchpoint")

    def column(value: str) -> str:
        return value if value in known else ""

    return Draft(
        name=form.get("name", "").strip(),
        columns=columns,
        places={stage: column(form.get(f"stage.{stage}", "")) for stage in stages()},
        exceptions=tuple(
            Exceptional(
                key,
                form.get(f"{key}.stage", "") if form.get(f"{key}.stage", "") in stages() else "",
                tuple(one for one in touchpoints if form.get(f"{key}.at.{one}")),
                column(form.get(f"{key}.column", "")),
            )
            for key in _keys(form, "exceptions", "e", MAX_EXCEPTIONS)
        ),
    )


def _keys(form: Mapping[str, str], name: str, letter: str, most: int) -> list[str]:
    found = [key for key in form.get(name, "").split(",") if key[:1] == letter and key[1:].isdecimal()]
    return list(dict.fromkeys(found))[:most]


def changed(draft: Draft, do: str) -> Draft:
    """The draft after a button: `add`, `up:c2`, `down:c2`, `remove:c2`, `except`, `remove:e1`."""
    act, _, key = do.partition(":")
    columns = list(draft.columns)
    at = next((place for place, (one, _) in enumerate(columns) if one == key), None)
    if act == "add" and len(columns) < MAX_STAGES:
        return replace(draft, columns=(*columns, (_next("c", [one for one, _ in columns]), "")))
    if act == "except" and len(draft.exceptions) < MAX_EXCEPTIONS:
        key = _next("e", [one.key for one in draft.exceptions])
        return replace(draft, exceptions=(*draft.exceptions, Exceptional(key)))
    if act == "remove" and key.startswith("e"):
        return replace(draft, exceptions=tuple(one for one in draft.exceptions if one.key != key))
    if at is None:
        return draft
    if act == "remove":
        return replace(
            draft,
            columns=tuple(columns[:at] + columns[at + 1 :]),
            places={stage: "" if place == key else place for stage, place in draft.places.items()},
            exceptions=tuple(
                replace(one, column="" if one.column == key else one.column) for one in draft.exceptions
            ),
        )
    to = at + {"up": -1, "down": 1}.get(act, 0)
    if 0 <= to < len(columns):
        columns[at], columns[to] = columns[to], columns[at]
    return replace(draft, columns=tuple(columns))


def _next(letter: str, taken: list[str]) -> str:
    return f"{letter}{max((int(one[1:]) for one in taken), default=0) + 1}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft as a model, or what is wrong: `errors` by row (`name`, a column's or an exception's key)."""

    body: JourneyModelBody | None
    model: JourneyModel | None
    errors: dict[str, str]

    @property
    def says(self) -> str | None:
        """All errors in a sentence each."""
        return " ".join(self.errors.values()) or None


def check(draft: Draft) -> Checked:
    """Whether it can be saved; errors name their row as the form shows it."""
    given, rows = _given(draft)
    errors = {
        one.key: f"Exception {number} has no column yet: choose one, or remove it."
        for number, one in enumerate(draft.exceptions, start=1)
        if not one.column or not one.stage
    }
    if not draft.columns:
        errors["name"] = "A journey model needs a column."
    try:
        body = JourneyModelBody.model_validate(given)
        model = checked_model(body)
    except ValidationError as error:
        _note(errors, field_errors(error), draft, rows)
    except BadInput as bad:
        _note(errors, bad.errors, draft, rows)
    if errors:
        return Checked(None, None, errors)
    return Checked(body, model, {})


def _given(draft: Draft) -> tuple[dict[str, Any], list[list[str]]]:
    """The draft as the route takes it, and by column which row of the form each of its entries is."""
    given, rows = [], []
    for key, name in draft.columns:
        plain = [stage for stage, place in draft.places.items() if place == key]
        told = [one for one in draft.exceptions if one.column == key and one.stage]
        rows.append([key] * len(plain) + [one.key for one in told])
        given.append(
            {
                "name": name,
                "codebook_stages": [{"stage": stage} for stage in plain]
                + [{"stage": one.stage, "touchpoints": list(one.touchpoints)} for one in told],
            }
        )
    return {"name": draft.name, "stages": given}, rows


def _note(
    errors: dict[str, str], found: list[FieldError] | tuple[FieldError, ...], draft: Draft, rows: list[list[str]]
) -> None:
    numbers = {one.key: number for number, one in enumerate(draft.exceptions, start=1)}
    for one in found:
        place = one.pointer.strip("/").split("/")
        if place[0] == "name":
            errors.setdefault("name", f"Name of the model: {one.detail}.")
        elif place[0] == "stages" and len(place) > 1:
            column = int(place[1])
            key, name = draft.columns[column]
            said = f"Column {column + 1}" + (f" «{name}»" if name else "")
            if len(place) > 4 or (len(place) == 4 and one.code == "covered_twice"):
                key = rows[column][int(place[3])]
                if key in numbers:
                    said = f"Exception {numbers[key]}"
                detail = {
                    "empty": "tick at least one touchpoint",
                    "covered_twice": "another exception says the same of one of these touchpoints",
                }.get(one.code, one.detail)
            elif place[2:] == ["codebook_stages"]:
                detail = "nothing stands in it yet; choose it for a stage below, or remove it"
            elif place[2:] == ["name"] and not name:
                detail = "give it a name"
            else:
                detail = one.detail
            errors.setdefault(key, f"{said}: {detail}.")
        else:
            errors.setdefault("name", f"{one.detail}.")
