"""Where feedback comes from: what is connected and what was sent, and connecting a tool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from sqlalchemy import and_, func, select
from sqlmodel import col

from service.auth import Caller
from service.dependencies import Admin, Db, ReadDb, Reader, SettingsOf, VaultOf
from service.errors import BadInput, FieldError, NotFound, field_errors
from service.ingest import endpoints
from service.ingest.credentials import model_of
from service.ingest.endpoint_answers import NewEndpoint
from service.ingest.endpoints import sender_named
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Sender
from service.ingest.senders.guide import read_guide
from service.review import delivery_pages, hook_pages, import_pages, mapping_page
from service.review.forms import SignedInForm
from service.review.hook_pages import set_up_page
from service.review.mapping_form import OF_MAPPING
from service.review.model_forms import asked_of, fields_of
from service.review.render import page
from service.store.columns import now
from service.store.schema import Delivery, Endpoint, FileImport

router = APIRouter(include_in_schema=False)
for part in (hook_pages, mapping_page, delivery_pages, import_pages):
    router.include_router(part.router)

KINDS = (("support", "Support"), ("survey", "Surveys"), ("review", "Reviews"), ("any", "Any other tool"))
LISTED = 50
COUNTED_DAYS = 30


@router.get("/sources")
def sources_page(caller: Reader, session: ReadDb) -> HTMLResponse:
    """All webhook addresses and files, with what arrived in a day and what could not be understood."""
    moment = now()
    rows = session.execute(
        select(
            Endpoint,
            func.count(col(Delivery.id)),
            func.count(col(Delivery.id)).filter(col(Delivery.received_at) >= moment - timedelta(days=1)),
            func.count(col(Delivery.id)).filter(col(Delivery.state) == "unparsed"),
            func.max(col(Delivery.received_at)),
        )
        .outerjoin(
            Delivery,
            and_(
                col(Delivery.endpoint_id) == col(Endpoint.id),
                col(Delivery.received_at) >= moment - timedelta(days=COUNTED_DAYS),
            ),
        )
        .where(col(Endpoint.workspace_id) == caller.workspace_id, col(Endpoint.removed_at).is_(None))
        .group_by(col(Endpoint.id))
        .order_by(col(Endpoint.id).desc())
    ).all()
    files = session.execute(
        select(FileImport)
        .where(col(FileImport.workspace_id) == caller.workspace_id)
        .order_by(col(FileImport.id).desc())
        .limit(LISTED)
    ).scalars()
    hooks = [
        {
            "id": endpoint.public_id,
            "name": endpoint.name,
            "title": SENDERS[endpoint.sender].title if endpoint.sender in SENDERS else endpoint.sender,
            "source": endpoint.source,
            "month": every,
            "day": day,
            "unparsed": unparsed,
            "last": last,
        }
        for endpoint, every, day, unparsed, last in rows
    ]
    return page(
        "sources.html",
        {
            "caller": caller,
            "page": "sources",
            "hooks": hooks,
            "files": [_file(one) for one in files],
            "may_import": caller.may("ingest") or caller.may("files"),
        },
    )


def _file(one: FileImport) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.filename,
        "source": one.source,
        "state": one.state,
        "words": import_pages.STATES.get(one.state, one.state),
        "rows": one.rows_read,
        "items": one.items,
        "rejected": one.rows_rejected,
        "at": one.created_at,
        "done": one.tagged / one.to_tag if one.read_done and one.to_tag else one.read_fraction,
    }


@router.get("/sources/connect")
def connect_page(caller: Admin) -> HTMLResponse:
    """Pick the tool."""
    groups = [
        (title, sorted((one for one in SENDERS.values() if one.kind == kind), key=lambda one: one.title.lower()))
        for kind, title in KINDS
    ]
    return page("connect.html", {"caller": caller, "page": "sources", "groups": groups})


@router.get("/sources/connect/{sender}")
def connect_sender_page(sender: str, caller: Admin) -> HTMLResponse:
    """What the tool needs to be connected."""
    return _connect(_sender(sender), caller, {}, [])


@router.post("/sources/connect/{sender}")
def connect_sender(
    sender: str, form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse:
    """Make the address; its secret stands on this answer only."""
    chosen = _sender(sender)
    try:
        made = endpoints.create_endpoint(
            session, vault, settings, caller=caller, asked=NewEndpoint.model_validate(_asked(chosen, form))
        )
    except ValidationError as error:
        return _connect(chosen, caller, form, field_errors(error))
    except BadInput as error:
        return _connect(chosen, caller, form, list(error.errors) or [FieldError("", "bad", error.detail)])
    return set_up_page(session, settings, vault, caller, made.id, secrets=made.secrets or [])


def _sender(name: str) -> Sender:
    if name not in SENDERS:
        raise NotFound("There is no such sender.")
    return sender_named(name)


def _connect(
    sender: Sender, caller: Caller, form: Mapping[str, str], errors: Sequence[FieldError]
) -> HTMLResponse:
    return page(
        "connect_sender.html",
        {
            "caller": caller,
            "page": "sources",
            "sender": sender,
            "guide": read_guide(sender.name),
            "options": fields_of(sender.options, without=OF_MAPPING),
            "credentials": fields_of(model_of(sender)),
            "form": form,
            "errors": errors,
            "error_of": {one.pointer: one.detail for one in errors},
        },
        status=422 if errors else 200,
    )


def _asked(sender: Sender, form: Mapping[str, str]) -> dict[str, Any]:
    """The form as `POST /v1/endpoints` takes it; empty fields are not sent."""
    asked: dict[str, Any] = {"sender": sender.name, "name": form.get("name", "").strip() or sender.title}
    if form.get("source", "").strip():
        asked["source"] = form["source"].strip()
    if form.get("secret", "").strip():
        asked["secrets"] = [form["secret"].strip()]
    elif form.get("token") == "make" and sender.new_secret is not None:
        asked["secrets"] = [sender.new_secret()]
    for group, model in (("options", sender.options), ("credentials", model_of(sender))):
        given = asked_of(group, fields_of(model, without=OF_MAPPING), form)
        if given:
            asked[group] = given
    return asked
