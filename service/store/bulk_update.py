"""Many rows changed at once by their ids: one statement on PostgreSQL, one prepared one on SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import JSON, Float, Table
from sqlalchemy.dialects import postgresql
from sqlmodel import Session

from service.store.bulk import converters, pg_array


def update_by_id(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Set the columns that the rows name beside `id`, the same in each; rows that are gone stay so.

    Columns of JSON can't be set this way (ValueError). Objects of the session do not hear of it. Callers hold the
    rows' locks, or two of them wait for each other crosswise.
    """
    if not rows:
        return
    connection = session.connection()
    dialect = connection.dialect.name
    names = tuple(sorted(rows[0].keys() - {"id"}))
    convert = converters(table, dialect)
    columns: list[Sequence[Any]] = []
    for name in names:
        values = [row[name] for row in rows]
        change = float if isinstance(table.c[name].type, Float) else convert.get(name)  # no lists of mixed numbers
        columns.append(values if change is None else [one if one is None else change(one) for one in values])
    ids = [row["id"] for row in rows]
    if dialect == "postgresql":
        # most columns have one value in all rows of a slice: it is told once
        alike = {
            name: column[0]
            for name, column in zip(names, columns, strict=True)
            if column.count(column[0]) == len(column)
        }
        arrays = [pg_array(column) for name, column in zip(names, columns, strict=True) if name not in alike]
        statement = _postgresql(table, names, tuple(alike))
        connection.exec_driver_sql(statement, (*alike.values(), *arrays, pg_array(ids)))
    else:
        connection.exec_driver_sql(_sqlite(table, names), list(zip(*columns, ids, strict=True)))


@cache
def _sqlite(table: Table, names: tuple[str, ...]) -> str:
    _check(table, names)
    changes = ", ".join(f'"{name}" = ?' for name in names)
    return f"UPDATE {table.name} SET {changes} WHERE id = ?"  # noqa: S608 (our own names)


def _check(table: Table, names: tuple[str, ...]) -> None:
    for name in names:
        if isinstance(table.c[name].type, JSON):
            raise ValueError(f"{table.name}.{name} holds JSON")


@lru_cache(256)
def _postgresql(table: Table, names: tuple[str, ...], alike: tuple[str, ...]) -> str:
    _check(table, names)
    own = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = {name: table.c[name].type.compile(dialect=own) for name in (*names, "id")}
    each = [name for name in (*names, "id") if name not in alike]
    changes = ", ".join(
        [f'"{name}" = %s::{types[name]}' for name in alike] + [f'"{name}" = told."{name}"' for name in each[:-1]]
    )
    arrays = ", ".join(f"%s::{types[name]}[]" for name in each)
    listed = ", ".join(f'"{name}"' for name in each)
    return (
        f"UPDATE {table.name} SET {changes} FROM unnest({arrays}) AS told ({listed})"  # noqa: S608 (our own names)
        f" WHERE {table.name}.id = told.id"
    )
