"""The plainest receiver: a FastAPI route that inserts one row and commits, with the same database settings."""

from __future__ import annotations

import os
from typing import Any

import orjson
from fastapi import FastAPI
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table

from service.store.engine import Database

METADATA = MetaData()
CALLS = Table(
    "bare_call",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)


def bare_app() -> FastAPI:
    """The app; its database stands in BENCHMARK_DATABASE."""
    database = Database(os.environ["BENCHMARK_DATABASE"])
    app = FastAPI()

    @app.post("/bare")
    def take(payload: dict[str, Any]) -> dict[str, bool]:
        with database.writer.begin() as connection:
            connection.execute(CALLS.insert().values(body=orjson.dumps(payload)))
        return {"ok": True}

    return app
