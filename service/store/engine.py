"""The database: only this file knows whether it is SQLite or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import Engine, create_engine, event
from sqlmodel import Session

SEEN: Final = "seen"
"""Entry of a reading session's `info`: what was read in it and can't change while it lasts."""
BUSY_TIMEOUT_MS = 30_000
LOOK_SECONDS = 0.001  # how often one who has somebody waiting looks whether the write lock is free


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


class Database:
    """Two engines on one database: writers take the write lock at BEGIN, readers never wait for it.

    On SQLite a read-then-write transaction that starts as a reader fails when another writer was faster;
    BEGIN IMMEDIATE for writers makes that impossible, DEFERRED readers go on while a write is open (WAL).

    `wait_seconds`: how long to wait for a lock or a connection before giving up, for callers who have another way
    to go; nothing that they ask for takes ten times as long.
    """

    def __init__(self, url: str, *, pool_size: int = 10, wait_seconds: float | None = None) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            path = url.removeprefix("sqlite:///")
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            wait_ms = BUSY_TIMEOUT_MS if wait_seconds is None else round(wait_seconds * 1000)
            self.writer = self._sqlite(
                url, begin="BEGIN IMMEDIATE", read_only=False, wait_ms=wait_ms, eager=wait_seconds is not None
            )
            self.reader = self._sqlite(url, begin="BEGIN DEFERRED", read_only=True, wait_ms=wait_ms)
        else:
            self.writer = self._postgresql(url, pool_size=pool_size, wait_seconds=wait_seconds)
            self.reader = self._postgresql(url, pool_size=pool_size, wait_seconds=wait_seconds)
            # a reader sees one moment, however many statements it takes
            self.reader = self.reader.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @staticmethod
    def _postgresql(url: str, *, pool_size: int, wait_seconds: float | None) -> Engine:
        limits: dict[str, Any] = {}
        if wait_seconds is not None:
            # the library takes no less than two seconds to connect
            limits = {
                "connect_timeout": max(2, round(wait_seconds)),
                "tcp_user_timeout": round(wait_seconds * 1000),
            }
        engine = create_engine(
            url,
            connect_args=limits,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=wait_seconds or 30,
            pool_pre_ping=True,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            hide_parameters=True,  # parameters are customers' words; they must not reach a log
        )
        if wait_seconds is not None:
            milliseconds = round(wait_seconds * 1000)

            @event.listens_for(engine, "begin")
            def set_limits(connection: Any) -> None:
                # in the transaction and not at the connection's start, which poolers in between refuse
                connection.exec_driver_sql(
                    f"SET LOCAL lock_timeout = {milliseconds}; SET LOCAL statement_timeout = {10 * milliseconds}"
                )

        return engine

    @staticmethod
    def _sqlite(url: str, *, begin: str, read_only: bool, wait_ms: int, eager: bool = False) -> Engine:
        engine = create_engine(
            url,
            connect_args={"timeout": wait_ms / 1000, "check_same_thread": False},
            pool_size=20,
            max_overflow=20,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            hide_parameters=True,
        )

        @event.listens_for(engine, "connect")
        def set_up(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None  # the driver must not begin by itself; see below
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")  # a 2xx survives power loss
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute(f"PRAGMA busy_timeout={wait_ms}")
            cursor.execute("PRAGMA cache_size=-65536")  # KiB
            cursor.execute("PRAGMA temp_store=MEMORY")
            if read_only:
                cursor.execute("PRAGMA query_only=ON")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin_transaction(connection: Any) -> None:
            if not eager:
                connection.exec_driver_sql(begin)
                return
            driver = connection.connection.driver_connection
            driver.execute("PRAGMA busy_timeout=0")
            try:
                if not _begun(driver, begin, wait_ms / 1000):
                    connection.exec_driver_sql(begin)  # fails as everywhere
            finally:
                driver.execute(f"PRAGMA busy_timeout={wait_ms}")

        return engine

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back on an exception."""
        with Session(self.writer, expire_on_commit=False) as session:
            try:
                yield session
                session.commit()
            except BaseException:
                session.rollback()
                raise

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that sees one moment and can't write."""
        with Session(self.reader, expire_on_commit=False, autoflush=False, info={SEEN: {}}) as session:
            yield session

    def dispose(self) -> None:
        """Close all connections."""
        self.writer.dispose()
        self.reader.dispose()


def _begun(driver: sqlite3.Connection, begin: str, wait_seconds: float) -> bool:
    """Whether a transaction could begin within some time.

    SQLite's own waiting looks again after 1, 2, 5, 10, 15, 20, 25, 50, 100 ms, so that whoever waits for a moment
    longer than a transaction takes waits for four of them.
    """
    until = time.monotonic() + wait_seconds
    while True:
        try:
            driver.execute(begin)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                return False
            time.sleep(LOOK_SECONDS)
        else:
            return True
