"""News become notices, and notices are sent: signed, tried again for three days, disabled where nobody answers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col
from standardwebhooks import Webhook

from service.moments import rfc3339
from service.notify.mail import SCHEME, send_mail
from service.notify.news import NEWS, Piece
from service.notify.target import Answer, post
from service.store import queue
from service.store.columns import now
from service.store.queue import ClaimedJob, Priority
from service.store.schema import Notice, Subscription, Workspace
from service.work import Work

LOOK_SECONDS: Final = 60.0  # how often news are looked for
# as the specification's example schedule; each with up to a tenth more, so that many do not come at once
DELAYS_SECONDS: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
DISABLED_AFTER: Final = timedelta(days=5)  # of nothing but failures
KEPT_DAYS: Final = 90
GONE: Final = 410


def look_for_news(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """The job kind "news": what is new of one workspace is written down for each subscription that wants it."""
    for job in jobs:
        with work.database.read() as session:
            subscriptions = open_subscriptions(session, job.workspace_id)
            wanted = {event for one in subscriptions for event in one.events}
            workspace = session.get(Workspace, job.workspace_id)
            pieces = [] if workspace is None else pieces_of(session, workspace, wanted)
        with work.database.write() as session:
            queue.hold(session, job)
            for subscription in subscriptions:
                tell(session, subscription, pieces)
            session.execute(
                delete(Notice).where(
                    col(Notice.workspace_id) == job.workspace_id,
                    col(Notice.state) != "pending",
                    col(Notice.created_at) < now() - timedelta(days=KEPT_DAYS),
                    # what is told by its own identity would be told again
                    col(Notice.event).in_(("change.significant", "digest.weekly")),
                )
            )
            queue.finish(session, job)
            if subscriptions:
                ask_for_news(session, workspace_id=job.workspace_id, delay_seconds=LOOK_SECONDS)
        yield


def pieces_of(session: Session, workspace: Workspace, events: set[str]) -> list[Piece]:
    """What is to be told now of the events."""
    assert workspace.id is not None
    return [
        piece
        for event in sorted(events & NEWS.keys())
        for piece in NEWS[event](session, workspace.id, workspace.timezone)
    ]


def ask_for_news(session: Session, *, workspace_id: int, delay_seconds: float = 0.0) -> None:
    """Have the workspace looked at; one look waits at most."""
    queue.enqueue(
        session,
        workspace_id=workspace_id,
        kind="news",
        payload={},
        priority=Priority.UPKEEP,
        dedupe_key=f"news:{workspace_id}",
        delay_seconds=delay_seconds,
    )


def open_subscriptions(session: Session, workspace_id: int) -> list[Subscription]:
    """Those that are told, the oldest first."""
    return list(
        session.execute(
            select(Subscription)
            .where(col(Subscription.workspace_id) == workspace_id, col(Subscription.disabled_at).is_(None))
            .order_by(col(Subscription.id))
        ).scalars()
    )


def tell(session: Session, subscription: Subscription, pieces: Sequence[Piece]) -> None:
    """Write down what is new for it; what a snooze or a cooldown holds back is found again by a later look."""
    moment = now()
    if subscription.snoozed_until is not None and subscription.snoozed_until > moment:
        return
    known, seen = set(subscription.known), _acknowledged(session, subscription)
    resting = _resting(session, subscription, moment)
    for piece in pieces:
        wanted = piece.event in subscription.events and piece.event not in resting
        if wanted and piece.key not in known and _lasting(piece.key) not in seen:
            add_notice(session, subscription, piece)


def _lasting(key: str) -> str:
    """Of a change's key what stays the same while it goes on: all but the month."""
    return key.rpartition(":")[0] if key.startswith("change:") else key


def _acknowledged(session: Session, subscription: Subscription) -> set[str]:
    """Changes that somebody has seen."""
    keys = session.execute(
        select(col(Notice.key)).where(
            col(Notice.subscription_id) == subscription.id,
            col(Notice.event) == "change.significant",
            col(Notice.acknowledged_at).is_not(None),
        )
    ).scalars()
    return {_lasting(key) for key in keys}


def _resting(session: Session, subscription: Subscription, moment: datetime) -> set[str]:
    """Events of which something was told so lately that the next waits."""
    if not subscription.cooldown_hours:
        return set()
    since = moment - timedelta(hours=subscription.cooldown_hours)
    told = session.execute(
        select(col(Notice.event))
        .where(col(Notice.subscription_id) == subscription.id, col(Notice.created_at) > since)
        .distinct()
    ).scalars()
    return set(told)


