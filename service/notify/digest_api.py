"""Routes of the weekly digest: the last one, earlier ones, and when it is made."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlmodel import Session, col

from service.auth import Caller
from service.dependencies import Admin, Db, JsonBody, ReadDb, Reader, SettingsOf, json_body, parse_body
from service.errors import NotFound
from service.idempotency import IdempotentRoute
from service.moments import rfc3339
from service.notify.digest import compose, week_of_day
from service.notify.digest_schedule import NEVER, day_of_digest
from service.notify.digest_text import html_of, summary_of, text_of
from service.store.columns import now
from service.store.schema import AuditEvent, Digest, Workspace

router = APIRouter(tags=["others hear of it"], route_class=IdempotentRoute)

KEPT_LISTED: Final = 53  # a year of weeks

CONTENT_EXAMPLE: dict[str, Any] = {
    "from": "2026-11-09",
    "to": "2026-11-16",
    "feedback": {"items": 212, "respondents": 190, "items_before": 198},
    "suggestions": [
        {
            "id": "purchase.payment",
            "stage": "purchase",
            "topic": "payment",
            "customer_feedback": "Payment fails or is refused",
            "adaptation": "Offer a second way to pay where the first one failed.",
            "size": {
                "count": 31,
                "n": 208,
                "share": 0.149,
                "low": 0.107,
                "high": 0.204,
                "respondents": 30,
                "certainty": "the size is known roughly",
            },
        }
    ],
    "more_suggestions": 0,
    "changes": [
        {
            "by": "stage",
            "label": "delivery",
            "measure": "net_sentiment",
            "change": -21.0,
            "low": -33.0,
            "high": -9.0,
            "from": "2026-10-19",
            "to": "2026-11-16",
            "says": "Net sentiment on delivery fell by 21 points (-33 to -9), beyond noise.",
        }
    ],
    "verdicts": [],
    "troubles": [{"name": "reviews.csv", "says": "could not be read", "link": "/sources/imports/4", "new": True}],
}
EXAMPLE: dict[str, Any] = {
    "week": "2026-11-16",
    "made_at": "2026-11-16T08:00:12Z",
    "nothing_new": False,
    "summary": "Your customers' week, 9 to 15 Nov 2026: 1 new suggestion, 1 change beyond noise.",
    "content": CONTENT_EXAMPLE,
    "bodies": {"text": "YOUR CUSTOMERS' WEEK, 9 to 15 Nov 2026\n…", "html": "<!doctype html>…"},
    "weeks": ["2026-11-16", "2026-11-09"],
}


SCHEDULE_EXAMPLE: dict[str, Any] = {
    "weekday": "monday",
    "hour": 8,
    "timezone": "Europe/Berlin",
    "next_at": "2026-11-23T07:00:00Z",
}


class DigestBodies(BaseModel):
    """As it is sent: plain text, and the HTML of a mail. Neither holds customers' words."""

    text: str
    html: str


class DigestAnswer(BaseModel):
    """A week's digest. `content` is null where nothing was new: then nothing was sent either."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    week: date = Field(description="The Monday of the week in which it was or will be made.")
    made_at: datetime | None = Field(description="Null for what the next digest would say by now.")
    nothing_new: bool
    summary: str | None
    content: dict[str, Any] | None
    bodies: DigestBodies | None
    weeks: list[date] = Field(description="Weeks with a digest, newest first.")


class DigestSchedule(BaseModel):
    """When a workspace's digest is made, in its own time zone."""

    model_config = ConfigDict(
        json_schema_extra={"example": SCHEDULE_EXAMPLE},
    )

    weekday: str = Field(description="monday … sunday, or never.")
    hour: int
    timezone: str
    next_at: datetime | None


WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class ScheduleBody(BaseModel):
    """What can be set of it; the zone is the workspace's (`PUT /v1/workspace`)."""

    model_config = ConfigDict(extra="forbid")

    weekday: Annotated[str, Field(pattern=f"^({'|'.join(WEEKDAYS)}|never)$")]
    hour: Annotated[int, Field(ge=0, le=23)] = 8


