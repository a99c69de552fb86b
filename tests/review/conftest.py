from __future__ import annotations

import pytest

from service import auth
from service.dependencies import COOKIE, CSRF_HEADER
from tests.classify.conftest import words

__all__ = ["words"]


@pytest.fixture
def person_of(app, database, workspace_id):  # type: ignore[no-untyped-def]
    """Signs a person in: `person_of("viewer")` is their browser."""
    from fastapi.testclient import TestClient

    made = []

    def make(role: str) -> TestClient:
        with database.write() as session:
            workspace = auth.workspace_named(session, "default")
            token = auth.invite(session, workspace=workspace, name=f"a {role}", role=role, hours=1)
        with database.write() as session:
            cookie = auth.sign_in(session, token, hours=1)
        with database.read() as session:
            caller = auth.caller_of_cookie(session, cookie)
        assert caller is not None
        http = TestClient(
            app,
            cookies={COOKIE: cookie},
            headers={CSRF_HEADER: caller.csrf_token or ""},
            raise_server_exceptions=False,
        )
        http.__enter__()
        made.append(http)
        return http

    yield make
    for http in made:
        http.__exit__(None, None, None)
