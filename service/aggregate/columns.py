"""What stands in each column of a map: counts, mixes, pain points and delights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.scores import estimates
from service.aggregate.tally import Pairs, ShareSums, Tally, sentiment_of_mood, valence_of_mood
from service.store.rollup_codes import codebook, codes

Array = NDArray[Any]


def counted_columns(
    tally: Tally, model: JourneyModel, pairs: dict[str, Pairs]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What stands in each column but scores, trend and words, and the same over the whole map."""
    points = {
        name: _points(tally.share_sums(found), tally.segments.cells, sentiment)
        for (name, found), sentiment in zip(pairs.items(), ("negative", "positive"), strict=True)
    }
    people, everybody = tally.respondents()
    sentiment = estimates(tally.mean_of_mood(sentiment_of_mood()), low=-1, high=1, scale=100, digits=2)
    emotion = estimates(tally.mean_of_mood(valence_of_mood()), low=-1, high=1)
    stages = []
    for number, column in enumerate(model.stages):
        items, segments = tally.items.cells[number], tally.segments.cells[number]
        n = int(items.sum())
        pains, delights = points["pain"][number], points["delight"][number]
        stages.append(
            {
                "stage": column.name,
                "codebook_stages": list(dict.fromkeys(rule.codebook_stage for rule in column.rules)),
                "covers": [
                    {"stage": r.codebook_stage, "touchpoints": list(r.touchpoints) if r.touchpoints else None}
                    for r in column.rules
                ],
                "items": n,
                "segments": int(segments.sum()),
                "respondents": int(people[number]),
                "net_sentiment": sentiment[number],
                "emotion_score": emotion[number],
                "sentiments": dict(
                    zip(codes().labels["sentiment"], items.sum(axis=(0, 2))[:-1].tolist(), strict=True)
                ),
                "emotions": _mix("emotion", items.sum(axis=(1, 2)), segments.sum(axis=(1, 2)), n),
                "topics": _topics(items, segments, n, pains, delights),
                "touchpoints": _mix(
                    "touchpoint", tally.items.touchpoint[number], tally.segments.touchpoint[number], n
                ),
                "pain_points": pains,
                "delights": delights,
            }
        )
    totals = {
        "items": int(tally.items.total.sum()),
        "segments": int(tally.segments.total.sum()),
        "respondents": everybody,
        "undated": int(np.count_nonzero(~tally.chosen("dated"))),
        "net_sentiment": sentiment[-1],
        "emotion_score": emotion[-1],
    }
    return stages, totals


def _mix(field: str, items: Array, segments: Array, n: int) -> list[dict[str, Any]]:
    """Labels of a field with items and segments, largest first."""
    polarity = {entry.label: entry.polarity for entry in codebook().emotions}
    found = []
    for label, of_items, of_segments in zip(
        codes().labels[field], items.tolist(), segments.tolist(), strict=False
    ):
        if of_items or of_segments:
            one = {field: label, "items": of_items, "segments": of_segments, "share": _share(of_items, n)}
            found.append(one | ({"polarity": polarity[label]} if field == "emotion" else {}))
    return sorted(found, key=lambda one: (-one["items"], -one["segments"], one[field]))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _topics(
    items: Array, segments: Array, n: int, pains: list[dict[str, Any]], delights: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    negative, positive = ({one["topic"]: one["count"] for one in points} for points in (pains, delights))
    return [
        one | {"negative": negative.get(one["topic"], 0), "positive": positive.get(one["topic"], 0)}
        for one in _mix("topic", items.sum(axis=(0, 1)), segments.sum(axis=(0, 1)), n)
    ]


def _points(sums: ShareSums, segments: Array, sentiment: str) -> list[list[dict[str, Any]]]:
    """By column its pain points (or delights): items with such a segment of their own stage, largest first."""
    labels = codes().labels["topic"]
    found: list[list[dict[str, Any]]] = [[] for _ in segments]
    spoken = segments[:, :, codes().labels["sentiment"].index(sentiment)].sum(axis=1)
    columns = (
        *(sums.column, sums.topic, sums.hits, sums.n, sums.hits / sums.n, sums.low, sums.high),
        *(sums.respondents, spoken[sums.column, sums.topic]),
    )
    for column, topic, hits, n, share, low, high, respondents, said in zip(
        *(part.tolist() for part in columns), strict=True
    ):
        if topic < len(labels):
            found[column].append(
                {
                    "topic": labels[topic],
                    "count": hits,
                    "n": n,
                    "share": {"value": round(share, 4), "low": round(low, 4), "high": round(high, 4)},
                    "respondents": respondents,
                    "segments": said,
                    "rate": None,
                }
            )
    return found
