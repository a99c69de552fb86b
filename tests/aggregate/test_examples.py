"""The examples of the reference have the shape of the answers."""

from __future__ import annotations

from service.aggregate import examples
from service.aggregate.answers import Estimate, JourneyMapAnswer, TrendsAnswer, WorkspaceAnswer
from service.aggregate.journey_models import JourneyModelAnswer


def test_examples_are_answers() -> None:
    Estimate.model_validate(examples.ESTIMATE)
    JourneyMapAnswer.model_validate(examples.JOURNEY_MAP)
    TrendsAnswer.model_validate(examples.TRENDS)
    WorkspaceAnswer.model_validate(examples.WORKSPACE)
    JourneyModelAnswer.model_validate(examples.JOURNEY_MODEL)
