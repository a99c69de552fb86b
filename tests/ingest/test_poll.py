"""What is never pushed is asked for regularly: page and cursor in one transaction, trouble shown, nothing lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from service.ingest import poll as poll_module
from service.ingest.poll import enqueue_due
from service.ingest.senders.contract import Fetched, Http, NotThere, Polled, Poller, Refused, TryLater
from service.stop import Stop
from service.store import queue
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Delivery, EndpointApi, FeedbackItem, Job
from service.work import Work
from service.worker import KINDS, Worker, run
from tests.ingest.made_sender import SECRET, made_endpoint, register
from tests.ingest.rows import stored
from tests.ingest.senders.fake_api import Answer, Asked, FakeApi, fake_api
from tests.ingest.test_fetch import TOKEN, Key

PAGE_ITEMS = 2


class Shop:
    """Reviews by number, two a page; `fails` are raised first."""

    def __init__(self) -> None:
        self.reviews = 0
        self.fails: list[Exception] = []
        self.fake = FakeApi()

    def __call__(self, asked: Asked) -> Answer:
        first = int(asked.params["after"])
        numbers = range(first + 1, min(first + PAGE_ITEMS, self.reviews) + 1)
        return 200, {"items": [{"external_id": f"r-{n}", "text": f"Review {n}."} for n in numbers]}

    def poll(self, http: Http, credentials: Key, _options: Any, cursor: Mapping[str, Any]) -> Polled:
        if self.fails:
            raise self.fails.pop(0)
        after = cursor.get("after", 0)
        answer = http.request("GET", f"{self.fake.url}/reviews", params={"after": str(after)})
        count = len(json.loads(answer.body)["items"])
        page = Fetched("reviews", answer.body) if count else None
        return Polled(page, {"after": after + count}, more=count == PAGE_ITEMS)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop()
    poller = Poller(credentials=Key, poll=made.poll, requests_per_minute=60_000, every_seconds=900)
    register(monkeypatch, poller=poller)
    with fake_api(made) as made.fake:
        yield made


@pytest.fixture
def endpoint(client: Any, shop: Shop) -> dict[str, Any]:
    return made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})


def run_due(work: Work) -> int:
    """Queue what is due and run it; how many were due."""
    count = enqueue_due(work.database)
    Worker(work, Stop(), kinds={"poll": KINDS["poll"]}).run_until_idle()
    with work.database.read() as session:
        assert session.execute(select(Job).where(col(Job.kind) == "poll")).all() == []
    return count


def api_row(database: Database) -> EndpointApi:
    with database.read() as session:
        return session.execute(select(EndpointApi)).scalar_one()


def due_again(database: Database) -> None:
    with database.write() as session:
        session.execute(update(EndpointApi).values(next_poll_at=now(), next_request_at=None))


def test_pages_are_taken_one_after_the_other_and_then_regularly(
    endpoint: dict[str, Any], shop: Shop, work: Work, database: Database
) -> None:
    shop.reviews = 5
    assert run_due(work) == 1
    assert (stored(database), stored(database, Delivery), api_row(database).cursor) == (5, 3, {"after": 5})
    wait = (api_row(database).next_poll_at or now()) - now()
    assert timedelta(seconds=880) < wait <= timedelta(seconds=900)
    assert run_due(work) == 0
    shop.reviews = 6
    due_again(database)
    assert run_due(work) == 1
    assert (stored(database), api_row(database).cursor) == (6, {"after": 6})
    with database.read() as session:
        (item,) = session.execute(select(FeedbackItem).where(col(FeedbackItem.external_id) == "r-6")).scalars()
    assert (item.source, item.channel, item.text) == ("made", "ticket", "Review 6.")


def test_a_crash_between_pages_loses_and_doubles_nothing(
    endpoint: dict[str, Any], shop: Shop, work: Work, database: Database
) -> None:
    shop.reviews = 5
    enqueue_due(database)
    with database.write() as session:
        (job,) = queue.claim(session, worker="w", lease_seconds=60)
    stage = KINDS["poll"].stage(work, [job])
    next(stage)
    assert (stored(database), api_row(database).cursor) == (2, {"after": 2})
    with database.write() as session:
        queue.release(session, [job])
    with pytest.raises(queue.LeaseLost):  # the one that was taken for dead wakes up
        next(stage)
    assert (stored(database), api_row(database).cursor) == (2, {"after": 2})
    Worker(work, Stop(), kinds={"poll": KINDS["poll"]}).run_until_idle()
    assert (stored(database), stored(database, Delivery)) == (5, 3)


def test_trouble_is_shown_and_gone_with_the_next_page(
    client: Any, endpoint: dict[str, Any], shop: Shop, work: Work, database: Database
) -> None:
    shop.reviews = 1
    view = f"/v1/endpoints/{endpoint['id']}"
    fails: list[tuple[Exception, str | None, float]] = [
        (TryLater("the API answered 503"), None, 0),
        (TryLater("the API answered 503", after_seconds=500), None, 500),
        (TryLater("the API answered 503"), "waits for Made: the API answered 503", 0),
        (Refused("the API answered 401"), "Made refuses: the API answered 401", 3600),
        (NotThere("the API answered 404"), "Made refuses: the API answered 404", 3600),
        (KeyError("My words"), "the answer does not look like what the API of Made gives", 3600),
    ]
    for failure, trouble, seconds in fails:
        shop.fails = [failure]
        due_again(database)
        run_due(work)
        assert client.get(view).json()["trouble"] == trouble
        assert ((api_row(database).next_poll_at or now()) - now()).total_seconds() > seconds - 2
    assert (stored(database), api_row(database).cursor) == (0, {})
    due_again(database)
    run_due(work)
    assert (stored(database), client.get(view).json()["trouble"]) == (1, None)


def test_new_credentials_are_tried_at_once_and_removed_ones_never(
    client: Any, endpoint: dict[str, Any], shop: Shop, work: Work, database: Database
) -> None:
    shop.reviews, shop.fails = 1, [Refused("the API answered 401")]
    run_due(work)
    assert run_due(work) == 0
    view = f"/v1/endpoints/{endpoint['id']}"
    assert client.put(f"{view}/credentials", json={"credentials": {"token": "new"}}).status_code == 200
    assert (run_due(work), stored(database)) == (1, 1)
    due_again(database)
    client.delete(view)
    assert run_due(work) == 0


def test_other_options_begin_anew(
    client: Any, endpoint: dict[str, Any], shop: Shop, work: Work, database: Database
) -> None:
    shop.reviews = 3
    assert (run_due(work), api_row(database).cursor) == (1, {"after": 3})
    shop.fails = [Refused("the API answered 404: no such app")]
    due_again(database)
    run_due(work)
    view = f"/v1/endpoints/{endpoint['id']}"
    assert client.put(view, json={"name": "Renamed"}).json()["trouble"], "a name mends nothing"
    changed = client.put(view, json={"options": {"replay_window_seconds": 900}}).json()
    assert (changed["trouble"], changed["credentials"]) == (None, True)
    assert api_row(database).cursor == {}, "where the next page begins is of what was asked before"
    assert (run_due(work), api_row(database).cursor, stored(database)) == (1, {"after": 3}, 3)


def test_a_page_that_leads_nowhere_is_not_asked_for_for_ever(
    endpoint: dict[str, Any], work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def stuck(_http: Http, _credentials: Key, _options: Any, cursor: Mapping[str, Any]) -> Polled:
        calls.append(cursor)
        return Polled(Fetched("reviews", b'{"items": []}'), {"after": 1}, more=True)

    register(
        monkeypatch, poller=Poller(credentials=Key, poll=stuck, requests_per_minute=60_000, every_seconds=900)
    )
    run_due(work)
    assert calls == [{}, {"after": 1}]


def test_the_worker_looks_for_what_is_due(
    endpoint: dict[str, Any], shop: Shop, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.reviews = 1
    stop = Stop()
    worker = Worker(work, stop, kinds={"poll": KINDS["poll"]})
    looked = poll_module.enqueue_due

    def then_stop(found: Database) -> int:
        count = looked(found)
        if count == 0:
            stop.request()
        return count

    monkeypatch.setattr("service.worker.enqueue_due", then_stop)
    monkeypatch.setattr("service.worker.POLL_LOOK_SECONDS", 0.0)
    worker.run()
    assert stored(database) == 1


def test_a_worker_process_asks_beside_its_other_work(
    endpoint: dict[str, Any], shop: Shop, work: Work, database: Database
) -> None:
    shop.reviews = 3
    stop = Stop()
    process = threading.Thread(target=run, args=(work.settings, stop))
    process.start()
    try:
        deadline = time.monotonic() + 60
        while stored(database) < 3:
            assert time.monotonic() < deadline, "nobody asked"
            time.sleep(0.05)
    finally:
        stop.request()
        process.join(30)
    assert not process.is_alive()
