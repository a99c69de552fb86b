"""What all settings pages share: who may see which, how a page is put together, how a form is checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ValidationError

from service.auth import Caller
from service.errors import BadInput, field_errors
from service.review.render import page

# group, then address, name, and what one must be allowed to see it; the overview says of each what it is for
OVERVIEW: Final = "/settings"
TABS: Final = (
    ("", ((OVERVIEW, "Overview", "read"),)),
    (
        "The map",
        (
            ("/settings/journeys", "Journey models", "read"),
            ("/settings/personas", "Personas", "read"),
            ("/settings/playbook", "Playbook", "read"),
            ("/settings/rank", "Rank", "read"),
        ),
    ),
    ("Labels", (("/settings/model", "Model", "admin"),)),
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
ABOUT: Final = {
    "/settings/journeys": "Which columns the map has, and which stages stand in each.",
    "/settings/personas": "Groups of customers whose map and suggestions can be looked at apart.",
    "/settings/playbook": "What suggestions propose for each pain: the shipped entries, and your own above them.",
    "/settings/rank": "What counts how much when suggestions are put in order, and what other weights would do.",
    "/settings/model": "How often labels are right, what was learnt from your corrections, earlier versions.",
    "/settings/people": "Who may sign in, and what each may do: see numbers, read words, decide, set up.",
    "/settings/keys": "Keys for programs that send feedback or read numbers.",
    "/settings/told": "Chat rooms, mail addresses and programs that hear of what is new.",
    "/settings/workspace": "The time zone, how long what is kept, and erasing a person.",
    "/settings/audit": "Who did what, and when.",
}
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
