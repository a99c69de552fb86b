"""The journey map: items of a period, projected to the columns of a journey model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from nlp.codebook import JourneyModel
from service.aggregate.calendar import calendar_of
from service.aggregate.change import periods_of, trends_of, weekly, weekly_means
from service.aggregate.columns import counted_columns
from service.aggregate.evidence import staleness, strength
from service.aggregate.map_metrics import with_metrics
from service.aggregate.map_scores import map_scores
from service.aggregate.query import MapQuery
from service.aggregate.scores import estimates
from service.aggregate.tally import Tally, columns_of, sentiment_of_mood, sign_of_mood
from service.aggregate.verbatims import SHOWN, Candidates, candidates, verbatims_of
from service.beyond_noise import Periods
from service.moments import rfc3339
from service.selection import Selection, midnight
from service.store.columns import now
from service.store.journey_models import journey_model
from service.store.label_quality import LABEL_QUALITY
from service.store.like_with_like import WITHHELD, comparable, foreign, labelled_by, mixed_weeks
from service.store.metric_rates import stage_series
from service.store.rollup_codes import codebook
from service.store.rollup_frame import Frame, load

Array = NDArray[Any]
SUGGESTIONS_SHOWN = 3  # of a column
# the suggest stage's best suggestions by codebook stage, each with "touchpoint" and "priority"
SuggestionsByStage = Callable[..., dict[str, list[dict[str, Any]]]]


def journey_map(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    query: MapQuery,
    verbatims: int = SHOWN,
    course: bool = True,
    suggestions_by_stage: SuggestionsByStage | None = None,
) -> dict[str, Any]:
    """The map as in the public contract; JSON-ready (times as RFC 3339 strings, never NaN).

    `verbatims`: so many of each column and polarity. Without `course` every trend is null and every series empty:
    enough for who only looks at what stands there.

    An *estimate* is {"value", "low", "high", "n", "respondents"}: 95 % interval over respondents, null where
    there is nothing to count. Net sentiment and NPS run from -100 to 100, shares from 0 to 1.

    {"model" (id), "model_name", "from", "to", "as_of", "timezone",
     "stages": [{
        "stage", "codebook_stages": [label], "covers": [{"stage", "touchpoints": [...]|null}],
        "items", "segments", "respondents",
        "net_sentiment": estimate, "emotion_score": estimate (-1..1),
        "sentiments": {"negative", "neutral", "positive", "mixed"}  (items),
        "emotions": [{"emotion", "polarity", "items", "segments", "share"}], largest first,
        "topics": [{"topic", "items", "segments", "share", "negative", "positive"}],
        "touchpoints": [{"touchpoint", "items", "segments", "share"}],
        "pain_points": [{"topic", "count", "n", "share": {"value","low","high"}, "respondents", "segments",
                         "rate": contacts per 1,000 orders|null}],
        "metrics": [{"name", "stage", "kind", "value", "days", "from", "to", "series": [{"week", "value"}]}],
        "delights": [the same],
        "scores": {"nps": estimate|null, "csat": …, "ces": …, "stars": …}  (of those mentioning it),
        "declared_scores": {…the same, of responses whose sender declared this stage},
        "trend": {"net_sentiment": {"change","low","high","significant"}|null,
                  "items": {"change" (share: 0.2 is +20 %), "low","high","significant"}|null,
                  "from","to","previous_from","previous_to"} | null,
        "series": [{"week" (Monday), "items", "net_sentiment": number|null}],
        "verbatims": [{"feedback_id","text","occurred_at","channel","polarity","emotion","topic",
                       "start","end"}],
        "suggestions": [],
        "evidence": {"strength": none, thin, fair or good, "items", "respondents", "says"},
        "freshness": {"newest" (date), "days", "stale", "says"}}],
     "unassigned": {"items", "reasons": {"none","unsure","unsupported_language","meaningless","no_text",
                    "untagged"}, "segments"},
     "totals": {"items", "segments", "respondents", "undated", "net_sentiment", "emotion_score",
                "scores": {"nps": {"everyone": estimate, "with_text": estimate}, …}, "series"},
     "labels": {"models": [{"model", "tier", "items"}], "trends_withheld": sentence|null, "label_quality"}}

    Labels of different models never meet in one comparison (see like_with_like): then trends and the period before
    are null, as is the net sentiment of a week in a series.
    """
    model = journey_model(session, workspace_id=workspace_id, model_id=query.model, codebook=codebook())
    first, end = query.days(timezone)
    frame = load(session, workspace_id)
    as_of = now()
    counted = _kept(frame, Question.of(model, query, first, end, timezone, course=course))
    columns = with_metrics(
        counted.stages,
        model=model,
        frame=frame,
        mask=partial(frame.mask, first_day=first, end_day=end, filters=query.filters()),
        series=stage_series(session, workspace_id=workspace_id, first=first, end=end, attributes=query.attributes),
    )
    said: list[list[dict[str, Any]]] = [[] for _ in model.stages]
    if verbatims:
        said = verbatims_of(session, workspace_id, counted.candidates, columns=len(model.stages), most=verbatims)
    proposed: dict[str, list[dict[str, Any]]] = {}
    if suggestions_by_stage is not None:
        selection = Selection.model_validate(query.model_dump(include=set(Selection.model_fields)))
        proposed = suggestions_by_stage(session, workspace_id=workspace_id, timezone=timezone, selection=selection)
    best = _suggestions_of(model, proposed)
    answer = {
        "model": model.id,
        "model_name": model.name,
        "from": _moment(first, timezone),
        "to": _moment(end, timezone),
        "as_of": rfc3339(as_of),
        "timezone": timezone,
        "stages": [
            {
                **stage,
                "verbatims": said[number],
                "suggestions": best[number],
                "evidence": strength(stage["items"], stage["respondents"]),
                "freshness": staleness(counted.newest[number], today=as_of.date(), end=end),
            }
            for number, stage in enumerate(columns)
        ],
        "unassigned": counted.unassigned,
        "totals": counted.totals,
        "labels": counted.labels,
    }
    if query.compare_to is not None:
        answer["previous"] = counted.previous  # null without both bounds: all time has nothing before it
    return answer


@dataclass(frozen=True, slots=True)
class Question:
    """What decides the numbers of a map, beside the frame."""

    model: JourneyModel
    first: int | None
    end: int | None
    filters: tuple[tuple[str, tuple[str, ...]], ...]
    compare: bool
    timezone: str
    course: bool

    @classmethod
    def of(
        cls,
        model: JourneyModel,
        query: MapQuery,
        first: int | None,
        end: int | None,
        timezone: str,
        *,
        course: bool,
    ) -> Question:
        """The question of a query whose bounds are known."""
        filters = tuple((kind, tuple(values)) for kind, values in sorted(query.filters().items()))
        return cls(model, first, end, filters, query.compare_to is not None, timezone, course)


@dataclass(frozen=True, slots=True)
class Counted:
    """A map without words and suggestions."""

    stages: list[dict[str, Any]]
    totals: dict[str, Any]
    unassigned: dict[str, Any]
    previous: dict[str, Any] | None
    labels: dict[str, Any]
    candidates: Candidates
    newest: list[int | None]  # by column, the day of the newest item whose sender gave the time


KEPT = 32  # maps of a frame
_kept_maps: WeakKeyDictionary[Frame, OrderedDict[Question, Counted]] = WeakKeyDictionary()
_lock = threading.Lock()


def _kept(frame: Frame, question: Question) -> Counted:
    """The counted map; as a frame never changes, one that was counted before is still right."""
    with _lock:
        maps = _kept_maps.setdefault(frame, OrderedDict())
        if question in maps:
            maps.move_to_end(question)
            return maps[question]
    counted = _count(frame, question)
    with _lock:
        maps[question] = counted
        while len(maps) > KEPT:
            maps.popitem(last=False)
    return counted


def _count(frame: Frame, question: Question) -> Counted:
    model, first, end = question.model, question.first, question.end
    filtered = frame.mask(first_day=None, end_day=None, filters=dict(question.filters))
    tally = Tally(frame, _within(frame, filtered, first, end), columns_of(model), len(model.stages))
    dated = filtered & frame.rows["dated"]
    pairs = {name: tally.pairs(name) for name in ("pain", "delight")}
    stages, totals = counted_columns(tally, model, pairs)
    by_mention, by_sender, totals["scores"] = map_scores(tally, model)
    changes: Sequence[dict[str, Any] | None] | None = [None] * tally.groups
    series: list[list[dict[str, Any]]] = [[] for _ in range(tally.groups)]
    if question.course:
        changes, series = _changes(tally, dated, first, end), _series(tally, dated)
    withheld = changes is None
    totals["series"] = series[-1]
    for number, stage in enumerate(stages):
        stage["scores"] = by_mention[number]
        stage["declared_scores"] = by_sender[number]
        stage["trend"] = None if changes is None else changes[number]
        stage["series"] = series[number]
    unassigned = {
        "items": int(tally.items.total[-1]),
        "reasons": tally.reasons(),
        "segments": int(tally.segments.total[-1]),
    }
    previous = None
    if question.compare and first is not None and end is not None:
        before = Periods(2 * first - end, first, end)
        withheld = comparable(frame, _within(frame, filtered, before.before, end), first=first) is None
        if not withheld:
            previous = _previous(frame, filtered, before, model, question.timezone)
    labels = {
        "models": labelled_by(frame, tally.mask, tally.chosen_rows),
        "trends_withheld": WITHHELD if withheld else None,
        "label_quality": LABEL_QUALITY,
    }
    newest = _newest(tally, dated)
    return Counted(stages, totals, unassigned, previous, labels, candidates(tally, pairs), newest)


def _newest(tally: Tally, dated: Array) -> list[int | None]:
    """By column the day of its newest dated item."""
    of = _of_dated(tally, dated)
    day = of.chosen("day")
    if not len(day):
        return [None] * of.groups
    oldest = int(day.min())
    days = int(day.max()) - oldest + 1
    counts = np.bincount(of.column * np.int64(days) + (day - oldest), minlength=of.groups * days)
    heard = (np.flatnonzero(of_column) for of_column in counts.reshape(of.groups, days))
    return [oldest + int(places[-1]) if len(places) else None for places in heard]


def _of_dated(tally: Tally, dated: Array) -> Tally:
    """The rows whose sender gave the time; the tally itself where they all did, with what it has counted."""
    mask = tally.mask & dated
    return tally if np.array_equal(mask, tally.mask) else replace(tally, mask=mask)


def _within(frame: Frame, mask: Array, first: int | None, end: int | None) -> Array:
    """The rows of a mask in a period of days."""
    if first is not None:
        mask = mask & (frame.rows["day"] >= first)
    if end is not None:
        mask = mask & (frame.rows["day"] < end)
    return mask


def _changes(
    tally: Tally, dated: Array, first: int | None, end: int | None
) -> Sequence[dict[str, Any] | None] | None:
    """By column the change from one period to the next, null where there is nothing to compare.

    None as a whole where the labels of both periods are of different models.
    """
    frame = tally.frame
    calendar = frame.once(calendar_of)
    newest = calendar.newest(dated)
    periods = periods_of(first, end, newest)
    if periods is None or newest is None:
        return [None] * tally.groups
    both = comparable(frame, dated, first=periods.first, before=periods.before, end=periods.end)
    if both is None:
        return None
    sums, recent = calendar.course(frame, both, periods, tally.place_column, groups=tally.groups)
    return trends_of(sums, recent, periods, complete=newest + 1 >= periods.end)


def _series(tally: Tally, dated: Array) -> list[list[dict[str, Any]]]:
    """By column, and last over all columns, the weeks of the selection."""
    of = _of_dated(tally, dated)
    sign = sign_of_mood().take(of.chosen("mood"))
    other = foreign(of.frame, of.chosen_rows)
    if other is not None:
        sign[other] = 3  # of another model: the item is counted, its sentiment is not
    weeks = weekly(of.chosen("day"), of.column, sign, groups=of.groups)
    if weeks is not None:  # in place of the items in no column, the sum of all columns
        for counts in (weeks.items, weeks.said, weeks.total):
            counts[-1] = counts[:-1].sum(axis=0)
        if other is not None:
            labelled = of.chosen("model") >= 0
            weeks.said[:, mixed_weeks(weeks.week, other, labelled, weeks=weeks.items.shape[1])] = 0
    return weekly_means(weeks, tally.groups)


def _suggestions_of(model: JourneyModel, proposed: dict[str, list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """By column the best suggestions, of the codebook stages that it covers."""
    found: list[list[dict[str, Any]]] = [[] for _ in model.stages]
    for stage, some in proposed.items():
        for one in some:
            column = model.column(stage, one.get("touchpoint"))
            if column is not None:
                found[column].append(one)
    return [sorted(some, key=lambda one: -one["priority"])[:SUGGESTIONS_SHOWN] for some in found]


def _previous(
    frame: Frame, filtered: Array, periods: Periods, model: JourneyModel, timezone: str
) -> dict[str, Any]:
    """The period before, equally long: items and net sentiment by column and over all."""
    mask = _within(frame, filtered, periods.before, periods.first)
    tally = Tally(frame, mask, columns_of(model), len(model.stages))
    sentiment = estimates(tally.mean_of_mood(sentiment_of_mood()), low=-1, high=1, scale=100, digits=2)
    return {
        "from": _moment(periods.before, timezone),
        "to": _moment(periods.first, timezone),
        "stages": [
            {"stage": column.name, "items": int(tally.items.total[number]), "net_sentiment": sentiment[number]}
            for number, column in enumerate(model.stages)
        ],
        "totals": {"items": int(tally.items.total.sum()), "net_sentiment": sentiment[-1]},
    }


def _moment(day: int | None, timezone: str) -> str | None:
    return None if day is None else rfc3339(midnight(day, timezone))
