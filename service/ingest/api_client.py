"""The network as fetchers and pollers see it: requests within the endpoint's rate, errors in three kinds.

The rate is kept in the database, so that all processes together stay within it. Nothing of an address, a header or
a body goes into an error: they hold credentials and customers' words.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import httpx2
from sqlalchemy import select, update
from sqlmodel import Session, col

from service.ingest.incoming import CannotParse
from service.ingest.senders.contract import HttpAnswer, NotThere, Refused, TryLater
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import EndpointApi

TIMEOUT_SECONDS = 20.0
ANSWER_SECONDS = 60.0  # for a whole answer that comes in small pieces
MAX_ANSWER_BYTES = 10 * 1024 * 1024
MAX_WAIT_SECONDS = 10.0  # for one's turn; where it is longer the job is put back
MAX_HOLD_SECONDS = 3600.0
UNREACHABLE_HOLD_SECONDS = 30.0  # nobody asks a server that is away again and again
LATER_STATUSES = frozenset({408, 425, 429})
GONE_STATUSES = frozenset({404, 410})


class ApiClient:
    """`contract.Http` for one endpoint; a context manager that closes its connections."""

    def __init__(self, database: Database, *, endpoint_id: int, requests_per_minute: float) -> None:
        self._database = database
        self._endpoint_id = endpoint_id
        self._interval = timedelta(seconds=60.0 / requests_per_minute)
        self._client = httpx2.Client(
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
            # packed answers could unpack to anything
            headers={"User-Agent": "journeymap", "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpAnswer:
        """Send it when it is this endpoint's turn and wait for the answer; see `contract.Http` for the errors."""
        self._await_turn()
        try:
            # an empty `params` would take away those of the address
            with self._client.stream(
                method, url, headers=dict(headers or {}), params=dict(params) if params else None, content=body
            ) as answer:
                self._check(answer)
                content = _read(answer)
                named = {name.lower(): value for name, value in answer.headers.items()}
                return HttpAnswer(answer.status_code, named, content)
        except CannotParse:
            raise  # the answer, not the address
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, ValueError, OverflowError):
            raise Refused("the API's address is none that can be asked") from None
        except httpx2.TimeoutException:
            self._hold(UNREACHABLE_HOLD_SECONDS)
            raise TryLater("the API did not answer in time") from None
        except httpx2.HTTPError:
            self._hold(UNREACHABLE_HOLD_SECONDS)
            raise TryLater("the API can't be reached") from None

    def _check(self, answer: httpx2.Response) -> None:
        status = answer.status_code
        if 200 <= status < 300:
            return
        if status in GONE_STATUSES:
            raise NotThere(f"the API answered {status}")
        if status in LATER_STATUSES or status >= 500:
            after = _retry_after(answer.headers.get("retry-after"))
            if after is not None:
                self._hold(after)
            raise TryLater(f"the API answered {status}", after_seconds=after)
        if 300 <= status < 400:
            raise Refused(f"the API answered {status}; redirects are not followed")
        raise Refused(f"the API answered {status}")

    def _await_turn(self) -> None:
        """Wait for the next place in the endpoint's rate; TryLater where that is too far away."""
        row = col(EndpointApi.endpoint_id) == self._endpoint_id
        with self._database.write() as session:
            reserved = session.execute(
                select(col(EndpointApi.next_request_at)).where(row).with_for_update()
            ).scalar_one_or_none()
            moment = now()
            turn = max(moment, reserved or moment)
            wait = (turn - moment).total_seconds()
            if wait <= MAX_WAIT_SECONDS:
                self._write_turn(session, turn + self._interval)
        if wait > MAX_WAIT_SECONDS:
            raise TryLater("the rate of the API is used up", after_seconds=wait)
        if wait > 0:
            time.sleep(wait)

    def _hold(self, seconds: float) -> None:
        """Nobody asks for this endpoint before."""
        until = now() + timedelta(seconds=min(seconds, MAX_HOLD_SECONDS))
        row = col(EndpointApi.endpoint_id) == self._endpoint_id
        with self._database.write() as session:
            reserved = session.execute(
                select(col(EndpointApi.next_request_at)).where(row).with_for_update()
            ).scalar_one_or_none()
            if reserved is None or reserved < until:
                self._write_turn(session, until)

    def _write_turn(self, session: Session, moment: datetime) -> None:
        session.execute(
            update(EndpointApi)
            .where(col(EndpointApi.endpoint_id) == self._endpoint_id)
            .values(next_request_at=moment),
            execution_options={"synchronize_session": False},
        )


def _read(answer: httpx2.Response) -> bytes:
    began = time.monotonic()
    content = bytearray()
    for chunk in answer.iter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise CannotParse(f"the API's answer has more than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() - began > ANSWER_SECONDS:
            raise TryLater("the API's answer did not end in time")
    return bytes(content)


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait by the header (a number or an HTTP date), at least none."""
    if value is None:
        return None
    value = value.strip()
    try:
        if value.replace(".", "", 1).isdigit():
            seconds = float(value)
        else:
            date = email.utils.parsedate_to_datetime(value)
            date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
            seconds = (date - now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), 24 * 3600.0)
