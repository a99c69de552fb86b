"""Every page in a real browser: accessible, quiet, narrow, light, without script, by keyboard alone.

The pages stand in tests/pages.py. Takes long, so it is asked for: `make test-pages`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from tests import accessible, furnish
from tests.pages import PAGES, PageOf, address_of, addresses
from tests.review.test_browser import browser
from tests.site import Site, running

__all__ = ["browser"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.walk]

DESKTOP, PHONE, ZOOMED = 1360, 320, 640  # CSS pixels; the last is a screen of 1280 at 200 %
LOOKS = {
    "full": ((DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "dark"), (PHONE, "light")),
    "empty": ((DESKTOP, "light"), (PHONE, "dark")),
    "measured": ((DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "dark")),
}
MAX_BYTES = 300_000  # of a page with its styles and scripts, nothing kept from before
ROOM_PX = 40  # what stands beside one another in a row may begin this much higher than what comes before it

OPEN_ALL = "() => document.querySelectorAll('main details').forEach(one => one.open = true)"
# besides the map's and the tables' own boards, which scroll for themselves
WIDER = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
    [...document.querySelectorAll("body *")]
        .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".board, .menu"))
        .map(one => one.outerHTML.slice(0, 120)).concat("the page scrolls sideways")"""
MOVES = """() => [...document.querySelectorAll("*")].filter(one => {
    const style = getComputedStyle(one);
    return style.animationName !== "none" || style.transitionDuration.split(",").some(time => parseFloat(time) > 0)
        || style.scrollBehavior === "smooth";
}).map(one => one.outerHTML.slice(0, 120))"""
SKELETON = """() => ["h1", "h2", "h3", "table", "tr", "article", "blockquote", "form", "a", "button", "svg"]
    .map(name => `${name} ${document.querySelectorAll("main " + name).length}`)"""
# a page may set the focus to its first field: the next Tab goes on from where an element was that had it last
FROM_THE_TOP = """() => {
    const first = document.createElement("span");
    first.tabIndex = -1;
    document.body.prepend(first);
    first.focus();
    first.remove();
}"""
# what Tab can reach; each gets its number, and how it and its neighbours look without the focus
PREPARE_TABS = """() => {
    window.looks = one => [one, one.nextElementSibling, ...[...one.children].slice(0, 3)].map(part => {
        if (!part) return "";
        const style = getComputedStyle(part);
        return [style.outlineStyle, style.outlineWidth, style.boxShadow, style.stroke, style.strokeWidth].join();
    }).join(";");
    const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")]
        .filter(one => one.type !== "hidden" && !one.disabled && one.getAttribute("tabindex") !== "-1"
            && one.checkVisibility({visibilityProperty: true}));
    all.forEach((one, number) => { one.dataset.tab = number; one.dataset.plain = window.looks(one); });
    return all.map(one => [one.outerHTML.slice(0, 120), one.type === "radio" ? one.name : null]);
}"""
FOCUSED = """() => {
    const one = document.activeElement;
    if (!one || one === document.body || !one.dataset.tab) return null;
    const box = one.getBoundingClientRect();
    // a link may break over two lines: its first line is what is looked for
    const line = one.getClientRects()[0] ?? box;
    const x = Math.min(innerWidth - 1, Math.max(0, line.left + line.width / 2));
    const y = Math.min(innerHeight - 1, Math.max(0, line.top + line.height / 2));
    const top = document.elementFromPoint(x, y);
    return {
        number: Number(one.dataset.tab),
        shown: window.looks(one) !== one.dataset.plain,
        inside: box.bottom > 0 && box.top < innerHeight,
        // points of two lines may lie at one place of a chart: its table tells them apart
        over: (top ? top.outerHTML : "nothing").slice(0, 200),
        covered: !(top && (top === one || one.contains(top) || top.contains(one)
            || one.closest("svg")?.parentElement.contains(top))),
        html: one.outerHTML.slice(0, 120),
    };
}"""
# where things that can be reached begin, in the order of Tab; beside one another in a board is another matter
TOPS = """() => [...document.querySelectorAll("main a[href], main button, main input, main select, main summary")]
    .filter(one => one.type !== "hidden" && one.checkVisibility({visibilityProperty: true})
        && !one.closest(".board, svg, .go"))
    .map(one => [Math.round(one.getBoundingClientRect().top + scrollY), one.outerHTML.slice(0, 120)])"""


@dataclass
class Furnished:
    """The running service with its workspaces, and what stands in the routes' braces."""

    site: Site
    workspaces: dict[str, str]
    found: dict[str, dict[str, str]]

    def context(self, browser: Browser, one: PageOf, kind: str, *, script: bool = True) -> BrowserContext:
        if not one.role:
            return browser.new_context(java_script_enabled=script, viewport={"width": DESKTOP, "height": 900})
        return self.site.context(browser, one.role, self.workspaces[kind], script=script)

    def open(self, context: BrowserContext, one: PageOf, kind: str) -> Page:
        page = self.site.watch(context.new_page())
        answer = page.goto(self.site.address + address_of(one, self.found[kind]))
        assert answer is not None
        assert answer.status == 200, (one.name, answer.status)
        return page


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """A full and an empty workspace, and one whose changes have been measured."""
    with running(tmp_path_factory.mktemp("pages")) as site:
        workspaces = {"full": furnish.full(site), "empty": "empty", "measured": furnish.measured(site)}
        found = {kind: addresses(site, name) for kind, name in workspaces.items()}
        yield Furnished(site, workspaces, found)


def _name(value: Any) -> str:
    return value.name if isinstance(value, PageOf) else str(value)