@router.get("/v1/digest", response_model=DigestAnswer, summary="The weekly digest")
def read_digest(
    caller: Reader,
    session: ReadDb,
    settings: SettingsOf,
    week: Annotated[
        date | None,
        Query(
            description="Any day of the week in which it was made.",
            examples=["2026-11-16"],
        ),
    ] = None,
) -> dict[str, Any]:
    """What was new in a week: suggestions, changes beyond noise, verdicts on changes, and what needs somebody.

    Before a workspace's first digest it answers what that one would say by now.
    """
    return digest_of(session, caller=caller, week=week, public_url=settings.public_url)


def digest_of(session: Session, *, caller: Caller, week: date | None, public_url: str) -> dict[str, Any]:
    """The digest of a week, else the last one, else a first look; NotFound for a week without one."""
    weeks = list(
        session.execute(
            select(col(Digest.week))
            .where(col(Digest.workspace_id) == caller.workspace_id)
            .order_by(col(Digest.week).desc())
            .limit(KEPT_LISTED)
        ).scalars()
    )
    workspace = session.get_one(Workspace, caller.workspace_id)
    wanted = week_of_day(week) if week is not None else weeks[0] if weeks else None
    if wanted is None:
        day, _ = _next(workspace)
        today = min(day, _today(workspace))
        content, made_at, shown = compose(session, workspace, day=today).content, None, week_of_day(day)
    else:
        found: Digest | None = session.execute(
            select(Digest).where(col(Digest.workspace_id) == caller.workspace_id, col(Digest.week) == wanted)
        ).scalar_one_or_none()
        if found is None:
            raise NotFound("No digest was made in this week.")
        content, made_at, shown = found.content, found.created_at, wanted
    return {
        "week": shown,
        "made_at": made_at,
        "nothing_new": not content,
        "summary": summary_of(content) if content else None,
        "content": content or None,
        "bodies": {
            "text": text_of(content, workspace=workspace.name, public_url=public_url),
            "html": html_of(content, workspace=workspace.name, public_url=public_url),
        }
        if content
        else None,
        "weeks": weeks,
    }


@router.get("/v1/digest/schedule", response_model=DigestSchedule, summary="When the digest is made")
def read_schedule(caller: Reader, session: ReadDb) -> dict[str, Any]:
    """Weekday and hour in the workspace's zone, and the next time."""
    return schedule_of(session.get_one(Workspace, caller.workspace_id))


@router.put(
    "/v1/digest/schedule",
    response_model=DigestSchedule,
    summary="Set when the digest is made",
    openapi_extra=json_body(ScheduleBody, {"weekday": "monday", "hour": 8}),
)
def put_schedule(caller: Admin, session: Db, body: JsonBody) -> dict[str, Any]:
    """`never` ends it. A week that had its digest gets no second one, whatever its day becomes."""
    return set_schedule(session, caller=caller, asked=parse_body(ScheduleBody, body))


def set_schedule(session: Session, *, caller: Caller, asked: ScheduleBody) -> dict[str, Any]:
    """Write it down, with who did it."""
    workspace = session.get_one(Workspace, caller.workspace_id)
    workspace.digest_weekday = WEEKDAYS.index(asked.weekday) if asked.weekday in WEEKDAYS else NEVER
    workspace.digest_hour = asked.hour
    session.add(workspace)
    session.add(
        AuditEvent(
            workspace_id=caller.workspace_id,
            actor=caller.actor,
            action="digest.schedule",
            target=f"{asked.weekday} {asked.hour}:00",
        )
    )
    return schedule_of(workspace)


def schedule_of(workspace: Workspace) -> dict[str, Any]:
    """When a workspace's digest is made."""
    never = workspace.digest_weekday == NEVER
    return {
        "weekday": "never" if never else WEEKDAYS[workspace.digest_weekday],
        "hour": workspace.digest_hour,
        "timezone": workspace.timezone,
        "next_at": None if never else rfc3339(_next(workspace)[1]),
    }


def _next(workspace: Workspace) -> tuple[date, datetime]:
    """The day of the digest that comes next, and its moment; as on Mondays where none is wanted."""
    moment = now()
    weekday = max(workspace.digest_weekday, 0)
    timezone, hour = workspace.timezone, workspace.digest_hour
    found = day_of_digest(moment, timezone=timezone, weekday=weekday, hour=hour)
    if found[1] > moment:
        return found
    return day_of_digest(moment, timezone=timezone, weekday=weekday + 7, hour=hour)


def _today(workspace: Workspace) -> date:
    return now().astimezone(ZoneInfo(workspace.timezone)).date()
