"""The journey map for people: what is counted and what is written, in one table, with the view in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from nlp.codebook import JourneyModel
from service.aggregate.journey import SuggestionsByStage, journey_map
from service.aggregate.journey_models import list_models
from service.aggregate.query import MapQuery
from service.aggregate.questions import top_questions
from service.aggregate.verbatims import SHOWN
from service.auth import Caller
from service.dependencies import ReadDb, Reader
from service.moments import said_days
from service.review import charts, map_filters, map_rows, map_view
from service.review.feedback_query import KNOWN, codebook
from service.review.render import page
from service.selection import EPOCH, Selection, refuse_unknown
from service.store.columns import now
from service.store.journey_models import journey_model
from service.store.personas import of_persona
from service.suggest import map_document, personas, suggestions

router = APIRouter(include_in_schema=False)

# a column's questions are looked for in the words themselves: on a large map only where they are asked for
QUESTIONS_AT_ONCE: Final = 2_000
DONE: Final = {
    "written": "Written. The version before can be restored.",
    "nothing": "Nothing was changed, so there is no new version.",
    "moved": "Moved.",
    "added": "The row is on the map. Write in it now.",
    "removed": "The row is gone. It stands in the versions before.",
    "restored": "Restored, as a new version. What was decided on suggestions stays.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What of the map is looked at, as its address says."""

    pairs: map_filters.Pairs
    query: MapQuery
    persona: str | None
    model: JourneyModel

    @property
    def selection(self) -> Selection:
        """Period and filters, the persona's among them."""
        return Selection.model_validate(self.query.model_dump(include=set(Selection.model_fields)))


@dataclass(frozen=True, slots=True)
class Editing:
    """What is being written: the row, what was typed so far, and what is wrong with it."""

    row: str | None = None
    arrange: str | None = None
    typed: Sequence[str] | None = None
    reason: str = ""
    wrong: str | None = None
    status: int = field(default=200)


def seen_of(session: Session, request: Request, caller: Caller, pairs: map_filters.Pairs) -> Seen:
    """The view of an address; BadInput where it asks for what is not there.

    So is a filter that feedback has and the map has not, such as a theme: the map would only look narrowed.
    """
    refuse_unknown(request, map_filters.VIEW, among=KNOWN, what="The map")
    persona = map_filters.chosen(pairs, "persona")
    selection = map_filters.selection_of(request, pairs)
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    asked = map_filters.chosen(pairs, "model")
    if asked is None:  # the model that the map is written on, else the workspace's usual one
        newest = map_document.newest(session, caller.workspace_id, persona or map_document.EVERYBODY)
        asked = (newest.document.get("model") if newest is not None else None) or caller.journey_model
    query = MapQuery.model_validate({**selection.model_dump(), "model": asked})
    model = journey_model(session, workspace_id=caller.workspace_id, model_id=query.model, codebook=codebook())
    return Seen(pairs, query, persona, model)


def counted(
    session: Session,
    caller: Caller,
    seen: Seen,
    *,
    course: bool = True,
    verbatims: int = SHOWN,
    suggested: SuggestionsByStage | None = suggestions.suggestions_by_stage,
) -> dict[str, Any]:
    """The map of a view, as the API answers it; without trends and series, or suggestions, where told so."""
    return journey_map(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=seen.query,
        verbatims=verbatims if caller.may("verbatims") else 0,
        course=course,
        suggestions_by_stage=suggested,
    )


@router.get("/map")
def map_page(
    request: Request,
    caller: Reader,
    session: ReadDb,
    edit: str | None = None,
    arrange: str | None = None,
    done: str | None = None,
) -> HTMLResponse:
    """The journey map with stages as columns."""
    may = caller.may("decide")
    editing = Editing(row=edit if may else None, arrange=arrange if may else None)
    pairs = map_filters.view_of(request.query_params.multi_items())
    return shown(session, request, caller, pairs, editing, notice=DONE.get(done or ""))


