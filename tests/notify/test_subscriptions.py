"""Outgoing webhooks: told once, signed, tried again, disabled, never to private places."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from service.notify.news import Piece
from service.notify.outgoing import add_notice, look_for_news, send, tell
from service.notify.target import BadTarget, check_url
from service.store import queue
from service.store.columns import now
from service.store.schema import FileImport, Job, Notice, Subscription
from service.work import Work
from tests.conftest import Client


class Receiver:
    """A receiver on this machine: what came in, and what it answers next."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/room"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def open_client(client: Client, app: Any) -> Client:
    """The app as on a network where private addresses are wanted."""
    app.state.settings = app.state.settings.model_copy(update={"private_targets": True})
    return client


@pytest.fixture
def open_work(work: Work) -> Work:
    return Work(
        settings=work.settings.model_copy(update={"private_targets": True}),
        database=work.database,
        vault=work.vault,
    )


def _run(work: Work, kind: str, stage: Callable[..., Any]) -> int:
    """Run all jobs of the kind that wait, due or not; how many there were."""
    with work.database.write() as session:
        session.execute(update(Job).where(Job.kind == kind).values(run_after=now()))  # type: ignore[arg-type]
    with work.database.write() as session:
        jobs = queue.claim(session, worker="t", lease_seconds=60, limit=50, kinds=[kind])
    for _ in stage(work, jobs):
        pass
    return len(jobs)


def _import(work: Work, workspace_id: int, name: str) -> None:
    with work.database.write() as session:
        session.add(
            FileImport(
                workspace_id=workspace_id, filename=name, path="", sha256="", source="s", channel="survey",
                state="succeeded", rows_read=3, items=2, rows_rejected=1, finished_at=now(),
            )
        )  # fmt: skip


def _told(client: Client, made: dict[str, Any]) -> list[dict[str, Any]]:
    return list(client.get(f"/v1/subscriptions/{made['id']}/notices").json()["data"])


def test_a_snoozed_one_hears_afterwards_what_still_holds(
    open_client: Client, open_work: Work, receiver: Receiver
) -> None:
    made = _subscribe(open_client, receiver)
    path = f"/v1/subscriptions/{made['id']}"
    until = (now() + timedelta(days=1)).isoformat()
    changed = open_client.put(path, json={"snoozed_until": until}).json()
    assert changed["snoozed_until"] is not None
    _import(open_work, open_client.workspace_id, "meanwhile.csv")
    _run(open_work, "news", look_for_news)
    assert _told(open_client, made) == []
    assert open_client.put(path, json={"snoozed_until": None}).json()["snoozed_until"] is None
    _run(open_work, "news", look_for_news)
    (told,) = _told(open_client, made)
    assert "meanwhile.csv" in told["text"]


def test_a_cooldown_lets_the_next_of_an_event_wait(
    open_client: Client, open_work: Work, receiver: Receiver
) -> None:
    made = _subscribe(open_client, receiver)
    path = f"/v1/subscriptions/{made['id']}"
    assert open_client.put(path, json={"cooldown_hours": 24}).json()["cooldown_hours"] == 24
    for name in ("one.csv", "two.csv"):
        _import(open_work, open_client.workspace_id, name)
        _run(open_work, "news", look_for_news)
    assert [one["text"][:7] for one in _told(open_client, made)] == ["one.csv"]
    with open_work.database.write() as session:
        session.execute(update(Notice).values(created_at=now() - timedelta(hours=25)))
    _run(open_work, "news", look_for_news)
    assert [one["text"][:7] for one in _told(open_client, made)] == ["two.csv", "one.csv"]


