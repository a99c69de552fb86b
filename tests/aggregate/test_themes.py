"""Themes from stored words to the answer: stable, decided on by people, gone with erased words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlmodel import col

from service.aggregate import grouping
from service.aggregate.answers import TrendsAnswer
from service.aggregate.themes_api import ThemeAnswer, ThemeListAnswer
from service.classify.active_model import set_pipeline
from service.stop import Stop
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import FeedbackItem, Job, Segment, Theme
from service.store.theme_upkeep import ask_themes
from service.store.themes import themes_of
from service.work import Work
from service.worker import KINDS, Worker
from tests.classify.tagging import WordPipeline
from tests.nlp.test_themes import TROUBLES
from tests.store.items_for_counting import START, add_items, make_item

ENDINGS = ("", " sadly", " again", " for us", " lately", " this month", " here", " really")


@pytest.fixture(autouse=True)
def quick_model() -> Iterator[None]:
    set_pipeline(WordPipeline(sentiment="negative", emotion="frustration"))
    yield
    set_pipeline(None)


def _send(client: Any, texts: list[tuple[str, str]], *, day: str = "2026-03-02") -> None:
    """Texts with who said them, as they come in."""
    items = [
        {"text": text, "channel": "review", "source": "shop", "respondent": who, "occurred_at": f"{day}T10:00:00Z"}
        for text, who in texts
    ]
    answer = client.post("/v1/feedback/batch", json=items)
    assert answer.json()["accepted"] == len(items)


def _work(work: Work, database: Database) -> None:
    """Tag what waits, then bring the themes up to date."""
    for _ in range(2):
        with database.write() as session:
            session.execute(update(Job).values(run_after=now()))
        kinds = {name: KINDS[name] for name in ("classify", "themes")}
        Worker(work, Stop(), kinds=kinds).run_until_idle()
    with database.read() as session:
        assert not session.execute(select(Job).where(col(Job.kind).in_(("classify", "themes")))).all()


def _first_day(extra: int = 0) -> list[tuple[str, str]]:
    return [
        (text + ending, f"{kind}-{n}-{ending}")
        for kind, texts in TROUBLES.items()
        for n, text in enumerate(texts)
        for ending in ENDINGS[: 2 + extra]
    ]


@pytest.fixture
def themed(client: Any, work: Work, database: Database) -> dict[str, dict[str, Any]]:
    """Three days' troubles in their themes, by the first word of their names."""
    _send(client, _first_day())
    _work(work, database)
    return _by_name(client)


def _by_name(client: Any, query: str = "") -> dict[str, dict[str, Any]]:
    answer = client.get(f"/v1/themes{query}")
    assert answer.status_code == 200, answer.text
    ThemeListAnswer.model_validate(answer.json())
    return {one["name"].split()[0]: one for one in answer.json()["data"]}


def test_themes_have_names_sizes_and_words(client: Any, themed: dict[str, dict[str, Any]]) -> None:
    assert set(themed) == {"Refund", "App", "Verification"}
    for one in themed.values():
        size = one["size"]
        assert 9 <= size["count"] <= size["n"] == 36
        assert size["low"] < size["share"] < size["high"]
        assert size["respondents"] == size["count"]
        assert one["sentiment"] == "negative"
        assert one["net_sentiment"]["value"] == -100
        assert 1 <= len(one["verbatims"]) <= 3
        assert one["history"][0]["what"] == "found"
    answer = client.get("/v1/themes").json()
    assert answer["coverage"]["share"] >= 0.8
    assert client.get("/v1/themes?stage=usage&topic=general&sentiment=negative").json()["data"]
    assert not client.get("/v1/themes?sentiment=positive").json()["data"]
    assert not client.get("/v1/themes?from=2026-04-01").json()["data"]
    assert client.get("/v1/themes?stage=nowhere").status_code == 422
    first = client.get("/v1/themes?limit=1").json()
    second = client.get(f"/v1/themes?limit=2&cursor={first['next']}").json()
    assert {one["id"] for one in first["data"] + second["data"]} == {one["id"] for one in themed.values()}
    assert second["next"] is None


