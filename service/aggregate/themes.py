"""Themes in numbers: how large, how sure, since when, in whose words.

A theme's size is the share of the items in its stage that have a segment in it, as for pain points: n counts
items, intervals count respondents (see service/intervals.py), and copies of one longer text (a campaign, the same
person twice) count as one respondent and one item. Trends compare periods as everywhere (see
service/aggregate/change.py): all themes of a state are tested together, on labels of one model. The counting
itself: service/aggregate/theme_numbers.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from sqlmodel import Session

from service.aggregate.theme_numbers import (
    Direction,
    State,
    changes_of,
    counted_of,
    course_of,
    labels_of,
    theme_numbers,
    weeks_of,
)
from service.aggregate.theme_words import Told, verbatims_of
from service.aggregate.trends import series_of
from service.moments import rfc3339
from service.paging import encode_cursor
from service.selection import Selection
from service.store.columns import now
from service.store.like_with_like import foreign
from service.store.rollup_frame import load
from service.store.themes import ThemeRow, members_of

Sentiment = Literal["negative", "neutral", "positive"]
FEW: Final = 10  # respondents below which a size is called small
TOLD: Final = 8  # verbatims of a theme that is asked for alone


@dataclass(frozen=True, slots=True)
class ThemesQuery:
    """Which themes are asked for; empty filters ask for all."""

    selection: Selection = field(default_factory=Selection)
    stage: Sequence[str] = ()
    topic: Sequence[str] = ()
    sentiment: Sequence[str] = ()
    state: State = "active"


def list_themes(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    query: ThemesQuery,
    limit: int = 50,
    after: int = 0,
    verbatims: bool = True,
) -> dict[str, Any]:
    """A page of themes, most respondents first: {"data", "next", "as_of", "coverage", "labels"}."""
    moment = now()
    found = theme_numbers(
        session, workspace_id=workspace_id, timezone=timezone, selection=query.selection, state=query.state
    )
    sizes = found.sizes
    shown = [
        at
        for at, theme in enumerate(found.themes)
        if theme.name
        and sizes[at]["count"]
        and (not query.stage or theme.stage in query.stage)
        and (not query.topic or theme.topic in query.topic)
        and (not query.sentiment or sizes[at]["sentiment"] in query.sentiment)
    ]
    shown.sort(key=lambda at: (-sizes[at]["respondents"], -sizes[at]["count"], found.themes[at].id))
    page = shown[after : after + limit]
    words: dict[int, list[Told]] = {}
    if verbatims:
        words = verbatims_of(
            session,
            workspace_id,
            {found.themes[at].id: found.candidates[found.themes[at].id] for at in page},
        )
    data = [
        _public(
            found.themes[at],
            sizes[at],
            found.changes[at],
            found.directions[at],
            [one.public() for one in words.get(found.themes[at].id, [])],
        )
        for at in page
    ]
    return {
        "data": data,
        "next": encode_cursor(after + limit) if len(shown) > after + limit else None,
        "as_of": rfc3339(moment),
        "coverage": found.coverage,
        "labels": found.labels,
    }


def one_theme(
    session: Session, *, workspace_id: int, timezone: str, theme_id: int, verbatims: bool
) -> dict[str, Any] | None:
    """One theme over all time with its `series`, whatever its state; None where there is none of this id."""
    frame = load(session, workspace_id)
    members = members_of(session, workspace_id, frame)
    theme = members.themes.get(theme_id)
    if theme is None:
        return None
    state: State = "dismissed" if theme.state == "dismissed" else "active"
    found = theme_numbers(
        session, workspace_id=workspace_id, timezone=timezone, selection=Selection(), state=state
    )
    at = next(place for place, one in enumerate(found.themes) if one.id == theme_id)
    words: dict[int, list[Told]] = {}
    if verbatims:
        words = verbatims_of(session, workspace_id, {theme_id: found.candidates[theme_id]}, most=TOLD)
    told = [one.public() for one in words.get(theme_id, [])]
    return _public(theme, found.sizes[at], found.changes[at], found.directions[at], told) | {
        "series": weeks_of(frame, members, theme)
    }


def _public(
    row: ThemeRow,
    size: dict[str, Any],
    trend: dict[str, Any] | None,
    direction: Direction | None,
    words: list[dict[str, Any]],
) -> dict[str, Any]:
    few = size["respondents"] < FEW
    return {
        "id": str(row.id),
        "name": row.name,
        "named_by": row.named_by,
        "words_name": row.words_name or None,
        "state": row.state,
        "waits_for_split": row.waits,
        "stage": row.stage,
        "topic": row.topic,
        "side": row.side,
        "sentiment": size["sentiment"],
        "net_sentiment": size["net_sentiment"],
        "size": {
            name: size[name] for name in ("count", "n", "share", "low", "high", "respondents", "items", "mentions")
        },
        "small": f"Only {size['respondents']} respondents: read the words before you act on it." if few else None,
        "trend": trend,
        "direction": direction,
        "verbatims": words,
        "history": row.history,
        "created_at": rfc3339(row.created_at),
    }


def theme_trends(session: Session, *, workspace_id: int, timezone: str, selection: Selection) -> dict[str, Any]:
    """What `weekly_trends` answers, by theme: `label` is its name, beside its id, stage and topic."""
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    members = members_of(session, workspace_id, frame)
    rows = [one for one in members.themes.values() if one.state == "active" and one.name]
    inside = frame.mask(first_day=first, end_day=end, filters=selection.filters()) & frame.rows["dated"]
    counted = counted_of(members, rows, inside)
    course = course_of(frame, members, counted)
    changes, _, withheld = changes_of(frame, members, rows, selection, timezone)
    series = series_of(
        course,
        foreign(frame, counted.row),
        frame.rows["model"].take(counted.row) >= 0,
        everything=frame.rows["day"][inside],
    )
    counts = np.bincount(counted.number, minlength=len(rows)).tolist()
    order = sorted((at for at in range(len(rows)) if counts[at]), key=lambda at: (-counts[at], rows[at].id))
    data = [
        {
            "label": rows[at].name,
            "id": str(rows[at].id),
            "stage": rows[at].stage,
            "topic": rows[at].topic,
            "items": counts[at],
            "trend": changes[at],
            "series": series[at],
        }
        for at in order
    ]
    labels = labels_of(frame, inside, withheld)
    return {"by": "theme", "every": "week", "data": data, "labels": labels}
