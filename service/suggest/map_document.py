"""What people write on the map beside its numbers: goals, key actions, motivations, owners, notes, opportunities.

One document for everybody and one a persona. Each change is a new version (see map_versions.py); the newest is the
document. Changes that were agreed on stand on the map of everybody, computed from what was decided.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session, col, select

from service.errors import BadInput, Conflict, FieldError, NotFound
from service.moments import rfc3339
from service.said import Said, Short
from service.store.journey_models import USUAL_MODEL, journey_model
from service.store.personas import persona_row, persona_rows
from service.store.rollup_codes import codebook
from service.store.schema import MapVersion, Suggestion
from service.suggest import personas

EVERYBODY: Final = ""  # the persona of the map of everybody
FORMAT: Final = 1
ON_THE_MAP: Final = ("accepted", "edited", "planned", "testing", "live", "kept")


class StageNotes(BaseModel):
    """What is written on one column of the map."""

    model_config = ConfigDict(extra="forbid")

    stage: Short
    goal: Said | None = None
    key_action: Said | None = None
    motivations: Annotated[list[Short], Field(max_length=20)] = Field(default_factory=list)
    opportunities: Annotated[list[Said], Field(max_length=20)] = Field(default_factory=list)
    metrics: Annotated[list[Short], Field(max_length=20)] = Field(default_factory=list)
    owner: Short | None = None
    notes: Said | None = None


class OwnRow(BaseModel):
    """A row that a workspace adds to its map: a name, and what is written at the columns."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Short, Field(max_length=80)]
    cells: Annotated[dict[Short, Said], Field(max_length=20)] = Field(default_factory=dict)


class Document(BaseModel):
    """The written part of a map: the customer's goal as a whole, notes for columns of a journey model, own rows.

    `order` are the rows of the map from the top down, own ones as "own.<name>"; those it does not name follow in
    their usual order.
    """

    model_config = ConfigDict(extra="forbid")

    model: Short = USUAL_MODEL
    goal: Said | None = None
    stages: Annotated[list[StageNotes], Field(max_length=20)] = Field(default_factory=list)
    rows: Annotated[list[OwnRow], Field(max_length=20)] = Field(default_factory=list)
    order: Annotated[list[Short], Field(max_length=60)] = Field(default_factory=list)


class DocumentBody(BaseModel):
    """The document as it is to be. With `based_on` it is refused where somebody has written a version since."""

    model_config = ConfigDict(extra="forbid")

    document: Document
    reason: Said | None = None
    based_on: Short | None = None


class PersonaDocument(BaseModel):
    """A document of an export; no persona: that of everybody."""

    model_config = ConfigDict(extra="forbid")

    persona: Short | None = None
    document: Document


