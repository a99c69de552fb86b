"""Whether anything was committed since the last question: a thousandth of the work of looking what it was."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Any, Final

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from service.store.engine import Database

# Each answer is another one after every commit of anyone else. PostgreSQL's is the very list of transactions by
# which any statement tells what it sees; LISTEN would need a NOTIFY of every writer, which lets commits pass
# one at a time only, and is not heard behind poolers that share connections
_QUESTION: Final = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT pg_current_snapshot()::text"}


class Changes:
    """Tells one thread whether something was committed to a database since it asked last.

    Yes may be said too often (other databases of the server, transactions rolled back, the first time, a database
    that can't be asked), no only where a look now finds what a look at the last question would have found. Holds a
    connection until its `with` block ends, and no transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._question = _QUESTION[database.reader.dialect.name]
        self._connection: Connection | None = None
        self._answer: Any = None

    def __enter__(self) -> Changes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    def seen(self) -> bool:
        """Whether something was committed since the last call; True where that can't be told."""
        try:
            answer = self._asked()
        except (sqlite3.Error, psycopg.Error, SQLAlchemyError):
            self._let_go()
            return True  # whoever looks then finds out what is wrong
        before, self._answer = self._answer, answer
        return bool(answer != before)

    def _asked(self) -> Any:
        if self._connection is None:
            self._answer = None  # SQLite counts for each connection on its own
            self._connection = self._database.reader.connect().execution_options(isolation_level="AUTOCOMMIT")
        # by the driver: SQLAlchemy would begin a transaction, and take ten times as long
        driver: Any = self._connection.connection.driver_connection
        return driver.execute(self._question).fetchone()[0]

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # a connection that broke is of no use to anyone else
            connection.close()
