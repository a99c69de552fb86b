"""A selection of counted items seen through the columns of a journey model, and what is counted of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.repeats import Repeats, repeats_of
from service.aggregate.scores import Moments, repeated_in
from service.aggregate.spread import Spread, spread_of, spread_of_histogram
from service.intervals import effective_ns_of_sums, share_bounds
from service.store.rollup_codes import codebook, codes
from service.store.rollup_frame import Frame
from service.store.rollup_records import REASONS

Array = NDArray[Any]
SHOWN_REASONS = REASONS[1:]


@lru_cache(maxsize=64)
def columns_of(model: JourneyModel) -> Array:
    """The column of each place (see rollup_codes.Codes); places in no column have the number after the last."""
    code, beside = codes(), len(model.stages)
    touchpoints = (*code.labels["touchpoint"], None)
    found = [
        model.column(stage, touchpoint) if stage not in (None, "none") else None
        for stage in (*code.labels["stage"], None)
        for touchpoint in touchpoints
    ]
    found += [None] * len(REASONS)
    return np.array([beside if column is None else column for column in found], dtype=np.uint8)


@cache
def sentiment_of_mood() -> Array:
    """Net sentiment of an item by mood: -1, 0 (neutral, mixed), 1, NaN without one."""
    by_label = {"negative": -1.0, "positive": 1.0, None: np.nan}
    sentiments = (*codes().labels["sentiment"], None)
    return np.tile([by_label.get(label, 0.0) for label in sentiments], codes().size("emotion"))


@cache
def sign_of_mood() -> Array:
    """Net sentiment of an item by mood as 0, 1, 2 for -1, 0, 1; 3 without one."""
    return np.asarray(np.nan_to_num(sentiment_of_mood() + 1, nan=3), dtype=np.uint8)


@cache
def valence_of_mood() -> Array:
    """Valence of an item's emotion by mood, NaN without one."""
    by_label = {entry.label: entry.valence for entry in codebook().emotions}
    emotions = (*codes().labels["emotion"], None)
    return np.repeat(
        [by_label.get(label, np.nan) if label else np.nan for label in emotions], codes().size("sentiment")
    )


