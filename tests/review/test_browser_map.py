"""The map in a real browser: read by keyboard, written on, rows moved, compared, restored, taken away."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pptx import Presentation
from rich.console import Console

from service import demo
from tests.review.test_browser import browser
from tests.site import Site, running

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service with the sample, once for all tests of this file."""
    with running(tmp_path_factory.mktemp("map")) as found:
        demo.load_sample(found.database, found.address, Console(file=io.StringIO()))
        yield found


@pytest.fixture
def lead(site: Site, browser: Browser) -> Iterator[Page]:
    """A signed-in lead on the map; what the browser complains of fails the test."""
    context = site.context(browser, "lead")
    page = site.watch(context.new_page())
    page.goto(f"{site.address}/map")
    yield page
    context.close()
    said, site.console[:] = list(site.console), []
    assert said == []
    assert site.elsewhere == []


def _rows(page: Page) -> list[str]:
    return page.locator("table.map tbody th .row-name").all_inner_texts()


def test_the_numbers_of_the_curve_come_by_focus_and_by_pointing(lead: Page) -> None:
    points = lead.locator(".curve .point")
    expect(points).to_have_count(7)
    tip = points.nth(3).locator(".tip text.more")
    expect(tip).to_be_hidden()
    points.nth(3).focus()
    expect(tip).to_be_visible()
    assert re.fullmatch(r"[−+]?\d+ to [−+]?\d+ · \d+ people", tip.text_content() or "")
    lead.keyboard.press("Tab")
    expect(tip).to_be_hidden()
    points.nth(3).hover()
    expect(tip).to_be_visible()
    lead.get_by_text("The numbers behind the map as a table").click()
    expect(lead.get_by_role("rowheader", name="Conversion")).to_be_visible()


def test_a_row_is_written_compared_and_restored(lead: Page) -> None:
    lead.get_by_role("link", name="opportunities").click()
    lead.wait_for_url("**edit=opportunities**")
    lead.get_by_label("Opportunities, Conversion").fill("Order again with one tap\nPay later")
    lead.get_by_label("Why").fill("October workshop")
    lead.get_by_role("button", name="Save", exact=True).click()
    lead.wait_for_url("**done=written**")
    row = lead.locator("#row-opportunities")
    expect(row.get_by_role("listitem")).to_have_text(["Order again with one tap", "Pay later"])
    row.get_by_role("link", name="Edit Opportunities").click()
    lead.wait_for_url("**edit=opportunities**")
    lead.get_by_label("Opportunities, Conversion").fill("")
    lead.get_by_role("button", name="Save", exact=True).click()
    lead.wait_for_url("**done=written**")
    expect(lead.locator("#row-opportunities")).to_have_count(0)
    lead.get_by_role("link", name="All versions").click()
    lead.wait_for_url("**/map/versions")
    lead.get_by_role("button", name="Compare the two").click()
    lead.wait_for_url("**/map/versions/compare**")
    expect(lead.locator(".differs tbody tr").filter(has_text="Opportunities")).to_contain_text("Pay later")
    lead.get_by_label("Why").fill("They were right")
    lead.get_by_role("button", name="Restore the left one").click()
    lead.wait_for_url("**done=restored**")
    expect(lead.locator("#row-opportunities")).to_contain_text("Pay later")


def test_rows_are_moved_by_keyboard_and_by_dragging(lead: Page) -> None:
    lead.get_by_role("link", name="Arrange rows").click()
    lead.wait_for_url("**arrange=1")
    before = _rows(lead)
    down = lead.get_by_role("button", name=f"Move {before[0]} down", exact=True)
    down.focus()
    lead.keyboard.press("Enter")
    lead.wait_for_url("**done=moved**")
    assert _rows(lead) == [before[1], before[0], *before[2:]]
    # the row that was moved has the focus, so that it can be moved on
    expect(lead.locator(":focus")).to_have_attribute("aria-label", re.compile(f"Move {before[0]} "))
    rows = lead.locator("table.map tbody tr")
    expect(rows.first).to_have_attribute("draggable", "true")
    with lead.expect_navigation():
        rows.nth(3).locator(".row-name").drag_to(rows.first, target_position={"x": 20, "y": 3})
    assert _rows(lead) == [before[3], before[1], before[0], before[2], *before[4:]]
    lead.get_by_label("A row of your own").fill("Systems behind it")
    lead.get_by_role("button", name="Add the row").click()
    lead.wait_for_url("**done=added**")
    lead.get_by_label("Systems behind it, Awareness").fill("Ads")
    lead.get_by_role("button", name="Save", exact=True).click()
    lead.wait_for_url("**done=written**")
    expect(lead.get_by_role("row", name=re.compile("Systems behind it"))).to_contain_text("Ads")


