"""Routes of imports: send a file, see how far it is, answer what is open, fetch what was refused, stop."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlmodel import col, select

from service.auth import Caller
from service.dependencies import (
    AnyCaller,
    DatabaseOf,
    Db,
    Importer,
    JsonBody,
    ReadDb,
    SettingsOf,
    json_body,
    parse_body,
)
from service.errors import Forbidden
from service.idempotency import IdempotentRoute
from service.ingest.import_answers import DryRun, ImportAnswer, ImportList, Reading, answer_of, answers_of
from service.ingest.import_files import default_source, layout_of, preview, remembering
from service.ingest.import_requests import (
    cancel_import,
    change_reading,
    create_import,
    get_import,
    read_otherwise,
)
from service.ingest.rejects import rejected_lines
from service.ingest.uploads import ReceivedFile
from service.paging import Page, row_id
from service.store.schema import FileImport

router = APIRouter(tags=["imports"], route_class=IdempotentRoute)


def _viewer(caller: AnyCaller) -> Caller:
    if not (caller.may("ingest") or caller.may("read")):
        raise Forbidden("This needs the scope «ingest» or «read».")
    return caller


def _reader_of_words(caller: AnyCaller) -> Caller:
    if not (caller.may("ingest") or caller.may("verbatims")):
        raise Forbidden("This needs the scope «ingest» or «read», and the right to see verbatims.")
    return caller


Viewer = Annotated[Caller, Depends(_viewer)]
WordsReader = Annotated[Caller, Depends(_reader_of_words)]


@router.post(
    "/v1/imports",
    status_code=202,
    response_model=ImportAnswer,
    responses={200: {"model": DryRun, "description": "With `dry_run`: what would happen; nothing is stored."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The file as it is, or as the one file of a form.",
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "id,created_at,nps,comment\n1,2026-11-20,9,Delivery was quick.\n",
                },
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"file": {"type": "string", "format": "binary"}},
                        "required": ["file"],
                    }
                },
            },
        }
    },
)
def post_import(
    caller: Importer,
    received: ReceivedFile,
    database: DatabaseOf,
    session: Db,
    settings: SettingsOf,
    response: Response,
) -> Any:
    """Send a file: csv, tsv, xlsx, json or ndjson, also inside gzip or zip. It is read in the background.

    What is left out is found out; what can't be found out becomes a question (`needs_input`).
    """
    upload, options = received.upload, received.options
    kept = False
    try:
        path = upload.path(settings)
        remember = remembering(database, workspace_id=caller.workspace_id, upload=upload, options=options)
        layout = layout_of(path, upload.filename, options, settings, timezone=caller.timezone, remember=remember)
        if received.dry_run:
            shown = preview(path, upload.filename, options, settings, layout=layout)
            return JSONResponse(DryRun.model_validate(shown).model_dump(mode="json"))
        found = create_import(
            session, workspace_id=caller.workspace_id, upload=upload, options=options, layout=layout
        )
        kept = True
    finally:
        if not kept:
            received.discard(settings)
    response.headers["Location"] = f"/v1/imports/{found.id}"
    return answer_of(session, found)


@router.get("/v1/imports", response_model=ImportList)
def list_imports(caller: Viewer, session: ReadDb, page: Page) -> ImportList:
    """All imports of this workspace, newest first."""
    wanted = select(FileImport).where(FileImport.workspace_id == caller.workspace_id)
    after = page.key_id()
    if after is not None:
        wanted = wanted.where(col(FileImport.id) < after)
    rows = session.exec(wanted.order_by(col(FileImport.id).desc()).limit(page.limit + 1)).all()
    shown = rows[: page.limit]
    return ImportList(
        data=answers_of(session, shown),
        next=page.next_after(rows, shown[-1].id if shown else None),
    )


@router.get("/v1/imports/{import_id}", response_model=ImportAnswer)
def show_import(import_id: str, caller: Viewer, session: ReadDb) -> ImportAnswer:
    """How far an import is. All counters exist from the start."""
    number = row_id(import_id, "This import")
    return answer_of(session, get_import(session, workspace_id=caller.workspace_id, import_id=number))


@router.put(
    "/v1/imports/{import_id}/mapping",
    response_model=ImportAnswer,
    openapi_extra=json_body(Reading, {"mapping": {"Was war gut?": "text"}, "day_first": True}),
)
def put_mapping(
    import_id: str, caller: Importer, body: JsonBody, database: DatabaseOf, session: Db, settings: SettingsOf
) -> ImportAnswer:
    """Answer an import's questions, or mend a wrong guess before the first row is stored."""
    reading = parse_body(Reading, body)
    number = row_id(import_id, "This import")
    changed = reading.model_dump(exclude_unset=True)
    options, layout = read_otherwise(database, settings, caller, import_id=number, changed=changed)
    return answer_of(
        session,
        change_reading(
            session, workspace_id=caller.workspace_id, import_id=number, options=options, layout=layout
        ),
    )


@router.post("/v1/imports/{import_id}/cancel", response_model=ImportAnswer)
def post_cancel(import_id: str, caller: Importer, session: Db) -> ImportAnswer:
    """Stop an import. What is stored stays and is tagged."""
    number = row_id(import_id, "This import")
    return answer_of(session, cancel_import(session, workspace_id=caller.workspace_id, import_id=number))


@router.get(
    "/v1/imports/{import_id}/rejected.csv",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "_row,_code,_detail,id,comment\n7,wrong_width,The row has 3 cells …,7,Late,again\n",
                }
            },
            "description": "The refused rows with their original columns; mended, it can be sent again as it is.",
        }
    },
)
def rejected_csv(import_id: str, caller: WordsReader, database: DatabaseOf) -> StreamingResponse:
    """The refused rows, each with its reason in front of its original columns; streamed."""
    number = row_id(import_id, "This import")
    with database.read() as session:
        found = get_import(session, workspace_id=caller.workspace_id, import_id=number)
    name = f"{default_source(found.filename)}-rejected.csv"
    return StreamingResponse(
        chain((caller.table_mark,), rejected_lines(database, found)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f"attachment; filename=\"rejected.csv\"; filename*=UTF-8''{quote(name)}"},
    )
