"""Where feedback comes from: webhook addresses with their set-up, and what each delivery became."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy import and_, func, select
from sqlmodel import Session, col

from service.auth import Caller
from service.dependencies import Admin, Db, ReadDb, Reader, SettingsOf, VaultOf
from service.errors import BadInput, FieldError, Forbidden, NotFound, field_errors
from service.ingest import deliveries, endpoints
from service.ingest.endpoints import NewEndpoint, sender_named
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Sender
from service.ingest.senders.guide import read_guide
from service.paging import row_id
from service.review.forms import SignedInForm
from service.review.render import page
from service.store.columns import now
from service.store.schema import Delivery, Endpoint, FeedbackItem, FileImport

router = APIRouter(include_in_schema=False)

KINDS = (("support", "Support"), ("survey", "Surveys"), ("review", "Reviews"), ("any", "Any other tool"))
LATEST = 5  # deliveries shown on the set-up page
LISTED = 50
COUNTED_DAYS = 30
SHOWN_BODY_CHARS = 20_000


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
        {"caller": caller, "page": "sources", "hooks": hooks, "files": [_file(one) for one in files]},
    )


def _file(one: FileImport) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.filename,
        "source": one.source,
        "state": one.state,
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
    return _set_up(session, caller, made.id, made.url, secrets=made.secrets or [])


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
            "options": _fields(sender.options),
            "credentials": _fields(_credentials(sender)),
            "form": form,
            "errors": errors,
            "error_of": {one.pointer: one.detail for one in errors},
        },
        status=422 if errors else 200,
    )


def _credentials(sender: Sender) -> type[BaseModel] | None:
    asking = sender.fetcher or sender.poller
    return asking.credentials if asking is not None else None


def _fields(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    """What a form asks for each field of a model: name, words, default, choices, and whether it is JSON."""
    if model is None:
        return []
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    found = []
    for name, field in model.model_fields.items():
        told = schema["properties"][name]
        variants = [told, *told.get("anyOf", [])]
        variants += [definitions[one["$ref"].rpartition("/")[2]] for one in variants if "$ref" in one]
        default = field.get_default(call_default_factory=True) if not field.is_required() else None
        nested = any(one.get("type") in ("object", "array") for one in variants)
        found.append(
            {
                "name": name,
                "about": field.description or "",
                "required": field.is_required(),
                "nested": nested,
                "choices": next((one["enum"] for one in variants if "enum" in one), None),
                "switch": any(one.get("type") == "boolean" for one in variants),
                "default": ""
                if default is None
                else json.dumps(default, default=dict)
                if nested
                else str(default),
            }
        )
    return found


def _asked(sender: Sender, form: Mapping[str, str]) -> dict[str, Any]:
    """The form as `POST /v1/endpoints` takes it; empty fields are not sent."""
    asked: dict[str, Any] = {"sender": sender.name, "name": form.get("name", "").strip() or sender.title}
    if form.get("source", "").strip():
        asked["source"] = form["source"].strip()
    if form.get("secret", "").strip():
        asked["secrets"] = [form["secret"].strip()]
    for group, model in (("options", sender.options), ("credentials", _credentials(sender))):
        given = {}
        for field in _fields(model):
            text = form.get(f"{group}.{field['name']}", "").strip()
            if field["switch"]:
                text = text or "false"
            if text:
                given[field["name"]] = _value(group, field, text)
        if given:
            asked[group] = given
    return asked


def _value(group: str, field: Mapping[str, Any], text: str) -> Any:
    if not field["nested"]:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        detail = "this is not JSON; see the example in the field's description"
        raise BadInput(detail, errors=[FieldError(f"/{group}/{field['name']}", "not_json", detail)]) from error


@router.get("/sources/hooks/{endpoint_id}")
def hook_page(
    endpoint_id: str, caller: Admin, session: ReadDb, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse:
    """One address: how to set it up, and what arrives."""
    view = endpoints.get_endpoint(endpoint_id, caller, settings, vault, session)
    return _set_up(session, caller, view.id, view.url, secrets=[])


@router.post("/sources/hooks/{endpoint_id}/secret")
def renew_secret(
    endpoint_id: str, form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> HTMLResponse:
    """A further secret, shown on this answer only; the ones before hold for a day more."""
    made = endpoints.add_secret(
        session, vault, settings, caller=caller, endpoint_id=endpoint_id, asked=endpoints.NewSecret()
    )
    return _set_up(session, caller, made.id, made.url, secrets=made.secrets or [])


@router.post("/sources/hooks/{endpoint_id}/remove")
def remove_hook(endpoint_id: str, form: SignedInForm, caller: Admin, session: Db) -> RedirectResponse:
    """Close the address."""
    endpoints.delete_endpoint(endpoint_id, caller, session)
    return RedirectResponse("/sources", status_code=303)


def _set_up(session: Session, caller: Caller, public_id: str, url: str, *, secrets: list[str]) -> HTMLResponse:
    endpoint = _endpoint(session, caller, public_id)
    guide = read_guide(endpoint.sender)
    filled = {"url": url, "secret": secrets[0] if secrets else "the secret, shown when the address was made"}
    return page(
        "hook.html",
        {
            "caller": caller,
            "page": "sources",
            "endpoint": endpoint,
            "sender": SENDERS[endpoint.sender],
            "url": url,
            "secrets": secrets,
            "guide": guide,
            "steps": [_filled(step, filled) for step in guide.steps],
            "template": _filled(guide.template, filled) if guide.template else None,
            **_live(session, caller, endpoint),
        },
        status=201 if secrets else 200,
    )


def _filled(text: str, values: Mapping[str, str]) -> str:
    # not str.format: templates of other tools are full of braces
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def _endpoint(session: Session, caller: Caller, public_id: str) -> Endpoint:
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
    return page("live.html", {"caller": caller, **_live(session, caller, _endpoint(session, caller, endpoint_id))})


def _live(session: Session, caller: Caller, endpoint: Endpoint) -> dict[str, Any]:
    found = session.execute(
        select(Delivery)
        .where(col(Delivery.endpoint_id) == endpoint.id)
        .order_by(col(Delivery.id).desc())
        .limit(LATEST)
    ).scalars()
    return {"deliveries": _shown(session, caller, list(found)), "checked_at": now()}


def _shown(session: Session, caller: Caller, found: Sequence[Delivery]) -> list[dict[str, Any]]:
    items: dict[int, list[FeedbackItem]] = {}
    for item in session.execute(
        select(FeedbackItem)
        .where(
            col(FeedbackItem.workspace_id) == caller.workspace_id,
            col(FeedbackItem.delivery_id).in_([one.id for one in found]),
        )
        .order_by(col(FeedbackItem.id))
        .limit(LISTED)
    ).scalars():
        assert item.delivery_id is not None
        items.setdefault(item.delivery_id, []).append(item)
    return [{"row": one, "raw": _raw(one), "items": items.get(one.id or 0, [])} for one in found]


def _raw(delivery: Delivery) -> str:
    """The body as people read it; JSON with its lines."""
    try:
        text = delivery.body.decode("utf-8")
    except UnicodeDecodeError:
        return f"{len(delivery.body)} bytes that are no text"
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return text if len(text) <= SHOWN_BODY_CHARS else text[:SHOWN_BODY_CHARS] + "\n…"


@router.get("/deliveries")
def deliveries_page(caller: Reader, session: ReadDb, state: str = "unparsed") -> HTMLResponse:
    """The latest deliveries in a state; those that could not be understood first of all."""
    if state not in ("unparsed", "ignored", "parsed"):
        raise NotFound("There is no such list of deliveries.")
    rows = session.execute(
        select(Delivery, Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(col(Delivery.workspace_id) == caller.workspace_id, col(Delivery.state) == state)
        .order_by(col(Delivery.id).desc())
        .limit(LISTED)
    ).all()
    return page(
        "deliveries.html",
        {"caller": caller, "page": "sources", "state": state, "rows": rows, "limit": LISTED},
    )


@router.get("/deliveries/{delivery_id}")
def delivery_page(delivery_id: str, caller: Reader, session: ReadDb, done: str | None = None) -> HTMLResponse:
    """One delivery, raw beside parsed."""
    if not caller.may("verbatims"):
        raise Forbidden("Deliveries hold what customers wrote; your role sees numbers only.")
    found = session.execute(
        select(Delivery, Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(Delivery.endpoint_id))
        .where(
            col(Delivery.workspace_id) == caller.workspace_id,
            col(Delivery.id) == row_id(delivery_id, "This delivery"),
        )
    ).first()
    if found is None:
        raise NotFound("There is no such delivery.")
    delivery, endpoint = found
    (shown,) = _shown(session, caller, [delivery])
    return page(
        "delivery.html",
        {
            "caller": caller,
            "page": "sources",
            "one": shown,
            "endpoint": endpoint,
            "title": SENDERS[endpoint.sender].title if endpoint.sender in SENDERS else endpoint.sender,
            "notice": "Taken again." if done else None,
        },
    )


@router.post("/deliveries/{delivery_id}/replay")
def replay_from_page(
    delivery_id: str, form: SignedInForm, caller: Admin, session: Db, settings: SettingsOf, vault: VaultOf
) -> RedirectResponse:
    """Take it again, now that its mapping or our reading of it is mended."""
    deliveries.replay(session, vault, settings, workspace_id=caller.workspace_id, delivery_id=delivery_id)
    return RedirectResponse(f"/deliveries/{delivery_id}?done=replay", status_code=303)
