"""The bundled sample in a workspace: loaded by the same ways as anybody's feedback, taken out by its sources.

Survey and reviews come as files, tickets as deliveries of a webhook address. All of it is marked by sources of its
own (`SOURCES`), so that nothing else is ever taken out with it; its time stamps are moved so that the newest is
yesterday. Loading is a job: it can be left, and a worker that dies over it is followed by another one.
"""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from service.errors import Conflict
from service.ingest.deliver import deliver
from service.ingest.endpoint_secrets import encrypted, first_secrets
from service.ingest.erasure import audit
from service.ingest.import_requests import import_path
from service.ingest.incoming import Call
from service.ingest.removal import delete_items
from service.ingest.senders import SENDERS
from service.store import queue
from service.store.columns import now
from service.store.queue import ClaimedJob, Priority
from service.store.schema import Delivery, Endpoint, FeedbackItem, FileImport, Job
from service.work import Work

SAMPLE: Final = Path(__file__).resolve().parents[2] / "data" / "sample"
FILES: Final = (("survey.csv", "survey", "sample-survey"), ("reviews.ndjson", "review", "sample-reviews"))
DESK: Final = "sample-support-desk"
SOURCES: Final = (*(source for _, _, source in FILES), DESK)
SENDER: Final = "standard-webhooks"
AT_ONCE: Final = 50  # deliveries or items of one transaction
KIND: Final = "sample"
# a time stamp, not a date that a customer wrote about
_TIME = re.compile(r"\b(20\d\d-\d\d-\d\d)(?=[T ]\d\d:\d\d)")


def shifted(text: str, days: int) -> str:
    """The text with every time stamp moved by whole days."""
    return _TIME.sub(lambda found: str(date.fromisoformat(found[1]) + timedelta(days=days)), text)


def days_to_yesterday(texts: list[str], today: date) -> int:
    """By how many days to move the time stamps of these texts so that the newest is yesterday."""
    newest = max(date.fromisoformat(found) for text in texts for found in _TIME.findall(text))
    return (today - timedelta(days=1) - newest).days


def sample_texts(today: date) -> dict[str, str]:
    """The sample's files by name, their time stamps moved."""
    texts = {
        path.name: path.read_text(encoding="utf-8")
        for path in sorted(SAMPLE.glob("*.*son")) + sorted(SAMPLE.glob("survey*.csv"))
    }
    days = days_to_yesterday(list(texts.values()), today)
    return {name: shifted(text, days) for name, text in texts.items()}


@cache
def sample_size() -> int:
    """How many items the sample has."""
    rows = list(csv.reader(io.StringIO((SAMPLE / "survey.csv").read_text(encoding="utf-8"), newline="")))
    lines = [(SAMPLE / name).read_text(encoding="utf-8") for name in ("reviews.ndjson", "tickets.ndjson")]
    return len(rows) - 1 + sum(bool(line.strip()) for text in lines for line in text.splitlines())


@dataclass(frozen=True, slots=True)
class State:
    """How far it is (`absent`, `loading`, `loaded`, `removing`): items stored, those of them still to be read."""

    state: str
    items: int
    waiting: int
    total: int


def state_of(session: Session, workspace_id: int) -> State:
    """Whether the sample is here, and how far."""
    doing = session.execute(
        select(col(Job.payload)).where(
            col(Job.workspace_id) == workspace_id, col(Job.kind) == KIND, col(Job.state) != "dead"
        )
    ).scalar()
    rows = session.execute(
        select(col(FeedbackItem.state), func.count())
        .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.source).in_(SOURCES))
        .group_by(col(FeedbackItem.state))
    ).all()
    counted: dict[str, int] = {row[0]: row[1] for row in rows}
    items, waiting = sum(counted.values()), counted.get("pending", 0)
    reading = session.execute(
        select(func.count())
        .select_from(FileImport)
        .where(
            col(FileImport.workspace_id) == workspace_id,
            col(FileImport.source).in_(SOURCES),
            col(FileImport.state).in_(("queued", "running")),
        )
    ).scalar_one()
    if doing is not None:
        state = "removing" if doing["do"] == "remove" else "loading"
    elif waiting or reading:
        state = "loading"
    else:
        state = "loaded" if items else "absent"
    return State(state, items, waiting, sample_size())


def is_here(session: Session, workspace_id: int) -> bool:
    """Whether anything of the sample is in this workspace."""
    found = session.execute(
        select(col(FeedbackItem.id))
        .where(col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.source).in_(SOURCES))
        .limit(1)
    )
    return found.first() is not None


def ask_to_load(session: Session, *, workspace_id: int, actor: str) -> State:
    """Have the sample loaded; Conflict where there is feedback of one's own: examples would mix with it."""
    found = state_of(session, workspace_id)
    if found.state == "removing":
        raise Conflict("The sample is being taken out; wait until that is done.")
    if found.state == "absent":
        own = session.execute(
            select(col(FeedbackItem.id)).where(col(FeedbackItem.workspace_id) == workspace_id).limit(1)
        ).first()
        if own is not None:
            raise Conflict("There is feedback of your own here; the sample is for empty workspaces.")
        _ask(session, workspace_id, "load")
        audit(session, workspace_id, actor, "sample.load", "sample", {})
    return state_of(session, workspace_id)