def test_viewers_get_numbers_without_words(client_of: Any, themed: dict[str, dict[str, Any]]) -> None:
    for one in client_of(scopes=("read",)).get("/v1/themes").json()["data"]:
        assert one["size"]["count"]
    other = client_of(workspace="other")
    assert other.get("/v1/themes").json()["data"] == []
    assert other.get(f"/v1/themes/{themed['App']['id']}").status_code == 404
    assert other.put(f"/v1/themes/{themed['App']['id']}", json={"name": "Mine"}).status_code == 404


def test_feedback_and_trends_by_theme(client: Any, themed: dict[str, dict[str, Any]]) -> None:
    refund = themed["Refund"]
    found = client.get(f"/v1/feedback?theme={refund['id']}&limit=100").json()["data"]
    assert len(found) == refund["size"]["items"]
    assert all("refund" in one["text"].lower() for one in found)
    assert client.get("/v1/feedback?theme=nonsense").json()["data"] == []
    answer = client.get("/v1/trends?by=theme")
    TrendsAnswer.model_validate(answer.json())
    assert {one["label"] for one in answer.json()["data"]} == {one["name"] for one in themed.values()}
    assert all(week["share"] <= 0.5 for one in answer.json()["data"] for week in one["series"])


def test_a_days_additions_keep_ids_and_names(
    client: Any, work: Work, database: Database, themed: dict[str, dict[str, Any]]
) -> None:
    before = {one["id"]: one["name"] for one in themed.values()}
    _send(
        client,
        [(text + " today", f"new-{kind}-{n}") for kind, texts in TROUBLES.items() for n, text in enumerate(texts)],
    )
    _work(work, database)
    after = {one["id"]: one["name"] for one in _by_name(client).values()}
    assert after == before
    # twice as much as when they were grouped: everything is grouped anew
    _send(client, [(text, f"more-{who}") for text, who in _first_day(extra=4)], day="2026-03-09")
    _work(work, database)
    again = {one["id"]: one["name"] for one in _by_name(client).values()}
    assert {number: again[number] for number in before} == before


