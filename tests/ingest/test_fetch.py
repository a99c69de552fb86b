"""Thin deliveries: what they only name is asked of the sender's API, within its rate, for a day."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from service.ingest import api_client, fetch
from service.ingest.api_client import ApiClient
from service.ingest.incoming import CannotParse, Wanted
from service.ingest.senders.contract import (
    Credentials,
    Fetched,
    Fetcher,
    Http,
    NotThere,
    Refused,
    TryLater,
)
from service.stop import Stop
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Delivery, Endpoint, EndpointApi, FeedbackItem, Job, WantedFetch
from service.work import Work
from service.worker import KINDS, Worker
from tests.ingest.made_sender import SECRET, made_endpoint, register, signed
from tests.ingest.senders.fake_api import Answer, Asked, FakeApi, fake_api

TOKEN = "token-7f3a"
TICKET = {"items": [{"external_id": "t-1", "text": "It broke.", "updated_at": "2026-11-01T00:00:00Z"}]}
WANTED = {"wanted": [["ticket", {"id": "t-1"}]]}


class Key(Credentials):
    """What the made API wants."""

    token: str
    region: str = "eu"


class Api:
    """The made API: what it answers next, and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.fake = FakeApi()

    def __call__(self, _asked: Asked) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def times(self) -> int:
        return len(self.fake.asked)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    made = Api()
    made.answers = [(200, TICKET)]

    def ask(http: Http, credentials: Key, _options: Any, wanted: Wanted) -> list[Fetched]:
        headers = {"authorization": f"Bearer {credentials.token}"}
        answer = http.request("GET", f"{made.fake.url}/{wanted.what}/{wanted.ids['id']}", headers=headers)
        if answer.body == b"odd":
            raise KeyError("not what it gives")
        return [Fetched(wanted.what, answer.body)]

    register(monkeypatch, fetcher=Fetcher(credentials=Key, fetch=ask, requests_per_minute=60_000))
    with fake_api(made) as made.fake:
        yield made


def tells(client: Any, endpoint: dict[str, Any], payload: dict[str, Any], number: int = 0) -> None:
    body = json.dumps(payload | {"n": number}).encode()
    assert client.post(endpoint["path"], content=body, headers=signed(body)).status_code == 200


def run_jobs(work: Work) -> None:
    """All that is due, and what was put back for later."""
    kinds = {name: KINDS[name] for name in ("fetch", "replay") if name in KINDS}
    Worker(work, Stop(), kinds=kinds).run_until_idle()


def sooner(database: Database) -> None:
    """As if the time of what waits had come."""
    with database.write() as session:
        session.execute(update(Job).values(run_after=now()))
        session.execute(update(EndpointApi).values(next_request_at=None))


def delivered(client: Any) -> list[tuple[str, str]]:
    """State and detail of what the sender delivered itself, oldest first."""
    found = client.get("/v1/deliveries").json()["data"]
    return [(one["state"], one["detail"]) for one in found if not one["external_id"].startswith("fetched:")][::-1]


def items(database: Database) -> list[str | None]:
    with database.read() as session:
        return list(session.execute(select(col(FeedbackItem.external_id))).scalars())


def jobs(database: Database, kind: str = "fetch") -> list[Job]:
    with database.read() as session:
        return list(session.execute(select(Job).where(col(Job.kind) == kind)).scalars())


def test_what_a_thin_delivery_names_is_fetched_and_taken(
    client: Any, api: Api, work: Work, database: Database
) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    for number in range(3):
        tells(client, endpoint, WANTED, number)
    assert delivered(client) == [("waiting", "waits for the answer of Made's API")] * 3
    assert len(jobs(database)) == 1, "one job for one thing"
    (thin, *_) = client.get("/v1/deliveries?state=waiting").json()["data"]
    shown = client.get(f"/v1/deliveries/{thin['id']}").json()
    told = {"what": "ticket", "ids": {"id": "t-1"}, "state": "waiting", "detail": thin["detail"]}
    assert shown["wanted"] == [told]
    run_jobs(work)
    assert (items(database), api.times) == (["t-1"], 1)
    assert delivered(client) == [("parsed", "")] * 3
    (asked,) = api.fake.asked
    assert (asked.path, asked.headers["authorization"]) == ("/ticket/t-1", f"Bearer {TOKEN}")
    (answer,) = client.get("/v1/deliveries?state=parsed").json()["data"][:1]
    shown = client.get(f"/v1/deliveries/{answer['id']}").json()
    assert shown["headers"]["journeymap-fetched"] == "ticket"
    assert shown["results"][0]["external_id"] == "t-1"
    assert client.post(f"/v1/deliveries/{answer['id']}/replay").json()["state"] == "parsed"
    assert jobs(database) == []
    tells(client, endpoint, WANTED, 9)
    run_jobs(work)
    assert (items(database), api.times, delivered(client)[-1]) == (["t-1"], 2, ("parsed", ""))


