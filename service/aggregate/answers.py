"""What the map and the trends answer, for the reference; journey.journey_map builds it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from service.aggregate import examples
from service.store.label_quality import LABEL_QUALITY


class Answer(BaseModel):
    """Answers name every field that they have."""

    model_config = ConfigDict(extra="forbid")


class Estimate(Answer):
    """A number with its 95 % interval over respondents; null where nothing was counted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": examples.ESTIMATE})

    value: float | None
    low: float | None
    high: float | None
    n: int  # items, or responses of a score
    respondents: int
    mean: float | None = None  # of CSAT, on 1 to 5


class Share(Answer):
    """A share of items, 0 to 1, with its 95 % interval."""

    value: float
    low: float
    high: float


class CoveredStage(Answer):
    """A codebook stage that a column covers, whole or only at these touchpoints."""

    stage: str
    touchpoints: list[str] | None


class EmotionShare(Answer):
    """An emotion in a column: items, segments, share of the items."""

    emotion: str
    polarity: Literal["positive", "negative", "neutral"]
    items: int
    segments: int
    share: float | None


class TopicShare(Answer):
    """A topic in a column; `negative` and `positive` items say so in a segment of their own stage."""

    topic: str
    items: int
    segments: int
    share: float | None
    negative: int
    positive: int


class TouchpointShare(Answer):
    """A touchpoint in a column."""

    touchpoint: str
    items: int
    segments: int
    share: float | None


class Rate(Answer):
    """Contacts per 1,000 of a series from `/v1/metrics` (orders, visits …) on its days, with 95 % interval."""

    per: str
    value: float
    low: float
    high: float
    count: int  # dated items with the pain on these days
    of: float  # the series' sum
    from_: str
    to: str
    noise: float  # variance over that of a Poisson count

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.rstrip("_"))


class LaneWeek(Answer):
    """A week of a series from elsewhere, by its Monday."""

    week: str
    value: float


class Lane(Answer):
    """A series from `/v1/metrics` at a stage of the column: counts summed, ratios divided, levels averaged."""

    name: str
    stage: str
    kind: Literal["count", "ratio", "level"]
    value: float | None
    days: int
    from_: str
    to: str
    series: list[LaneWeek]

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.rstrip("_"))


class Point(Answer):
    """A pain point or delight: `count` of the `n` items of the column, and all `segments` that say it there.

    `rate` for pain points whose column has something to count per, else null.
    """

    topic: str
    count: int
    n: int
    share: Share
    respondents: int
    segments: int
    rate: Rate | None


class Scores(Answer):
    """Scores by kind, null without answers: NPS -100 to 100, CSAT in percent, CES 1 to 7, stars 1 to 5."""

    nps: Estimate | None
    csat: Estimate | None
    ces: Estimate | None
    stars: Estimate | None


class Reconciled(Answer):
    """A score of everyone who gave one, and of those who also wrote."""

    everyone: Estimate
    with_text: Estimate


class AllScores(Answer):
    """Scores over the whole map."""

    nps: Reconciled | None
    csat: Reconciled | None
    ces: Reconciled | None
    stars: Reconciled | None


class Mix(Answer):
    """What the mix of sources and channels did by itself, beside the change at a fixed mix."""

    change: float  # the plain change is the sum of both
    covered: float  # share of each period's items from sources and channels that both have


class Change(Answer):
    """A change at a fixed mix with its 95 % interval, beyond what this and all other cells do by themselves.

    `significant` holds for all of an answer's changes together, at 5 % per look, not per year.
    """

    change: float
    low: float
    high: float
    significant: bool
    n: int
    previous_n: int
    mix: Mix | None  # null where everything comes from one source and channel
    noise: float  # variance over that of independent items, as the past shows it


class Trend(Answer):
    """From one period to the next: net sentiment in points, number of items as a share (0.2 is 20 % more)."""

    net_sentiment: Change | None
    items: Change | None
    from_: str
    to: str
    previous_from: str
    previous_to: str

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.rstrip("_"))


class LabelledBy(Answer):
    """Items that carry labels of a model; those of the tier `fast` are tagged again in the background."""

    model: str
    tier: Literal["accurate", "fast"] | None
    items: int


class Labels(Answer):
    """Where labels come from. `trends_withheld` says why changes are not told: labels are being renewed.

    `label_quality` says how good they are on this workspace's feedback, as far as anybody can know: "unknown on
    your data" until people have judged a blind random part of it. Intervals speak of chance alone, not of wrong
    labels.
    """

    models: list[LabelledBy]
    trends_withheld: str | None
    label_quality: str = LABEL_QUALITY


