"""How the map's numbers are said: intervals, scores, mixes, trends of pains; and where a cell's feedback is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from nlp.codebook import JourneyModel
from service.review import charts
from service.review.feedback_query import Place, codebook

REASONS = {
    "none": "tells no stage",
    "unsure": "not sure enough",
    "unsupported_language": "language not read yet",
    "meaningless": "without meaning",
    "no_text": "score only",
    "untagged": "waiting to be read",
}
SCORES = (("nps", "NPS"), ("csat", "CSAT"), ("ces", "Effort (CES)"), ("stars", "Stars"))
SENTIMENTS = ("positive", "mixed", "neutral", "negative")
SHOWN_WORDS = 3  # of a column
WORDS_OF_PAIN = 2  # of these, where there is praise as well
PainTrends = Mapping[tuple[str, str], Mapping[str, Any]]


def interval(estimate: Mapping[str, Any]) -> str:
    """The bounds of an estimate with its n, or why there are none."""
    if estimate["value"] is None:
        return "nothing to count"
    if estimate["low"] is None:
        return f"n {estimate['n']}: too few for an interval"
    low, high = charts.signed(estimate["low"]), charts.signed(estimate["high"])
    return f"{low} to {high}, n {estimate['n']:,}"


def on_scale(estimate: Mapping[str, Any]) -> dict[str, float]:
    """Net sentiment and its bounds in percent of a line that runs from all complaint (0) to all praise (100)."""
    known = {name: estimate[name] for name in ("value", "low", "high") if estimate[name] is not None}
    return {
        name: round(50 + max(-charts.FULL, min(charts.FULL, at)) / charts.FULL * 50, 1)
        for name, at in known.items()
    }


def score_text(kind: str, score: Mapping[str, Any]) -> str:
    """A score as its field writes it: NPS with its sign, CSAT as a share, the others as a mean."""
    if kind == "nps":
        return charts.signed(score["value"])
    return f"{score['value']:.0f}\u00a0%" if kind == "csat" else f"{score['value']:.1f}"


def score_interval(kind: str, score: Mapping[str, Any]) -> str:
    """The bounds of a score with its n."""
    if score["low"] is None:
        return f"n {score['n']}: too few for an interval"
    bounds = [score_text(kind, {"value": score[side]}) for side in ("low", "high")]
    return f"{bounds[0]} to {bounds[1]}, n {score['n']:,}"


def sentiment_mix(stage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a bar: sentiments of a column's items."""
    return _bar([(label, label, stage["sentiments"].get(label, 0)) for label in SENTIMENTS])


def emotion_mix(stage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a bar: emotions of a column's items, praise first, in the colours of their polarity."""
    order = {"positive": 0, "neutral": 1, "negative": 2}
    some = sorted(stage["emotions"], key=lambda one: (order[one["polarity"]], -one["items"]))
    return _bar([(charts.words(one["emotion"]), one["polarity"], one["items"]) for one in some])


def _bar(counts: Sequence[tuple[str, str, int]]) -> list[dict[str, Any]]:
    total = sum(n for _, _, n in counts) or 1
    parts, start = [], 0.0
    for label, tone, n in counts:
        width = 100 * n / total
        if n:
            parts.append(
                {
                    "label": label,
                    "tone": tone,
                    "share": n / total,
                    "start": round(start, 2),
                    # a hair of paper between the parts, so that two emotions of one colour stay two
                    "width": round(max(width - 0.8, 0.4), 2),
                }
            )
        start += width
    return parts


def words_of(stage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The verbatims that a column shows: mostly pain, but praise too where there is any."""
    pains = [one for one in stage["verbatims"] if one["polarity"] == "negative"]
    praise = [one for one in stage["verbatims"] if one["polarity"] == "positive"]
    few = pains[: max(WORDS_OF_PAIN, SHOWN_WORDS - len(praise))]
    return [*few, *praise[: SHOWN_WORDS - len(few)]]


def pain_trend(trends: PainTrends, stage: Mapping[str, Any], topic: str) -> dict[str, Any] | None:
    """The change of a column's pain that is more than noise: the largest of the codebook stages that it covers.

    {"change" in points, "days", "stage" (null where the column is that stage alone)}.
    """
    covered = stage["codebook_stages"]
    found = [(label, trends[label, topic]) for label in covered if (label, topic) in trends]
    real = [(label, one) for label, one in found if one["significant"] and one["change"]]
    if not real:
        return None
    label, one = max(real, key=lambda pair: abs(pair[1]["change"]))
    points = round(100 * one["change"])
    unit = "point" if abs(points) < 2 else "points"
    return {
        "change": one["change"],
        "said": f"{'▲' if one['change'] > 0 else '▼'} {abs(points) or '<1'}\u00a0{unit}",
        "spoken": "more than before" if one["change"] > 0 else "less than before",
        "days": one["days"],
        "stage": label if len(covered) > 1 else None,
    }


@lru_cache(maxsize=512)  # every cell of the map asks for its column's
def places_of(model: JourneyModel, column: int | None) -> tuple[Place, ...]:
    """Which stages, or touchpoints of them, stand in a column of a journey model; None: in none of them."""
    found = []
    touchpoints = codebook().labels("touchpoint")
    for stage in codebook().labels("stage"):
        inside = tuple(one for one in touchpoints if model.column(stage, one) == column)
        if model.column(stage, None) == column:
            outside = tuple(one for one in touchpoints if one not in inside)
            found.append(Place(stage, outside, but=bool(outside)))
        elif inside:
            found.append(Place(stage, inside))
    return tuple(found)


def unplaced(selected: Sequence[tuple[str, str]], model: JourneyModel, reason: str) -> str:
    """The list of what stands in no column for one reason; a journey model may leave stages out."""
    if reason == "none":
        return feedback_of(selected, model, None)
    return "/feedback?" + urlencode([*selected, ("unplaced", reason)])


def feedback_of(selected: Sequence[tuple[str, str]], model: JourneyModel, column: int | None, **more: str) -> str:
    """The list of what a cell of the map counts: its period and filters, the places of its column."""
    address = _column_address(tuple(selected), model, column)
    return f"{address}&{urlencode(more)}" if more else address


@lru_cache(maxsize=512)  # a page asks for that of a column once for each of its pains and delights
def _column_address(selected: tuple[tuple[str, str], ...], model: JourneyModel, column: int | None) -> str:
    found = places_of(model, column)
    plain = not any(place.touchpoints for place in found)
    places = [("stage" if plain else "place", str(place)) for place in found]
    return "/feedback?" + urlencode([*selected, *places, ("unsure", "false")])