def test_credentials_are_checked_kept_secret_and_renewed(
    client: Any, client_of: Any, api: Api, database: Database
) -> None:
    new = {"sender": "made", "name": "Made", "secrets": [SECRET]}
    for given, pointer in (
        ({}, "/credentials/token"),
        ({"token": 1}, "/credentials/token"),
        ({"token": "x", "y": 1}, "/credentials/y"),
    ):
        answer = client.post("/v1/endpoints", json=new | {"credentials": given})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    plain = {"sender": "standard-webhooks", "name": "App", "credentials": {"token": "x"}}
    answer = client.post("/v1/endpoints", json=plain)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/credentials")
    made = made_endpoint(client, secrets=[SECRET])
    view = f"/v1/endpoints/{made['id']}"
    assert client.get(view).json()["credentials"] is False
    answer = client.put(f"{view}/credentials", json={"credentials": {"token": TOKEN}})
    assert (answer.status_code, answer.json()["credentials"], answer.json()["trouble"]) == (200, True, None)
    assert client.put(f"{view}/credentials", json={"credentials": {"region": "eu"}}).status_code == 422
    assert (
        client_of(workspace="other").put(f"{view}/credentials", json={"credentials": {"token": "x"}}).status_code
        == 404
    )
    assert client_of(scopes=("ingest", "read")).put(f"{view}/credentials", json={}).status_code == 403
    with database.read() as session:
        (row,) = session.execute(select(EndpointApi)).scalars()
    assert TOKEN not in str(row.credentials)
    for address in ("/v1/endpoints", view):
        assert TOKEN not in client.get(address).text
    assert client.delete(view).status_code == 204
    with database.read() as session:
        assert session.execute(select(col(EndpointApi.credentials))).scalars().all() == [None]
    assert client.put(f"{view}/credentials", json={"credentials": {"token": TOKEN}}).status_code == 409


def test_without_credentials_it_waits_and_says_so(client: Any, api: Api, work: Work, database: Database) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET])
    tells(client, endpoint, WANTED)
    run_jobs(work)
    assert delivered(client) == [("waiting", "waits until this address has credentials for Made's API")]
    assert (api.times, jobs(database)) == (0, [])
    client.put(f"/v1/endpoints/{endpoint['id']}/credentials", json={"credentials": {"token": TOKEN}})
    assert delivered(client) == [("waiting", "waits for the answer of Made's API")]
    run_jobs(work)
    assert (items(database), delivered(client)) == (["t-1"], [("parsed", "")])


def test_a_server_that_is_busy_is_asked_again_later_each_time_later(
    client: Any, api: Api, work: Work, database: Database
) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    tells(client, endpoint, WANTED)
    waits = []
    api.answers = [(503, {}), (500, {}), (429, {}, {"Retry-After": "120"}), (408, {}), (200, TICKET)]
    for number in range(4):
        began = now()
        run_jobs(work)
        assert api.times == number + 1
        (job,) = jobs(database)
        assert (job.state, job.attempts) == ("queued", number + 1)
        waits.append((job.run_after - began).total_seconds())
        assert delivered(client)[0][0] == "waiting"
        with database.read() as session:
            held = session.execute(select(col(EndpointApi.next_request_at))).scalar_one()
        assert (held - now()).total_seconds() > 100 if number == 2 else True
        sooner(database)
    assert 2 < waits[0] < 8
    assert 4 < waits[1] < 13
    assert 119 < waits[2] < 125
    assert 19 < waits[3] < 45
    assert client.get(f"/v1/endpoints/{endpoint['id']}").json()["trouble"] is None
    run_jobs(work)
    assert (items(database), delivered(client), jobs(database)) == (["t-1"], [("parsed", "")], [])


