"""Settings in a real browser: a journey model of one's own, a persona, the rank, the sample, the reader's zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.review.test_browser import Site, browser, site

__all__ = ["browser", "site"]
pytestmark = pytest.mark.browser
SETTINGS = (
    "journeys", "journeys/new?like=7-stage", "personas/new", "playbook", "playbook/new", "rank", "people", "keys",
    "told", "workspace", "audit",
)  # fmt: skip


@pytest.fixture
def admin(site: Site, browser: Browser) -> Iterator[Page]:
    """A signed-in admin's page, whose clock is in Tokyo."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, timezone_id="Asia/Tokyo")
    page = site.watch(context.new_page())
    page.goto(site.link("admin"))
    page.wait_for_url("**/map")
    yield page
    context.close()
    assert site.console == []
    assert site.elsewhere == []


def test_a_lead_makes_their_own_journey_model(admin: Page, site: Site) -> None:
    admin.goto(f"{site.address}/settings/journeys")
    admin.get_by_role("link", name="Make one like 4 stages, with purchase").click()
    admin.wait_for_url("**/settings/journeys/new?**")
    admin.get_by_label("Name", exact=True).fill("Our road")
    admin.get_by_role("button", name="Column 4 one to the front").click()
    expect(admin.get_by_label("Column 3", exact=True)).to_have_value("Post-Purchase")
    admin.get_by_label("Column 1", exact=True).fill("Hearing of us")
    admin.get_by_role("button", name="Preview").last.click()
    expect(admin.get_by_role("rowheader", name="Hearing of us")).to_be_visible()
    admin.get_by_role("button", name="Save").click()
    admin.wait_for_url("**/settings/journeys/our-road?done=saved")
    admin.get_by_role("link", name="All journey models").click()
    admin.get_by_role("button", name="Show the map in Our road by default").click()
    admin.wait_for_url("**done=default")
    admin.get_by_role("navigation", name="Pages").get_by_role("link", name="Map", exact=True).click()
    admin.wait_for_url("**/map")
    expect(admin.get_by_role("columnheader", name=re.compile("Hearing of us"))).to_be_visible()
    admin.goto(f"{site.address}/settings/journeys")
    admin.get_by_role("button", name="Show the map in 7 stages by default").click()
    admin.wait_for_url("**done=default")


def test_weights_are_tried_and_left(admin: Page, site: Site) -> None:
    admin.goto(f"{site.address}/settings/rank")
    admin.get_by_role("spinbutton", name=re.compile("^Effort")).fill("1")
    admin.get_by_role("button", name="Show what changes").click()
    expect(admin.get_by_role("status").filter(has_text="Not saved yet: effort 0.25 → 1")).to_be_visible()
    expect(admin.get_by_role("columnheader", name="After", exact=True)).to_be_visible()


def test_moments_are_told_in_the_readers_zone(admin: Page, site: Site) -> None:
    admin.goto(f"{site.address}/settings/audit")
    newest = admin.locator("time").first
    expect(newest).to_have_attribute("title", re.compile("UTC$"))
    stamp = newest.get_attribute("datetime")
    there = datetime.fromisoformat(stamp or "").astimezone(ZoneInfo("Asia/Tokyo"))
    assert f"{there.day} {there:%b %Y, %H:%M:%S}" == newest.inner_text()


def test_the_sample_is_one_click_away_and_goes_again(site: Site, browser: Browser) -> None:
    context = browser.new_context()
    page = site.watch(context.new_page())
    page.goto(site.link("lead", workspace="curious"))
    page.wait_for_url("**/map")
    page.get_by_role("button", name="Load the sample").click()
    page.wait_for_url("**/sample")
    expect(page.get_by_role("heading", name="The sample is ready")).to_be_visible(timeout=180_000)
    page.get_by_role("link", name="The journey map").click()
    page.wait_for_url("**/map")
    expect(page.locator("blockquote:visible").first).to_be_visible()
    page.goto(f"{site.address}/sample")
    page.get_by_role("button", name="Take the sample out").click()
    expect(page.get_by_role("heading", name="No sample here")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Map", exact=True).first.click()
    expect(page.get_by_role("heading", name="No feedback yet")).to_be_visible()
    context.close()
    assert site.console == []


@pytest.mark.parametrize("width", [320, 1360])
def test_no_settings_page_runs_out_of_the_window(admin: Page, site: Site, width: int) -> None:
    admin.set_viewport_size({"width": width, "height": 800})
    for path in ("", *(f"/{one}" for one in SETTINGS)):
        answer = admin.goto(f"{site.address}/settings{path}")
        assert answer is not None
        assert answer.status == 200, path
        wide: Any = admin.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (path, width)


def test_on_a_phone_the_page_comes_first_and_what_can_be_done_is_in_sight(admin: Page, site: Site) -> None:
    """The list of settings is folded; the last cell of a table, where access ends, needs no scrolling sideways."""
    admin.set_viewport_size({"width": 390, "height": 844})
    for path, head in (("people", "People"), ("keys", "Keys"), ("audit", "Audit log")):
        admin.goto(f"{site.address}/settings/{path}")
        expect(admin.locator(".settings-fold .now")).to_have_text(head)
        expect(admin.locator(".settings-nav a").first).not_to_be_visible()
        cut: Any = admin.evaluate(
            "[...document.querySelectorAll('.stacked td')]"
            ".filter(cell => cell.getBoundingClientRect().right > innerWidth).length"
        )
        assert cut == 0, path
        expect(admin.get_by_role("table").get_by_role("row").nth(1).get_by_role("cell").last).to_be_in_viewport()
        admin.get_by_text("All settings").click()
        expect(admin.get_by_role("navigation", name="Settings").get_by_role("link", name=head)).to_be_visible()
    admin.set_viewport_size({"width": 1360, "height": 900})
    expect(admin.locator(".settings-fold > summary")).not_to_be_visible()
    expect(admin.locator(".settings-nav a").first).to_be_visible()
