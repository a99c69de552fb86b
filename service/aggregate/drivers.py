"""Which topics (or stages, or themes) go with the scores that customers gave, each beside all others.

One entry a response with a score, counted once. The score is standardised by its kind. Whether a response mentions
a topic, in any tone, explains it together with all other topics, within the same source, kind and month. What the
model hears of the tone is left out: it would say twice what the score says already. The topic `general` has no
column: the others are held against it. Themes carry a tone of their own (complaints, or praise), which is said
with them; the largest THEMES of them have a column.

The fit with its errors and importances: service/aggregate/fixed_effects.py. Intervals: t with one degree of
freedom less than respondents who mention the topic. `significant` for all of them together at 5 % (S. Holm 1979).

An answer is kept as long as the state of the rollups that it was counted from.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit
from sqlmodel import Session

from service.aggregate.fixed_effects import fit, numbered
from service.aggregate.score_rows import numbers_of_responses, scored_responses
from service.aggregate.scores import SHOWN
from service.aggregate.tally import Tally
from service.beyond_noise import holm
from service.selection import EPOCH, Selection
from service.store.kept_answers import KeptAnswers
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load
from service.store.themes import Members, ThemeRow, members_of

Array = NDArray[Any]
By = Literal["topic", "stage", "theme"]
ScoreKind = Literal["nps", "csat", "ces", "stars"]
MIN_MENTIONS: Final = 20  # responses that mention it, and as many that do not
MIN_RESPONSES: Final = 100
THEMES: Final = 40  # so many columns still tell what each of them adds
LEVEL: Final = 0.95
VALUES: Final = {"nps": "nps", "csat": "csat_mean", "ces": "ces", "stars": "stars"}
BESIDE: Final = ("general", "none")  # topic and stage of what says nothing in particular
POINTS: Final = {"nps": 100.0, "csat": 1.0, "ces": 1.0, "stars": 1.0}
ASSOCIATION: Final = (
    "These are associations, not causes: who mentions a topic gave so much more or less than others who mention "
    "the same other topics, in the same source and month."
)
OF_THEMES: Final = (
    "These are associations, not causes: who speaks of a theme gave so much more or less than others who speak of "
    "the same other themes, in the same source and month. A theme is a complaint or praise by itself, so it goes "
    "with lower or higher scores almost by nature: compare themes with each other."
)
_answers: KeptAnswers[dict[str, Any]] = KeptAnswers()


@dataclass(frozen=True, slots=True)
class Scores:
    """Responses with a score, one entry each; `fixed` numbers their source and kind, `month` their month."""

    value: Array
    kind: Array  # position in SHOWN
    cluster: Array
    response: Array
    fixed: Array
    month: Array


@dataclass(frozen=True, slots=True)
class _Column:
    """What a column of the answer is of."""

    label: str
    theme: ThemeRow | None = None

    def named(self) -> dict[str, Any]:
        if self.theme is None:
            return {"label": self.label, "id": None, "stage": None, "topic": None}
        return {
            "label": self.label,
            "id": str(self.theme.id),
            "stage": self.theme.stage,
            "topic": self.theme.topic,
        }


def drivers(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    selection: Selection,
    by: By = "topic",
    score: ScoreKind | None = None,
) -> dict[str, Any]:
    """{"of", "by", "score", "n", "respondents", "unit", "scales", "says", "explained", "data", "left_out"}.

    `data`: label, n responses that mention it, respondents, `effect` (value, low, high) in standard deviations of
    the score, `points` in its own unit where one kind was asked for, significant, importance; strongest first.
    `scales`: what one standard deviation is in each kind's own unit, the kind that most gave first.
    """
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    mask = frame.mask(first_day=first, end_day=end, filters=selection.filters())
    members = members_of(session, workspace_id, frame) if by == "theme" else None
    question: Hashable = (by, score, *selection.question(timezone))
    return _answers.of(members or frame, question, lambda: _drivers(frame, mask, members, by, score))


def _drivers(
    frame: Frame, mask: Array, members: Members | None, by: By, score: ScoreKind | None
) -> dict[str, Any]:
    tally = Tally(frame, mask, np.zeros(codes().places, dtype=np.uint8), 1)
    found = _scores(tally, [score] if score is not None else list(SHOWN))
    n = 0 if found is None else len(found.value)
    answer: dict[str, Any] = {
        "of": "score",
        "by": by,
        "score": score,
        "n": n,
        "respondents": 0 if found is None else numbered(found.cluster)[1],
        "unit": "standard deviations of the score",
        "scales": [],
        "says": ASSOCIATION if members is None else OF_THEMES,
        "explained": None,
        "data": [],
        "left_out": [],
    }
    if found is None or n < MIN_RESPONSES:
        answer["says"] = f"Too little to say: {n} responses with a score, {MIN_RESPONSES} are needed."
        return answer
    said, columns = _said(tally, found, by) if members is None else _said_of_themes(tally, found, members)
    counts = said.sum(axis=0)
    enough = np.flatnonzero((counts >= MIN_MENTIONS) & (n - counts >= MIN_MENTIONS))
    if members is not None:
        enough = np.sort(enough[np.argsort(-counts[enough], kind="stable")[:THEMES]])
    value, spread = _standardised(found)
    answer["scales"] = _scales(found, spread)
    fitted = fit(value, said[:, enough], groups=(found.fixed, found.month), cluster=found.cluster)
    told = enough[fitted.columns]
    quantile = stdtrit(fitted.freedom, 0.5 + LEVEL / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = 2 * stdtr(fitted.freedom, -np.abs(fitted.effect) / np.maximum(fitted.error, 1e-12))
    held = holm(chance, among=np.arange(len(told)))
    rows = []
    for place, column in enumerate(told.tolist()):
        bounds = fitted.effect[place] + quantile[place] * fitted.error[place] * np.array([0, -1, 1])
        scale = spread[SHOWN.index(score)] * POINTS[score] if score is not None else None
        rows.append(
            {
                **columns[column].named(),
                "n": int(counts[column]),
                "share": round(float(counts[column] / n), 4),
                "respondents": int(fitted.mentioning[place]),
                "effect": _interval(bounds, 3),
                "points": None if scale is None else _interval(bounds * scale, 2),
                "significant": bool(held[place]),
                "importance": round(float(fitted.importance[place]), 4),
            }
        )
    answer["data"] = sorted(rows, key=lambda one: (-one["importance"], one["label"]))
    answer["explained"] = round(fitted.explained, 4)
    looked_at = set(enough.tolist())
    answer["left_out"] = [
        {
            **columns[column].named(),
            "n": int(counts[column]),
            "why": _why(int(counts[column]), n, column in looked_at),
        }
        for column in range(len(columns))
        if counts[column] and column not in set(told.tolist())
    ]
    return answer


def _scales(found: Scores, spread: Array) -> list[dict[str, Any]]:
    """What one standard deviation is in the unit of each kind: [{"score", "n", "points"}], most given first."""
    counts = np.bincount(found.kind, minlength=len(SHOWN))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda kind: (-counts[kind], kind))
    return [
        {"score": name, "n": int(counts[kind]), "points": round(float(spread[kind]) * POINTS[name], 3)}
        for kind in order
        for name in (SHOWN[kind],)
    ]


def _why(count: int, n: int, looked_at: bool) -> str:
    if count < MIN_MENTIONS:
        return "too few mention it"
    if n - count < MIN_MENTIONS:
        return "nearly all mention it"
    if not looked_at:
        return f"only the {THEMES} themes that most responses mention are held beside each other"
    return "it can't be told apart from the others, its source or its month"


def _interval(bounds: Array, digits: int) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), (round(float(one), digits) for one in bounds), strict=True))


def _scores(tally: Tally, kinds: list[str]) -> Scores | None:
    """Responses of these kinds; None where there is none."""
    frame = tally.frame
    parts: list[tuple[Array, ...]] = []
    row_of = _rows_of_responses(frame, tally.mask)
    for kind in kinds:
        scored = scored_responses(tally, kind)
        if scored is None:
            continue
        row = row_of[scored.response]
        source, day = frame.rows["source"][row].astype(np.int64), frame.rows["day"][row].astype(np.int64)
        place = SHOWN.index(kind)
        month = np.where(frame.rows["dated"][row], _months(day), -1)
        parts.append(
            (
                scored.values[VALUES[kind]],
                np.full(len(row), place),
                scored.cluster,
                scored.response,
                (source + 1) * len(SHOWN) + place,
                month,
            )
        )
    if not parts:
        return None
    return Scores(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _months(day: Array) -> Array:
    return (np.datetime64(EPOCH) + day).astype("datetime64[M]").astype(np.int64)


def _rows_of_responses(frame: Frame, mask: Array) -> Array:
    """A row of each response with a score, of those chosen: its first."""
    number = numbers_of_responses(frame)
    rows = np.flatnonzero(mask)[::-1]
    of = number[frame.rows["response"][rows]]
    found = np.zeros(int(number.max(initial=-1)) + 1, dtype=np.int64)
    found[of[of >= 0]] = rows[of >= 0]
    return found


def _said(tally: Tally, scores: Scores, by: By) -> tuple[Array, list[_Column]]:
    """(entries, labels): whether the response mentions a topic or stage, in an item or one of its segments."""
    frame, labels = tally.frame, codes().labels[by]
    number = numbers_of_responses(frame)
    rows = tally.chosen_rows
    of = number.take(frame.rows["response"].take(rows))
    scored = of >= 0
    bits = frame.once(_labels, _more_labels)[by]
    said = np.zeros(int(number.max(initial=-1)) + 1, dtype=bits.dtype)
    np.bitwise_or.at(said, of[scored], bits.take(rows[scored]))
    # the lowest bit, which is the first label's, in the first column
    octets = said.take(scores.response).astype("<u4").view(np.uint8).reshape(-1, 4)
    found: Array = np.unpackbits(octets, axis=1, bitorder="little")[:, : len(labels)].view(bool)
    for beside in BESIDE:
        if beside in labels:
            found[:, labels.index(beside)] = False
    return found, [_Column(label) for label in labels]


def _labels(frame: Frame) -> dict[str, Array]:
    """For "topic" and "stage" by row: which of them its item or one of its segments has, one bit a label."""
    return {by: _label_bits(frame, by, 0, 0) for by in ("topic", "stage")}


def _more_labels(frame: Frame, before: dict[str, Array], lengths: Mapping[str, int]) -> dict[str, Array]:
    """With what was added to a frame."""
    first = lengths["live"], lengths["segment_row"]
    return {by: np.r_[known, _label_bits(frame, by, *first)] for by, known in before.items()}


def _label_bits(frame: Frame, by: str, first_row: int, first_segment: int) -> Array:
    """The bits of the rows from `first_row` on, whose segments begin at `first_segment`."""
    code = codes()
    cell, row = frame.segment_cell[first_segment:], frame.segment_row[first_segment:] - first_row
    place, segment_place = frame.rows["place"][first_row:], cell // (code.moods * code.size("topic"))
    if by == "topic":
        of_item, of_segment = frame.rows["topic"][first_row:], cell % code.size("topic")
    else:
        of_item, of_segment = place // code.size("touchpoint"), segment_place // code.size("touchpoint")
    bits, segment_bits = (
        np.where(
            (places < code.pairs) & (label < len(code.labels[by])),
            np.left_shift(np.uint32(1), label.astype(np.uint32)),
            np.uint32(0),
        )
        for places, label in ((place, of_item), (segment_place, of_segment))
    )
    if len(row):  # the segments of an item stand beside each other
        starts = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
        bits[row[starts]] |= np.bitwise_or.reduceat(segment_bits, starts)
    return bits


def _said_of_themes(tally: Tally, scores: Scores, members: Members) -> tuple[Array, list[_Column]]:
    """(entries, themes): whether the response speaks of a shown theme."""
    themes = [one for one in members.themes.values() if one.state == "active" and one.name]
    at = {one.id: place for place, one in enumerate(themes)}
    number = numbers_of_responses(tally.frame)
    response = np.where(tally.mask, number[tally.frame.rows["response"]], -1)[members.row]
    column = np.array([at.get(one, -1) for one in members.theme.tolist()], dtype=np.int64)
    kept = (response >= 0) & (column >= 0)
    said = np.zeros((int(number.max(initial=-1)) + 1, len(themes)), dtype=bool)
    said[response[kept], column[kept]] = True
    return said[scores.response], [_Column(one.name, one) for one in themes]


def _standardised(scores: Scores) -> tuple[Array, Array]:
    """Scores in standard deviations of their kind, and these by kind; 1 where all answered alike."""
    spread = np.ones(len(SHOWN))
    value = scores.value.astype(np.float64).copy()
    for kind in np.unique(scores.kind).tolist():
        of = scores.kind == kind
        deviation = float(value[of].std())
        spread[kind] = deviation if deviation > 0 else 1.0
        value[of] = (value[of] - value[of].mean()) / spread[kind]
    return value, spread
