"""`/labels`: what each stage, topic and touchpoint contains, for everybody who reads numbers of them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.dependencies import ReadDb, Reader
from service.review.feedback_query import codebook
from service.review.render import page
from service.store.journey_models import journey_model

router = APIRouter(include_in_schema=False)

# field, its title, what it says of a piece of feedback
FIELDS: Final = (
    (
        "stage",
        "Stages",
        "When on the journey it happens: where the customer is when it does.",
    ),
    ("topic", "Topics", "What it is about."),
    ("touchpoint", "Touchpoints", "Where customer and company met."),
    ("emotion", "Emotions", "What the words express towards the brand, product or service."),
)


@router.get("/labels")
def labels_page(caller: Reader, session: ReadDb) -> HTMLResponse:
    """The definitions by which feedback is labelled, and the column of the map in which each stage stands."""
    known = codebook()
    model = journey_model(session, workspace_id=caller.workspace_id, model_id=caller.journey_model, codebook=known)
    columns: dict[str, list[str]] = {}
    for column in model.stages:
        for stage in dict.fromkeys(rule.codebook_stage for rule in column.rules):
            columns.setdefault(stage, []).append(column.name)
    fields: list[dict[str, Any]] = [
        {"name": name, "title": title, "about": about, "rows": known.definitions(name)}
        for name, title, about in FIELDS
    ]
    return page(
        "label_page.html",
        {
            "caller": caller,
            "page": "map",
            "fields": fields,
            "columns": columns,
            "model": model.name,
            "version": known.version,
        },
    )