def test_a_change_that_was_seen_is_not_told_again(
    open_client: Client, open_work: Work, receiver: Receiver, client_of: Callable[..., Client]
) -> None:
    made = _subscribe(open_client, receiver)
    with open_work.database.write() as session:
        subscription = session.execute(select(Subscription)).scalar_one()
        october = Piece("change.significant", "change:stage:delivery:items:up:2026-10", "More on delivery", {})
        assert add_notice(session, subscription, october)
    (told,) = _told(open_client, made)
    path = f"/v1/subscriptions/{made['id']}/notices/{told['id']}/acknowledge"
    assert client_of("other").post(path).status_code == 404
    seen = open_client.post(path).json()
    assert (seen["acknowledged_by"], seen["acknowledged_at"] is not None) == ("key:test", True)
    assert open_client.post(path).json() == seen, "the first one who saw it stays"
    with open_work.database.write() as session:
        subscription = session.execute(select(Subscription)).scalar_one()
        again = Piece("change.significant", "change:stage:delivery:items:up:2026-11", "More on delivery", {})
        other = Piece("change.significant", "change:stage:support:items:up:2026-11", "More on support", {})
        tell(session, subscription, [again, other])
    assert [one["text"] for one in _told(open_client, made)] == ["More on support", "More on delivery"]


def test_changed_stopped_and_told_again(open_client: Client, open_work: Work, receiver: Receiver) -> None:
    made = _subscribe(open_client, receiver, events=["change.significant"])
    path = f"/v1/subscriptions/{made['id']}"
    _import(open_work, open_client.workspace_id, "before.csv")
    wanted = {"name": "Imports", "events": ["import.finished"]}
    changed = open_client.put(path, json=wanted).json()
    assert (changed["name"], changed["events"], changed["host"]) == ("Imports", ["import.finished"], made["host"])
    _run(open_work, "news", look_for_news)
    assert _told(open_client, made) == [], "what was there before is not told"
    assert open_client.put(path, json={"enabled": False}).json()["disabled_at"] is not None
    _import(open_work, open_client.workspace_id, "after.csv")
    _run(open_work, "news", look_for_news)
    assert _told(open_client, made) == []
    assert open_client.put(path, json={"enabled": True}).json()["disabled_at"] is None
    _run(open_work, "news", look_for_news)
    assert [one["text"][:9] for one in _told(open_client, made)] == ["after.csv"]
    for wrong in (
        {"events": []},
        {"cooldown_hours": -1},
        {"cooldown_hours": 10_000},
        {"url": "https://x.example"},
    ):
        assert open_client.put(path, json=wrong).status_code == 422, wrong