def ask_to_remove(session: Session, *, workspace_id: int, actor: str) -> State:
    """Have everything of the sample taken out; harmless where there is nothing of it."""
    found = state_of(session, workspace_id)
    if found.state == "loading":
        raise Conflict("The sample is still being loaded; wait until that is done.")
    if found.state == "loaded":
        _ask(session, workspace_id, "remove")
        audit(session, workspace_id, actor, "sample.remove", "sample", {})
    return state_of(session, workspace_id)


def _ask(session: Session, workspace_id: int, do: str) -> None:
    queue.enqueue(
        session,
        workspace_id=workspace_id,
        kind=KIND,
        payload={"do": do},
        priority=Priority.SINGLE,
        dedupe_key=f"sample:{workspace_id}",
    )


def run(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Stage of the job kind "sample": load it or take it out. What a worker before has done is not done again."""
    for job in jobs:
        if job.payload["do"] == "remove":
            yield from _remove(work, job)
        else:
            yield from _load(work, job)


def _load(work: Work, job: ClaimedJob) -> Iterator[None]:
    texts = sample_texts(now().date())
    with work.database.read() as session:
        here = set(
            session.execute(
                select(col(FileImport.source)).where(
                    col(FileImport.workspace_id) == job.workspace_id, col(FileImport.source).in_(SOURCES)
                )
            ).scalars()
        )
    for name, channel, source in FILES:
        if source not in here:
            _import(work, job.workspace_id, name, texts[name], channel, source)
            yield
    endpoint_id = _endpoint(work, job)
    lines = [line for line in texts["tickets.ndjson"].splitlines() if line.strip()]
    for start in range(0, len(lines), AT_ONCE):
        with work.database.write() as session:
            queue.hold(session, job)
            endpoint = session.get_one(Endpoint, endpoint_id)
            for line in lines[start : start + AT_ONCE]:
                headers = {"content-type": "application/json", "webhook-id": json.loads(line)["id"]}
                call = Call(headers=headers, body=line.encode())
                # by the same door as a verified call; the same one again is only counted
                deliver(session, work.vault, work.settings, endpoint=endpoint, call=call, count_repeats=False)
        yield
    with work.database.write() as session:
        queue.hold(session, job)
        queue.finish(session, job)
    yield


def _import(work: Work, workspace_id: int, name: str, text: str, channel: str, source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_text(_unmarked(name, text), encoding="utf-8")
        import_path(
            work.database,
            work.settings,
            workspace_id=workspace_id,
            file=file,
            options={"source": source, "channel": channel},
        )


def _unmarked(name: str, text: str) -> str:
    """Without the sources that the sample's own rows name: ours mark what is taken out again."""
    if name.endswith(".ndjson"):
        rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines() if line.strip()]
        return "".join(
            json.dumps({key: value for key, value in row.items() if key != "source"}, ensure_ascii=False) + "\n"
            for row in rows
        )
    header, *lines = csv.reader(io.StringIO(text))
    kept = [place for place, column in enumerate(header) if column != "source"]
    written = io.StringIO()
    csv.writer(written).writerows([row[place] for place in kept] for row in (header, *lines))
    return written.getvalue()


def _endpoint(work: Work, job: ClaimedJob) -> int:
    with work.database.write() as session:
        queue.hold(session, job)
        found = session.execute(
            select(col(Endpoint.id)).where(
                col(Endpoint.workspace_id) == job.workspace_id, col(Endpoint.source) == DESK
            )
        ).scalar()
        if found is not None:
            return int(found)
        sender = SENDERS[SENDER]
        endpoint = Endpoint(
            workspace_id=job.workspace_id,
            public_id=secrets.token_urlsafe(16),
            sender=SENDER,
            name="Sample: support desk",
            source=DESK,
            secrets=encrypted(first_secrets(sender), work.vault),
            options=sender.options().model_dump(),
        )
        session.add(endpoint)
        session.flush()
        assert endpoint.id is not None
        return endpoint.id


def _remove(work: Work, job: ClaimedJob) -> Iterator[None]:
    while True:
        with work.database.write() as session:
            queue.hold(session, job)
            ids = list(
                session.execute(
                    select(col(FeedbackItem.id))
                    .where(
                        col(FeedbackItem.workspace_id) == job.workspace_id, col(FeedbackItem.source).in_(SOURCES)
                    )
                    .order_by(col(FeedbackItem.id))
                    .limit(AT_ONCE)
                    .with_for_update()
                ).scalars()
            )
            # no marks: it may be loaded again
            delete_items(session, job.workspace_id, [one for one in ids if one is not None])
        yield
        if not ids:
            break
    with work.database.write() as session:
        queue.hold(session, job)
        files = session.execute(
            select(col(FileImport.path)).where(
                col(FileImport.workspace_id) == job.workspace_id, col(FileImport.source).in_(SOURCES)
            )
        ).scalars()
        paths = [path for path in files if path]
        session.execute(
            delete(FileImport).where(
                col(FileImport.workspace_id) == job.workspace_id, col(FileImport.source).in_(SOURCES)
            )
        )
        desk = select(col(Endpoint.id)).where(
            col(Endpoint.workspace_id) == job.workspace_id, col(Endpoint.source) == DESK
        )
        session.execute(
            delete(Delivery).where(
                col(Delivery.workspace_id) == job.workspace_id, col(Delivery.endpoint_id).in_(desk)
            )
        )
        session.execute(
            delete(Endpoint).where(col(Endpoint.workspace_id) == job.workspace_id, col(Endpoint.source) == DESK)
        )
        queue.finish(session, job)
    for path in paths:
        (work.settings.imports_dir / Path(path).name).unlink(missing_ok=True)
    yield
