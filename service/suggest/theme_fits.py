"""What fits each theme: found by the worker after themes were brought up to date, kept on the theme.

Meaning is read by the encoder, which takes too long for a page; so the worker reads some texts of each theme of
trouble and writes down which entries come nearest. It does so anew when the theme has doubled, when the playbook
has changed and when another model reads. A suggestion then takes the entry of its largest theme, where that is a
large part of the pain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import func, select
from sqlmodel import Session, col

from nlp.likeness import MAX_CHARS, Likeness, Short, readable
from service.store import queue
from service.store.columns import now
from service.store.meaning_index import stored_rows
from service.store.queue import ClaimedJob
from service.store.schema import FeedbackItem, Segment, Theme
from service.store.theme_upkeep import side_of
from service.store.themes import ThemeSize
from service.suggest.match import Fit
from service.suggest.meaning import SHOWN, fits, meanings_of
from service.suggest.pains import Pain
from service.suggest.playbook import Playbook
from service.suggest.playbook_own import playbook_of
from service.work import Work

SAMPLE: Final = 16  # texts of a theme that are read
LOOKED_AT: Final = 2_000  # segments among which the sample is drawn
AT_ONCE: Final = 8  # themes of one transaction
GROWN: Final = 2.0
SIDE: Final = side_of("negative")
SPEAKS_FROM: Final = 1 / 3  # of the people with a pain, that its largest theme speaks for it


def fit_themes(work: Work, job: ClaimedJob, likeness: Likeness) -> Iterator[None]:
    """Bring up to date what fits the themes of a job's workspace; yields after every transaction."""
    workspace_id = job.workspace_id
    if likeness.encoder is None:
        return
    with work.database.read() as session:
        playbook = playbook_of(session, workspace_id)
        stamp = stamp_of(playbook, likeness)
        due = _due(session, workspace_id, stamp)
    meanings = meanings_of(playbook, likeness) if due else None
    if meanings is None:
        return
    for start in range(0, len(due), AT_ONCE):
        some = due[start : start + AT_ONCE]
        with work.database.read() as session:
            words = _words(session, workspace_id, [number for number, *_ in some], likeness)
        found = {
            number: {"stamp": stamp, "members": members, "near": meanings.near(stage, topic, *words[number])}
            for number, stage, topic, members in some
        }
        with work.database.write() as session:
            queue.hold(session, job)
            _write(session, workspace_id, found)
        yield


def stamp_of(playbook: Playbook, likeness: Likeness) -> str:
    """Changes with the playbook's patterns and with the model."""
    told = repr([(one.id, one.stage, one.topics, one.patterns) for one in playbook.entries])
    return f"{likeness.version}:{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _due(session: Session, workspace_id: int, stamp: str) -> list[tuple[int, str, str, int]]:
    """Themes with their number of segments, whose fits are of another playbook, model or size."""
    members = dict(
        session.execute(
            select(col(Segment.theme), func.count())
            .where(col(Segment.workspace_id) == workspace_id, col(Segment.theme) > 0)
            .group_by(col(Segment.theme))
        ).all()
    )
    rows = session.execute(
        select(col(Theme.id), col(Theme.stage), col(Theme.topic), col(Theme.fits))
        .where(col(Theme.workspace_id) == workspace_id, col(Theme.state) == "active", col(Theme.side) == SIDE)
        .order_by(col(Theme.id))
    ).all()
    found = []
    for number, stage, topic, known in rows:
        size = members.get(number, 0)
        old = known and known.get("stamp") == stamp and size < GROWN * max(1, int(known.get("members", 0)))
        if size and not old:
            found.append((number, stage, topic, size))
    return found


