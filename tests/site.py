"""The real service for a browser: started, furnished by its public routes, and what a browser said meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from service import auth, demo
from service.dependencies import COOKIE
from service.settings import Settings
from service.store.engine import Database
from service.store.migrate import migrate
from tests.running import Server, serving

NAMES = {"admin": "Ada Admin", "lead": "Lea Lead", "analyst": "Ann Analyst", "viewer": "Vic Viewer"}


@dataclass
class Site:
    """The running service, and what a browser said while it was used."""

    server: Server
    database: Database
    settings: Settings
    console: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def _token(self, role: str, workspace: str) -> str:
        with self.database.write() as session:
            found = auth.workspace_named(session, workspace, create=True)
            return auth.invite(session, workspace=found, name=NAMES[role], role=role, hours=1)

    def link(self, role: str, workspace: str = demo.WORKSPACE) -> str:
        """A link that signs in once."""
        return f"{self.address}/sign-in?token={self._token(role, workspace)}"

    def key(self, workspace: str = demo.WORKSPACE) -> str:
        """A key that may do everything."""
        with self.database.write() as session:
            found = auth.workspace_named(session, workspace, create=True)
            return auth.create_key(session, workspace=found, scopes=list(auth.SCOPES), name="tests")

    def context(
        self, browser: Browser, role: str, workspace: str = demo.WORKSPACE, *, script: bool = True
    ) -> BrowserContext:
        """A browser of its own in which somebody is signed in, at 1360 by 900."""
        token = self._token(role, workspace)
        with self.database.write() as session:
            cookie = auth.sign_in(session, token, hours=24)
        context = browser.new_context(viewport={"width": 1360, "height": 900}, java_script_enabled=script)
        context.add_cookies([{"name": COOKIE, "value": cookie, "url": self.address}])
        return context

    def watch(self, page: Page) -> Page:
        """Note what the page's console says and which other hosts it asks."""

        def said(message: ConsoleMessage) -> None:
            self.console.append(message.text)

        def asked(request: Request) -> None:
            if not request.url.startswith(self.address):
                self.elsewhere.append(request.url)

        page.on("console", said)
        page.on("request", asked)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        return page


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """The service with an empty database in this folder."""
    settings = Settings(data_dir=folder, secret_key="browser-tests", min_free_disk_mb=0, poll_seconds=0.05)
    migrate(settings.sqlalchemy_url)
    database = Database(settings.sqlalchemy_url)
    try:
        with serving(settings, log=folder / "serve.log") as server:
            yield Site(server, database, settings)
    finally:
        database.dispose()