class Week(Answer):
    """A week, by its Monday. Net sentiment is null where its labels are of another model than the series'."""

    week: str
    items: int
    net_sentiment: float | None


class Verbatim(Answer):
    """A segment in the customer's own words; `start` and `end` are characters into the item's text."""

    feedback_id: str
    text: str
    occurred_at: str | None
    channel: str
    polarity: Literal["negative", "positive"]
    emotion: str
    topic: str
    start: int
    end: int


class EvidenceStrength(Answer):
    """How much a column rests on: none, thin, fair or good, by people."""

    strength: str
    items: int
    respondents: int
    says: str


class Freshness(Answer):
    """When a column last had something new; `says` where it is stale."""

    newest: str | None
    days: int | None
    stale: bool
    says: str | None


class MapStage(Answer):
    """A column of the map."""

    stage: str
    codebook_stages: list[str]
    covers: list[CoveredStage]
    items: int
    segments: int
    respondents: int
    net_sentiment: Estimate
    emotion_score: Estimate
    sentiments: dict[str, int]
    emotions: list[EmotionShare]
    topics: list[TopicShare]
    touchpoints: list[TouchpointShare]
    pain_points: list[Point]
    delights: list[Point]
    scores: Scores
    declared_scores: Scores
    trend: Trend | None
    series: list[Week]
    verbatims: list[Verbatim]
    suggestions: list[dict[str, Any]]
    metrics: list[Lane]
    evidence: EvidenceStrength
    freshness: Freshness


class Question(Answer):
    """What several people ask in much the same words."""

    verbatim: str
    feedback_id: str
    people: int
    mentions: int


class AskedStage(Answer):
    """The questions of a column; `asked` counts question-shaped mentions, `people` who asks."""

    stage: str
    asked: int
    people: int
    questions: list[Question]


class TopQuestionsAnswer(Answer):
    """What customers ask, by column; from the newest items."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": examples.TOP_QUESTIONS})

    model: str
    items_read: int
    stages: list[AskedStage]


class Unassigned(Answer):
    """Items in no column, by reason; segments that stand in none."""

    items: int
    reasons: dict[str, int]
    segments: int


class Totals(Answer):
    """Over the whole map; `undated` items stay out of trends and series."""

    items: int
    segments: int
    respondents: int
    undated: int
    net_sentiment: Estimate
    emotion_score: Estimate
    scores: AllScores
    series: list[Week]


class PreviousStage(Answer):
    """A column in the period before."""

    stage: str
    items: int
    net_sentiment: Estimate


class PreviousTotals(Answer):
    """The whole map in the period before."""

    items: int
    net_sentiment: Estimate


class Previous(Answer):
    """The equally long period before."""

    from_: str
    to: str
    stages: list[PreviousStage]
    totals: PreviousTotals

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.rstrip("_"))


class JourneyMapAnswer(Answer):
    """The journey map: each item of the period stands in exactly one stage, or in `unassigned`."""

    model: str
    model_name: str
    from_: str | None
    to: str | None
    as_of: str
    timezone: str
    stages: list[MapStage]
    unassigned: Unassigned
    totals: Totals
    labels: Labels
    previous: Previous | None = None

    model_config = ConfigDict(
        extra="forbid",
        alias_generator=lambda name: name.rstrip("_"),
        json_schema_extra={"example": examples.JOURNEY_MAP},
    )


class TrendWeek(Answer):
    """A label's week: items, their share of the week's items, net sentiment.

    The last two are null where the week's labels are of another model than the series'.
    """

    week: str
    items: int
    share: float | None
    net_sentiment: Estimate


class LabelTrend(Answer):
    """A label's course. A theme has its id, stage and topic beside its name."""

    label: str
    id: str | None = None
    stage: str | None = None
    topic: str | None = None
    items: int
    trend: Trend | None
    series: list[TrendWeek]


class TrendsAnswer(Answer):
    """Weekly series of the labels of one field."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": examples.TRENDS})

    by: str
    every: Literal["week"]
    data: list[LabelTrend]
    labels: Labels


class WorkspaceAnswer(Answer):
    """The caller's workspace; `journey_model` is the one that the map is shown in by default."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": examples.WORKSPACE})

    name: str
    timezone: str
    journey_model: str
