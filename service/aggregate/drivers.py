"""Which topics (or stages) go with the scores that customers gave, each beside all others.

One entry a response with a score, counted once. The score is standardised by its kind. Whether a response mentions
a topic, in any tone, explains it together with all other topics, within the same source, kind and month. What the
model hears of the tone is left out: it would say twice what the score says already. The topic `general` has no
column: the others are held against it.

Formulas
- Least squares after taking out the means of source and kind, and of months, in turn until nothing moves
  (R. Frisch, F. Waugh, Econometrica 1, 1933; S. Gaure, "OLS with multiple high dimensional category variables",
  Computational Statistics & Data Analysis 66, 2013). No shrinkage, so that intervals mean what they say.
- Variance by respondent: cluster-robust sandwich with its small-sample factor (K.-Y. Liang, S. Zeger,
  Biometrika 73, 1986; A. C. Cameron, D. Miller, "A practitioner's guide to cluster-robust inference", Journal of
  Human Resources 50, 2015), t with one degree of freedom less than respondents who mention the topic.
- Importance: the part of the explained variance that a topic brings, averaged over 200 seeded orders of all topics
  (LMG: R. Lindeman, P. Merenda, R. Gold 1980; U. Grömping, American Statistician 61, 2007).
- `significant` for all of them together at 5 % (S. Holm 1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular
from scipy.special import stdtr, stdtrit
from sqlmodel import Session

from service.aggregate.score_rows import numbers_of_responses, scored_responses
from service.aggregate.scores import SHOWN
from service.aggregate.tally import Tally
from service.beyond_noise import holm
from service.selection import EPOCH, Selection
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load

Array = NDArray[Any]
By = Literal["topic", "stage"]
ScoreKind = Literal["nps", "csat", "ces", "stars"]
MIN_MENTIONS: Final = 20  # responses that mention it, and as many that do not
MIN_RESPONSES: Final = 100
ORDERS: Final = 200
SWEEPS: Final = 200
LEVEL: Final = 0.95
VALUES: Final = {"nps": "nps", "csat": "csat_mean", "ces": "ces", "stars": "stars"}
BESIDE: Final = ("general", "none")  # topic and stage of what says nothing in particular
POINTS: Final = {"nps": 100.0, "csat": 1.0, "ces": 1.0, "stars": 1.0}
ASSOCIATION: Final = (
    "These are associations, not causes: who mentions a topic gave so much more or less than others who mention "
    "the same other topics, in the same source and month."
)


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
class Fitted:
    """Effects in the unit of the score, one entry a column that could be told."""

    columns: Array
    effect: Array
    error: Array
    freedom: Array
    importance: Array
    explained: float


def drivers(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    selection: Selection,
    by: By = "topic",
    score: ScoreKind | None = None,
) -> dict[str, Any]:
    """{"of", "by", "score", "n", "respondents", "unit", "says", "explained", "data", "left_out"}.

    `data`: label, n responses that mention it, respondents, `effect` (value, low, high) in standard deviations of
    the score, `points` in its own unit where one kind was asked for, significant, importance; strongest first.
    """
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    mask = frame.mask(first_day=first, end_day=end, filters=selection.filters())
    tally = Tally(frame, mask, np.zeros(codes().places, dtype=np.uint8), 1)
    found = _scores(tally, [score] if score is not None else list(SHOWN))
    n = 0 if found is None else len(found.value)
    answer: dict[str, Any] = {
        "of": "score",
        "by": by,
        "score": score,
        "n": n,
        "respondents": 0 if found is None else len(np.unique(found.cluster)),
        "unit": "standard deviations of the score",
        "says": ASSOCIATION,
        "explained": None,
        "data": [],
        "left_out": [],
    }
    if found is None or n < MIN_RESPONSES:
        answer["says"] = f"Too little to say: {n} responses with a score, {MIN_RESPONSES} are needed."
        return answer
    said = _said(tally, found, by)
    labels = codes().labels[by]
    counts = said.sum(axis=0)
    enough = np.flatnonzero((counts >= MIN_MENTIONS) & (n - counts >= MIN_MENTIONS))
    value, spread = _standardised(found)
    fitted = fit(
        value,
        said[:, enough].astype(np.float64),
        groups=(found.fixed, found.month),
        cluster=found.cluster,
    )
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
                "label": labels[column],
                "n": int(counts[column]),
                "share": round(float(counts[column] / n), 4),
                "respondents": len(np.unique(found.cluster[said[:, column]])),
                "effect": _interval(bounds, 3),
                "points": None if scale is None else _interval(bounds * scale, 2),
                "significant": bool(held[place]),
                "importance": round(float(fitted.importance[place]), 4),
            }
        )
    answer["data"] = sorted(rows, key=lambda one: (-one["importance"], one["label"]))
    answer["explained"] = round(fitted.explained, 4)
    answer["left_out"] = [
        {
            "label": labels[column],
            "n": int(counts[column]),
            "why": "too few mention it"
            if counts[column] < MIN_MENTIONS
            else "nearly all mention it"
            if n - counts[column] < MIN_MENTIONS
            else "it can't be told apart from the others, its source or its month",
        }
        for column in range(len(labels))
        if counts[column] and column not in set(told.tolist())
    ]
    return answer


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


def _said(tally: Tally, scores: Scores, by: By) -> Array:
    """(entries, labels): whether the response mentions a topic or stage, in an item or one of its segments."""
    frame, code = tally.frame, codes()
    size = code.size(by)
    number = numbers_of_responses(frame)
    of_row = np.where(tally.mask, number[frame.rows["response"]], -1)
    place, topic = frame.rows["place"].astype(np.int64), frame.rows["topic"].astype(np.int64)
    cell = frame.segment_cell.astype(np.int64)
    segment_place = cell // (code.moods * code.size("topic"))
    if by == "topic":
        of_item, of_segment = topic, cell % code.size("topic")
    else:
        of_item, of_segment = place // code.size("touchpoint"), segment_place // code.size("touchpoint")
    said = np.zeros((int(number.max(initial=-1)) + 1, size), dtype=bool)
    for response, label, known in (
        (of_row, of_item, place < code.pairs),
        (of_row[frame.segment_row], of_segment, segment_place < code.pairs),
    ):
        kept = (response >= 0) & known & (label < size)
        said[response[kept], label[kept]] = True
    found: Array = said[scores.response, : len(code.labels[by])]
    for beside in BESIDE:
        if beside in code.labels[by]:
            found[:, code.labels[by].index(beside)] = False
    return found


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


def fit(value: Array, said: Array, *, groups: tuple[Array, ...], cluster: Array) -> Fitted:
    """Least squares of a value on columns within groups, with errors by cluster."""
    n = len(value)
    joined = _within(np.column_stack([value, said]), groups)
    y, x = joined[:, 0], joined[:, 1:]
    columns = _told_apart(x, said)
    x = x[:, columns]
    if not len(columns):
        empty = np.empty(0)
        return Fitted(columns, empty, empty, empty, empty, 0.0)
    # not by BLAS, whose threads would wait for each other on a busy machine
    gram, with_y = np.einsum("ij,ik->jk", x, x), np.einsum("ij,i->j", x, y)
    inverse = np.linalg.inv(gram)
    effect = inverse @ with_y
    residual = y - (x * effect).sum(axis=1)
    _, person = np.unique(cluster, return_inverse=True)
    people = int(person.max()) + 1
    pull = np.column_stack(
        [np.bincount(person, x[:, column] * residual, minlength=people) for column in range(x.shape[1])]
    )
    absorbed = sum(len(np.unique(group)) for group in groups) - len(groups) + 1
    small = people / max(1, people - 1) * (n - 1) / max(1, n - len(columns) - absorbed)
    variance = small * inverse @ np.einsum("ij,ik->jk", pull, pull) @ inverse
    mentioning = np.array(
        [len(np.unique(person[said[:, column] > 0])) for column in columns.tolist()], dtype=np.float64
    )
    whole = float(y @ y)
    importance = _importance(gram, with_y) / whole if whole > 0 else np.zeros(len(columns))
    return Fitted(
        columns,
        effect,
        np.sqrt(np.maximum(np.diag(variance), 0)),
        np.maximum(1.0, mentioning - 1),
        importance,
        float(importance.sum()),
    )


def _within(columns: Array, groups: tuple[Array, ...]) -> Array:
    """Columns without the means of each grouping."""
    numbered = [np.unique(group, return_inverse=True)[1] for group in groups]
    sizes = [np.bincount(group) for group in numbered]
    found = np.ascontiguousarray(columns.T.astype(np.float64))
    for row in found:
        for _ in range(SWEEPS):
            moved = 0.0
            for group, size in zip(numbered, sizes, strict=True):
                means = np.bincount(group, row) / size
                row -= means[group]
                moved = max(moved, float(np.abs(means).max()))
            if moved < 1e-9:
                break
    return found.T


def _told_apart(x: Array, said: Array) -> Array:
    """The columns that are no mixture of others; of such, those that vary most stay."""
    if not x.shape[1]:
        return np.empty(0, np.int64)
    left = np.sqrt((x**2).sum(axis=0)) / np.maximum(np.sqrt(said.sum(axis=0)), 1)
    candidates = np.flatnonzero(left > 1e-3)
    if not len(candidates):
        return candidates
    scaled = x[:, candidates] / np.sqrt((x[:, candidates] ** 2).sum(axis=0))
    _, triangle, order = qr(np.einsum("ij,ik->jk", scaled, scaled), pivoting=True)
    kept = np.abs(np.diag(triangle)) > 1e-6
    return np.sort(candidates[order[kept]])


def _importance(gram: Array, with_y: Array) -> Array:
    """By column the explained sum of squares that it adds, averaged over orders."""
    chance = np.random.default_rng(0)
    found = np.zeros(len(with_y))
    for _ in range(ORDERS):
        order = chance.permutation(len(with_y))
        lower = np.linalg.cholesky(gram[np.ix_(order, order)])
        found[order] += solve_triangular(lower, with_y[order], lower=True) ** 2
    return found / ORDERS
