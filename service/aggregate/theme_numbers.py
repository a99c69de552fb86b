"""Counting themes: sizes with intervals over respondents, changes beyond noise, weeks.

Whatever is asked of a period and filters is counted for all themes of a state at once, so that the same themes are
tested together whoever asks for however few, and kept as long as rollups and themes stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from service.aggregate.change import Course, past_of, periods_of, trends
from service.aggregate.scores import estimates, moments
from service.aggregate.trends import at_fixed_mix
from service.beyond_noise import MIN_ITEMS, week_of
from service.intervals import effective_n_of_sums, share_interval
from service.selection import Selection, day_text
from service.store.kept_answers import KeptAnswers
from service.store.label_quality import LABEL_QUALITY
from service.store.like_with_like import WITHHELD, comparable, foreign, labelled_by, mixed_weeks
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load
from service.store.themes import Members, ThemeRow, item_stages, members_of

Array = NDArray[Any]
State = Literal["active", "dismissed"]
Direction = Literal["rising", "falling", "steady", "too_little"]
CANDIDATES: Final = 24  # newest items of a theme among which telling words are looked for
WEEKS: Final = 52  # of a theme's series
_kept: KeptAnswers[ThemeNumbers] = KeptAnswers()


@dataclass(frozen=True, slots=True)
class Counted:
    """The members of some themes in a selection: one entry an item and theme, in the order of the themes."""

    themes: list[ThemeRow]
    number: Array
    """Of each entry: the place of its theme in `themes`; never falls."""
    row: Array
    sentiment: Array
    mentions: Array
    copied: Array

    def bounds(self) -> list[int]:
        """Where the entries of each theme begin, and at last where they end."""
        found: list[int] = np.searchsorted(self.number, np.arange(len(self.themes) + 1)).tolist()
        return found


@dataclass(frozen=True, slots=True)
class ThemeNumbers:
    """What is counted of all themes of a state, one entry a theme in the order of their ids."""

    themes: list[ThemeRow]
    sizes: list[dict[str, Any]]
    changes: list[dict[str, Any] | None]
    directions: list[Direction | None]
    """In a word; None where changes are withheld, or the period is not over."""
    candidates: dict[int, list[int]]
    """Newest items by theme, without copies."""
    coverage: dict[str, Any]
    labels: dict[str, Any]


def theme_numbers(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection, state: State = "active"
) -> ThemeNumbers:
    """All themes of a state over a selection."""
    frame = load(session, workspace_id)
    members = members_of(session, workspace_id, frame)
    question = (state, *selection.question(timezone))
    return _kept.of(members, question, lambda: _count(frame, members, state, selection, timezone))


def _count(frame: Frame, members: Members, state: State, selection: Selection, timezone: str) -> ThemeNumbers:
    first, end = selection.days(timezone)
    filters = selection.filters()
    mask = frame.mask(first_day=first, end_day=end, filters=filters)
    themes = [one for one in members.themes.values() if one.state == state]
    counted = counted_of(members, themes, mask)
    changes, directions, withheld = changes_of(frame, members, themes, selection, timezone)
    return ThemeNumbers(
        themes,
        _sizes(frame, members, counted, mask),
        changes,
        directions,
        _candidates(frame, counted),
        _coverage(frame, members, mask),
        labels_of(frame, mask, withheld),
    )


def counted_of(members: Members, themes: list[ThemeRow], mask: Array) -> Counted:
    """The entries of these themes (in the order of their ids) in the rows of a mask."""
    ids = np.array([one.id for one in themes], dtype=np.int64)
    at = np.minimum(np.searchsorted(ids, members.theme), max(len(ids) - 1, 0))
    number = np.where(ids[at] == members.theme, at, -1) if len(ids) else np.full(len(members.theme), -1)
    kept = (number >= 0) & mask[members.row] & members.own
    return Counted(
        themes,
        number[kept],
        members.row[kept],
        members.sentiment[kept],
        members.mentions[kept],
        members.copied[kept],
    )


def _sizes(frame: Frame, members: Members, counted: Counted, mask: Array) -> list[dict[str, Any]]:
    """Of each theme: count of n items of its stage with interval over respondents, and its net sentiment."""
    stage = item_stages(frame)
    person = members.person
    net = estimates(
        moments(np.sign(counted.sentiment), counted.number, person[counted.row], groups=len(counted.themes)),
        low=-1,
        high=1,
        scale=100,
        digits=2,
    )
    labels = codes().labels["stage"]
    of_stage: dict[str, tuple[Array, float, int, int]] = {}
    found = []
    bounds = counted.bounds()
    for at, theme in enumerate(counted.themes):
        if theme.stage not in of_stage:
            inside = (
                mask & (stage == labels.index(theme.stage)) if theme.stage in labels else np.zeros(len(mask), bool)
            )
            of_all = np.bincount(person[inside], minlength=members.persons).astype(np.float64)
            clusters = int(np.count_nonzero(of_all))
            of_stage[theme.stage] = (of_all, float((of_all**2).sum()), int(np.count_nonzero(inside)), clusters)
        by_person, squares, n, clusters = of_stage[theme.stage]
        own = slice(bounds[at], bounds[at + 1])
        people, hits = np.unique(person[counted.row[own]], return_counts=True)
        items = bounds[at + 1] - bounds[at]
        counts = hits.astype(np.float64)
        worth = effective_n_of_sums(
            clusters=clusters,
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
                "count": int(np.count_nonzero(~counted.copied[own])),
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


Changes = tuple[list[dict[str, Any] | None], list[Direction | None], bool]


def changes_of(
    frame: Frame, members: Members, themes: list[ThemeRow], selection: Selection, timezone: str
) -> Changes:
    """The trend of each theme, what it is in a word, and whether both are withheld because two models meet."""
    first, end = selection.days(timezone)
    dated = frame.mask(first_day=None, end_day=None, filters=selection.filters()) & frame.rows["dated"]
    newest = int(frame.rows["day"][dated].max()) if dated.any() else None
    periods = periods_of(first, end, newest)
    if periods is None or newest is None or not themes:
        return [None] * len(themes), ["too_little"] * len(themes), False
    day = frame.rows["day"]
    within = dated & (day >= past_of(periods)) & (day < periods.end)
    both = comparable(frame, within, first=periods.first, before=periods.before)
    if both is None:
        return [None] * len(themes), [None] * len(themes), True
    counted = counted_of(members, themes, both)
    course = at_fixed_mix(frame, counted.row, course_of(frame, members, counted), periods)
    complete = newest + 1 >= periods.end
    changes = trends(course, periods, complete=complete)
    return [*changes], [_direction(one["items"]) if complete else None for one in changes], False


def _direction(items: dict[str, Any] | None) -> Direction:
    if items is None or min(items["n"], items["previous_n"]) < MIN_ITEMS:
        return "too_little"
    if not items["significant"]:
        return "steady"
    return "rising" if items["change"] > 0 else "falling"


def course_of(frame: Frame, members: Members, counted: Counted) -> Course:
    """Entries of items and themes in time."""
    return Course(
        day=frame.rows["day"][counted.row],
        group=counted.number,
        cluster=members.person[counted.row],
        sign=np.nan_to_num(np.sign(counted.sentiment) + 1, nan=3).astype(np.uint8),
        groups=len(counted.themes),
    )


def _candidates(frame: Frame, counted: Counted) -> dict[int, list[int]]:
    found = {}
    bounds = counted.bounds()
    for at, theme in enumerate(counted.themes):
        own = slice(bounds[at], bounds[at + 1])
        rows = counted.row[own][~counted.copied[own]]
        order = np.lexsort((frame.rows["item_id"][rows], frame.rows["day"][rows]))[::-1][:CANDIDATES]
        found[theme.id] = frame.rows["item_id"][rows[order]].tolist()
    return found


def _coverage(frame: Frame, members: Members, mask: Array) -> dict[str, Any]:
    """How many items with something negative to say in their own stage stand in a theme."""
    said, themed = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    said[frame.pain_row[mask[frame.pain_row]]] = True
    themed[members.row[members.own]] = True
    n, inside = int(np.count_nonzero(said)), int(np.count_nonzero(said & themed))
    return {"negative_items": n, "in_a_theme": inside, "share": round(inside / n, 4) if n else None}


def labels_of(frame: Frame, mask: Array, withheld: bool) -> dict[str, Any]:
    """Who labelled the rows of a mask, and why changes are not told."""
    return {
        "models": labelled_by(frame, mask),
        "trends_withheld": WITHHELD if withheld else None,
        "label_quality": LABEL_QUALITY,
    }


def weeks_of(frame: Frame, members: Members, theme: ThemeRow) -> list[dict[str, Any]]:
    """The latest weeks of a theme, oldest first: {"week" (Monday), "count", "n", "share", "low", "high"}.

    Count, of n items of its stage, as its size; dated items only. Shares are null for weeks without an item, and
    for those whose labels are of another model than the others'.
    """
    number = codes().labels["stage"].index(theme.stage)
    whole = np.flatnonzero(frame.live & frame.rows["dated"] & (item_stages(frame) == number))
    if not len(whole):
        return []
    counted = counted_of(members, [theme], frame.live & frame.rows["dated"])
    last = int(week_of(frame.rows["day"][whole]).max())
    first = max(last - WEEKS + 1, int(week_of(frame.rows["day"][whole]).min()))
    weeks = last - first + 1

    def by_person(rows: Array) -> tuple[Array, Array]:
        """Week and respondent, as one number in order, and how often."""
        week = week_of(frame.rows["day"][rows]) - first
        code = week[week >= 0].astype(np.int64) * members.persons + members.person[rows[week >= 0]]
        return np.unique(code, return_counts=True)

    (everybody, sizes), (speakers, hits) = by_person(whole), by_person(counted.row)
    of_week, said_week = everybody // members.persons, speakers // members.persons
    own_size = sizes[np.searchsorted(everybody, speakers)]

    def summed(week: Array, what: Array) -> Array:
        return np.bincount(week, what, minlength=weeks)

    clusters = np.bincount(of_week, minlength=weeks)
    total, squares = summed(of_week, sizes), summed(of_week, sizes.astype(np.float64) ** 2)
    hit, hit_squares = summed(said_week, hits), summed(said_week, hits.astype(np.float64) ** 2)
    crossed = summed(said_week, hits.astype(np.float64) * own_size)
    once = week_of(frame.rows["day"][counted.row[~counted.copied]]) - first
    count = np.bincount(once[once >= 0], minlength=weeks)
    other = foreign(frame, whole)
    mixed = np.zeros(weeks, dtype=bool)
    if other is not None:
        week = week_of(frame.rows["day"][whole]) - first
        mixed = mixed_weeks(week, other, frame.rows["model"][whole] >= 0, weeks=weeks)
    found = []
    for week in range(weeks):
        n = int(total[week])
        told: dict[str, float | None] = {"share": None, "low": None, "high": None}
        if n and not mixed[week]:
            worth = effective_n_of_sums(
                clusters=int(clusters[week]),
                total=float(n),
                hits=float(hit[week]),
                hits_squared=float(hit_squares[week]),
                hits_by_size=float(crossed[week]),
                sizes_squared=float(squares[week]),
            )
            share = share_interval(float(hit[week]) / n, worth)
            told = {
                name: round(getattr(share, bound), 4)
                for name, bound in zip(told, ("value", "low", "high"), strict=True)
            }
        found.append({"week": day_text((first + week) * 7 - 3), "count": int(count[week]), "n": n, **told})
    return found
