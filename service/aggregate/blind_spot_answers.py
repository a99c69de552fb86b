"""What the blind spots answer, for the reference; blind_spots.blind_spots builds it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict
from pydantic.config import JsonDict

from service.aggregate.answers import Answer, Share
from service.aggregate.listening import LISTENING, UNREAD

BLIND_SPOTS: JsonDict = {
    "n": 852,
    "respondents": 690,
    "stages": [
        {
            "stage": "churn",
            "items": 0,
            "mentions": 3,
            "respondents": 0,
            "share": {"value": 0.0, "low": 0.0, "high": 0.0055},
            "sources": 0,
            "newest": None,
            "state": "silent",
        }
    ],
    "sources": [
        {
            "source": "helpdesk",
            "channel": "ticket",
            "items": 412,
            "stages": {"support": 300, "usage": 112, "churn": 0},
            "never": ["churn"],
        }
    ],
    "silent": [
        {
            "stage": "churn",
            "state": "silent",
            "why": "No item is mainly about it, 3 mention it in passing.",
            "where": LISTENING["churn"].where,
            "channel": LISTENING["churn"].channel,
            "ask": [*LISTENING["churn"].ask],
        }
    ],
    "unread": {
        "items": 34,
        "share": {"value": 0.0399, "low": 0.0277, "high": 0.0572},
        "reasons": [{"reason": "no_text", "items": 34, "share": 0.0399, "what_helps": UNREAD["no_text"]}],
    },
    "label_quality": "unknown on your data",
}
State = Literal["silent", "thin", "heard"]


class StageHeard(Answer):
    """A stage of the codebook: its items, segments that mention it, and the sources that speak of it."""

    stage: str
    items: int
    mentions: int
    respondents: int
    share: Share
    sources: int
    newest: str | None
    state: State


class SourceHeard(Answer):
    """A row of the matrix: items of a source and channel by stage, and what it never speaks of."""

    source: str | None
    channel: str | None
    items: int
    stages: dict[str, int]
    never: list[str]


class StartListening(Answer):
    """A stage that is hardly heard of: why, where to listen, what to ask."""

    stage: str
    state: State
    why: str
    where: str
    channel: str
    ask: list[str]


class UnreadReason(Answer):
    """Items that are not read for one reason."""

    reason: str
    items: int
    share: float
    what_helps: str


class Unread(Answer):
    """Items whose words no number rests on."""

    items: int
    share: Share
    reasons: list[UnreadReason]


class BlindSpotsAnswer(Answer):
    """What is not heard."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": BLIND_SPOTS})

    n: int
    respondents: int
    stages: list[StageHeard]
    sources: list[SourceHeard]
    silent: list[StartListening]
    unread: Unread
    label_quality: str
