"""`journeymap demo`: the service with the bundled sample, delivered through the public routes as senders would."""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import delete, func, select
from sqlmodel import Session, col
from standardwebhooks import Webhook

from service import auth
from service.ingest.sample import sample_size, sample_texts
from service.settings import Settings
from service.store import schema
from service.store.columns import now
from service.store.engine import Database
from service.store.learned import forget_workspace
from service.store.migrate import migrate
from service.suggest import table

WORKSPACE = "sample"
READY_SECONDS = 90


def run(settings: Settings, *, port: int, console: Console | None = None) -> int:
    """Serve on localhost, load the sample into an empty database, show the adaptation table; until stopped.

    Returns the exit code: 0 when stopped by the user.
    """
    console = console or Console()
    address = f"http://localhost:{port}"
    migrate(settings.sqlalchemy_url)
    database = Database(settings.sqlalchemy_url)
    with _server(settings, port) as server:
        _wait_until_ready(server, address, console)
        workspace = workspace_to_show(database)
        if workspace is None:
            load_sample(database, address, console)
            workspace = WORKSPACE
        console.print()
        table.render(database, workspace=workspace, limit=8, console=console)
        link = _sign_in_link(settings, database, workspace, address)
        console.print(f"\nThe map is open at [bold]{link}[/bold]")
        console.print("(this link signs you in once; `journeymap invite` makes more; Ctrl-C stops the service)")
        code = server.wait()
    database.dispose()
    return 0 if code in (0, -signal.SIGINT, -signal.SIGTERM) else 1


def remove(settings: Settings) -> int:
    """Delete the sample workspace with everything in it and return the number of its items."""
    database = Database(settings.sqlalchemy_url)
    with database.write() as session:
        found = session.execute(
            select(col(schema.Workspace.id)).where(col(schema.Workspace.name) == WORKSPACE)
        ).scalar_one_or_none()
        if found is None:
            return 0
        items = _count(session, schema.FeedbackItem, found)
        session.execute(delete(schema.Workspace).where(col(schema.Workspace.id) == found))
    forget_workspace(settings, found)
    database.dispose()
    return items


def _count(session: Session, model: Any, workspace_id: int, *conditions: Any) -> int:
    query = select(func.count()).select_from(model).where(model.workspace_id == workspace_id, *conditions)
    return int(session.execute(query).scalar_one())


@contextmanager
def _server(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        "JOURNEYMAP_LOG_FORMAT": "text",
        "JOURNEYMAP_LOG_LEVEL": "WARNING",
        "JOURNEYMAP_PUBLIC_URL": f"http://localhost:{port}",
        **os.environ,
    }
    command = [sys.executable, "-m", "service", "serve", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment)  # noqa: S603 (our own program)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.terminate()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield server
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait(timeout=20)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait_until_ready(server: subprocess.Popen[bytes], address: str, console: Console) -> None:
    with console.status("Starting the service and loading the model …"):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None:
                raise SystemExit(f"The service ended at once (exit code {server.returncode}); see above.")
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=5):  # noqa: S310 (loopback)
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
    raise SystemExit(f"The service did not get ready within {READY_SECONDS} s; try `journeymap doctor`.")


def workspace_to_show(database: Database) -> str | None:
    """The workspace that holds feedback, the sample first; None in an empty database."""
    with database.read() as session:
        names = session.execute(
            select(col(schema.Workspace.name))
            .where(
                select(col(schema.FeedbackItem.id))
                .where(col(schema.FeedbackItem.workspace_id) == col(schema.Workspace.id))
                .exists()
            )
            .order_by(col(schema.Workspace.name) != WORKSPACE, col(schema.Workspace.id))
        ).scalars()
        return names.first()


def _sign_in_link(settings: Settings, database: Database, workspace: str, address: str) -> str:
    with database.write() as session:
        token = auth.invite(
            session,
            workspace=auth.workspace_named(session, workspace, create=True),
            name="you",
            role="admin",
            hours=settings.invite_hours,
        )
    return f"{address}/sign-in?token={token}"


def load_sample(database: Database, address: str, console: Console) -> None:
    """Deliver the sample to a running service through its public routes, and wait until all of it is tagged."""
    with database.write() as session:
        workspace = auth.workspace_named(session, WORKSPACE, create=True)
        key = auth.create_key(session, workspace=workspace, scopes=["ingest", "admin"], name="sample loader")
        workspace_id = workspace.id or 0
    texts, total = sample_texts(now().date()), sample_size()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        received = progress.add_task("Sample received", total=total)
        tagged = progress.add_task("Sample tagged", total=total)
        _upload(address, key, "survey.csv", texts["survey.csv"], "survey")
        _upload(address, key, "reviews.ndjson", texts["reviews.ndjson"], "review")
        _deliver_tickets(address, key, texts["tickets.ndjson"])
        while True:
            with database.read() as session:
                items = _count(session, schema.FeedbackItem, workspace_id)
                pending = _count(
                    session, schema.FeedbackItem, workspace_id, col(schema.FeedbackItem.state) == "pending"
                )
                waiting = _count(session, schema.Job, workspace_id, col(schema.Job.state) != "dead")
            progress.update(received, completed=items)
            progress.update(tagged, completed=items - pending)
            if waiting == 0:
                progress.update(received, total=items)
                progress.update(tagged, total=items)
                break
            time.sleep(0.2)
    with database.write() as session:
        for row in session.execute(
            select(schema.ApiKey).where(col(schema.ApiKey.key_hash) == auth.token_hash(key))
        ).scalars():
            row.revoked_at = now()


def _post(url: str, body: bytes, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 (loopback)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def _upload(address: str, key: str, filename: str, text: str, channel: str) -> None:
    url = f"{address}/v1/imports?filename={filename}&channel={channel}"
    _post(url, text.encode(), {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"})


def _deliver_tickets(address: str, key: str, text: str) -> None:
    """Send the tickets as a support tool would: one signed webhook each."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    endpoint = _post(
        f"{address}/v1/endpoints",
        json.dumps(
            {"sender": "standard-webhooks", "name": "Support desk", "source": "support-desk", "secrets": [secret]}
        ).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    path = endpoint["url"].partition("/hooks/")[2]
    for line in filter(str.strip, text.splitlines()):
        body = line.encode()
        identity, moment = json.loads(line)["id"], now()
        signature = Webhook(secret).sign(identity, moment, line)
        _post(
            f"{address}/hooks/{path}",
            body,
            {
                "Content-Type": "application/json",
                "webhook-id": identity,
                "webhook-timestamp": str(int(moment.timestamp())),
                "webhook-signature": signature,
            },
        )
