"""Files as an import reads them: opened, studied, every row made into items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from service.ingest.files import FileOptions, Row, open_table
from service.ingest.incoming import IncomingItem
from service.ingest.mapping import Choices, Plan, body_of, study
from service.ingest.row_items import ItemReader, RowRefused

Taken = list[list[IncomingItem] | str]  # of each row its items, or the code of its refusal


def read_path(path: Path, filename: str | None = None, **choices: Any) -> tuple[Plan, Taken]:
    """A file's plan, and what becomes of its rows."""
    name = filename or path.name
    with open_table(path, FileOptions(filename=name)) as table:
        plan = study(table, Choices(filename=name, **choices))
    # what is stored with an import is all that a later worker has
    plan = Plan.from_json(json.loads(json.dumps(plan.as_json())))
    found: Taken = []
    with open_table(path, FileOptions(filename=name)) as table:
        reader = ItemReader(plan, table.columns, max_text_chars=1000)
        for row in body_of(table, plan):
            if not isinstance(row, Row):
                found.append(row.code)
                continue
            try:
                found.append(reader.items(row))
            except RowRefused as error:
                found.append(error.code)
    return plan, found


def items_of(found: Taken) -> list[IncomingItem]:
    """All items, in order; fails where a row was refused."""
    refused = [one for one in found if isinstance(one, str)]
    assert refused == []
    return [item for one in found for item in one if isinstance(item, IncomingItem)]


def uses(plan: Plan) -> dict[str, str | None]:
    """What each column is taken for."""
    return {use.column: use.field for use in plan.columns}
