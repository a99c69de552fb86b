"""Many rows at once, by the fastest way of each database's driver: SQLite's `executemany`, PostgreSQL's `COPY`.

A statement with a parameter for every column of every row costs ten times what the database does with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

import orjson
import psycopg
from psycopg import sql
from psycopg.copy import LibpqWriter
from sqlalchemy import JSON, Connection, Dialect, Select, Table, any_, func, literal, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import UserDefinedType
from sqlmodel import Session

from service.store.columns import UtcDateTime

Converter = Callable[[Any], Any]
UNIQUE_VIOLATION = "23505"
ROWS_BETWEEN = 200  # rows sent to a server between two pieces of other work: it is never out of rows


def insert_with_ids(
    session: Session,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    meanwhile: Callable[[], bool] | None = None,
) -> list[int] | None:
    """Store rows that name every column but `id`, and give them their ids, in order.

    None where a unique constraint says that one of them is there already, whoever stored it: nothing of the
    transaction holds then, and the caller goes back to its savepoint. Rows that others may store as well have to
    come in one order everywhere, or two callers wait for each other crosswise. None as a value is NULL, also for
    columns of JSON.

    `meanwhile` is called again and again while a server takes the rows in: it does a little of what the caller has
    to do anyway, nothing with the session, and says whether it found anything to do. SQLite works in this process,
    so that it is not called there.
    """
    if not rows:
        return []
    connection = session.connection()
    names, values = _written(table, rows, connection.dialect.name)
    try:
        if connection.dialect.name == "postgresql":
            ids = _drawn_ids(connection, table, len(rows))
            _copy(connection, table, ("id", *names), zip(ids, *values, strict=True), meanwhile)
        else:
            # the write lock is ours: nobody else gives the next id away
            first = 1 + (connection.execute(_last_id(table)).scalar_one() or 0)
            ids = list(range(first, first + len(rows)))
            connection.exec_driver_sql(_sqlite_insert(table, names), list(zip(ids, *values, strict=True)))
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) == UNIQUE_VIOLATION or _is_unique_in_sqlite(error):
            return None
        raise
    return ids


def insert_all(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """`insert_with_ids` where the caller's locks see to it that none of the rows is there; else RuntimeError."""
    if insert_with_ids(session, table, rows) is None:
        raise RuntimeError(f"rows of {table.name} are there already")


def pg_array(values: Collection[Any]) -> str:
    """An array as PostgreSQL reads it: of texts, numbers, moments or truth values, None among them.

    The driver takes each value for itself, with two searches in it, which was a tenth of what storing labels cost.
    """
    written = {value: _in_array(value) for value in set(values)}
    return "{" + ",".join([written[value] for value in values]) + "}"


