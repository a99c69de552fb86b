"""The vectors that tagging makes by the way: what the accurate tier has read the job "vectors" need not read.

An item's vectors are taken over where the encoder has read each of its parts just as that job would: the same
words, without a survey's question before them. The others wait for the job.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlmodel import Session

from nlp.analysis import Analysis, Reading
from nlp.likeness import MAX_CHARS, readable
from service.classify.active_model import Tagger, likeness_of, reads_alike
from service.classify.tagging import Input
from service.settings import Settings
from service.store.meaning_blocks import BLOCK_ROWS, Rows, Unread, store_vectors, with_vectors

LEAST_ITEMS: Final = 50
"""Fewer are left to the job, which waits for more: to add some rows, their block is written anew."""


@dataclass(frozen=True, slots=True)
class TaggedVectors:
    """Items that were tagged, with their vectors."""

    vectors: str
    """Which model's."""
    items: tuple[Unread, ...]
    rows: tuple[Rows, ...]
    """One array an item, a row a part."""


def tagged_vectors(
    settings: Settings, pipeline: Tagger, inputs: Mapping[int, Input], analyses: Mapping[int, Analysis]
) -> TaggedVectors | None:
    """Those of these items whose parts the pipeline has read by themselves; None where they are too few."""
    if len(inputs) < LEAST_ITEMS:
        return None
    likeness = likeness_of(settings)
    if not reads_alike(pipeline, likeness):
        return None
    items: list[Unread] = []
    readings: list[Reading] = []
    for item_id, given in inputs.items():
        own = _readings(given.text, analyses[item_id])
        if own is not None:
            spans = tuple((part.start, part.end) for part in analyses[item_id].segments)
            items.append(Unread(item_id, given.text_version, given.text, spans))
            readings += own
    if len(items) < LEAST_ITEMS:
        return None
    texts = [reading.text for reading in readings]
    rows = likeness.short(texts, read=np.stack([reading.vector for reading in readings]))
    ends = np.cumsum([len(one.spans) for one in items])
    return TaggedVectors(likeness.version, tuple(items), tuple(np.split(rows, ends[:-1])))


def store_tagged_vectors(
    session: Session, workspace_id: int, made: TaggedVectors | None, ids: Collection[int]
) -> None:
    """Keep the vectors of those of these items that have none yet.

    The caller holds the items' locks. Call it before what is counted is changed: an erasure takes the locks of
    blocks and counts in this order.
    """
    if made is None:
        return
    known = with_vectors(session, workspace_id, ids, vectors=made.vectors)
    wanted = [at for at, one in enumerate(made.items) if one.id in ids and known.get(one.id) != one.text_version]
    store_vectors(
        session,
        workspace_id,
        vectors=made.vectors,
        items=[made.items[at] for at in wanted],
        rows=[made.rows[at] for at in wanted],
    )


def _readings(text: str, analysis: Analysis) -> list[Reading] | None:
    """The encoder's readings of all parts, None where one differs from what the job would read."""
    if not 0 < len(analysis.segments) <= BLOCK_ROWS:
        return None
    own: list[Reading] = []
    for part in analysis.segments:
        reading = part.reading
        if reading is None or reading.text != readable(text[part.start : min(part.end, part.start + MAX_CHARS)]):
            return None
        own.append(reading)
    return own
