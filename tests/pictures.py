"""Pictures of every page: `python -m tests.pictures [FOLDER]` starts the service, fills it and takes them all.

On the desktop, on a phone, in the dark, in an empty workspace, and in a crowded one; some also where changes have
been measured. `--readme` renews those of
the README only, in docs/pictures; `--pages map suggestions` takes some.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests import chromium, furnish
from tests.pages import PAGES, PageOf, address_of, addresses
from tests.site import Site, running

README = Path(__file__).resolve().parents[1] / "docs" / "pictures"
IN_README = {"today": 800, "map": 1240, "suggestions": 1340}
"""How much of each page the README shows, in pixels: what its line there speaks of."""


@dataclass(frozen=True)
class Look:
    """How a page is looked at: in which workspace, how wide, in which colours."""

    kind: str = "full"
    width: int = 1440
    height: int = 1000
    colours: str = "light"


LOOKS = {
    "": Look(),
    "-phone": Look(width=390, height=844),
    "-dark": Look(colours="dark"),
    "-empty": Look(kind="empty"),
    "-crowded": Look(kind="crowded"),
    "-crowded-phone": Look(kind="crowded", width=390, height=844),
    "-measured": Look(kind="measured"),
    "-measured-phone": Look(kind="measured", width=390, height=844),
    "-measured-dark": Look(kind="measured", colours="dark"),
}


def take(
    browser: Browser,
    site: Site,
    folder: Path,
    *,
    workspaces: Mapping[str, str],
    pages: Iterable[PageOf] = PAGES,
    looks: Mapping[str, Look] = LOOKS,
    whole: bool = True,
) -> list[Path]:
    """Take each page in the looks whose kind of workspace there is; `whole` goes below the first screen."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {kind: addresses(site, name) for kind, name in workspaces.items()}
    taken = []
    for one in pages:
        for ending, look in looks.items():
            if look.kind not in workspaces or (look.kind == "empty" and one.needs_rows):
                continue
            if look.kind == "measured" and not one.measured:
                continue
            context = site.context(browser, one.role, workspaces[look.kind]) if one.role else browser.new_context()
            page = context.new_page()
            page.set_viewport_size({"width": look.width, "height": look.height})
            page.emulate_media(color_scheme=look.colours, reduced_motion="reduce")  # type: ignore[arg-type]
            page.goto(site.address + address_of(one, found[look.kind]))
            taken.append(folder / f"{one.name}{ending}.png")
            page.screenshot(path=taken[-1], full_page=whole)
            context.close()
    return taken


def main() -> None:
    """Start, fill, take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("pictures"))
    parser.add_argument("--pages", nargs="*", choices=[one.name for one in PAGES], default=[])
    parser.add_argument("--readme", action="store_true", help="those of the README, into docs/pictures")
    given = parser.parse_args()
    wanted = IN_README if given.readme else given.pages
    pages = [one for one in PAGES if not wanted or one.name in wanted]
    with tempfile.TemporaryDirectory(prefix="journeymap-pictures-") as home, running(Path(home)) as site:
        workspaces = {"full": furnish.full(site, worked_with=not given.readme)}
        if not given.readme:
            workspaces |= {"empty": "empty", "crowded": furnish.crowded(site), "measured": furnish.measured(site)}
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium.path(), args=chromium.ARGUMENTS)
            if given.readme:
                taken = [
                    path
                    for one in pages
                    for path in take(
                        browser,
                        site,
                        README,
                        workspaces=workspaces,
                        pages=[one],
                        looks={"": Look(height=IN_README[one.name])},
                        whole=False,
                    )
                ]
            else:
                taken = take(browser, site, given.folder, workspaces=workspaces, pages=pages)
            browser.close()
    for path in taken:
        print(path)


if __name__ == "__main__":
    main()
