"""Who may come in, over HTTP: keys of programs, people with their roles, and the log of who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import delete, func, select, update
from sqlmodel import Session, col

from service import auth
from service.auth import Caller
from service.dependencies import Admin, Db, JsonBody, ReadDb, SettingsOf, json_body, parse_body
from service.errors import Conflict, NotFound
from service.idempotency import IdempotentRoute, not_for_replay
from service.paging import Page, PageQuery, row_id
from service.settings import Settings
from service.store.columns import now
from service.store.schema import ApiKey, AuditEvent, BrowserSession, Person, SignInLink, Workspace

router = APIRouter(tags=["workspace"], route_class=IdempotentRoute)

Scope = Literal["ingest", "read", "review", "admin"]
Role = Literal["viewer", "analyst", "lead", "admin"]
_AT = "2026-11-20T09:14:03Z"
_KEY: dict[str, Any] = {
    "id": "4",
    "name": "Nightly export",
    "scopes": ["read"],
    "created_at": _AT,
    "revoked_at": None,
}
_PERSON: dict[str, Any] = {"id": "2", "name": "Maria", "role": "lead", "created_at": _AT, "disabled_at": None}
_EVENT: dict[str, Any] = {
    "id": "31",
    "at": _AT,
    "actor": "person:Maria",
    "action": "key.create",
    "target": "Nightly export",
    "detail": {"scopes": ["read"]},
}


def _named(text: str) -> str:
    text = " ".join(text.replace("\x00", "").split())
    if not text:
        raise ValueError("must not be blank")
    return text


Name = Annotated[str, Field(max_length=120), AfterValidator(_named)]


class NewKey(BaseModel):
    """A key to make: what it is for, and what it may do."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1)]


class KeyView(BaseModel):
    """A key without itself: only its hash is stored."""

    model_config = ConfigDict(json_schema_extra={"example": _KEY})

    id: str
    name: str
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


class CreatedKey(KeyView):
    """With the key, shown this once (null when the answer is replayed)."""

    model_config = ConfigDict(json_schema_extra={"example": _KEY | {"key": "jm_nW1…"}})

    key: str | None


class KeyList(BaseModel):
    """All keys, those that hold first, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [_KEY], "next": None}})

    data: list[KeyView]
    next: str | None


class NewPerson(BaseModel):
    """Somebody to invite; one of this name gets the role and a new link."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: Role


class PersonView(BaseModel):
    """Somebody with a role: viewer (numbers), analyst (words and labels), lead (decisions), admin."""

    model_config = ConfigDict(json_schema_extra={"example": _PERSON})

    id: str
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


class InvitedPerson(PersonView):
    """With the link that signs them in once, shown this once (null when the answer is replayed)."""

    model_config = ConfigDict(
        json_schema_extra={"example": _PERSON | {"link": "https://journeymap.example.com/sign-in?token=7Qp…"}}
    )

    link: str | None


class PersonList(BaseModel):
    """Everybody, those who may sign in first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [_PERSON], "next": None}})

    data: list[PersonView]
    next: str | None


class AuditView(BaseModel):
    """One thing that was changed; never customers' words."""

    id: str
    at: datetime
    actor: str
    action: str
    target: str
    detail: dict[str, Any]


class AuditList(BaseModel):
    """A page of the log, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"data": [_EVENT], "next": None}})

    data: list[AuditView]
    next: str | None


@router.get("/v1/keys", response_model=KeyList, summary="Keys of programs")
def list_keys(caller: Admin, session: ReadDb) -> KeyList:
    """What programs may do here; a key itself is never shown again."""
    rows = session.execute(
        select(ApiKey)
        .where(col(ApiKey.workspace_id) == caller.workspace_id)
        .order_by(col(ApiKey.revoked_at).is_not(None), col(ApiKey.id).desc())
    ).scalars()
    return KeyList(data=[_key(row) for row in rows], next=None)


@router.post(
    "/v1/keys",
    status_code=201,
    response_model=CreatedKey,
    openapi_extra=json_body(NewKey, {"name": "Nightly export", "scopes": ["read"]}),
    summary="Make a key",
)
def post_key(request: Request, caller: Admin, body: JsonBody, session: Db) -> CreatedKey:
    """Scopes are ingest, read, review and admin. The key stands in this answer only."""
    made = make_key(session, caller, parse_body(NewKey, body))
    not_for_replay(request, "key")
    return made


def make_key(session: Session, caller: Caller, asked: NewKey) -> CreatedKey:
    """As `journeymap create-key` does it, in the caller's name."""
    workspace = session.get_one(Workspace, caller.workspace_id)
    key = auth.create_key(
        session, workspace=workspace, scopes=list(asked.scopes), name=asked.name, actor=caller.actor
    )
    session.flush()
    row = session.execute(select(ApiKey).where(col(ApiKey.key_hash) == auth.token_hash(key))).scalar_one()
    return CreatedKey(**_key(row).model_dump(), key=key)