class ExportBody(BaseModel):
    """All documents and personas of a workspace, as exported."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    format_: int = Field(alias="format", ge=FORMAT, le=FORMAT)
    personas: Annotated[list[personas.PersonaBody], Field(max_length=personas.MAX_PERSONAS)]
    documents: Annotated[list[PersonaDocument], Field(max_length=personas.MAX_PERSONAS + 1)]


def newest(session: Session, workspace_id: int, persona: str) -> MapVersion | None:
    """The newest version of a persona's document; of everybody's, also those made by decisions."""
    return session.exec(
        select(MapVersion)
        .where(MapVersion.workspace_id == workspace_id, MapVersion.persona == persona)
        .order_by(col(MapVersion.id).desc())
        .limit(1)
    ).first()


def current(session: Session, *, workspace_id: int, persona: str | None) -> dict[str, Any]:
    """The document as it stands, with the version it is of and the changes agreed on."""
    key = _key(session, workspace_id, persona)
    row = newest(session, workspace_id, key)
    return {
        "persona": persona or None,
        "version": str(row.id) if row is not None else None,
        "at": rfc3339(row.at) if row is not None else None,
        "actor": row.actor if row is not None else None,
        "document": _with_columns(session, workspace_id, row.document if row is not None else {}),
        "changes": agreed(session, workspace_id),
    }


def put(
    session: Session, *, workspace_id: int, actor: str, persona: str | None, body: DocumentBody
) -> dict[str, Any]:
    """Write a new version; Conflict where it is based on one that is no longer the newest."""
    key = _key(session, workspace_id, persona)
    _check(session, workspace_id, body.document, "/document")
    row = newest(session, workspace_id, key)
    if body.based_on is not None and body.based_on != (str(row.id) if row is not None else ""):
        who = f" by {row.actor}" if row is not None else ""
        raise Conflict(f"The map was changed{who} meanwhile; read it again and write on top of that.")
    write(
        session,
        workspace_id=workspace_id,
        actor=actor,
        persona=key,
        kind="document",
        document=body.document.model_dump(),
        reason=body.reason,
    )
    return current(session, workspace_id=workspace_id, persona=persona)


def write(
    session: Session,
    *,
    workspace_id: int,
    actor: str,
    persona: str,
    kind: str,
    document: dict[str, Any],
    reason: str | None,
    decision_id: int | None = None,
    evidence: list[dict[str, Any]] | None = None,
) -> MapVersion:
    """A new version; nothing is ever written over."""
    row = MapVersion(
        workspace_id=workspace_id,
        persona=persona,
        actor=actor,
        kind=kind,
        decision_id=decision_id,
        document=document,
        changes=agreed(session, workspace_id),
        evidence=evidence or [],
        reason=reason,
    )
    session.add(row)
    session.flush()
    return row


def agreed(session: Session, workspace_id: int) -> list[dict[str, Any]]:
    """The changes that stand on the map now."""
    rows = session.exec(
        select(Suggestion)
        .where(Suggestion.workspace_id == workspace_id, col(Suggestion.status).in_(ON_THE_MAP))
        .order_by(col(Suggestion.id))
    ).all()
    return [
        {
            "suggestion_id": f"{row.stage}.{row.topic}",
            "stage": row.stage,
            "topic": row.topic,
            "adaptation": row.adaptation,
            "status": row.status,
            "owner": row.owner,
        }
        for row in rows
    ]


def exported(session: Session, *, workspace_id: int) -> dict[str, Any]:
    """Personas and documents, to be kept or taken to another workspace. Nothing of any customer."""
    rows = persona_rows(session, workspace_id)
    documents = []
    for key in (EVERYBODY, *(row.public_id for row in rows)):
        row = newest(session, workspace_id, key)
        if row is not None:
            name = next((one.name for one in rows if one.public_id == key), None)
            documents.append({"persona": name, "document": Document(**row.document).model_dump()})
    people = [{"name": row.name, "attributes": row.attributes, "description": row.description} for row in rows]
    return {"format": FORMAT, "personas": people, "documents": documents}


def imported(session: Session, *, workspace_id: int, actor: str, body: ExportBody) -> dict[str, Any]:
    """Take an export in: personas by name, each document as a new version. All of it or nothing."""
    known = {row.name.casefold(): row.public_id for row in persona_rows(session, workspace_id)}
    for one in body.personas:
        if one.name.casefold() not in known:
            made = personas.add(session, workspace_id=workspace_id, body=one)
            known[one.name.casefold()] = made["id"]
        else:
            personas.replace(session, workspace_id=workspace_id, public_id=known[one.name.casefold()], body=one)
    for place, told in enumerate(body.documents):
        key = EVERYBODY if told.persona is None else known.get(told.persona.casefold())
        at = f"/documents/{place}"
        if key is None:
            detail = "this persona is not among the personas"
            raise BadInput(f"{at}/persona: {detail}", errors=[FieldError(f"{at}/persona", "unknown", detail)])
        _check(session, workspace_id, told.document, f"{at}/document")
        write(
            session,
            workspace_id=workspace_id,
            actor=actor,
            persona=key,
            kind="import",
            document=told.document.model_dump(),
            reason=None,
        )
    return {"personas": len(body.personas), "documents": len(body.documents)}


def _key(session: Session, workspace_id: int, persona: str | None) -> str:
    if not persona:
        return EVERYBODY
    if persona_row(session, workspace_id, persona) is None:
        raise NotFound("This persona does not exist.")
    return persona


def _with_columns(session: Session, workspace_id: int, document: dict[str, Any]) -> dict[str, Any]:
    """The document with an entry for each column of its model; what stands on lost columns comes at the end."""
    told = Document(**document)
    try:
        model = journey_model(session, workspace_id=workspace_id, model_id=told.model, codebook=codebook())
        columns = [column.name for column in model.stages]
    except BadInput:  # the model is gone: the words stay
        columns = []
    written = {one.stage: one for one in told.stages}
    names = [*columns, *(name for name in written if name not in columns)]
    stages = [written.get(name) or StageNotes(stage=name) for name in names]
    return told.model_copy(update={"stages": stages}).model_dump()


def _check(session: Session, workspace_id: int, document: Document, at: str) -> None:
    """Whether every note stands on a column of the model, once; BadInput naming each that does not."""
    try:
        model = journey_model(session, workspace_id=workspace_id, model_id=document.model, codebook=codebook())
    except BadInput as error:
        detail = "there is no journey model of this id"
        raise BadInput(f"{at}/model: {detail}", errors=[FieldError(f"{at}/model", "unknown", detail)]) from error
    columns = {column.name for column in model.stages}
    errors, seen = [], set()
    for place, one in enumerate(document.stages):
        if one.stage not in columns:
            detail = f"columns of this model are {', '.join(column.name for column in model.stages)}"
            errors.append(FieldError(f"{at}/stages/{place}/stage", "unknown_stage", detail))
        elif one.stage in seen:
            errors.append(FieldError(f"{at}/stages/{place}/stage", "duplicate", "this column stands twice"))
        seen.add(one.stage)
    names = [row.name.casefold() for row in document.rows]
    for place, row in enumerate(document.rows):
        if row.name.casefold() in names[:place]:
            errors.append(FieldError(f"{at}/rows/{place}/name", "duplicate", f"there are two rows «{row.name}»"))
        if not row.cells.keys() <= columns:
            detail = f"columns of this model are {', '.join(column.name for column in model.stages)}"
            errors.append(FieldError(f"{at}/rows/{place}/cells", "unknown_stage", detail))
    if errors:
        raise BadInput("; ".join(f"{one.pointer}: {one.detail}" for one in errors[:5]), errors=errors)
