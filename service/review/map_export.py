"""The journey map to take away: `/v1/journey-map.png`, `.svg`, `.pdf`, `.pptx` and `.csv`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response

from service.aggregate.journey import journey_map
from service.aggregate.query import MapQuery
from service.aggregate.verbatims import SHOWN
from service.dependencies import ReadDb, Reader
from service.review import map_slide
from service.review.map_picture import map_csv, map_pdf, map_png, map_svg
from service.selection import SelectionQuery
from service.store.personas import of_persona
from service.suggest.suggestions import ON_THE_MAP, SuggestionQuery, suggestions, suggestions_by_stage

router = APIRouter(tags=["map"])

Form = Literal["png", "svg", "pdf", "pptx", "csv"]
MEDIA_TYPES: dict[Form, str] = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "pptx": map_slide.MEDIA_TYPE,
    "csv": "text/csv; charset=utf-8",
}
SUMMARIES: dict[Form, str] = {"csv": "The map as a table", "pptx": "The map as slides to edit (PowerPoint)"}


def _route(form: Form) -> None:
    @router.get(
        f"/v1/journey-map.{form}",
        operation_id=f"read_map_as_{form}",
        response_class=Response,
        responses={200: {"content": {MEDIA_TYPES[form]: {}}}},
        summary=SUMMARIES.get(form, f"The map as a picture ({form.upper()})"),
    )
    def read_map_as(
        caller: Reader,
        session: ReadDb,
        selection: SelectionQuery,
        model: Annotated[
            str | None,
            Query(description="A journey model's id; without it the workspace's default.", examples=["7-stage"]),
        ] = None,
        persona: Annotated[
            str | None, Query(max_length=200, description="Only what a persona says.", examples=["buyer"])
        ] = None,
    ) -> Response:
        """The same map as `GET /v1/journey-map`, with the same filters, to put into slides or a spreadsheet."""
        selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
        found = journey_map(
            session,
            workspace_id=caller.workspace_id,
            timezone=caller.timezone,
            query=MapQuery.model_validate({**selection.model_dump(), "model": model or caller.journey_model}),
            verbatims=SHOWN if caller.may("verbatims") else 0,
            suggestions_by_stage=suggestions_by_stage,
        )
        title = f"Customer journey, {caller.workspace}"
        if form == "pptx":
            proposed = suggestions(
                session,
                workspace_id=caller.workspace_id,
                timezone=caller.timezone,
                query=SuggestionQuery(selection=selection, model=found["model"], status=ON_THE_MAP),
                limit=map_slide.SUGGESTIONS,
                verbatims=caller.may("verbatims"),
            )
            drawn = map_slide.map_pptx(found, proposed["data"], title=title)
        else:
            drawn = _drawn(form, found, title, caller.table_mark)
        return Response(
            drawn,
            media_type=MEDIA_TYPES[form],
            headers={
                "Content-Disposition": f'attachment; filename="journey-map-{found["as_of"][:10]}.{form}"',
                "X-Content-Type-Options": "nosniff",
                # opened by itself, an SVG is a page: it gets no rights
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            },
        )


for _form in MEDIA_TYPES:
    _route(_form)


def _drawn(form: Form, found: dict[str, Any], title: str, table_mark: str) -> bytes:
    if form == "csv":
        return (table_mark + map_csv(found)).encode()
    svg = map_svg(found, title=title)
    if form == "svg":
        return svg.encode()
    return map_png(svg) if form == "png" else map_pdf(svg)
