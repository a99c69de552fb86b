"""Personas: whose journeys are looked at apart, with how many customers each is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from service.auth import Caller
from service.dependencies import Db, Decider, ReadDb, Reader
from service.desk.settings_frame import checked, settings_page
from service.errors import BadInput, FieldError, JourneymapError
from service.review.forms import SignedInForm
from service.store import rollup_frame
from service.store.personas import attributes_seen, matched
from service.suggest import map_api as routes
from service.suggest.personas import PersonaBody

router = APIRouter(include_in_schema=False)

AT: Final = "/settings/personas"
DONE: Final = {"saved": "Saved.", "removed": "Removed; the versions of its map stay in the history."}
ATTRIBUTES_SHOWN: Final = 20  # those that most feedback has; others are typed in
VALUES_SHOWN: Final = 16


@router.get(AT)
def personas_page(caller: Reader, session: ReadDb, done: str | None = None) -> HTMLResponse:
    """All personas."""
    found = routes.list_personas(caller, session)["data"]
    return settings_page("settings_personas.html", caller, AT, {"rows": found, "notice": DONE.get(done or "")})


@router.get(f"{AT}/new")
def new_page(caller: Decider, session: ReadDb) -> HTMLResponse:
    """An empty form with the attributes that there are."""
    return _form(caller, session, {"name": "", "description": "", "attributes": {}}, None)


@router.get(f"{AT}/{{persona_id}}")
def persona_page(persona_id: str, caller: Decider, session: ReadDb) -> HTMLResponse:
    """One persona as a form."""
    one = routes.read_persona(persona_id, caller, session)
    return _form(caller, session, one, one)


@router.post(AT)
def make(form: SignedInForm, caller: Decider, session: Db) -> Response:
    """A new persona, or the form again with how many customers it is about."""
    return _take(form, caller, session, None)


@router.post(f"{AT}/{{persona_id}}")
def change(persona_id: str, form: SignedInForm, caller: Decider, session: Db) -> Response:
    """A changed persona, or the form again."""
    return _take(form, caller, session, routes.read_persona(persona_id, caller, session))


@router.post(f"{AT}/{{persona_id}}/remove")
def remove(persona_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Remove a persona."""
    routes.delete_persona(persona_id, caller, session)
    return RedirectResponse(f"{AT}?done=removed", status_code=303)


def _take(form: Mapping[str, str], caller: Caller, session: Session, one: dict[str, Any] | None) -> Response:
    given = {
        "name": form.get("name", "").strip(),
        "description": form.get("description", "").strip(),
        "attributes": attributes_of(form),
    }
    if form.get("do") != "save":
        return _form(caller, session, given, one)
    try:
        if not given["attributes"]:
            raise _nothing_chosen()
        body = checked(PersonaBody, {**given, "description": given["description"] or None})
        encoded = body.model_dump_json().encode()
        if one is None:
            routes.add_persona(caller, session, encoded)
        else:
            routes.put_persona(one["id"], caller, session, encoded)
    except JourneymapError as error:
        return _form(caller, session, given, one, problem=error.detail, status=error.status)
    return RedirectResponse(f"{AT}?done=saved", status_code=303)


def _nothing_chosen() -> BadInput:
    detail = "Tick at least one value, or name an attribute: it says which feedback is theirs."
    return BadInput(detail, errors=[FieldError("/attributes", "missing", detail)])


def attributes_of(form: Mapping[str, str]) -> dict[str, list[str]]:
    """The attributes of the form: ticked values, values typed under a name, and one further name."""
    found: dict[str, list[str]] = {}
    for field in form:
        kind, _, told = field.partition(":")
        if kind not in ("has", "more"):
            continue
        try:
            name, *values = json.loads(told)
        except (ValueError, TypeError):
            continue
        if kind == "more":
            values = form[field].splitlines()
        found.setdefault(str(name), []).extend(str(one) for one in values)
    if form.get("other.name", "").strip():
        found.setdefault(form["other.name"].strip(), []).extend(form.get("other.values", "").splitlines())
    clean = {
        name: list(dict.fromkeys(one.strip() for one in values if one.strip())) for name, values in found.items()
    }
    return {name: values for name, values in clean.items() if values}


def _form(
    caller: Caller,
    session: Session,
    given: Mapping[str, Any],
    one: dict[str, Any] | None,
    *,
    problem: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    seen = attributes_seen(session, caller.workspace_id)
    names = list(dict.fromkeys([*given["attributes"], *list(seen)[:ATTRIBUTES_SHOWN]]))
    attributes = []
    for name in names:
        chosen = given["attributes"].get(name, [])
        counts = dict(seen.get(name, []))
        listed = list(dict.fromkeys([*chosen, *list(counts)[:VALUES_SHOWN]]))
        attributes.append(
            {
                "name": name,
                "values": [
                    {
                        "value": value,
                        "field": "has:" + json.dumps([name, value]),
                        "n": counts.get(value, 0),
                        "chosen": value in chosen,
                    }
                    for value in listed
                ],
                "left": max(0, len(counts) - len(listed)),
                "more": "more:" + json.dumps([name]),
                "open": bool(chosen),
            }
        )
    theirs = given["attributes"]
    found = matched(rollup_frame.load(session, caller.workspace_id), theirs) if theirs else None
    return settings_page(
        "settings_persona.html",
        caller,
        AT,
        {"given": given, "one": one, "attributes": attributes, "found": found, "problem": problem},
        status=status,
    )
