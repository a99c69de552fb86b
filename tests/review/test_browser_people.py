"""From a piece of feedback to one person's way, to where people go next, and the digest, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.review.test_browser import browser
from tests.site import Site, running

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.browser

WAIT_SECONDS = 60.0
SAID = (
    ("review", "The checkout was easy and paying took a minute."),
    ("ticket", "Your support never answers, I have waited on the phone for an hour."),
    ("survey", "My parcel came two weeks late and the box was damaged."),
)
# what runs out of a narrow screen
WIDER = """() => [...document.querySelectorAll("main *")]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".board"))
    .map(one => one.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service with a dozen people who each wrote three times, all of it read."""
    with running(tmp_path_factory.mktemp("people")) as found:
        headers = {"Authorization": f"Bearer {found.key()}"}
        items = [
            {
                "text": f"{text} This was visit {number}.",
                "channel": channel,
                "respondent": f"c-{number}",
                "external_id": f"{number}-{channel}",
                "occurred_at": f"2026-09-{3 * place + number % 20 + 1:02}T10:00:00Z",
            }
            for number in range(12)
            for place, (channel, text) in enumerate(SAID)
        ]
        with httpx2.Client(base_url=found.address, headers=headers, timeout=30) as client:
            assert client.post("/v1/feedback/batch", json=items).json()["accepted"] == len(items)
            end = time.monotonic() + WAIT_SECONDS
            while client.get("/v1/feedback?state=pending&limit=1").json()["data"]:
                assert time.monotonic() < end, "not read in time"
                time.sleep(0.2)
        yield found


@pytest.fixture
def analyst(site: Site, browser: Browser) -> Iterator[Page]:
    """A signed-in analyst's page; what the browser complains of fails the test."""
    context = site.context(browser, "analyst")
    yield site.watch(context.new_page())
    context.close()
    assert site.console == []
    assert site.elsewhere == []


def narrow(page: Page) -> None:
    """The page fits a narrow phone."""
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate(WIDER) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1360, "height": 900})


def test_from_feedback_to_a_persons_way_and_everybodys(site: Site, analyst: Page) -> None:
    analyst.goto(f"{site.address}/feedback?channel=survey")
    analyst.locator("a[href^='/feedback/']").first.click()
    analyst.wait_for_url("**/feedback/*")
    analyst.get_by_role("link", name="All they said, in order").click()
    analyst.wait_for_url("**/respondents/*")
    table = analyst.get_by_role("table", name="Contacts of one respondent")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(table).to_contain_text("switched from review")
    expect(table).to_contain_text("never answers")
    narrow(analyst)
    analyst.get_by_role("link", name="Where people go next").click()
    analyst.wait_for_url("**/transitions")
    expect(analyst.get_by_text("12 of 12 known people can be followed")).to_be_visible()
    narrow(analyst)
    analyst.get_by_role("link", name="Channels").click()
    analyst.wait_for_url("**/transitions?by=channel")
    row = analyst.get_by_role("row", name="review 12 of 12 people went on")
    expect(row).to_contain_text("100 %")


def test_the_digest_from_the_first_page(site: Site, analyst: Page) -> None:
    analyst.goto(site.address)
    analyst.get_by_role("link", name="The week’s digest").click()
    analyst.wait_for_url("**/digest")
    expect(analyst.get_by_text("What the first digest would say by now")).to_be_visible()
    expect(analyst.get_by_role("heading", name="New suggestions")).to_be_visible()
    narrow(analyst)
    analyst.get_by_role("link", name="Look and decide").first.click()
    analyst.wait_for_url("**/suggestions/*")
