"""Who is calling: API keys with scopes, people with roles, one-time sign-in links, browser sessions.

Keys, links and cookies are random 256-bit tokens; only their SHA-256 is stored. Every look-up runs on a short
read session of its own, never on the session that the route will write with.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import update
from sqlmodel import Session, col, select

from service.errors import BadInput, NotFound, Unauthorized
from service.settings import Settings
from service.store.columns import now
from service.store.schema import ApiKey, AuditEvent, BrowserSession, Person, SignInLink, Workspace

SCOPES = ("ingest", "read", "review", "admin")
# what a role may do, in scopes; `verbatims` and `decide` are people's alone to lack
ROLES: dict[str, frozenset[str]] = {
    "viewer": frozenset({"read"}),
    "analyst": frozenset({"read", "verbatims", "review", "files"}),
    "lead": frozenset({"read", "verbatims", "review", "decide", "files"}),
    "admin": frozenset({"read", "verbatims", "review", "decide", "files", "ingest", "admin"}),
}
MAX_NAME_CHARS = 100  # of a workspace
KEY_PREFIX = "jm_"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated program or person, in its one workspace."""

    workspace_id: int
    workspace: str
    timezone: str
    actor: str  # "key:<name>" or "person:<name>", for histories
    grants: frozenset[str]  # scopes, with `verbatims` and `decide`
    csrf_token: str | None = None  # set for browser sessions
    journey_model: str = "7-stage"  # the workspace's choice

    def may(self, grant: str) -> bool:
        """Whether the caller holds a scope or grant."""
        return grant in self.grants

    @property
    def table_mark(self) -> str:
        """What a CSV begins with: spreadsheets of people need a byte-order mark, programs read it as a name."""
        return "" if self.csrf_token is None else "\ufeff"


def token_hash(token: str) -> str:
    """What is stored instead of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def grants_of_scopes(scopes: list[str]) -> frozenset[str]:
    """A key that reads sees verbatims; a key that reviews also decides."""
    grants = set(scopes)
    if "read" in grants:
        grants.add("verbatims")
    if "review" in grants:
        grants |= {"read", "verbatims", "decide"}
    return frozenset(grants)


class Vault:
    """The installation's secret: pseudonyms of respondents, erasure marks, encryption of stored secrets."""

    def __init__(self, settings: Settings) -> None:
        self._key = (settings.secret_key or _kept_key(settings.data_dir)).encode()
        derived = hashlib.sha256(b"fernet:" + self._key).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def pseudonym(self, workspace_id: int, respondent: str) -> str:
        """A stable 128-bit pseudonym (hex) of what a sender calls a respondent, per workspace."""
        return self.keyed_hash(f"respondent:{workspace_id}:{respondent}")[:32]

    def keyed_hash(self, value: str) -> str:
        """HMAC-SHA256 hex of a value under the installation's key."""
        return hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), "sha256").hex()

    def encrypt(self, value: str) -> str:
        """Encrypt a secret for storage."""
        return self._fernet.encrypt(value.encode()).decode()

    def decrypt(self, value: str) -> str:
        """The secret again; raises ValueError if it was stored under another key."""
        return self.unseal(value.encode()).decode()

    def seal(self, content: bytes) -> bytes:
        """Encrypt content that lies in a file; the result is ASCII."""
        return self._fernet.encrypt(content)

    def unseal(self, content: bytes) -> bytes:
        """The content again; raises ValueError if it was sealed under another key."""
        try:
            return self._fernet.decrypt(content)
        except InvalidToken as error:
            raise ValueError("stored under another SECRET_KEY; set the key that was used then") from error


def _kept_key(folder: Path) -> str:
    """The random key of this data folder, made once; two processes that start together agree on one."""
    path = folder / "secret_key"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"secret_key.{secrets.token_hex(4)}"
    if not path.exists():
        draft.write_text(secrets.token_urlsafe(48))
        draft.chmod(0o600)
        try:
            os.link(draft, path)  # fails if another process was faster: then its key holds
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def workspace_named(session: Session, name: str, *, create: bool = False) -> Workspace:
    """The workspace of a name; NotFound unless it may be created, BadInput for what is no name."""
    found = session.exec(select(Workspace).where(Workspace.name == name)).first()
    if found is None:
        if not create:
            raise NotFound(f"There is no workspace «{name}».")
        if not name.strip() or len(name) > MAX_NAME_CHARS:
            raise BadInput(f"A workspace's name has 1 to {MAX_NAME_CHARS} characters, and not only blanks.")
        found = Workspace(name=name)
        session.add(found)
        session.flush()
    return found


