"""The reading side of themes: which counted items belong to which theme, and how large themes are.

Membership stands on the segments. It is read in one statement, once for each state of rollups and themes, and kept
in memory as places in the frame; whatever is counted is then a mask over it.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Text, cast, func, select
from sqlmodel import Session, col

from service.store.kept_answers import KeptAnswers
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load
from service.store.schema import Segment, Theme

Array = NDArray[Any]
Cell = tuple[str, str]
"""Stage and topic."""

KEPT: Final = 8
SENTIMENTS: Final = {"negative": -1, "neutral": 0, "positive": 1}
SHOWN: Final = ("active",)


@dataclass(frozen=True, slots=True)
class ThemeRow:
    """A theme without its numbers."""

    id: int
    stage: str
    topic: str
    side: str
    name: str
    named_by: str | None
    words_name: str
    """Where a person named it: what the words had made of it."""
    state: str
    pinned: bool
    waits: bool
    """A split that was asked for has not been made yet."""
    history: list[dict[str, Any]]
    created_at: Any
    fits: dict[str, Any] | None = None
    """Playbook entries that its texts mean, as the worker found."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Members:
    """Who belongs to which theme: one entry an item and theme."""

    themes: dict[int, ThemeRow]
    row: Array
    """Of the frame; only live ones."""
    theme: Array
    mentions: Array
    """Segments of the item in the theme."""
    sentiment: Array
    """Mean of its segments there, -1 to 1."""
    own: Array
    """Whether the item stands in the theme's stage, as its number of n."""
    person: Array
    """Of each row of the frame: its respondent; copies of one text (a campaign) count as one."""
    persons: int
    copied: Array
    """Of each entry: whether it repeats an earlier copy and is not counted again."""

    def of_cells(self, cells: Collection[Cell]) -> dict[Cell, list[int]]:
        """The ids of the shown themes of each stage and topic."""
        found: dict[Cell, list[int]] = {cell: [] for cell in cells}
        for theme in self.themes.values():
            if (theme.stage, theme.topic) in found and theme.state in SHOWN:
                found[theme.stage, theme.topic].append(theme.id)
        return found


@dataclass(frozen=True, slots=True)
class ThemeSize:
    """How large a theme is, all time."""

    id: str
    name: str
    items: int
    """Copies counted once."""
    respondents: int
    fits: dict[str, Any] | None = None
    """Playbook entries that its texts mean, as the worker found."""
    complaining: int = 0
    """Respondents who say it in a negative tone: trouble is told in a neutral one too."""


def themes_of(
    session: Session, workspace_id: int, cells: Collection[Cell], *, side: str = "trouble"
) -> dict[Cell, list[ThemeSize]]:
    """Of each stage and topic the shown, named themes of one side, most respondents first."""
    members = members_of(session, workspace_id, load(session, workspace_id))
    sizes = _sizes.of(members, "sizes", lambda: _counted(members))
    found: dict[Cell, list[ThemeSize]] = {}
    for cell, ids in members.of_cells(cells).items():
        of_cell = [sizes[number] for number in ids if number in sizes and members.themes[number].side == side]
        found[cell] = sorted(of_cell, key=lambda one: (-one.respondents, -one.items, int(one.id)))
    return found


_sizes: KeptAnswers[dict[int, ThemeSize]] = KeptAnswers()


def _counted(members: Members) -> dict[int, ThemeSize]:
    """The sizes of all themes that have a name and members in their own stage."""
    theme = members.theme[members.own]
    pairs = np.unique(np.stack([theme, members.person[members.row[members.own]]]), axis=1)
    people = dict(zip(*(part.tolist() for part in np.unique(pairs[0], return_counts=True)), strict=True))
    negative = members.own & (members.sentiment < 0)
    upset = np.unique(np.stack([members.theme[negative], members.person[members.row[negative]]]), axis=1)
    complaining = dict(zip(*(part.tolist() for part in np.unique(upset[0], return_counts=True)), strict=True))
    once = members.theme[members.own & ~members.copied]
    items = dict(zip(*(part.tolist() for part in np.unique(once, return_counts=True)), strict=True))
    return {
        number: ThemeSize(
            str(number), one.name, items.get(number, 0), people[number], one.fits, complaining.get(number, 0)
        )
        for number, one in members.themes.items()
        if one.name and number in people
    }


# --- keeping


@dataclass(slots=True)
class _Kept:
    frame: weakref.ref[Frame]
    stamp: tuple[Any, ...]
    members: Members


_kept: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
_lock = threading.Lock()


def members_of(session: Session, workspace_id: int, frame: Frame) -> Members:
    """Who belongs to which theme, of the items of a frame."""
    key = (session.get_bind().engine.url.render_as_string(hide_password=True), workspace_id)
    stamp = tuple(
        session.execute(
            select(func.max(col(Theme.updated_at)), func.count()).where(col(Theme.workspace_id) == workspace_id)
        ).one()
    )
    with _lock:
        kept = _kept.get(key)
        if kept is not None and kept.frame() is frame and kept.stamp == stamp:
            _kept.move_to_end(key)
            return kept.members
    members = _read(session, workspace_id, frame, any_themes=stamp[1] > 0)
    with _lock:
        _kept[key] = _Kept(weakref.ref(frame), stamp, members)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return members


