"""Routes of subscriptions: who hears of what is new, and how telling them went."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.auth import Caller, Vault
from service.dependencies import Admin, Db, JsonBody, ReadDb, SettingsOf, VaultOf, json_body, parse_body
from service.errors import BadInput, FieldError, NotFound
from service.idempotency import IdempotentRoute, not_for_replay
from service.ingest.senders.standard_webhooks import new_secret
from service.notify.mail import SCHEME, check_mail_address
from service.notify.news import NEWS, Piece
from service.notify.outgoing import add_notice, ask_for_news, pieces_of
from service.notify.target import BadTarget, check_url
from service.paging import Page
from service.settings import Settings
from service.store.schema import AuditEvent, Notice, Subscription, Workspace

router = APIRouter(tags=["others hear of it"], route_class=IdempotentRoute)

Event = Literal["suggestion.created", "change.significant", "import.finished", "digest.weekly"]
MAILED = ["digest.weekly"]  # single news would fill a mailbox
EXAMPLE: dict[str, Any] = {
    "url": "https://chat.example.com/hooks/cx",
    "events": ["suggestion.created", "change.significant"],
    "format": "standard",
    "name": "CX room",
}
VIEW_EXAMPLE: dict[str, Any] = {
    "id": "sub_b3mZ1QdQ0o8",
    "name": "CX room",
    "host": "chat.example.com",
    "events": EXAMPLE["events"],
    "format": "standard",
    "created_at": "2026-11-20T09:14:03Z",
    "disabled_at": None,
    "trouble": None,
    "snoozed_until": None,
    "cooldown_hours": 0,
}


NOTICE_EXAMPLE: dict[str, Any] = {
    "id": "7",
    "event": "import.finished",
    "state": "delivered",
    "attempts": 1,
    "status": 200,
    "detail": "answered 200",
    "text": "reviews.csv: 1,200 rows read, 1,180 items, 20 refused.",
    "created_at": "2026-11-20T09:14:03Z",
    "delivered_at": "2026-11-20T09:14:04Z",
    "acknowledged_at": None,
    "acknowledged_by": None,
}


class NewSubscription(BaseModel):
    """An address to tell; `slack` sends the text alone, as chat rooms of that kind take it.

    `mailto:<address>` is sent the weekly digest by mail, where the operator has set a mail server.
    """

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(min_length=8, max_length=2048)]
    events: Annotated[list[Event] | None, Field(min_length=1)] = None  # all but the digest; by mail the digest
    format: Literal["standard", "slack"] = "standard"
    name: Annotated[str | None, Field(max_length=200)] = None


class SubscriptionView(BaseModel):
    """A subscription; its address is shown by its host only, because some addresses are credentials."""

    model_config = ConfigDict(json_schema_extra={"example": VIEW_EXAMPLE})

    id: str
    name: str
    host: str
    events: list[str]
    format: str
    created_at: datetime
    disabled_at: datetime | None
    trouble: str | None
    snoozed_until: datetime | None
    cooldown_hours: int


class CreatedSubscription(SubscriptionView):
    """With the secret that signs, shown this once (null when the answer is replayed)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": VIEW_EXAMPLE | {"secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
        }
    )

    secret: str | None


class SubscriptionList(BaseModel):
    """All subscriptions, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [VIEW_EXAMPLE], "next": None}})

    data: list[SubscriptionView]
    next: str | None


class NoticeView(BaseModel):
    """One thing told, and how it went."""

    model_config = ConfigDict(json_schema_extra={"example": NOTICE_EXAMPLE})

    id: str
    event: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    status: int | None
    detail: str | None
    text: str
    created_at: datetime
    delivered_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class NoticeList(BaseModel):
    """One page of what was told, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "data": [NOTICE_EXAMPLE],
                "next": None,
            }
        }
    )

    data: list[NoticeView]
    next: str | None


@router.post(
    "/v1/subscriptions",
    status_code=201,
    response_model=CreatedSubscription,
    openapi_extra=json_body(NewSubscription, EXAMPLE),
    summary="Subscribe an address",
)
def post_subscription(
    request: Request, caller: Admin, body: JsonBody, settings: SettingsOf, vault: VaultOf, session: Db
) -> CreatedSubscription:
    """Tell an address of what is new from now on, signed by Standard Webhooks, tried again where it fails."""
    asked = parse_body(NewSubscription, body)
    made, secret = subscribe(session, vault, settings, caller=caller, asked=asked)
    not_for_replay(request, "secret")
    return CreatedSubscription(**view_of(made, vault).model_dump(), secret=secret)


def subscribe(
    session: Session, vault: Vault, settings: Settings, *, caller: Caller, asked: NewSubscription
) -> tuple[Subscription, str]:
    """Make the subscription; what is known today is not told. BadInput for an address that we do not send to."""
    by_mail = asked.url.startswith(SCHEME)
    events = set(asked.events or (MAILED if by_mail else NEWS))
    try:
        if by_mail:
            host = check_mail_address(asked.url, settings).rpartition("@")[2]
        else:
            host, _, _ = check_url(asked.url, private=settings.private_targets)
    except BadTarget as error:
        raise BadInput(f"/url: {error}", errors=[FieldError("/url", "bad_target", str(error))]) from error
    if by_mail and events != set(MAILED):
        detail = "by mail the weekly digest is sent, nothing else: digest.weekly"
        raise BadInput(f"/events: {detail}", errors=[FieldError("/events", "not_by_mail", detail)])
    workspace = session.get_one(Workspace, caller.workspace_id)
    secret = new_secret()
    subscription = Subscription(
        workspace_id=caller.workspace_id,
        public_id=f"sub_{secrets.token_urlsafe(8)}",
        name=asked.name or host,
        url=vault.encrypt(asked.url),
        secret=vault.encrypt(secret),
        form="mail" if by_mail else asked.format,
        events=sorted(events),
        known=[piece.key for piece in pieces_of(session, workspace, events)],
    )
    session.add(subscription)
    session.flush()
    _audit(session, caller, "subscription.create", subscription.name)
    ask_for_news(session, workspace_id=caller.workspace_id)
    return subscription, secret


