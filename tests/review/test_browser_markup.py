"""Feedback, names, files and notes full of markup: on no page does any of it run, ask, hide or push anything.

And with so much on it axe finds nothing on any of them; `make test-pages` looks at more (test_browser_axe.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog

from tests import accessible, furnish
from tests.pages import PAGES, PageOf, address_of, addresses
from tests.review.test_browser import browser
from tests.site import Site, running

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.browser

# 7 times 191, which only a template that took the words for its own would say
WORKED_OUT = "1337"
PHONE = 320
TRACES = """() => ({
    ran: window.ran ?? null,
    scripts: [...document.scripts].filter(one => !one.src.startsWith(location.origin + "/static/")).length,
    styles: document.querySelectorAll("style").length,
    handlers: [...document.querySelectorAll("*")]
        .filter(one => [...one.attributes].some(name => name.name.startsWith("on"))).length,
    addresses: [...document.querySelectorAll("[href], [src], [action]")]
        .filter(one => /^\\s*(javascript|data|vbscript):/i.test(one.getAttribute("href") ?? one.getAttribute("src")
            ?? one.getAttribute("action"))).length,
    pictures: document.querySelectorAll("main img").length,
    hidden: getComputedStyle(document.body).display === "none",
    title: document.querySelectorAll("body title:not(svg title)").length,
})"""
CLEAN = dict.fromkeys(("scripts", "styles", "handlers", "addresses", "pictures", "title"), 0)
CLEAN |= {"ran": None, "hidden": False}
WIDER = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
    [...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".board, .menu"))
        .map(one => one.outerHTML.slice(0, 160))"""


@dataclass
class Crowded:
    """A signed-in admin's browser in the crowded workspace, and what it noticed."""

    site: Site
    context: BrowserContext
    found: dict[str, str]
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def crowded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowded]:
    with running(tmp_path_factory.mktemp("markup")) as site:
        workspace = furnish.crowded(site)
        made = Crowded(site, site.context(browser, "admin", workspace), addresses(site, workspace))

        def asked(dialog: Dialog) -> None:
            made.dialogs.append(dialog.message)
            dialog.dismiss()

        made.context.on("dialog", asked)
        yield made
        made.context.close()


@pytest.mark.parametrize("one", [one for one in PAGES if one.role == "admin"], ids=lambda one: one.name)
def test_nothing_runs_or_breaks(crowded: Crowded, one: PageOf) -> None:
    crowded.site.console.clear()
    page = crowded.site.watch(crowded.context.new_page())
    answer = page.goto(crowded.site.address + address_of(one, crowded.found))
    assert answer is not None
    assert answer.status == 200
    page.evaluate("() => document.querySelectorAll('main details').forEach(one => one.open = true)")
    traces: Any = page.evaluate(TRACES)
    assert traces == CLEAN
    assert WORKED_OUT not in page.locator("body").inner_text().replace(" ", " ").split()
    for width in (PHONE, 1360):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(WIDER) == [], width
    accessible.prepare(page)
    assert accessible.violations(page, one) == []
    assert crowded.dialogs == []
    assert crowded.site.console == []
    assert crowded.site.elsewhere == []
    page.close()


def test_words_are_shown_as_they_were_written(crowded: Crowded) -> None:
    page = crowded.context.new_page()
    page.goto(crowded.site.address + "/feedback")
    shown = page.locator("main").inner_text()
    for words in (
        "<script>window.ran = 1",
        "onerror=",
        "<style>body { display: none",
        "{{ 7 * 191 }}",
        "&lt;b&gt;",
    ):
        assert words in shown, words
    page.close()