def _subscribe(client: Client, receiver: Receiver, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/subscriptions", json={"url": receiver.url, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_what_is_new_is_told_once_and_signed(open_client: Client, open_work: Work, receiver: Receiver) -> None:
    _import(open_work, open_client.workspace_id, "before.csv")
    made = _subscribe(open_client, receiver)
    _import(open_work, open_client.workspace_id, "after.csv")
    for _ in range(3):
        assert _run(open_work, "news", look_for_news) == 1, "it looks again by itself"
        _run(open_work, "notify", send)
    ((headers, body),) = receiver.calls
    told = Webhook(made["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["filename"]) == ("import.finished", "after.csv")
    assert told["data"]["rows"]["read"] == 3
    (notice,) = open_client.get(f"/v1/subscriptions/{made['id']}/notices").json()["data"]
    assert (notice["state"], notice["status"], notice["attempts"]) == ("delivered", 204, 1)
    (listed,) = open_client.get("/v1/subscriptions").json()["data"]
    assert listed["host"].startswith("127.0.0.1")
    assert "secret" not in listed
    assert "room" not in json.dumps(listed), "the path of an address may be a credential"


def test_chat_rooms_get_the_text_alone(open_client: Client, open_work: Work, receiver: Receiver) -> None:
    made = _subscribe(open_client, receiver, format="slack", events=["import.finished"])
    open_client.post(f"/v1/subscriptions/{made['id']}/test")
    _run(open_work, "notify", send)
    assert json.loads(receiver.calls[0][1])["text"].startswith("Journeymap can reach you.")


def test_what_fails_is_tried_again_and_ends(open_client: Client, open_work: Work, receiver: Receiver) -> None:
    made = _subscribe(open_client, receiver)
    receiver.status = 500
    open_client.post(f"/v1/subscriptions/{made['id']}/test")
    for _ in range(10):
        assert _run(open_work, "notify", send) == 1
    assert _run(open_work, "notify", send) == 0
    (notice,) = open_client.get(f"/v1/subscriptions/{made['id']}/notices").json()["data"]
    assert (notice["state"], notice["attempts"], notice["detail"]) == ("failed", 10, "answered 500")
    (listed,) = open_client.get("/v1/subscriptions").json()["data"]
    assert (listed["trouble"], listed["disabled_at"]) == ("answered 500", None)


def test_a_receiver_that_is_gone_is_left_alone(open_client: Client, open_work: Work, receiver: Receiver) -> None:
    made = _subscribe(open_client, receiver)
    receiver.status = 410
    open_client.post(f"/v1/subscriptions/{made['id']}/test")
    _run(open_work, "notify", send)
    (listed,) = open_client.get("/v1/subscriptions").json()["data"]
    assert listed["disabled_at"] is not None
    _import(open_work, open_client.workspace_id, "after.csv")
    _run(open_work, "news", look_for_news)
    assert _run(open_work, "notify", send) == 0
    receiver.status = 200
    open_client.post(f"/v1/subscriptions/{made['id']}/test")
    assert _run(open_work, "notify", send) == 1
    (listed,) = open_client.get("/v1/subscriptions").json()["data"]
    assert (listed["disabled_at"], listed["trouble"]) == (None, None)


def test_days_of_failures_disable(open_client: Client, open_work: Work, receiver: Receiver) -> None:
    made = _subscribe(open_client, receiver)
    receiver.status = 503
    open_client.post(f"/v1/subscriptions/{made['id']}/test")
    _run(open_work, "notify", send)
    with open_work.database.write() as session:
        session.execute(update(Subscription).values(failing_since=now() - timedelta(days=6)))
    _run(open_work, "notify", send)
    (listed,) = open_client.get("/v1/subscriptions").json()["data"]
    assert listed["trouble"].startswith("nothing taken in 5 days")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/x",
        "http://localhost/x",
        "http://[::1]/x",
        "http://10.0.0.8/x",
        "http://169.254.169.254/latest",
        "http://[::ffff:127.0.0.1]/x",
        "http://0.0.0.0/x",
        "http://2130706433/x",
        "ftp://example.com/x",
        "https://user:word@127.0.0.1/x",
        "https://",
        "http://127.0.0.1:notaport/",
    ],
)
def test_private_and_odd_addresses_are_refused(client: Client, url: str) -> None:
    with pytest.raises(BadTarget):
        check_url(url, private=False)
    answer = client.post("/v1/subscriptions", json={"url": url})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/url"


def test_an_address_that_became_private_is_not_called(open_client: Client, work: Work, receiver: Receiver) -> None:
    made = _subscribe(open_client, receiver)
    open_client.post(f"/v1/subscriptions/{made['id']}/test")
    _run(work, "notify", send)  # these settings allow no private targets
    assert receiver.calls == []
    (notice,) = open_client.get(f"/v1/subscriptions/{made['id']}/notices").json()["data"]
    assert "private" in notice["detail"]


def test_workspaces_and_scopes(
    open_client: Client, client_of: Callable[..., Client], receiver: Receiver, work: Work
) -> None:
    made = _subscribe(open_client, receiver)
    other = client_of(workspace="another")
    assert other.get("/v1/subscriptions").json()["data"] == []
    assert other.delete(f"/v1/subscriptions/{made['id']}").status_code == 404
    assert client_of(scopes=["read", "ingest"]).get("/v1/subscriptions").status_code == 403
    assert open_client.post("/v1/subscriptions", json={"url": receiver.url, "events": ["odd"]}).status_code == 422
    assert open_client.delete(f"/v1/subscriptions/{made['id']}").status_code == 204
    with work.database.read() as session:
        assert session.execute(select(Notice)).all() == []
