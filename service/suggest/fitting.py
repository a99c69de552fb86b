"""Which playbook entry each pain gets: some of its customers' words are read and matched.

The words are those of a sample that stays nearly the same as evidence grows: the items with the smallest hashes of
their ids (bottom-k sketch: E. Cohen, H. Kaplan, "Summarizing data using bottom-k sketches", 2007), so that a
suggestion does not change its mind with every new item. What was matched is kept per process, without the words.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from service.store.schema import FeedbackItem, Segment
from service.store.verbatim import said, said_columns
from service.suggest.match import Fit, Matcher
from service.suggest.pains import Pain

SAMPLE: Final = 24  # items of a pain whose words are read
MAX_CHARS: Final = 300  # of one verbatim
KEPT: Final = 5_000  # fits of a process

Key = tuple[str, str]


class _Fits:
    """What was matched, the least asked for forgotten first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: OrderedDict[tuple[object, ...], Fit] = OrderedDict()

    def get(self, key: tuple[object, ...]) -> Fit | None:
        with self._lock:
            found = self._found.pop(key, None)
            if found is not None:
                self._found[key] = found
            return found

    def put(self, key: tuple[object, ...], fit: Fit) -> None:
        with self._lock:
            self._found[key] = fit
            while len(self._found) > KEPT:
                self._found.popitem(last=False)


_fits = _Fits()


def fits_of(
    session: Session,
    *,
    workspace_id: int,
    matcher: Matcher,
    pains: Mapping[Key, Pain],
    sentiment: str = "negative",
) -> dict[Key, Fit]:
    """The fit of each pain by stage and topic, none for stages that the playbook does not know.

    At most one query, however many pains there are.
    """
    database = session.get_bind().engine.url.render_as_string(hide_password=True)
    keys: dict[Key, tuple[object, ...]] = {}
    wanted: dict[Key, tuple[int, ...]] = {}
    found: dict[Key, Fit] = {}
    for (stage, topic), pain in pains.items():
        ids = sample(pain)
        key: tuple[object, ...] = (
            database,
            workspace_id,
            matcher.serial,
            sentiment,
            stage,
            topic,
            pain.count,
            pain.last_day,
            ids,
        )
        fit = _fits.get(key)
        if fit is not None:
            found[stage, topic] = fit
        else:
            keys[stage, topic], wanted[stage, topic] = key, ids
    words = _words(session, workspace_id, wanted, sentiment)
    for (stage, topic), key in keys.items():
        fit = matcher.fit(stage, topic, words.get((stage, topic), ()))
        if fit is not None:
            found[stage, topic] = fit
            _fits.put(key, fit)
    return found


def sample(pain: Pain, limit: int = SAMPLE) -> tuple[int, ...]:
    """Ids of items with the pain, the same ones as long as they have it."""
    # a product with an odd constant, upper bits kept, spreads ids that follow each other (D. Knuth, TAOCP 3, 6.4)
    hashed = (pain.item_ids.astype(np.uint64) * np.uint64(11400714819323198485)) >> np.uint64(16)
    chosen: list[int] = pain.item_ids[np.argsort(hashed, kind="stable")[:limit]].tolist()
    return tuple(chosen)


def _words(
    session: Session, workspace_id: int, wanted: Mapping[Key, Sequence[int]], sentiment: str
) -> dict[Key, list[str]]:
    ids = sorted({item_id for group in wanted.values() for item_id in group})
    if not ids:
        return {}
    rows = session.execute(
        select(col(Segment.item_id), col(Segment.stage), col(Segment.topic), *said_columns(MAX_CHARS))
        .join(FeedbackItem, col(FeedbackItem.id) == col(Segment.item_id))
        .where(
            # the segment's workspace is its item's; asked of both, SQLite walks all items of the workspace
            col(Segment.workspace_id) == workspace_id,
            col(Segment.item_id).in_(ids),
            col(Segment.sentiment) == sentiment,
        )
        .order_by(col(Segment.item_id), col(Segment.position))
    ).all()
    members = {key: set(group) for key, group in wanted.items()}
    found: dict[Key, list[str]] = defaultdict(list)
    for row in rows:
        key = (row.stage, row.topic)
        if row.item_id in members.get(key, ()):
            found[key].append(said(row, MAX_CHARS).raw)
    return found