def test_after_a_day_it_is_given_up_shown_and_asked_again_on_replay(
    client: Any, api: Api, work: Work, database: Database
) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    tells(client, endpoint, WANTED)
    with database.write() as session:
        session.execute(update(WantedFetch).values(created_at=now() - timedelta(hours=25)))
    api.answers = [(503, {})]
    run_jobs(work)
    assert delivered(client) == [("unparsed", "given up after a day: waits for Made: the API answered 503")]
    assert jobs(database) == []
    api.answers = [(200, TICKET)]
    (listed,) = client.get("/v1/deliveries?state=unparsed").json()["data"]
    assert client.post(f"/v1/deliveries/{listed['id']}/replay").json()["state"] == "waiting"
    sooner(database)
    run_jobs(work)
    assert (items(database), delivered(client)) == (["t-1"], [("parsed", "")])


@pytest.mark.parametrize("status", [401, 403, 400, 302])
def test_refused_credentials_are_shown_and_new_ones_wake_what_waits(
    client: Any, api: Api, work: Work, database: Database, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    view = f"/v1/endpoints/{endpoint['id']}"
    tells(client, endpoint, WANTED)
    api.answers = [(status, {"error": "My words of old"}, {"Location": f"{api.fake.url}/other"})]
    with caplog.at_level(logging.DEBUG, logger="service"):
        run_jobs(work)
    trouble = client.get(view).json()["trouble"]
    assert trouble.startswith(f"Made refuses: the API answered {status}")
    assert (api.times, delivered(client)) == (1, [("waiting", trouble)])
    (job,) = jobs(database)
    assert (job.run_after - now()).total_seconds() > 3000
    for secret in (TOKEN, "My words"):
        assert secret not in caplog.text + str(job.error)
    api.answers = [(200, TICKET)]
    assert client.put(f"{view}/credentials", json={"credentials": {"token": "new"}}).json()["trouble"] is None
    run_jobs(work)
    assert (items(database), delivered(client)) == (["t-1"], [("parsed", "")])
    assert api.fake.asked[-1].headers["authorization"] == "Bearer new"
    sooner(database)
    run_jobs(work)  # the one that was put back finds nothing to do
    assert (api.times, jobs(database)) == (2, [])


def test_what_is_gone_is_ignored_and_what_is_odd_is_shown(
    client: Any, api: Api, work: Work, database: Database
) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    answers: list[tuple[Answer, tuple[str, str]]] = [
        ((404, {}), ("ignored", "what it names is not there any more")),
        ((410, {}), ("ignored", "what it names is not there any more")),
        ((200, b"odd"), ("unparsed", "the answer does not look like what the API of Made gives")),
        ((200, b"x" * 10_500_000), ("unparsed", "the API's answer has more than 10485760 bytes")),
    ]
    for number, (answer, expected) in enumerate(answers):
        api.answers = [answer]
        tells(client, endpoint, {"wanted": [["ticket", {"id": f"t-{number}"}]]}, number)
        run_jobs(work)
        assert delivered(client)[-1] == expected
    assert items(database) == []
    # items beside what is not there; and two things, of which one is
    api.answers = [(404, {}), (200, TICKET)]
    tells(
        client, endpoint, {"items": [{"external_id": "i-1", "text": "Here."}], "wanted": [["ticket", {"id": "a"}]]}
    )
    run_jobs(work)
    tells(client, endpoint, {"wanted": [["ticket", {"id": "t-1"}], ["user", {"id": "t-1"}]]})
    run_jobs(work)
    assert delivered(client)[-2:] == [("parsed", ""), ("parsed", "")]
    assert items(database) == ["i-1", "t-1"]


def test_what_was_erased_is_not_fetched_back(client: Any, api: Api, work: Work, database: Database) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    tells(client, endpoint, WANTED, 1)
    tells(client, endpoint, {"gone": [["item", "t-1"]]}, 2)
    run_jobs(work)
    assert items(database) == []
    with database.read() as session:
        rows = session.execute(select(col(Delivery.external_id), col(Delivery.body))).all()
    assert [row.body for row in rows if row.external_id.startswith("fetched:")] == [b""]


def test_what_waits_for_the_api_about_an_erased_person_is_not_asked_for(
    client: Any, api: Api, work: Work, database: Database
) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET])
    tells(client, endpoint, {"wanted": [["contact", {"id": "c-4711"}]]})
    assert client.delete("/v1/respondents/c-4711").status_code == 200
    client.put(f"/v1/endpoints/{endpoint['id']}/credentials", json={"credentials": {"token": TOKEN}})
    run_jobs(work)
    assert (api.times, delivered(client)) == (0, [("ignored", "erased on request")])
    with database.read() as session:
        assert session.execute(select(WantedFetch)).all() == []
        assert "c-4711" not in repr(session.execute(select(Delivery)).scalar_one())


