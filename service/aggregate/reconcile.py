"""The map's numbers beside those of whoever sent the feedback, source by source and month by month.

A survey tool counts every response, also those that could not be read here. So does the sender's side: each
response once, its score once, whatever became of its words. The other side is what stands on the map. Between them
lies a sum that adds up: responses + further answers of the same responses = answers = on the map + each reason why
not. A response whose answers came in two months stands in both of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlmodel import Session, col

from service.aggregate.score_rows import scored_rows
from service.aggregate.scores import KINDS, SHOWN, moments
from service.aggregate.tally import Tally, columns_of
from service.moments import rfc3339
from service.selection import Selection, midnight
from service.store.journey_models import journey_model
from service.store.rollup_codes import codebook, codes
from service.store.rollup_frame import Frame, load
from service.store.rollup_records import REASONS
from service.store.schema import FileImport

Array = NDArray[Any]
SOURCES: Final = 50
"""Told one by one, the largest first; the others together."""
OTHERS: Final = "others"
MONTHS: Final = 36
"""A longer time is told by years."""


def reconcile(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection, model_id: str
) -> dict[str, Any]:
    """{"model", "from", "to", "timezone", "every", "totals", "sources": [{"source", …, "periods"}]}.

    Each entry has `sender` (responses, answers, scores of everyone), `map` (responses and answers in a column,
    scores of those), `reasons` (answers in no column, by reason), `further_answers`, `undated` (counted on the day
    they came), and what is in neither count: `outside_period`, `left_out_by_filter`, `not_taken` (rows of files).
    """
    model = journey_model(session, workspace_id=workspace_id, model_id=model_id, codebook=codebook())
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    mask = frame.mask(first_day=first, end_day=end, filters=selection.filters())
    tally = Tally(frame, mask, columns_of(model), len(model.stages))
    by_source, names = _sources(frame, tally.chosen_rows)
    period, labels, every = _periods(tally.chosen("day"))
    counted = _Counted(tally)
    missing = _not_taken(session, workspace_id)
    outside = _by_name(frame, names, frame.mask(first_day=None, end_day=None, filters=selection.filters()) & ~mask)
    within = frame.mask(first_day=first, end_day=end, filters={})
    filtered = _by_name(frame, names, within & ~mask)
    entries = counted.entries(by_source, len(names))
    cells = counted.entries(by_source * len(labels) + period, len(names) * len(labels))
    order = sorted(range(len(names)), key=lambda one: (names[one] == OTHERS, -entries[one]["sender"]["answers"]))
    [totals] = counted.entries(np.zeros(len(by_source), dtype=np.int64), 1)
    return {
        "model": model.id,
        "from": rfc3339(midnight(first, timezone)) if first is not None else None,
        "to": rfc3339(midnight(end, timezone)) if end is not None else None,
        "timezone": timezone,
        "every": every,
        "totals": totals,
        "sources": [
            {
                "source": names[one],
                **entries[one],
                "outside_period": outside[one],
                "left_out_by_filter": filtered[one],
                "not_taken": missing.get(names[one], dict.fromkeys(_ROWS, 0)),
                "periods": [
                    {"period": label, **cells[one * len(labels) + place]}
                    for place, label in enumerate(labels)
                    if cells[one * len(labels) + place]["sender"]["answers"]
                ],
            }
            for one in order
        ],
    }


@dataclass(frozen=True, slots=True)
class _Counted:
    """The chosen items of a map, to be counted by any grouping of them."""

    tally: Tally

    def entries(self, group: Array, groups: int) -> list[dict[str, Any]]:
        """Sender's and map's numbers of each group of the chosen rows."""
        tally, frame = self.tally, self.tally.frame
        placed = tally.column < tally.columns
        response = tally.chosen("response").astype(np.int64)
        reason = np.maximum(tally.chosen("place").astype(np.int64) - codes().pairs, 0)
        reason[~placed & (reason == 0)] = REASONS.index("none")  # a stage that the model has no column for
        answers = np.bincount(group, minlength=groups)
        on_map = np.bincount(group[placed], minlength=groups)
        responses = _distinct(group, response, groups)
        seen = _distinct(group[placed], response[placed], groups)
        undated = np.bincount(group[~tally.chosen("dated")], minlength=groups)
        why = np.bincount(
            group[~placed] * len(REASONS) + reason[~placed], minlength=groups * len(REASONS)
        ).reshape(groups, len(REASONS))
        of_row = np.full(len(frame), -1, dtype=np.int64)
        of_row[tally.chosen_rows] = group
        on_the_map = np.zeros(frame.responses, dtype=bool)
        on_the_map[response[placed]] = True
        everyone, theirs = self._scores(of_row, groups, on_the_map)
        return [
            {
                "sender": {"responses": int(responses[g]), "answers": int(answers[g]), "scores": everyone[g]},
                "map": {"responses": int(seen[g]), "answers": int(on_map[g]), "scores": theirs[g]},
                "further_answers": int(answers[g] - responses[g]),
                "reasons": {name: int(why[g, number]) for number, name in enumerate(REASONS) if name},
                "undated": int(undated[g]),
            }
            for g in range(groups)
        ]

    def _scores(
        self, of_row: Array, groups: int, on_the_map: Array
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """By group the scores of everyone, and of those of whom something stands on the map; null without any."""
        frame = self.tally.frame
        both: tuple[list[dict[str, Any]], ...] = tuple(
            [dict.fromkeys(SHOWN) for _ in range(groups)] for _ in ("everyone", "on the map")
        )
        for kind in SHOWN:
            found = scored_rows(self.tally, kind)
            if found is None:
                continue
            row, scored = found
            group = of_row[row]
            placed = on_the_map[frame.rows["response"][row]]
            for entries, chosen in zip(both, (np.ones(len(row), dtype=bool), placed), strict=True):
                of = moments(scored.values[kind][chosen], group[chosen], scored.cluster[chosen], groups=groups)
                for g, answer in enumerate(KINDS[kind].answer(of)):
                    if answer["n"]:
                        entries[g][kind] = answer
        return both[0], both[1]


def _distinct(group: Array, response: Array, groups: int) -> Array:
    """How many different responses each group has."""
    pairs = np.unique(group.astype(np.int64) << 32 | response)
    return np.bincount(pairs >> 32, minlength=groups)


def _sources(frame: Frame, rows: Array) -> tuple[Array, list[str]]:
    """By row the number of its source, and the names; the smallest share the last number."""
    word = frame.rows["source"][rows].astype(np.int64)
    names = sorted(frame.words["source"], key=frame.words["source"].__getitem__)
    sizes = np.bincount(word, minlength=len(names))
    kept = [one for one in np.argsort(-sizes, kind="stable").tolist() if sizes[one]]
    number = np.zeros(len(names), dtype=np.int64)
    shown = kept if len(kept) <= SOURCES else kept[: SOURCES - 1]
    number[:] = len(shown)
    number[shown] = np.arange(len(shown))
    told = [names[one] for one in shown]
    return number[word], told if len(shown) == len(kept) else [*told, OTHERS]


def _by_name(frame: Frame, names: list[str], mask: Array) -> list[int]:
    """How many items of a mask each named source has; the rest fall to «others»."""
    word = frame.rows["source"][mask]
    counts = np.bincount(word[word >= 0], minlength=len(frame.words["source"]))
    found = [int(counts[frame.words["source"][name]]) if name in frame.words["source"] else 0 for name in names]
    if names and names[-1] == OTHERS and OTHERS not in frame.words["source"]:
        found[-1] = int(counts.sum()) - sum(found[:-1])
    return found


def _periods(day: Array) -> tuple[Array, list[str], str]:
    """By row the number of its month (or year), what these are called, and which of both they are."""
    days = day.astype("datetime64[D]")
    every = "month"
    unit = days.astype("datetime64[M]")
    if len(unit) and int((unit.max() - unit.min()).astype(np.int64)) >= MONTHS:
        every, unit = "year", days.astype("datetime64[Y]")
    found, number = np.unique(unit, return_inverse=True)
    return number.astype(np.int64), [str(one) for one in found], every


_ROWS: Final = ("duplicate", "rejected", "empty")


def _not_taken(session: Session, workspace_id: int) -> dict[str, dict[str, int]]:
    """Rows of all files of a source that brought nothing: sent before, refused, or without any content."""
    rows = session.execute(
        select(
            col(FileImport.source),
            func.sum(col(FileImport.rows_duplicate)),
            func.sum(col(FileImport.rows_rejected)),
            func.sum(col(FileImport.rows_empty)),
        )
        .where(col(FileImport.workspace_id) == workspace_id)
        .group_by(col(FileImport.source))
    )
    return {source: dict(zip(_ROWS, map(int, counts), strict=True)) for source, *counts in rows}
