"""The job kind "retrain": learn from a workspace's corrections, in seconds, behind the gates.

It is queued after every correction and does nothing until enough have come; at once when a person asks, when an
item that was learnt from is gone, and when another default model is in use.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from sqlmodel import Session

from nlp.overlay import Overlay
from nlp.pipeline import Pipeline
from service.classify.active_model import get_pipeline
from service.classify.retag import enqueue_retag
from service.learn import records
from service.learn.examples import (
    Example,
    changed_since,
    examples,
    gone,
    kept_items,
    newest_correction,
    seen_examples,
    standing,
)
from service.learn.learn import FieldResult, learn
from service.learn.records import Record
from service.learn.reference import reference
from service.moments import rfc3339
from service.settings import Settings
from service.store import learned, queue
from service.store.columns import now
from service.store.learned import Active, Because
from service.store.queue import ClaimedJob, Priority
from service.store.schema import AuditEvent
from service.work import Work

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """What is known before anything is learnt."""

    because: Because
    given: list[Example]
    last_correction: int
    forgotten: bool
    """The overlay in use held an item that is gone."""


def retrain(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Stage function: learn, publish what passes the gates, have items tagged again."""
    for job in jobs:
        pipeline = get_pipeline(work.settings)
        state = _state(work, job, pipeline) if isinstance(pipeline, Pipeline) else None
        if state is None or not isinstance(pipeline, Pipeline):
            with work.database.write() as session:
                queue.finish(session, job)
            yield
            continue
        started = time.monotonic()
        overlay: Overlay | None = None
        results: list[FieldResult] = []
        if state.given:
            seen = seen_examples(work.settings, job.workspace_id, pipeline, state.given)
            yield
            overlay, results = learn(
                seen,
                np.array([one.item_id for one in state.given], dtype=np.int64),
                reference(work.settings, pipeline),
                dict(pipeline.artifact.model.labels),
                base=pipeline.model_version,
            )
            yield
        _publish(work, job, pipeline, state, overlay, results, time.monotonic() - started)
        yield


def _state(work: Work, job: ClaimedJob, pipeline: Pipeline) -> _State | None:
    """None where there is nothing to do yet."""
    settings, workspace_id = work.settings, job.workspace_id
    last = records.newest(settings, workspace_id)
    active = learned.active_of(settings, workspace_id)
    with work.database.read() as session:
        forgotten = _forget(session, settings, workspace_id, active)
        new = changes(session, workspace_id, last)
        other_model = last is not None and last["base"] != pipeline.model_version
        because: Because
        if job.payload.get("because") == "asked":
            because = "asked"
        elif forgotten:
            because = "erasure"
        elif other_model and standing(session, workspace_id):
            because = "model"
        elif settings.retrain_after and new >= settings.retrain_after:
            because = "corrections"
        else:
            return None
        return _State(
            because, examples(session, workspace_id), newest_correction(session, workspace_id), forgotten
        )


def _forget(session: Session, settings: Settings, workspace_id: int, active: Active | None) -> bool:
    """Delete what was learnt from items that are gone; whether the overlay in use was among it."""
    held = records.items_learnt_from(settings, workspace_id)
    missing = gone(
        session,
        workspace_id,
        [*kept_items(settings, workspace_id), *(item for items in held.values() for item in items)],
    )
    if not missing:
        return False
    (learned.folder_of(settings, workspace_id) / "rows.npz").unlink(missing_ok=True)
    in_use = None if active is None else learned.overlay_path(settings, workspace_id, active.number)
    forgotten = False
    for path, items in held.items():
        if missing & set(items):
            path.unlink(missing_ok=True)
            forgotten = forgotten or path == in_use
    # a worker may have died between deleting the file and learning anew
    return forgotten or (in_use is not None and not in_use.is_file())


def _publish(
    work: Work,
    job: ClaimedJob,
    pipeline: Pipeline,
    state: _State,
    overlay: Overlay | None,
    results: list[FieldResult],
    seconds: float,
) -> None:
    settings, workspace_id, base = work.settings, job.workspace_id, pipeline.model_version
    actor = str(job.payload.get("actor") or "worker")
    record: Record = {
        "base": base,
        "created_at": rfc3339(now()),
        "actor": actor,
        "because": state.because,
        "texts": len(state.given),
        "last_correction": state.last_correction,
        "seconds": round(seconds, 2),
        "fields": {result.field: result.document() for result in results},
    }
    with work.database.write() as session:
        queue.hold(session, job)
        records.lock(session, workspace_id)
        number = records.next_number(settings, workspace_id)
        outcome = _outcome(overlay, records.in_use(settings, workspace_id, base), state)
        new = replace(overlay, number=number) if overlay is not None and outcome == "published" else None
        record |= {"number": number, "outcome": outcome, "model": new.version if new is not None else None}
        _audit(session, workspace_id, actor, record)
        queue.finish(session, job)
        active = records.save(settings, workspace_id, record, new)
        if active is not None or state.forgotten:
            learned.activate(settings, workspace_id, active)
            records.thin_out(settings, workspace_id, active)
        tag_again(session, settings, workspace_id)
    log.info("learnt from corrections: %s", outcome, extra={"workspace": workspace_id, "texts": len(state.given)})


def _outcome(overlay: Overlay | None, before: Active | None, state: _State) -> str:
    if overlay is None or not (overlay.heads or overlay.remembered):
        return "refused"
    if before is not None and not state.forgotten and overlay.content_hash == before.version.rpartition("-")[2]:
        return "unchanged"
    return "published"


def changes(session: Session, workspace_id: int, last: Record | None) -> int:
    """How many corrections were made or taken back since the last attempt."""
    if last is None:
        return standing(session, workspace_id)
    moment = datetime.fromisoformat(last["created_at"])
    return changed_since(session, workspace_id, int(last["last_correction"]), moment)


def tag_again(session: Session, settings: Settings, workspace_id: int) -> None:
    """Have the unsure items tagged again at once, all others in the background; last in a transaction."""
    enqueue_retag(session, workspace_id=workspace_id, which="unsure", priority=Priority.SINGLE)
    if settings.retag_old:
        enqueue_retag(session, workspace_id=workspace_id, which="all", priority=Priority.UPKEEP)


def _audit(session: Session, workspace_id: int, actor: str, record: Record) -> None:
    detail = {
        "outcome": record["outcome"],
        "because": record["because"],
        "texts": record["texts"],
        "fields": sorted(name for name, found in record["fields"].items() if found["adopted"]),
    }
    target = f"model:{record['model'] or record['base']}"
    session.add(
        AuditEvent(workspace_id=workspace_id, actor=actor, action="model.retrain", target=target, detail=detail)
    )
