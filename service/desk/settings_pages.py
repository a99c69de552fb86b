"""Settings for admins: the model, people and keys, who is told, the workspace's data, the log.

Every page shows what a route answers and every form does what a route does, by the same functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import available_timezones

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from service import access
from service.aggregate.api import WorkspaceBody, put_workspace
from service.auth import SCOPES, Caller
from service.dependencies import Admin, DatabaseOf, Db, ReadDb, Reader, SettingsOf, VaultOf
from service.desk.audit_words import audit_words
from service.desk.model_figures import reports_of
from service.desk.settings_frame import ABOUT, OVERVIEW, checked, settings_page
from service.errors import BadInput, CannotStore, FieldError, JourneymapError
from service.ingest import sample
from service.learn import api as learning
from service.notify.outgoing import KEPT_DAYS
from service.paging import PageQuery
from service.review import erasure
from service.review.forms import SignedInForm

router = APIRouter(include_in_schema=False)

MODEL: Final = "/settings/model"
ROLES: Final = (
    ("viewer", "numbers, no customers' words"),
    ("analyst", "words and labels"),
    ("lead", "decisions too"),
    ("admin", "everything, this page too"),
)
ABOUT_SCOPES: Final = {
    "ingest": "send feedback in",
    "read": "read the map and the words",
    "review": "correct labels and decide",
    "admin": "everything else",
}
# what a page says after a form was taken
DONE: Final = {
    "retrain": "It learns from the corrections now; this takes seconds. Load the page again to see how it went.",
    "rollback": "The earlier version is in use; items are being tagged again.",
    "revoked": "The key does not hold any more.",
    "disabled": "Their access ended.",
    "zone": "Saved; everything is counted anew in this zone.",
}
AUDIT_ROWS: Final = 50


# --- the model


@router.get(OVERVIEW)
def overview(caller: Reader) -> HTMLResponse:
    """The parts that the reader may open, and what each is for."""
    return settings_page("settings_overview.html", caller, OVERVIEW, {"about": ABOUT})


@router.get("/settings/model")
def model_page(
    caller: Admin, session: ReadDb, settings: SettingsOf, done: str | None = None, measured: str = ""
) -> HTMLResponse:
    """How good the labels are, by field and label, and what was learnt from corrections.

    `measured`: which of the sets of texts is shown, counted from 1; what is none of them shows the first.
    """
    try:
        live = learning.model(caller, settings, session)
    except CannotStore as error:
        return settings_page("settings_model.html", caller, MODEL, {"live": None, "problem": error.detail})
    reports = reports_of(live.evaluation)
    at = int(measured) - 1 if measured in {str(number + 1) for number in range(len(reports))} else 0
    return settings_page(
        "settings_model.html",
        caller,
        MODEL,
        {"live": live, "reports": reports, "shown": reports[at : at + 1], "notice": DONE.get(done or "")},
    )


@router.post("/settings/model/retrain")
def retrain(form: SignedInForm, caller: Admin, session: Db) -> RedirectResponse:
    """Learn from the corrections made so far."""
    learning.retrain_now(caller, session)
    return RedirectResponse(f"{MODEL}?done=retrain", status_code=303)


@router.post("/settings/model/rollback")
def roll_back(form: SignedInForm, caller: Admin, settings: SettingsOf, session: Db) -> RedirectResponse:
    """Use the version before, or a named one."""
    given = learning.RollbackIn(to=form.get("to") or None)
    learning.roll_back_now(given.model_dump_json().encode(), caller, settings, session)
    return RedirectResponse(f"{MODEL}?done=rollback", status_code=303)


# --- people and keys


@router.get("/settings/people")
def people_page(caller: Admin, session: ReadDb, settings: SettingsOf, done: str | None = None) -> HTMLResponse:
    """Who may sign in, and as what."""
    return _people(caller, session, settings, {"notice": DONE.get(done or "")})


def _people(
    caller: Caller, session: ReadDb, settings: SettingsOf, context: Mapping[str, Any], *, status: int = 200
) -> HTMLResponse:
    found = access.list_people(caller, session).data
    known = {"people": found, "roles": ROLES, "hours": settings.invite_hours, "invited": None, "form": {}}
    return settings_page("settings_people.html", caller, "/settings/people", {**known, **context}, status=status)


@router.post("/settings/people")
def invite(form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf) -> HTMLResponse:
    """Invite somebody; the link stands on this answer only."""
    try:
        asked = checked(access.NewPerson, {"name": form.get("name", ""), "role": form.get("role", "")})
        made = access.invite_person(session, settings, caller, asked)
    except JourneymapError as error:
        return _people(caller, session, settings, {"problem": error.detail, "form": form}, status=error.status)
    return _people(caller, session, settings, {"invited": made}, status=201)


@router.post("/settings/people/{person_id}/disable")
def disable(person_id: str, form: SignedInForm, caller: Admin, session: Db) -> RedirectResponse:
    """End somebody's access."""
    access.disable_person(person_id, caller, session)
    return RedirectResponse("/settings/people?done=disabled", status_code=303)


