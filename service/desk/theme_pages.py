"""Themes as pages: the list by stage and topic, one theme with its evidence, and what people decide on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar, get_args
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from sqlmodel import Session

from service.aggregate.drivers import drivers
from service.aggregate.score_effects import effect_of, theme_effects
from service.aggregate.theme_decisions import (
    MISSING,
    MergeBody,
    SplitBody,
    ThemeBody,
    change_theme,
    merge_themes,
    split_theme,
)
from service.aggregate.theme_numbers import theme_numbers
from service.aggregate.themes import Sentiment, ThemesQuery, list_themes, one_theme
from service.auth import Caller
from service.dependencies import Db, Decider, ReadDb, Reader
from service.desk import driver_charts, theme_says
from service.desk.asked import asked_of, clean_address
from service.errors import BadInput, FieldError, NotFound, field_errors
from service.paging import PageQuery, row_id
from service.review import suggestion_charts
from service.review.feedback_query import check_labels, codebook
from service.review.forms import SignedInForm
from service.review.render import page
from service.selection import Selection
from service.store import rollup_frame
from service.store.themes import mentioned
from service.suggest import suggestions

router = APIRouter(include_in_schema=False)

Body = TypeVar("Body", bound=BaseModel)
LISTED: Final = 40
STATES: Final = {"active": "in use", "dismissed": "put aside"}
SENTIMENTS: Final = {"negative": "complaints", "positive": "praise", "neutral": "neither"}
FILTERS: Final = ("stage", "topic", "sentiment", "state")


@router.get("/themes")
def themes_page(
    request: Request,
    caller: Reader,
    session: ReadDb,
    cursor: str | None = None,
    done: str | None = None,
) -> Response:
    """What keeps coming up, by stage and topic; the address is the selection."""
    if (address := clean_address(request, "/themes")) is not None:
        return RedirectResponse(address, status_code=303)
    asked = asked_of(request, session, caller, *FILTERS)
    query = _query(request, asked.selection)
    found = list_themes(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        query=query,
        limit=LISTED,
        after=PageQuery(cursor=cursor).key() or 0,
        verbatims=caller.may("verbatims"),
    )
    return page(
        "themes.html",
        {
            "caller": caller,
            "page": "themes",
            "groups": by_stage(found["data"]),
            "moving": [one for one in found["data"] if one["direction"] in ("rising", "falling")],
            "query": query,
            **asked.form(session, caller, request),
            "filtered": bool(asked.pairs),
            "nothing_yet": not found["data"] and not rollup_frame.load(session, caller.workspace_id).live.any(),
            "coverage": found["coverage"],
            "withheld": found["labels"]["trends_withheld"],
            "scores": theme_effects(session, workspace_id=caller.workspace_id, timezone=caller.timezone),
            "stages": [one for one in codebook().labels("stage") if one != "none"],
            "topics": codebook().labels("topic"),
            "states": STATES,
            "sentiments": SENTIMENTS,
            "back": urlencode(asked.pairs),
            "siblings": siblings(session, caller) if caller.may("decide") else {},
            "notice": _notice(session, caller, done),
            "next": f"/themes?{urlencode([*asked.pairs, ('cursor', found['next'])])}" if found["next"] else None,
            "first": cursor is None,
            "says": theme_says,
            "feedback_of": partial(feedback_of, asked.of_feedback),
        },
    )


def by_stage(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Themes grouped: stages in the order of the journey, in each its topics, the largest theme first."""
    found = []
    for stage in codebook().labels("stage"):
        topics: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row["stage"] == stage:
                topics.setdefault(row["topic"], []).append(row)
        if topics:
            found.append({"stage": stage, "topics": list(topics.items()), "n": rows_n(topics)})
    return found


