"""A selection of counted items seen through the columns of a journey model, and what is counted of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.scores import Moments, repeated_in
from service.row_numbers import row_numbers
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
        return self._spread(self._cells)

    @cached_property
    def _cells(self) -> Array:
        """Items by cell."""
        if self.everything:
            return self.frame.once(_items_by_cell, _more_items)
        return np.bincount(self.chosen("cell"), minlength=codes().cells)

    @cached_property
    def segments(self) -> Spread:
        """Segments by column."""
        if self.everything:
            return self._spread(self.frame.once(_segments_by_cell, _more_segments))
        return self._spread(np.bincount(self.chosen_segments.cell, minlength=codes().cells))

    @cached_property
    def chosen_segments(self) -> Segments:
        """The segments of the chosen rows, in order."""
        count, where = self.frame.once(_segment_runs).of(self.chosen_rows)
        return Segments(count, self.frame.segment_cell.take(where))

    def _spread(self, histogram: Array) -> Spread:
        code = codes()
        by_place = histogram.reshape(code.places, -1)
        cells = np.zeros((self.groups, by_place.shape[1]), dtype=np.int64)
        for place, column in enumerate(self.place_column.tolist()):
            cells[column] += by_place[place]
        touchpoint = np.r_[
            np.tile(np.arange(code.size("touchpoint")), code.size("stage")),
            np.full(len(REASONS), code.size("touchpoint") - 1),
        ]
        of_place = np.bincount(
            self.place_column.astype(np.int64) * code.size("touchpoint") + touchpoint,
            by_place.sum(axis=1),
            minlength=self.groups * code.size("touchpoint"),
        )
        return Spread(
            touchpoint=of_place.astype(np.int64).reshape(self.groups, -1),
            cells=cells.reshape(self.groups, code.size("emotion"), code.size("sentiment"), code.size("topic")),
        )

    def reasons(self) -> dict[str, int]:
        """Items in no column, by reason."""
        code = codes()
        by_place = self._cells.reshape(code.places, -1).sum(axis=1)
        found = {reason: int(by_place[code.pairs + 1 + i]) for i, reason in enumerate(SHOWN_REASONS)}
        labelled = by_place[: code.pairs][self.place_column[: code.pairs] == self.columns].sum()
        found["none"] += int(labelled) + int(by_place[code.pairs])  # a stage that the model has no column for
        return found

    def respondents(self) -> tuple[Array, int]:
        """Distinct respondents by column, and over all of them."""
        single = self._single_items.sum(axis=1)
        return (single + self.repeats.speaking).astype(np.int64), int(single.sum()) + self.repeats.people

    @cached_property
    def repeats(self) -> Repeats:
        """What those respondents say who have more than one row in the frame."""
        frame = self.frame
        rows = np.flatnonzero(frame.repeated if self.everything else frame.repeated & self.mask)
        cluster = frame.rows["cluster"].take(rows)
        seen = np.zeros(frame.clusters, dtype=bool)
        seen[cluster] = True
        person = row_numbers(seen)
        people = int(np.count_nonzero(seen))
        column = self.place_column.take(frame.rows["place"].take(rows)).astype(np.int64)
        mood = frame.rows["mood"].take(rows)
        key = column * people + person.take(cluster)
        items = np.bincount(key, minlength=people * self.groups).reshape(self.groups, people).astype(np.float64)
        moods = np.bincount(column * codes().moods + mood, minlength=self.groups * codes().moods)
        return Repeats(
            people=people,
            person=person,
            key=key,
            mood=mood,
            items=items,
            moods=moods.reshape(self.groups, codes().moods),
            speaking=np.count_nonzero(items, axis=1),
            squares=_dots(items, items),
        )

    @cached_property
    def _moods(self) -> Array:
        """Items by column and mood."""
        return np.asarray(self.items.cells.sum(axis=3).reshape(self.groups, -1))

    @cached_property
    def _single_items(self) -> Array:
        """Items by column and mood, of respondents with one row."""
        return self._moods - self.repeats.moods

    def mean_of_mood(self, by_mood: Array) -> Moments:
        """Moments of a value that the mood decides (NaN: left out), by column; the last entry is over all."""
        said = ~np.isnan(by_mood)
        value = np.where(said, by_mood, 0.0)
        columns, repeats = slice(0, self.columns), self.repeats
        n, speaking, squares = repeats.items[columns], repeats.speaking[columns], repeats.squares[columns]
        if (repeats.moods[columns] @ ~said).any():
            counted = np.bincount(repeats.key, said[repeats.mood], minlength=repeats.items.size)
            n = counted.reshape(repeats.items.shape)[columns]
            speaking, squares = np.count_nonzero(n, axis=1), _dots(n, n)
        total = np.bincount(repeats.key, value[repeats.mood], minlength=repeats.items.size)
        total = total.reshape(repeats.items.shape)[columns]
        single = self._single_items[columns].astype(np.float64)
        once = np.vstack([single, single.sum(axis=0)])  # by column, and over all of them
        n_all, total_all = n.sum(axis=0), total.sum(axis=0)
        return Moments(
            n=once @ said + np.r_[n.sum(axis=1), n_all.sum()],
            total=once @ value + np.r_[total.sum(axis=1), total_all.sum()],
            clusters=once @ said + np.r_[speaking, np.count_nonzero(n_all)],
            squares=once @ value**2 + np.r_[_dots(total, total), _dots(total_all[None], total_all[None])],
            products=once @ value + np.r_[_dots(total, n), _dots(total_all[None], n_all[None])],
            sizes=once @ said + np.r_[squares, _dots(n_all[None], n_all[None])],
        )

    def pairs(self, name: str) -> Pairs:
        """Items with a pain or delight, once for each of its topics: the row, its column, the topic."""
        frame = self.frame
        of = frame.once(_pains if name == "pain" else _delights)
        row, topic = getattr(frame, f"{name}_row"), getattr(frame, f"{name}_topic")
        place, repeated = of.place, of.repeated
        if not self.everything:
            _, where = of.runs.of(self.chosen_rows)
            row, topic, place, repeated = (part.take(where) for part in (row, topic, place, repeated))
        column = self.place_column.take(place)
        kept = np.flatnonzero(column < self.columns)
        return Pairs(row.take(kept), column.take(kept), topic.take(kept), repeated.take(kept))

    def share_sums(self, pairs: Pairs) -> list[ShareSums]:
        """What the share of each pain or delight needs, largest first within its column."""
        topics, repeats = codes().size("topic"), self.repeats
        groups = self.columns * topics
        group = pairs.column.astype(np.int64) * topics + pairs.topic
        many = np.flatnonzero(pairs.repeated)
        of_many, cluster = group.take(many), self.frame.rows["cluster"].take(pairs.row.take(many))
        hits = np.bincount(group, minlength=groups)
        # how many items the respondent has in the column: one, unless a repeated one
        key = pairs.column.take(many) * np.int64(repeats.people) + repeats.person.take(cluster)
        by_size = hits + np.bincount(of_many, repeats.items.reshape(-1).take(key) - 1, minlength=groups)
        # what is said once by a person makes no difference between hits, their squares and the people
        again, counts = repeated_in(of_many, cluster, clusters=self.frame.clusters)
        extra = counts.astype(np.float64)
        people = hits - np.bincount(again, extra - 1, minlength=groups)
        squared = hits + np.bincount(again, extra**2 - extra, minlength=groups)
        column_sums = self._column_sums
        found = [
            ShareSums(
                column=g // topics,
                topic=g % topics,
                hits=int(hits[g]),
                respondents=int(people[g]),
                n=int(column_sums.n[g // topics]),
                clusters=int(column_sums.clusters[g // topics]),
                hits_squared=float(squared[g]),
                hits_by_size=float(by_size[g]),
                sizes_squared=float(column_sums.sizes[g // topics]),
            )
            for g in np.flatnonzero(hits).tolist()
        ]
        return sorted(found, key=lambda one: (one.column, -one.hits, one.topic))

    @cached_property
    def _column_sums(self) -> Moments:
        single, repeats, zero = self._single_items.sum(axis=1), self.repeats, np.zeros(self.groups)
        return Moments(
            n=single + repeats.items.sum(axis=1),
            total=zero,
            clusters=single + repeats.speaking,
            squares=zero,
            products=zero,
            sizes=single + repeats.squares,
        )


def _dots(a: Array, b: Array) -> Array:
    """The dot product of each row; not by BLAS, whose threads would wait for each other on a busy machine."""
    return np.asarray(np.einsum("ij,ij->i", a, b))


@dataclass(frozen=True, slots=True)
class Repeats:
    """The chosen items of respondents who have more than one in the frame."""

    people: int
    person: Array  # of each respondent of the frame who is one of them
    key: Array  # of each item: column * people + person
    mood: Array  # of each item
    items: Array  # (groups, people)
    moods: Array  # (groups, moods)
    speaking: Array  # people with items in each group
    squares: Array  # Σ items² of each group


@dataclass(frozen=True, slots=True)
class Spread:
    """Items or segments by column."""

    touchpoint: Array  # (groups, touchpoints); what is in no column has none
    cells: Array  # (groups, emotions, sentiments, topics)

    @property
    def total(self) -> Array:
        """How many each column has."""
        return np.asarray(self.touchpoint.sum(axis=1))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Items with a pain (or delight), once for each of its topics."""

    row: Array
    column: Array
    topic: Array
    repeated: Array  # whether the respondent has another item in the frame


