"""What a sender's API wants to see: checked by the sender's own model, kept encrypted, never shown again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from service.auth import Vault
from service.errors import BadInput, FieldError, field_errors
from service.ingest import wanted
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Credentials, Sender
from service.store.columns import now
from service.store.schema import Endpoint, EndpointApi


def model_of(sender: Sender) -> type[Credentials] | None:
    """What credentials this sender's API takes; None where it is never asked."""
    asked = sender.fetcher or sender.poller
    return asked.credentials if asked is not None else None


def checked(sender: Sender, given: Any) -> Credentials:
    """The credentials; BadInput naming each field that is missing or wrong, never what was given."""
    model = model_of(sender)
    if model is None:
        detail = f"the API of {sender.title} is never asked, so there is nothing to sign in with"
        raise BadInput(detail, errors=[FieldError("/credentials", "not_taken", detail)])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = [FieldError(f"/credentials{one.pointer}", one.code, one.detail) for one in field_errors(error)]
        known = ", ".join(model.model_fields)
        raise BadInput(f"Credentials of {sender.title} are {known}.", errors=found) from error


def api_of(session: Session, endpoint: Endpoint, *, lock: bool = False) -> EndpointApi | None:
    """The endpoint's row about its sender's API; there is one once it was needed."""
    found = select(EndpointApi).where(
        EndpointApi.workspace_id == endpoint.workspace_id, EndpointApi.endpoint_id == endpoint.id
    )
    return session.exec(found.with_for_update() if lock else found).first()


def keep(session: Session, vault: Vault, endpoint: Endpoint, given: Credentials) -> None:
    """Use these from now on: what waits for them is asked for at once."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.flush()
    session.execute(
        dialect.insert(EndpointApi)
        .values(workspace_id=endpoint.workspace_id, endpoint_id=endpoint.id, failures=0, cursor={})
        .on_conflict_do_nothing()
    )
    api = api_of(session, endpoint, lock=True)
    assert api is not None
    api.credentials = vault.encrypt(json.dumps(given.model_dump(mode="json")))
    api.trouble, api.failures, api.next_request_at = None, 0, None
    if SENDERS[endpoint.sender].poller is not None:
        api.next_poll_at = now()
    session.add(api)
    session.flush()
    wanted.ask_again(session, endpoint)


def ask_anew(session: Session, endpoint: Endpoint) -> None:
    """The endpoint's options changed: another address or another app may be meant, so asking begins anew."""
    api = api_of(session, endpoint, lock=True)
    if api is None or api.credentials is None:
        return
    api.trouble, api.failures, api.next_request_at, api.cursor = None, 0, None, {}
    if SENDERS[endpoint.sender].poller is not None:
        api.next_poll_at = now()
    session.add(api)
    session.flush()
    wanted.ask_again(session, endpoint)


def forget(session: Session, endpoint: Endpoint) -> None:
    """The endpoint is removed: nothing is asked for it any more."""
    api = api_of(session, endpoint, lock=True)
    if api is not None:
        api.credentials, api.next_poll_at, api.trouble = None, None, None
        session.add(api)


def of_endpoint(api: EndpointApi, sender: Sender, vault: Vault) -> Credentials | None:
    """The credentials again; None where there are none, or none that this sender's model still takes."""
    model = model_of(sender)
    if api.credentials is None or model is None:
        return None
    try:
        return model.model_validate(json.loads(vault.decrypt(api.credentials)))
    except ValidationError:
        return None


def apis_of(session: Session, endpoints: Sequence[Endpoint]) -> dict[int, EndpointApi]:
    """`api_of` for many endpoints of one workspace, by the endpoint's id."""
    ids = [endpoint.id for endpoint in endpoints]
    rows = session.exec(select(EndpointApi).where(col(EndpointApi.endpoint_id).in_(ids)))
    return {row.endpoint_id: row for row in rows}
