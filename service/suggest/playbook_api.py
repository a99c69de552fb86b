"""The playbook over HTTP: what to try for which pain; workspaces add their own and word the shipped ones anew."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from service.dependencies import Db, Decider, JsonBody, ReadDb, Reader, json_body, parse_body
from service.errors import BadInput, FieldError
from service.idempotency import IdempotentRoute
from service.paging import Page
from service.store.schema import AuditEvent
from service.suggest import playbook_own
from service.suggest.playbook_own import EXAMPLE, PlaybookBody

router = APIRouter(tags=["playbook"], route_class=IdempotentRoute)
SHOWN = EXAMPLE | {
    "id": "own-5f0c21ab93de",
    "origin": "own",
    "actor": "person:maria",
    "updated_at": "2026-11-03T09:00:00Z",
    "used": {"agreed": 2, "rejected": 0},
}


class PlaybookEntryAnswer(BaseModel):
    """An entry of the playbook."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN]})

    id: str
    stage: str
    topics: list[str]
    pain: str = Field(description="The pattern as a CX lead would say it.")
    adaptation: str
    effort: str
    metric: str
    owner: str
    test: str = Field(description="A small first step.")
    idea: str = Field(description="Where it comes from in the field.")
    patterns: list[str] = Field(description="What customers say who have this pain; none: finding out why.")
    origin: str = Field(description="shipped, edited (a shipped one in the workspace's words) or own.")
    actor: str | None
    updated_at: str | None
    used: dict[str, int] = Field(description="Suggestions with it that were agreed to, and that were put aside.")


class PlaybookList(BaseModel):
    """A page of the playbook by id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [SHOWN], "next": None}]})

    data: list[PlaybookEntryAnswer]
    next: str | None


@router.get("/v1/playbook", response_model=PlaybookList, summary="What to try for which pain")
def list_playbook(
    caller: Reader,
    session: ReadDb,
    page: Page,
    stage: Annotated[str | None, Query(max_length=50, examples=["delivery"])] = None,
    topic: Annotated[str | None, Query(max_length=50, examples=["delivery"])] = None,
    touchpoint: Annotated[
        str | None, Query(max_length=50, description="Entries that speak of it.", examples=["checkout"])
    ] = None,
    q: Annotated[
        str | None,
        Query(max_length=200, description="Words that all stand in the entry.", examples=["late courier"]),
    ] = None,
) -> dict[str, Any]:
    """Shipped and own entries by id."""
    after = page.key()
    if after is not None and not isinstance(after, str):
        detail = "this cursor did not come from here; start without one"
        raise BadInput(f"cursor: {detail}", errors=[FieldError("/cursor", "bad_cursor", detail)])
    wanted = playbook_own.Wanted(stage=stage, topic=topic, touchpoint=touchpoint, text=q)
    rows = playbook_own.listed(
        session, workspace_id=caller.workspace_id, wanted=wanted, after=after, limit=page.limit + 1
    )
    shown = rows[: page.limit]
    return {"data": shown, "next": page.next_after(rows, shown[-1]["id"] if shown else None)}


@router.get("/v1/playbook/{id}", response_model=PlaybookEntryAnswer, summary="One entry of the playbook")
def read_entry(id: str, caller: Reader, session: ReadDb) -> dict[str, Any]:
    """One entry, shipped or the workspace's own."""
    return playbook_own.one(session, workspace_id=caller.workspace_id, entry_id=id)


@router.post(
    "/v1/playbook",
    status_code=201,
    response_model=PlaybookEntryAnswer,
    summary="Add an entry of one's own",
    openapi_extra=json_body(PlaybookBody, EXAMPLE),
)
def add_entry(caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """Suggestions use it from the next reading on, where customers' words fit its patterns."""
    made = playbook_own.add(
        session, workspace_id=caller.workspace_id, actor=caller.actor, body=parse_body(PlaybookBody, body)
    )
    _audit(session, caller.workspace_id, caller.actor, "playbook.add", made["id"])
    return made


@router.put(
    "/v1/playbook/{id}",
    response_model=PlaybookEntryAnswer,
    summary="Word an entry anew",
    openapi_extra=json_body(PlaybookBody, EXAMPLE),
)
def put_entry(id: str, caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """An own entry, or a shipped one in the workspace's words; what was decided on keeps the wording of then."""
    made = playbook_own.replace(
        session,
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        entry_id=id,
        body=parse_body(PlaybookBody, body),
    )
    _audit(session, caller.workspace_id, caller.actor, "playbook.replace", id)
    return made


@router.delete("/v1/playbook/{id}", status_code=204, summary="Remove an entry of one's own")
def delete_entry(id: str, caller: Decider, session: Db) -> Response:
    """Of a shipped entry the workspace's wording is removed: the shipped one is back."""
    playbook_own.remove(session, workspace_id=caller.workspace_id, entry_id=id)
    _audit(session, caller.workspace_id, caller.actor, "playbook.remove", id)
    return Response(status_code=204)


def _audit(session: Db, workspace_id: int, actor: str, action: str, target: str) -> None:
    session.add(AuditEvent(workspace_id=workspace_id, actor=actor, action=action, target=target))