@dataclass(frozen=True, slots=True)
class PairRows:
    """What each pain (or delight) of a frame takes over from its item."""

    place: Array
    repeated: Array
    runs: Runs


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of chosen rows: how many each row has, and their cells, row after row."""

    count: Array
    cell: Array


@dataclass(frozen=True, slots=True)
class Runs:
    """By row of a frame where what stands beside it (its segments, its pains) begins, and how many they are."""

    start: Array
    count: Array

    def of(self, rows: Array) -> tuple[Array, Array]:
        """How many each of these rows has, and where they all stand, row after row."""
        count = self.count.take(rows)
        ends = np.cumsum(count)
        # of each one its number among the chosen ones, moved to where those of its row stand
        where = np.arange(int(ends[-1]) if len(ends) else 0)
        where += np.repeat(self.start.take(rows) - (ends - count), count)
        return count, where


def _runs(frame: Frame, row: Array) -> Runs:
    """`row`: the row of each, in order, as they stand in a frame."""
    count = np.bincount(row, minlength=len(frame))
    return Runs(np.cumsum(count) - count, count)


def _segment_runs(frame: Frame) -> Runs:
    return _runs(frame, frame.segment_row)


def _pains(frame: Frame) -> PairRows:
    return _pair_rows(frame, frame.pain_row)


def _delights(frame: Frame) -> PairRows:
    return _pair_rows(frame, frame.delight_row)


def _pair_rows(frame: Frame, row: Array) -> PairRows:
    return PairRows(frame.rows["place"].take(row), frame.repeated.take(row), _runs(frame, row))


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
    """A pain (or delight) of a column, counted: `hits` of `n` items, with sums over respondents."""

    column: int
    topic: int
    hits: int
    respondents: int
    n: int
    clusters: int
    hits_squared: float
    hits_by_size: float
    sizes_squared: float