def _in_array(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f'"{value.isoformat()}"' if isinstance(value, datetime) else str(value)


class _Array(UserDefinedType[Any]):
    """A parameter of PostgreSQL that `pg_array` writes."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        return pg_array


def among(session: Session, column: Any, values: Sequence[str]) -> ColumnElement[bool]:
    """Whether a text column holds one of the values, as one parameter however many they are."""
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(values), _Array("text[]")))  # type: ignore[no-any-return]
    listed = func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
    return column.in_(select(listed.c.value))  # type: ignore[no-any-return]


def one_of(session: Session, column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    """Whether a column of ids holds one of these; on PostgreSQL as one parameter, which is planned faster."""
    if session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(ids), _Array("bigint[]")))  # type: ignore[no-any-return]
    return column.in_(ids)  # type: ignore[no-any-return]


def beside_ids(column: Any, workspace_id: int) -> ColumnElement[bool]:
    """Whether rows that are asked for by their ids are the workspace's.

    An expression hides the column from planners. Without statistics (a new table, a large import) they would read
    the whole workspace by an index that begins with it, for every few hundred ids.
    """
    return column + 0 == workspace_id  # type: ignore[no-any-return]


def by_walk(session: Session, column: Any, workspace_id: int) -> ColumnElement[bool]:
    """Whether a row is the workspace's, for pages of a walk through a table in the order of its ids.

    SQLite would rather find all of the workspace by an index and sort them, for every page anew: an expression
    hides the column from it. PostgreSQL knows better, if it sees the column.
    """
    if session.get_bind().dialect.name == "postgresql":
        return column == workspace_id  # type: ignore[no-any-return]
    return beside_ids(column, workspace_id)


# Without statistics (a new table, a large import) PostgreSQL would read the whole workspace for a list of keys: so
# the keys drive the search, one look into the unique index each
_ITEMS = {
    "postgresql": text(
        "SELECT found.id FROM unnest(CAST(:sources AS text[]), CAST(:identities AS text[]))"
        " AS key (source, identity)"
        " CROSS JOIN LATERAL (SELECT id FROM feedback_item WHERE workspace_id = :workspace_id"
        " AND source = key.source AND identity = key.identity LIMIT 1) AS found"
    ),
    "sqlite": text(
        "SELECT found.id FROM json_each(:keys) AS key CROSS JOIN feedback_item AS found"
        " ON found.workspace_id = :workspace_id"
        " AND found.source = key.value ->> 0 AND found.identity = key.value ->> 1"
    ),
}


def ids_of_items(session: Session, workspace_id: int, keys: Collection[tuple[str, str]]) -> list[int]:
    """The ids of the stored items among these (source, identity), in order; they are not locked."""
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        sources, identities = map(pg_array, zip(*keys, strict=True))
        given: dict[str, Any] = {"sources": sources, "identities": identities}
    else:
        given = {"keys": orjson.dumps(list(keys)).decode()}
    return sorted(session.execute(_ITEMS[dialect], {"workspace_id": workspace_id, **given}).scalars())


# the index's own condition, word for word: without it SQLite can't use it
_FURTHER = {
    "postgresql": text(
        "SELECT found.id FROM unnest(CAST(:sources AS text[]), CAST(:responses AS text[]))"
        " AS key (source, response_id)"
        " CROSS JOIN LATERAL (SELECT id FROM feedback_item WHERE workspace_id = :workspace_id"
        " AND source = key.source AND response_id = key.response_id AND external_id <> response_id) AS found"
    ),
    "sqlite": text(
        "SELECT found.id FROM json_each(:keys) AS key CROSS JOIN feedback_item AS found"
        " ON found.workspace_id = :workspace_id AND found.source = key.value ->> 0"
        " AND found.response_id = key.value ->> 1 AND found.external_id <> found.response_id"
    ),
}


def ids_of_further_answers(session: Session, workspace_id: int, keys: Collection[tuple[str, str]]) -> list[int]:
    """The ids of the stored items of these (source, response_id) that are not the response's own, in order."""
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        sources, responses = map(pg_array, zip(*keys, strict=True))
        given: dict[str, Any] = {"sources": sources, "responses": responses}
    else:
        given = {"keys": orjson.dumps(list(keys)).decode()}
    return sorted(session.execute(_FURTHER[dialect], {"workspace_id": workspace_id, **given}).scalars())


_DELIVERIES = {
    "postgresql": text(
        "SELECT key.endpoint_id, key.external_id"
        " FROM unnest(CAST(:endpoints AS bigint[]), CAST(:external_ids AS text[]))"
        " AS key (endpoint_id, external_id)"
        " CROSS JOIN LATERAL (SELECT id FROM delivery WHERE endpoint_id = key.endpoint_id"
        " AND external_id = key.external_id LIMIT 1) AS found"
    ),
    "sqlite": text(
        "SELECT found.endpoint_id, found.external_id FROM json_each(:keys) AS key CROSS JOIN delivery AS found"
        " ON found.endpoint_id = key.value ->> 0 AND found.external_id = key.value ->> 1"
    ),
}


def stored_deliveries(session: Session, keys: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those of these (endpoint_id, external_id) of which a delivery is stored."""
    dialect = session.get_bind().dialect.name
    if dialect == "postgresql":
        endpoints, external_ids = map(pg_array, zip(*keys, strict=True))
        given: dict[str, Any] = {"endpoints": endpoints, "external_ids": external_ids}
    else:
        given = {"keys": orjson.dumps(list(keys)).decode()}
    return {(row.endpoint_id, row.external_id) for row in session.execute(_DELIVERIES[dialect], given)}


def _written(
    table: Table, rows: Sequence[Mapping[str, Any]], dialect: str
) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """The columns that some row has a value for, and each one's values as the driver takes them.

    A column that is NULL in all rows is not written: half of an item's are, as long as nobody has read it, and
    drivers take longer over NULL than over text.
    """
    names = _names(table)
    kept: list[str] = []
    values: list[Sequence[Any]] = []
    written: dict[int, Any] = {}  # by the value's identity: moments stand in several columns and rows
    by_name = converters(table, dialect)
    for name, column in zip(names, zip(*map(itemgetter(*names), rows), strict=True), strict=True):
        if column.count(None) == len(rows) and table.c[name].server_default is None:
            continue
        kept.append(name)
        convert = by_name.get(name)
        if convert is None:
            values.append(column)
            continue
        if convert is _json:  # hardly ever the same object twice
            values.append([None if value is None else _json(value) for value in column])
            continue
        converted = []
        for value in column:
            if value is not None:
                found = written.get(id(value))
                if found is None:
                    found = written[id(value)] = convert(value)
                value = found
            converted.append(value)
        values.append(converted)
    return tuple(kept), values


@cache
def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns if column.name != "id")


@cache
def _last_id(table: Table) -> Select[Any]:
    return select(func.max(table.c.id))


@cache
def _sqlite_insert(table: Table, names: tuple[str, ...]) -> str:
    places = ", ".join("?" * (1 + len(names)))
    listed = ", ".join(f'"{name}"' for name in ("id", *names))
    return f"INSERT INTO {table.name} ({listed}) VALUES ({places})"  # noqa: S608 (our own names)


@cache
def converters(table: Table, dialect: str) -> dict[str, Converter]:
    """How columns are written whose values the driver does not know by itself."""
    found: dict[str, Converter] = {}
    for name in _names(table):
        kind = table.columns[name].type
        if isinstance(kind, JSON):
            found[name] = _json
        elif isinstance(kind, UtcDateTime):
            found[name] = _sqlite_moment if dialect == "sqlite" else _postgresql_moment
    return found


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _moment(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError("a time without zone can't be stored")
    return value.astimezone(UTC)


def _postgresql_moment(value: datetime) -> str:
    # the driver writes a moment in 1.2 µs and a text in 0.2 µs; the same moment often stands in several rows
    return _moment(value).isoformat()


def _sqlite_moment(value: datetime) -> str:
    # as SQLAlchemy writes it, without the offset: such texts are compared as texts
    return _moment(value).isoformat(" ", "microseconds")[:26]


# materialised: the sequence's name would be looked up for every id
_DRAW_IDS = text(
    "WITH named AS MATERIALIZED (SELECT CAST(pg_get_serial_sequence(:table, 'id') AS regclass) AS sequence)"
    " SELECT string_agg(CAST(nextval(sequence) AS text), ',') FROM named, generate_series(1, :count)"
)


def _drawn_ids(connection: Connection, table: Table, count: int) -> list[int]:
    drawn = connection.execute(
        _DRAW_IDS,
        {"table": table.name, "count": count},
    )
    return list(map(int, drawn.scalar_one().split(",")))


def _copy(
    connection: Connection,
    table: Table,
    names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    meanwhile: Callable[[], bool] | None,
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with _failing_as_usual(connection, f"COPY {table.name}"):
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(statement, writer=_Writer(cursor, meanwhile)) as copy:
            for number, row in enumerate(rows, 1):
                copy.write_row(row)
                if meanwhile is not None and number % ROWS_BETWEEN == 0:
                    meanwhile()


class _Writer(LibpqWriter):
    """Sends the rows of a COPY. Behind the last one the server looks at all foreign keys, a third of its work."""

    def __init__(self, cursor: psycopg.Cursor[Any], meanwhile: Callable[[], bool] | None) -> None:
        super().__init__(cursor)
        self._meanwhile = meanwhile

    def finish(self, exc: BaseException | None = None) -> None:
        if exc is not None or self._meanwhile is None:
            super().finish(exc)
            return
        with ThreadPoolExecutor(1) as waiting:
            end = waiting.submit(super().finish)
            while not end.done() and self._meanwhile():
                pass
            end.result()


@contextmanager
def _failing_as_usual(connection: Connection, statement: str) -> Iterator[None]:
    """What the driver raises, as the error of SQLAlchemy that any statement would raise."""
    try:
        yield
    except psycopg.Error as error:
        dialect = connection.dialect
        away = dialect.is_disconnect(error, connection.connection.driver_connection, None)  # type: ignore[arg-type]
        if away:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement,
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=away,
            dialect=dialect,
        ) from error


def _is_unique_in_sqlite(error: IntegrityError) -> bool:
    return getattr(error.orig, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_UNIQUE"