@router.get("/settings/keys")
def keys_page(caller: Admin, session: ReadDb, done: str | None = None) -> HTMLResponse:
    """What programs may do here."""
    return _keys(caller, session, {"notice": DONE.get(done or "")})


def _keys(caller: Caller, session: ReadDb, context: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    known = {
        "keys": access.list_keys(caller, session).data,
        "scopes": [(scope, ABOUT_SCOPES.get(scope, "")) for scope in SCOPES],
        "made": None,
        "form": {},
    }
    return settings_page("settings_keys.html", caller, "/settings/keys", {**known, **context}, status=status)


@router.post("/settings/keys")
def make_key(form: SignedInForm, caller: Admin, session: Db) -> HTMLResponse:
    """Make a key; it stands on this answer only."""
    scopes = [scope for scope in SCOPES if form.get(f"scope.{scope}")]
    try:
        made = access.make_key(
            session, caller, checked(access.NewKey, {"name": form.get("name", ""), "scopes": scopes})
        )
    except JourneymapError as error:
        problem = error.detail if scopes else "Tick what the key may do."
        return _keys(caller, session, {"problem": problem, "form": form}, status=error.status)
    return _keys(caller, session, {"made": made}, status=201)


@router.post("/settings/keys/{key_id}/revoke")
def revoke(key_id: str, form: SignedInForm, caller: Admin, session: Db) -> RedirectResponse:
    """End a key."""
    access.revoke_key(key_id, caller, session)
    return RedirectResponse("/settings/keys?done=revoked", status_code=303)


# --- the workspace and its data


@router.get("/settings/workspace")
def workspace_page(caller: Admin, session: ReadDb, settings: SettingsOf, done: str | None = None) -> HTMLResponse:
    """Time zone, journey models, how long things are kept, erasure."""
    return _workspace(caller, session, settings, {"notice": DONE.get(done or "")})


def _workspace(
    caller: Caller, session: ReadDb, settings: SettingsOf, context: Mapping[str, Any], *, status: int = 200
) -> HTMLResponse:
    known = {
        "zones": sorted(available_timezones()),
        "zone": caller.timezone,
        "sample": sample.is_here(session, caller.workspace_id),
        "kept": _kept(settings),
        "respondent": "",
        "erased": None,
    }
    return settings_page(
        "settings_workspace.html", caller, "/settings/workspace", {**known, **context}, status=status
    )


def _kept(settings: SettingsOf) -> list[tuple[str, str, str]]:
    """What is kept how long, and the setting that says so."""
    return [
        ("Raw deliveries", f"{settings.delivery_retention_days} days", "JOURNEYMAP_DELIVERY_RETENTION_DAYS"),
        ("Messages told to others, of changes and digests", f"{KEPT_DAYS} days", "fixed"),
        ("Uploaded files", f"{settings.import_retention_days} days", "JOURNEYMAP_IMPORT_RETENTION_DAYS"),
        ("First answers to repeated calls", f"{settings.idempotency_hours} hours", "JOURNEYMAP_IDEMPOTENCY_HOURS"),
        ("Signed-in browsers", f"{settings.session_hours} hours", "JOURNEYMAP_SESSION_HOURS"),
        ("Unused invitations", f"{settings.invite_hours} hours", "JOURNEYMAP_INVITE_HOURS"),
        (
            "Names, addresses and numbers in customers' words",
            "taken out before storing" if settings.redact_stored else "stored as written, hidden where shown",
            "JOURNEYMAP_REDACT_STORED",
        ),
    ]


@router.post("/settings/workspace/zone")
def change_zone(form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf) -> Any:
    """Count days in another zone."""
    try:
        asked = checked(WorkspaceBody, {"timezone": form.get("timezone", "")})
        put_workspace(caller, session, asked.model_dump_json().encode())
    except JourneymapError as error:
        return _workspace(caller, session, settings, {"problem": error.detail}, status=error.status)
    return RedirectResponse("/settings/workspace?done=zone", status_code=303)


@router.post("/settings/workspace/erase")
def erase(
    form: SignedInForm, caller: Admin, session: ReadDb, settings: SettingsOf, database: DatabaseOf, vault: VaultOf
) -> HTMLResponse:
    """Erase a person everywhere; the page asks once more before it is done."""
    respondent = form.get("respondent", "").strip()
    if not respondent:
        error = FieldError("/respondent", "missing", "say who")
        raise BadInput("Say who is to be erased, as the sender calls them.", errors=[error])
    if form.get("sure") != "yes":
        return _workspace(caller, session, settings, {"respondent": respondent})
    items = erasure.erase_respondent(database, settings, vault, caller, respondent)
    return _workspace(caller, session, settings, {"erased": items})


# --- the log


@router.get("/settings/audit")
def audit_page(caller: Admin, session: ReadDb, cursor: str | None = None) -> HTMLResponse:
    """Who changed what, when."""
    found = access.audit_page(session, caller, PageQuery(limit=AUDIT_ROWS, cursor=cursor))
    return settings_page(
        "settings_audit.html",
        caller,
        "/settings/audit",
        {"rows": found.data, "next": found.next, "said": audit_words},
    )
