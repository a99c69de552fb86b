"""Builds the columns that pains are counted on, from a readable list of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from nlp.codebook import load_codebook
from service.suggest.counted import Chosen, Counted, complaints

CODEBOOK = load_codebook()


@dataclass
class Item:
    """One item; segments are (stage, topic, sentiment, emotion)."""

    stage: str | None = "purchase"
    segments: Sequence[tuple[str, str, str, str]] = ()
    day: int = 20_000
    dated: bool = True
    respondent: int | None = None
    value: float = float("nan")
    touchpoint: str = "checkout"
    id: int = field(default=0)
    model: int = 0
    source: int = 0
    channel: int = 0


def hurt(
    topic: str = "ease_of_use", emotion: str = "frustration", stage: str = "purchase", **more: object
) -> Item:
    """An item with one negative mention."""
    return Item(stage=stage, segments=[(stage, topic, "negative", emotion)], **more)  # type: ignore[arg-type]


def fine(stage: str = "purchase", **more: object) -> Item:
    """An item with one positive mention."""
    return Item(stage=stage, segments=[(stage, "general", "positive", "joy")], **more)  # type: ignore[arg-type]


def columns(items: Sequence[Item]) -> Chosen:
    """The columns of these items, numbered from 1, all of them chosen."""

    def position(name: str, label: str) -> int:
        return CODEBOOK.labels(name).index(label)

    mentions = [
        (row, item, one) for row, item in enumerate(items) for one in item.segments if one[2] == "negative"
    ]

    def ints(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array(values, dtype=np.int64)

    respondents = [
        1_000_000 + row if item.respondent is None else item.respondent for row, item in enumerate(items)
    ]
    times = Counter(respondents)
    stage = ints([-1 if item.stage is None else position("stage", item.stage) for item in items])
    counted = Counted(
        item_id=ints(list(range(1, len(items) + 1))),
        item_stage=stage,
        item_day=ints([item.day for item in items]),
        item_dated=np.array([item.dated for item in items], dtype=np.bool_),
        item_respondent=ints(respondents),
        # of those with one item some are not known to be alone
        item_alone=np.array([times[one] == 1 and one % 3 > 0 for one in respondents], dtype=np.bool_),
        item_value=np.array([item.value for item in items], dtype=np.float64),
        item_source=ints([item.source for item in items]),
        item_channel=ints([item.channel for item in items]),
        item_model=ints([item.model for item in items]),
        complaints=complaints(
            CODEBOOK,
            item_stage=stage,
            mention_item=ints([row for row, _, _ in mentions]),
            mention_stage=ints([position("stage", one[0]) for _, _, one in mentions]),
            mention_topic=ints([position("topic", one[1]) for _, _, one in mentions]),
            mention_emotion=ints([position("emotion", one[3]) for _, _, one in mentions]),
            mention_touchpoint=ints([position("touchpoint", item.touchpoint) for _, item, _ in mentions]),
        ),
    )
    return counted.at(np.ones(len(items), dtype=np.bool_))