both_kinds = pytest.mark.parametrize(
    ("one", "kind"),
    [
        (one, kind)
        for one in PAGES
        for kind in LOOKS
        if kind == "full" or (one.measured if kind == "measured" else not one.needs_rows)
    ],
    ids=_name,
)


@both_kinds
def test_accessible(furnished: Furnished, browser: Browser, one: PageOf, kind: str) -> None:
    """WCAG 2.2 AA by axe at both widths, colours in the dark too; nothing moves, is cut off or asked elsewhere."""
    furnished.site.console.clear()
    furnished.site.elsewhere.clear()
    context = furnished.context(browser, one, kind)
    page = furnished.open(context, one, kind)
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(MOVES) == [], "reduced motion is asked for"
    accessible.prepare(page)
    # closed as people find it on the desktop, then with everything open
    for width, colours in LOOKS[kind]:
        if width == PHONE:
            page.evaluate(OPEN_ALL)
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=colours, reduced_motion="reduce")  # type: ignore[arg-type]
        found = accessible.violations(page, one, contrast_alone=colours == "dark")
        assert found == [], (width, colours, found)
    for width in (PHONE, ZOOMED):
        page.set_viewport_size({"width": width, "height": 450})
        assert page.evaluate(WIDER) == [], width
    context.close()
    assert furnished.site.console == []
    assert furnished.site.elsewhere == []


@both_kinds
def test_light_and_readable_without_script(furnished: Furnished, browser: Browser, one: PageOf, kind: str) -> None:
    context = furnished.context(browser, one, kind)
    page = context.new_page()
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))
    page.goto(furnished.site.address + address_of(one, furnished.found[kind]))
    live = page.locator("[data-live]").count() > 0  # its script asks again and again what has come
    page.wait_for_load_state("networkidle") if not live else None
    sizes = {request.url: request.sizes() for request in asked}
    total = sum(each["responseBodySize"] + each["responseHeadersSize"] for each in sizes.values())
    assert total < MAX_BYTES, {url: each["responseBodySize"] for url, each in sizes.items()}
    with_script: Any = page.evaluate(SKELETON)
    context.close()
    plain = furnished.context(browser, one, kind, script=False)
    bare = furnished.open(plain, one, kind)
    assert live or bare.evaluate(SKELETON) == with_script
    assert bare.locator("main h1, main h2").first.is_visible()
    plain.close()


@pytest.mark.parametrize("one", PAGES, ids=_name)
def test_reached_by_keyboard(furnished: Furnished, browser: Browser, one: PageOf) -> None:
    """Tab reaches everything, in the order in which it stands there, and one sees where one is."""
    context = furnished.context(browser, one, "full")
    page = furnished.open(context, one, "full")
    page.emulate_media(reduced_motion="reduce")
    # what a page or its script sets the focus to is set by the time it has been drawn
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate(FROM_THE_TOP)
    can_be: Any = page.evaluate(PREPARE_TABS)
    reached: list[int] = []
    for _ in range(4 * len(can_be) + 8):  # a date has four stops
        page.keyboard.press("Tab")
        at: Any = page.evaluate(FOCUSED)
        if at is None:
            if len(set(reached)) >= 1 and page.evaluate("() => document.activeElement === document.body"):
                break
            continue
        if reached and at["number"] == reached[-1]:
            continue
        if at["number"] in reached:
            break
        assert at["shown"], ("where the focus is can't be seen", at["html"])
        assert at["inside"], ("out of sight", at["html"])
        assert not at["covered"], ("something lies over it", at["html"], at["over"])
        reached.append(at["number"])
    if page.locator("header.top").count():
        assert "skip" in can_be[reached[0]][0]
    assert reached == sorted(reached), [can_be[number][0] for number in reached]
    groups = {can_be[number][1] for number in reached}
    missed = [
        html
        for number, (html, group) in enumerate(can_be)
        if number not in reached and (not group or group not in groups)
    ]
    assert missed == []
    page.set_viewport_size({"width": PHONE, "height": 900})
    tops: Any = page.evaluate(TOPS)
    higher = [(before, after) for before, after in itertools.pairwise(tops) if after[0] < before[0] - ROOM_PX]
    assert higher == [], "in one column, what comes later stands further down"
    context.close()


def test_the_skip_link_leads_to_the_content(furnished: Furnished, browser: Browser) -> None:
    one = PAGES[0]
    context = furnished.context(browser, one, "full")
    page = furnished.open(context, one, "full")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('main') !== null")
    context.close()


def test_the_menu_on_a_phone_hides_nothing_and_needs_no_script(furnished: Furnished, browser: Browser) -> None:
    one = PAGES[1]
    context = furnished.context(browser, one, "full", script=False)
    page = furnished.open(context, one, "full")
    names = page.locator(".top > nav a").all_inner_texts()
    page.set_viewport_size({"width": PHONE, "height": 700})
    assert not page.locator(".top > nav").is_visible()
    page.locator(".menu summary").press("Enter")
    for name in names:
        box = page.locator(".menu").get_by_role("link", name=name, exact=True).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE
        assert box["height"] >= 24
    page.locator(".menu").get_by_role("link", name="Sources").click()
    page.wait_for_url("**/sources")
    context.close()


def test_pictures_can_be_taken(furnished: Furnished, browser: Browser, tmp_path: Path) -> None:
    from tests import pictures

    pages = [one for one in PAGES if one.name in ("map", "suggestions")]
    taken = pictures.take(browser, furnished.site, tmp_path, workspaces=furnished.workspaces, pages=pages)
    assert {path.stem for path in taken} == {
        one.name + ending
        for one in pages
        for ending, look in pictures.LOOKS.items()
        if look.kind in ("full", "empty")
    }
    assert all(path.stat().st_size > 5_000 for path in taken)