def test_only_what_is_due_is_read_and_a_lost_themes_segments_are(
    client: Any,
    work: Work,
    database: Database,
    themed: dict[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[set[Any]] = []
    segments_by_cell = grouping.segments_by_cell

    def seen(database: Database, workspace_id: int, wanted: set[Any]) -> Any:
        read.append(set(wanted))
        return segments_by_cell(database, workspace_id, wanted)

    monkeypatch.setattr(grouping, "segments_by_cell", seen)
    with database.write() as session:
        ask_themes(session, client.workspace_id)
    _work(work, database)
    app = int(themed["App"]["id"])
    with database.write() as session:
        ask_themes(session, client.workspace_id)
        session.execute(update(Segment).where(col(Segment.theme) == app).values(theme=app + 1_000))
    _work(work, database)
    assert read == [set(), {(themed["App"]["stage"], themed["App"]["topic"], "trouble")}]
    assert _by_name(client)["App"]["size"] == themed["App"]["size"]


def test_the_same_data_give_the_same_themes(client_of: Any, work: Work, database: Database) -> None:
    one, other = client_of(), client_of(workspace="other")
    texts = _first_day()
    _send(one, texts)
    _send(other, texts[::-1])
    _work(work, database)
    first, second = _by_name(one), _by_name(other)
    assert {name: theme["size"] for name, theme in first.items()} == {
        name: theme["size"] for name, theme in second.items()
    }
    assert len(first) == 3


def test_what_people_decide_holds(
    client: Any, work: Work, database: Database, themed: dict[str, dict[str, Any]]
) -> None:
    app, refund, code = (themed[name]["id"] for name in ("App", "Refund", "Verification"))
    renamed = client.put(f"/v1/themes/{refund}", json={"name": "Money back too late"})
    ThemeAnswer.model_validate(renamed.json())
    assert renamed.json()["named_by"] == "key:test"
    assert client.put(f"/v1/themes/{code}", json={"state": "dismissed"}).json()["state"] == "dismissed"
    _send(client, [(text, f"later-{who}") for text, who in _first_day(extra=4)], day="2026-03-09")
    _work(work, database)
    shown = {one["id"]: one for one in client.get("/v1/themes").json()["data"]}
    assert shown[refund]["name"] == "Money back too late"
    assert code not in shown
    assert not any("code" in one["name"].lower() for one in shown.values())
    [put_aside] = client.get("/v1/themes?state=dismissed").json()["data"]
    assert put_aside["size"]["count"] > themed["Verification"]["size"]["count"]

    crashes = [one["id"] for one in shown.values() if "crash" in one["name"].lower()]
    assert app in crashes
    items = sum(shown[number]["size"]["items"] for number in (refund, *crashes))
    merged = client.post(f"/v1/themes/{refund}/merge", json={"themes": crashes})
    assert merged.json()["size"]["items"] == items
    assert client.get(f"/v1/themes/{app}").status_code == 404
    _send(client, [(text, f"last-{who}") for text, who in _first_day()], day="2026-03-16")
    _work(work, database)
    again = client.get(f"/v1/themes/{refund}").json()
    assert again["name"] == "Money back too late"
    assert again["size"]["items"] >= items + 20
    assert not any("crash" in one["name"].lower() for one in client.get("/v1/themes").json()["data"])

    asked = client.post(f"/v1/themes/{refund}/split", json={"parts": 2})
    assert asked.status_code == 202
    assert asked.json()["waits_for_split"]
    assert client.post(f"/v1/themes/{refund}/split", json={"parts": 2}).status_code == 409
    _work(work, database)
    parts = client.get("/v1/themes").json()["data"]
    kept = next(one for one in parts if one["id"] == refund)
    assert kept["name"] == "Money back too late"
    assert len(parts) >= 2
    assert sum(one["size"]["items"] for one in parts) >= again["size"]["items"]
    sizes = {one["id"]: one["size"]["items"] for one in parts}
    _send(client, [("The app crashes when I log in too", "very-last")], day="2026-03-17")
    _work(work, database)
    after = {one["id"]: one["size"]["items"] for one in client.get("/v1/themes").json()["data"]}
    assert set(after) == set(sizes)
    assert sum(after.values()) == sum(sizes.values()) + 1


def test_a_persons_name_is_taken_back(
    client: Any, work: Work, database: Database, themed: dict[str, dict[str, Any]]
) -> None:
    refund = themed["Refund"]
    address = f"/v1/themes/{refund['id']}"
    named = client.put(address, json={"name": "Money back", "reason": "as we call it"}).json()
    assert (named["name"], named["words_name"]) == ("Money back", refund["name"])
    assert (named["history"][-1]["what"], named["history"][-1]["why"]) == ("renamed", "as we call it")
    client.put(address, json={"name": "Money"})
    back = client.put(address, json={"own_name": False}).json()
    ThemeAnswer.model_validate(back)
    assert (back["name"], back["named_by"], back["words_name"]) == (refund["name"], None, None)
    assert back["history"][-1] | {"at": ""} == {
        "at": "",
        "what": "name_taken_back",
        "by": "key:test",
        "old": "Money",
    }
    # what the words had made of it goes with the words, and comes from those that are left
    client.put(address, json={"name": "Money back"})
    [first, *_] = client.get(f"/v1/feedback?theme={refund['id']}&limit=100").json()["data"]
    assert client.delete(f"/v1/feedback/{first['id']}").status_code in (200, 204)
    _work(work, database)
    kept = client.get(address).json()
    assert (kept["name"], kept["words_name"]) == ("Money back", None)
    client.put(address, json={"own_name": False})
    _work(work, database)
    assert client.get(address).json()["name"] == refund["name"]


def test_the_weeks_of_a_theme(client: Any, themed: dict[str, dict[str, Any]]) -> None:
    refund = themed["Refund"]
    _send(client, [(text, f"week-{n}") for n, text in enumerate(["Nothing of the kind"] * 3)], day="2026-03-16")
    found = client.get(f"/v1/themes/{refund['id']}").json()
    assert (found["direction"], found["side"]) == ("too_little", "trouble")
    [week, *_] = found["series"]
    size = refund["size"]
    assert (week["week"], week["count"], week["n"]) == ("2026-03-02", size["count"], size["n"])
    # one item a respondent: as sure as the size over all time, which is of this one week
    assert (week["share"], week["low"], week["high"]) == (size["share"], size["low"], size["high"])


def test_what_rises_is_said_in_a_word(client: Any, database: Database) -> None:
    """Payments are told of four times as often in the last four of sixteen weeks, speed as often as ever."""
    many = {"payment": (10, 40), "speed": (10, 10), "staff": (1, 1)}
    made = [
        make_item(
            client.workspace_id,
            n,
            topic=topic,
            sentiment="negative",
            occurred_at=START + timedelta(weeks=week, days=n % 7),
        )
        for n, (topic, week) in enumerate(
            (topic, week)
            for week in range(16)
            for topic, (before, after) in many.items()
            for _ in range(after if week >= 12 else before)
        )
    ]
    said = {n: [("purchase", "anger", "negative", one.topic, "checkout")] for n, one in enumerate(made)}
    with database.write() as session:
        add_items(session, made, segments=said)
        for topic in many:
            theme = Theme(
                workspace_id=client.workspace_id, stage="purchase", topic=topic, side="trouble", name=topic
            )
            session.add(theme)
            session.flush()
            session.execute(update(Segment).where(col(Segment.topic) == topic).values(theme=theme.id))
    told = {one["topic"]: one for one in client.get("/v1/themes?from=2026-03-30&to=2026-04-27").json()["data"]}
    assert {topic: one["direction"] for topic, one in told.items()} == {
        "payment": "rising",
        "speed": "steady",
        "staff": "too_little",
    }
    assert told["payment"]["trend"]["items"]["significant"]
    # asked for alone it is held beside the same others
    alone = client.get(f"/v1/themes/{told['payment']['id']}").json()
    assert alone["trend"]["from"] < alone["trend"]["to"] <= "2026-04-27"
    assert [one["count"] for one in alone["series"]] == [10] * 12 + [40] * 4
    assert [one["n"] for one in alone["series"]] == [21] * 12 + [51] * 4
    # a period that still runs is compared with nothing
    running = client.get("/v1/themes?from=2026-04-01&to=2026-05-01").json()["data"]
    assert {one["direction"] for one in running} == {None}


def test_bad_decisions_are_named(client: Any, themed: dict[str, dict[str, Any]]) -> None:
    app = themed["App"]["id"]
    assert client.put(f"/v1/themes/{app}", json={}).status_code == 422
    assert client.put(f"/v1/themes/{app}", json={"name": "  "}).status_code == 422
    assert client.post(f"/v1/themes/{app}/merge", json={"themes": [app]}).status_code == 422
    assert client.post(f"/v1/themes/{app}/merge", json={"themes": ["999"]}).status_code == 404
    assert client.post(f"/v1/themes/{app}/split", json={"parts": 1}).status_code == 422
    assert client.get("/v1/themes/none").status_code == 404


def test_corrections_and_new_labels_move_segments(
    client: Any, work: Work, database: Database, themed: dict[str, dict[str, Any]]
) -> None:
    refund = themed["Refund"]
    item = client.get(f"/v1/feedback?theme={refund['id']}&limit=1").json()["data"][0]["id"]
    assert client.put(f"/v1/feedback/{item}/labels", json={"labels": {"stage": "support"}}).status_code == 200
    assert client.get(f"/v1/themes/{refund['id']}").json()["size"]["items"] == refund["size"]["items"] - 1
    _work(work, database)
    assert client.get(f"/v1/themes/{refund['id']}").json()["size"]["items"] == refund["size"]["items"] - 1


def test_erased_words_name_nothing(
    client: Any, work: Work, database: Database, themed: dict[str, dict[str, Any]]
) -> None:
    refund = themed["Refund"]
    found = client.get(f"/v1/feedback?theme={refund['id']}&limit=100").json()["data"]
    for one in found[:1]:
        assert client.delete(f"/v1/feedback/{one['id']}").status_code in (200, 204)
    # until enough others are seen to use the words, there is no name
    assert refund["id"] not in {one["id"] for one in client.get("/v1/themes").json()["data"]}
    _work(work, database)
    left = client.get(f"/v1/themes/{refund['id']}").json()
    assert (left["name"], left["size"]["items"]) == (refund["name"], refund["size"]["items"] - 1)
    for one in found[1:]:
        assert client.delete(f"/v1/feedback/{one['id']}").status_code in (200, 204)
    assert client.get(f"/v1/themes/{refund['id']}").status_code == 404
    with database.read() as session:
        row = session.get(Theme, int(refund["id"]))
        assert row is not None
        assert (row.state, row.name, row.centre) == ("gone", "", b"")
    _work(work, database)
    assert "Refund" not in _by_name(client)


def test_erased_words_name_no_merged_theme_either(
    client: Any, database: Database, themed: dict[str, dict[str, Any]]
) -> None:
    app, refund = themed["App"], themed["Refund"]
    crashes = client.get(f"/v1/feedback?theme={app['id']}&limit=100").json()["data"]
    words = set(app["name"].lower().split())
    told = next(one for one in crashes if words <= set(one["text"].lower().split()))
    other = client.get(f"/v1/feedback?theme={refund['id']}&limit=1").json()["data"][0]
    client.post(f"/v1/themes/{refund['id']}/merge", json={"themes": [app["id"]]})
    for item, left in ((other, app["name"]), (told, "")):
        assert client.delete(f"/v1/feedback/{item['id']}").status_code in (200, 204)
        with database.read() as session:
            row = session.get(Theme, int(app["id"]))
            assert row is not None
            assert (row.state, row.name) == ("merged", left)


def test_copies_of_one_text_count_once(client: Any, work: Work, database: Database) -> None:
    campaign = "We all demand that the branch on the market square stays open on every Saturday of the year"
    _send(client, [(campaign + "!" * n, f"copy-{n}") for n in range(8)])
    _send(
        client,
        [
            (f"The branch on the square stays open {word}", word)
            for word in ("on Saturday", "all year", "every Saturday", "for us")
        ],
    )
    _work(work, database)
    [one] = client.get("/v1/themes").json()["data"]
    assert one["size"]["items"] >= 11
    assert one["size"]["count"] == one["size"]["respondents"] == one["size"]["items"] - 7
    assert one["small"]


def test_what_one_person_repeats_counts_once(
    client: Any, work: Work, database: Database, themed: dict[str, dict[str, Any]]
) -> None:
    before = themed["Refund"]["size"]
    _send(
        client, [(text + ending, "one-and-the-same") for text in TROUBLES["refund"] for ending in ("!", " still")]
    )
    _work(work, database)
    after = _by_name(client)["Refund"]["size"]
    assert after["respondents"] == before["respondents"] + 1
    assert after["items"] > before["items"] + 5  # listed all the same


def test_what_suggestions_ask_for(database: Database, client: Any, themed: dict[str, dict[str, Any]]) -> None:
    with database.read() as session:
        found = themes_of(session, client.workspace_id, [("usage", "general"), ("support", "price")])
    assert [one.id for one in found["usage", "general"]] == [
        one["id"] for one in client.get("/v1/themes").json()["data"]
    ]
    assert found["support", "price"] == []
    [one] = client.get("/v1/suggestions").json()["data"]
    assert one["theme"] == found["usage", "general"][0].name


def test_deleting_a_workspaces_items_leaves_no_member(database: Database, client: Any, themed: Any) -> None:
    with database.write() as session:
        session.execute(delete(FeedbackItem).where(col(FeedbackItem.workspace_id) == client.workspace_id))
    with database.read() as session:
        assert not session.execute(select(col(Segment.id))).all()
