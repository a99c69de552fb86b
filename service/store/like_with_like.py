"""Changes are told between labels of one model only: here is decided which rows may be compared.

Two models (a fast and an accurate tier, an older and a newer version) differ by more than most changes do. So a
change from one period to the next is told from the items of that model which labelled most of both, and only where
these are nearly all; the few others are left out. Where no model has, nothing is told until all are renewed. The
weeks of a series follow the same rule with the model that labelled most of the series.

Neither are sources mixed up: `fixed_mix` numbers the sources and channels at whose fixed mix a change is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nlp.artifact import tier_of
from service.beyond_noise import COVERED
from service.store.rollup_frame import Frame

Array = NDArray[Any]

NEARLY_ALL: Final = 0.99
"""Share of a period's labelled items; below it, the few left out could pass for a change."""
WITHHELD: Final = "The labels of these periods come from different models; changes are told once all are renewed."


def model_of_both(early: Array, late: Array) -> int | None:
    """The model that labelled nearly all items of two periods; None where none did.

    One model number an item, -1 for items without labels. A period without labels fits every model; -1 where both
    are such.
    """
    size = int(max(early.max(initial=-1), late.max(initial=-1))) + 1
    if not size:
        return -1
    covered = np.ones(size)
    for period in (early, late):
        counts = np.bincount(period + 1, minlength=size + 1)[1:]
        if counts.any():
            covered = np.minimum(covered, counts / counts.sum())
    best = int(covered.argmax())
    return best if covered[best] >= NEARLY_ALL else None


def comparable(
    frame: Frame, mask: Array, *, first: int, before: int | None = None, end: int | None = None
) -> Array | None:
    """The rows of a mask from which a change is told between the days before `first` and those from it on.

    None where the labels are of different models: see WITHHELD. With `before` only the rows from that day on
    decide, with `end` only those before that one; older ones, the past by which a change is judged, follow the
    model that they have.
    """
    if _uniform(frame):
        return mask
    model, day = frame.rows["model"], frame.rows["day"]
    early, decide = day < first, mask if before is None else mask & (day >= before)
    if end is not None:
        decide = decide & (day < end)
    lead = model_of_both(model[decide & early], model[decide & ~early])
    return None if lead is None else mask & ((model == lead) | (model < 0))


MIX_KINDS: Final = 12
"""Sources and channels that are told apart; the smaller ones are taken together."""


def fixed_mix(source: Array, channel: Array, *, early: Array, late: Array) -> tuple[Array, int]:
    """By item the number of its source and channel, and how many numbers there are.

    Where most items of a period come from sources that the other one does not have (every export is a source of
    its own), channels alone are told apart. `early` and `late` say which items lie in the two periods.
    """
    if not len(source):
        return np.zeros(0, np.int64), 1
    mix = source_mix(source, channel)
    found = kind_numbers(mix, early=mix.number[early], late=mix.number[late]).take(mix.number)
    return found, int(found.max()) + 1


@dataclass(frozen=True, slots=True)
class SourceMix:
    """Source and channel of items as one number: (source + 1) * channels + channel + 1."""

    number: Array
    channels: int  # with the one for none
    size: int  # above all numbers


def source_mix(source: Array, channel: Array) -> SourceMix:
    """Of each item; -1 for none. In two bytes where they fit."""
    channels = int(channel.max(initial=-1)) + 2
    number = source.astype(np.int32)  # a copy, changed in place
    number += 1
    number *= channels
    number += channel
    number += 1
    size = (int(source.max(initial=-1)) + 2) * channels
    return SourceMix(number.astype(np.uint16) if size <= 2**16 else number, channels, size)


def kind_numbers(mix: SourceMix, *, early: Array, late: Array) -> Array:
    """The number by `fixed_mix` of each source and channel.

    `early` and `late` are the sources and channels of the items of both periods.
    """
    size = mix.size
    before, after = (np.bincount(part, minlength=size) for part in (early, late))
    for apart in (True, False):
        if not apart:
            before, after = (part.reshape(-1, mix.channels).sum(axis=0) for part in (before, after))
        shared = (before > 0) & (after > 0)
        if all(counts[shared].sum() >= COVERED * counts.sum() for counts in (before, after)):
            break
    sizes = before + after
    largest = np.argsort(-sizes, kind="stable")[:MIX_KINDS]
    largest = largest[sizes[largest] > 0]
    number = np.full(len(sizes), min(len(largest), MIX_KINDS - 1), dtype=np.int32)
    number[largest] = np.minimum(np.arange(len(largest)), MIX_KINDS - 1)
    return number if apart else np.tile(number, size // mix.channels)


def foreign(frame: Frame, rows: Array) -> Array | None:
    """Which of these rows (positions in the frame) are labelled by another model than most; None: none of them."""
    if _uniform(frame):
        return None
    model = frame.rows["model"].take(rows)
    counts = np.bincount(model + 1)[1:]
    if np.count_nonzero(counts) <= 1:
        return None
    return np.asarray((model >= 0) & (model != counts.argmax()))


def mixed_weeks(week: Array, other: Array, labelled: Array, *, weeks: int) -> Array:
    """Of each week whether too many of its labelled items are of another model to stand in a series.

    One entry an item: its week (below 0 left out), whether another model labelled it, whether any did.
    """
    inside = week >= 0
    others = np.bincount(week[inside & other], minlength=weeks)
    return np.asarray(others > (1 - NEARLY_ALL) * np.bincount(week[inside & labelled], minlength=weeks))


def labelled_by(frame: Frame, mask: Array, rows: Array | None = None) -> list[dict[str, Any]]:
    """Which models labelled the items of a mask: [{"model", "tier", "items"}], most items first.

    `rows`: where the mask is true, if that is known already.
    """
    everything = bool(mask.all())  # made once a frame, and asked most often
    if everything:
        of_model = frame.once(_by_model, _more_by_model)
    else:
        of_model = np.bincount(frame.rows["model"].take(np.flatnonzero(mask) if rows is None else rows) + 1)
    counts = of_model[1:].tolist()
    versions = {number: version for version, number in frame.words["model"].items()}
    found = [
        {"model": versions[number], "tier": tier_of(versions[number]), "items": items}
        for number, items in enumerate(counts)
        if items
    ]
    return sorted(found, key=lambda one: (-one["items"], one["model"]))


def _uniform(frame: Frame) -> bool:
    """Whether one model labelled everything, as nearly always; then nothing has to be looked at."""
    return bool(np.count_nonzero(frame.once(_by_model, _more_by_model)[1:]) <= 1)


def _by_model(frame: Frame) -> Array:
    return np.bincount(frame.rows["model"][frame.live] + 1, minlength=_size(frame))


def _more_by_model(frame: Frame, before: Array, lengths: Mapping[str, int]) -> Array:
    more = np.bincount(frame.rows["model"][lengths["live"] :] + 1, minlength=_size(frame))
    more[: len(before)] += before
    return more


def _size(frame: Frame) -> int:
    return len(frame.words["model"]) + 1