def test_two_periods_and_what_the_sender_counts(lead: Page) -> None:
    lead.get_by_role("link", name="Compare", exact=True).click()
    lead.get_by_role("heading", name="Two maps side by side").wait_for()
    expect(lead.locator(".compared .point.side-a").first).to_be_visible()
    expect(lead.locator(".compared")).to_contain_text("by itself")
    lead.get_by_role("link", name="Journey map", exact=True).click()
    lead.wait_for_url("**/map")
    lead.get_by_role("link", name="Reconcile with your tools").click()
    lead.get_by_role("heading", name="Reconcile with your tools").wait_for()
    survey = lead.get_by_role("region", name="nps-survey")
    # the README of the sample: 346 answers, some responses with two of them
    expect(survey).to_contain_text("336")
    survey.locator("summary").click()
    expect(survey.get_by_role("columnheader", name="NPS, on the map")).to_be_visible()


def test_it_is_taken_away_as_slides_and_prints_on_one_page(lead: Page, tmp_path: Path) -> None:
    with lead.expect_download() as download:
        lead.get_by_role("link", name="Slides").click()
    deck = Presentation(str(download.value.path()))
    assert [slide.shapes.title.text for slide in deck.slides] == ["Customer journey, sample", "What to change"]
    printed = lead.pdf(path=tmp_path / "map.pdf", prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) == 1
    box = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", printed)
    assert box is not None
    assert [round(float(side)) for side in box.groups()] == [842, 595], "A4 landscape"


def test_a_lead_writes_without_script(site: Site, browser: Browser) -> None:
    context = site.context(browser, "lead", script=False)
    page = context.new_page()
    page.goto(f"{site.address}/map?edit=notes")
    page.get_by_label("Notes, Loyalty").fill("Agreed without any script")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**done=written**")
    expect(page.locator("#row-notes")).to_contain_text("Agreed without any script")
    page.goto(f"{site.address}/map?arrange=1")
    page.get_by_role("button", name="Move Notes up").click()
    page.wait_for_url("**done=moved**")
    context.close()


@pytest.mark.parametrize("width", [320, 1920])
def test_nothing_runs_out_of_the_page(lead: Page, site: Site, width: int) -> None:
    lead.set_viewport_size({"width": width, "height": 800})
    paths = (
        "/map?edit=goal",
        "/map?arrange=1",
        "/map/compare",
        "/map/versions",
        "/map/versions/compare",
        "/reconcile",
    )
    for path in paths:
        lead.goto(site.address + path)
        wide = lead.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (path, width)


def test_a_narrow_screen_begins_with_the_map_and_unfolds_its_filters(site: Site, browser: Browser) -> None:
    context = site.context(browser, "lead", script=False)
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.address}/map?channel=survey")
    channel = page.locator("select[name=channel]")
    expect(channel).to_be_hidden()
    fold = page.locator(".map-fold > summary")
    expect(fold).to_contain_text("everybody · all time · channel survey")
    stages = page.get_by_role("region", name="Stage by stage").bounding_box()
    assert stages is not None
    assert stages["y"] < 844
    fold.click()
    channel.select_option("review")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**channel=review**")
    expect(page.locator(".map-fold > summary")).to_contain_text("channel review")
    page.locator(".unplaced summary").click()
    page.get_by_role("link", name="not sure enough").click()
    page.wait_for_url("**/feedback?**unplaced=unsure**")
    expect(page.locator(".fb-row").first).to_contain_text("review")
    # a wide screen has it all in sight
    page.set_viewport_size({"width": 1360, "height": 900})
    page.goto(f"{site.address}/map")
    expect(page.locator("select[name=channel]")).to_be_visible()
    expect(page.get_by_role("link", name="Slides")).to_be_visible()
    expect(page.locator(".map-fold > summary")).to_be_hidden()
    context.close()
