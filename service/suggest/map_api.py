"""The map as a thing over HTTP: personas, what people write on it, its versions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.dependencies import Db, Decider, JsonBody, ReadDb, Reader, json_body, parse_body
from service.idempotency import IdempotentRoute
from service.paging import Page, row_id
from service.said import Said
from service.store.schema import AuditEvent
from service.suggest import map_document, map_versions, personas
from service.suggest.map_document import Document, DocumentBody, ExportBody
from service.suggest.personas import PersonaBody

router = APIRouter(tags=["map document"], route_class=IdempotentRoute)

PERSONA = personas.EXAMPLE | {
    "id": "returning-shopper",
    "updated_at": "2026-11-03T09:00:00Z",
    "matches": {"items": 412, "customers": 288},
}
NOTES = {
    "stage": "Conversion",
    "goal": "Have it ordered within two minutes",
    "key_action": "Places the order",
    "motivations": ["Needs it by the weekend"],
    "opportunities": ["Order again with one tap"],
    "metrics": ["Checkout completion"],
    "owner": "Maria",
    "notes": "Agreed in the October workshop",
}
DOCUMENT = {
    "model": "7-stage",
    "goal": "A wardrobe without detours",
    "stages": [NOTES],
    "rows": [{"name": "Systems behind it", "cells": {"Conversion": "Shop, payment provider"}}],
    "order": ["goal", "feedback", "curve", "own.Systems behind it"],
}
CHANGE = {
    "suggestion_id": "purchase.ease_of_use",
    "stage": "purchase",
    "topic": "ease_of_use",
    "adaptation": "Cut the checkout to one page.",
    "status": "live",
    "owner": "Maria",
}
CURRENT = {
    "persona": None,
    "version": "7",
    "at": "2026-11-03T09:00:00Z",
    "actor": "person:maria",
    "document": DOCUMENT,
    "changes": [CHANGE],
}
VERSION: dict[str, Any] = {
    "id": "7",
    "at": "2026-11-03T09:00:00Z",
    "actor": "person:maria",
    "decision": "accept",
    "persona": None,
    "suggestion_id": "purchase.ease_of_use",
    "stage": "purchase",
    "topic": "ease_of_use",
    "adaptation": "Cut the checkout to one page.",
    "previous": None,
    "owner": "Maria",
    "reason": "Worst point of the autumn survey",
    "effective_at": None,
    "numbers": {"size": {"count": 42, "n": 310}, "priority": 5.782},
}
WHOLE = VERSION | {
    "document": DOCUMENT,
    "changes": [CHANGE],
    "evidence": [{"feedback_id": "1042", "start": 0, "end": 44}],
}
COMPARED = {
    "from": WHOLE | {"id": "6", "changes": []},
    "to": WHOLE,
    "document": [{"stage": "Conversion", "field": "owner", "from": None, "to": "Maria"}],
    "changes": {"added": [CHANGE], "removed": [], "altered": []},
}


def _shows(example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]}, populate_by_name=True)


class PersonaAnswer(BaseModel):
    """A persona and which feedback is theirs."""

    model_config = _shows(PERSONA)

    id: str
    name: str
    attributes: dict[str, list[str]]
    description: str | None
    updated_at: datetime | None
    matches: dict[str, int] = Field(description="Items of all time that are theirs, and of how many customers.")


class PersonaList(BaseModel):
    """All personas, the oldest first."""

    model_config = _shows({"data": [PERSONA], "next": None})

    data: list[PersonaAnswer]
    next: None = None


class MapDocumentAnswer(BaseModel):
    """The written part of the map, an entry for each column, and the changes agreed on."""

    model_config = _shows(CURRENT)

    persona: str | None = Field(description="Null: the map of everybody.")
    version: str | None = Field(description="Null: nobody has written anything yet.")
    at: datetime | None
    actor: str | None
    document: Document
    changes: list[dict[str, Any]]


class ExportAnswer(ExportBody):
    """Personas and documents, to be imported here or elsewhere."""

    model_config = _shows(
        {
            "format": 1,
            "personas": [personas.EXAMPLE],
            "documents": [{"persona": "Returning shopper", "document": DOCUMENT}],
        }
    )


class MapImported(BaseModel):
    """How many were taken in."""

    model_config = _shows({"personas": 1, "documents": 2})

    personas: int
    documents: int


class MapVersionAnswer(BaseModel):
    """A version of the map: what was decided, written, imported or restored, by whom and why."""

    model_config = _shows(VERSION)

    id: str
    at: datetime
    actor: str
    decision: str = Field(description="accept, edit, roll_back; document, import, restore.")
    persona: str | None
    suggestion_id: str | None = Field(description="Null where no decision made the version, as what follows.")
    stage: str | None
    topic: str | None
    adaptation: str | None
    previous: str | None = Field(description="The wording before an edit.")
    owner: str | None
    reason: str | None
    effective_at: datetime | None
    numbers: dict[str, Any]


class MapVersionList(BaseModel):
    """A page of the map's history, the newest first."""

    model_config = _shows({"data": [VERSION], "next": None})

    data: list[MapVersionAnswer]
    next: str | None


