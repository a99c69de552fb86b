"""Themes in numbers: how large, how sure, since when, in whose words.

A theme's size is the share of the items in its stage that have a segment in it, as for pain points: n counts
items, intervals count respondents (see service/intervals.py), and copies of one longer text (a campaign, the same
person twice) count as one respondent and one item. Trends compare periods as everywhere (see
service/aggregate/change.py): all themes of an answer are tested together, on labels of one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from service.aggregate.change import Course, past_of, periods_of, trends
from service.aggregate.scores import estimates, moments
from service.aggregate.theme_words import Told, verbatims_of
from service.aggregate.trends import at_fixed_mix, series_of
from service.intervals import effective_n_of_sums, share_interval
from service.moments import rfc3339
from service.paging import encode_cursor
from service.selection import Selection
from service.store.columns import now
from service.store.label_quality import LABEL_QUALITY
from service.store.like_with_like import WITHHELD, comparable, foreign, labelled_by
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load
from service.store.themes import Members, ThemeRow, item_stages, members_of

Array = NDArray[Any]
Sentiment = Literal["negative", "neutral", "positive"]
FEW = 10  # respondents below which a size is called small


@dataclass(frozen=True, slots=True)
class ThemesQuery:
    """Which themes are asked for; empty filters ask for all."""

    selection: Selection = field(default_factory=Selection)
    stage: Sequence[str] = ()
    topic: Sequence[str] = ()
    sentiment: Sequence[str] = ()
    state: Literal["active", "dismissed"] = "active"


@dataclass(frozen=True, slots=True)
class _Counted:
    """The members of the shown themes in a selection: one entry an item and theme."""

    themes: list[ThemeRow]
    number: Array
    """Of each entry: the place of its theme in `themes`."""
    row: Array
    sentiment: Array
    mentions: Array
    copied: Array


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
    frame = load(session, workspace_id)
    members = members_of(session, workspace_id, frame)
    first, end = query.selection.days(timezone)
    filters = query.selection.filters()
    mask = frame.mask(first_day=first, end_day=end, filters=filters)
    rows = [
        one
        for one in members.themes.values()
        if one.state == query.state
        and one.name
        and (not query.stage or one.stage in query.stage)
        and (not query.topic or one.topic in query.topic)
    ]
    counted = _counted(members, rows, mask & np.ones(len(frame), dtype=bool))
    sizes = _sizes(frame, members, counted, mask)
    changes, withheld = _changes(frame, members, rows, filters, first, end)
    shown = [
        at
        for at in sorted(
            range(len(rows)), key=lambda at: (-sizes[at]["respondents"], -sizes[at]["count"], rows[at].id)
        )
        if sizes[at]["count"] and (not query.sentiment or sizes[at]["sentiment"] in query.sentiment)
    ]
    page = shown[after : after + limit]
    words: dict[int, list[Told]] = {}
    if verbatims:
        words = verbatims_of(session, workspace_id, _candidates(frame, counted, page))
    data = [
        _public(rows[at], sizes[at], changes[at], [one.public() for one in words.get(rows[at].id, [])])
        for at in page
    ]
    return {
        "data": data,
        "next": encode_cursor(after + limit) if len(shown) > after + limit else None,
        "as_of": rfc3339(moment),
        "coverage": _coverage(frame, members, mask),
        "labels": _labels(frame, mask, withheld),
    }


def one_theme(
    session: Session, *, workspace_id: int, timezone: str, theme_id: int, verbatims: bool
) -> dict[str, Any] | None:
    """One theme over all time, whatever its state; None where there is none of this id."""
    frame = load(session, workspace_id)
    members = members_of(session, workspace_id, frame)
    row = members.themes.get(theme_id)
    if row is None:
        return None
    mask = frame.mask(first_day=None, end_day=None, filters={})
    counted = _counted(members, [row], mask)
    [size] = _sizes(frame, members, counted, mask)
    [change], _ = _changes(frame, members, [row], {}, None, None)
    words = verbatims_of(session, workspace_id, _candidates(frame, counted, [0])) if verbatims else {}
    return _public(row, size, change, [one.public() for one in words.get(theme_id, [])])


def _counted(members: Members, rows: list[ThemeRow], mask: Array) -> _Counted:
    ids = np.array([one.id for one in rows], dtype=np.int64)  # ascending, as they are read
    at = np.minimum(np.searchsorted(ids, members.theme), max(len(ids) - 1, 0))
    number = np.where(ids[at] == members.theme, at, -1) if len(ids) else np.full(len(members.theme), -1)
    kept = (number >= 0) & mask[members.row] & members.own
    return _Counted(
        rows,
        number[kept],
        members.row[kept],
        members.sentiment[kept],
        members.mentions[kept],
        members.copied[kept],
    )


def _sizes(frame: Frame, members: Members, counted: _Counted, mask: Array) -> list[dict[str, Any]]:
    """Of each theme: count of n items of its stage with interval over respondents, and its net sentiment."""
    many = len(counted.themes)
    stage = item_stages(frame)
    person = members.person
    net = estimates(
        moments(np.sign(counted.sentiment), counted.number, person[counted.row], groups=many),
        low=-1,
        high=1,
        scale=100,
        digits=2,
    )
    labels = codes().labels["stage"]
    of_stage: dict[str, tuple[Array, float, int]] = {}
    found = []
    for at, theme in enumerate(counted.themes):
        if theme.stage not in of_stage:
            inside = (
                mask & (stage == labels.index(theme.stage)) if theme.stage in labels else np.zeros(len(mask), bool)
            )
            of_all = np.bincount(person[inside], minlength=members.persons).astype(np.float64)
            of_stage[theme.stage] = (of_all, float((of_all**2).sum()), int(np.count_nonzero(inside)))
        by_person, squares, n = of_stage[theme.stage]
        own = counted.number == at
        said = own & ~counted.copied
        people, hits = np.unique(person[counted.row[own]], return_counts=True)
        count, items = int(np.count_nonzero(said)), int(np.count_nonzero(own))
        counts = hits.astype(np.float64)
        worth = effective_n_of_sums(
            clusters=int(np.count_nonzero(by_person)),
            total=float(n),
            hits=float(items),
            hits_squared=float((counts**2).sum()),
            hits_by_size=float((counts * by_person[people]).sum()),
            sizes_squared=squares,
        )
        share = share_interval(items / n if n else 0.0, worth if n else 0)
        mean = float(counted.sentiment[own].mean()) if items else 0.0
        found.append(
            {
                "count": count,
                "items": items,
                "n": n,
                "share": round(share.value, 4),
                "low": round(share.low, 4),
                "high": round(share.high, 4),
                "respondents": len(people),
                "mentions": int(counted.mentions[own].sum()),
                "net_sentiment": net[at],
                "sentiment": "negative" if mean < -1 / 3 else "positive" if mean > 1 / 3 else "neutral",
            }
        )
    return found


def _changes(
    frame: Frame,
    members: Members,
    rows: list[ThemeRow],
    filters: dict[str, list[str]],
    first: int | None,
    end: int | None,
) -> tuple[list[dict[str, Any] | None], bool]:
    """The trend of each theme, and whether they are withheld because two models meet."""
    nothing: list[dict[str, Any] | None] = [None] * len(rows)
    dated = frame.mask(first_day=None, end_day=None, filters=filters) & frame.rows["dated"]
    newest = int(frame.rows["day"][dated].max()) if dated.any() else None
    periods = periods_of(first, end, newest)
    if periods is None or newest is None or not rows:
        return nothing, False
    day = frame.rows["day"]
    within = dated & (day >= past_of(periods)) & (day < periods.end)
    both = comparable(frame, within, first=periods.first, before=periods.before)
    if both is None:
        return nothing, True
    counted = _counted(members, rows, both)
    course = course_of(frame, members, counted.number, counted.row, counted.sentiment, len(rows))
    course = at_fixed_mix(frame, counted.row, course, periods)
    return [*trends(course, periods, complete=newest + 1 >= periods.end)], False


def course_of(frame: Frame, members: Members, number: Array, row: Array, sentiment: Array, groups: int) -> Course:
    """Entries of items and themes in time."""
    return Course(
        day=frame.rows["day"][row],
        group=number,
        cluster=members.person[row],
        value=np.sign(sentiment),
        groups=groups,
    )


def _candidates(frame: Frame, counted: _Counted, page: Sequence[int]) -> dict[int, list[int]]:
    """The newest items of each theme, among which telling words are looked for."""
    found = {}
    for at in page:
        rows = counted.row[(counted.number == at) & ~counted.copied]
        order = np.lexsort((frame.rows["item_id"][rows], frame.rows["day"][rows]))[::-1][:24]
        found[counted.themes[at].id] = frame.rows["item_id"][rows[order]].tolist()
    return found


def _coverage(frame: Frame, members: Members, mask: Array) -> dict[str, Any]:
    """How many items with something negative to say in their own stage stand in a theme."""
    pains = np.unique(frame.pain_row[mask[frame.pain_row]])
    inside = np.isin(pains, np.unique(members.row[members.own]))
    n = len(pains)
    return {
        "negative_items": n,
        "in_a_theme": int(inside.sum()),
        "share": round(float(inside.mean()), 4) if n else None,
    }


def _public(
    row: ThemeRow, size: dict[str, Any], trend: dict[str, Any] | None, words: list[dict[str, Any]]
) -> dict[str, Any]:
    few = size["respondents"] < FEW
    return {
        "id": str(row.id),
        "name": row.name,
        "named_by": row.named_by,
        "state": row.state,
        "waits_for_split": row.waits,
        "stage": row.stage,
        "topic": row.topic,
        "sentiment": size["sentiment"],
        "net_sentiment": size["net_sentiment"],
        "size": {
            name: size[name] for name in ("count", "n", "share", "low", "high", "respondents", "items", "mentions")
        },
        "small": f"Only {size['respondents']} respondents: read the words before you act on it." if few else None,
        "trend": trend,
        "verbatims": words,
        "history": row.history,
        "created_at": rfc3339(row.created_at),
    }


def _labels(frame: Frame, mask: Array, withheld: bool) -> dict[str, Any]:
    return {
        "models": labelled_by(frame, mask),
        "trends_withheld": WITHHELD if withheld else None,
        "label_quality": LABEL_QUALITY,
    }


def theme_trends(session: Session, *, workspace_id: int, timezone: str, selection: Selection) -> dict[str, Any]:
    """What `weekly_trends` answers, by theme: `label` is its name, beside its id, stage and topic."""
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    members = members_of(session, workspace_id, frame)
    rows = [one for one in members.themes.values() if one.state == "active" and one.name]
    inside = frame.mask(first_day=first, end_day=end, filters=selection.filters()) & frame.rows["dated"]
    counted = _counted(members, rows, inside)
    course = course_of(frame, members, counted.number, counted.row, counted.sentiment, len(rows))
    changes, withheld = _changes(frame, members, rows, selection.filters(), first, end)
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
    labels = _labels(frame, inside, withheld)
    return {"by": "theme", "every": "week", "data": data, "labels": labels}
