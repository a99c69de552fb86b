"""When a digest is made, and that it is made once a week: however many workers look, one row decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from service.notify.digest import compose, week_of_day
from service.notify.digest_text import html_of, summary_of, text_of
from service.notify.news import Piece
from service.notify.outgoing import add_notice, open_subscriptions
from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.queue import ClaimedJob, Priority
from service.store.schema import Digest, Job, Workspace
from service.work import Work

EVENT: Final = "digest.weekly"
NEVER: Final = -1


def day_of_digest(moment: datetime, *, timezone: str, weekday: int, hour: int) -> tuple[date, datetime]:
    """The day of this week's digest in the workspace's zone, and when it is due (UTC)."""
    zone = ZoneInfo(timezone)
    today = moment.astimezone(zone).date()
    day = today + timedelta(days=weekday - today.weekday())
    return day, datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)


def due_day(workspace: Workspace, moment: datetime) -> date | None:
    """The day whose digest is due by now; None where it is still to come, or the workspace wants none.

    A week that was missed altogether is not made up for: the next digest tells what is new since the last one.
    """
    if workspace.digest_weekday == NEVER:
        return None
    day, due = day_of_digest(
        moment, timezone=workspace.timezone, weekday=workspace.digest_weekday, hour=workspace.digest_hour
    )
    return day if workspace.created_at <= due <= moment else None


def enqueue_due_digests(database: Database) -> None:
    """A job for each workspace whose digest is due and not made; also where several workers look at once."""
    moment = now()
    with database.read() as session:
        due = [
            (workspace.id, week_of_day(day))
            for workspace in session.execute(select(Workspace)).scalars()
            if (day := due_day(workspace, moment)) is not None and workspace.id is not None
        ]
        wanted = [one for one in due if not _made_or_tried(session, *one)]
    if not wanted:
        return
    with database.write() as session:
        for workspace_id, week in wanted:
            queue.enqueue(
                session,
                workspace_id=workspace_id,
                kind="digest",
                payload={},
                priority=Priority.UPKEEP,
                dedupe_key=_key(workspace_id, week),
            )


def _key(workspace_id: int, week: date) -> str:
    return f"digest:{workspace_id}:{week}"


def _made_or_tried(session: Session, workspace_id: int, week: date) -> bool:
    """Made, on its way, or given up as dead: `doctor` tells of that, and it is not tried for ever."""
    made = exists().where(col(Digest.workspace_id) == workspace_id, col(Digest.week) == week)
    tried = exists().where(
        col(Job.workspace_id) == workspace_id,
        col(Job.kind) == "digest",
        col(Job.dedupe_key) == _key(workspace_id, week),
    )
    return bool(session.execute(select(made | tried)).scalar_one())


def make_digest(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """The job kind "digest": compose what is due; keep it and have it sent in one transaction."""
    for job in jobs:
        with work.database.read() as session:
            workspace = session.get(Workspace, job.workspace_id)
            day = due_day(workspace, now()) if workspace is not None else None
            found = None
            if workspace is not None and day is not None and not _made(session, job.workspace_id, day):
                found = compose(session, workspace, day=day)
        with work.database.write() as session:
            queue.hold(session, job)
            if found is not None and workspace is not None and day is not None:
                first = _keep(session, workspace, day, found.content, found.keys)
                if first and found.content:
                    _send(session, workspace, day, found.content, work.settings.public_url)
            queue.finish(session, job)
        yield


def _made(session: Session, workspace_id: int, day: date) -> bool:
    found = exists().where(col(Digest.workspace_id) == workspace_id, col(Digest.week) == week_of_day(day))
    return bool(session.execute(select(found)).scalar_one())


def _keep(session: Session, workspace: Workspace, day: date, content: dict[str, Any], keys: list[str]) -> bool:
    """Write it down; False where another worker was first, who sends it."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    made = session.execute(
        dialect.insert(Digest)
        .values(workspace_id=workspace.id, week=week_of_day(day), content=content, told=keys, created_at=now())
        .on_conflict_do_nothing()
        .returning(col(Digest.id))
    ).scalar_one_or_none()
    return made is not None


def _send(session: Session, workspace: Workspace, day: date, content: dict[str, Any], public_url: str) -> None:
    week = week_of_day(day)
    piece = Piece(
        EVENT,
        f"{EVENT}:{week}",
        summary_of(content),
        {
            **content,
            "week": week.isoformat(),
            "workspace": workspace.name,
            "bodies": {
                "text": text_of(content, workspace=workspace.name, public_url=public_url),
                "html": html_of(content, workspace=workspace.name, public_url=public_url),
            },
        },
    )
    assert workspace.id is not None
    for subscription in open_subscriptions(session, workspace.id):
        asleep = subscription.snoozed_until is not None and subscription.snoozed_until > now()
        if EVENT in subscription.events and not asleep:
            add_notice(session, subscription, piece)
