"""Items with their texts in, labels stored: what first tagging and tagging again have in common.

Texts are read, tagged outside any transaction, and stored in one; an item that changed meanwhile is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, select
from sqlmodel import Session, col

from nlp.analysis import Analysis, SegmentAnalysis
from service.classify.active_model import Tagger, analyze
from service.store import rollups
from service.store.bulk import beside_ids, by_walk, insert_all, one_of
from service.store.columns import now
from service.store.schema import Classification, FeedbackItem
from service.store.shown import ItemLabels, shown_labels, standing_corrections, write_labels

CLASSIFICATIONS = Classification.__table__  # type: ignore[attr-defined]


class Input(NamedTuple):
    """What the pipeline is given of an item; equal again at storing time, or the result is dropped."""

    text_version: int
    text: str
    question: str | None
    translation: str | None


def read_inputs(
    session: Session,
    workspace_id: int,
    *conditions: ColumnElement[bool],
    newest: int | None = None,
    lock: bool = False,
) -> dict[int, Input]:
    """Item id to input of a workspace's items that fulfil the conditions, by id.

    One of the conditions says which ids, or `newest` how many at most, the newest ones.
    With `lock` the items stay as they are until the transaction ends.
    """
    workspace = col(FeedbackItem.workspace_id)
    found = select(
        col(FeedbackItem.id),
        col(FeedbackItem.text_version),
        col(FeedbackItem.text),
        col(FeedbackItem.question),
        col(FeedbackItem.translation),
    ).where(
        beside_ids(workspace, workspace_id) if newest is None else by_walk(session, workspace, workspace_id),
        *conditions,
    )
    if newest is not None:
        found = found.order_by(col(FeedbackItem.id).desc()).limit(newest)
    else:
        found = found.order_by(col(FeedbackItem.id))
    rows = session.execute(found.with_for_update() if lock else found).all()
    return {
        item_id: Input(version, text or "", question, translation)
        for item_id, version, text, question, translation in rows
    }


def unchanged(present: Mapping[int, Input], inputs: Mapping[int, Input]) -> list[int]:
    """The ids of those present items that are still as they were when they were tagged."""
    return [item_id for item_id, one in present.items() if one == inputs[item_id]]


def analyses_of(pipeline: Tagger, inputs: Mapping[int, Input]) -> dict[int, Analysis]:
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


def store_labels(
    session: Session,
    workspace_id: int,
    ids: Sequence[int],
    *,
    pipeline: Tagger,
    inputs: Mapping[int, Input],
    analyses: Mapping[int, Analysis],
) -> None:
    """Write the labels of these items, under what people said, and count the change.

    The caller holds the items' locks and has seen that they are unchanged.
    """
    if not ids:
        return
    before = rollups.snapshot(session, workspace_id, ids)
    moment = now()
    model = pipeline.model_version
    documents = {item_id: analyses[item_id].to_dict() for item_id in ids}
    _prune_classifications(session, ids, inputs, pipeline)
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
    insert_all(session, CLASSIFICATIONS, classifications)
    said = standing_corrections(session, {item_id: inputs[item_id].text_version for item_id in ids})
    written = [
        ItemLabels(
            item_id=item_id,
            shown=shown_labels(documents[item_id], said.get(item_id, ())),
            model=model,
            language=analyses[item_id].language,
            classified_at=moment,
        )
        for item_id in ids
    ]
    write_labels(session, workspace_id, written)
    after = _counted_after(session, workspace_id, before, written)
    rollups.apply(session, workspace_id, before=before, after=after)


def _counted_after(
    session: Session, workspace_id: int, before: rollups.Snapshot, written: Sequence[ItemLabels]
) -> rollups.Snapshot:
    """What is counted of the items now; read anew only where that does not follow from what was written."""
    records = {record.item_id: record for record in before}
    after, unknown = [], []
    for row in written:
        record = records.get(row.item_id)
        if record is None or not record.chars or row.language is None:
            unknown.append(row.item_id)  # without a detected language the declared one counts
            continue
        after.append(
            record.labelled(
                labels=row.shown.labels,
                unsure_reason=row.shown.unsure_reason,
                language=row.language,
                model=row.model,
                corrected=row.shown.corrected,
                segments=[segment.labels for segment in row.shown.segments],
            )
        )
    return [*after, *rollups.snapshot(session, workspace_id, unknown)]


def _prune_classifications(
    session: Session, ids: Sequence[int], inputs: Mapping[int, Input], pipeline: Tagger
) -> None:
    """Make room: of each item the previous model's classification is kept, older ones go.

    One of the same model and text is replaced (its question or translation has changed), and what the fast tier
    said goes once the accurate one has spoken.
    """
    model = pipeline.model_version
    rows = session.execute(
        select(
            col(Classification.id),
            col(Classification.item_id),
            col(Classification.text_version),
            col(Classification.model),
            col(Classification.tier),
        )
        .where(one_of(session, col(Classification.item_id), ids))
        .order_by(col(Classification.id).desc())
    ).all()
    previous: dict[int, Any] = {}
    gone = []
    for row in rows:  # newest first
        if row.model == model:
            if row.text_version == inputs[row.item_id].text_version:
                gone.append(row.id)
        else:
            provisional = row.tier == "fast" and pipeline.tier != "fast"
            if provisional or previous.setdefault(row.item_id, row.model) != row.model:
                gone.append(row.id)
    if gone:
        session.execute(
            delete(Classification)
            .where(col(Classification.id).in_(gone))
            .execution_options(synchronize_session=False)
        )
