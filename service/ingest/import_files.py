"""An uploaded file on its way to an import: where it lies, how it is opened, what stands in it at first sight."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from service.errors import BadInput, field_errors
from service.ingest.column_values import PERSONAL
from service.ingest.files import FileOptions, Row, RowError, Table, open_table
from service.ingest.files.text import BROKEN
from service.ingest.import_memory import Earlier, earlier_import
from service.ingest.incoming import MAX_ID_CHARS, Channel
from service.ingest.mapping import Choices, Plan, begins_with_data, body_of, study
from service.ingest.presets import PRESETS
from service.ingest.row_items import ItemReader, RowRefused
from service.settings import Settings
from service.store.engine import Database

# an upload's encoding is judged by this much before it is answered, by the whole file before its first row is kept
JUDGE_BYTES = 64 * 1024 * 1024
PREVIEW_ROWS = 20_000
PREVIEW_ITEMS = 10
PREVIEW_REJECTS = 20
EXAMPLES = 3  # values of a column that are shown
EXAMPLE_CHARS = 80
SHOWN = ("format", "packing", "encoding", "delimiter", "sheet", "header", "source", "same_file_as", "read_as_in")
JSON_FORMATS = ("json", "ndjson")
PACKED_SUFFIXES = (".gz", ".zip")


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise PydanticCustomError("unknown_timezone", "name a time zone as in «Europe/Berlin»")
    return name


def _json_object(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise PydanticCustomError("bad_mapping", 'send a JSON object: {"<column>": "<field>"}') from error
    if not isinstance(found, dict):
        raise PydanticCustomError("bad_mapping", 'send a JSON object: {"<column>": "<field>"}')
    return found


def _known_preset(name: str) -> str:
    if name not in PRESETS:
        raise PydanticCustomError("unknown_preset", f"known presets are {', '.join(sorted(PRESETS))}")
    return name


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


OptionalText = Annotated[Annotated[str, Field(max_length=255)] | None, BeforeValidator(_blank_is_none)]
Blankable = BeforeValidator(_blank_is_none)
Told = Annotated[dict[str, str | None] | None, BeforeValidator(_json_object)]


class ImportOptions(BaseModel):
    """What an uploader may say about a file; whatever is left out is found out."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[OptionalText, Field(description="Its ending helps to tell the format.")] = None
    source: Annotated[
        Annotated[str, Field(max_length=MAX_ID_CHARS)] | None,
        Blankable,
        Field(description="Marks the items; default: the form or product in the file, else the file's name."),
    ] = None
    preset: Annotated[
        Annotated[str, AfterValidator(_known_preset)] | None,
        Blankable,
        Field(description=f"The kind of export: {', '.join(sorted(PRESETS))}."),
    ] = None
    channel: Annotated[
        Channel | None,
        Blankable,
        Field(description="For rows that name none; default: survey for tables, other for JSON."),
    ] = None
    mapping: Annotated[
        Told,
        Field(description='What columns hold, as JSON: `{"<column>": "<field>"}`; "ignore" leaves one out.'),
    ] = None
    timezone: Annotated[
        Annotated[str, AfterValidator(_known_zone)] | None,
        Blankable,
        Field(description="Of times without one; default: the workspace's."),
    ] = None
    day_first: Annotated[bool | None, Blankable, Field(description="Whether 3/4/2026 is the 3rd of April.")] = None
    encoding: Annotated[OptionalText, Field(description="Of the text, as in «windows-1252».")] = None
    delimiter: Annotated[
        str | None,
        Field(
            max_length=10,
            description="One character such as , ; | ^ or «tab»; default: found out among , ; | and tab.",
        ),
    ] = None
    sheet: Annotated[OptionalText, Field(description="Of a workbook; default: the first that is not empty.")] = (
        None
    )
    header: Annotated[
        bool | None, Blankable, Field(description="Whether the first row of a table holds the columns' names.")
    ] = None
    on_error: Annotated[
        Literal["continue", "abort"], Field(description="What a row that can't be taken does to those behind it.")
    ] = "continue"


def checked_options(values: dict[str, Any]) -> ImportOptions:
    """The options from plain values; BadInput naming each that can't be used."""
    try:
        return ImportOptions.model_validate(values)
    except ValidationError as error:
        found = field_errors(error)
        detail = "; ".join(f"{one.pointer.lstrip('/')}: {one.detail}" for one in found[:5])
        raise BadInput(detail, errors=found) from error


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that lies in the imports folder, complete."""

    name: str  # below the imports folder, random
    filename: str  # as the uploader calls it
    size_bytes: int
    sha256: str

    def path(self, settings: Settings) -> Path:
        """Where it lies."""
        return settings.imports_dir / self.name


def default_source(filename: str) -> str:
    """A file's name without its endings, and without what `rejected.csv` downloads add."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    for suffix in PACKED_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    stem = name.rsplit(".", 1)[0] if "." in name.strip(".") else name
    return stem.removesuffix("-rejected").strip()[:MAX_ID_CHARS] or "import"


def open_import(
    path: Path,
    filename: str,
    options: ImportOptions,
    settings: Settings,
    *,
    encoding: str | None = None,
    header: bool = True,
    whole: bool = False,
) -> Table:
    """Open an import's file; `encoding` and `header` are as judged before, `whole` judges by the whole file."""
    return open_table(
        path,
        FileOptions(
            filename=options.filename or filename,
            encoding=options.encoding or encoding,
            delimiter=options.delimiter,
            sheet=options.sheet,
            header=header if options.header is None else options.header,
            max_unpacked_bytes=settings.max_unpacked_bytes,
            judge_bytes=None if whole else JUDGE_BYTES,
        ),
    )


