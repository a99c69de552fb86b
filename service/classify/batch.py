"""Text becomes labels: the job kind "classify".

A slice of jobs is read, tagged outside any transaction, and stored in one: labels, classification, rollups,
import progress and the jobs' end stand or fall together. So a worker killed at any point loses nothing and
counts nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, insert, select
from sqlmodel import Session, col

from nlp.analysis import Analysis, SegmentAnalysis
from service.classify.active_model import Tagger, analyze, get_pipeline
from service.store import queue, rollups
from service.store.columns import now
from service.store.import_progress import give_up_tagging, import_progress
from service.store.queue import ClaimedJob, Priority
from service.store.schema import Classification, FeedbackItem
from service.store.shown import ItemLabels, shown_labels, standing_corrections, write_labels
from service.work import Work

SLICE_ITEMS = 500  # in one write transaction; longer ones would keep webhooks waiting on SQLite


@dataclass(frozen=True, slots=True)
class _Input:
    """What the pipeline is given of an item; equal again at storing time, or the result is dropped."""

    text_version: int
    text: str
    question: str | None
    translation: str | None


def classify(work: Work, jobs: Sequence[ClaimedJob]) -> Iterator[None]:
    """Tag the items of these jobs that still wait for it; yields after every transaction."""
    pipeline = get_pipeline(work.settings)
    for slice_ in _slices(jobs):
        _classify_slice(work, pipeline, slice_)
        yield


def given_up(work: Work, job: ClaimedJob, error: str) -> None:
    """Tagging failed again and again: the items stay untagged, an import that waits for them ends and says so."""
    import_id = job.payload.get("import_id")
    if import_id is not None:
        items = len(job.payload["items"])
        with work.database.write() as session:
            told = f"Some items could not be tagged ({error}); they are listed with the state «pending»."
            give_up_tagging(session, int(import_id), items=items, error=told)


def _slices(jobs: Sequence[ClaimedJob]) -> Iterator[list[ClaimedJob]]:
    """Whole jobs of one workspace with at most SLICE_ITEMS items together (a longer job stands alone)."""
    slice_: list[ClaimedJob] = []
    items = 0
    for job in jobs:
        size = len(job.payload["items"])
        if slice_ and (job.workspace_id != slice_[0].workspace_id or items + size > SLICE_ITEMS):
            yield slice_
            slice_, items = [], 0
        slice_.append(job)
        items += size
    if slice_:
        yield slice_


def _classify_slice(work: Work, pipeline: Tagger, jobs: Sequence[ClaimedJob]) -> None:
    workspace_id = jobs[0].workspace_id
    ids = sorted({int(item) for job in jobs for item in job.payload["items"]})
    with work.database.read() as session:
        inputs = _pending(session, workspace_id, ids)
    analyses = _analyses(pipeline, inputs)
    with work.database.write() as session:
        for job in jobs:
            queue.hold(session, job)
        _store(session, workspace_id, pipeline, inputs, analyses)
        for import_id, items in _looked_at(jobs).items():
            import_progress(session, import_id, tagged=items)
        for job in jobs:
            queue.finish(session, job)


def _looked_at(jobs: Sequence[ClaimedJob]) -> Counter[int]:
    """How many items of each import these jobs settle, the deleted and superseded ones included."""
    counts: Counter[int] = Counter()
    for job in jobs:
        if job.payload.get("import_id") is not None:
            counts[int(job.payload["import_id"])] += len(job.payload["items"])
    return counts


def _pending(session: Session, workspace_id: int, ids: Sequence[int], *, lock: bool = False) -> dict[int, _Input]:
    """The inputs of those items that wait to be tagged; with `lock` they stay as they are until the commit."""
    found = (
        select(
            col(FeedbackItem.id),
            col(FeedbackItem.text_version),
            col(FeedbackItem.text),
            col(FeedbackItem.question),
            col(FeedbackItem.translation),
        )
        .where(
            col(FeedbackItem.workspace_id) == workspace_id,
            col(FeedbackItem.id).in_(ids),
            col(FeedbackItem.state) == "pending",
        )
        .order_by(col(FeedbackItem.id))
    )
    rows = session.execute(found.with_for_update() if lock else found)
    return {row.id: _Input(row.text_version, row.text or "", row.question, row.translation) for row in rows}


def _analyses(pipeline: Tagger, inputs: dict[int, _Input]) -> dict[int, Analysis]:
    """Item id to analysis; the translation speaks for a text whose own language is not supported."""
    results = dict(
        zip(inputs, analyze(pipeline, [(one.text, one.question) for one in inputs.values()]), strict=True)
    )
    foreign = [
        item_id
        for item_id, analysis in results.items()
        if analysis.unsure_reason == "unsupported_language" and (inputs[item_id].translation or "").strip()
    ]
    translated = analyze(pipeline, [(inputs[one].translation or "", inputs[one].question) for one in foreign])
    for item_id, analysis in zip(foreign, translated, strict=True):
        results[item_id] = _on_whole_text(analysis, inputs[item_id].text, results[item_id].language)
    return results


def _on_whole_text(analysis: Analysis, text: str, language: str | None) -> Analysis:
    """The analysis of a translation, put on the text itself.

    Offsets into the translation mean nothing in the text, so that one segment covers all of it, with the item's
    labels (a mixed sentiment becomes that of the first segment, for a segment is never mixed).
    """
    if not analysis.segments:
        return replace(analysis, language=language)
    first = analysis.segments[0]
    mixed = analysis.sentiment is None or analysis.sentiment.label == "mixed"
    whole = SegmentAnalysis(
        start=len(text) - len(text.lstrip()),
        end=len(text.rstrip()),
        stage=analysis.stage or first.stage,
        emotion=analysis.emotion or first.emotion,
        sentiment=first.sentiment if mixed or analysis.sentiment is None else analysis.sentiment,
        topic=analysis.topic or first.topic,
        touchpoint=analysis.touchpoint or first.touchpoint,
    )
    return replace(analysis, language=language, segments=(whole,))


def _store(
    session: Session,
    workspace_id: int,
    pipeline: Tagger,
    inputs: dict[int, _Input],
    analyses: dict[int, Analysis],
) -> None:
    present = _pending(session, workspace_id, list(inputs), lock=True)
    changed = [item_id for item_id, one in present.items() if one != inputs[item_id]]
    if changed:
        # changed while it was being tagged: the new text must not wear the old one's labels
        queue.enqueue(
            session,
            workspace_id=workspace_id,
            kind="classify",
            payload={"items": changed, "import_id": None},
            priority=Priority.SINGLE,
        )
    ids = [item_id for item_id, one in present.items() if one == inputs[item_id]]
    if not ids:
        return
    before = rollups.snapshot(session, workspace_id, ids)
    moment = now()
    model = pipeline.model_version
    documents = {item_id: analyses[item_id].to_dict() for item_id in ids}
    _prune_classifications(session, ids, inputs, model)
    classifications = [
        {
            "workspace_id": workspace_id,
            "item_id": item_id,
            "text_version": inputs[item_id].text_version,
            "model": model,
            "tier": pipeline.tier,
            "analysis": documents[item_id],
            "classified_at": moment,
        }
        for item_id in ids
    ]
    session.execute(insert(Classification), classifications)
    said = standing_corrections(session, {item_id: inputs[item_id].text_version for item_id in ids})
    write_labels(
        session,
        workspace_id,
        [
            ItemLabels(
                item_id=item_id,
                shown=shown_labels(documents[item_id], said.get(item_id, ())),
                model=model,
                language=analyses[item_id].language,
                classified_at=moment,
            )
            for item_id in ids
        ],
    )
    after = rollups.snapshot(session, workspace_id, ids)
    rollups.apply(session, workspace_id, before=before, after=after)


def _prune_classifications(session: Session, ids: Sequence[int], inputs: dict[int, _Input], model: str) -> None:
    """Make room: of each item the previous model's classification is kept, older ones go.

    One of the same model and text is replaced (its question or translation has changed).
    """
    rows = session.execute(
        select(
            col(Classification.id),
            col(Classification.item_id),
            col(Classification.text_version),
            col(Classification.model),
        )
        .where(col(Classification.item_id).in_(ids))
        .order_by(col(Classification.id).desc())
    ).all()
    previous: dict[int, Any] = {}
    gone = []
    for row in rows:  # newest first
        if row.model == model:
            if row.text_version == inputs[row.item_id].text_version:
                gone.append(row.id)
        elif previous.setdefault(row.item_id, row.model) != row.model:
            gone.append(row.id)
    if gone:
        session.execute(
            delete(Classification)
            .where(col(Classification.id).in_(gone))
            .execution_options(synchronize_session=False)
        )