def _words(
    session: Session, workspace_id: int, themes: Sequence[int], likeness: Likeness
) -> dict[int, tuple[list[str], Short]]:
    """What some of each theme's segments say, without what is personal, with their vectors as far as these are
    stored; nearly the same segments as a theme grows.
    """
    chosen = {number: _sample(session, workspace_id, number) for number in themes}
    length = col(Segment.end) - col(Segment.start)
    rows = session.execute(
        select(
            col(Segment.id),
            func.substr(col(FeedbackItem.text), col(Segment.start) + 1, length),
            col(Segment.item_id),
            col(FeedbackItem.text_version),
            col(Segment.start),
            col(Segment.end),
        )
        .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
        .where(
            col(Segment.workspace_id) == workspace_id,
            col(Segment.id).in_(sorted({one for some in chosen.values() for one in some})),
        )
        .order_by(col(Segment.id))
    ).all()
    # as the job "vectors" reads them
    said = [(row[0], readable((row[1] or "")[:MAX_CHARS]), tuple(row[2:])) for row in rows]
    said = [one for one in said if one[1].strip()]
    known = stored_rows(
        session,
        workspace_id,
        vectors=likeness.version,
        width=likeness.short_width,
        places=np.array([place for _, _, place in said], dtype=np.int64).reshape(len(said), 4),
    )
    at_of = {number: at for at, (number, _, _) in enumerate(said)}
    found = {}
    for number, some in chosen.items():
        places = sorted(at_of[one] for one in some if one in at_of)
        found[number] = ([said[at][1] for at in places], known[places])
    return found


def _sample(session: Session, workspace_id: int, theme: int) -> list[int]:
    """Ids of the segments of a theme that are read."""
    ids = np.array(
        session.execute(
            select(col(Segment.id))
            .where(
                col(Segment.workspace_id) == workspace_id,
                col(Segment.theme) == theme,
                col(Segment.sentiment) == "negative",
            )
            .order_by(col(Segment.id))
            .limit(LOOKED_AT)
        )
        .scalars()
        .all(),
        dtype=np.uint64,
    )
    hashed = (ids * np.uint64(11400714819323198485)) >> np.uint64(16)  # as fitting.sample
    chosen: list[int] = ids[np.argsort(hashed, kind="stable")[:SAMPLE]].tolist()
    return chosen


def _write(session: Session, workspace_id: int, found: Mapping[int, dict[str, Any]]) -> None:
    rows = session.execute(
        select(Theme)
        .where(col(Theme.workspace_id) == workspace_id, col(Theme.id).in_(sorted(found)))
        .order_by(col(Theme.id))
        .with_for_update()
    ).scalars()
    for row in rows:
        row.fits = found[row.id or 0]
        row.updated_at = now()  # readers see by it that something changed
        session.add(row)


# --- reading


def fit_of_theme(playbook: Playbook, theme: ThemeSize, fallback: str) -> Fit | None:
    """What fits a theme, as the worker found; None where it has not looked yet, or the entries have gone since.

    `fallback` is the stage, whose "find out why" stands in where nothing fits.
    """
    entries = {entry.id: entry for entry in playbook.entries}
    near = [(name, float(score)) for name, score in (theme.fits or {}).get("near", ()) if name in entries]
    if not near:
        return None
    told = tuple((entries[name], score) for name, score in near)
    if fits(near):
        return Fit(told[0][0], True, told)
    why = playbook.find_out_why(fallback)
    return Fit(why, False, told) if why is not None else None


def of_pain(themes: Sequence[ThemeSize]) -> list[ThemeSize]:
    """The themes of a pain by how many complain of them, without those that nobody complains of."""
    upset = [one for one in themes if one.complaining]
    return sorted(upset, key=lambda one: (-one.complaining, -one.respondents, int(one.id)))


def speaker(playbook: Playbook, pain: Pain, themes: Sequence[ThemeSize]) -> tuple[ThemeSize, Fit] | None:
    """The theme that speaks for a pain, with what fits it: its largest, if it is a large part of the pain and
    anything fits. None otherwise, so that the words of all decide: what a few say must not name the whole.
    """
    for theme in themes[:1]:
        found = fit_of_theme(playbook, theme, pain.stage)
        if found is not None and found.fits and theme.complaining >= SPEAKS_FROM * pain.respondents:
            return theme, found
    return None


def several(playbook: Playbook, pain: Pain, themes: Sequence[ThemeSize]) -> Fit | None:
    """What fits a pain that is several troubles: its largest themes want different things, none speaks for it.

    Then the usual entry of the stage and topic names the whole, and theirs stand beside it; one of theirs picked
    by the words of all would tell most people the wrong thing.
    """
    found = [fit_of_theme(playbook, theme, pain.stage) for theme in themes[:SHOWN]]
    near = {fit.entry.id: fit.near[0] for fit in found if fit is not None and fit.fits}
    if len(near) < 2:
        return None
    usual = playbook.entry_for(pain.stage, pain.topic)
    if usual is None or not usual.patterns:
        return None
    return Fit(usual, True, tuple(near.values()))