def rows_n(topics: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """How many items the stage has: all its themes say the same."""
    return int(next(iter(topics.values()))[0]["size"]["n"])


def siblings(session: Session, caller: Caller) -> dict[tuple[str, str, str], list[tuple[str, str]]]:
    """By stage, topic and side the themes that may go into each other: id and name, the largest first."""
    found = theme_numbers(
        session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=Selection()
    )
    order = sorted(range(len(found.themes)), key=lambda at: (-found.sizes[at]["respondents"], found.themes[at].id))
    cells: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for at in order:
        theme = found.themes[at]
        if theme.name:
            cells.setdefault((theme.stage, theme.topic, theme.side), []).append((str(theme.id), theme.name))
    return cells


def feedback_of(pairs: Sequence[tuple[str, str]], theme: Mapping[str, Any]) -> str:
    """The list of exactly the items that a theme's size counts (copies too), in a period and with filters."""
    return "/feedback?" + urlencode(
        [*pairs, ("theme", theme["id"]), ("stage", theme["stage"]), ("unsure", "false")]
    )


def _query(request: Request, selection: Selection) -> ThemesQuery:
    asked = request.query_params
    stage, topic = asked.getlist("stage"), asked.getlist("topic")
    check_labels("stage", stage)
    check_labels("topic", topic)
    state = asked.get("state", "active")
    if state not in STATES:
        detail = f"«state» is one of {', '.join(STATES)}"
        raise BadInput(f"{detail}.", errors=[FieldError("/state", "unknown", detail)])
    sentiment = [one for one in get_args(Sentiment) if one in asked.getlist("sentiment")]
    if len(sentiment) < len(set(asked.getlist("sentiment"))):
        detail = f"«sentiment» is one of {', '.join(SENTIMENTS)}"
        raise BadInput(f"{detail}.", errors=[FieldError("/sentiment", "unknown", detail)])
    return ThemesQuery(
        selection=selection,
        stage=stage,
        topic=topic,
        sentiment=sentiment,
        state="dismissed" if state == "dismissed" else "active",
    )


@router.get("/themes/{theme_id}")
def theme_page(theme_id: str, caller: Reader, session: ReadDb, done: str | None = None) -> Response:
    """One theme over all time: its weeks, words, scores, suggestion and history."""
    number = row_id(theme_id, MISSING)
    found = one_theme(
        session,
        workspace_id=caller.workspace_id,
        timezone=caller.timezone,
        theme_id=number,
        verbatims=caller.may("verbatims"),
    )
    if found is None:
        into = mentioned(session, caller.workspace_id, [number]).get(number)
        if into is None or into.merged_into is None:
            raise NotFound(f"{MISSING} does not exist.")
        return RedirectResponse(f"/themes/{into.merged_into}", status_code=303)  # an old link leads on
    others = mentioned(session, caller.workspace_id, theme_says.referred(found["history"]))
    cell = (found["stage"], found["topic"], found["side"])
    return page(
        "theme.html",
        {
            "caller": caller,
            "page": "themes",
            "theme": found,
            "weeks": suggestion_charts.weeks([{**one, "from": one["week"]} for one in found["series"]]),
            "driver": _driver(session, caller, found["id"]),
            "plus": driver_charts.plus,
            "suggestion": _suggestion(session, caller, found),
            "past": theme_says.past(found["history"], others),
            "siblings": {cell: siblings(session, caller).get(cell, [])} if caller.may("decide") else {},
            "notice": _notice(session, caller, found["id"] if done else None),
            "says": theme_says,
            "feedback_of": partial(feedback_of, []),
        },
    )


def _driver(session: Session, caller: Caller, theme_id: str) -> dict[str, Any] | None:
    """How scores of those who speak of the theme differ, from GET /v1/drivers; None where it is not told."""
    found = drivers(
        session, workspace_id=caller.workspace_id, timezone=caller.timezone, selection=Selection(), by="theme"
    )
    one = next((one for one in found["data"] if one["id"] == theme_id), None)
    return None if one is None else one | {"said": effect_of(one, found["scales"])}


def _suggestion(session: Session, caller: Caller, theme: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is proposed for the stage and topic of a theme; None where nothing is."""
    praise = "delight." if theme["side"] == "praise" else ""
    try:
        return suggestions.suggestion(
            session,
            workspace_id=caller.workspace_id,
            timezone=caller.timezone,
            public_id=f"{praise}{theme['stage']}.{theme['topic']}",
            verbatims=False,
        )
    except NotFound:
        return None


def _notice(session: Session, caller: Caller, theme_id: str | None) -> theme_says.Notice | None:
    if not theme_id or not (theme_id.isascii() and theme_id.isdecimal() and len(theme_id) <= 18):
        return None
    number = int(theme_id)
    found = one_theme(
        session, workspace_id=caller.workspace_id, timezone=caller.timezone, theme_id=number, verbatims=False
    )
    if found is None:
        return None
    others = mentioned(session, caller.workspace_id, {number, *theme_says.referred(found["history"])})
    return theme_says.notice(others[number], found["history"], others)


# --- decisions


@router.post("/themes/{theme_id}/rename")
def rename(theme_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Give a theme a name, or take a person's name back."""
    given = {"own_name": False} if form.get("own_name") == "false" else {"name": form.get("name", "")}
    body = _body(ThemeBody, {**given, "reason": form.get("reason")})
    change_theme(session, workspace_id=caller.workspace_id, actor=caller.actor, theme_id=theme_id, body=body)
    return _back(form, theme_id)


@router.post("/themes/{theme_id}/state")
def put_aside(theme_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Put a theme aside, or bring it back."""
    body = _body(ThemeBody, {"state": form.get("state"), "reason": form.get("reason")})
    change_theme(session, workspace_id=caller.workspace_id, actor=caller.actor, theme_id=theme_id, body=body)
    return _back(form, theme_id)


@router.post("/themes/{theme_id}/merge")
def merge(theme_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Take another theme in."""
    body = _body(
        MergeBody, {"themes": [form.get("other") or form.get("further", "")], "reason": form.get("reason")}
    )
    merge_themes(session, workspace_id=caller.workspace_id, actor=caller.actor, theme_id=theme_id, body=body)
    return _back(form, theme_id)


@router.post("/themes/{theme_id}/split")
def split(theme_id: str, form: SignedInForm, caller: Decider, session: Db) -> RedirectResponse:
    """Ask for a theme to be split."""
    parts = form.get("parts", "2")
    body = _body(SplitBody, {"parts": int(parts[:2]) if parts.isdecimal() else 0, "reason": form.get("reason")})
    split_theme(session, workspace_id=caller.workspace_id, actor=caller.actor, theme_id=theme_id, body=body)
    return _back(form, theme_id)


def _body(model: type[Body], given: Mapping[str, Any]) -> Body:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise BadInput("This can't be done to a theme.", errors=field_errors(error)) from error


def _back(form: Mapping[str, str], theme_id: str) -> RedirectResponse:
    """To the list that the form was sent from, else to the theme; never to another site."""
    if "back" not in form:
        return RedirectResponse(f"/themes/{theme_id}?done=1", status_code=303)
    pairs = [pair for pair in parse_qsl(form["back"]) if pair[0] != "done"]
    return RedirectResponse(f"/themes?{urlencode([*pairs, ('done', theme_id)])}#t{theme_id}", status_code=303)
