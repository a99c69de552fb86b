"""Webhook addresses: each fixes workspace, sender, scheme and secrets before anything is parsed."""

from __future__ import annotations

import secrets as random
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from sqlmodel import Session, col, select

from service.auth import Caller, Vault
from service.dependencies import Admin, Db, JsonBody, ReadDb, SettingsOf, VaultOf, json_body, parse_body
from service.errors import BadInput, Conflict, FieldError, NotFound, field_errors
from service.idempotency import IdempotentRoute, not_for_replay
from service.ingest import credentials
from service.ingest.endpoint_answers import (
    ChangedEndpoint,
    CreatedEndpoint,
    EndpointPage,
    EndpointView,
    NewCredentials,
    NewEndpoint,
    NewSecret,
)
from service.ingest.endpoint_secrets import (
    MAX_SECRETS,
    active_secrets,
    checked_secrets,
    encrypted,
    first_secrets,
    made_secrets,
    secrets_of,
)
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Sender
from service.ingest.senders.signatures import SenderOptions
from service.paging import Page
from service.settings import Settings
from service.store.columns import now
from service.store.schema import AuditEvent, Endpoint, EndpointApi

ADDRESS_BYTES = 16  # 128 random bits: for unsigned senders the address is the credential

router = APIRouter(tags=["webhooks in"], route_class=IdempotentRoute)


def sender_named(name: str) -> Sender:
    """The sender of this name; BadInput listing those that there are."""
    if name not in SENDERS:
        detail = f"senders are {', '.join(sorted(SENDERS))}"
        raise BadInput(f"This sender is not known: {detail}.", errors=[FieldError("/sender", "unknown", detail)])
    return SENDERS[name]


def options_of(sender: Sender, options: dict[str, Any]) -> SenderOptions:
    """The sender's options, checked; BadInput naming each that is unknown or wrong."""
    try:
        return sender.options.model_validate(options)
    except ValidationError as error:
        found = [FieldError(f"/options{one.pointer}", one.code, one.detail) for one in field_errors(error)]
        known = ", ".join(sender.options.model_fields)
        raise BadInput(f"Options of {sender.name} are {known}.", errors=found) from error


@router.post(
    "/v1/endpoints",
    status_code=201,
    response_model=CreatedEndpoint,
    openapi_extra=json_body(NewEndpoint, {"sender": "standard-webhooks", "name": "App feedback", "source": "app"}),
    summary="Make a webhook address",
)
def post_endpoint(
    request: Request, caller: Admin, body: JsonBody, settings: SettingsOf, vault: VaultOf, session: Db
) -> CreatedEndpoint:
    """Make an address for one sender. Its secrets are shown once; give your own, or have one made.

    Where the tool makes the secret itself, it can be added later; until then every delivery is refused.
    """
    made = create_endpoint(session, vault, settings, caller=caller, asked=parse_body(NewEndpoint, body))
    not_for_replay(request, "secrets")
    return made


def create_endpoint(
    session: Session, vault: Vault, settings: Settings, *, caller: Caller, asked: NewEndpoint
) -> CreatedEndpoint:
    """Make the address; BadInput naming what of it can't be used."""
    sender = sender_named(asked.sender)
    options = options_of(sender, asked.options or {})
    secrets = checked_secrets(asked.secrets, sender) if asked.secrets else first_secrets(sender)
    given = credentials.checked(sender, asked.credentials) if asked.credentials is not None else None
    endpoint = Endpoint(
        workspace_id=caller.workspace_id,
        public_id=random.token_urlsafe(ADDRESS_BYTES),
        sender=sender.name,
        name=asked.name,
        source=asked.source or f"{sender.name}-{random.token_hex(4)}",
        secrets=encrypted(secrets, vault),
        options=options.model_dump(),
    )
    session.add(endpoint)
    if given is not None:
        credentials.keep(session, vault, endpoint, given)
    _audit(session, endpoint, caller.actor, "endpoint.create")
    return CreatedEndpoint(
        id=endpoint.public_id, url=_url(endpoint, settings), secrets=[secret.value for secret in secrets]
    )


