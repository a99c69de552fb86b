"""The weekly digest: once a week, only what is new, no customers' words, by webhook and mail, as a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from service.notify import digest, digest_api, digest_schedule
from service.notify.digest_schedule import day_of_digest, enqueue_due_digests, make_digest
from service.notify.digest_text import html_of, period, summary_of, text_of
from service.notify.outgoing import send
from service.store import queue
from service.store.columns import now
from service.store.schema import Digest, FileImport, Job, Notice, Workspace
from service.work import Work
from tests.conftest import Client
from tests.notify.mail_server import mail_server
from tests.notify.test_subscriptions import Receiver, open_client, open_work, receiver
from tests.review.conftest import person_of
from tests.suggest.conftest import WORDS, add, shop

__all__ = ["add", "open_client", "open_work", "person_of", "receiver", "shop"]

MONDAY = datetime(2026, 3, 16, 9, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the time at which digests are looked for; it is a Monday at nine."""

    def at(moment: datetime) -> None:
        for module in (digest_schedule, digest_api):
            monkeypatch.setattr(module, "now", lambda: moment)

    at(MONDAY)
    return at


@pytest.fixture
def old(work: Work, workspace_id: int) -> None:
    """The workspace is older than the days that are looked at."""
    with work.database.write() as session:
        session.execute(update(Workspace).values(created_at=datetime(2026, 1, 1, tzinfo=UTC)))


def run(work: Work, kind: str = "digest", stage: Callable[..., Any] = make_digest) -> int:
    if kind == "digest":
        enqueue_due_digests(work.database)
    with work.database.write() as session:
        session.execute(update(Job).where(Job.kind == kind).values(run_after=now()))  # type: ignore[arg-type]
        jobs = queue.claim(session, worker="t", lease_seconds=60, limit=50, kinds=[kind])
    for _ in stage(work, jobs):
        pass
    return len(jobs)


def rows(work: Work, table: type[Any]) -> list[Any]:
    with work.database.read() as session:
        return list(session.execute(select(table)).scalars())


def failed_import(work: Work, workspace_id: int, name: str) -> None:
    with work.database.write() as session:
        session.add(
            FileImport(
                workspace_id=workspace_id, filename=name, path="", sha256="", source="s", channel="survey",
                state="failed", finished_at=now(),
            )
        )  # fmt: skip


def test_once_a_week_to_who_wants_it(
    open_client: Client, open_work: Work, shop: int, old: None, receiver: Receiver, clock: Any
) -> None:
    for events in (["digest.weekly"], ["import.finished"]):
        open_client.post("/v1/subscriptions", json={"url": receiver.url, "events": events})
    for minutes in (0, 1, 60, 60 * 24 * 6):
        clock(MONDAY + timedelta(minutes=minutes))
        run(open_work)
    run(open_work, "notify", send)
    ((_, body),) = receiver.calls
    told = json.loads(body)
    assert (told["type"], told["data"]["week"]) == ("digest.weekly", "2026-03-16")
    assert told["data"]["url"].endswith("/digest?week=2026-03-16")
    found = [one["id"] for one in told["data"]["suggestions"]]
    assert found == ["purchase.ease_of_use", "support.responsiveness"]
    assert told["data"]["feedback"]["items"] > 0
    assert "2 new suggestions" in told["data"]["text"]
    for form in ("text", "html"):
        assert "/suggestions/purchase.ease_of_use" in told["data"]["bodies"][form]
    assert not any(word in body.decode() for word in WORDS), "a customer's words went out"
    # a week later nothing is new, so nothing is sent, and that is kept too
    clock(MONDAY + timedelta(days=7))
    assert run(open_work) == 1
    assert run(open_work, "notify", send) == 0
    assert [bool(row.content) for row in rows(open_work, Digest)] == [True, False]


def test_what_is_told_again_and_what_not(
    client: Client, work: Work, shop: int, old: None, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"key": "change:stage:delivery:items:rose:2026-03"}
    monkeypatch.setattr(
        digest,
        "significant_changes",
        lambda *_: iter(
            [
                digest_schedule.Piece(
                    "change.significant",
                    change["key"],
                    "It rose.",
                    {"by": "stage", "label": "delivery", "from": None, "to": None},
                )
            ]
        ),
    )
    verdict = {
        "agreed_at": "2026-01-01T00:00:00Z",
        "verdict": "inconclusive",
        "final": False,
        "says": "Not clear yet.",
    }
    row = {"id": "a.b", "stage": "a", "topic": "b", "adaptation": "Do it."}
    measured = verdict | {"before": None, "after": None}
    monkeypatch.setattr(digest, "running_changes", lambda *_, **__: {"data": [row | {"impact": measured}]})

    def week(number: int) -> Any:
        clock(MONDAY + timedelta(weeks=number))
        assert run(work) == 1
        return rows(work, Digest)[-1].content

    first = week(0)
    assert (len(first["changes"]), first["verdicts"], first["troubles"]) == (1, [], [])
    change["key"] = "change:stage:delivery:items:rose:2026-04"
    measured |= {"verdict": "helped"}
    second = week(1)
    assert (second["suggestions"], second["changes"]) == ([], [])
    assert [one["verdict"] for one in second["verdicts"]] == ["helped"]
    failed_import(work, client.workspace_id, "broken.csv")
    third = week(2)
    assert [(one["name"], one["new"]) for one in third["troubles"]] == [("broken.csv", True)]
    assert third["verdicts"] == []
    assert week(3) == {}, "an old trouble alone is no reason"
    fourth = week(4)
    assert len(fourth["changes"]) == 1, "after four weeks it is told again"
    assert [one["new"] for one in fourth["troubles"]] == [False]


