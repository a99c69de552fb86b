"""A CX lead's first minutes in a real browser, on the real service with the sample."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rich.console import Console

from service import demo
from tests import chromium
from tests.site import Site, running

__all__ = ["Site"]  # and its fixtures, for the other browser tests

pytestmark = pytest.mark.browser
THEMES = ("/themes", "/themes/drivers?by=theme", "/themes/blind-spots")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service with the sample, once for all tests of this file."""
    with running(tmp_path_factory.mktemp("site")) as found:
        demo.load_sample(found.database, found.address, Console(file=io.StringIO()))
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    program = chromium.path()
    if program is None:
        pytest.skip("no Chromium here: `python -m tests.chromium` installs it or says how")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=chromium.ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def lead(site: Site, browser: Browser) -> Iterator[Page]:
    """A signed-in lead's page."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = site.watch(context.new_page())
    page.goto(site.link("lead"))
    page.wait_for_url("**/map")
    yield page
    context.close()
    assert site.console == []
    assert site.elsewhere == []


def test_the_link_opens_the_map(lead: Page) -> None:
    assert lead.get_by_role("heading", name="Journey map").is_visible()
    assert lead.get_by_role("columnheader", name="Conversion").is_visible()
    curve = lead.locator(".curve svg").first
    assert "Emotion curve" in (curve.get_attribute("aria-label") or "")
    assert lead.locator("blockquote").count() >= 7


def test_another_model_and_period(lead: Page) -> None:
    lead.get_by_label("Journey model").select_option("5-stage-decision")
    lead.get_by_label("Channel").select_option("ticket")
    lead.get_by_role("button", name="Show").click()
    lead.wait_for_url("**model=5-stage-decision**")
    assert lead.locator("thead th .stage").first.inner_text() == "Awareness"
    assert lead.get_by_role("columnheader", name="Retention").is_visible()
    # the address is a link to exactly this view
    again = lead.context.new_page()
    again.goto(lead.url)
    assert again.locator(".figures").inner_text() == lead.locator(".figures").inner_text()


def _in_the_list(page: Page) -> int:
    """How many suggestions the list of this page has; it shows the first ones."""
    said = page.get_by_text(re.compile(r"Decide on all \d+ ")).inner_text()
    return int(re.findall(r"\d+", said)[0])


def test_read_why_then_accept_and_reject(lead: Page) -> None:
    lead.get_by_role("link", name="Suggestions").click()
    lead.wait_for_load_state()  # a count of rows that are still coming in would be too low
    rows = lead.get_by_role("article")
    before = _in_the_list(lead)
    assert before >= 3
    first = rows.first
    decided = first.get_attribute("id")
    first.locator("summary").first.click()
    adaptation = first.locator(".change").inner_text()
    first.get_by_text("Why this rank").click()
    assert "items in this stage" in first.inner_text()
    first.get_by_role("button", name="Accept", exact=True).click()
    lead.wait_for_load_state()
    assert lead.get_by_role("status").inner_text() == "Accepted."
    assert _in_the_list(lead) == before - 1
    assert lead.locator(f"#{decided}").count() == 0
    second = lead.get_by_role("article").first
    second.locator("summary").first.click()  # what a decision asks for stands open then
    second.get_by_label("Why", exact=True).fill("known, being rebuilt")
    second.get_by_role("button", name="Reject").click()
    lead.get_by_role("link", name="Agreed").click()
    assert lead.get_by_role("article").first.locator(".change").text_content() == adaptation


def test_keyboard_alone_reaches_a_decision(lead: Page) -> None:
    lead.goto(lead.url.replace("/map", "/suggestions"))
    unfolded = lead.locator(".brief > details[open]")
    for _ in range(110):
        lead.keyboard.press("Tab")
        if unfolded.count() == 0 and lead.evaluate("!!document.activeElement.closest('.brief')"):
            lead.keyboard.press("Enter")
            expect(unfolded).to_have_count(1)
        focused: Any = lead.evaluate("document.activeElement.textContent.trim()")
        if focused == "Accept":
            break
    assert focused == "Accept"
    outline = lead.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_decisions_by_keys_taken_back_and_on_all_that_fit(lead: Page) -> None:
    lead.get_by_role("link", name="Suggestions").first.click()
    lead.wait_for_url("**/suggestions**")
    lead.wait_for_load_state()
    rows = lead.get_by_role("article")
    before = _in_the_list(lead)
    lead.keyboard.press("?")
    expect(lead.locator(".keys-list")).to_be_visible()
    lead.keyboard.press("j")
    expect(rows.first).to_be_focused()
    lead.keyboard.press("a")
    expect(lead.get_by_role("status")).to_have_text("Accepted.")
    lead.wait_for_load_state()  # the script listens to keys from then on
    expect(lead.get_by_text(f"Decide on all {before - 1} ")).to_be_visible()
    lead.keyboard.press("z")
    expect(lead.get_by_role("status")).to_have_text("1 suggestion as before.")
    lead.wait_for_load_state()  # the script listens to keys from then on
    expect(lead.get_by_text(f"Decide on all {before} ")).to_be_visible()
    lead.keyboard.press("r")  # chooses first, so that it is seen which one
    lead.keyboard.press("r")
    lead.keyboard.type("known, being rebuilt")
    lead.keyboard.press("Enter")
    expect(lead.get_by_role("status")).to_have_text("Rejected; it stays so.")
    lead.wait_for_load_state()  # the script listens to keys from then on
    lead.keyboard.press("z")
    expect(lead.get_by_text(f"Decide on all {before} ")).to_be_visible()
    lead.get_by_text(f"Decide on all {before}").click()
    lead.locator("form[action='/decide-all'] select[name=decision]").select_option("snooze")
    lead.get_by_role("button", name="Show what that does").click()
    expect(lead.get_by_role("heading", name=f"Put off {before} suggestions?")).to_be_visible()
    lead.get_by_role("button", name=f"Put off all {before}").click()
    expect(lead.get_by_role("status")).to_contain_text(f"{before} suggestions put off")
    lead.wait_for_load_state()  # the script listens to keys from then on
    lead.get_by_role("button", name="Take it back").click()
    expect(lead.get_by_text(f"Decide on all {before} ")).to_be_visible()


def test_the_first_page_leads_to_a_decision_and_its_reason(lead: Page) -> None:
    lead.get_by_role("link", name="What changed").click()
    lead.get_by_role("heading", name="What changed", exact=True).wait_for()
    assert lead.get_by_role("heading", name="How often we read feedback right").is_visible()
    lead.get_by_role("region", name="To decide").get_by_role("button").first.click()
    lead.wait_for_load_state()
    assert lead.get_by_role("status").inner_text() == "Accepted."
    lead.get_by_role("region", name="What changes did").get_by_role("link", name="Why").first.click()
    assert lead.get_by_role("heading", name="Did it help?").is_visible()
    assert lead.get_by_role("heading", name="Why it ranks where it does").is_visible()
    lead.get_by_role("link", name="Mark the words that weighed").click()
    lead.locator(".said-list mark").first.wait_for()


def test_an_admin_makes_a_key(site: Site, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    page = site.watch(context.new_page())
    page.goto(site.link("admin", workspace="empty"))
    page.wait_for_url("**/map")
    page.get_by_role("link", name="Settings").click()
    for tab in ("People", "Who is told", "Workspace", "Audit log", "Keys"):
        page.get_by_role("navigation", name="Settings").get_by_role("link", name=tab).click()
        page.wait_for_load_state()
        assert page.get_by_role("heading", name="Settings", exact=True).is_visible()
    page.get_by_label("What it is for").fill("Nightly export")
    page.get_by_label("read: read the map").check()
    page.get_by_role("button", name="Make the key").click()
    assert page.locator(".secret code").inner_text().startswith("jm_")
    page.goto(f"{site.address}/settings/keys")
    assert page.locator(".secret").count() == 0
    assert page.get_by_role("rowheader", name="Nightly export").is_visible()
    context.close()
    assert site.console == []


def test_a_reviewer_labels_ten_items_by_keyboard(lead: Page) -> None:
    lead.get_by_role("link", name="Review", exact=True).click()
    lead.get_by_role("link", name="Random sample").click()
    lead.wait_for_load_state()
    lead.get_by_role("button", name="Draw 20 at random").click()
    waiting = lead.get_by_role("link", name="Random sample").locator(".count")
    assert waiting.inner_text() == "20"
    assert lead.locator(".choice input:checked").count() == 0, "blind"
    for _ in range(10):
        for key in "5w2gw":  # delivery, frustration, neutral, general, product
            lead.keyboard.press(key)
        with lead.expect_navigation():
            lead.keyboard.press("Enter")
    assert waiting.inner_text() == "10"
    assert "Measured on your data: n" in lead.locator("aside").inner_text()
    with lead.expect_navigation():
        lead.keyboard.press("z")
    assert waiting.inner_text() == "11"
    lead.get_by_role("link", name="Unsure").click()
    first = lead.locator(".said").inner_text()
    with lead.expect_navigation():
        lead.keyboard.press("s")
    assert lead.locator(".said").inner_text() != first


def test_find_feedback_correct_it_and_answer(lead: Page) -> None:
    lead.get_by_role("link", name="Feedback", exact=True).click()
    lead.get_by_label("Words").fill("parcel")
    lead.get_by_role("button", name="Show", exact=True).click()
    lead.wait_for_url("**/feedback?q=parcel")
    lead.get_by_role("link", name="labels and history").first.click()
    lead.wait_for_load_state()  # the script listens to keys from then on
    topic = lead.get_by_label("Topic").first
    before = topic.input_value()
    topic.focus()
    lead.keyboard.press("4" if before != "speed" else "3")
    lead.get_by_role("button", name="Save", exact=True).first.click()
    assert "Stored." in lead.get_by_role("status").inner_text()
    lead.get_by_role("button", name="Take it back").click()
    assert lead.get_by_label("Topic").first.input_value() == before
    lead.get_by_label("Owner").fill("Ada")
    lead.get_by_role("button", name="Save the follow-up").click()
    lead.locator(".status.needs_answer").wait_for()
    lead.get_by_role("link", name="All feedback").click()
    lead.get_by_role("link", name="Needs an answer").click()
    lead.get_by_role("button", name="Answered").first.click()
    lead.get_by_text("Nobody waits for an answer").wait_for()


def test_a_theme_is_read_renamed_and_given_its_name_back(site: Site, lead: Page) -> None:
    lead.get_by_role("link", name="Themes", exact=True).click()
    lead.wait_for_url("**/themes")
    first = lead.locator("li.theme").first
    # the sample's themes are found in the background, some seconds after its words were read
    for _ in range(60):
        if first.count():
            break
        lead.wait_for_timeout(1000)
        lead.reload()
    named = first.locator("a.name").inner_text()
    first.get_by_text("Rename, merge, split").click()
    first.get_by_label("Name", exact=True).fill("As we call it")
    first.get_by_role("button", name="Rename").click()
    lead.wait_for_url("**/themes?done=**")
    expect(lead.get_by_role("status")).to_contain_text("it is «As we call it» from now on")
    lead.get_by_role("button", name="Undo").click()
    expect(lead.get_by_role("status")).to_contain_text(f"as the customers' words have it: «{named}»")
    lead.get_by_role("link", name=named, exact=True).first.click()
    lead.wait_for_url("**/themes/*")
    expect(lead.get_by_role("heading", name="Week by week")).to_be_visible()
    expect(lead.get_by_role("heading", name="History")).to_be_visible()
    lead.get_by_text("The weeks as a table").click()
    expect(lead.get_by_role("columnheader", name="Week of")).to_be_visible()
    lead.get_by_role("link", name="Read all").click()
    lead.wait_for_url("**/feedback?theme=**")
    expect(lead.locator(".fb-row").first).to_be_visible()
    lead.goto(f"{site.address}/themes")
    lead.get_by_role("link", name="What moves scores").click()
    lead.wait_for_url("**/themes/drivers")
    expect(lead.locator(".forest li").first).to_be_visible()
    lead.locator("select[name=by]").select_option("theme")
    lead.get_by_role("button", name="Show").click()
    lead.wait_for_url("**by=theme**")
    if lead.get_by_role("link", name="All kinds of scores together").count():
        lead.get_by_role("link", name="All kinds of scores together").click()
        lead.wait_for_url("**score=all**")
    expect(lead.get_by_text("compare themes with each other")).to_be_visible()
    lead.get_by_role("link", name="What is not heard").click()
    lead.wait_for_url("**/themes/blind-spots")
    expect(lead.get_by_role("region", name="Sources by stages")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1920])
def test_nothing_runs_out_of_the_page(lead: Page, width: int) -> None:
    lead.set_viewport_size({"width": width, "height": 800})
    for path in ("/", "/map", "/suggestions", "/changes", "/feedback?unsure=true", "/review", "/docs", *THEMES):
        lead.goto(lead.url.split("/", 3)[0] + "//" + lead.url.split("/", 3)[2] + path)
        wide: Any = lead.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, (path, width)


def test_works_without_script(site: Site, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.link("viewer"))
    page.get_by_role("button", name="Open the map").click()
    page.wait_for_url("**/map")
    assert page.locator("blockquote").count() == 0
    assert "numbers only" in page.locator("table.map").inner_text()
    context.close()


def test_an_empty_workspace_says_how_to_begin(site: Site, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.link("admin", workspace="empty"))
    page.wait_for_url("**/map")
    assert page.get_by_role("heading", name="No feedback yet").is_visible()
    context.close()


def test_a_leads_monday(lead: Page) -> None:
    """In one go: what changed, why, a label put right, a suggestion accepted, the map taken along."""
    lead.get_by_role("link", name="What changed").click()
    lead.get_by_role("heading", name="Changes that are more than chance").wait_for()
    to_decide = lead.get_by_role("region", name="To decide")
    to_decide.get_by_role("link", name="Why").first.click()
    lead.get_by_role("heading", name="Why it ranks where it does").wait_for()
    lead.locator(".said-list").get_by_role("link").first.click()
    lead.wait_for_url("**/feedback/*")
    emotion = lead.get_by_label("Emotion").first
    told = "relief" if emotion.input_value() != "relief" else "regret"
    emotion.select_option(told)
    lead.get_by_role("button", name="Save", exact=True).first.click()
    assert "Stored." in lead.get_by_role("status").inner_text()
    assert lead.get_by_label("Emotion").first.input_value() == told
    lead.get_by_role("link", name="What changed").click()
    to_decide.get_by_role("button", name="Accept").first.click()
    lead.wait_for_load_state()
    assert lead.get_by_role("status").inner_text() == "Accepted."
    lead.get_by_role("link", name="Open the map").click()
    with lead.expect_download() as download:
        lead.get_by_role("link", name="Table", exact=True).click()
    assert "Conversion" in download.value.path().read_text(encoding="utf-8-sig")
