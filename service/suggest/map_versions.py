"""The versions of the map: who changed what, when and why; compared side by side, and restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from service.errors import NotFound
from service.store.schema import MapVersion, Suggestion, SuggestionDecision
from service.suggest import map_document

Row = tuple[MapVersion, SuggestionDecision | None, Suggestion | None]


def record(session: Session, *, decision: SuggestionDecision, evidence: list[dict[str, Any]]) -> MapVersion:
    """The version that a decision makes: the document of everybody as it is, with the changes agreed on now.

    `evidence` names feedback by id and span, never its words: who is erased is gone here as well.
    """
    before = map_document.newest(session, decision.workspace_id, map_document.EVERYBODY)
    return map_document.write(
        session,
        workspace_id=decision.workspace_id,
        actor=decision.actor,
        persona=map_document.EVERYBODY,
        kind=decision.decision,
        document=before.document if before is not None else {},
        reason=decision.reason,
        decision_id=decision.id,
        evidence=evidence,
    )


def listed(
    session: Session,
    *,
    workspace_id: int,
    limit: int,
    before_id: int | None = None,
    persona: str | None = None,
) -> list[dict[str, Any]]:
    """Versions, the newest first, without their documents."""
    query = _query(workspace_id)
    if before_id is not None:
        query = query.where(col(MapVersion.id) < before_id)
    if persona is not None:
        query = query.where(col(MapVersion.persona) == persona)
    return [_told(*row) for row in session.execute(query.order_by(col(MapVersion.id).desc()).limit(limit)).all()]


def one(session: Session, *, workspace_id: int, version_id: int) -> dict[str, Any]:
    """A version with its document, the changes that stood on the map, and its evidence."""
    version, decision, suggestion = _row(session, workspace_id, version_id)
    return _told(version, decision, suggestion) | {
        "document": map_document.Document(**version.document).model_dump(),
        "changes": version.changes,
        "evidence": version.evidence,
    }


def compared(session: Session, *, workspace_id: int, version_id: int, to: int) -> dict[str, Any]:
    """Two versions side by side: what is written differently, and which changes came, went or moved on."""
    left = one(session, workspace_id=workspace_id, version_id=version_id)
    right = one(session, workspace_id=workspace_id, version_id=to)
    before, after = _flat(left["document"]), _flat(right["document"])
    was = {row["suggestion_id"]: row for row in left["changes"]}
    now = {row["suggestion_id"]: row for row in right["changes"]}
    return {
        "from": left,
        "to": right,
        "document": [
            {"stage": stage, "field": field, "from": before.get((stage, field)), "to": after.get((stage, field))}
            for stage, field in dict.fromkeys([*before, *after])
            if before.get((stage, field)) != after.get((stage, field))
        ],
        "changes": {
            "added": [row for key, row in now.items() if key not in was],
            "removed": [row for key, row in was.items() if key not in now],
            "altered": [
                {"suggestion_id": key, "from": was[key], "to": row}
                for key, row in now.items()
                if key in was and was[key] != row
            ],
        },
    }


def restore(
    session: Session, *, workspace_id: int, actor: str, version_id: int, reason: str | None
) -> dict[str, Any]:
    """Write an earlier version's document again, as a new version of the same persona's map.

    What was decided on suggestions stays: a change that runs is not undone by words; roll it back instead.
    """
    version, _, _ = _row(session, workspace_id, version_id)
    made = map_document.write(
        session,
        workspace_id=workspace_id,
        actor=actor,
        persona=version.persona,
        kind="restore",
        document=version.document,
        reason=reason or f"Version {version.id} restored",
    )
    assert made.id is not None
    return one(session, workspace_id=workspace_id, version_id=made.id)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two documents say the same, whatever is empty in them."""
    return _flat(one) == _flat(other)


def _query(workspace_id: int) -> Any:
    return (
        select(MapVersion, SuggestionDecision, Suggestion)
        .join(SuggestionDecision, col(SuggestionDecision.id) == col(MapVersion.decision_id), isouter=True)
        .join(Suggestion, col(Suggestion.id) == col(SuggestionDecision.suggestion_id), isouter=True)
        .where(MapVersion.workspace_id == workspace_id)
    )


def _row(session: Session, workspace_id: int, version_id: int) -> Row:
    found = session.execute(_query(workspace_id).where(col(MapVersion.id) == version_id)).first()
    if found is None:
        raise NotFound("This version does not exist.")
    version, decision, suggestion = found
    return version, decision, suggestion


def _told(
    version: MapVersion, decision: SuggestionDecision | None, suggestion: Suggestion | None
) -> dict[str, Any]:
    new: Mapping[str, Any] = decision.new if decision is not None else {}
    edited = decision is not None and decision.decision == "edit"
    return {
        "id": str(version.id),
        "at": version.at,
        "actor": version.actor,
        "decision": version.kind,
        "persona": version.persona or None,
        "suggestion_id": f"{suggestion.stage}.{suggestion.topic}" if suggestion is not None else None,
        "stage": suggestion.stage if suggestion is not None else None,
        "topic": suggestion.topic if suggestion is not None else None,
        "adaptation": new.get("adaptation"),
        "previous": decision.old.get("adaptation") if decision is not None and edited else None,
        "owner": new.get("owner"),
        "reason": version.reason,
        "effective_at": decision.effective_at if decision is not None else None,
        "numbers": decision.numbers if decision is not None else {},
    }


def _flat(document: Mapping[str, Any]) -> dict[tuple[str | None, str], Any]:
    """What is written, by column (None: on the map as a whole) and field; what is empty is not there."""
    found: dict[tuple[str | None, str], Any] = {(None, "model"): document["model"]}
    if document["goal"]:
        found[None, "goal"] = document["goal"]
    for stage in document["stages"]:
        for field, value in stage.items():
            if field != "stage" and value:
                found[stage["stage"], field] = value
    if document["rows"]:
        found[None, "rows"] = [row["name"] for row in document["rows"]]
    for row in document["rows"]:
        found |= {(stage, f"rows.{row['name']}"): text for stage, text in row["cells"].items()}
    if document["order"]:
        found[None, "order"] = document["order"]
    return found
