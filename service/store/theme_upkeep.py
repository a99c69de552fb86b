"""What others tell the themes: that segments are new, and that words are gone.

Themes themselves are made by the job "themes" (service/aggregate/grouping.py). New labels are new segment rows
without a theme, and erased segments take their membership with them; so nothing else has to be told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select, tuple_, update
from sqlmodel import Session, col

from service.store import queue
from service.store.columns import now
from service.store.schema import FeedbackItem, Segment, Theme

DEBOUNCE_SECONDS: Final = 15.0
"""From the first new segment to the job: what comes in meanwhile is looked at together."""
ASKING: Final = 0x7468656D
"""Name of an advisory lock."""
LEAST_ITEMS: Final = 4
"""Items that a theme nobody decided on must keep after an erasure; with fewer it ends."""


def side_of(sentiment: str) -> str:
    """Which of a stage and topic's two lots of themes a segment belongs to: what is praised, and everything else.

    Neutral words stand with negative ones: people report the same trouble in both tones.
    """
    return "praise" if sentiment == "positive" else "trouble"


def ask_themes(session: Session, workspace_id: int, *, delay_seconds: float = DEBOUNCE_SECONDS) -> None:
    """Queue the job "themes" in the caller's transaction; a queued twin makes it a no-op."""
    queue.ask(session, workspace_id=workspace_id, kind="themes", lock=ASKING, delay_seconds=delay_seconds)


def forget_words(session: Session, workspace_id: int, item_ids: Sequence[int]) -> None:
    """Before items are deleted: what was made of their words goes, in the same transaction.

    A theme that keeps too few items ends; a name whose words these items use is taken away until the job has seen
    that enough others use them too; centres are made anew by the job.
    """
    members: dict[int, set[int]] = {}
    rows = session.execute(
        select(col(Segment.theme), col(Segment.item_id)).where(
            col(Segment.workspace_id) == workspace_id,
            col(Segment.item_id).in_(list(item_ids)),
            col(Segment.theme) > 0,
        )
    ).all()
    for theme_id, item_id in rows:
        members.setdefault(theme_id, set()).add(item_id)
    if not members:
        return
    items = sorted({item for some in members.values() for item in some})
    words = session.execute(
        select(col(FeedbackItem.id), func.coalesce(col(FeedbackItem.text), "")).where(
            col(FeedbackItem.workspace_id) == workspace_id, col(FeedbackItem.id).in_(items)
        )
    ).all()
    texts = {row[0]: row[1] for row in words}
    for theme in session.execute(
        select(Theme)
        .where(col(Theme.workspace_id) == workspace_id, col(Theme.id).in_(list(members)))
        .order_by(col(Theme.id))
        .with_for_update()
    ).scalars():
        gone = members[theme.id or 0]
        left = _items_left(session, workspace_id, theme.id or 0, gone)
        if left < LEAST_ITEMS and not theme.pinned:
            end(session, theme, "words_erased")
            continue
        theme.stale = True
        if any(_uses(texts.get(item, ""), theme.words_name) for item in gone):
            theme.words_name = ""
        if theme.named_by is None and any(_uses(texts.get(item, ""), theme.name) for item in gone):
            theme.name = ""
        theme.updated_at = now()
        session.add(theme)
    _forget_merged(session, workspace_id, members, texts)
    session.flush()
    ask_themes(session, workspace_id, delay_seconds=0.0)


def _forget_merged(
    session: Session, workspace_id: int, members: dict[int, set[int]], texts: dict[int, str]
) -> None:
    """Names of themes that went into those of these items stand in histories: they go with the words too."""
    cells = session.execute(
        select(col(Theme.stage), col(Theme.topic))
        .where(col(Theme.workspace_id) == workspace_id, col(Theme.id).in_(list(members)))
        .distinct()
    ).all()
    for theme in session.execute(
        select(Theme)
        .where(
            col(Theme.workspace_id) == workspace_id,
            col(Theme.state) == "merged",
            tuple_(col(Theme.stage), col(Theme.topic)).in_([tuple(cell) for cell in cells]),
        )
        .order_by(col(Theme.id))
        .with_for_update()
    ).scalars():
        for name in ("name", "words_name") if theme.named_by is None else ("words_name",):
            if any(_uses(text, getattr(theme, name)) for text in texts.values()):
                setattr(theme, name, "")
                session.add(theme)


def _items_left(session: Session, workspace_id: int, theme_id: int, gone: set[int]) -> int:
    found = session.execute(
        select(col(Segment.item_id))
        .where(
            col(Segment.workspace_id) == workspace_id,
            col(Segment.theme) == theme_id,
            col(Segment.item_id).not_in(sorted(gone)),
        )
        .distinct()
        .limit(LEAST_ITEMS)
    ).all()
    return len(found)


def _uses(words: str, name: str) -> bool:
    said = set(re.findall(r"\w+", words.lower()))
    return bool(name) and set(re.findall(r"\w+", name.lower())) <= said


def end(session: Session, theme: Theme, why: str) -> None:
    """End a theme: its id stays taken, its words and its members' places are emptied for others."""
    session.execute(
        update(Segment)
        .where(col(Segment.workspace_id) == theme.workspace_id, col(Segment.theme) == theme.id)
        .values(theme=None)
        .execution_options(synchronize_session=False)
    )
    theme.state, theme.name, theme.centre, theme.stale, theme.pinned = "gone", "", b"", False, False
    theme.words_name = ""
    theme.updated_at = now()
    tell(theme, "ended", why=why)
    session.add(theme)


def tell(theme: Theme, what: str, **more: object) -> None:
    """Add to a theme's history: what happened to it, when; never a customer's words."""
    theme.history = [*theme.history, {"at": now().isoformat(timespec="seconds"), "what": what, **more}]
