"""Back to what a workspace used before: an older overlay, or the default model as it is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from service.auth import Caller
from service.errors import BadInput, Conflict, FieldError
from service.learn import records
from service.learn.retrain import tag_again
from service.settings import Settings
from service.store import learned
from service.store.schema import AuditEvent


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Model versions before and after."""

    before: str
    after: str


def roll_back(session: Session, settings: Settings, caller: Caller, *, base: str, to: str | None) -> RolledBack:
    """Use the overlay before the present one, or the version `to`; items are tagged again with it.

    `base` is the default model's version; as `to` it means the default without any learning. Raises Conflict where
    the default is in use already, BadInput for a version that is not kept.
    """
    workspace_id = caller.workspace_id
    records.lock(session, workspace_id)
    active = records.in_use(settings, workspace_id, base)
    kept = [
        one
        for one in records.records(settings, workspace_id)
        if records.can_return_to(settings, workspace_id, one, base)
    ]
    target = None
    if to is None:
        if active is None:
            raise Conflict("The default model is in use: there is nothing to roll back.")
        target = next((one for one in kept if int(one["number"]) < active.number), None)
    elif to != base:
        target = next((one for one in kept if one["model"] == to), None)
        if target is None:
            known = ", ".join([*(one["model"] for one in kept), base])
            detail = f"no version that is kept; there are {known}"
            raise BadInput(f"«to»: {detail}.", errors=[FieldError("/to", "unknown_version", detail)])
    found = RolledBack(active.version if active else base, target["model"] if target else base)
    detail_of_event = {"from": found.before, "to": found.after}
    session.add(
        AuditEvent(
            workspace_id=workspace_id,
            actor=caller.actor,
            action="model.rollback",
            target=f"model:{found.after}",
            detail=detail_of_event,
        )
    )
    learned.activate(settings, workspace_id, records.as_active(target) if target else None)
    tag_again(session, settings, workspace_id)
    return found