def shown(
    session: Session,
    request: Request,
    caller: Caller,
    pairs: map_filters.Pairs,
    editing: Editing,
    *,
    notice: str | None = None,
) -> HTMLResponse:
    """The page, also while a row is being written."""
    seen = seen_of(session, request, caller, pairs)
    found = counted(session, caller, seen)
    current = map_document.current(session, workspace_id=caller.workspace_id, persona=seen.persona)
    written = current["document"]
    blank = written_on_nothing(written)
    fits = written["model"] == seen.model.id or blank
    columns = [stage["stage"] for stage in found["stages"]]
    questions = _questions(session, caller, seen, found)
    people = personas.names(session, workspace_id=caller.workspace_id)
    selected = map_filters.without(pairs, "model", "persona", *map_filters.SHOWN)
    if seen.persona:  # a list of feedback knows attributes, not personas
        selected += [
            (f"{map_filters.ATTRIBUTE}{name}", value)
            for name, values in seen.selection.attributes.items()
            for value in values
            if (f"{map_filters.ATTRIBUTE}{name}", value) not in selected
        ]
    most = max([stage["items"] for stage in found["stages"]] + [1])
    rows = map_rows.rows_of(written)
    if not fits:
        rows = [row for row in rows if not row.written]
    cells = {row.key: map_rows.cells_of(written, row.key, columns) for row in rows if row.written}
    owners = _owners(current["changes"], seen.model)
    empty = {key for key, values in cells.items() if not any(values)} - {editing.row}
    lanes = any(stage["metrics"] for stage in found["stages"])
    hidden = {key for key in empty if not key.startswith(map_rows.OWN)}
    hidden -= {"owner"} if any(owners) else set()
    hidden |= set() if lanes else {"lanes"}
    # what is being written or arranged is shown whole
    short = map_filters.chosen(pairs, "rows") == "short" and not (editing.row or editing.arrange)
    return page(
        "map.html",
        {
            "caller": caller,
            "csrf": caller.csrf_token,  # a macro's own `caller` is another one
            "page": "map",
            "map": found,
            "query": seen.query,
            "filtered": bool(seen.query.filters() or seen.query.from_ or seen.query.to),
            "models": list_models(session, caller.workspace_id),
            "personas": people,
            "persona": next((one for one in people if one["id"] == seen.persona), None),
            "channels": map_filters.CHANNELS,
            "offered": map_filters.offered(session, caller.workspace_id),
            "chips": map_filters.chips(pairs),
            "periods": map_filters.periods(pairs, now().date()),
            "period": said_period(seen.selection, caller.timezone),
            "pairs": pairs,
            "address": partial(map_filters.address, pairs),
            "away": urlencode(
                [("model", seen.model.id), *map_filters.without(pairs, "model", *map_filters.SHOWN)]
            ),
            "view": map_filters.address(pairs, "").lstrip("?"),
            "curve": charts.emotion_curve(found["stages"]),
            "reasons": map_view.REASONS,
            "bar": lambda items: round(100 * items / most, 1),
            "unplaced": partial(map_view.unplaced, selected, seen.model),
            "feedback_of": partial(map_view.feedback_of, selected, seen.model),
            "interval": map_view.interval,
            "scores": map_view.SCORES,
            "score_text": map_view.score_text,
            "score_interval": map_view.score_interval,
            "sentiment_mix": map_view.sentiment_mix,
            "emotion_mix": map_view.emotion_mix,
            "words_of": map_view.words_of,
            "pain_trend": partial(
                map_view.pain_trend,
                suggestions.pain_trends(
                    session,
                    workspace_id=caller.workspace_id,
                    timezone=caller.timezone,
                    selection=seen.selection,
                ),
            ),
            "questions": questions,
            "rows": [row for row in rows if row.key not in hidden and (not short or row.key in map_rows.IN_SHORT)],
            "short": short,
            "every_row": map_filters.address(map_filters.without(pairs, "rows")),
            "few_rows": map_filters.address(map_filters.without(pairs, "rows"), rows="short"),
            "on_scale": map_view.on_scale,
            "tone": charts.tone,
            "unwritten": [row for row in rows if row.key in hidden and row.written and row.key != editing.row],
            "cells": cells,
            "goals": map_rows.cells_of(written, "goal", columns) if fits else [],
            "typed_in": map_rows.typed,
            "owners": owners,
            "document": current,
            "fits": fits,
            "may_write": caller.may("decide") and fits,
            "editing": editing,
            "notice": notice,
            "stale": [stage for stage in found["stages"] if stage["freshness"]["stale"] and stage["items"]],
            "most_people": found["totals"]["respondents"],
        },
        status=editing.status,
    )


def written_on_nothing(document: dict[str, Any]) -> bool:
    """Whether nothing stands on any column yet, so that the map can be written on any journey model."""
    fields = [value for stage in document["stages"] for name, value in stage.items() if name != "stage" and value]
    return not fields and not any(row["cells"] for row in document["rows"])


def said_period(selection: Selection, timezone: str) -> str:
    """The period in words, its last day among them."""
    first, end = selection.days(timezone)
    return said_days(
        EPOCH + timedelta(days=first) if first is not None else None,
        EPOCH + timedelta(days=end - 1) if end is not None else None,
    )


def _questions(session: Session, caller: Caller, seen: Seen, found: dict[str, Any]) -> dict[str, Any] | None:
    """What customers ask, by column; None where it has to be asked for, or must not be read."""
    asked = map_filters.chosen(seen.pairs, "questions") is not None
    if not caller.may("verbatims") or not (asked or found["totals"]["items"] <= QUESTIONS_AT_ONCE):
        return None
    return top_questions(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        selection=seen.selection,
        model_id=seen.model.id,
    )


def _owners(changes: list[dict[str, Any]], model: JourneyModel) -> list[list[str]]:
    """By column, who owns a change that was agreed on."""
    found: list[list[str]] = [[] for _ in model.stages]
    for one in changes:
        column = model.column(one["stage"], None)
        if column is not None and one["owner"] and one["owner"] not in found[column]:
            found[column].append(one["owner"])
    return found
