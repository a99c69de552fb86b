"""Routes by which a subscription is changed and made quieter: events, snooze, cooldown, stop, what was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlmodel import Session, col

from service.auth import Caller, Vault
from service.dependencies import Admin, Db, JsonBody, VaultOf, json_body, parse_body
from service.errors import BadInput, FieldError, NotFound
from service.idempotency import IdempotentRoute
from service.notify.api import (
    MAILED,
    Event,
    NoticeView,
    SubscriptionView,
    notice_view,
    subscription_of,
    view_of,
)
from service.notify.outgoing import ask_for_news, pieces_of
from service.paging import row_id
from service.store.columns import now
from service.store.schema import AuditEvent, Notice, Subscription, Workspace

router = APIRouter(tags=["others hear of it"], route_class=IdempotentRoute)

MOST_COOLDOWN_HOURS = 24 * 28
EXAMPLE: dict[str, Any] = {"cooldown_hours": 24, "snoozed_until": "2026-12-01T08:00:00Z"}


class ChangedSubscription(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    events: Annotated[list[Event], Field(min_length=1)] | None = None
    cooldown_hours: Annotated[int, Field(ge=0, le=MOST_COOLDOWN_HOURS)] | None = None
    snoozed_until: datetime | None = None  # null ends a snooze
    enabled: bool | None = None


@router.put(
    "/v1/subscriptions/{subscription_id}",
    response_model=SubscriptionView,
    openapi_extra=json_body(ChangedSubscription, EXAMPLE),
    summary="Change a subscription, or make it quieter",
)
def put_subscription(
    subscription_id: str, caller: Admin, body: JsonBody, vault: VaultOf, session: Db
) -> SubscriptionView:
    """Name, events, how often at most, nothing until a moment, stopped or taken up again.

    After a snooze or a stop what then still holds is told: open suggestions, changes that go on, imports that
    finished meanwhile. `cooldown_hours`: after a message of an event its next one waits that long.
    """
    return change_subscription(
        session, vault, caller=caller, subscription_id=subscription_id, asked=parse_body(ChangedSubscription, body)
    )


def change_subscription(
    session: Session, vault: Vault, *, caller: Caller, subscription_id: str, asked: ChangedSubscription
) -> SubscriptionView:
    """Change what is asked for; BadInput for events that do not fit the way it is told."""
    found = subscription_of(session, caller, subscription_id)
    given = asked.model_fields_set
    if asked.events is not None:
        if found.form == "mail" and set(asked.events) != set(MAILED):
            detail = "by mail the weekly digest is sent, nothing else: digest.weekly"
            raise BadInput(f"/events: {detail}", errors=[FieldError("/events", "not_by_mail", detail)])
        _add_events(session, found, set(asked.events))
    if asked.name is not None:
        found.name = asked.name
    if asked.cooldown_hours is not None:
        found.cooldown_hours = asked.cooldown_hours
    if "snoozed_until" in given:
        until = asked.snoozed_until
        found.snoozed_until = until.replace(tzinfo=UTC) if until is not None and until.tzinfo is None else until
    if asked.enabled is not None:
        found.failing_since = found.trouble = None
        found.disabled_at = None if asked.enabled else found.disabled_at or now()
    session.add(found)
    session.flush()
    ask_for_news(session, workspace_id=caller.workspace_id)
    _audit(session, caller, "subscription.change", found.name, {"changed": sorted(given)})
    return view_of(found, vault)


def _add_events(session: Session, found: Subscription, events: set[str]) -> None:
    """From now on these; what is known of the new ones today is not told, as with a new subscription."""
    workspace = session.get_one(Workspace, found.workspace_id)
    new = {piece.key for piece in pieces_of(session, workspace, events - set(found.events))}
    found.events, found.known = sorted(events), sorted({*found.known, *new})


@router.post(
    "/v1/subscriptions/{subscription_id}/notices/{notice_id}/acknowledge",
    response_model=NoticeView,
    summary="Say that something told was seen",
)
def acknowledge(subscription_id: str, notice_id: str, caller: Admin, session: Db) -> NoticeView:
    """Who saw it and when is kept; a change that goes on is not told to this address again."""
    found = subscription_of(session, caller, subscription_id)
    number = row_id(notice_id, "This message")
    notice = session.execute(
        select(Notice).where(col(Notice.subscription_id) == found.id, col(Notice.id) == number)
    ).scalar_one_or_none()
    if notice is None:
        raise NotFound("This message does not exist.")
    if notice.acknowledged_at is None:
        notice.acknowledged_at, notice.acknowledged_by = now(), caller.actor
        session.add(notice)
        session.flush()
        _audit(session, caller, "notice.acknowledge", found.name, {"event": notice.event})
    return notice_view(notice)


def _audit(session: Session, caller: Caller, action: str, target: str, detail: dict[str, Any]) -> None:
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id, actor=caller.actor, action=action, target=target, detail=detail
        )
    )