def test_two_workers_at_once_send_one(
    open_client: Client, open_work: Work, shop: int, old: None, receiver: Receiver, clock: Any
) -> None:
    open_client.post("/v1/subscriptions", json={"url": receiver.url, "events": ["digest.weekly"]})
    enqueue_due_digests(open_work.database)
    enqueue_due_digests(open_work.database)
    with open_work.database.write() as session:
        (job,) = queue.claim(session, worker="a", lease_seconds=60, limit=5, kinds=["digest"])
        # a twin, as after a lease that ran out
        queue.enqueue(
            session,
            workspace_id=shop,
            kind="digest",
            payload={},
            priority=queue.Priority.UPKEEP,
        )
        (twin,) = queue.claim(session, worker="b", lease_seconds=60, limit=5, kinds=["digest"])
    composed: list[Any] = []
    whole = digest_schedule.compose

    def meanwhile(*given: Any, **more: Any) -> Any:
        found = whole(*given, **more)
        if not composed:
            composed.append(found)
            assert list(make_digest(open_work, [twin])) == [None]  # the other is through while this one composes
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest_schedule, "compose", meanwhile)
        assert list(make_digest(open_work, [job])) == [None]
    assert len(rows(open_work, Digest)) == 1
    assert len(rows(open_work, Notice)) == 1
    assert rows(open_work, Job)[0].kind != "digest"


@pytest.mark.parametrize(
    ("moment", "timezone", "weekday", "hour", "day", "due"),
    [
        ("2026-03-16T09:00Z", "UTC", 0, 8, "2026-03-16", "2026-03-16T08:00Z"),
        ("2026-03-15T23:30Z", "Europe/Berlin", 0, 0, "2026-03-16", "2026-03-15T23:00Z"),
        ("2026-03-22T23:30Z", "America/New_York", 6, 20, "2026-03-22", "2026-03-23T00:00Z"),
        ("2026-03-29T12:00Z", "Europe/Berlin", 6, 2, "2026-03-29", "2026-03-29T01:00Z"),  # no such hour
    ],
)  # fmt: skip
def test_the_day_is_the_workspaces(
    moment: str, timezone: str, weekday: int, hour: int, day: str, due: str
) -> None:
    found = day_of_digest(datetime.fromisoformat(moment), timezone=timezone, weekday=weekday, hour=hour)
    assert found == (date.fromisoformat(day), datetime.fromisoformat(due))


def test_the_schedule_is_set(client: Client, client_of: Any, work: Work, shop: int, old: None, clock: Any) -> None:
    assert client.get("/v1/digest/schedule").json()["weekday"] == "monday"
    asked = {"weekday": "friday", "hour": 6}
    answer = client.put("/v1/digest/schedule", json=asked)
    assert answer.json() == asked | {"timezone": "UTC", "next_at": "2026-03-20T06:00:00Z"}
    assert run(work) == 0
    clock(datetime(2026, 3, 20, 6, tzinfo=UTC))
    assert run(work) == 1
    # another day of the same week: it had its digest
    client.put("/v1/digest/schedule", json={"weekday": "thursday", "hour": 0})
    assert run(work) == 0
    client.put("/v1/digest/schedule", json={"weekday": "never"})
    clock(datetime(2026, 5, 1, tzinfo=UTC))
    assert run(work) == 0
    assert client.get("/v1/digest/schedule").json()["next_at"] is None
    for wrong in ({"weekday": "someday"}, {"weekday": "monday", "hour": 24}):
        assert client.put("/v1/digest/schedule", json=wrong).status_code == 422
    assert client_of(scopes=("read",)).put("/v1/digest/schedule", json=asked).status_code == 403


def test_a_new_workspace_is_not_told_of_what_it_just_loaded(work: Work, shop: int, clock: Any) -> None:
    with work.database.write() as session:
        session.execute(update(Workspace).values(created_at=MONDAY - timedelta(minutes=30)))
    assert run(work) == 0


