"""What the drivers answer, for the reference; drivers.drivers and net_change.net_change build it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict
from pydantic.config import JsonDict

from service.aggregate.answers import Answer

DRIVERS: JsonDict = {
    "of": "score",
    "by": "topic",
    "score": "nps",
    "n": 812,
    "respondents": 790,
    "unit": "standard deviations of the score",
    "scales": [{"score": "nps", "n": 812, "points": 79.2}],
    "says": "These are associations, not causes: who mentions a topic gave so much more or less than others who "
    "mention the same other topics, in the same source and month.",
    "explained": 0.21,
    "data": [
        {
            "label": "payment",
            "id": None,
            "stage": None,
            "topic": None,
            "n": 171,
            "share": 0.2106,
            "respondents": 168,
            "effect": {"value": -0.62, "low": -0.79, "high": -0.45},
            "points": {"value": -49.1, "low": -62.5, "high": -35.6},
            "significant": True,
            "importance": 0.12,
        }
    ],
    "left_out": [
        {"label": "accessibility", "id": None, "stage": None, "topic": None, "n": 4, "why": "too few mention it"}
    ],
}
NET_CHANGE: JsonDict = {
    "of": "net_sentiment",
    "by": "topic",
    "from": "2026-10-19",
    "to": "2026-11-16",
    "previous_from": "2026-09-21",
    "previous_to": "2026-10-19",
    "n": 410,
    "previous_n": 388,
    "change": {"value": -12.0, "low": -19.5, "high": -4.5},
    "mix": {"value": -7.5, "low": -11.0, "high": -4.0},
    "rate": {"value": -4.5, "low": -10.9, "high": 1.9},
    "data": [
        {
            "label": "payment",
            "n": 96,
            "previous_n": 41,
            "share": 0.2341,
            "previous_share": 0.1057,
            "mix": {"value": -6.1, "low": -9.0, "high": -3.2},
            "rate": {"value": -1.2, "low": -3.9, "high": 1.5},
            "says": None,
        }
    ],
    "says": "Mix: other things are talked about than before. Rate: the same things are told otherwise. The parts "
    "add up to the change; they take it apart and are no causes.",
}


class Bounds(Answer):
    """A number with its 95 % interval over respondents."""

    value: float
    low: float
    high: float


class Driver(Answer):
    """A topic, stage or theme: how much more or less those who mention it gave, all else that is known held equal.

    `importance` is its part of the scores' variance within source and month, shared fairly among all labels.
    """

    label: str
    id: str | None  # of a theme, as its stage and topic
    stage: str | None
    topic: str | None
    n: int  # responses that mention it
    share: float
    respondents: int
    effect: Bounds  # in standard deviations of the score
    points: Bounds | None  # in the score's own unit, where one kind was asked for
    significant: bool  # all of them together at 5 %
    importance: float


class Scale(Answer):
    """What one standard deviation is in a kind's own unit, to say an effect over all kinds in it."""

    score: str
    n: int  # responses with this kind
    points: float


class LeftOut(Answer):
    """A label of which nothing can be said, and why."""

    label: str
    id: str | None
    stage: str | None
    topic: str | None
    n: int
    why: str


class DriversAnswer(Answer):
    """What goes with the scores that customers gave: association, not cause."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": DRIVERS})

    of: Literal["score"]
    by: str
    score: str | None  # null: all kinds, each in its own standard deviations
    n: int  # responses with a score, each counted once
    respondents: int
    unit: str
    scales: list[Scale]  # the kind that most gave first
    says: str
    explained: float | None  # part of the variance within source and month
    data: list[Driver]
    left_out: list[LeftOut]


class Part(Answer):
    """A label's part of the change: talked about more or less (mix), told otherwise (rate); points."""

    label: str
    n: int
    previous_n: int
    share: float
    previous_share: float
    mix: Bounds
    rate: Bounds
    says: str | None  # small numbers, in words


class NetChangeAnswer(Answer):
    """The change of net sentiment from one period to the next, taken apart."""

    model_config = ConfigDict(
        extra="forbid",
        alias_generator=lambda name: name.rstrip("_"),
        json_schema_extra={"example": NET_CHANGE},
    )

    of: Literal["net_sentiment"]
    by: str
    from_: str | None
    to: str | None
    previous_from: str | None
    previous_to: str | None
    n: int
    previous_n: int
    change: Bounds | None
    mix: Bounds | None
    rate: Bounds | None
    data: list[Part]
    says: str