@dataclass(frozen=True)
class Tally:
    """The rows of a frame that a mask chooses, in `columns` columns and one more for items in none."""

    frame: Frame
    mask: Array
    place_column: Array  # of columns_of
    columns: int

    @property
    def groups(self) -> int:
        """Columns, with the one for items in none."""
        return self.columns + 1

    @cached_property
    def everything(self) -> bool:
        """Whether all rows of the frame are chosen."""
        return bool(self.mask.all())

    def chosen(self, name: str) -> Array:
        """A column of the frame at the chosen rows."""
        if self.everything:
            return self.frame.rows[name]
        if name not in self._taken:
            self._taken[name] = self.frame.rows[name].take(self.chosen_rows)
        return self._taken[name]

    @cached_property
    def _taken(self) -> dict[str, Array]:
        return {}

    @cached_property
    def chosen_rows(self) -> Array:
        """Where the chosen rows stand in the frame."""
        return np.flatnonzero(self.mask)

    @cached_property
    def column(self) -> Array:
        """The column of each chosen row."""
        return np.asarray(self.place_column[self.chosen("place")])

    @cached_property
    def cluster(self) -> Array:
        """The respondent of each chosen row."""
        return self.chosen("cluster")

    @cached_property
    def items(self) -> Spread:
        """Items by column."""
        if self.everything:
            histogram = self.frame.once(_items_by_cell, _more_items)
            return spread_of_histogram(histogram, self.place_column, groups=self.groups)
        return spread_of(self.chosen("cell"), self.place_column, groups=self.groups)

    @cached_property
    def segments(self) -> Spread:
        """Segments by column."""
        if self.everything:
            histogram = self.frame.once(_segments_by_cell, _more_segments)
            return spread_of_histogram(histogram, self.place_column, groups=self.groups)
        cell = self.frame.segment_cell.take(self.frame.once(segment_runs).of(self.chosen_rows))
        return spread_of(cell, self.place_column, groups=self.groups)

    def reasons(self) -> dict[str, int]:
        """Items in no column, by reason."""
        code, of_place = codes(), self.items.place
        found = {reason: int(of_place[code.pairs + 1 + i]) for i, reason in enumerate(SHOWN_REASONS)}
        labelled = of_place[: code.pairs][self.place_column[: code.pairs] == self.columns].sum()
        found["none"] += int(labelled) + int(of_place[code.pairs])  # a stage that the model has no column for
        return found

    def respondents(self) -> tuple[Array, int]:
        """Distinct respondents by column, and over all of them."""
        single = self._single_items.sum(axis=1)
        return (single + self.repeats.speaking).astype(np.int64), int(single.sum()) + self.repeats.people

    @cached_property
    def repeats(self) -> Repeats:
        """What those respondents say of whom several rows are chosen."""
        mask = self.frame.repeated if self.everything else self.frame.repeated & self.mask
        return repeats_of(self.frame, np.flatnonzero(mask), self.place_column, groups=self.groups)

    @cached_property
    def _moods(self) -> Array:
        """Items by column and mood."""
        return np.asarray(self.items.cells.sum(axis=3).reshape(self.groups, -1))

    @cached_property
    def _single_items(self) -> Array:
        """Items by column and mood, of respondents of whom one row is chosen."""
        return self._moods - self.repeats.moods

    def mean_of_mood(self, by_mood: Array) -> Moments:
        """Moments of a value that the mood decides (NaN: left out), by column; the last entry is over all."""
        said, of = ~np.isnan(by_mood), self.repeats
        value = np.where(said, by_mood, 0.0)
        inside = of.group < self.columns
        everything_said = not (of.moods @ ~said).any()
        n = (of.sizes if everything_said else of.sums(said.astype(np.float64))) * inside
        total = of.sums(value) * inside
        n_all, total_all = of.by_person(n), of.by_person(total)

        def over(weights: Array) -> Array:
            return np.bincount(of.group, weights, minlength=self.groups)[: self.columns]

        single = self._single_items[: self.columns].astype(np.float64)
        once = np.vstack([single, single.sum(axis=0)])  # by column, and over all of them
        return Moments(
            n=once @ said + np.r_[over(n), n_all.sum()],
            total=once @ value + np.r_[over(total), total_all.sum()],
            clusters=once @ said + np.r_[over(n > 0), np.count_nonzero(n_all)],
            squares=once @ value**2 + np.r_[over(total**2), np.sum(total_all**2)],
            products=once @ value + np.r_[over(total * n), np.sum(total_all * n_all)],
            sizes=once @ said + np.r_[over(n**2), np.sum(n_all**2)],
        )

    def pairs(self, name: str) -> Pairs:
        """Items with a pain or delight, once for each of its topics: the row, its column, the topic."""
        frame = self.frame
        of = frame.once(_pains if name == "pain" else _delights)
        row, topic = getattr(frame, f"{name}_row"), getattr(frame, f"{name}_topic")
        place = of.place
        if not self.everything:
            where = of.runs.of(self.chosen_rows)
            row, topic, place = (part.take(where) for part in (row, topic, place))
        column = self.place_column.take(place)
        kept = np.flatnonzero(column < self.columns)
        if len(kept) < len(column):  # else, as nearly always, the model has a column for each
            row, column, topic = (part.take(kept) for part in (row, column, topic))
        return Pairs(row, column, topic)

    def share_sums(self, pairs: Pairs) -> ShareSums:
        """What the share of each pain or delight needs, largest first within its column."""
        topics, sums = codes().size("topic"), self._column_sums
        groups = self.columns * topics
        group = pairs.column.astype(np.int64) * topics
        group += pairs.topic
        hits = np.bincount(group, minlength=groups)
        # what is said once by a person makes no difference between hits, their squares and the people
        size = self.repeats.size.take(pairs.row)
        repeated = np.flatnonzero(size)
        by_size = hits + np.bincount(group.take(repeated), size.take(repeated) - 1, minlength=groups)
        again, counts = repeated_in(
            group.take(repeated),
            self.frame.rows["cluster"].take(pairs.row.take(repeated)),
            clusters=self.frame.clusters,
        )
        people = hits - np.bincount(again, counts - 1, minlength=groups).astype(np.int64)
        squared = hits + np.bincount(again, counts**2 - counts, minlength=groups)
        found = np.flatnonzero(hits)
        column, topic = np.divmod(found, topics)
        found = found[np.lexsort((topic, -hits[found], column))]
        column, topic = np.divmod(found, topics)
        worth = effective_ns_of_sums(
            clusters=sums.clusters[column],
            total=sums.n[column],
            hits=hits[found],
            hits_squared=squared[found],
            hits_by_size=by_size[found],
            sizes_squared=sums.sizes[column],
        )
        n = sums.n[column].astype(np.int64)
        low, high = share_bounds(hits[found] / n, worth)
        return ShareSums(column, topic, hits[found], people[found], n, low, high)

    @cached_property
    def _column_sums(self) -> Moments:
        single, repeats, zero = self._single_items.sum(axis=1), self.repeats, np.zeros(self.groups)
        return Moments(
            n=single + repeats.moods.sum(axis=1),
            total=zero,
            clusters=single + repeats.speaking,
            squares=zero,
            products=zero,
            sizes=single + repeats.squares,
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """Items with a pain (or delight), once for each of its topics."""

    row: Array
    column: Array
    topic: Array


@dataclass(frozen=True, slots=True)
class PairRows:
    """What each pain (or delight) of a frame takes over from its item."""

    place: Array
    runs: Runs


@dataclass(frozen=True, slots=True)
class Runs:
    """By row of a frame where what stands beside it (its segments, its pains) begins, and how many they are."""

    start: Array
    count: Array

    def of(self, rows: Array) -> Array:
        """Where what stands beside these rows is: the first of each row, then the second of each, and so on."""
        return np.concatenate([where for _, where in self._in_turn(rows)])

    def of_each(self, rows: Array) -> tuple[Array, Array]:
        """The same, and before it to which of the rows (by its place among these) each belongs."""
        turns = list(self._in_turn(rows, told=True))
        return np.concatenate([place for place, _ in turns]), np.concatenate([where for _, where in turns])

    def _in_turn(self, rows: Array, *, told: bool = False) -> Iterator[tuple[Array, Array]]:
        # most rows have one or two: a few walks over fewer and fewer of them are quicker than to repeat each
        start, count = self.start.take(rows), self.count.take(rows)
        place = np.arange(len(rows)) if told else rows
        turn = 0
        while True:
            left = np.flatnonzero(count > turn)
            if len(left) < len(count):
                start, count = start.take(left), count.take(left)
                place = place.take(left) if told else place
            yield place, start + turn
            if not len(left):
                return
            turn += 1


def _runs(frame: Frame, row: Array) -> Runs:
    """`row`: the row of each, in order, as they stand in a frame."""
    count = np.bincount(row, minlength=len(frame))
    start = np.cumsum(count) - count
    # as narrow as they fit: little memory is walked through
    narrow = np.uint8 if int(count.max(initial=0)) < 2**8 else np.int32
    return Runs(start.astype(np.int32) if len(row) < 2**31 else start, count.astype(narrow))


def segment_runs(frame: Frame) -> Runs:
    """Of the segments of each row; for Frame.once."""
    return _runs(frame, frame.segment_row)


def _pains(frame: Frame) -> PairRows:
    return _pair_rows(frame, frame.pain_row)


def _delights(frame: Frame) -> PairRows:
    return _pair_rows(frame, frame.delight_row)


def _pair_rows(frame: Frame, row: Array) -> PairRows:
    return PairRows(frame.rows["place"].take(row), _runs(frame, row))


def _items_by_cell(frame: Frame) -> Array:
    return np.bincount(frame.rows["cell"], minlength=codes().cells)


def _more_items(frame: Frame, before: Array, lengths: Mapping[str, int]) -> Array:
    return np.asarray(before + np.bincount(frame.rows["cell"][lengths["live"] :], minlength=codes().cells))


def _more_segments(frame: Frame, before: Array, lengths: Mapping[str, int]) -> Array:
    return np.asarray(before + np.bincount(frame.segment_cell[lengths["segment_row"] :], minlength=codes().cells))


def _segments_by_cell(frame: Frame) -> Array:
    return np.bincount(frame.segment_cell, minlength=codes().cells)


@dataclass(frozen=True, slots=True)
class ShareSums:
    """Pains (or delights) counted, one entry each: `hits` of `n` items of a column, with the interval's bounds."""

    column: Array
    topic: Array
    hits: Array
    respondents: Array
    n: Array
    low: Array
    high: Array