@router.get("/v1/endpoints", response_model=EndpointPage, summary="List webhook addresses")
def get_endpoints(
    caller: Admin, page: Page, settings: SettingsOf, vault: VaultOf, session: ReadDb
) -> EndpointPage:
    """The addresses of this workspace, newest first, without their secrets."""
    query = select(Endpoint).where(Endpoint.workspace_id == caller.workspace_id)
    if (key := page.key_id()) is not None:
        query = query.where(col(Endpoint.id) < key)
    rows = session.exec(query.order_by(col(Endpoint.id).desc()).limit(page.limit + 1)).all()
    shown = rows[: page.limit]
    apis = credentials.apis_of(session, shown)
    return EndpointPage(
        data=[_view(row, apis.get(row.id or 0), settings, vault) for row in shown],
        next=page.next_after(rows, shown[-1].id) if shown else None,
    )


@router.get("/v1/endpoints/{endpoint_id}", response_model=EndpointView, summary="One webhook address")
def get_endpoint(
    endpoint_id: str, caller: Admin, settings: SettingsOf, vault: VaultOf, session: ReadDb
) -> EndpointView:
    """One address, without its secrets."""
    endpoint = _endpoint(session, caller.workspace_id, endpoint_id)
    return _view(endpoint, credentials.api_of(session, endpoint), settings, vault)


@router.put(
    "/v1/endpoints/{endpoint_id}",
    response_model=EndpointView,
    openapi_extra=json_body(ChangedEndpoint, {"name": "App feedback", "options": {"replay_window_seconds": 600}}),
    summary="Change name or options of a webhook address",
)
def put_endpoint(
    endpoint_id: str, caller: Admin, body: JsonBody, settings: SettingsOf, vault: VaultOf, session: Db
) -> EndpointView:
    """Change an address where it stands: sender, source and secrets stay, deliveries go on without a gap.

    Credentials for the sender's API have a route of their own. Stored deliveries are read by the new options
    once they are taken again.
    """
    asked = parse_body(ChangedEndpoint, body)
    return change_endpoint(session, vault, settings, caller=caller, endpoint_id=endpoint_id, asked=asked)


def change_endpoint(
    session: Session,
    vault: Vault,
    settings: Settings,
    *,
    caller: Caller,
    endpoint_id: str,
    asked: ChangedEndpoint,
) -> EndpointView:
    """Name and options from now on; BadInput naming what can't be used, Conflict where the address was removed."""
    endpoint = _endpoint(session, caller.workspace_id, endpoint_id)
    before = (endpoint.name, endpoint.options)
    if asked.options is not None:
        options = options_of(sender_named(endpoint.sender), asked.options).model_dump(mode="json")
    else:
        options = endpoint.options
    if endpoint.removed_at is not None:
        raise Conflict("This address was removed; make a new one.")
    # by the row's attributes, not by a bare UPDATE: that is how this process's remembered addresses hear of it
    endpoint.name, endpoint.options = asked.name or endpoint.name, options
    if (endpoint.name, options) != before:
        session.add(endpoint)
        _audit(session, endpoint, caller.actor, "endpoint.change")
    if options != before[1]:
        credentials.ask_anew(session, endpoint)
    return _view(endpoint, credentials.api_of(session, endpoint), settings, vault)


@router.delete("/v1/endpoints/{endpoint_id}", status_code=204, summary="Remove a webhook address")
def delete_endpoint(endpoint_id: str, caller: Admin, session: Db) -> Response:
    """Close the address: deliveries are answered 410 from now on; what came in stays."""
    endpoint = _endpoint(session, caller.workspace_id, endpoint_id)
    if endpoint.removed_at is None:
        endpoint.removed_at = now()
        session.add(endpoint)
        credentials.forget(session, endpoint)
        _audit(session, endpoint, caller.actor, "endpoint.remove")
    return Response(status_code=204)


@router.post(
    "/v1/endpoints/{endpoint_id}/secrets",
    status_code=201,
    response_model=CreatedEndpoint,
    openapi_extra=json_body(NewSecret, {"keep_old_hours": 24}),
    summary="Rotate the secret of a webhook address",
)
def post_secret(
    endpoint_id: str,
    request: Request,
    caller: Admin,
    body: JsonBody,
    settings: SettingsOf,
    vault: VaultOf,
    session: Db,
) -> CreatedEndpoint:
    """Add a secret (yours, or a new one, shown once); the ones before hold for `keep_old_hours` more."""
    asked = parse_body(NewSecret, body)
    made = add_secret(session, vault, settings, caller=caller, endpoint_id=endpoint_id, asked=asked)
    not_for_replay(request, "secrets")
    return made


