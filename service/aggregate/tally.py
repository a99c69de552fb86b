"""A selection of counted items seen through the columns of a journey model, and what is counted of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.scores import Moments, RespondentSums, moments, respondent_sums, score_values
from service.store.rollup_frame import Frame, codebook, codes
from service.store.rollup_records import REASONS

Array = NDArray[Any]
SHOWN_REASONS = REASONS[1:]


def columns_of(model: JourneyModel) -> Array:
    """The column of each place (see rollup_frame.Codes); places in no column have the number after the last."""
    code, beside = codes(), len(model.stages)
    touchpoints = (*code.labels["touchpoint"], None)
    found = [
        model.column(stage, touchpoint) if stage not in (None, "none") else None
        for stage in (*code.labels["stage"], None)
        for touchpoint in touchpoints
    ]
    found += [None] * len(REASONS)
    return np.array([beside if column is None else column for column in found], dtype=np.uint8)


def sentiment_of_mood() -> Array:
    """Net sentiment of an item by mood: -1, 0 (neutral, mixed), 1, NaN without one."""
    by_label = {"negative": -1.0, "positive": 1.0, None: np.nan}
    sentiments = (*codes().labels["sentiment"], None)
    return np.tile([by_label.get(label, 0.0) for label in sentiments], codes().size("emotion"))


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
    def _all(self) -> bool:
        return bool(self.mask.all())

    def chosen(self, name: str) -> Array:
        """A column of the frame at the chosen rows."""
        column = self.frame.rows[name]
        return column if self._all else column[self.mask]

    @cached_property
    def column(self) -> Array:
        """The column of each chosen row."""
        return np.asarray(self.place_column[self.chosen("place")])

    @cached_property
    def cluster(self) -> Array:
        """The respondent of each chosen row."""
        return self.chosen("cluster")

    @cached_property
    def items(self) -> Array:
        """Items by (column, touchpoint, emotion, sentiment, topic), reasons left out of the touchpoints."""
        return self._spread(np.bincount(self.chosen("cell"), minlength=codes().cells))

    @cached_property
    def segments(self) -> Array:
        """Segments by (column, touchpoint, emotion, sentiment, topic)."""
        cell = self.frame.segment_cell
        if not self._all:
            cell = cell[self.mask[self.frame.segment_row]]
        return self._spread(np.bincount(cell, minlength=codes().cells))

    def _spread(self, histogram: Array) -> Array:
        code = codes()
        rest = (code.size("emotion"), code.size("sentiment"), code.size("topic"))
        by_place = histogram.reshape(code.places, -1)
        touchpoint = np.r_[
            np.tile(np.arange(code.size("touchpoint")), code.size("stage")),
            np.full(len(REASONS), code.size("touchpoint") - 1),
        ]
        target = self.place_column.astype(np.int64) * code.size("touchpoint") + touchpoint
        out = np.zeros((self.groups * code.size("touchpoint"), by_place.shape[1]), dtype=np.int64)
        for place in np.flatnonzero(by_place.any(axis=1)).tolist():
            out[target[place]] += by_place[place]
        return out.reshape(self.groups, code.size("touchpoint"), *rest)

    def reasons(self) -> dict[str, int]:
        """Items in no column, by reason."""
        code = codes()
        by_place = np.bincount(self.chosen("place"), minlength=code.places)
        found = {reason: int(by_place[code.pairs + 1 + i]) for i, reason in enumerate(SHOWN_REASONS)}
        labelled = by_place[: code.pairs][self.place_column[: code.pairs] == self.columns].sum()
        found["none"] += int(labelled) + int(by_place[code.pairs])  # a stage that the model has no column for
        return found

    def respondents(self) -> tuple[Array, int]:
        """Distinct respondents by column, and over all of them."""
        sums = moments(
            np.zeros(len(self.column)), self.column, self.cluster, groups=self.groups, alone=self._alone
        )
        return sums.clusters.astype(np.int64), int(np.count_nonzero(np.bincount(self.cluster)))

    @property
    def _alone(self) -> Array:
        return self.frame.alone

    def mean_of_mood(self, by_mood: Array) -> Moments:
        """Moments of a value that the mood decides (NaN: left out), by column; the last entry is over all."""
        value, column, cluster = by_mood[self.chosen("mood")], self.column, self.cluster
        kept = (column < self.columns) & ~np.isnan(value)
        if not kept.all():
            value, column, cluster = value[kept], column[kept], cluster[kept]
        each = moments(value, column, cluster, groups=self.columns, alone=self._alone)
        whole = moments(value, np.zeros(len(value), np.uint8), cluster, groups=1, alone=self._alone)
        return Moments(*(np.r_[getattr(each, name), getattr(whole, name)] for name in Moments.__slots__))

    @cached_property
    def row_column(self) -> Array:
        """The column of every row of the frame; rows that are not chosen have the number after the last group."""
        found = np.full(len(self.frame), self.groups, dtype=np.uint8)
        found[self.mask] = self.column
        return found

    @cached_property
    def sizes(self) -> RespondentSums:
        """Items of each column and respondent who has more than one row in the frame."""
        many = ~self._alone[self.cluster]
        column = self.column[many]
        return respondent_sums(np.zeros(len(column)), column, self.cluster[many], groups=self.groups)

    def pairs(self, name: str) -> Pairs:
        """Items with a pain or delight, once for each of its topics: the row, its column, the topic."""
        row, topic = getattr(self.frame, f"{name}_row"), getattr(self.frame, f"{name}_topic")
        column = self.row_column[row]
        kept = column < self.columns
        return Pairs(row[kept], column[kept], topic[kept])

    def share_sums(self, pairs: Pairs) -> list[ShareSums]:
        """What the share of each pain or delight needs, largest first within its column."""
        topics = codes().size("topic")
        groups = self.columns * topics
        group = pairs.column.astype(np.int64) * topics + pairs.topic
        cluster = self.frame.rows["cluster"][pairs.row]
        single = self._alone[cluster]
        once = np.bincount(group[single], minlength=groups)
        many = ~single
        sums = respondent_sums(np.zeros(int(many.sum())), group[many], cluster[many], groups=groups)
        # the same respondents' items in the column, found by their place among all that repeat
        keys = self.sizes.cluster * self.groups + self.sizes.group
        table = np.zeros(int(keys.max()) + 1 if len(keys) else 1)
        table[keys] = self.sizes.counts
        size = table[sums.cluster * self.groups + sums.group // topics] if len(sums.group) else np.empty(0)
        hits = once + np.bincount(sums.group, sums.counts, minlength=groups)
        squared = once + np.bincount(sums.group, sums.counts.astype(float) ** 2, minlength=groups)
        by_size = once + np.bincount(sums.group, sums.counts * size, minlength=groups)
        people = once + np.bincount(sums.group, minlength=groups)
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
        alone = np.bincount(self.column[self._alone[self.cluster]], minlength=self.groups)
        counts = self.sizes.counts.astype(float)

        def over(weights: Array) -> Array:
            return np.asarray(alone + np.bincount(self.sizes.group, weights, minlength=self.groups))

        zero = np.zeros(self.groups)
        return Moments(over(counts), zero, over(np.ones(len(counts))), zero, zero, over(counts**2))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Items with a pain (or delight), once for each of its topics."""

    row: Array
    column: Array
    topic: Array


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


