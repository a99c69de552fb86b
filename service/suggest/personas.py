"""Personas: created, changed and removed by those who decide on the map."""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from service.errors import Conflict, NotFound
from service.moments import rfc3339
from service.said import Said, Short
from service.store import rollup_frame
from service.store.columns import now
from service.store.personas import matched, persona_row, persona_rows
from service.store.schema import Persona

MAX_PERSONAS: Final = 50
EXAMPLE: dict[str, Any] = {
    "name": "Returning shopper",
    "attributes": {"persona": ["returning shopper"], "country": ["DE", "AT"]},
    "description": "Buys every few weeks, knows what she wants, hates detours.",
}


class PersonaBody(BaseModel):
    """A persona: who they are, and which feedback is theirs. Several attributes narrow, several values widen."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Short, Field(max_length=80)]
    attributes: Annotated[
        dict[Short, Annotated[list[Short], Field(min_length=1, max_length=50)]], Field(min_length=1, max_length=20)
    ]
    description: Said | None = None


def listed(session: Session, *, workspace_id: int) -> list[dict[str, Any]]:
    """All personas, the oldest first."""
    frame = rollup_frame.load(session, workspace_id)
    return [_public(row, frame) for row in persona_rows(session, workspace_id)]


def names(session: Session, *, workspace_id: int) -> list[dict[str, Any]]:
    """All personas to choose from, {"id", "name", "attributes", "description"}; what is theirs is not counted."""
    return [
        {"id": row.public_id, "name": row.name, "attributes": row.attributes, "description": row.description}
        for row in persona_rows(session, workspace_id)
    ]


def one(session: Session, *, workspace_id: int, public_id: str) -> Persona:
    """A persona; NotFound where the workspace has none of this id."""
    row = persona_row(session, workspace_id, public_id)
    if row is None:
        raise NotFound("This persona does not exist.")
    return row


def add(session: Session, *, workspace_id: int, body: PersonaBody) -> dict[str, Any]:
    """A new persona; Conflict where the name is taken or there are too many."""
    rows = persona_rows(session, workspace_id)
    if len(rows) >= MAX_PERSONAS:
        raise Conflict(f"A workspace has at most {MAX_PERSONAS} personas.")
    if body.name.casefold() in {row.name.casefold() for row in rows}:
        raise Conflict(f"There is already a persona «{body.name}».")
    taken = {row.public_id for row in rows}
    slug = _slug(body.name)
    row = Persona(
        workspace_id=workspace_id,
        public_id=slug if slug and slug not in taken else f"{slug or 'persona'}-{secrets.token_hex(3)}",
        name=body.name,
        attributes=body.attributes,
        description=body.description,
    )
    session.add(row)
    session.flush()
    return public(session, row)


def replace(session: Session, *, workspace_id: int, public_id: str, body: PersonaBody) -> dict[str, Any]:
    """Write a persona anew; its id stays."""
    row = one(session, workspace_id=workspace_id, public_id=public_id)
    others = {other.name.casefold() for other in persona_rows(session, workspace_id) if other.id != row.id}
    if body.name.casefold() in others:
        raise Conflict(f"There is already a persona «{body.name}».")
    row.name, row.attributes, row.description = body.name, body.attributes, body.description
    row.updated_at = now()
    session.add(row)
    session.flush()
    return public(session, row)


def remove(session: Session, *, workspace_id: int, public_id: str) -> None:
    """Remove a persona; the versions of its map stay in the history."""
    session.delete(one(session, workspace_id=workspace_id, public_id=public_id))
    session.flush()


def public(session: Session, row: Persona) -> dict[str, Any]:
    """A persona as callers see it, with how much of the feedback so far is theirs."""
    return _public(row, rollup_frame.load(session, row.workspace_id))


def _public(row: Persona, frame: rollup_frame.Frame) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "name": row.name,
        "attributes": row.attributes,
        "description": row.description,
        "updated_at": rfc3339(row.updated_at),
        "matches": matched(frame, row.attributes),
    }


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
