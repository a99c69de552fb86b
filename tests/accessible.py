"""What axe finds against WCAG 2.2 AA on a page as it stands."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.pages import PageOf

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# the hundredth route of the reference has the markup of the first: looked at once
SAME_AGAIN = {"reference": [["article.route:nth-of-type(n+8)"]]}
FIND = """async ([run, exclude]) => {
    const found = await axe.run({exclude}, {runOnly: run, resultTypes: ["violations"], preload: false});
    return found.violations.flatMap(one => one.nodes.map(node =>
        `${one.id}: ${node.html.slice(0, 160)} ${node.any.length ? node.any[0].message : one.help}`));
}"""


def prepare(page: Page) -> None:
    """Give the page axe, by the debugger, which the page's policy does not bind."""
    page.evaluate(AXE_SCRIPT)


def violations(page: Page, one: PageOf, *, contrast_alone: bool = False) -> list[str]:
    """Rule, element and reason of each; with `contrast_alone` only what another colour scheme can change."""
    run = {"type": "rule", "values": ["color-contrast"]} if contrast_alone else {"type": "tag", "values": TAGS}
    found: Any = page.evaluate(FIND, [run, SAME_AGAIN.get(one.name, [])])
    return list(found)
