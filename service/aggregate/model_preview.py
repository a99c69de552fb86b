"""A journey model with the workspace's numbers before anybody saves it: what would stand in each column."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from nlp.codebook import JourneyModel, ModelStage, StageRule
from service.aggregate.scores import estimates
from service.aggregate.tally import Tally, columns_of, sentiment_of_mood
from service.store.rollup_codes import codebook
from service.store.rollup_frame import load


def model_preview(session: Session, *, workspace_id: int, model: JourneyModel) -> dict[str, Any]:
    """Items and net sentiment (-100 to 100) by column over all time, as the map counts them.

    {"items" (of everything), "stages": [{"stage", "items", "share", "net_sentiment": estimate}],
     "not_placed": {"items", "uncovered"}}; `uncovered` are items whose stage stands in no column of this model.
    """
    frame = load(session, workspace_id)
    mask = frame.mask(first_day=None, end_day=None, filters={})
    tally = Tally(frame, mask, columns_of(model), len(model.stages))
    sentiment = estimates(tally.mean_of_mood(sentiment_of_mood()), low=-1, high=1, scale=100, digits=2)
    total = int(tally.items.total.sum())
    # what no model can place is the same in every model: items with a stage are the rest
    whole = Tally(frame, mask, columns_of(_everything(model)), 1)
    return {
        "items": total,
        "stages": [
            {
                "stage": column.name,
                "items": int(tally.items.total[number]),
                "share": int(tally.items.total[number]) / total if total else 0.0,
                "net_sentiment": sentiment[number],
            }
            for number, column in enumerate(model.stages)
        ],
        "not_placed": {
            "items": int(tally.items.total[-1]),
            "uncovered": int(tally.items.total[-1]) - int(whole.items.total[-1]),
        },
    }


def _everything(model: JourneyModel) -> JourneyModel:
    """A model whose one column holds every stage."""
    rules = tuple(StageRule(stage) for stage in codebook().labels("stage") if stage != "none")
    return JourneyModel(model.id, model.name, (ModelStage("everything", rules),))