def create_key(
    session: Session, *, workspace: Workspace, scopes: list[str], name: str, actor: str = "command"
) -> str:
    """Store a new key and return it; it can't be shown again."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadInput(f"Scopes are {', '.join(SCOPES)}; not known: {', '.join(unknown) or '(none given)'}.")
    if not name.strip():
        raise BadInput("Say what the key is for: its name is blank.")
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    assert workspace.id is not None
    session.add(ApiKey(workspace_id=workspace.id, name=name, key_hash=token_hash(key), scopes=sorted(set(scopes))))
    session.add(
        AuditEvent(
            workspace_id=workspace.id, actor=actor, action="key.create", target=name, detail={"scopes": scopes}
        )
    )
    return key


def invite(
    session: Session, *, workspace: Workspace, name: str, role: str, hours: int, actor: str = "command"
) -> str:
    """Create the person if new, set the role, and return the token of a one-time sign-in link."""
    if role not in ROLES:
        raise BadInput(f"Roles are {', '.join(ROLES)}; «{role}» is none of them.")
    if not name.strip():
        raise BadInput("Say whom to invite: the name is blank.")
    assert workspace.id is not None
    person = session.exec(select(Person).where(Person.workspace_id == workspace.id, Person.name == name)).first()
    if person is None:
        person = Person(workspace_id=workspace.id, name=name, role=role)
    person.role, person.disabled_at = role, None
    session.add(person)
    session.flush()
    token = secrets.token_urlsafe(32)
    assert person.id is not None
    session.add(
        SignInLink(
            workspace_id=workspace.id,
            person_id=person.id,
            token_hash=token_hash(token),
            expires_at=now() + timedelta(hours=hours),
        )
    )
    session.add(
        AuditEvent(
            workspace_id=workspace.id, actor=actor, action="person.invite", target=name, detail={"role": role}
        )
    )
    return token


def sign_in(session: Session, token: str, *, hours: int) -> str:
    """Use up a sign-in link and return the cookie of a new browser session; Unauthorized if it does not hold."""
    used = session.execute(
        update(SignInLink)
        .where(
            col(SignInLink.token_hash) == token_hash(token),
            col(SignInLink.used_at).is_(None),
            col(SignInLink.expires_at) > now(),
        )
        .values(used_at=now())
        .returning(col(SignInLink.person_id), col(SignInLink.workspace_id))
        .execution_options(synchronize_session=False)
    ).first()
    if used is None:
        raise Unauthorized("This sign-in link was used before or has expired; ask for a new one.")
    cookie = secrets.token_urlsafe(32)
    session.add(
        BrowserSession(
            workspace_id=used.workspace_id,
            person_id=used.person_id,
            token_hash=token_hash(cookie),
            csrf_token=secrets.token_urlsafe(24),
            expires_at=now() + timedelta(hours=hours),
        )
    )
    return cookie


def sign_out(session: Session, cookie: str) -> None:
    """End a browser session."""
    found = session.exec(select(BrowserSession).where(BrowserSession.token_hash == token_hash(cookie))).first()
    if found is not None:
        session.delete(found)


def caller_of_key(session: Session, key: str) -> Caller:
    """The program behind a key; Unauthorized if there is none."""
    row = session.exec(
        select(ApiKey, Workspace)
        .join(Workspace, col(Workspace.id) == col(ApiKey.workspace_id))
        .where(ApiKey.key_hash == token_hash(key), col(ApiKey.revoked_at).is_(None))
    ).first()
    if row is None:
        raise Unauthorized("This key is not known here. Make one with `journeymap create-key`.")
    found, workspace = row
    return Caller(
        workspace_id=found.workspace_id,
        workspace=workspace.name,
        timezone=workspace.timezone,
        journey_model=workspace.journey_model,
        actor=f"key:{found.name}",
        grants=grants_of_scopes(found.scopes),
    )


def caller_of_cookie(session: Session, cookie: str) -> Caller | None:
    """The person behind a session cookie, or None if it has ended."""
    row = session.exec(
        select(BrowserSession, Person, Workspace)
        .join(Person, col(Person.id) == col(BrowserSession.person_id))
        .join(Workspace, col(Workspace.id) == col(BrowserSession.workspace_id))
        .where(
            BrowserSession.token_hash == token_hash(cookie),
            col(BrowserSession.expires_at) > now(),
            col(Person.disabled_at).is_(None),
        )
    ).first()
    if row is None:
        return None
    browser, person, workspace = row
    return Caller(
        workspace_id=browser.workspace_id,
        workspace=workspace.name,
        timezone=workspace.timezone,
        journey_model=workspace.journey_model,
        actor=f"person:{person.name}",
        grants=ROLES[person.role],
        csrf_token=browser.csrf_token,
    )
