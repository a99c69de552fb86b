"""One webhook address: what to paste where, what arrives, and its name, options and credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from sqlalchemy import select
from sqlmodel import Session, col

from service.auth import Caller, Vault
from service.dependencies import Admin, Db, ReadDb, SettingsOf, VaultOf
from service.errors import BadInput, FieldError, NotFound, field_errors
from service.ingest import endpoints
from service.ingest.credentials import model_of
from service.ingest.endpoint_answers import ChangedEndpoint, NewCredentials, NewSecret
from service.ingest.senders import SENDERS
from service.ingest.senders.guide import read_guide
from service.review.delivery_pages import shown
from service.review.forms import SignedInForm
from service.review.mapping_form import OF_MAPPING
from service.review.model_forms import asked_of, fields_of, filled
from service.review.render import page
from service.settings import Settings
from service.store.columns import now
from service.store.schema import Delivery, Endpoint

router = APIRouter(include_in_schema=False)

LATEST = 5  # deliveries shown on the set-up page
DONE = {
    "options": "Saved. What comes from now on is read by these options.",
    "credentials": "Saved. What waited for them is asked for now.",
}


@router.get("/sources/hooks/{endpoint_id}")
def hook_page(
    endpoint_id: str,
    caller: Admin,
    session: ReadDb,
    settings: SettingsOf,
    vault: VaultOf,
    done: str | None = None,
) -> HTMLResponse:
    """One address: how to set it up, and what arrives."""
    return set_up_page(session, settings, vault, caller, endpoint_id, notice=DONE.get(done or ""))


@router.post("/sources/hooks/{endpoint_id}/secret")
def renew_secret(
    endpoint_id: str, form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse:
    """A further secret, shown on this answer only; the ones before hold for a day more."""
    value = form.get("secret", "").strip() or None
    try:
        asked = NewSecret(value=value)
        made = endpoints.add_secret(session, vault, settings, caller=caller, endpoint_id=endpoint_id, asked=asked)
    except (ValidationError, BadInput) as error:
        errors = [FieldError("/secret", one.code, one.detail) for one in _errors(error)]
        return set_up_page(session, settings, vault, caller, endpoint_id, errors=errors, wrong="secret")
    return set_up_page(session, settings, vault, caller, made.id, secrets=made.secrets or [])


@router.post("/sources/hooks/{endpoint_id}/options", response_model=None)
def change_options(
    endpoint_id: str, form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse | RedirectResponse:
    """Name and options as the form has them; a mapping, which has its own page, stays as it is."""
    endpoint = endpoint_of(session, caller, endpoint_id)
    asked_fields = fields_of(SENDERS[endpoint.sender].options, without=OF_MAPPING)
    try:
        kept = {name: value for name, value in endpoint.options.items() if name in OF_MAPPING}
        options = {**kept, **asked_of("options", asked_fields, form)}
        asked = ChangedEndpoint.model_validate({"name": form.get("name", "").strip(), "options": options})
        endpoints.change_endpoint(session, vault, settings, caller=caller, endpoint_id=endpoint_id, asked=asked)
    except (ValidationError, BadInput) as error:
        return set_up_page(
            session, settings, vault, caller, endpoint_id, form=form, errors=_errors(error), wrong="options"
        )
    return RedirectResponse(f"/sources/hooks/{endpoint_id}?done=options", status_code=303)


@router.post("/sources/hooks/{endpoint_id}/credentials", response_model=None)
def renew_credentials(
    endpoint_id: str, form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse | RedirectResponse:
    """Other credentials for the sender's API."""
    endpoint = endpoint_of(session, caller, endpoint_id)
    try:
        given = asked_of("credentials", fields_of(model_of(SENDERS[endpoint.sender])), form)
        asked = NewCredentials(credentials=given)
        endpoints.renew_credentials(session, vault, settings, caller=caller, endpoint_id=endpoint_id, asked=asked)
    except (ValidationError, BadInput) as error:
        return set_up_page(
            session, settings, vault, caller, endpoint_id, errors=_errors(error), wrong="credentials"
        )
    return RedirectResponse(f"/sources/hooks/{endpoint_id}?done=credentials", status_code=303)