def _read(session: Session, workspace_id: int, frame: Frame, *, any_themes: bool) -> Members:
    themes = {one.id: one for one in theme_rows(session, workspace_id)} if any_themes else {}
    spoken: Any = func.aggregate_strings(cast(col(Segment.item_id), Text), ",")
    members = (
        select(col(Segment.theme), col(Segment.sentiment), spoken)
        .where(col(Segment.workspace_id) == workspace_id, col(Segment.theme) > 0)
        .group_by(col(Segment.theme), col(Segment.sentiment))
    )
    rows = session.execute(members).all() if themes else []
    ids = [np.fromstring(row[2], dtype=np.int64, sep=",") for row in rows if row[0] in themes]
    rows = [row for row in rows if row[0] in themes]
    item = np.concatenate([*ids, np.empty(0, np.int64)])
    lengths = [len(one) for one in ids]
    theme = np.repeat(np.array([row[0] for row in rows], np.int64), lengths)
    feeling = np.repeat(np.array([SENTIMENTS.get(row[1], 0) for row in rows], np.float64), lengths)
    place, present = _places(frame, item)
    place, theme, feeling = place[present], theme[present], feeling[present]
    # one entry an item and theme
    pairs, at, mentions = np.unique(np.stack([theme, place]), axis=1, return_inverse=True, return_counts=True)
    mean = np.bincount(at.reshape(-1), feeling, minlength=pairs.shape[1]) / np.maximum(mentions, 1)
    of_theme, row = pairs[0], pairs[1]
    stage_number = {label: number for number, label in enumerate(codes().labels["stage"])}
    stage_of = {number: stage_number.get(one.stage, -2) for number, one in themes.items()}
    wanted = np.array([stage_of[int(number)] for number in of_theme], np.int64)
    person, persons, echo = _people(session if themes else None, workspace_id, frame)
    copied = np.zeros(len(row), dtype=bool)
    if len(echo) and len(row):
        told = echo[row]
        seen = np.flatnonzero(told >= 0)
        _, first = np.unique(np.stack([of_theme[seen], told[seen]]), axis=1, return_index=True)
        copied[seen] = True
        copied[seen[first]] = False
    return Members(
        themes=themes,
        row=row,
        theme=of_theme,
        mentions=mentions,
        sentiment=mean,
        own=item_stages(frame)[row] == wanted,
        person=person,
        persons=persons,
        copied=copied,
    )


def theme_rows(session: Session, workspace_id: int) -> list[ThemeRow]:
    """All themes of a workspace that still are something, oldest first."""
    rows = session.execute(
        select(
            col(Theme.id),
            col(Theme.stage),
            col(Theme.topic),
            col(Theme.side),
            col(Theme.name),
            col(Theme.named_by),
            col(Theme.words_name),
            col(Theme.state),
            col(Theme.pinned),
            col(Theme.parts_wanted).is_not(None),
            col(Theme.history),
            col(Theme.created_at),
            col(Theme.fits),
        )
        .where(col(Theme.workspace_id) == workspace_id, col(Theme.state).in_(("active", "dismissed")))
        .order_by(col(Theme.id))
    ).all()
    return [ThemeRow(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A theme that another one's history speaks of."""

    id: int
    name: str
    state: str
    merged_into: int | None


def mentioned(session: Session, workspace_id: int, ids: Collection[int]) -> dict[int, Mentioned]:
    """Themes by id, whatever became of them; ids of nobody's and of other workspaces are left out."""
    if not ids:
        return {}
    rows = session.execute(
        select(col(Theme.id), col(Theme.name), col(Theme.state), col(Theme.merged_into)).where(
            col(Theme.workspace_id) == workspace_id, col(Theme.id).in_(sorted(ids))
        )
    ).all()
    return {row[0]: Mentioned(*row) for row in rows}


def item_stages(frame: Frame) -> Array:
    """The stage number of each row, -1 for items that stand in no column."""
    place = frame.rows["place"].astype(np.int64)
    return np.asarray(np.where(place < codes().pairs, place // codes().size("touchpoint"), -1))


def _places(frame: Frame, items: Array) -> tuple[Array, Array]:
    """The live row of each item, and whether it has one."""
    live = np.flatnonzero(frame.live)
    order = live[np.argsort(frame.rows["item_id"][live], kind="stable")]
    ordered = frame.rows["item_id"][order]
    at = np.minimum(np.searchsorted(ordered, items), max(len(ordered) - 1, 0))
    present = ordered[at] == items if len(ordered) else np.zeros(len(items), bool)
    return (order[at] if len(order) else at), present


def _people(session: Session | None, workspace_id: int, frame: Frame) -> tuple[Array, int, Array]:
    """Who each row counts for, how many there may be, and which copies it belongs to (-1: none)."""
    person = frame.rows["cluster"].astype(np.int64).copy()
    echo = np.full(len(frame), -1, dtype=np.int64)
    if session is None:
        return person, frame.clusters, echo
    groups: Any = func.aggregate_strings(cast(col(Segment.item_id), Text), ",")
    rows = session.execute(
        select(groups)
        .where(col(Segment.workspace_id) == workspace_id, col(Segment.echo).is_not(None))
        .group_by(col(Segment.echo))
        .having(func.count(func.distinct(col(Segment.item_id))) > 1)
        .order_by(col(Segment.echo))
    ).all()
    for number, row in enumerate(rows):
        place, present = _places(frame, np.unique(np.fromstring(row[0], dtype=np.int64, sep=",")))
        echo[place[present]] = number
        person[place[present]] = frame.clusters + number
    return person, frame.clusters + len(rows), echo