def add_notice(session: Session, subscription: Subscription, piece: Piece) -> bool:
    """Write it down and have it sent; False where the subscription was told before."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    made = session.execute(
        dialect.insert(Notice)
        .values(
            workspace_id=subscription.workspace_id,
            subscription_id=subscription.id,
            key=piece.key,
            event=piece.event,
            payload={"text": piece.text, "data": piece.data},
            state="pending",
            attempts=0,
            created_at=now(),
        )
        .on_conflict_do_nothing()
        .returning(col(Notice.id))
    ).scalar_one_or_none()
    if made is None:
        return False
    _send_later(session, subscription.workspace_id, made, delay_seconds=0.0)
    return True


def _send_later(session: Session, workspace_id: int, notice_id: int, *, delay_seconds: float) -> None:
    queue.enqueue(
        session,
        workspace_id=workspace_id,
        kind="notify",
        payload={"notice": notice_id},
        priority=Priority.SINGLE,
        delay_seconds=delay_seconds,
    )


def send(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """The job kind "notify": one try each; the next one is a job of its own."""
    for job in jobs:
        with work.database.read() as session:
            notice = session.get(Notice, job.payload["notice"])
            subscription = session.get(Subscription, notice.subscription_id) if notice is not None else None
        answer = None
        if notice is not None and subscription is not None and subscription.disabled_at is None:
            answer = _post(work, notice, subscription)
        with work.database.write() as session:
            queue.hold(session, job)
            if answer is not None and notice is not None and notice.id is not None:
                _note(session, notice.id, answer)
            queue.finish(session, job)
        yield


def _post(work: Work, notice: Notice, subscription: Subscription) -> Answer:
    url, secret = work.vault.decrypt(subscription.url), work.vault.decrypt(subscription.secret)
    if subscription.form == "mail":
        return _mail(work, notice, url)
    body = orjson.dumps(message(notice, subscription.form, work.settings.public_url))
    message_id, moment = f"notice_{notice.id}", now()
    headers = {
        "content-type": "application/json",
        "user-agent": "Journeymap",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body.decode()),
    }
    return post(url, body=body, headers=headers, private=work.settings.private_targets)


def _mail(work: Work, notice: Notice, url: str) -> Answer:
    """One mail: a digest's own bodies, else the text with a link."""
    text = notice.payload["text"]
    bodies = notice.payload["data"].get("bodies") or {
        "text": f"{text}\n\n{link_of(notice, work.settings.public_url)}\n"
    }
    return send_mail(
        work.settings,
        to=url.removeprefix(SCHEME),
        subject=text,
        text=bodies["text"],
        html=bodies.get("html"),
        message_id=f"journeymap.notice.{notice.id}.{int(notice.created_at.timestamp())}",
    )


def link_of(notice: Notice, public_url: str) -> str:
    """Where the news can be looked at."""
    if notice.event == "digest.weekly":
        return f"{public_url}/digest?week={notice.payload['data']['week']}"
    return f"{public_url}/{'suggestions' if notice.event.startswith('suggestion') else 'map'}"


def message(notice: Notice, form: str, public_url: str) -> dict[str, Any]:
    """What is sent: `{"type", "timestamp", "data"}`, or the text alone as chat rooms of Slack's kind take it."""
    link = link_of(notice, public_url)
    if form == "slack":
        return {"text": f"{notice.payload['text']} <{link}|Open Journeymap>"}
    return {
        "type": notice.event,
        "timestamp": rfc3339(notice.created_at),
        "data": {**notice.payload["data"], "text": notice.payload["text"], "url": link},
    }


def _note(session: Session, notice_id: int, answer: Answer) -> None:
    """Write down how it went, and what follows from it."""
    notice = session.get_one(Notice, notice_id)
    subscription = session.get_one(Subscription, notice.subscription_id)
    moment = now()
    notice.attempts += 1
    notice.status, notice.detail = answer.status, answer.detail
    if answer.status is not None and 200 <= answer.status < 300:
        notice.state, notice.delivered_at = "delivered", moment
        subscription.failing_since, subscription.trouble = None, None
    else:
        subscription.failing_since = subscription.failing_since or moment
        subscription.trouble = answer.detail
        _try_again_or_give_up(session, notice, subscription, answer, moment)
    session.add_all([notice, subscription])


def _try_again_or_give_up(
    session: Session, notice: Notice, subscription: Subscription, answer: Answer, moment: datetime
) -> None:
    assert subscription.failing_since is not None
    assert notice.id is not None
    if answer.status == GONE or moment - subscription.failing_since > DISABLED_AFTER:
        subscription.disabled_at = moment
        subscription.trouble = (
            "the receiver says that it is gone (410)"
            if answer.status == GONE
            else f"nothing taken in 5 days: {answer.detail}"
        )
        notice.state = "failed"
    elif notice.attempts > len(DELAYS_SECONDS):
        notice.state = "failed"
    else:
        delay = DELAYS_SECONDS[notice.attempts - 1] * (1 + random.random() / 10)  # noqa: S311 (no secret)
        _send_later(
            session,
            notice.workspace_id,
            notice.id,
            delay_seconds=max(delay, min(answer.retry_after_seconds or 0, DELAYS_SECONDS[-1])),
        )
