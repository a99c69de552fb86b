"""What all settings pages share: who may see which, how a page is put together, how a form is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from service.auth import Caller
from service.errors import BadInput, field_errors
from service.review.render import page

# group, then address, name, and what one must be allowed to see it
TABS: Final = (
    (
        "The map",
        (
            ("/settings/journeys", "Journey models", "read"),
            ("/settings/personas", "Personas", "read"),
            ("/settings/playbook", "Playbook", "read"),
            ("/settings/rank", "Rank", "read"),
        ),
    ),
    ("Labels", (("/settings", "Model", "admin"),)),
    (
        "Access",
        (("/settings/people", "People", "admin"), ("/settings/keys", "Keys", "admin")),
    ),
    (
        "The workspace",
        (
            ("/settings/told", "Who is told", "admin"),
            ("/settings/workspace", "Workspace", "admin"),
            ("/settings/audit", "Audit log", "admin"),
        ),
    ),
)
FIELD_NAMES: Final = {
    "pain": "What customers say",
    "patterns": "Phrases",
    "adaptation": "What to change",
    "metric": "What should move",
    "owner": "Whose it is",
    "test": "A small first step",
    "idea": "Where it comes from",
    "url": "Address",
}


def settings_page(
    template: str, caller: Caller, at: str, context: Mapping[str, Any], *, status: int = 200
) -> HTMLResponse:
    """A settings page with the tabs that its reader may open."""
    shown = [
        (group, [(address, name) for address, name, grant in tabs if caller.may(grant)]) for group, tabs in TABS
    ]
    found = {
        "caller": caller,
        "page": "settings",
        "tabs": [(group, tabs) for group, tabs in shown if tabs],
        "at": at,
        "notice": None,
        "problem": None,
    }
    return page(template, {**found, **context}, status=status)


def checked(body: type[BaseModel], given: Mapping[str, Any]) -> Any:
    """The fields of a form as a route would take them; BadInput in words, naming each field."""
    try:
        return body.model_validate(given)
    except ValidationError as error:
        found = field_errors(error)
        raise BadInput(
            "; ".join(f"{field_name(one.pointer)}: {one.detail}" for one in found), errors=found
        ) from error


def field_name(pointer: str) -> str:
    """A field's name as the form calls it."""
    name, _, place = pointer.strip("/").partition("/")
    said = FIELD_NAMES.get(name, name.replace("_", " ").capitalize())
    return f"{said} {int(place) + 1}" if place.isdecimal() else said
