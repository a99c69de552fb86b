"""What the job "themes" works on: the segments of one stage, topic and side, with the themes found there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from nlp import themes as groups_of
from nlp.likeness import Likeness
from nlp.model import Vectors, unit_rows
from service.aggregate.theme_texts import NEW, Cell, Ints, Segments
from service.settings import Settings
from service.store.columns import now
from service.store.schema import Theme
from service.store.theme_upkeep import end, tell

LikenessOf = Callable[[Settings], Likeness]

GROWN: Final = 2.0  # so many times as large as when it was grouped last: it is grouped anew
LEAST_REGROUPED: Final = 60  # segments below which grouping anew would only shuffle
POOL_SHARE: Final = 0.1  # of the lot that fits no theme: new ones are looked for


@dataclass(slots=True)
class Known:
    """A theme as the job knows it; whatever it changes is written to the row at once."""

    id: int
    name: str
    named_by: str | None
    state: str
    merged_into: int | None
    pinned: bool
    stale: bool
    parts_wanted: int | None
    vectors: str
    centre: bytes
    cell_size: int

    @property
    def living(self) -> bool:
        """Whether segments may belong to it; a dismissed one goes on keeping what it stands for."""
        return self.state in ("active", "dismissed")

    def to_renew(self, version: str) -> bool:
        """Whether its name or centre is to be made anew."""
        return self.living and (self.stale or self.vectors != version or not self.name)

    def due(self, version: str) -> bool:
        """Whether there is anything to do to it, whatever is new."""
        return self.to_renew(version) or (self.living and bool(self.parts_wanted))


@dataclass(slots=True)
class Lot:
    """A cell with its themes."""

    cell: Cell
    segments: Segments
    themes: list[Known] = field(default_factory=list)

    def living(self) -> list[Known]:
        """Themes that may have members, oldest first."""
        return [one for one in self.themes if one.living]

    def to_renew(self, version: str) -> list[Known]:
        """Themes whose name or centre is to be made anew."""
        return [one for one in self.themes if one.to_renew(version)]

    def due(self, version: str) -> bool:
        """Whether there is anything to do."""
        return bool(np.any(self.segments.theme == NEW)) or any(one.due(version) for one in self.themes)

    def free_strangers(self) -> None:
        """Segments of a theme that has ended or merged meanwhile are looked at anew."""
        living = np.array([NEW, 0, *(one.id for one in self.living())], dtype=np.int64)
        self.segments.theme[~np.isin(self.segments.theme, living)] = NEW

    def members(self, theme: Known) -> Ints:
        """Positions of a theme's segments."""
        return np.flatnonzero(self.segments.theme == theme.id)

    def pool(self) -> Ints:
        """Positions of segments that fit no theme."""
        return np.flatnonzero(self.segments.theme == 0)

    def pool_grown(self, fresh: int) -> bool:
        """Whether new themes should be looked for, `fresh` segments having just come into the pool."""
        pool = len(self.pool())
        if not fresh or pool < groups_of.LEAST:
            return False
        return not self.living() or pool >= max(groups_of.LEAST, POOL_SHARE * len(self.segments))

    def grown(self) -> bool:
        """Whether everything should be grouped anew."""
        seen = max((one.cell_size for one in self.living()), default=0)
        return seen > 0 and len(self.segments) >= max(LEAST_REGROUPED, GROWN * seen)

    def centres(self, version: str) -> tuple[Vectors, Ints]:
        """The centres that attract, and what each stands for: its theme, or the one it was merged into; then 0."""
        by_id = {one.id: one for one in self.themes}
        rows, stands_for = [], []
        for theme in self.themes:
            target: Known | None = theme
            for _ in self.themes:
                if target is None or target.state != "merged":
                    break
                target = by_id.get(target.merged_into or 0)
            if target is not None and target.living and theme.centre and theme.vectors == version:
                rows.append(np.frombuffer(theme.centre, dtype=np.float16).astype(np.float32))
                stands_for.append(target.id)
        numbers = np.array([*stands_for, 0], dtype=np.int64)
        return (unit_rows(np.stack(rows)) if rows else np.empty((0, 0), np.float32)), numbers


def read_themes(session: Session, workspace_id: int) -> dict[Cell, list[Known]]:
    """The themes of a workspace that still are something, by cell, oldest first."""
    names = [one.name for one in fields(Known)]
    rows = session.execute(
        select(col(Theme.stage), col(Theme.topic), col(Theme.side), *(getattr(Theme, name) for name in names))
        .where(col(Theme.workspace_id) == workspace_id, col(Theme.state) != "gone")
        .order_by(col(Theme.id))
    ).all()
    found: dict[Cell, list[Known]] = {}
    for stage, topic, side, *values in rows:
        found.setdefault((stage, topic, side), []).append(Known(**dict(zip(names, values, strict=True))))
    return found


def packed(centre: Vectors) -> bytes:
    """A centre as it is stored."""
    return centre.astype(np.float16).tobytes()


def make(session: Session, workspace_id: int, lot: Lot, *, history: dict[str, Any], **values: Any) -> Known:
    """A new theme of a lot, with how it came about."""
    stage, topic, side = lot.cell
    row = Theme(
        workspace_id=workspace_id, stage=stage, topic=topic, side=side, cell_size=len(lot.segments), **values
    )
    tell(row, **history)
    session.add(row)
    session.flush()
    known = Known(**{one.name: getattr(row, one.name) for one in fields(Known)})
    lot.themes.append(known)
    return known


def change(session: Session, known: Known, *, history: dict[str, Any] | None = None, **values: Any) -> None:
    """Change a theme; a name that a person gave meanwhile stays."""
    row = session.execute(
        select(Theme).where(col(Theme.id) == known.id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()
    if row.named_by is not None:
        values.pop("name", None)
    for name, value in values.items():
        setattr(row, name, value)
        setattr(known, name, value)
    if history:
        tell(row, **history)
    row.updated_at = now()
    session.add(row)
    session.flush()


def conclude(session: Session, known: Known, why: str) -> None:
    """End a theme."""
    row = session.execute(select(Theme).where(col(Theme.id) == known.id).with_for_update()).scalar_one()
    end(session, row, why)
    session.flush()
    known.state = row.state


def touch(session: Session, ids: Iterable[int]) -> None:
    """Readers see by the themes' time that members changed."""
    for row in session.execute(
        select(Theme).where(col(Theme.id).in_(sorted(set(ids)))).order_by(col(Theme.id)).with_for_update()
    ).scalars():
        row.updated_at = now()
        session.add(row)
