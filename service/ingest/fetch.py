"""Asking senders' APIs for what their thin deliveries only name: one job for each thing, tried for a day."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col

from service.auth import Vault
from service.ingest import credentials
from service.ingest.api_client import ApiClient
from service.ingest.deliver import NOT_UNDERSTOOD, deliver
from service.ingest.endpoints import options_of
from service.ingest.incoming import Call, CannotParse, Wanted
from service.ingest.senders import SENDERS
from service.ingest.senders.contract import (
    Credentials,
    Fetched,
    Fetcher,
    NotThere,
    Refused,
    Sender,
    TryLater,
)
from service.ingest.wanted import NOT_THERE, settle
from service.settings import Settings
from service.store import queue
from service.store.columns import now
from service.store.schema import Endpoint, EndpointApi, WantedFetch
from service.work import Work

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 5.0, 3600.0
REFUSED_SECONDS = 3600.0  # a person has to bring other credentials; they wake the job at once
GIVE_UP_AFTER = timedelta(days=1)
MAX_DETAIL_CHARS = 200


def backoff(failures: int, *, at_least: float | None = None) -> float:
    """Seconds until the next try after so many failures: doubled each time, spread, never before `at_least`."""
    doubled = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(max(failures, 1) - 1, 20))
    # spread, so that all that failed together does not come back together
    return max(at_least or 0.0, doubled * random.uniform(0.5, 1.0)) + random.uniform(0.0, 1.0)  # noqa: S311


def take_answer(session: Session, vault: Vault, settings: Settings, endpoint: Endpoint, answer: Fetched) -> None:
    """Store an answer of the API like a delivery, and what is in it."""
    call = Call({"content-type": "application/json"}, answer.body, method="GET", fetched=answer.what)
    deliver(session, vault, settings, endpoint=endpoint, call=call)


def fetch(work: Work, jobs: Sequence[queue.ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "fetch": ask for one thing, take the answers, tell those that wanted it."""
    for job in jobs:
        asking = _asking(work, job)
        if asking is None:
            with work.database.write() as session:
                queue.hold(session, job)
                queue.finish(session, job)
        else:
            asking.run()
        yield


def _asking(work: Work, job: queue.ClaimedJob) -> _Asking | None:
    """What the job has to do; None where nobody waits any more, or nothing can be asked yet."""
    with work.database.read() as session:
        endpoint = session.get(Endpoint, job.payload["endpoint_id"])
        if endpoint is None or endpoint.removed_at is not None:
            return None
        waiting = (
            session.execute(
                select(WantedFetch)
                .where(
                    col(WantedFetch.endpoint_id) == endpoint.id,
                    col(WantedFetch.key) == job.payload["key"],
                    col(WantedFetch.state) == "waiting",
                )
                .order_by(col(WantedFetch.id))
            )
            .scalars()
            .all()
        )
        api = credentials.api_of(session, endpoint)
    sender = SENDERS.get(endpoint.sender)
    if not waiting or api is None or sender is None or sender.fetcher is None:
        return None
    given = credentials.of_endpoint(api, sender, work.vault)
    if given is None:
        return None  # new ones wake what waits for them
    return _Asking(
        work=work,
        job=job,
        endpoint=endpoint,
        sender=sender,
        fetcher=sender.fetcher,
        credentials=given,
        wanted=Wanted(waiting[0].what, waiting[0].ids),
        since=min(one.created_at for one in waiting),
        up_to=max(one.id or 0 for one in waiting),
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    work: Work
    job: queue.ClaimedJob
    endpoint: Endpoint
    sender: Sender
    fetcher: Fetcher
    credentials: Credentials
    wanted: Wanted
    since: datetime  # when it was wanted first
    up_to: int  # the last of those who want it now

    def run(self) -> None:
        """Ask, and store what came of it in one transaction."""
        assert self.endpoint.id is not None
        api = ApiClient(
            self.work.database,
            endpoint_id=self.endpoint.id,
            requests_per_minute=self.fetcher.requests_per_minute,
        )
        options = options_of(self.sender, self.endpoint.options)
        try:
            with api:
                answers = self.fetcher.fetch(api, self.credentials, options, self.wanted)
        except NotThere:
            self._end([], "gone", NOT_THERE)
        except Refused as error:
            self._wait(REFUSED_SECONDS, f"{self.sender.title} refuses: {_said(error)}", trouble=True)
        except TryLater as error:
            delay = backoff(self.job.attempts, at_least=error.after_seconds)
            self._wait(delay, f"waits for {self.sender.title}: {_said(error)}")
        except CannotParse as error:
            self._end([], "failed", _said(error))
        except DBAPIError:
            raise  # ours, not the sender's
        except NOT_UNDERSTOOD as error:
            log.error("an answer of the API of %s can't be read: %s", self.sender.name, type(error).__name__)
            self._end([], "failed", f"the answer does not look like what the API of {self.sender.title} gives")
        else:
            self._end(answers, "done", "")

    def _end(self, answers: Sequence[Fetched], state: str, detail: str) -> None:
        work = self.work
        with work.database.write() as session:
            queue.hold(session, self.job)
            # first, as everybody does who changes both this and what is wanted
            note_trouble(session, self.endpoint, None)
            for answer in answers:
                take_answer(session, work.vault, work.settings, self.endpoint, answer)
            self._settle(session, state, detail)
            queue.finish(session, self.job)

    def _wait(self, seconds: float, detail: str, *, trouble: bool = False) -> None:
        given_up = now() - self.since > GIVE_UP_AFTER
        with self.work.database.write() as session:
            queue.hold(session, self.job)
            if trouble:
                note_trouble(session, self.endpoint, detail)
            if given_up:
                self._settle(session, "failed", f"given up after a day: {detail}")
                queue.finish(session, self.job)
            else:
                self._settle(session, "waiting", detail)
                queue.postpone(session, self.job, delay_seconds=seconds, reason=detail)

    def _settle(self, session: Session, state: str, detail: str) -> None:
        settle(
            session,
            self.work.settings,
            endpoint=self.endpoint,
            keys=[self.job.payload["key"]],
            up_to=self.up_to,
            state=state,
            detail=detail,
        )


def _said(error: Exception) -> str:
    return str(error)[:MAX_DETAIL_CHARS]


def note_trouble(session: Session, endpoint: Endpoint, trouble: str | None) -> EndpointApi | None:
    """What the endpoint shows of its API: why asking fails, or that it works; the row, held."""
    api = credentials.api_of(session, endpoint, lock=True)
    if api is not None and api.trouble != trouble:
        api.trouble = trouble
        session.add(api)
        session.flush()
    return api