def choices_of(options: ImportOptions, timezone: str, filename: str, told: Mapping[str, Any]) -> Choices:
    """The options that decide how rows are read; `timezone` is the workspace's, `told` of an earlier file."""
    return Choices(
        mapping=options.mapping,
        channel=options.channel or told.get("channel"),
        timezone=options.timezone or told.get("timezone"),
        day_first=options.day_first,
        preset=options.preset or told.get("preset"),
        filename=filename,
        default_timezone=timezone,
        earlier_mapping=told.get("mapping"),
        earlier_day_first=told.get("day_first"),
    )


Remember = Callable[[list[str]], Earlier | None]  # what is known of files with these columns


def layout_of(
    path: Path,
    filename: str,
    options: ImportOptions,
    settings: Settings,
    *,
    timezone: str,
    remember: Remember | None = None,
) -> dict[str, Any]:
    """What was found in a file, for the import's row: how to open it again, its columns, the plan, its source.

    Reads the beginning of the file, so call it outside of transactions. Raises FileRefused and BadInput.
    """
    name = options.filename or filename
    header = options.header is not False
    if options.header is None:
        with open_import(path, filename, options, settings) as table:
            header = not begins_with_data(table)
    with open_import(path, filename, options, settings, header=header) as table:
        earlier = remember(table.columns) if remember is not None else None
        plan = study(table, choices_of(options, timezone, name, earlier.options if earlier is not None else {}))
        own = (earlier.source if earlier is not None else None) or plan.source or default_source(name)
        return {
            "format": table.format,
            "packing": table.packing,
            "encoding": table.encoding,
            "encoding_sure": table.encoding_sure,
            "delimiter": table.delimiter,
            "sheet": table.sheet,
            "header": header,
            "columns": table.columns,
            "plan": plan.as_json(),
            "source": (options.source or own)[:MAX_ID_CHARS],
            "same_file_as": str(earlier.import_id) if earlier is not None and earlier.same_file else None,
            "read_as_in": str(earlier.import_id) if earlier is not None and earlier.options else None,
        }


def remembering(
    database: Database, *, workspace_id: int, upload: Upload, options: ImportOptions, except_id: int | None = None
) -> Remember:
    """A look at the workspace's earlier imports, on a session of its own."""
    source = options.source or default_source(options.filename or upload.filename)

    def look(columns: list[str]) -> Earlier | None:
        with database.read() as session:
            return earlier_import(
                session,
                workspace_id=workspace_id,
                sha256=upload.sha256,
                source=source,
                columns=columns,
                except_id=except_id,
            )

    return look


def plan_of(layout: dict[str, Any]) -> Plan:
    """The plan in an import's layout."""
    return Plan.from_json(layout["plan"])


def preview(
    path: Path,
    filename: str,
    options: ImportOptions,
    settings: Settings,
    *,
    layout: dict[str, Any],
    rows: int = PREVIEW_ROWS,
) -> dict[str, Any]:
    """What an import of this file would do: first items, and what would be rejected among its first `rows`."""
    plan = plan_of(layout)
    items: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    read = rejected = empty = 0
    complete = True
    examples: dict[str, list[str]] = {use.column: [] for use in plan.columns if use.note != PERSONAL}
    order = {column: place for place, column in enumerate(layout["columns"])}
    opened = {"encoding": layout["encoding"], "header": layout["header"]}
    with open_import(path, filename, options, settings, **opened) as table:
        reader = ItemReader(plan, table.columns, max_text_chars=settings.max_text_chars)
        for row in body_of(table, plan):
            if read == rows:
                complete = False
                break
            read += 1
            _add_examples(examples, table.columns, row)
            try:
                found = reader.items(checked_row(row))
            except RowRefused as refused:
                rejected += 1
                if len(rejects) < PREVIEW_REJECTS:
                    rejects.append({"row": row.number, "code": refused.code, "detail": refused.detail})
                continue
            if not found:
                empty += 1
            for item in found[: PREVIEW_ITEMS - len(items)]:
                shown = item.model_dump(mode="json", exclude_none=True)
                items.append({**shown, "source": item.source or layout["source"]})
        notes = table.notes
    return {
        **{name: layout[name] for name in SHOWN},
        "preset": plan.preset,
        "channel": plan.channel,
        "timezone": plan.timezone,
        "day_first": plan.day_first,
        "mapping": [
            {**asdict(use), "examples": examples.get(use.column, [])}
            for use in sorted(plan.columns, key=lambda use: order[use.column])
        ],
        "questions": plan.questions,
        "items": items,
        "rows": {"checked": read, "rejected": rejected, "empty": empty, "complete": complete},
        "rejected": rejects,
        "notes": notes,
    }


def _add_examples(examples: dict[str, list[str]], columns: Sequence[str], row: Row | RowError) -> None:
    """Note the first values of each column that are not blank and not known yet."""
    for column, cell in zip(columns, row.cells, strict=False):
        found = examples.get(column)
        if found is None or len(found) == EXAMPLES or cell is None:
            continue
        text = " ".join(str(cell).replace(BROKEN, "\ufffd").split())
        shown = text if len(text) <= EXAMPLE_CHARS else text[: EXAMPLE_CHARS - 1] + "…"
        if shown and shown not in found:
            found.append(shown)


def checked_row(row: Row | RowError) -> Row:
    """The row, or its error raised as what it means for the import: it is refused."""
    if isinstance(row, RowError):
        raise RowRefused(row.code, row.detail)
    return row