class WholeVersion(MapVersionAnswer):
    """A version with what was written, which changes stood on the map, and what it rested on."""

    model_config = _shows(WHOLE)

    document: Document
    changes: list[dict[str, Any]]
    evidence: list[dict[str, Any]] = Field(description="Feedback by id and span; GET /v1/feedback/{id} has words.")


class ComparedAnswer(BaseModel):
    """Two versions side by side."""

    model_config = _shows(COMPARED)

    from_: WholeVersion = Field(alias="from")
    to: WholeVersion
    document: list[dict[str, Any]] = Field(description="What is written differently; stage null: the whole map.")
    changes: dict[str, list[dict[str, Any]]]


class RestoreBody(BaseModel):
    """Why an earlier version is restored."""

    model_config = ConfigDict(extra="forbid")

    reason: Said | None = None


PersonaQuery = Annotated[str | None, Query(max_length=200, description="A persona's id.", examples=["buyer"])]


@router.get("/v1/personas", response_model=PersonaList, summary="Personas")
def list_personas(caller: Reader, session: ReadDb) -> dict[str, Any]:
    """Whose journeys are looked at apart; `persona=` filters map, trends and suggestions."""
    return {"data": personas.listed(session, workspace_id=caller.workspace_id), "next": None}


@router.get("/v1/personas/{id}", response_model=PersonaAnswer, summary="One persona")
def read_persona(id: str, caller: Reader, session: ReadDb) -> dict[str, Any]:
    """Name and attributes."""
    return personas.public(session, personas.one(session, workspace_id=caller.workspace_id, public_id=id))


