"""The journey map: items of a period, projected to the columns of a journey model, with every number's interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlmodel import Session

from service.aggregate.query import MapQuery

# what the suggest stage puts into a column: (codebook stages of the column) -> [{"id", "adaptation", …}]
SuggestionsOf = Callable[[Sequence[str]], list[dict[str, Any]]]


def journey_map(
    session: Session,
    *,
    workspace_id: int,
    timezone: str,
    query: MapQuery,
    verbatims: bool = True,
    suggestions_of: SuggestionsOf | None = None,
) -> dict[str, Any]:
    """The map as in the public contract; JSON-ready (times as RFC 3339 strings, never NaN).

    An *estimate* is {"value", "low", "high", "n", "respondents"}: 95 % interval over respondents, null where
    there is nothing to count. Net sentiment and NPS run from -100 to 100, shares from 0 to 1.

    {"model": {"id", "name"}, "from", "to", "as_of", "timezone",
     "stages": [{
        "stage", "codebook_stages": [{"stage", "touchpoints": [...]|null}],
        "items", "segments", "respondents",
        "net_sentiment": estimate, "emotion_score": estimate (-1..1),
        "sentiments": {"negative", "neutral", "positive", "mixed"}  (items),
        "emotions": [{"emotion", "polarity", "items", "segments", "share"}], largest first,
        "topics": [{"topic", "items", "segments", "share", "negative", "positive"}],
        "touchpoints": [{"touchpoint", "items", "segments", "share"}],
        "pain_points": [{"topic", "count", "n", "share": {"value","low","high"}, "respondents", "segments"}],
        "delights": [the same],
        "scores": {"nps": estimate|null, "csat": …, "ces": …, "stars": …}  (of those mentioning it),
        "declared_scores": {…the same, of responses whose sender declared this stage},
        "trend": {"net_sentiment": {"change","low","high","significant"}|null,
                  "items": {"change" (share: 0.2 is +20 %), "low","high","significant"}|null,
                  "from","to","previous_from","previous_to"} | null,
        "series": [{"week" (Monday), "items", "net_sentiment": number|null}],
        "verbatims": [{"feedback_id","text","occurred_at","channel","polarity","emotion","topic",
                       "start","end"}],
        "suggestions": []}],
     "unassigned": {"items", "reasons": {"none","unsure","unsupported_language","meaningless","no_text",
                    "untagged"}, "segments"},
     "totals": {"items", "segments", "respondents", "undated", "net_sentiment", "emotion_score",
                "scores": {"nps": {"everyone": estimate, "with_text": estimate}, …}, "series"}}
    """
    raise NotImplementedError