def test_answers_that_come_again_tell_what_is_now(client: Any, api: Api, work: Work, database: Database) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    for number, text in enumerate(("first", "second", "first")):
        api.answers = [(200, {"items": [{"external_id": "t-1", "text": text}]})]  # without times of its own
        tells(client, endpoint, WANTED, number)
        run_jobs(work)
    with database.read() as session:
        assert session.execute(select(col(FeedbackItem.text))).scalar_one() == "first"


def test_a_removed_address_is_asked_for_no_more(client: Any, api: Api, work: Work, database: Database) -> None:
    endpoint = made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    tells(client, endpoint, WANTED)
    client.delete(f"/v1/endpoints/{endpoint['id']}")
    run_jobs(work)
    assert (api.times, jobs(database)) == (0, [])


@pytest.fixture
def asked_api(client: Any, api: Api, database: Database) -> Callable[[float], ApiClient]:
    made_endpoint(client, secrets=[SECRET], credentials={"token": TOKEN})
    with database.read() as session:
        endpoint_id = session.execute(select(col(Endpoint.id))).scalar_one()
    return lambda per_minute: ApiClient(database, endpoint_id=endpoint_id, requests_per_minute=per_minute)


def test_all_processes_together_stay_within_the_rate(
    api: Api, asked_api: Callable[[float], ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(api_client.time, "sleep", slept.append)
    one, other = asked_api(20.0), asked_api(20.0)
    with one, other:
        for client in (one, other, one, other):
            client.request("GET", f"{api.fake.url}/x", params={"a": "ü"}, body=None)
        assert [round(wait) for wait in slept] == [3, 6, 9]
        with pytest.raises(TryLater) as later:
            one.request("GET", f"{api.fake.url}/x")
    assert 11 < (later.value.after_seconds or 0) < 13
    assert api.times == 4


def test_the_network_errors_of_the_contract(
    api: Api, asked_api: Callable[[float], ApiClient], monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(api_client, "TIMEOUT_SECONDS", 0.3)

    def fails(
        expected: type[Exception] | tuple[type[Exception], ...], url: str, answer: Answer | None = None
    ) -> Exception:
        api.answers = [answer or (200, {})]
        with asked_api(60_000.0) as client, pytest.raises(expected) as raised:
            client.request("POST", url, headers={"authorization": f"Bearer {TOKEN}"}, body=b"secret words")
        assert TOKEN not in str(raised.value)
        assert not url or url not in str(raised.value)
        sooner(database)
        return raised.value

    here = f"{api.fake.url}/x?key={TOKEN}"
    for status, expected in ((404, NotThere), (410, NotThere), (400, Refused), (301, Refused), (425, TryLater)):
        fails(expected, here, (status, {}))
    for url in ("", "x", "ftp://127.0.0.1/x", "file:///etc/passwd"):
        fails(Refused, url)
    for url in ("http://127.0.0.1:9/x", "http://", "http://[", "http://127.0.0.1:99999/"):
        fails((Refused, TryLater), url)
    fails(CannotParse, here, (200, b"x" * 10_500_000))
    error = fails(TryLater, here, (503, {}, {"Retry-After": "Fri, 31 Dec 2038 23:59:59 GMT"}))
    assert isinstance(error, TryLater)
    assert error.after_seconds == 24 * 3600
    for odd in ("soon", "-5", "1e9", ""):
        error = fails(TryLater, here, (503, {}, {"Retry-After": odd}))
        assert isinstance(error, TryLater)
        assert error.after_seconds in (None, 0.0)


def test_waits_double_and_are_spread() -> None:
    for failures, (low, high) in {1: (2.5, 6.1), 4: (20, 41.1), 30: (1800, 3601.1)}.items():
        found = {fetch.backoff(failures) for _ in range(50)}
        assert len(found) > 10
        assert all(low <= one <= high for one in found)
    assert all(600 <= fetch.backoff(1, at_least=600) <= 601.1 for _ in range(50))