def add_secret(
    session: Session, vault: Vault, settings: Settings, *, caller: Caller, endpoint_id: str, asked: NewSecret
) -> CreatedEndpoint:
    """Put a secret in front of those that hold; BadInput where one has to be brought."""
    endpoint = _endpoint(session, caller.workspace_id, endpoint_id)
    sender = sender_named(endpoint.sender)
    added = checked_secrets([asked.value], sender) if asked.value is not None else made_secrets(sender)
    if not added:
        detail = f"{sender.title} makes its secrets itself: bring the new one as «value»"
        raise BadInput(detail, errors=[FieldError("/value", "missing", detail)])
    moment = now()
    end = moment + timedelta(hours=asked.keep_old_hours)
    kept = [
        secret.model_copy(update={"not_after": min(secret.not_after or end, end)})
        for secret in secrets_of(endpoint, vault)
        if secret.not_after is None or secret.not_after > moment
    ]
    endpoint.secrets = encrypted([*added, *kept][:MAX_SECRETS], vault)
    session.add(endpoint)
    _audit(session, endpoint, caller.actor, "endpoint.rotate")
    return CreatedEndpoint(
        id=endpoint.public_id, url=_url(endpoint, settings), secrets=[secret.value for secret in added]
    )


@router.put(
    "/v1/endpoints/{endpoint_id}/credentials",
    response_model=EndpointView,
    openapi_extra=json_body(NewCredentials, {"credentials": {"access_token": "…"}}),
    summary="Renew the credentials for the sender's API",
)
def put_credentials(
    endpoint_id: str, caller: Admin, body: JsonBody, settings: SettingsOf, vault: VaultOf, session: Db
) -> EndpointView:
    """Use these from now on; what waits for them, or was given up, is asked for at once. They are never shown."""
    asked = parse_body(NewCredentials, body)
    return renew_credentials(session, vault, settings, caller=caller, endpoint_id=endpoint_id, asked=asked)


def renew_credentials(
    session: Session,
    vault: Vault,
    settings: Settings,
    *,
    caller: Caller,
    endpoint_id: str,
    asked: NewCredentials,
) -> EndpointView:
    """Keep new credentials; BadInput naming the field that is wrong, Conflict where the address was removed."""
    endpoint = _endpoint(session, caller.workspace_id, endpoint_id)
    given = credentials.checked(sender_named(endpoint.sender), asked.credentials)
    if endpoint.removed_at is not None:
        raise Conflict("This address was removed; make a new one.")
    credentials.keep(session, vault, endpoint, given)
    _audit(session, endpoint, caller.actor, "endpoint.credentials")
    return _view(endpoint, credentials.api_of(session, endpoint), settings, vault)


def _endpoint(session: Session, workspace_id: int, public_id: str) -> Endpoint:
    found = session.exec(
        select(Endpoint).where(Endpoint.workspace_id == workspace_id, Endpoint.public_id == public_id)
    ).first()
    if found is None:
        raise NotFound("There is no such webhook address.")
    return found


def _url(endpoint: Endpoint, settings: Settings) -> str:
    return f"{settings.public_url}/hooks/{endpoint.sender}/{endpoint.public_id}"


def _view(endpoint: Endpoint, api: EndpointApi | None, settings: Settings, vault: Vault) -> EndpointView:
    return EndpointView(
        id=endpoint.public_id,
        url=_url(endpoint, settings),
        sender=endpoint.sender,
        name=endpoint.name,
        source=endpoint.source,
        options=endpoint.options,
        secrets=len(active_secrets(endpoint, vault, now())),
        credentials=api is not None and api.credentials is not None,
        trouble=api.trouble if api is not None else None,
        created_at=endpoint.created_at,
        removed_at=endpoint.removed_at,
    )


def _audit(session: Session, endpoint: Endpoint, actor: str, action: str) -> None:
    session.add(
        AuditEvent(
            workspace_id=endpoint.workspace_id,
            actor=actor,
            action=action,
            target=endpoint.name,
            detail={"sender": endpoint.sender, "source": endpoint.source},
        )
    )
