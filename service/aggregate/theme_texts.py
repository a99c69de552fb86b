"""What the job "themes" reads and writes: the segments of a workspace in columns, their words, their themes."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session, col

from nlp.likeness import MAX_CHARS, Likeness, Short, echo_of, readable
from service.store.bulk import beside_ids, one_of
from service.store.engine import Database
from service.store.meaning_index import stored_rows
from service.store.rollup_records import hash64
from service.store.schema import FeedbackItem, ItemMeaning, Segment
from service.store.theme_upkeep import side_of

Ints = NDArray[np.int64]
Cell = tuple[str, str, str]
"""Stage, topic and side: the lot of segments among which themes are looked for."""

ROWS_AT_ONCE: Final = 50_000
TEXTS_AT_ONCE: Final = 500
NEW: Final = -1
"""Not looked at yet."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments in columns."""

    id: Ints
    item: Ints
    theme: Ints
    """0: none fits; NEW: not looked at yet."""

    def at(self, chosen: NDArray[Any]) -> Segments:
        """Those of a mask or of these positions."""
        return Segments(self.id[chosen], self.item[chosen], self.theme[chosen])

    def in_theme(self, theme: int) -> Segments:
        """The same, all of one theme."""
        return Segments(self.id, self.item, np.full(len(self.id), theme, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class Words:
    """What some segments say, redacted."""

    texts: list[str]
    people: list[int]
    echoes: list[int | None]
    places: Ints
    """Item, text version, start and end of each: where its vector is stored."""

    def at(self, chosen: Sequence[int]) -> Words:
        """Those of these positions."""
        return Words(
            [self.texts[one] for one in chosen],
            [self.people[one] for one in chosen],
            [self.echoes[one] for one in chosen],
            self.places[np.array(chosen, dtype=np.int64)],
        )


def cells_with_new(session: Session, workspace_id: int, living: Collection[int]) -> set[Cell]:
    """Where segments were not looked at yet, or stand in a theme that is none of the `living`."""
    mine = col(Segment.workspace_id) == workspace_id
    used = session.execute(select(col(Segment.theme)).where(mine, col(Segment.theme) > 0).distinct()).scalars()
    strange = sorted(set(used) - set(living))
    labels = (col(Segment.stage), col(Segment.topic), col(Segment.sentiment))
    found: set[Cell] = set()
    for which in (col(Segment.theme).is_(None), *([col(Segment.theme).in_(strange)] if strange else ())):
        for stage, topic, sentiment in session.execute(select(*labels).where(mine, which).distinct()).all():
            found.add((stage, topic, side_of(sentiment)))
    return found


def segments_by_cell(
    database: Database, workspace_id: int, wanted: Collection[Cell]
) -> Generator[None, None, dict[Cell, Segments]]:
    """All segments of these cells, in the order of their ids; some 25 bytes each. Yields between statements."""
    number_of = {cell: number for number, cell in enumerate(sorted(wanted))}
    parts = [np.empty((0, 4), dtype=np.int64)]
    last = 0
    # whole stages and topics: that the other cells among them are read too costs less than to name each
    labels = (
        col(Segment.stage).in_(sorted({stage for stage, _, _ in wanted})),
        col(Segment.topic).in_(sorted({topic for _, topic, _ in wanted})),
    )
    while wanted:
        with database.read() as session:
            rows = session.execute(
                select(
                    col(Segment.id),
                    col(Segment.item_id),
                    func.coalesce(col(Segment.theme), NEW),
                    col(Segment.stage),
                    col(Segment.topic),
                    col(Segment.sentiment),
                )
                .where(col(Segment.workspace_id) == workspace_id, col(Segment.id) > last, *labels)
                .order_by(col(Segment.id))
                .limit(ROWS_AT_ONCE)
            ).all()
        if not rows:
            break
        last = rows[-1][0]
        found = [(row[0], row[1], row[2], number_of.get((row[3], row[4], side_of(row[5])), -1)) for row in rows]
        columns = np.array(found, dtype=np.int64)
        parts.append(columns[columns[:, 3] >= 0])
        yield
    columns = np.concatenate(parts)
    order = np.argsort(columns[:, 3], kind="stable")
    ends = np.searchsorted(columns[order, 3], np.arange(len(number_of) + 1))
    by_cell = {}
    for cell, number in number_of.items():
        own = columns[order[ends[number] : ends[number + 1]]]
        by_cell[cell] = Segments(own[:, 0].copy(), own[:, 1].copy(), own[:, 2].copy())
    return by_cell


def words_of(session: Session, workspace_id: int, segments: Segments) -> Words:
    """The words of segments, in their order; a segment that is gone meanwhile says nothing."""
    found: dict[int, tuple[str, int, tuple[int, int, int, int]]] = {}
    ids = segments.id.tolist()
    for start in range(0, len(ids), TEXTS_AT_ONCE):
        length = col(Segment.end) - col(Segment.start)
        rows = session.execute(
            select(
                col(Segment.id),
                col(Segment.item_id),
                col(FeedbackItem.respondent),
                col(FeedbackItem.text_version),
                col(Segment.start),
                col(Segment.end),
                func.substr(col(FeedbackItem.text), col(Segment.start) + 1, length),
            )
            .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
            .where(
                beside_ids(col(Segment.workspace_id), workspace_id),
                one_of(session, col(Segment.id), ids[start : start + TEXTS_AT_ONCE]),
            )
        ).all()
        for number, item, respondent, version, first, last, text in rows:
            person = hash64(f"respondent:{respondent}") if respondent else item
            found[number] = (readable((text or "")[:MAX_CHARS]), person, (item, version, first, last))
    said = [found.get(number, ("", 0, (0, 0, 0, 0))) for number in ids]
    return Words(
        [text for text, _, _ in said],
        [person for _, person, _ in said],
        [echo_of(text) for text, _, _ in said],
        np.array([place for _, _, place in said], dtype=np.int64).reshape(len(said), 4),
    )


def known_rows(session: Session, workspace_id: int, likeness: Likeness, words: Words) -> Short | None:
    """The short rows of texts as the job "vectors" stored them, zeros for what it has not come to.

    None where the model reads no meaning: what is stored would help nothing.
    """
    if likeness.encoder is None:
        return None
    return stored_rows(
        session, workspace_id, vectors=likeness.version, width=likeness.short_width, places=words.places
    )


def unread_new(session: Session, workspace_id: int, likeness: Likeness) -> int:
    """Segments that were not looked at yet and whose texts have no stored vector of this model."""
    known = ItemMeaning
    return int(
        session.execute(
            select(func.count())
            .select_from(Segment)
            .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
            .outerjoin(
                known,
                (col(known.item_id) == col(FeedbackItem.id))
                & (col(known.text_version) == col(FeedbackItem.text_version))
                & (col(known.vectors) == likeness.version),
            )
            .where(
                col(Segment.workspace_id) == workspace_id,
                col(Segment.theme).is_(None),
                col(known.item_id).is_(None),
            )
        ).scalar_one()
    )


_table: Any = Segment.__table__  # type: ignore[attr-defined]
# the item too: an id may have become another item's meanwhile
_WRITE = (
    update(_table)
    .where(_table.c.id == bindparam("which"), _table.c.item_id == bindparam("whose"))
    .values(theme=bindparam("its_theme"), echo=func.coalesce(bindparam("its_echo"), _table.c.echo))
)


def write_themes(
    session: Session, segments: Segments, themes: Sequence[int], echoes: Sequence[int | None] | None = None
) -> None:
    """Put segments into themes (0: none fits)."""
    told = echoes if echoes is not None else [None] * len(segments)
    rows = [
        {"which": which, "whose": whose, "its_theme": theme, "its_echo": echo}
        for which, whose, theme, echo in zip(
            segments.id.tolist(), segments.item.tolist(), themes, told, strict=True
        )
    ]
    if rows:
        session.connection().execute(_WRITE, rows)
