"""The drivers of scores as suggestions are weighed by them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import Session

from service.aggregate.drivers import MIN_MENTIONS, drivers
from service.selection import Selection
from service.store.rollup_frame import load
from service.store.score_effects import ScoreEffect
from service.store.themes import members_of

MOVED: Final = 100  # counted anew once one record in so many is new: a few more answers do not move an effect
KEPT: Final = 64
NONE_MENTIONED: Final = (
    f"How scores go with a theme is told once {MIN_MENTIONS} responses with a score mention it: too few so far."
)

_lock = threading.Lock()
_kept: OrderedDict[Hashable, tuple[int, Mapping[str, ScoreEffect]]] = OrderedDict()
_kept_of_themes: OrderedDict[Hashable, tuple[int, frozenset[int], ThemeEffects]] = OrderedDict()


def score_effects(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection
) -> Mapping[str, ScoreEffect]:
    """Of each topic that can be told apart from the others what GET /v1/drivers says of it, over all kinds of
    scores together. It may lag one hundredth of the records behind, so that nobody who asks for the map waits for
    a regression after each arrival.
    """
    records = len(load(session, workspace_id))
    database = session.get_bind().engine.url.render_as_string(hide_password=True)
    question = (database, workspace_id, selection.question(timezone))
    with _lock:
        kept = _kept.get(question)
        if kept is not None and abs(records - kept[0]) * MOVED <= kept[0]:
            _kept.move_to_end(question)
            return kept[1]
    found = drivers(session, workspace_id=workspace_id, timezone=timezone, selection=selection, by="topic")
    effects = {row["label"]: effect_of(row, found["scales"]) for row in found["data"]}
    with _lock:
        _kept[question] = (records, effects)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return effects


@dataclass(frozen=True, slots=True)
class ThemeEffects:
    """What GET /v1/drivers?by=theme says of all feedback, by the id of a theme."""

    effects: Mapping[str, ScoreEffect]
    certain: frozenset[str]  # that stand after as many comparisons as there are themes
    left_out: Mapping[str, str]  # why
    too_little: str | None  # said where nobody can be told anything of


def theme_effects(session: Session, *, workspace_id: int, timezone: str) -> ThemeEffects:
    """How scores go with each theme beside all others.

    Like `score_effects` it may lag one hundredth of the records behind, so that nobody who lists themes waits for
    a regression; themes that come, go, merge or split renew it.
    """
    frame = load(session, workspace_id)
    there = frozenset(members_of(session, workspace_id, frame).themes)
    database = session.get_bind().engine.url.render_as_string(hide_password=True)
    question = (database, workspace_id, timezone)
    with _lock:
        kept = _kept_of_themes.get(question)
        if kept is not None and kept[1] == there and abs(len(frame) - kept[0]) * MOVED <= kept[0]:
            _kept_of_themes.move_to_end(question)
            return kept[2]
    found = drivers(session, workspace_id=workspace_id, timezone=timezone, selection=Selection(), by="theme")
    told = ThemeEffects(
        effects={row["id"]: effect_of(row, found["scales"]) for row in found["data"]},
        certain=frozenset(row["id"] for row in found["data"] if row["significant"]),
        left_out={row["id"]: row["why"] for row in found["left_out"]},
        too_little=None if found["data"] else NONE_MENTIONED if found["left_out"] else found["says"],
    )
    with _lock:
        _kept_of_themes[question] = (len(frame), there, told)
        while len(_kept_of_themes) > KEPT:
            _kept_of_themes.popitem(last=False)
    return told


def effect_of(row: Mapping[str, Any], scales: Sequence[Mapping[str, Any]]) -> ScoreEffect:
    """A row of the drivers over all kinds of scores, said in the unit of the kind that most gave."""
    most: Mapping[str, Any] = scales[0] if scales else {"score": None, "points": 1.0}
    return ScoreEffect(
        row["label"],
        row["n"],
        **row["effect"],
        score=most["score"],
        scale=most["points"],
        kinds=len(scales),
    )
