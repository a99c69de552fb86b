"""People's corrections as labelled texts, and their rows as the default model sees them.

What the model said of a text is kept beside the overlays, without any words, so that learning from thousands of
corrections reads only the new ones. Rows of items that are gone are not kept: an erased person leaves with them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import and_, func, or_, select
from sqlmodel import Session, col

from nlp.analysis import FIELDS
from nlp.clean import clean
from nlp.pipeline import Pipeline
from nlp.redact import as_read
from service.learn.reference import Seen, looked_at
from service.settings import Settings
from service.store.learned import folder_of, write_whole
from service.store.schema import Correction, FeedbackItem

MOST_EXAMPLES: Final = 5_000
"""The newest so many are learnt from: what fits into a few seconds."""
ROWS_FILE: Final = "rows.npz"


@dataclass(frozen=True, slots=True)
class Example:
    """A text, or a part of one, with what people said of it."""

    item_id: int
    text: str
    """Cleaned, as the pipeline gives it to the model."""
    question: str | None
    labels: dict[str, str] = field(default_factory=dict)
    """Field to label, only what a person said."""

    @property
    def digest(self) -> bytes:
        """Tells texts apart in the kept rows."""
        return hashlib.sha256(f"{self.question}\0{self.text}".encode("utf-8", "replace")).digest()[:16]


def examples(session: Session, workspace_id: int) -> list[Example]:
    """What the standing corrections of a workspace say, the newest word on each text, oldest text first."""
    found: dict[tuple[int, str], Example] = {}
    rows = session.execute(
        select(
            col(Correction.item_id),
            col(Correction.span_start),
            col(Correction.span_end),
            col(Correction.labels),
            col(FeedbackItem.text),
            col(FeedbackItem.translation),
            col(FeedbackItem.language),
            col(FeedbackItem.question),
        )
        .join(FeedbackItem, col(FeedbackItem.id) == col(Correction.item_id))
        .where(
            col(Correction.workspace_id) == workspace_id,
            col(FeedbackItem.workspace_id) == workspace_id,
            col(Correction.undone_at).is_(None),
            col(Correction.text_version) == col(FeedbackItem.text_version),
            col(FeedbackItem.text).is_not(None),
        )
        .order_by(col(Correction.id))
    )
    for row in rows:
        said = {name: label for name, label in row.labels.items() if name in FIELDS and label is not None}
        text = row.text
        if (row.translation or "").strip() and row.language not in (None, "en"):
            text = row.translation  # what was tagged; its one segment is the whole
        elif row.span_start is not None and row.span_end is not None:
            text = text[row.span_start : row.span_end]
        text = as_read(clean(text)).text
        if not said or not text.strip():
            continue
        key = (row.item_id, text)
        if key in found:
            said = found.pop(key).labels | said
        found[key] = Example(row.item_id, text, row.question, said)
    return list(found.values())[-MOST_EXAMPLES:]


def newest_correction(session: Session, workspace_id: int) -> int:
    """The id of the workspace's newest correction, 0 where there is none."""
    query = select(func.max(col(Correction.id))).where(col(Correction.workspace_id) == workspace_id)
    return int(session.execute(query).scalar_one() or 0)


def changed_since(session: Session, workspace_id: int, correction_id: int, moment: datetime) -> int:
    """How many corrections came after the one with this id, or were taken back after this moment."""
    new = and_(col(Correction.id) > correction_id, col(Correction.undone_at).is_(None))
    undone = and_(col(Correction.id) <= correction_id, col(Correction.undone_at) > moment)
    query = (
        select(func.count())
        .select_from(Correction)
        .where(col(Correction.workspace_id) == workspace_id, or_(new, undone))
    )
    return int(session.execute(query).scalar_one())


def standing(session: Session, workspace_id: int) -> int:
    """How many corrections of a workspace are not undone."""
    query = (
        select(func.count())
        .select_from(Correction)
        .where(col(Correction.workspace_id) == workspace_id, col(Correction.undone_at).is_(None))
    )
    return int(session.execute(query).scalar_one())


