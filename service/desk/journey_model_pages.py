"""Journey models: look at the built-in ones, make, change and remove one's own, choose the default."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlmodel import Session

from nlp.codebook import JourneyModel
from service.aggregate import api as routes
from service.aggregate.journey_models import create_model, list_models, replace_model
from service.aggregate.model_preview import model_preview
from service.auth import Caller
from service.dependencies import Db, Decider, ReadDb, Reader
from service.desk.journey_model_form import Checked, Draft, changed, check, draft_of, draft_of_form, stages
from service.desk.settings_frame import settings_page
from service.errors import BadInput, Conflict, JourneymapError, NotFound
from service.review.forms import SignedInForm
from service.store.journey_models import journey_model
from service.store.rollup_codes import codebook
from service.store.schema import AuditEvent

router = APIRouter(include_in_schema=False)

AT = "/settings/journeys"
DONE = {
    "saved": "Saved. Nothing has to be read again: the map shows it at once.",
    "removed": "Removed.",
    "default": "The map is shown in this model from now on.",
}


@router.get(AT)
def models_page(caller: Reader, session: ReadDb, done: str | None = None) -> HTMLResponse:
    """All journey models, the default marked."""
    models = list_models(session, caller.workspace_id)
    return settings_page("settings_journeys.html", caller, AT, {"models": models, "notice": DONE.get(done or "")})


@router.get(f"{AT}/new")
def new_page(caller: Decider, session: ReadDb, like: str | None = None) -> HTMLResponse:
    """An empty form, or one filled in like another model."""
    draft = Draft("", (("c1", ""), ("c2", ""), ("c3", "")))
    if like:
        model = _model(session, caller, like)
        draft = draft_of(model, name=f"{model['name']}, ours")
    return _form(caller, session, draft, None)


@router.get(f"{AT}/{{model_id}}")
def model_page(model_id: str, caller: Reader, session: ReadDb, done: str | None = None) -> HTMLResponse:
    """One model with its numbers; the workspace's own as a form for those who decide."""
    model = _model(session, caller, model_id)
    if model["built_in"] or not caller.may("decide"):
        found = journey_model(session, workspace_id=caller.workspace_id, model_id=model_id, codebook=codebook())
        return settings_page(
            "settings_journey.html", caller, AT, {"model": model, **_preview(session, caller, found)}
        )
    return _form(caller, session, draft_of(model), model, notice=DONE.get(done or ""))


@router.post(AT)
def make(form: SignedInForm, caller: Decider, session: Db) -> Response:
    """Store a new model, or show the form again after one of its buttons."""
    return _take(form, caller, session, None)


@router.post(f"{AT}/{{model_id}}")
def change(model_id: str, form: SignedInForm, caller: Decider, session: Db) -> Response:
    """Store a changed model, or show the form again after one of its buttons."""
    return _take(form, caller, session, _model(session, caller, model_id))


@router.post(f"{AT}/{{model_id}}/default")
def choose(model_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Show the map in this model by default."""
    routes.put_default(model_id, caller, session)
    return RedirectResponse(f"{AT}?done=default", status_code=303)


@router.post(f"{AT}/{{model_id}}/remove")
def remove(model_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Remove one of one's own."""
    routes.remove_model(model_id, caller, session)
    return RedirectResponse(f"{AT}?done=removed", status_code=303)


def _take(form: SignedInForm, caller: Caller, session: Session, model: dict[str, Any] | None) -> Response:
    draft, do = draft_of_form(form), form.get("do", "")
    if do != "save":
        return _form(caller, session, changed(draft, do), model, looked_at=do == "preview")
    found = check(draft)
    if found.body is None:
        return _form(caller, session, draft, model, looked_at=True, status=422)
    try:
        if model is None:
            made = create_model(session, workspace_id=caller.workspace_id, body=found.body)
        else:
            made = replace_model(session, workspace_id=caller.workspace_id, model_id=model["id"], body=found.body)
    except (BadInput, Conflict) as error:
        return _form(caller, session, draft, model, refused=error, status=error.status)
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id,
            actor=caller.actor,
            action=f"journey_model.{'create' if model is None else 'replace'}",
            target=made["id"],
        )
    )
    return RedirectResponse(f"{AT}/{made['id']}?done=saved", status_code=303)


def _model(session: Session, caller: Caller, model_id: str) -> dict[str, Any]:
    for one in list_models(session, caller.workspace_id):
        if one["id"] == model_id:
            return one
    raise NotFound("This journey model does not exist.")


def _preview(session: Session, caller: Caller, model: JourneyModel | None) -> dict[str, Any]:
    if model is None:
        return {"preview": None, "places": {}}
    found = model_preview(session, workspace_id=caller.workspace_id, model=model)
    most = max([1, *(one["items"] for one in found["stages"])])
    for one, column in zip(found["stages"], model.stages, strict=True):
        one["width"] = round(100 * one["items"] / most, 1)
        one["covers"] = column.rules
    return {"preview": found}


def _form(
    caller: Caller,
    session: Session,
    draft: Draft,
    model: dict[str, Any] | None,
    *,
    looked_at: bool = False,
    notice: str | None = None,
    refused: JourneymapError | None = None,
    status: int = 200,
) -> HTMLResponse:
    """The form with a preview where it can be saved; what is wrong is said once somebody asked."""
    found: Checked = check(draft)
    errors = dict(found.errors) if looked_at else {}
    if refused is not None:
        errors["name"] = refused.detail
    definitions = {one.label: one.definition for one in codebook().stages}
    return settings_page(
        "settings_journey_form.html",
        caller,
        AT,
        {
            "draft": draft,
            "model": model,
            "errors": errors,
            "problem": " ".join(errors.values()) or None,
            "notice": notice,
            "stages": [(stage, definitions[stage]) for stage in stages()],
            "touchpoints": codebook().labels("touchpoint"),
            **_preview(session, caller, found.model),
        },
        status=status,
    )
