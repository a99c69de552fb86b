"""Scores belong to responses: which rows of a frame give one, and what their responses mention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from service.aggregate.scores import KINDS, score_values
from service.aggregate.tally import Array, Tally, segment_runs
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of one kind, one entry a response."""

    values: dict[str, Array]  # by name in scores.KINDS
    cluster: Array
    response: Array  # numbered among the responses with a score
    with_text: Array
    declared: Array  # word of the declared stage, -1 for none

    def at(self, places: Array) -> Scored:
        """The entries at these places."""
        return Scored(
            {name: value.take(places) for name, value in self.values.items()},
            self.cluster.take(places),
            self.response.take(places),
            self.with_text.take(places),
            self.declared.take(places),
        )


@dataclass(frozen=True, slots=True)
class _Kind:
    """All scores of one kind in a frame, one entry a row."""

    row: Array
    scored: Scored
    distinct: bool  # no response has two of them


@dataclass(frozen=True, slots=True)
class _Responses:
    """The responses with a score in a frame, and what is said in them."""

    number: Array  # by response of the frame, -1 without a score
    count: int
    item_row: Array  # of each item of theirs, ascending
    item_place: Array
    item_response: Array  # numbered among those with a score
    segment_place: Array  # of each segment of these items
    segment_response: Array


def scored_responses(tally: Tally, kind: str) -> Scored | None:
    """Every chosen response's score of a kind, counted once; None where there is none."""
    found = scored_rows(tally, kind)
    return None if found is None else found[1]


def scored_rows(tally: Tally, kind: str) -> tuple[Array, Scored] | None:
    """The same with the row of the frame that gives each score."""
    frame = tally.frame
    found = frame.once(_maker_of(kind))
    places = np.flatnonzero(tally.mask.take(found.row))
    if not found.distinct:
        places = _one_a_response(frame, found, places)
    if not len(places):
        return None
    if len(places) == len(found.row):
        return found.row, found.scored
    return found.row.take(places), found.scored.at(places)


def numbers_of_responses(frame: Frame) -> Array:
    """The number of each response among those with a score, -1 for one without."""
    return frame.once(_responses, _more_responses).number


def mentions(tally: Tally) -> Array:
    """Which responses with a score mention which column, in an item or one of its segments.

    (groups, responses with a score), bool.
    """
    frame = tally.frame
    of = frame.once(_responses, _more_responses)
    found = np.zeros((tally.groups, of.count), dtype=bool)
    if tally.everything:
        parts = [(of.item_place, of.item_response), (of.segment_place, of.segment_response)]
    else:
        chosen = np.flatnonzero(tally.mask.take(of.item_row))
        place, response = of.item_place.take(chosen), of.item_response.take(chosen)
        item, where = frame.once(segment_runs).of_each(of.item_row.take(chosen))
        parts = [(place, response), (_places(frame.segment_cell.take(where)), response.take(item))]
    for place, response in parts:
        found.reshape(-1)[tally.place_column.take(place) * np.int64(of.count) + response] = True
    return found


def _places(cell: Array) -> Array:
    """The place of each cell."""
    return np.asarray(cell // (codes().moods * codes().size("topic")))


def _responses(frame: Frame) -> _Responses:
    scored = np.zeros(frame.responses, dtype=bool)
    scored[frame.rows["response"][frame.scored_row]] = True
    number = np.where(scored, np.cumsum(scored) - 1, -1).astype(np.int32)
    return _Responses(number, int(np.count_nonzero(scored)), **_said(frame, number, 0, 0))


def _more_responses(frame: Frame, before: _Responses, lengths: Mapping[str, int]) -> _Responses | None:
    """With what was added to a frame; None where a response got a score that had none."""
    known = len(before.number)
    scored = np.unique(frame.rows["response"].take(frame.scored_row[lengths["scored_row"] :]))
    if (before.number[scored[scored < known]] < 0).any():
        return None
    number = np.r_[before.number, np.full(frame.responses - known, -1, dtype=np.int32)]
    fresh = scored[scored >= known]
    number[fresh] = np.arange(before.count, before.count + len(fresh))
    return _Responses(
        number,
        before.count + len(fresh),
        **{
            name: np.r_[getattr(before, name), more]
            for name, more in _said(frame, number, lengths["live"], lengths["segment_row"]).items()
        },
    )


def _said(frame: Frame, number: Array, first_row: int, first_segment: int) -> dict[str, Array]:
    """What _Responses tells of the items and segments from these on whose response has a score."""
    of_item = number.take(frame.rows["response"][first_row:])
    items = np.flatnonzero(of_item >= 0)
    of_segment = of_item.take(frame.segment_row[first_segment:] - first_row)
    segments = np.flatnonzero(of_segment >= 0)
    return {
        "item_row": (items + first_row).astype(np.int32),
        "item_place": frame.rows["place"][first_row:].take(items),
        "item_response": of_item.take(items),
        "segment_place": _places(frame.segment_cell[first_segment:].take(segments)).astype(np.uint16),
        "segment_response": of_segment.take(segments),
    }


@cache
def _maker_of(kind: str) -> Callable[[Frame], _Kind]:
    return partial(_kind, kind)


def _kind(kind: str, frame: Frame) -> _Kind:
    word = frame.words["score_kind"].get(kind, -2)
    row = frame.scored_row[frame.rows["score_kind"].take(frame.scored_row) == word]
    row = row[frame.live.take(row)]
    rows = {
        name: frame.rows[name].take(row)
        for name in ("response", "cluster", "score_value", "score_min", "score_max", "chars", "declared_stage")
    }
    response, with_text = rows["response"], rows["chars"] > 0
    if not with_text.all():
        texted = np.zeros(frame.responses, dtype=bool)
        texted[frame.rows["response"][frame.live & (frame.rows["chars"] > 0)]] = True
        with_text = texted.take(response)
    # in order as where nobody answered several questions, else counted
    distinct = bool((response[1:] > response[:-1]).all()) or bool(np.bincount(response).max() <= 1)
    scored = Scored(
        {
            name: score_values(name, rows["score_value"], rows["score_min"], rows["score_max"])
            for name in (kind, f"{kind}_mean")
            if name in KINDS
        },
        rows["cluster"],
        frame.once(_responses, _more_responses).number.take(response),
        with_text,
        rows["declared_stage"],
    )
    return _Kind(row, scored, distinct)


def _one_a_response(frame: Frame, found: _Kind, places: Array) -> Array:
    """Of each response the place of its newest item, in order."""
    response = found.scored.response.take(places)
    again = np.bincount(response)[response] > 1 if len(response) else np.empty(0, bool)
    several = places[again]
    several = several[np.argsort(frame.rows["item_id"].take(found.row.take(several)), kind="stable")]
    latest = np.full(frame.once(_responses, _more_responses).count, -1, dtype=np.int64)
    latest[found.scored.response.take(several)] = several
    return np.sort(np.r_[places[~again], latest[latest >= 0]])