def gone(session: Session, workspace_id: int, items: Sequence[int]) -> set[int]:
    """Which of these items are no longer there."""
    missing = set(items)
    ordered = sorted(missing)
    for start in range(0, len(ordered), 500):
        missing -= set(
            session.execute(
                select(col(FeedbackItem.id)).where(
                    col(FeedbackItem.workspace_id) == workspace_id,
                    col(FeedbackItem.id).in_(ordered[start : start + 500]),
                )
            ).scalars()
        )
    return missing


def seen_examples(settings: Settings, workspace_id: int, pipeline: Pipeline, given: Sequence[Example]) -> Seen:
    """The examples as the default model sees them; what was read before is not read again."""
    order = pipeline.artifact.model.labels
    labels = {
        name: np.array(
            [order[name].index(one.labels[name]) if name in one.labels else -1 for one in given], dtype=np.int16
        )
        for name in FIELDS
    }
    path = folder_of(settings, workspace_id) / ROWS_FILE
    kept = _read(path.read_bytes(), pipeline.model_version) if path.is_file() else None
    places = {} if kept is None else {bytes(digest): at for at, digest in enumerate(kept[0])}
    new = [at for at, one in enumerate(given) if one.digest not in places]
    fresh = None
    if new or kept is None:
        nothing = {name: np.zeros(len(new), dtype=np.int16) for name in FIELDS}
        fresh = looked_at(pipeline, [given[at].text for at in new], [given[at].question for at in new], nothing)
    seen = _together(given, labels, places, kept[1] if kept is not None else None, new, fresh)
    write_whole(path, _bytes(seen, given, pipeline.model_version))
    return seen


def _together(
    given: Sequence[Example],
    labels: dict[str, npt.NDArray[np.int16]],
    places: dict[bytes, int],
    kept: Seen | None,
    new: Sequence[int],
    fresh: Seen | None,
) -> Seen:
    one = fresh if fresh is not None else kept
    assert one is not None
    vectors = np.empty((len(given), one.vectors.shape[1]), dtype=np.float32)
    chances = {name: np.empty((len(given), one.chances[name].shape[1]), dtype=np.float32) for name in FIELDS}
    if fresh is not None and new:
        vectors[new] = fresh.vectors
        for name in FIELDS:
            chances[name][new] = fresh.chances[name]
    old = [at for at, example in enumerate(given) if example.digest in places]
    if kept is not None and old:
        source = [places[given[at].digest] for at in old]
        vectors[old] = kept.vectors[source]
        for name in FIELDS:
            chances[name][old] = kept.chances[name][source]
    return Seen(vectors, chances, labels)


def kept_items(settings: Settings, workspace_id: int) -> list[int]:
    """The items whose rows are kept."""
    path = folder_of(settings, workspace_id) / ROWS_FILE
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as arrays:
        return [int(one) for one in arrays["items"]]


def _bytes(seen: Seen, given: Sequence[Example], version: str) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {
        "version": np.frombuffer(version.encode(), np.uint8),
        "items": np.array([one.item_id for one in given], dtype=np.int64),
        "digests": np.frombuffer(b"".join(one.digest for one in given), np.uint8).reshape(len(given), 16),
        "vectors": seen.vectors,
    }
    file = io.BytesIO()
    np.savez(file, **arrays, **{f"chances/{name}": seen.chances[name] for name in FIELDS})  # type: ignore[arg-type]
    return file.getvalue()


def _read(content: bytes, version: str) -> tuple[npt.NDArray[np.uint8], Seen] | None:
    """Digests and rows; None where they are another model's."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        if arrays["version"].tobytes().decode() != version:
            return None
        chances = {name: arrays[f"chances/{name}"] for name in FIELDS}
        return arrays["digests"], Seen(arrays["vectors"], chances, {})
