"""Themes, drivers, blind spots as pages: what they show, who may decide, what a decision says and takes back."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, select, update
from sqlmodel import col

from service.classify.active_model import set_pipeline
from service.desk import driver_charts, theme_says
from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Job, Segment, Theme
from service.store.themes import Mentioned
from service.work import Work
from tests.aggregate.test_drivers import _scored
from tests.aggregate.test_themes import _work, quick_model
from tests.review.test_pages import MARKUP, _csrf, browser
from tests.store.items_for_counting import START, add_items, make_item

__all__ = ["browser", "quick_model"]

Browser = Callable[..., TestClient]
NAMES = ("Refund <b>late</b>", "Money gone", "Box dented")


def _fill(database: Database, workspace_id: int, *, text: str = "The parcel came late") -> list[str]:
    """Two themes of payment and one of delivery in the stage purchase; their ids."""
    topics = ("payment", "payment", "delivery")
    made = [
        make_item(
            workspace_id,
            n,
            text=f"{text} number {n} {MARKUP}",
            topic=topics[n % 3],
            sentiment="negative",
            emotion="frustration",
            occurred_at=START + timedelta(days=n % 40),
            respondent=f"{n:032x}",
        )
        for n in range(60)
    ]
    said = {n: [("purchase", "frustration", "negative", topics[n % 3], "checkout")] for n in range(60)}
    with database.write() as session:
        ids = add_items(session, made, segments=said)
        themes = [
            Theme(
                workspace_id=workspace_id,
                stage="purchase",
                topic=topic,
                side="trouble",
                name=name,
                history=[{"at": "2026-03-01T08:00:00+00:00", "what": "found", "segments": 20}],
            )
            for name, topic in zip(NAMES, topics, strict=True)
        ]
        session.add_all(themes)
        session.flush()
        for place, theme in enumerate(themes):
            mine = [one for n, one in enumerate(ids) if n % 3 == place]
            session.execute(
                update(Segment).where(col(Segment.item_id).in_(mine)).values(theme=theme.id, start=0, end=20)
            )
        return [str(theme.id) for theme in themes]


def test_the_list_is_what_the_api_answers(browser: Browser, client: Any, database: Database) -> None:
    first, _, third = _fill(database, client.workspace_id)
    lead = browser()
    text = lead.get("/themes").text
    for one in client.get("/v1/themes").json()["data"]:
        assert f'href="/themes/{one["id"]}">{html.escape(one["name"])}</a>' in text
    assert "20 of 60" in text
    assert "60 of 60 complaints (100" in text
    assert text.index("Payment</h3>") > text.index("Purchase")
    assert "too new for a trend" in text
    for never in ("<b>late</b>", "<script>alert", "<img src=x", "style="):
        assert never not in text
    # the filters stand in the address, an emptied field does not
    only = lead.get("/themes?stage=&topic=delivery&from=")
    assert str(only.url).endswith("/themes?topic=delivery")
    assert f'id="t{third}"' in only.text
    assert f'id="t{first}"' not in only.text
    assert 'href="/themes/drivers?channel=review"' in lead.get("/themes?channel=review&stage=purchase").text
    assert "No theme in this selection" in lead.get("/themes?from=2027-01-01").text
    assert "Nothing was put aside" in lead.get("/themes?state=dismissed").text
    assert "20 of 60" in lead.get("/themes?sentiment=negative").text
    assert "No theme in this selection" in lead.get("/themes?sentiment=positive").text
    for wrong in ("sentiment=angry", "stage=nowhere", "topic=nothing", "state=gone", "from=soon", "cursor=xx"):
        assert lead.get(f"/themes?{wrong}").status_code == 422, wrong
    # the list behind a number holds exactly the items that it counts
    link = html.unescape(re.search(r'href="(/feedback\?theme=[^"]+)"', text)[1])  # type: ignore[index]
    assert len(client.get("/v1" + link + "&limit=100").json()["data"]) == 20
    behind = lead.get(link).text
    assert behind.count('class="fb-row') == 20
    assert "<small>theme</small> Refund &lt;b&gt;late&lt;/b&gt;" in behind
    assert "<small>theme</small> 999" in lead.get("/feedback?theme=999").text


def test_a_persona_narrows_all_three_pages(browser: Browser, client: Any, database: Database) -> None:
    first, *_ = _fill(database, client.workspace_id)
    with database.write() as session:
        pro = [
            make_item(
                client.workspace_id, 500 + n, topic="payment", sentiment="negative", attributes={"plan": "pro"}
            )
            for n in range(6)
        ]
        said = {n: [("purchase", "anger", "negative", "payment", "checkout")] for n in range(6)}
        ids = add_items(session, pro, segments=said)
        session.execute(update(Segment).where(col(Segment.item_id).in_(ids)).values(theme=int(first)))
    made = client.post("/v1/personas", json={"name": "Big ones", "attributes": {"plan": ["pro"]}})
    assert made.status_code == 201, made.text
    persona = made.json()["id"]
    lead = browser()
    text = lead.get(f"/themes?persona={persona}").text
    assert "6 of 6" in text
    assert ">Big ones</option>" in text
    link = html.unescape(re.search(r'href="(/feedback\?[^"]*theme=[^"]+)"', text)[1])  # type: ignore[index]
    assert len(client.get("/v1" + link).json()["data"]) == 6
    [only] = client.get(f"/v1/themes?persona={persona}").json()["data"]
    assert (only["id"], only["size"]["n"]) == (first, 6)
    assert client.get(f"/v1/blind-spots?persona={persona}").json()["n"] == 6
    assert "6 in all" in lead.get(f"/themes/blind-spots?persona={persona}").text
    assert client.get(f"/v1/drivers?of=net_sentiment&persona={persona}").json()["n"] <= 6
    for address in ("/themes", "/themes/drivers", "/themes/blind-spots"):
        assert f'value="{persona}" selected' in lead.get(f"{address}?persona={persona}").text
        assert lead.get(f"{address}?persona=nobody").status_code == 422
    for address in ("themes", "drivers", "blind-spots"):
        assert client.get(f"/v1/{address}?persona=nobody").json()["errors"][0]["pointer"] == "/persona"


def test_viewers_see_numbers_alone(browser: Browser, client: Any, database: Database) -> None:
    first, *_ = _fill(database, client.workspace_id, text="Peculiar")
    viewer = browser(role="viewer")
    for address in ("/themes", f"/themes/{first}"):
        text = viewer.get(address).text
        assert "numbers only" in text
        assert "Peculiar" not in text
        assert "<form" not in text.split("<main", 1)[1].replace('<form class="filters', "")
    assert "Peculiar" in browser(role="analyst").get("/themes").text
    for role, status in (("viewer", 403), ("analyst", 403), ("lead", 303)):
        person = browser(role=role)
        token = _csrf(person.get("/themes").text)
        answer = person.post(
            f"/themes/{first}/rename", data={"csrf": token, "name": f"By {role}"}, follow_redirects=False
        )
        assert answer.status_code == status, role
    elsewhere = browser(workspace="elsewhere")
    assert "No themes yet" in elsewhere.get("/themes").text
    assert elsewhere.get(f"/themes/{first}").status_code == 404
    token = _csrf(elsewhere.get("/themes").text)
    for what, fields in (
        ("rename", {"name": "x"}),
        ("state", {"state": "dismissed"}),
        ("split", {}),
        ("merge", {}),
    ):
        assert elsewhere.post(f"/themes/{first}/{what}", data={"csrf": token, **fields}).status_code == 404, what
    assert browser().post(f"/themes/{first}/rename", data={"name": "No token"}).status_code == 403


def test_decisions_say_what_they_did_and_can_be_taken_back(
    browser: Browser, client: Any, database: Database
) -> None:
    first, second, third = _fill(database, client.workspace_id)
    lead = browser()
    token = _csrf(lead.get("/themes").text)

    def decide(theme: str, what: str, **fields: str) -> str:
        answer = lead.post(f"/themes/{theme}/{what}", data={"csrf": token, **fields})
        assert answer.status_code == 200, answer.text
        return answer.text

    def undo(text: str) -> str:
        form = re.search(
            r'<form method="post" action="([^"]+)">((?:<input[^>]+>)+)<button>', text.split("did", 1)[1]
        )
        assert form is not None
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2]))
        answer = lead.post(form[1], data={name: html.unescape(value) for name, value in fields.items()})
        assert answer.status_code == 200, answer.text
        return answer.text

    text = decide(first, "rename", name="Money back <i>late</i>", reason="as we say")
    assert "«Money back &lt;i&gt;late&lt;/i&gt;» from now on" in text
    assert "by a lead" in text
    assert "as we say" in text
    assert "the words say «Refund" in text
    again = decide(first, "rename", name="Money")
    assert "it was «Money back" in again
    assert client.get(f"/v1/themes/{first}").json()["name"] == "Money"
    undo(again)
    assert client.get(f"/v1/themes/{first}").json()["name"] == "Money back <i>late</i>"
    undo(text)
    assert (
        client.get(f"/v1/themes/{first}").json() | {"name": NAMES[0], "named_by": None}
        == client.get(f"/v1/themes/{first}").json()
    )

    listed = decide(third, "state", state="dismissed", back="topic=delivery&stage=purchase", reason="not ours")
    assert "put aside" in listed
    assert 'value="delivery" selected' in listed
    assert f'id="t{third}"' not in listed
    assert f'id="t{third}"' in lead.get("/themes?state=dismissed").text
    assert f'id="t{third}"' in undo(listed)

    merged = decide(first, "merge", other=second)
    assert "went into" in merged
    assert "Took in" in merged
    assert client.get(f"/v1/themes/{first}").json()["size"]["count"] == 40
    assert lead.get(f"/themes/{second}").url.path == f"/themes/{first}", "an old link leads on"
    assert lead.post(f"/themes/{first}/merge", data={"csrf": token, "other": third}).status_code == 422
    assert lead.post(f"/themes/{first}/rename", data={"csrf": token, "name": " "}).status_code == 422
    assert lead.post(f"/themes/{first}/split", data={"csrf": token, "parts": "9"}).status_code == 422
    with database.write() as session:
        smaller = [
            Theme(
                workspace_id=client.workspace_id,
                stage="purchase",
                topic="payment",
                side="trouble",
                name=f"More {n}",
            )
            for n in range(12)
        ]
        session.add_all(smaller)
        session.flush()
        last = str(smaller[-1].id)
    text = lead.get(f"/themes/{first}").text
    assert text.count('name="other"') == 8, "the largest are a click away"
    assert f'<option value="{last}">More 11</option>' in text
    assert "«More 11» went into" in decide(first, "merge", further=last)
    assert "is being split" in decide(first, "split", parts="2", reason="two things")
    assert lead.post(f"/themes/{first}/split", data={"csrf": token, "parts": "2"}).status_code == 409
    with database.read() as session:
        kinds = session.execute(
            select(col(Job.kind)).where(col(Job.workspace_id) == client.workspace_id)
        ).scalars()
        assert "themes" in list(kinds)


def test_a_split_stands_in_both_histories(browser: Browser, client: Any, database: Database, work: Work) -> None:
    texts = [f"{start} {n}" for start in ("The refund never came", "My parcel arrived broken") for n in range(12)]
    items = [
        {"text": text, "channel": "review", "respondent": f"r{n}", "occurred_at": "2026-03-02T10:00:00Z"}
        for n, text in enumerate(texts)
    ]
    client.post("/v1/feedback/batch", json=items)
    _work(work, database)
    [first, *others] = client.get("/v1/themes").json()["data"]
    if others:
        client.post(f"/v1/themes/{first['id']}/merge", json={"themes": [one["id"] for one in others]})
    lead = browser()
    token = _csrf(lead.get("/themes").text)
    lead.post(f"/themes/{first['id']}/split", data={"csrf": token, "parts": "2", "reason": "two troubles"})
    assert "being split" in lead.get(f"/themes/{first['id']}").text
    _work(work, database)
    made = next(one for one in client.get("/v1/themes").json()["data"] if one["id"] != first["id"])
    whole = lead.get(f"/themes/{first['id']}").text
    assert "Split into 2" in whole
    assert "Asked to be split into 2 by a lead" in whole
    assert "two troubles" in whole
    part = lead.get(f"/themes/{made['id']}").text
    assert f'Split off from <a href="/themes/{first["id"]}">' in part
    assert f'name="other" value="{first["id"]}"' in part, "what was split can be put together again"


def test_one_theme_with_its_weeks_suggestion_and_scores(browser: Browser, client: Any, database: Database) -> None:
    first, *_ = _fill(database, client.workspace_id)
    lead = browser()
    text = lead.get(f"/themes/{first}").text
    for told in (
        "Week by week",
        "The weeks as a table",
        "In customers' words",
        "Found in customers",
        "What to change",
    ):
        assert told in text, told
    found = client.get(f"/v1/themes/{first}").json()
    assert "Scores:" not in text, "nobody gave one"
    assert text.count("<blockquote") == len(found["verbatims"]) > 0
    suggestion = client.get("/v1/suggestions/purchase.payment").json()
    assert 'href="/suggestions/purchase.payment"' in text
    assert html.escape(suggestion["adaptation"], quote=False)[:20] in html.unescape(text)
    for never in ("<b>late</b>", "<script>alert", "<img src=x", "style="):
        assert never not in text
    for unknown in ("999", "none", "%00"):
        assert lead.get(f"/themes/{unknown}").status_code == 404, unknown


def test_drivers_as_a_chart_with_its_table(browser: Browser, client: Any, database: Database) -> None:
    with database.write() as session:
        add_items(session, _scored(client.workspace_id, np.random.default_rng(3)))
    lead = browser()
    text = lead.get("/themes/drivers").text
    answer = client.get("/v1/drivers?score=nps").json()
    assert answer["data"]
    assert "associations, not causes" in text
    assert "400 responses of 200 people" in text
    for one in answer["data"]:
        assert driver_charts.plus(one["points"]["value"], 0) in text
    assert "Why net sentiment changed" in text
    changed = client.get("/v1/drivers?of=net_sentiment").json()
    assert f"<b>{driver_charts.plus(changed['change']['value'], 0)}</b> points" in text
    assert "POST /v1/metrics" in text
    assert "style=" not in text
    assert re.search(
        r"standard deviations of each kind of score; one is \d+ points of NPS here",
        lead.get("/themes/drivers?score=all").text,
    )
    assert "Too little to say" in lead.get("/themes/drivers?channel=chat&score=nps").text
    for wrong in ("score=love", "by=source", "parts=mood", "from=2026-02-02&to=2026-01-01"):
        assert lead.get(f"/themes/drivers?{wrong}").status_code == 422, wrong
    for by in ("stage", "source", "channel"):
        assert lead.get(f"/themes/drivers?parts={by}").status_code == 200


def test_a_theme_says_how_scores_go_with_it(browser: Browser, client: Any, database: Database) -> None:
    made = _scored(client.workspace_id, np.random.default_rng(5))
    said = {
        place: [("purchase", "neutral", "negative", item.topic, "checkout")]
        for place, item in enumerate(made)
        if item.topic != "staff"
    }
    ids = {}
    with database.write() as session:
        add_items(session, made, segments=said)
        for topic in ("payment", "speed"):
            theme = Theme(
                workspace_id=client.workspace_id, stage="purchase", topic=topic, side="trouble", name=f"A {topic}"
            )
            session.add(theme)
            session.flush()
            session.execute(update(Segment).where(col(Segment.topic) == topic).values(theme=theme.id))
            ids[topic] = theme.id
    lead = browser()
    answer = client.get("/v1/drivers?by=theme").json()
    found = {one["label"]: one for one in answer["data"]}
    assert [one["score"] for one in answer["scales"]] == ["nps"]
    points = found["A payment"]["effect"]["value"] * answer["scales"][0]["points"]
    text = lead.get(f"/themes/{ids['payment']}").text
    assert f"gave scores that are <b>{abs(points):.0f} points of NPS</b> lower" in text
    assert "An association, not a cause" in text
    assert not found["A speed"]["significant"]
    assert "no difference that is certain" in lead.get(f"/themes/{ids['speed']}").text
    listed = lead.get("/themes/drivers?by=theme").text
    assert f'href="/themes/{ids["payment"]}">A payment</a>' in listed
    text = lead.get("/themes").text
    beside = {
        name: text[text.index(f'id="t{number}"') :].partition("Scores: ")[2].partition("</p>")[0]
        for name, number in ids.items()
    }
    assert f'<span class="way down">{abs(points):.0f} points of NPS lower (−' in beside["payment"]
    assert '<span class="way flat">no certain difference (−' in beside["speed"]
    with database.write() as session:  # a theme that comes later is told of at once
        session.add(
            Theme(
                workspace_id=client.workspace_id, stage="purchase", topic="staff", side="trouble", name="A staff"
            )
        )
        session.flush()
        one = session.execute(select(Theme).where(col(Theme.name) == "A staff")).scalar_one().id
        few = select(Segment.item_id).where(col(Segment.topic) == "payment").limit(9)
        session.execute(update(Segment).where(col(Segment.item_id).in_(few)).values(theme=one))
    text = lead.get("/themes").text
    assert "Scores: " in text
    assert (
        'Scores: <span class="way flat">too few to tell</span>'
        in text[text.index(f'id="t{one}"') :].partition("</li>")[0]
    )


def test_no_scores_say_how_they_come_in(browser: Browser, client: Any, database: Database) -> None:
    lead = browser()
    assert "Nobody gave a score yet" in lead.get("/themes/drivers").text
    assert "Nothing is heard yet" in lead.get("/themes/blind-spots").text
    assert "No themes yet" in lead.get("/themes").text
    _fill(database, client.workspace_id)
    assert "Nobody gave a score yet" in lead.get("/themes/drivers").text
    text = lead.get("/themes").text
    assert "Too little to say: 0 responses with a score" in text
    assert "Scores: " not in text


def test_rates_and_lanes_beside_the_drivers(browser: Browser, client: Any, database: Database) -> None:
    _fill(database, client.workspace_id)
    rows = [
        {"name": name, "stage": "purchase", "date": f"{(START + timedelta(days=day)).date()}", "value": value}
        for day in range(40)
        for name, value in (("orders", 50), ("checkout minutes", 3.5))
    ]
    assert client.post("/v1/metrics", json=rows).status_code in (200, 201, 202)
    text = browser().get("/themes/drivers").text
    told = [one["rate"] for one in client.get("/v1/suggestions").json()["data"] if one["rate"]]
    assert told
    for one in told:
        assert f"{one['value']:.2f}, {one['low']:.2f} to {one['high']:.2f}" in text
    assert "checkout minutes" in text
    assert "2,000" in text, "orders in all"


def test_what_is_not_heard(browser: Browser, client: Any, database: Database) -> None:
    _fill(database, client.workspace_id)
    with database.write() as session:
        add_items(session, [make_item(client.workspace_id, 900, text=None, state="no_text", stage=None)])
    lead = browser()
    text = lead.get("/themes/blind-spots").text
    answer = client.get("/v1/blind-spots").json()
    for one in answer["silent"]:
        assert html.escape(one["why"], quote=False) in html.unescape(text)
        assert one["ask"][0] in html.unescape(text)
    assert "Start listening" in text
    link = html.unescape(re.search(r'href="(/feedback\?source=shop[^"]+)"', text)[1])  # type: ignore[index]
    assert len(client.get("/v1" + link + "&limit=100").json()["data"]) == 60
    assert "score only" in text
    assert "style=" not in text
    viewer = browser(role="viewer").get("/themes/blind-spots").text
    assert "Start listening" in viewer
    assert "/feedback?source" not in viewer


def test_the_number_of_queries_does_not_grow(browser: Browser, client: Any, database: Database, app: Any) -> None:
    lead = browser()
    asked: list[str] = []

    def count(*given: Any) -> None:
        asked.append(given[2])

    def queries(address: str) -> int:
        lead.get(address)  # frames are read once
        asked.clear()
        assert lead.get(address).status_code == 200
        return len(asked)

    engine = app.state.database.reader
    event.listen(engine, "before_cursor_execute", count)
    _fill(database, client.workspace_id)
    before = [queries(address) for address in ("/themes", "/themes/drivers", "/themes/blind-spots")]
    with database.write() as session:
        more = [
            make_item(client.workspace_id, 1000 + n, sentiment="negative", occurred_at=now(), topic="staff")
            for n in range(40)
        ]
        said = {n: [("purchase", "anger", "negative", "staff", "checkout")] for n in range(40)}
        add_items(session, more, segments=said)
        themes = [
            Theme(
                workspace_id=client.workspace_id, stage="purchase", topic="staff", side="trouble", name=f"No {n}"
            )
            for n in range(10)
        ]
        session.add_all(themes)
        session.flush()
        rows = session.execute(select(Segment).where(col(Segment.topic) == "staff")).scalars().all()
        for n, row in enumerate(rows):
            row.theme = themes[n % 10].id
    after = [queries(address) for address in ("/themes", "/themes/drivers", "/themes/blind-spots")]
    event.remove(engine, "before_cursor_execute", count)
    assert after == before


@pytest.mark.parametrize("what", sorted(theme_says.SAYS))
def test_every_step_of_a_history_is_a_sentence(what: str) -> None:
    given = {"at": "2026-03-01T08:00:00+00:00", "what": what, "by": "person:Ada", "into": "4", "parts": 2}
    [said] = theme_says.past([given], {4: Mentioned(4, "Other", "active", None)})
    assert said.who == "Ada"
    assert said.link == "/themes/4"
    assert said.says[0].isupper()


def test_directions_in_words() -> None:
    items = {"change": 0.6, "low": 0.2, "high": 1.1, "n": 80, "previous_n": 50, "significant": True}
    theme = {"direction": "rising", "side": "trouble", "trend": {"items": items}}
    assert theme_says.tone(theme) == "down"
    assert theme_says.tone(theme | {"side": "praise"}) == "up"
    assert theme_says.trend_says(theme, None).startswith(
        "60\u00a0% more than in the period before (20\u00a0% more to"
    )
    falling = theme | {
        "direction": "falling",
        "trend": {"items": items | {"change": -0.5, "low": -0.7, "high": -0.2}},
    }
    assert "50\u00a0% fewer" in theme_says.trend_says(falling, None)
    assert theme_says.tone(falling) == "up"
    assert "3.5 times as many" in theme_says.trend_says(
        theme | {"trend": {"items": items | {"change": 2.5}}}, None
    )
    assert theme_says.trend_says(theme | {"direction": None}, "Two models.") == "Two models."
    assert "not over" in theme_says.trend_says(theme | {"direction": None}, None)
    assert "Too few" in theme_says.trend_says({"direction": "too_little", "side": "trouble", "trend": None}, None)
    assert set(theme_says.DIRECTIONS) == {"rising", "falling", "steady", "too_little", None}


def test_effects_stand_on_one_scale_about_zero() -> None:
    found = driver_charts.whiskers(
        [
            {"value": -2.0, "low": -2.5, "high": -1.5},
            {"value": 1.0, "low": 0.5, "high": 1.5},
            {"value": 0.1, "low": -40.0, "high": 40.0},
        ]
    )
    assert [one.tone for one in found] == ["low", "high", "flat"]
    assert found[0].x < 50 < found[1].x
    assert 50 - found[0].x == pytest.approx(2 * (found[1].x - 50), abs=0.02)
    assert [one.cut for one in found] == [False, False, True]
    assert all(0 < one.low_x <= one.high_x < 100 for one in found)
    assert driver_charts.whiskers([]) == []
    assert [driver_charts.plus(*one) for one in ((-0.2, 0), (0.4, 1), (-3.26, 1), (0.0, 2))] == [
        "0",
        "+0.4",
        "−3.3",
        "0.00",
    ]
    assert [driver_charts.shade(items, 100) for items in (0, 1, 25, 100)] == [0, 1, 2, 5]


@pytest.fixture(autouse=True)
def no_pipeline_left() -> Iterator[None]:
    yield
    set_pipeline(None)