# --- scores belong to responses


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one kind in a selection, one entry a response."""

    value: Array
    cluster: Array
    response: Array
    with_text: Array
    declared: Array  # column that the sender declared; `columns` where none


def scored_responses(tally: Tally, kind: str, *, as_kind: str, declared_column: Array) -> Scored | None:
    """Every response's score of a kind (`as_kind` of scores.KINDS), counted once; None where there is none.

    `declared_column`: column by number of the declared stage's word, the last entry for none.
    """
    frame = tally.frame
    word = frame.words["score_kind"].get(kind)
    if word is None:
        return None
    rows = np.flatnonzero((frame.rows["score_kind"] == word) & tally.mask & ~np.isnan(frame.rows["score_value"]))
    if not len(rows):
        return None
    rows = rows[np.argsort(frame.rows["item_id"][rows], kind="stable")]
    latest = np.full(frame.responses, -1, dtype=np.int64)
    latest[frame.rows["response"][rows]] = rows  # the newest item of a response speaks for it
    rows = latest[latest >= 0]
    value, low, high = (frame.rows[name][rows] for name in ("score_value", "score_min", "score_max"))
    texted = np.zeros(frame.responses, dtype=bool)
    texted[frame.rows["response"][frame.live & (frame.rows["chars"] > 0)]] = True
    response = frame.rows["response"][rows]
    return Scored(
        value=score_values(as_kind, value, low, high),
        cluster=frame.rows["cluster"][rows],
        response=response,
        with_text=texted[response],
        declared=declared_column[frame.rows["declared_stage"][rows]],
    )


def mentions(tally: Tally) -> Array:
    """Which responses mention which column, in an item or one of its segments: (responses, groups), bool."""
    frame = tally.frame
    found = np.zeros((frame.responses, tally.groups), dtype=bool)
    found[tally.chosen("response"), tally.column] = True
    chosen = tally.mask[frame.segment_row]
    code = codes()
    place = frame.segment_cell[chosen] // (code.moods * code.size("topic"))
    found[frame.rows["response"][frame.segment_row[chosen]], tally.place_column[place]] = True
    return found
