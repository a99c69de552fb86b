"""Suggestions as pages: the chart, evidence, decisions in two clicks, what changes did."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.classify.active_model import set_pipeline
from service.errors import BadInput
from service.ingest.metric_series import MetricPoint, store_points
from service.review import suggestion_charts
from service.review.decision_forms import decision_of, done_text, steps
from service.review.suggestion_pages import laid_out
from service.store.columns import now
from service.store.schema import SuggestionDecision
from service.suggest.decisions import STATUSES, possible
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.review.test_pages import BAD, MARKUP, _csrf, _fill, browser

__all__ = ["browser"]


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())
    yield
    set_pipeline(None)


Browser = Callable[..., TestClient]
ID = "delivery.delivery"


def test_one_suggestion_opens_to_its_evidence(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} peculiar {MARKUP} number {n}" for n in range(12)])
    lead = browser()
    listed = lead.get("/suggestions").text
    assert f'href="/suggestions/{ID}"' in listed
    for address in (f"/suggestions/{ID}", f"/suggestions/{ID}?words=true"):
        answer = lead.get(address)
        assert answer.status_code == 200
        for told in (
            "Why it ranks where it does",
            "Week by week",
            "The weeks as a table",
            "12</b> of 12 pieces of feedback",
        ):
            assert told in answer.text, told
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert "style=" not in answer.text
    viewer = browser(role="viewer").get(f"/suggestions/{ID}").text
    assert "numbers only" in viewer
    assert "peculiar" not in viewer
    assert 'name="decision"' not in viewer
    assert browser(workspace="elsewhere").get(f"/suggestions/{ID}").status_code == 404
    for unknown in ("delivery.nonsense", "nonsense", "%00.delivery"):
        assert lead.get(f"/suggestions/{unknown}").status_code == 404, unknown


def test_the_list_is_a_line_each_that_unfolds(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} peculiar {MARKUP} number {n}" for n in range(12)])
    lead = browser()
    short, long = (lead.get(address).text for address in ("/suggestions", "/suggestions?view=long"))
    assert short == re.sub(r"view=short&?", "", lead.get("/suggestions?view=short").text)
    assert "Within a band the place across" not in short, "one dot is no chart"
    (line,) = re.findall(r"<details data-unfold><summary>(.*?)</summary>", short, re.S)
    assert "<button" not in line
    for told in (
        "Adoption<small>delivery",
        "12 of 12",
        "to decide",
        "To change: ",
        "too new for a trend",
        ": few",
    ):
        assert told in line, told
    assert "data-unfold" not in long
    for text, open_asks in ((short, 4), (long, 0)):
        assert text.count("<details open><summary>") == open_asks, (
            "edit, reject, later, owner: one click, unfolded"
        )
        for decision in ("accept", "edit", "reject", "snooze"):
            assert text.count(f'name="decision" value="{decision}"') >= 1, decision
        assert "style=" not in text
        assert "<img src=x" not in text
        assert re.findall(r'<article class="\w+" id="s([\w.]+)"', text) == [ID]
    assert "peculiar" in short
    viewer = browser(role="viewer").get("/suggestions").text
    assert "<details data-unfold>" in viewer
    assert "peculiar" not in viewer
    assert 'name="decision" value' not in viewer
    assert lead.get("/suggestions?view=odd").status_code == 404


def test_an_owner_is_named_without_deciding(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(12)])
    lead = browser()
    text = lead.get(f"/suggestions/{ID}").text
    assert text.count('name="decision" value="note"') == 1
    form = {"csrf": _csrf(text), "decision": "note", "back": "one", "owner": "Maria"}
    text = lead.post(f"/suggestions/{ID}/decision", data=form).text
    assert "Noted." in text
    assert "owner: Maria" in text
    found = lead.get(f"/v1/suggestions/{ID}").json()
    assert (found["status"], found["owner"]) == ("suggested", "Maria")
    accepted = lead.post(f"/suggestions/{ID}/decision", data=form | {"decision": "accept", "owner": ""}).text
    assert "owner: Maria" in accepted
    assert 'name="decision" value="note"' in lead.get("/changes").text
    assert 'name="decision" value="note"' not in browser(role="viewer").get(f"/suggestions/{ID}").text


def test_the_view_stays_in_the_address(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(12)])
    lead = browser()
    text = lead.get("/suggestions?stage=delivery&view=long").text
    assert "/suggestions?status=agreed&amp;stage=delivery&amp;view=long" in text
    assert text.count('<input type="hidden" name="view" value="long">') == 1, "of the filters"
    assert "Remove the filter view" not in text
    back = re.search(r'name="back" value="([^"]+)"', text)
    assert back is not None
    form = {"csrf": _csrf(text), "back": html.unescape(back[1]), "decision": "accept"}
    done = lead.post(f"/suggestions/{ID}/decision", data=form)
    assert done.url.path == "/suggestions"
    assert done.url.params["view"] == "long"
    again = lead.get("/suggestions?stage=delivery&status=all&view=short").text
    assert "view=short" not in re.sub(r'<nav class="tabs views".*?</nav>', "", again, flags=re.S), "the usual view"
    asked = {"status": "all", "view": "long", "decision": "note", "new_owner": "Maria"}
    assert "view=long" in lead.get("/decide-all", params=asked).text


def test_every_step_from_the_page(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(12)])
    lead = browser()
    token = _csrf(lead.get("/suggestions").text)

    def decide(**fields: str) -> str:
        answer = lead.post(f"/suggestions/{ID}/decision", data={"csrf": token, "back": "one", **fields})
        assert answer.status_code == 200, answer.text
        assert answer.url.path == f"/suggestions/{ID}"
        return answer.text

    assert "Put off" in decide(decision="snooze", weeks="4")
    assert "until" in lead.get("/suggestions?status=rejected").text
    assert "Accepted." in decide(decision="accept", owner="Maria", effective_at="2026-10-20")
    assert "owner Maria" in lead.get(f"/suggestions/{ID}").text
    assert lead.post(f"/suggestions/{ID}/decision", data={"csrf": token, "decision": "reject"}).status_code == 422
    assert "Started" in decide(decision="start")
    board = lead.get("/changes").text
    assert "live" in board
    assert "Not enough data" in board
    assert "Kept." in decide(decision="complete")
    assert "Rolled back." in decide(decision="roll_back", reason="it did not <b>help</b>")
    assert "did not &lt;b&gt;help" in lead.get(f"/suggestions/{ID}").text
    assert "rolled back" in lead.get("/changes").text
    wrong = lead.post(
        f"/suggestions/{ID}/decision", data={"csrf": token, "decision": "accept", "effective_at": "soon"}
    )
    assert wrong.status_code == 422


def test_a_change_that_is_proposed_twice_says_so(browser: Browser, work: Work, workspace_id: int) -> None:
    said = "checkout is complicated with too many steps, attempt"
    _fill(
        work,
        workspace_id,
        [
            f"stage=purchase topic={'general' if n % 3 else 'ease_of_use'} sentiment=negative {said} {n}"
            for n in range(24)
        ],
    )
    lead = browser()
    lower = "purchase.ease_of_use"
    best = lead.get(f"/v1/suggestions/{lower}").json()["same_change_as"]
    assert best == "purchase.general"
    told = re.compile(rf'The same change as <a href="/suggestions/{best}">purchase: general</a>: once is enough')
    for view in ("short", "long"):
        assert len(told.findall(lead.get(f"/suggestions?view={view}").text)) == 1
    assert told.search(lead.get(f"/suggestions/{lower}").text)
    assert "once is enough" not in lead.get(f"/suggestions/{best}").text


def test_no_line_of_cards_has_a_hole() -> None:
    """However many changes there are, and whichever of them have metrics from elsewhere and need a whole line."""
    for many in range(7):
        for of_metrics in itertools.product((False, True), repeat=many):
            rows = [
                {"id": number, "impact": {"outcomes": ["orders"] if told else []} if number != 4 else None}
                for number, told in enumerate(of_metrics)
            ]
            cards = laid_out(rows)
            assert sorted(card["id"] for card in cards) == list(range(many))
            room = 0
            for card in cards:
                assert not (card["wide"] and room), "a whole line begins where the one before is full"
                room = 0 if card["wide"] else 1 - room
            assert room == 0
            for one in (True, False):
                alike = [card["id"] for card in cards if bool((card["impact"] or {}).get("outcomes")) == one]
                assert alike == sorted(alike)
            assert all(card["wide"] for card in cards if card["impact"] and card["impact"]["outcomes"])
            alone = [
                card for card in cards if card["wide"] and not (card["impact"] and card["impact"]["outcomes"])
            ]
            assert len(alone) <= 1


def test_the_board_is_empty_at_first(browser: Browser) -> None:
    assert "No change is running" in browser().get("/changes").text


def test_the_board_has_columns(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(12)])
    lead = browser()
    token = _csrf(lead.get("/suggestions").text)

    def decide(decision: str, **more: str) -> str:
        form = {"csrf": token, "decision": decision, "back": "changes", **more}
        answer = lead.post(f"/suggestions/{ID}/decision", data=form)
        assert answer.status_code == 200
        assert answer.url.path == "/changes"
        return answer.text

    for decision, column in (
        ("accept", "agreed"),
        ("plan", "planned"),
        ("test", "testing"),
        ("start", "live"),
        ("complete", "kept"),
        ("roll_back", "rolled_back"),
    ):
        decide(
            decision, **({"due": "2030-03-01", "ticket": "https://desk.example/7"} if decision == "plan" else {})
        )
        for one in ("agreed", "planned", "testing", "live", "kept", "rolled_back"):
            text = lead.get(f"/changes?status={one}").text
            assert (f'id="s{ID}"' in text) == (one == column), (decision, one)
            assert ("None stands here" in text) == (one != column)
    text = lead.get("/changes").text
    assert 'href="https://desk.example/7"' in text
    assert "due 1 Mar 2030" in text
    assert lead.get("/changes?status=odd").status_code == 404


def test_the_board_shows_the_weeks(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(28)])
    lead = browser()
    token = _csrf(lead.get("/suggestions").text)
    lead.post(f"/suggestions/{ID}/decision", data={"csrf": token, "decision": "accept"})
    with work.database.write() as session:
        session.execute(update(SuggestionDecision).values(at=now() - timedelta(days=45)))
    text = lead.get("/changes").text
    assert re.search(r'class="part \w+"', text)
    assert "Left out: these weeks raised the suggestion" in text
    # what is measured is the stage's own share, as the route says it
    measured = lead.get(f"/v1/suggestions/{ID}/impact").json()
    assert measured["says"] in text


def test_dots_never_cover_each_other_in_a_small_list() -> None:
    size = {"count": 5, "n": 10, "low": 0.2, "high": 0.8}
    rows = [
        {"id": str(n), "stage": "usage", "topic": "price", "priority": 3.0, "effort": "low", "size": size}
        for n in range(5)
    ]
    dots = suggestion_charts.value_effort(rows)
    assert len({(dot.x, dot.y) for dot in dots}) == 5
    beside = 100 * suggestion_charts.DOT / 316  # of the chart's width on a phone of 390 px
    assert all(beside < dot.x < 100 / 3 - beside for dot in dots), "no dot on the border of its band"
    assert suggestion_charts.value_effort([]) == ()


def test_before_and_after_stand_on_one_scale() -> None:
    side = {"count": 8, "n": 40, "share": 0.2, "low": 0.1, "high": 0.4}
    bars = suggestion_charts.before_after({"before": side, "after": side | {"share": 0.1, "high": 0.2}})
    assert [bar.width for bar in bars] == [50.0, 25.0]
    assert suggestion_charts.before_after({"before": None, "after": None}) == ()
    assert suggestion_charts.before_after(None) == ()


def test_every_possible_decision_has_a_form() -> None:
    for status in STATUSES:
        offered = steps({"possible": possible(status)})
        assert [one["name"] for one in offered] == possible(status)
        assert all(
            one["label"] and (one["quick"] or one["needs"] or one["name"] == "roll_back") for one in offered
        )
        for one in offered:
            assert done_text(one["name"])
    assert done_text("nonsense") is None
    assert done_text(None) is None


def test_a_day_is_one_of_the_workspaces_zone() -> None:
    body = decision_of({"decision": "start", "effective_at": "2026-03-01"}, timezone="Europe/Berlin")
    assert body.effective_at is not None
    assert body.effective_at.isoformat() == "2026-02-28T23:00:00+00:00"


def test_a_segment_is_told_by_a_name_and_its_values() -> None:
    for text, segment in (
        ("country=DE, AT", {"attr.country": ["DE", "AT"]}),
        (" channel = chat ", {"channel": ["chat"]}),
        ("attr.plan=pro", {"attr.plan": ["pro"]}),
    ):
        assert decision_of({"decision": "test", "segment": text}, timezone="UTC").segment == segment
    for wrong in ("country", "=DE", "country=", "country=,"):
        with pytest.raises(BadInput):
            decision_of({"decision": "test", "segment": wrong}, timezone="UTC")


def test_a_test_in_one_segment_from_the_page(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} peculiar number {n}" for n in range(12)])
    lead = browser()
    address = f"/suggestions/{ID}"
    for decision in ({"decision": "accept"}, {"decision": "test", "segment": f"country={MARKUP}"}):
        form = {"csrf": _csrf(lead.get(address).text), "back": address, **decision}
        assert lead.post(f"{address}/decision", data=form, follow_redirects=False).status_code == 303
    text = lead.get(address).text
    assert "Changed so far only where country is" in text
    assert MARKUP not in text


def test_a_metric_gets_its_verdict_and_asks_which_way_is_better(
    browser: Browser, work: Work, workspace_id: int
) -> None:
    _fill(work, workspace_id, [f"{BAD} parcel number {n}" for n in range(28)])
    name, monday = f"depth {MARKUP}"[:100], (now() - timedelta(weeks=70)).date()
    with work.database.write() as session:
        points = [
            MetricPoint(name=name, stage="delivery", date=monday + timedelta(weeks=n), value=8 + n % 3)
            for n in range(70)
        ]
        store_points(session, workspace_id=workspace_id, points=points)
    lead = browser()
    token = _csrf(lead.get("/suggestions").text)
    address = f"/suggestions/{ID}"
    text = lead.post(f"{address}/decision", data={"csrf": token, "decision": "accept", "back": "one"}).text
    assert "Metrics from elsewhere" in text
    assert "Not enough data until about" in text
    for page in (text, lead.get("/changes").text):
        told, asked = page.index('class="verdict metric'), page.index("which way is better?")
        assert page[told:asked].count("</p>") == 1, "it is asked right below what is told of the metric"
        assert asked < page.index("Measured until"), "and before the small print"
    assert "<script>alert" not in text
    assert "which way is better?" not in browser(role="viewer").get(address).text
    form = {"csrf": token, "decision": "note", "back": "one", "outcome": name, "better": "lower"}
    answer = lead.post(f"{address}/decision", data=form)
    assert answer.status_code == 200
    assert "which way is better?" not in answer.text
    [one] = lead.get(f"/v1{address}/impact").json()["outcomes"]
    assert (one["name"], one["better"], one["frozen"]) == (name, "lower", True)
    assert lead.post(f"{address}/decision", data=form | {"better": "sideways"}).status_code == 422