@router.post(
    "/v1/personas",
    status_code=201,
    response_model=PersonaAnswer,
    summary="Create a persona",
    openapi_extra=json_body(PersonaBody, personas.EXAMPLE),
)
def add_persona(caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """A name and the attributes of the feedback that is theirs; nothing is tagged or counted anew."""
    made = personas.add(session, workspace_id=caller.workspace_id, body=parse_body(PersonaBody, body))
    _audit(session, caller, "persona.create", made["id"])
    return made


@router.put(
    "/v1/personas/{id}",
    response_model=PersonaAnswer,
    summary="Change a persona",
    openapi_extra=json_body(PersonaBody, personas.EXAMPLE),
)
def put_persona(id: str, caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """Name, attributes and description anew; its id stays."""
    parsed = parse_body(PersonaBody, body)
    made = personas.replace(session, workspace_id=caller.workspace_id, public_id=id, body=parsed)
    _audit(session, caller, "persona.replace", id)
    return made


@router.delete("/v1/personas/{id}", status_code=204, summary="Remove a persona")
def delete_persona(id: str, caller: Decider, session: Db) -> Response:
    """The versions of its map stay in the history."""
    personas.remove(session, workspace_id=caller.workspace_id, public_id=id)
    _audit(session, caller, "persona.remove", id)
    return Response(status_code=204)


@router.get("/v1/map-document", response_model=MapDocumentAnswer, summary="What is written on the map")
def read_document(caller: Reader, session: ReadDb, persona: PersonaQuery = None) -> dict[str, Any]:
    """Goals, key actions, motivations, opportunities, owners and notes by column, for everybody or a persona."""
    return map_document.current(session, workspace_id=caller.workspace_id, persona=persona)


@router.put(
    "/v1/map-document",
    response_model=MapDocumentAnswer,
    summary="Write on the map",
    openapi_extra=json_body(DocumentBody, {"document": DOCUMENT, "reason": "October workshop", "based_on": None}),
)
def put_document(caller: Decider, session: Db, body: JsonBody, persona: PersonaQuery = None) -> dict[str, Any]:
    """A new version; the one before stays and can be restored. 409 with `based_on` where somebody was quicker."""
    return map_document.put(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        persona=persona,
        body=parse_body(DocumentBody, body),
    )


@router.get("/v1/map-document/export", response_model=ExportAnswer, summary="Take the written map away")
def export_document(caller: Reader, session: ReadDb) -> dict[str, Any]:
    """Personas and documents as JSON; nothing of any customer."""
    return map_document.exported(session, workspace_id=caller.workspace_id)


@router.post(
    "/v1/map-document/import",
    response_model=MapImported,
    summary="Take a written map in",
    openapi_extra=json_body(
        ExportBody,
        {
            "format": 1,
            "personas": [personas.EXAMPLE],
            "documents": [{"persona": "Returning shopper", "document": DOCUMENT}],
        },
    ),
)
def import_document(caller: Decider, session: Db, body: JsonBody) -> dict[str, int]:
    """Personas by name, each document as a new version; all of it or nothing."""
    parsed = parse_body(ExportBody, body)
    return map_document.imported(session, workspace_id=caller.workspace_id, actor=caller.actor, body=parsed)


@router.get("/v1/map-versions", response_model=MapVersionList, tags=["suggestions"], summary="The map's history")
def list_map_versions(caller: Reader, session: ReadDb, page: Page, persona: PersonaQuery = None) -> dict[str, Any]:
    """Each version, the newest first: changes that were decided, and what was written; by whom and why."""
    rows = map_versions.listed(
        session,
        workspace_id=caller.workspace_id,
        limit=page.limit + 1,
        before_id=page.key_id(),
        persona=persona,
    )
    shown = rows[: page.limit]
    return {"data": shown, "next": page.next_after(rows, int(shown[-1]["id"]) if shown else None)}


@router.get(
    "/v1/map-versions/{id}", response_model=WholeVersion, tags=["suggestions"], summary="One version of the map"
)
def read_map_version(id: str, caller: Reader, session: ReadDb) -> dict[str, Any]:
    """A version with what was written, the changes that stood on the map, and the numbers that it rested on."""
    return map_versions.one(session, workspace_id=caller.workspace_id, version_id=_version(id))


@router.get("/v1/map-versions/{id}/compare", response_model=ComparedAnswer, summary="Two versions side by side")
def compare_map_versions(
    id: str,
    caller: Reader,
    session: ReadDb,
    to: Annotated[str, Query(description="The other version's id.", max_length=20, examples=["9"])],
) -> dict[str, Any]:
    """What is written differently, and which changes came, went or moved on from one to the other."""
    return map_versions.compared(
        session, workspace_id=caller.workspace_id, version_id=_version(id), to=_version(to)
    )


@router.post(
    "/v1/map-versions/{id}/restore",
    response_model=WholeVersion,
    summary="Restore a version",
    openapi_extra=json_body(RestoreBody, {"reason": "The workshop's wording was better"}),
)
def restore_map_version(id: str, caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """What was written then, as a new version; decisions on suggestions stay as they are."""
    return map_versions.restore(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        version_id=_version(id),
        reason=parse_body(RestoreBody, body).reason,
    )


def _version(text: str) -> int:
    return row_id(text, "This version")


def _audit(session: Db, caller: Decider, action: str, target: str) -> None:
    session.add(AuditEvent(workspace_id=caller.workspace_id, actor=caller.actor, action=action, target=target))