@router.delete("/v1/keys/{key_id}", status_code=204, summary="Revoke a key")
def revoke_key(key_id: str, caller: Admin, session: Db) -> Response:
    """From now on the key is not known here; what it did stays."""
    row = session.execute(
        select(ApiKey).where(
            col(ApiKey.workspace_id) == caller.workspace_id, col(ApiKey.id) == row_id(key_id, "This key")
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("This key does not exist.")
    if row.revoked_at is None:
        row.revoked_at = now()
        session.add(row)
        _audit(session, caller, "key.revoke", row.name)
    return Response(status_code=204)


@router.get("/v1/people", response_model=PersonList, summary="People with their roles")
def list_people(caller: Admin, session: ReadDb) -> PersonList:
    """Who may sign in, and as what."""
    rows = session.execute(
        select(Person)
        .where(col(Person.workspace_id) == caller.workspace_id)
        .order_by(col(Person.disabled_at).is_not(None), func.lower(col(Person.name)))
    ).scalars()
    return PersonList(data=[_person(row) for row in rows], next=None)


@router.post(
    "/v1/people",
    status_code=201,
    response_model=InvitedPerson,
    openapi_extra=json_body(NewPerson, {"name": "Maria", "role": "lead"}),
    summary="Invite somebody, or change their role",
)
def post_person(
    request: Request, caller: Admin, body: JsonBody, settings: SettingsOf, session: Db
) -> InvitedPerson:
    """The link signs them in once; it stands in this answer only. 409 where no admin would be left."""
    made = invite_person(session, settings, caller, parse_body(NewPerson, body))
    not_for_replay(request, "link")
    return made


def invite_person(session: Session, settings: Settings, caller: Caller, asked: NewPerson) -> InvitedPerson:
    """As `journeymap invite` does it, in the caller's name. Conflict where it would take the last admin's role."""
    workspace = session.get_one(Workspace, caller.workspace_id)
    before = session.execute(
        select(Person).where(col(Person.workspace_id) == caller.workspace_id, col(Person.name) == asked.name)
    ).scalar_one_or_none()
    if before is not None and asked.role != "admin":
        _keep_an_admin(session, before)
    token = auth.invite(
        session,
        workspace=workspace,
        name=asked.name,
        role=asked.role,
        hours=settings.invite_hours,
        actor=caller.actor,
    )
    row = session.execute(
        select(Person).where(col(Person.workspace_id) == caller.workspace_id, col(Person.name) == asked.name)
    ).scalar_one()
    return InvitedPerson(**_person(row).model_dump(), link=f"{settings.public_url}/sign-in?token={token}")


@router.delete("/v1/people/{person_id}", status_code=204, summary="Take somebody's access away")
def disable_person(person_id: str, caller: Admin, session: Db) -> Response:
    """Their sessions and unused links end at once; what they decided stays. 409 where no admin would be left."""
    row = session.execute(
        select(Person).where(
            col(Person.workspace_id) == caller.workspace_id, col(Person.id) == row_id(person_id, "This person")
        )
    ).scalar_one_or_none()
    if row is None:
        raise NotFound("This person does not exist.")
    if row.disabled_at is None:
        _keep_an_admin(session, row)
        row.disabled_at = now()
        session.add(row)
        session.execute(delete(BrowserSession).where(col(BrowserSession.person_id) == row.id))
        session.execute(
            update(SignInLink)
            .where(col(SignInLink.person_id) == row.id, col(SignInLink.used_at).is_(None))
            .values(used_at=now())
        )
        _audit(session, caller, "person.disable", row.name)
    return Response(status_code=204)


@router.get("/v1/audit", response_model=AuditList, summary="Who changed what, when")
def list_audit(caller: Admin, page: Page, session: ReadDb) -> AuditList:
    """The log is only ever added to; it holds no customer's words."""
    return audit_page(session, caller, page)


def audit_page(session: Session, caller: Caller, page: PageQuery) -> AuditList:
    """A page of the log of the caller's workspace."""
    wanted = select(AuditEvent).where(col(AuditEvent.workspace_id) == caller.workspace_id)
    if (before := page.key_id()) is not None:
        wanted = wanted.where(col(AuditEvent.id) < before)
    rows = list(session.execute(wanted.order_by(col(AuditEvent.id).desc()).limit(page.limit + 1)).scalars())
    shown = rows[: page.limit]
    return AuditList(
        data=[AuditView.model_validate(row.model_dump() | {"id": str(row.id)}) for row in shown],
        next=page.next_after(rows, shown[-1].id) if shown else None,
    )


def _keep_an_admin(session: Session, leaving: Person) -> None:
    """Conflict where this person is the last who may sign in as an admin: nobody could let anybody in again."""
    admins = (
        session.execute(
            select(col(Person.id))
            .where(
                col(Person.workspace_id) == leaving.workspace_id,
                col(Person.role) == "admin",
                col(Person.disabled_at).is_(None),
            )
            .with_for_update()
        )
        .scalars()
        .all()
    )
    if list(admins) == [leaving.id]:
        raise Conflict("This is the last admin; make somebody else an admin first.")


def _key(row: ApiKey) -> KeyView:
    return KeyView.model_validate(row.model_dump() | {"id": str(row.id)})


def _person(row: Person) -> PersonView:
    return PersonView.model_validate(row.model_dump() | {"id": str(row.id)})


def _audit(session: Session, caller: Caller, action: str, target: str) -> None:
    session.add(AuditEvent(workspace_id=caller.workspace_id, actor=caller.actor, action=action, target=target))
