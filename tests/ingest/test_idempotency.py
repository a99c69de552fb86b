"""Idempotency-Key: one effect, the first result replayed, and a key never stuck behind a dead process."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from service import idempotency
from service.process import is_gone, this_process
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Endpoint, FeedbackItem, IdempotencyKey, Job
from tests.ingest.rows import stored

KEY = {"Idempotency-Key": "order-4711"}
BARE = {"text": "No id, no time, no name."}  # only the key can tell that it is the same again


def running(database: Database, workspace_id: int, owner: str, *, seconds_ago: float = 0) -> None:
    """A key whose first call has not ended."""
    with database.write() as session:
        session.add(
            IdempotencyKey(
                workspace_id=workspace_id,
                route="POST /v1/feedback",
                key=KEY["Idempotency-Key"],
                body_hash="",
                owner=f"{owner}#token",
                created_at=now() - timedelta(seconds=seconds_ago),
                expires_at=now() + timedelta(hours=1),
            )
        )


def test_the_first_result_is_replayed(client: Any, database: Database) -> None:
    first = client.post("/v1/feedback", json=BARE, headers=KEY)
    assert first.status_code == 202
    assert "idempotent-replayed" not in first.headers
    for _ in range(2):
        again = client.post("/v1/feedback", json=BARE, headers=KEY)
        assert (again.status_code, again.content) == (202, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["content-type"] == "application/json"
    assert (stored(database), stored(database, Job)) == (1, 1)
    client.post("/v1/feedback", json=BARE)
    assert stored(database) == 2


def test_another_body_or_query_under_the_same_key_is_refused(client: Any, database: Database) -> None:
    client.post("/v1/feedback", json=BARE, headers=KEY)
    for answer in (
        client.post("/v1/feedback", json={"text": "else"}, headers=KEY),
        client.post("/v1/feedback?x=1", json=BARE, headers=KEY),
        client.post("/v1/feedback", headers=KEY),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["code"] == "key_reused"
    assert stored(database) == 1


def test_a_batch_is_replayed_whole(client: Any, database: Database) -> None:
    items = [BARE, {"nothing": True}, BARE]
    first = client.post("/v1/feedback/batch", json=items, headers=KEY)
    again = client.post("/v1/feedback/batch", json=items, headers=KEY)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert (first.json()["accepted"], stored(database)) == (2, 2)


def test_a_refusal_is_a_result_too(client: Any) -> None:
    first = client.post("/v1/feedback", json={}, headers=KEY)
    again = client.post("/v1/feedback", json={}, headers=KEY)
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/problem+json"


def test_the_same_key_elsewhere_is_another_key(client: Any, client_of: Any, database: Database) -> None:
    client.post("/v1/feedback", json=BARE, headers=KEY)
    assert client.post("/v1/feedback/batch", json=[BARE], headers=KEY).status_code == 200
    assert client_of(workspace="other").post("/v1/feedback", json={"text": "x"}, headers=KEY).status_code == 202
    assert stored(database) == 3


def test_who_may_do_less_gets_no_replay(client: Any, client_of: Any) -> None:
    client.post("/v1/feedback", json=BARE, headers=KEY)
    assert client_of(scopes=("read",)).post("/v1/feedback", json=BARE, headers=KEY).status_code == 403
    assert client.post("/v1/feedback", json=BARE, headers=KEY | {"Authorization": "Bearer no"}).status_code == 401


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tkey", b"\xe9"])
def test_a_key_that_is_none_is_refused(client: Any, database: Database, key: Any) -> None:
    answer = client.post("/v1/feedback", json=BARE, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert stored(database) == 0
    assert client.post("/v1/feedback", json=BARE, headers={"Idempotency-Key": "x" * 255}).status_code == 202


def test_while_the_first_call_runs_the_second_waits(client: Any, database: Database) -> None:
    running(database, client.workspace_id, this_process())
    answer = client.post("/v1/feedback", json=BARE, headers=KEY)
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (409, True)
    assert stored(database) == 0


def test_that_ends_with_its_process(client: Any, database: Database) -> None:
    script = "from service.process import this_process; print(this_process())"
    dead = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert is_gone(dead)
    assert not is_gone(this_process())
    running(database, client.workspace_id, dead)
    assert client.post("/v1/feedback", json=BARE, headers=KEY).status_code == 202
    assert client.post("/v1/feedback", json=BARE, headers=KEY).headers["idempotent-replayed"] == "true"


def test_a_process_elsewhere_is_dead_when_it_is_silent(client: Any, database: Database) -> None:
    elsewhere = "other-host/boot/1/1"
    assert not is_gone(elsewhere)
    running(database, client.workspace_id, elsewhere, seconds_ago=idempotency.SILENT_SECONDS / 2)
    assert client.post("/v1/feedback", json=BARE, headers=KEY).status_code == 409
    with database.write() as session:
        session.execute(update(IdempotencyKey).values(created_at=now() - timedelta(minutes=2)))
    assert client.post("/v1/feedback", json=BARE, headers=KEY).status_code == 202


def test_a_call_that_was_taken_over_is_undone(
    client: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = idempotency._Claim.store

    def too_late(self: Any, session: Session, response: Any) -> None:
        session.execute(update(IdempotencyKey).values(owner="someone else"))
        stores(self, session, response)

    with monkeypatch.context() as patch:
        patch.setattr(idempotency._Claim, "store", too_late)
        assert client.post("/v1/feedback", json=BARE, headers=KEY).status_code == 409
    assert stored(database) == stored(database, Job) == 0


def test_a_failed_commit_keeps_neither_effect_nor_result(
    client: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = Session.commit

    def fails(self: Session) -> None:
        if self.execute(select(func.count()).select_from(FeedbackItem)).scalar_one():
            raise OperationalError("COMMIT", {}, Exception("disk is full"))
        commits(self)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "commit", fails)
        assert client.post("/v1/feedback", json=BARE, headers=KEY).status_code == 503
    assert stored(database) == stored(database, IdempotencyKey) == 0
    again = client.post("/v1/feedback", json=BARE, headers=KEY)
    assert (again.status_code, again.json()["status"]) == (202, "accepted")
    assert "idempotent-replayed" not in again.headers


def test_try_again_later_is_no_result(client: Any, app: Any, database: Database) -> None:
    real = app.state.settings
    app.state.settings = real.model_copy(update={"min_free_disk_mb": 10**9})
    assert client.post("/v1/feedback", json=BARE, headers=KEY).status_code == 503
    app.state.settings = real
    assert client.post("/v1/feedback", json={"text": "else"}, headers=KEY).status_code == 202
    assert stored(database) == 1


def test_secrets_are_never_stored_for_replay(client: Any, database: Database) -> None:
    new = {"sender": "standard-webhooks", "name": "App"}
    first = client.post("/v1/endpoints", json=new, headers=KEY).json()
    again = client.post("/v1/endpoints", json=new, headers=KEY)
    assert again.status_code == 201
    assert again.json() == first | {"secrets": None}
    assert stored(database, Endpoint) == 1
    with database.read() as session:
        body = session.execute(select(IdempotencyKey.response_body)).scalar_one()
    assert b"whsec_" not in body
    rotate = f"/v1/endpoints/{first['id']}/secrets"
    assert client.post(rotate, json={}, headers=KEY).json()["secrets"] is not None
    assert client.post(rotate, json={}, headers=KEY).json()["secrets"] is None


def test_a_key_is_free_again_when_its_time_is_over(client: Any, database: Database) -> None:
    client.post("/v1/feedback", json=BARE, headers=KEY)
    with database.write() as session:
        session.execute(update(IdempotencyKey).values(expires_at=now() - timedelta(seconds=1)))
    assert client.post("/v1/feedback", json={"text": "else"}, headers=KEY).status_code == 202
    assert (stored(database), stored(database, IdempotencyKey)) == (2, 1)


def test_many_calls_at_once_have_one_effect(client: Any, database: Database) -> None:
    answers: list[Any] = []
    start = threading.Barrier(8)

    def send() -> None:
        start.wait()
        for _ in range(20):
            answer = client.post("/v1/feedback", json=BARE, headers=KEY)
            answers.append(answer)
            if answer.status_code != 409:
                return

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert sum("idempotent-replayed" not in a.headers for a in answers if a.status_code == 202) == 1
    assert stored(database) == 1


def test_every_post_of_the_api_takes_the_header(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    posts = {
        path: routes["post"] for path, routes in paths.items() if path.startswith("/v1/") and "post" in routes
    }
    assert {"/v1/feedback", "/v1/feedback/batch", "/v1/endpoints", "/v1/imports", "/v1/tag"} <= set(posts)
    named = {path: [one["name"] for one in route.get("parameters", ())] for path, route in posts.items()}
    assert [path for path, names in named.items() if names.count(idempotency.HEADER) != 1] == []


def test_a_file_sent_again_by_form_is_the_same_though_its_boundary_differs(client: Any) -> None:
    def send(content: bytes) -> Any:
        file = {"file": ("feedback.csv", content, "text/csv")}
        return client.post("/v1/imports?source=shop", files=file, headers=KEY)

    content = b"external_id,text\n" + b"".join(b"r-%d,The parcel came late.\n" % n for n in range(5000))
    first, again = send(content), send(content)
    assert (first.status_code, again.content) == (202, first.content)
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert (again.headers["idempotent-replayed"], again.headers["location"]) == ("true", first.headers["location"])
    assert send(content[:-2]).status_code == 422


def test_the_hash_does_not_depend_on_how_the_body_is_cut() -> None:
    def digest(body: bytes, cut: int) -> str:
        hashed = idempotency._HashedBody(request=None, limit_bytes=0, boundary=b"--xx--yy")  # type: ignore[arg-type]
        for start in range(0, len(body), cut):
            hashed._add(body[start : start + cut])
        return hashed.digest()

    body = b"--xx--yy\r\nfirst --xx--y\r\n--xx--yy\r\nsecond --xx\r\n--xx--yy--"
    assert len({digest(body, cut) for cut in range(1, len(body) + 1)}) == 1
    assert digest(body, 7) != digest(body.replace(b"second", b"sekond"), 7)