def test_by_mail(client: Client, app: Any, work: Work, shop: int, old: None, clock: Any) -> None:
    with mail_server() as server:
        update_to = {
            "smtp_host": "127.0.0.1",
            "smtp_port": server.port,
            "smtp_security": "none",
            "mail_from": "cx@shop.example",
        }
        app.state.settings = app.state.settings.model_copy(update=update_to)
        mailing = Work(
            settings=work.settings.model_copy(update=update_to), database=work.database, vault=work.vault
        )
        made = client.post("/v1/subscriptions", json={"url": "mailto:ann@shop.example", "name": "Ann"})
        assert made.status_code == 201, made.text
        assert (made.json()["format"], made.json()["host"]) == ("mail", "shop.example")
        assert made.json()["events"] == ["digest.weekly"]
        run(mailing)
        assert run(mailing, "notify", send) == 1
        client.post(f"/v1/subscriptions/{made.json()['id']}/test")
        run(mailing, "notify", send)
    first, test = server.mails
    assert first["Subject"].startswith("Your customers' week, 9 to 15 Mar 2026: 2 new suggestions")
    rich = first.get_body(("html",))
    assert rich is not None
    assert "What to change" not in rich.get_content()
    assert "/suggestions/purchase.ease_of_use" in rich.get_content()
    assert test["Subject"] == "Journeymap can reach you."
    (one, _) = client.get(f"/v1/subscriptions/{made.json()['id']}/notices").json()["data"]
    assert (one["state"], one["status"]) == ("delivered", 250)


def test_mail_is_refused_where_it_can_not_be_sent(client: Client, app: Any) -> None:
    answer = client.post("/v1/subscriptions", json={"url": "mailto:ann@shop.example"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/url")
    app.state.settings = app.state.settings.model_copy(update={"smtp_host": "h", "mail_from": "cx@shop.example"})
    single = {"url": "mailto:ann@shop.example", "events": ["import.finished", "digest.weekly"]}
    answer = client.post("/v1/subscriptions", json=single)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/events")


def test_the_page_and_the_route(
    client: Client, client_of: Any, person_of: Any, work: Work, shop: int, old: None, clock: Any
) -> None:
    clock(MONDAY - timedelta(days=2))
    first_look = client.get("/v1/digest").json()
    assert (first_look["made_at"], first_look["weeks"], first_look["week"]) == (None, [], "2026-03-16")
    assert len(first_look["content"]["suggestions"]) == 2
    assert "What the first digest would say" in person_of("viewer").get("/digest").text
    clock(MONDAY)
    run(work)
    clock(MONDAY + timedelta(days=7))
    run(work)
    assert client.get("/v1/digest").json()["nothing_new"] is True
    assert "Nothing new" in person_of("viewer").get("/digest").text
    found = client.get("/v1/digest", params={"week": "2026-03-18"}).json()
    assert (found["week"], found["weeks"]) == ("2026-03-16", ["2026-03-23", "2026-03-16"])
    assert found["bodies"]["text"].startswith("YOUR CUSTOMERS' WEEK, 9 to 15 Mar 2026")
    for role, reads in (("analyst", True), ("viewer", False)):
        text = person_of(role).get("/digest?week=2026-03-16").text
        assert "/suggestions/purchase.ease_of_use" in text
        assert any(word in text for word in WORDS) is reads, role
    for missing in ("/v1/digest?week=2026-01-05", "/digest?week=2026-01-05", "/digest?week=odd"):
        assert client.get(missing).status_code == 404
    other = client_of(workspace="another")
    assert other.get("/v1/digest").json()["content"] is None
    assert other.get("/v1/digest?week=2026-03-16").status_code == 404


def test_nothing_of_it_is_markup() -> None:
    one = {
        "id": "a.b", "stage": "a", "topic": "b", "customer_feedback": "<b>says</b>",
        "adaptation": "<i>do</i> & so",
        "size": {"count": 3, "n": 9, "low": 0.1, "high": 0.6, "certainty": "only 3 voices so far"},
    }  # fmt: skip
    content = {
        "from": "2025-12-29",
        "to": "2026-01-05",
        "feedback": {"items": 1234, "respondents": 2, "items_before": 0},
        "suggestions": [one],
        "more_suggestions": 3,
        "changes": [{"by": "stage", "label": "a", "from": None, "to": None, "says": "<u>It</u>"}],
        "verdicts": [one | {"verdict": "helped", "says": "It helped."}],
        "troubles": [{"name": "<script>", "says": "broken", "link": "/sources", "new": True}],
    }
    rich = html_of(content, workspace="<shop>", public_url="https://cx.example")
    for marked in ("<b>", "<i>", "<u>", "<script", "<shop>"):
        assert marked not in rich, marked
    plain = text_of(content, workspace="shop", public_url="https://cx.example")
    assert "What to change: <i>do</i> & so" in plain
    assert "1,234 pieces" in plain
    assert period(content) == "29 Dec 2025 to 4 Jan 2026"
    assert summary_of(content).endswith(
        ": 4 new suggestions, 1 change beyond noise, 1 verdict on a change, 1 thing that needs somebody."
    )
