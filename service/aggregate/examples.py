"""One example of each answer of the map, for the reference. The numbers are made up, their relations hold."""

from __future__ import annotations

from pydantic.config import JsonDict

ESTIMATE: JsonDict = {"value": -12.4, "low": -18.9, "high": -5.8, "n": 812, "respondents": 655}
_SHARE: JsonDict = {"value": 0.21, "low": 0.18, "high": 0.24}
_PAIN: JsonDict = {
    "topic": "payment",
    "count": 171,
    "n": 812,
    "share": _SHARE,
    "respondents": 160,
    "segments": 180,
    "rate": {
        "per": "orders",
        "value": 4.31,
        "low": 3.52,
        "high": 5.23,
        "count": 171,
        "of": 39675.0,
        "from": "2026-08-01",
        "to": "2026-11-16",
        "noise": 1.6,
    },
}
_NPS: JsonDict = {"value": -23.0, "low": -32.1, "high": -13.2, "n": 336, "respondents": 320}
_CHANGE: JsonDict = {
    "change": -31.0,
    "low": -44.2,
    "high": -17.8,
    "significant": True,
    "n": 210,
    "previous_n": 175,
    "mix": {"change": -2.5, "covered": 0.97},
    "noise": 1.6,
}
_TREND: JsonDict = {
    "net_sentiment": _CHANGE,
    "items": {
        "change": 0.2,
        "low": -0.05,
        "high": 0.5,
        "significant": False,
        "n": 210,
        "previous_n": 175,
        "mix": None,
        "noise": 2.3,
    },
    "from": "2026-10-19",
    "to": "2026-11-16",
    "previous_from": "2026-09-21",
    "previous_to": "2026-10-19",
}
_LABELS: JsonDict = {
    "models": [{"model": "accurate-20261121-1a2b3c4d", "tier": "accurate", "items": 845}],
    "trends_withheld": None,
    "label_quality": "unknown on your data",
}
_WEEK: JsonDict = {"week": "2026-11-09", "items": 52, "net_sentiment": -41.0}
_STAGE: JsonDict = {
    "stage": "Conversion",
    "codebook_stages": ["purchase"],
    "covers": [{"stage": "purchase", "touchpoints": None}],
    "items": 812,
    "segments": 1140,
    "respondents": 655,
    "net_sentiment": ESTIMATE,
    "emotion_score": {"value": -0.21, "low": -0.27, "high": -0.15, "n": 812, "respondents": 655},
    "sentiments": {"negative": 380, "neutral": 150, "positive": 262, "mixed": 20},
    "emotions": [{"emotion": "frustration", "polarity": "negative", "items": 240, "segments": 300, "share": 0.3}],
    "topics": [
        {"topic": "payment", "items": 300, "segments": 330, "share": 0.37, "negative": 171, "positive": 60}
    ],
    "touchpoints": [{"touchpoint": "checkout", "items": 610, "segments": 800, "share": 0.75}],
    "pain_points": [_PAIN],
    "delights": [],
    "scores": {"nps": _NPS, "csat": None, "ces": None, "stars": None},
    "declared_scores": {"nps": None, "csat": None, "ces": None, "stars": None},
    "trend": _TREND,
    "series": [_WEEK],
    "verbatims": [
        {
            "feedback_id": "1041",
            "text": "Card declined three times, then charged twice.",
            "occurred_at": "2026-11-12T09:30:00Z",
            "channel": "survey",
            "polarity": "negative",
            "emotion": "frustration",
            "topic": "payment",
            "start": 0,
            "end": 46,
        }
    ],
    "suggestions": [],
    "evidence": {"strength": "good", "items": 812, "respondents": 655, "says": "655 people."},
    "freshness": {"newest": "2026-11-15", "days": 0, "stale": False, "says": None},
    "metrics": [
        {
            "name": "orders",
            "stage": "purchase",
            "kind": "count",
            "value": 39675.0,
            "days": 107,
            "from": "2026-08-01",
            "to": "2026-11-16",
            "series": [{"week": "2026-11-09", "value": 2610.0}],
        }
    ],
}
JOURNEY_MAP: JsonDict = {
    "model": "7-stage",
    "model_name": "7 stages",
    "from": "2026-08-01T00:00:00Z",
    "to": "2026-11-16T00:00:00Z",
    "as_of": "2026-11-16T08:00:00Z",
    "timezone": "UTC",
    "stages": [_STAGE],
    "unassigned": {
        "items": 40,
        "reasons": {
            "none": 6,
            "unsure": 20,
            "unsupported_language": 5,
            "meaningless": 2,
            "no_text": 7,
            "untagged": 0,
        },
        "segments": 30,
    },
    "totals": {
        "items": 852,
        "segments": 1170,
        "respondents": 690,
        "undated": 0,
        "net_sentiment": ESTIMATE,
        "emotion_score": {"value": -0.2, "low": -0.26, "high": -0.14, "n": 812, "respondents": 655},
        "scores": {
            "nps": {"everyone": _NPS, "with_text": _NPS},
            "csat": None,
            "ces": None,
            "stars": None,
        },
        "series": [_WEEK],
    },
    "labels": _LABELS,
    "previous": None,
}
TRENDS: JsonDict = {
    "by": "stage",
    "every": "week",
    "data": [
        {
            "label": "purchase",
            "items": 812,
            "trend": _TREND,
            "series": [{"week": "2026-11-09", "items": 52, "share": 0.31, "net_sentiment": ESTIMATE}],
        }
    ],
    "labels": _LABELS,
}
TOP_QUESTIONS: JsonDict = {
    "model": "7-stage",
    "items_read": 852,
    "stages": [
        {
            "stage": "Conversion",
            "asked": 31,
            "people": 29,
            "questions": [
                {"verbatim": "Can I pay in instalments?", "feedback_id": "1044", "people": 9, "mentions": 9}
            ],
        }
    ],
}
WORKSPACE: JsonDict = {"name": "default", "timezone": "Europe/Berlin", "journey_model": "7-stage"}
JOURNEY_MODEL: JsonDict = {
    "id": "our-three-steps",
    "name": "Our three steps",
    "built_in": False,
    "default": False,
    "stages": [{"name": "Buying", "codebook_stages": [{"stage": "purchase", "touchpoints": None}]}],
    "uncovered": [{"stage": "awareness", "touchpoints": None}],
}
