"""The front page: what changed, what to decide, what needs somebody; in an empty workspace, what to do first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.aggregate.significant import Change
from service.classify.active_model import set_pipeline
from service.desk import front_page
from service.store.schema import FileImport
from service.suggest import running
from service.work import Work
from tests.classify.tagging import WordPipeline
from tests.review.test_pages import BAD, MARKUP, _csrf, _fill, browser

__all__ = ["browser"]
Browser = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def words_pipeline() -> Iterator[None]:
    set_pipeline(WordPipeline())
    yield
    set_pipeline(None)


def _change(label: str, change: float, low: float, high: float, measure: Any = "net_sentiment") -> Change:
    week = {
        "week": "2026-10-05",
        "items": 12,
        "net_sentiment": {"value": -40.0, "low": -60.0, "high": -20.0, "n": 12, "respondents": 12},
    }
    return Change("stage", label, measure, change, low, high, "2026-10-05", "2026-11-02", [week, week])


def test_an_empty_workspace_says_what_to_do_first(browser: Browser) -> None:
    admin = browser(role="admin").get("/")
    assert admin.status_code == 200
    for told in ("/sources/connect", "/sources/import", "sample"):
        assert told in admin.text, told
    viewer = browser(role="viewer").get("/").text
    assert "/sources/connect" not in viewer
    assert "An admin can do this" in viewer


def test_what_changed_in_one_screen(
    browser: Browser, work: Work, workspace_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(work, workspace_id, [f"{BAD} peculiar {MARKUP} number {n}" for n in range(12)])
    found = [
        _change("usage", -4, -7, -1),
        _change("delivery", -30, -38, -22),
        _change("support", 20, 12, 28),
        _change("onboarding", 0.5, 0.3, 0.7, "items"),
    ]
    monkeypatch.setattr(front_page, "significant", lambda *_args, **_kwargs: iter(found))
    lead = browser()
    text = lead.get("/").text
    # the three most certain ones, whatever the order they came in
    assert "Net sentiment on delivery fell by 30 points" in text
    assert "Feedback on onboarding rose by 50%" in text
    assert "on usage" not in text
    assert 'href="/feedback?stage=delivery&amp;from=2026-10-05&amp;to=2026-11-02"' in text
    assert "style=" not in text
    assert "<script>alert" not in text
    viewer = browser(role="viewer").get("/").text
    assert "peculiar" not in viewer
    assert 'name="decision"' not in viewer
    done = lead.post(
        "/suggestions/delivery.delivery/decision",
        data={"csrf": _csrf(text), "decision": "accept", "back": "front"},
    )
    assert done.url.path == "/"
    assert "Accepted." in done.text
    assert "Not enough data" in done.text
    assert browser(workspace="elsewhere").get("/").text.count("delivery") <= 1


def test_the_changes_with_most_to_say_of_all_that_run(
    browser: Browser, work: Work, workspace_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever rank they had; what is chosen is chosen anew after a decision, and told as it is measured now."""
    topics = ("delivery", "price", "speed", "quality", "staff", "policy", "billing", "account")
    _fill(
        work,
        workspace_id,
        [
            f"stage=delivery topic={topic} sentiment=negative said {n} of {place}"
            for place, topic in enumerate(topics)
            for n in range(4 * (9 - place))
        ],
    )
    lead = browser()
    csrf = _csrf(lead.get("/").text)

    def agree(topic: str) -> None:
        form = {"csrf": csrf, "decision": "accept", "back": "front"}
        assert lead.post(f"/suggestions/delivery.{topic}/decision", data=form).status_code == 200

    for topic in topics[:7]:
        agree(topic)
    measured, asked = running.impacts, []
    verdicts = {"delivery.billing": "helped", "delivery.policy": "got_worse"}  # those that rank last

    def impacts(*args: Any, public_ids: list[str], **more: Any) -> dict[str, Any]:
        asked.append(list(public_ids))
        found = measured(*args, public_ids=public_ids, **more)
        return {
            name: one and one | ({"verdict": verdicts[name], "says": f"{name} told"} if name in verdicts else {})
            for name, one in found.items()
        }

    monkeypatch.setattr(running, "impacts", impacts)
    running._kept.clear()

    def told() -> list[str]:
        card = lead.get("/").text.partition('id="f-did"')[2].partition("</section>")[0]
        return re.findall(r'class="why" href="/suggestions/delivery\.(\w+)"', card)

    assert told()[:2] == ["policy", "billing"]
    assert [len(one) for one in asked] == [7, 3], "all are looked at once"
    verdicts |= {"delivery.billing": "got_worse", "delivery.policy": "helped"}
    assert told()[:2] == ["billing", "policy"], "the verdicts of the chosen ones are of now"
    assert [len(one) for one in asked[2:]] == [3]
    asked.clear()
    verdicts["delivery.account"] = "helped"
    agree("account")  # which shows the page again
    assert told() == ["billing", "account", "policy"], "of two that helped the newer one comes first"
    assert [len(one) for one in asked] == [8, 3, 3]


def test_nothing_beyond_noise_is_an_answer(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} number {n}" for n in range(4)])
    text = browser().get("/").text
    assert "Nothing moved more than by chance" in text
    assert "All senders deliver" in text
    assert "How often we read feedback right" in text
    assert "from companies whose customers the model has never read" in text


def test_a_file_in_trouble_is_told(browser: Browser, work: Work, workspace_id: int) -> None:
    _fill(work, workspace_id, [f"{BAD} number {n}" for n in range(4)])
    with work.database.write() as session:
        session.add(
            FileImport(
                workspace_id=workspace_id,
                filename="<b>broken</b>.csv",
                path="",
                sha256="0" * 64,
                source="s",
                channel="survey",
                state="failed",
            )
        )
    text = browser().get("/").text
    assert "&lt;b&gt;broken&lt;/b&gt;.csv" in text
    assert "could not be read" in text
    assert re.search(r'href="/sources/imports/\d+"', text)
    assert "could not be read" not in browser(workspace="elsewhere").get("/").text


def test_certain_changes_come_before_large_ones() -> None:
    large, certain = _change("usage", -30, -59, -1), _change("support", -10, -12, -8)
    assert certain.strength > large.strength
    gone = _change("support", -1.0, -1.0, -0.9, "items")
    assert gone.strength > certain.strength
    assert gone.says == "Feedback on support fell by 100% (-100% to -90%), beyond noise."