@router.post("/sources/hooks/{endpoint_id}/remove")
def remove_hook(endpoint_id: str, form: SignedInForm, caller: Admin, session: Db) -> RedirectResponse:
    """Close the address."""
    endpoints.delete_endpoint(endpoint_id, caller, session)
    return RedirectResponse("/sources", status_code=303)


def _errors(error: ValidationError | BadInput) -> list[FieldError]:
    if isinstance(error, ValidationError):
        return field_errors(error)
    return list(error.errors) or [FieldError("", "bad", error.detail)]


def set_up_page(
    session: Session,
    settings: Settings,
    vault: Vault,
    caller: Caller,
    public_id: str,
    *,
    secrets: Sequence[str] = (),
    form: Mapping[str, str] | None = None,
    errors: Sequence[FieldError] = (),
    wrong: str = "",
    notice: str | None = None,
) -> HTMLResponse:
    """The page of an address; `secrets` are shown this once.

    `form` is what was sent and has these `errors`, in the page's form `wrong`: secret, options, credentials.
    """
    endpoint = endpoint_of(session, caller, public_id)
    view = endpoints.get_endpoint(public_id, caller, settings, vault, session)
    sender = SENDERS[endpoint.sender]
    guide = read_guide(endpoint.sender)
    options = fields_of(sender.options, without=OF_MAPPING)
    words = {"url": view.url, "secret": secrets[0] if secrets else "the secret, shown when the address was made"}
    return page(
        "hook.html",
        {
            "caller": caller,
            "page": "sources",
            "view": view,
            "sender": sender,
            "url": view.url,
            "secrets": secrets,
            "waits_for_secret": sender.secret_needed
            and sender.new_secret is None
            and not view.secrets
            and view.removed_at is None,
            "guide": guide,
            "steps": [_filled(step, words) for step in guide.steps],
            "template": _filled(guide.template, words) if guide.template else None,
            "options": options,
            "credentials": fields_of(model_of(sender)),
            "form": form or {"name": endpoint.name, **filled("options", options, endpoint.options)},
            "errors": errors,
            "error_of": {one.pointer: one.detail for one in errors},
            "wrong_form": wrong,
            "notice": notice,
            **_live(session, caller, endpoint),
        },
        status=422 if errors else 201 if secrets else 200,
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    # not str.format: templates of other tools are full of braces
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def endpoint_of(session: Session, caller: Caller, public_id: str) -> Endpoint:
    """The row of an address of this workspace; NotFound for any other."""
    found: Endpoint | None = session.execute(
        select(Endpoint).where(
            col(Endpoint.workspace_id) == caller.workspace_id, col(Endpoint.public_id) == public_id
        )
    ).scalar_one_or_none()
    if found is None or found.sender not in SENDERS:
        raise NotFound("There is no such webhook address.")
    return found


@router.get("/sources/hooks/{endpoint_id}/live")
def live_part(endpoint_id: str, caller: Admin, session: ReadDb) -> HTMLResponse:
    """The latest deliveries, raw beside parsed; the set-up page asks for this again and again."""
    return page(
        "live.html", {"caller": caller, **_live(session, caller, endpoint_of(session, caller, endpoint_id))}
    )


def _live(session: Session, caller: Caller, endpoint: Endpoint) -> dict[str, Any]:
    found = shown(session, caller, latest(session, endpoint, LATEST))
    return {"endpoint": endpoint, "deliveries": found, "checked_at": now()}


def latest(session: Session, endpoint: Endpoint, limit: int) -> list[Delivery]:
    """The newest deliveries of an address."""
    return list(
        session.execute(
            select(Delivery)
            .where(col(Delivery.workspace_id) == endpoint.workspace_id, col(Delivery.endpoint_id) == endpoint.id)
            .order_by(col(Delivery.id).desc())
            .limit(limit)
        ).scalars()
    )
