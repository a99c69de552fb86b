"""Pictures of the pages for the README: `python -m tests.pictures ADDRESS SIGN-IN-LINK FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests import chromium

PAGES = (
    ("today", "/"),
    ("map", "/map"),
    ("suggestions", "/suggestions"),
    ("changes", "/changes"),
    ("themes", "/themes"),
    ("drivers", "/themes/drivers"),
    ("blind-spots", "/themes/blind-spots"),
    ("feedback", "/feedback"),
    ("review", "/review"),
    ("sources", "/sources"),
    ("connect", "/sources/connect"),
    ("settings", "/settings"),
)


def take(browser: Browser, address: str, link: str, folder: Path) -> list[Path]:
    """One picture of each page, desktop and phone; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.goto(link)
    page.wait_for_url("**/map")
    taken = []
    for name, path in PAGES:
        for kind, width, height in (("", 1440, 1000), ("-phone", 390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            page.goto(address + path)
            target = folder / f"{name}{kind}.png"
            page.screenshot(path=target)
            taken.append(target)
    context.close()
    return taken


if __name__ == "__main__":
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium.path(), args=chromium.ARGUMENTS)
        for picture in take(started, sys.argv[1], sys.argv[2], Path(sys.argv[3])):
            print(picture.name)
        started.close()
