"""Themes over HTTP: the list, and what people decide on them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict
from sqlmodel import Session

from service.aggregate.answers import Answer, Estimate, Labels, Trend
from service.aggregate.api import PersonaQuery
from service.aggregate.examples import _LABELS, ESTIMATE
from service.aggregate.theme_decisions import (
    MISSING,
    MergeBody,
    SplitBody,
    ThemeBody,
    change_theme,
    merge_themes,
    split_theme,
)
from service.aggregate.theme_numbers import Direction
from service.aggregate.themes import Sentiment, ThemesQuery, list_themes, one_theme
from service.auth import Caller
from service.dependencies import Db, Decider, JsonBody, ReadDb, Reader, json_body, parse_body
from service.errors import BadInput, FieldError, NotFound
from service.idempotency import IdempotentRoute
from service.paging import MAX_ID, Page, row_id
from service.selection import SelectionQuery
from service.store.personas import of_persona
from service.store.rollup_codes import codes

router = APIRouter(tags=["themes"], route_class=IdempotentRoute)


class ThemeSizeAnswer(Answer):
    """`count` of `n` items of the stage, copies of one text once; the interval is one over respondents."""

    count: int
    n: int
    share: float
    low: float
    high: float
    respondents: int
    items: int
    mentions: int


class ThemeVerbatim(Answer):
    """Words of one customer without what is personal."""

    feedback_id: str
    text: str
    occurred_at: str | None
    channel: str
    sentiment: str
    emotion: str
    start: int
    end: int


EXAMPLE: dict[str, Any] = {
    "id": "12",
    "name": "Refund takes weeks",
    "named_by": None,
    "words_name": None,
    "state": "active",
    "waits_for_split": False,
    "stage": "support",
    "topic": "returns_refunds",
    "side": "trouble",
    "sentiment": "negative",
    "net_sentiment": ESTIMATE,
    "size": {
        "count": 41,
        "n": 390,
        "share": 0.1051,
        "low": 0.0783,
        "high": 0.1397,
        "respondents": 39,
        "items": 41,
        "mentions": 44,
    },
    "small": None,
    "trend": None,
    "direction": "too_little",
    "verbatims": [
        {
            "feedback_id": "1041",
            "text": "The refund takes weeks and nobody says why.",
            "occurred_at": "2026-11-12T09:30:00Z",
            "channel": "survey",
            "sentiment": "negative",
            "emotion": "frustration",
            "start": 0,
            "end": 43,
        }
    ],
    "history": [{"at": "2026-11-01T08:00:00+00:00", "what": "found", "segments": 12}],
    "created_at": "2026-11-01T08:00:00Z",
    "series": [{"week": "2026-11-09", "count": 6, "n": 61, "share": 0.0984, "low": 0.0459, "high": 0.1985}],
}


class ThemeWeek(Answer):
    """A week (its Monday): count of n items of the stage; shares are null where nothing can be told."""

    week: str
    count: int
    n: int
    share: float | None
    low: float | None
    high: float | None


class ThemeAnswer(Answer):
    """A recurring group of one stage and topic; `small` says in words where few respondents are behind it."""

    id: str
    name: str
    named_by: str | None
    words_name: str | None  # where a person named it: what the words had made of it
    state: str
    waits_for_split: bool
    stage: str
    topic: str
    side: Literal["trouble", "praise"]  # neutral words stand with the complaints
    sentiment: str
    net_sentiment: Estimate
    size: ThemeSizeAnswer
    small: str | None
    trend: Trend | None
    direction: Direction | None  # of its number of items; null where changes are withheld or the period runs
    verbatims: list[ThemeVerbatim]
    history: list[dict[str, Any]]
    created_at: str
    series: list[ThemeWeek] | None = None  # of a theme that is asked for alone

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})


class Coverage(Answer):
    """Of the items with something negative to say in their own stage, how many stand in a theme."""

    negative_items: int
    in_a_theme: int
    share: float | None


class ThemeListAnswer(Answer):
    """A page of themes, most respondents first."""

    data: list[ThemeAnswer]
    next: str | None
    as_of: str
    coverage: Coverage
    labels: Labels

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "data": [EXAMPLE],
                "next": None,
                "as_of": "2026-11-16T08:00:00Z",
                "coverage": {"negative_items": 380, "in_a_theme": 322, "share": 0.8474},
                "labels": _LABELS,
            }
        },
    )


@router.get("/v1/themes", response_model=ThemeListAnswer, summary="What keeps coming up")
def read_themes(
    caller: Reader,
    session: ReadDb,
    page: Page,
    selection: SelectionQuery,
    stage: Annotated[list[str] | None, Query(description="Only these codebook stages.")] = None,
    topic: Annotated[list[str] | None, Query(description="Only these topics.")] = None,
    sentiment: Annotated[list[Sentiment] | None, Query(description="What most of its words are.")] = None,
    state: Annotated[
        Literal["active", "dismissed"], Query(description="`dismissed`: those put aside by a person.")
    ] = "active",
    persona: PersonaQuery = None,
) -> Response:
    """Recurring groups within stage and topic, named from the customers' words, most respondents first.

    Each has its size as a share of its stage's items with n and interval over respondents, its sentiment, its
    trend as on the map, and its most telling verbatims (none for callers who may not read them). Period and
    filters are those of the map. New feedback joins its theme within half a minute of being tagged.
    """
    selection = of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona)
    query = ThemesQuery(
        selection=selection,
        stage=_labels("stage", stage),
        topic=_labels("topic", topic),
        sentiment=tuple(sentiment or ()),
        state=state,
    )
    after = page.key()
    if after is not None and not (type(after) is int and 0 <= after <= MAX_ID):
        detail = "this cursor did not come from here; start without one"
        raise BadInput(f"cursor: {detail}", errors=[FieldError("/cursor", "bad_cursor", detail)])
    found = list_themes(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=query,
        limit=page.limit,
        after=after or 0,
        verbatims=caller.may("verbatims"),
    )
    # built by us field by field; a second pass through the answer's model would cost more than the counting
    return Response(orjson.dumps(found), media_type="application/json")


@router.get("/v1/themes/{id}", response_model=ThemeAnswer, summary="One theme")
def read_theme(id: str, caller: Reader, session: ReadDb) -> dict[str, Any]:
    """One theme over all time with its latest weeks and its history: found, renamed, split, merged, dismissed."""
    return _one(session, caller, row_id(id, MISSING))


@router.put(
    "/v1/themes/{id}",
    response_model=ThemeAnswer,
    summary="Rename or dismiss a theme",
    openapi_extra=json_body(ThemeBody, {"name": "Refunds take weeks"}),
)
def put_theme(id: str, caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """A person's name stays, whatever comes in later; a dismissed theme is shown no more, and not found again.

    `own_name: false` takes a person's name back: what the words made of it stands again.
    """
    given = parse_body(ThemeBody, body)
    return _one(
        session,
        caller,
        change_theme(session, workspace_id=caller.workspace_id, actor=caller.actor, theme_id=id, body=given),
    )


@router.post(
    "/v1/themes/{id}/merge",
    response_model=ThemeAnswer,
    summary="Merge themes into this one",
    openapi_extra=json_body(MergeBody, {"themes": ["14"]}),
)
def post_merge(id: str, caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """Their members, and whatever comes in that resembles them, belong to this theme from then on."""
    given = parse_body(MergeBody, body)
    return _one(
        session,
        caller,
        merge_themes(session, workspace_id=caller.workspace_id, actor=caller.actor, theme_id=id, body=given),
    )


@router.post(
    "/v1/themes/{id}/split",
    status_code=202,
    response_model=ThemeAnswer,
    summary="Split a theme",
    openapi_extra=json_body(SplitBody, {"parts": 2}),
)
def post_split(id: str, caller: Decider, session: Db, body: JsonBody) -> dict[str, Any]:
    """The worker splits it within seconds (`waits_for_split` until then); the largest part keeps id and name."""
    given = parse_body(SplitBody, body)
    return _one(
        session,
        caller,
        split_theme(session, workspace_id=caller.workspace_id, actor=caller.actor, theme_id=id, body=given),
    )


def _one(session: Session, caller: Caller, theme_id: int) -> dict[str, Any]:
    found = one_theme(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        theme_id=theme_id,
        verbatims=caller.may("verbatims"),
    )
    if found is None:
        raise NotFound(f"{MISSING} does not exist.")
    return found


def _labels(name: str, values: list[str] | None) -> tuple[str, ...]:
    allowed = codes().labels[name]
    for value in values or ():
        if value not in allowed:
            detail = f"«{name}» is one of {', '.join(allowed)}"
            raise BadInput(f"{detail}.", errors=[FieldError(f"/{name}", "unknown_label", detail)])
    return tuple(values or ())