@router.get("/v1/subscriptions", response_model=SubscriptionList, summary="Subscriptions")
def get_subscriptions(caller: Admin, vault: VaultOf, session: ReadDb) -> SubscriptionList:
    """Who hears of what is new."""
    rows = session.execute(
        select(Subscription)
        .where(col(Subscription.workspace_id) == caller.workspace_id)
        .order_by(col(Subscription.id).desc())
    ).scalars()
    return SubscriptionList(data=[view_of(row, vault) for row in rows], next=None)


@router.delete("/v1/subscriptions/{subscription_id}", status_code=204, summary="End a subscription")
def delete_subscription(subscription_id: str, caller: Admin, session: Db) -> Response:
    """Nothing is told any more; what was told goes with it."""
    found = subscription_of(session, caller, subscription_id)
    _audit(session, caller, "subscription.delete", found.name)
    session.delete(found)
    return Response(status_code=204)


@router.post(
    "/v1/subscriptions/{subscription_id}/test",
    status_code=202,
    response_model=SubscriptionView,
    summary="Send a test",
)
def test_subscription(subscription_id: str, caller: Admin, vault: VaultOf, session: Db) -> SubscriptionView:
    """Send a message that says it is a test; a disabled subscription is taken up again by it."""
    found = subscription_of(session, caller, subscription_id)
    found.disabled_at = found.failing_since = found.trouble = None
    session.add(found)
    piece = Piece("test", f"test:{secrets.token_hex(8)}", "Journeymap can reach you.", {})
    add_notice(session, found, piece)
    ask_for_news(session, workspace_id=caller.workspace_id)
    return view_of(found, vault)


@router.get(
    "/v1/subscriptions/{subscription_id}/notices",
    response_model=NoticeList,
    summary="What was told, and how it went",
)
def get_notices(subscription_id: str, caller: Admin, page: Page, session: ReadDb) -> NoticeList:
    """The delivery log of a subscription, newest first."""
    found = subscription_of(session, caller, subscription_id)
    wanted = select(Notice).where(col(Notice.subscription_id) == found.id)
    if (before := page.key_id()) is not None:
        wanted = wanted.where(col(Notice.id) < before)
    rows = list(session.execute(wanted.order_by(col(Notice.id).desc()).limit(page.limit + 1)).scalars())
    shown = rows[: page.limit]
    return NoticeList(
        data=[notice_view(row) for row in shown],
        next=page.next_after(rows, shown[-1].id) if shown else None,
    )


def latest_notices(session: Session, caller: Caller, *, each: int) -> dict[str, list[NoticeView]]:
    """The newest messages of every subscription of the workspace, by its id; one query."""
    place = func.row_number().over(partition_by=col(Notice.subscription_id), order_by=col(Notice.id).desc())
    ranked = select(col(Notice.id), place.label("place")).where(col(Notice.workspace_id) == caller.workspace_id)
    newest = ranked.subquery()
    rows = session.execute(
        select(Notice, col(Subscription.public_id))
        .join(newest, newest.c.id == col(Notice.id))
        .join(Subscription, col(Subscription.id) == col(Notice.subscription_id))
        .where(newest.c.place <= each)
        .order_by(col(Notice.id).desc())
    ).all()
    found: dict[str, list[NoticeView]] = {}
    for notice, public_id in rows:
        found.setdefault(public_id, []).append(notice_view(notice))
    return found


def notice_view(row: Notice) -> NoticeView:
    """One thing told as callers see it."""
    told = row.model_dump(include=set(NoticeView.model_fields) - {"id", "text"})
    return NoticeView.model_validate({**told, "id": str(row.id), "text": row.payload["text"]})


def subscription_of(session: Session, caller: Caller, public_id: str) -> Subscription:
    """One of the workspace's subscriptions; NotFound for any other."""
    found: Subscription | None = session.execute(
        select(Subscription).where(
            col(Subscription.workspace_id) == caller.workspace_id, col(Subscription.public_id) == public_id
        )
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such subscription.")
    return found


def view_of(row: Subscription, vault: Vault) -> SubscriptionView:
    """A subscription as callers see it."""
    return SubscriptionView(
        id=row.public_id,
        name=row.name,
        host=_host(vault.decrypt(row.url)),
        events=row.events,
        format=row.form,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        trouble=row.trouble,
        snoozed_until=row.snoozed_until,
        cooldown_hours=row.cooldown_hours,
    )


def _host(url: str) -> str:
    """Of an address what may be shown: its host, of a mail address its domain."""
    return (url if url.startswith(SCHEME) else url.split("/")[2]).rpartition("@")[2]


def _audit(session: Session, caller: Caller, action: str, target: str) -> None:
    session.add(AuditEvent(workspace_id=caller.workspace_id, actor=caller.actor, action=action, target=target))
