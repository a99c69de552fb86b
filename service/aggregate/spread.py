"""Items or segments counted by the columns of a journey model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.store.rollup_codes import codes
from service.store.rollup_records import REASONS

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """Items or segments by column."""

    place: Array  # by place, whatever its column
    touchpoint: Array  # (groups, touchpoints); what is in no column has none
    cells: Array  # (groups, emotions, sentiments, topics)

    @property
    def total(self) -> Array:
        """How many each column has."""
        return np.asarray(self.touchpoint.sum(axis=1))


def spread_of(cell: Array, place_column: Array, *, groups: int) -> Spread:
    """Of items or segments, given the cell of each (see rollup_codes.Codes) and the column of each place."""
    labels = _labels()
    place = cell // labels
    # by column before they are counted: far fewer numbers than there are cells
    code = cell - place * labels
    code += place_column.take(place) * code.dtype.type(labels)
    cells = np.bincount(code, minlength=groups * labels)
    return _spread(np.bincount(place, minlength=codes().places), cells, place_column, groups=groups)


def spread_of_histogram(histogram: Array, place_column: Array, *, groups: int) -> Spread:
    """Of items or segments that are counted by cell already."""
    by_place = histogram.reshape(codes().places, -1)
    cells = np.zeros((groups, _labels()), dtype=np.int64)
    for place, column in enumerate(place_column.tolist()):
        cells[column] += by_place[place]
    return _spread(by_place.sum(axis=1), cells, place_column, groups=groups)


def _labels() -> int:
    """How many combinations of mood and topic there are in a place."""
    return codes().moods * codes().size("topic")


def _spread(by_place: Array, cells: Array, place_column: Array, *, groups: int) -> Spread:
    code = codes()
    touchpoint = np.r_[
        np.tile(np.arange(code.size("touchpoint")), code.size("stage")),
        np.full(len(REASONS), code.size("touchpoint") - 1),
    ]
    of_touchpoint = np.bincount(
        place_column.astype(np.int64) * code.size("touchpoint") + touchpoint,
        by_place,
        minlength=groups * code.size("touchpoint"),
    )
    return Spread(
        place=by_place,
        touchpoint=of_touchpoint.astype(np.int64).reshape(groups, -1),
        cells=cells.reshape(groups, code.size("emotion"), code.size("sentiment"), code.size("topic")),
    )
