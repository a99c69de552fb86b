"""What stands in each column of a map: counts, mixes, pain points and delights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.scores import estimates
from service.aggregate.tally import Pairs, ShareSums, Tally, sentiment_of_mood, valence_of_mood
from service.intervals import effective_n_of_sums, share_interval
from service.store.rollup_codes import codebook, codes

Array = NDArray[Any]


def counted_columns(
    tally: Tally, model: JourneyModel, pairs: dict[str, Pairs]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What stands in each column but scores, trend and words, and the same over the whole map."""
    shares = {name: _by_column(tally.share_sums(found), tally.columns) for name, found in pairs.items()}
    people, everybody = tally.respondents()
    sentiment = estimates(tally.mean_of_mood(sentiment_of_mood()), low=-1, high=1, scale=100, digits=2)
    emotion = estimates(tally.mean_of_mood(valence_of_mood()), low=-1, high=1)
    stages = []
    for number, column in enumerate(model.stages):
        items, segments = tally.items.cells[number], tally.segments.cells[number]
        n = int(items.sum())
        sums = {name: shares[name][number] for name in shares}
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
                "topics": _topics(items, segments, n, sums),
                "touchpoints": _mix(
                    "touchpoint", tally.items.touchpoint[number], tally.segments.touchpoint[number], n
                ),
                "pain_points": _points(sums["pain"], segments, "negative"),
                "delights": _points(sums["delight"], segments, "positive"),
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


def _topics(items: Array, segments: Array, n: int, sums: dict[str, list[ShareSums]]) -> list[dict[str, Any]]:
    mix = _mix("topic", items.sum(axis=(0, 1)), segments.sum(axis=(0, 1)), n)
    hits = {name: {codes().labels["topic"][one.topic]: one.hits for one in found} for name, found in sums.items()}
    return [
        one | {"negative": hits["pain"].get(one["topic"], 0), "positive": hits["delight"].get(one["topic"], 0)}
        for one in mix
    ]


def _by_column(sums: list[ShareSums], columns: int) -> list[list[ShareSums]]:
    found: list[list[ShareSums]] = [[] for _ in range(columns)]
    for one in sums:
        if one.topic < len(codes().labels["topic"]):
            found[one.column].append(one)
    return found


def _points(sums: list[ShareSums], segments: Array, sentiment: str) -> list[dict[str, Any]]:
    """Pain points (or delights): items of the column with such a segment of their own stage, largest first."""
    spoken = segments.sum(axis=0)[codes().labels["sentiment"].index(sentiment)]
    found = []
    for one in sums:
        worth = effective_n_of_sums(
            clusters=one.clusters,
            total=float(one.n),
            hits=float(one.hits),
            hits_squared=one.hits_squared,
            hits_by_size=one.hits_by_size,
            sizes_squared=one.sizes_squared,
        )
        interval = share_interval(one.hits / one.n, worth)
        found.append(
            {
                "topic": codes().labels["topic"][one.topic],
                "count": one.hits,
                "n": one.n,
                "share": {name: round(getattr(interval, name), 4) for name in ("value", "low", "high")},
                "respondents": one.respondents,
                "segments": int(spoken[one.topic]),
                "rate": None,
            }
        )
    return found
