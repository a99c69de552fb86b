"""Asking senders' APIs regularly for what is never pushed: page by page, from a cursor that moves with each."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from service.ingest import credentials
from service.ingest.api_client import ApiClient
from service.ingest.deliver import NOT_UNDERSTOOD
from service.ingest.endpoints import options_of
from service.ingest.fetch import REFUSED_SECONDS, backoff, take_answer
from service.ingest.incoming import CannotParse
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import NotThere, Polled, Refused, Sender, TryLater
from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.queue import ClaimedJob, Priority
from service.store.schema import Endpoint, EndpointApi
from service.work import Work

log = logging.getLogger(__name__)

AT_ONCE = 100  # endpoints whose polls are queued in one transaction
TROUBLE_AFTER = 3  # failures in a row: an hour's outage at the sender is no trouble of ours


def enqueue_due(database: Database) -> int:
    """Queue a poll for every endpoint that is due, and set its next time; how many were due."""
    due = (
        select(EndpointApi, Endpoint)
        .join(Endpoint, col(Endpoint.id) == col(EndpointApi.endpoint_id))
        .where(
            col(EndpointApi.next_poll_at) <= now(),
            col(EndpointApi.credentials).is_not(None),
            col(Endpoint.removed_at).is_(None),
        )
        .order_by(col(EndpointApi.id))
        .limit(AT_ONCE)
    )
    with database.read() as session:
        if session.execute(due).first() is None:
            return 0  # the usual case takes no lock
    with database.write() as session:
        rows = session.execute(due.with_for_update(skip_locked=True, of=EndpointApi)).all()
        for api, endpoint in rows:
            sender = SENDERS.get(endpoint.sender)
            if sender is None or sender.poller is None:
                api.next_poll_at = None
            else:
                api.next_poll_at = now() + timedelta(seconds=sender.poller.every_seconds)
                _enqueue(session, endpoint)
            session.add(api)
    return len(rows)


def _enqueue(session: Session, endpoint: Endpoint) -> None:
    queue.enqueue(
        session,
        workspace_id=endpoint.workspace_id,
        kind="poll",
        payload={"endpoint_id": endpoint.id},
        priority=Priority.BULK,
        dedupe_key=f"poll:{endpoint.id}",
    )


def poll(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "poll": one page and the cursor behind it in each transaction, to the end."""
    for job in jobs:
        while _one_page(work, job):
            yield
        yield


def _one_page(work: Work, job: ClaimedJob) -> bool:
    """Ask for the next page and take it; whether to go on. The job is finished where not."""
    with work.database.read() as session:
        endpoint = session.get(Endpoint, job.payload["endpoint_id"])
        api = credentials.api_of(session, endpoint) if endpoint is not None else None
    sender = SENDERS.get(endpoint.sender) if endpoint is not None else None
    given = credentials.of_endpoint(api, sender, work.vault) if api is not None and sender is not None else None
    if endpoint is None or api is None or sender is None or given is None or endpoint.removed_at is not None:
        return _finished(work, job)
    assert sender.poller is not None
    client = ApiClient(
        work.database, endpoint_id=api.endpoint_id, requests_per_minute=sender.poller.requests_per_minute
    )
    cursor: dict[str, Any] = api.cursor
    try:
        with client:
            polled = sender.poller.poll(client, given, options_of(sender, endpoint.options), cursor)
    except TryLater as error:
        delay = backoff(api.failures + 1, at_least=error.after_seconds)
        lasting = api.failures + 1 >= TROUBLE_AFTER
        return _failed(work, job, endpoint, delay, f"waits for {sender.title}: {error}" if lasting else None)
    except (Refused, NotThere) as error:
        return _failed(work, job, endpoint, REFUSED_SECONDS, f"{sender.title} refuses: {error}")
    except CannotParse as error:
        return _failed(work, job, endpoint, REFUSED_SECONDS, str(error))
    except DBAPIError:
        raise  # ours, not the sender's
    except NOT_UNDERSTOOD as error:
        log.error("an answer of the API of %s can't be read: %s", sender.name, type(error).__name__)
        detail = f"the answer does not look like what the API of {sender.title} gives"
        return _failed(work, job, endpoint, REFUSED_SECONDS, detail)
    return _took(work, job, endpoint, sender, cursor, polled)


def _took(
    work: Work, job: ClaimedJob, endpoint: Endpoint, sender: Sender, cursor: dict[str, Any], polled: Polled
) -> bool:
    with work.database.write() as session:
        queue.hold(session, job)
        api = credentials.api_of(session, endpoint, lock=True)
        if api is None or api.cursor != cursor:
            queue.finish(session, job)  # somebody else has taken this page
            return False
        if polled.page is not None:
            take_answer(session, work.vault, work.settings, endpoint, polled.page)
        # a page that leads nowhere would be asked for for ever
        more = polled.more and polled.cursor != cursor
        api.cursor, api.trouble, api.failures = polled.cursor, None, 0
        session.add(api)
        session.flush()
        if not more:
            queue.finish(session, job)
    return more


def _failed(work: Work, job: ClaimedJob, endpoint: Endpoint, delay_seconds: float, trouble: str | None) -> bool:
    """The next try is the next poll, maybe sooner than usual; the cursor stands where it stood."""
    with work.database.write() as session:
        queue.hold(session, job)
        api = credentials.api_of(session, endpoint, lock=True)
        if api is not None and api.next_poll_at is not None:
            api.failures += 1
            api.trouble = trouble if trouble is not None else api.trouble
            api.next_poll_at = now() + timedelta(seconds=delay_seconds)
            session.add(api)
            session.flush()
        queue.finish(session, job)
    return False


def _finished(work: Work, job: ClaimedJob) -> bool:
    with work.database.write() as session:
        queue.hold(session, job)
        queue.finish(session, job)
    return False
