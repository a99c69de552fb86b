"""Many rows changed at once by their ids: one statement on PostgreSQL, one prepared one on SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import JSON, Float, Table
from sqlalchemy.dialects import postgresql
from sqlmodel import Session

from service.store.bulk import converters


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
    columns.append([row["id"] for row in rows])
    statement = _statement(table, names, dialect)
    if dialect == "postgresql":
        connection.exec_driver_sql(statement, tuple(columns))
    else:
        connection.exec_driver_sql(statement, list(zip(*columns, strict=True)))


@cache
def _statement(table: Table, names: tuple[str, ...], dialect: str) -> str:
    for name in names:
        if isinstance(table.c[name].type, JSON):
            raise ValueError(f"{table.name}.{name} holds JSON")
    if dialect != "postgresql":
        changes = ", ".join(f'"{name}" = ?' for name in names)
        return f"UPDATE {table.name} SET {changes} WHERE id = ?"  # noqa: S608 (our own names)
    changes = ", ".join(f'"{name}" = told."{name}"' for name in names)
    own = postgresql.dialect()  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"%s::{table.c[name].type.compile(dialect=own)}[]" for name in (*names, "id"))
    listed = ", ".join(f'"{name}"' for name in (*names, "id"))
    return (
        f"UPDATE {table.name} SET {changes} FROM unnest({arrays}) AS told ({listed})"  # noqa: S608 (our own names)
        f" WHERE {table.name}.id = told.id"
    )
