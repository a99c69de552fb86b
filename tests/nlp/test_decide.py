import numpy as np
import pytest

from nlp.analysis import FIELDS, Label
from nlp.codebook import Codebook
from nlp.decide import Decider, ItemDecision, TextRows, Thresholds

SHARES = dict.fromkeys(FIELDS, 0.0) | {"sentiment": 1.0}


@pytest.fixture
def decider(codebook: Codebook) -> Decider:
    labels = {field: codebook.labels(field) for field in FIELDS}
    return Decider(labels, Thresholds(unsure_below=0.4, second_from=0.6, whole_share=SHARES))


class Chances:
    """Builds probability rows: a label gets its chance, the others share the rest."""

    def __init__(self, codebook: Codebook) -> None:
        self._codebook = codebook

    def row(self, **chances: tuple[str, float]) -> dict[str, np.ndarray]:
        rows = {}
        for field in FIELDS:
            labels = self._codebook.labels(field)
            label, chance = chances.get(field, (labels[0], 0.9))
            row = np.full(len(labels), (1 - chance) / (len(labels) - 1))
            row[labels.index(label)] = chance
            rows[field] = row
        return rows


@pytest.fixture
def chances(codebook: Codebook) -> Chances:
    return Chances(codebook)


def stacked(rows: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {field: np.stack([row[field] for row in rows]) for field in FIELDS}


def decided(decider: Decider, *rows: dict[str, np.ndarray], words: tuple[int, ...] = ()) -> ItemDecision:
    (decision,) = decider.items(stacked([*rows]), [TextRows(0, words)])
    return decision


def test_a_segment_is_never_mixed(decider: Decider, chances: Chances) -> None:
    decision = decided(decider, chances.row(sentiment=("mixed", 0.9)))
    assert decision.labels["sentiment"] == Label("mixed", 0.9)
    sentiment = decision.segments[0]["sentiment"]
    assert sentiment.label != "mixed"
    assert sentiment.confidence == pytest.approx(1 / 3, abs=1e-4)


def test_the_longer_segment_dominates_and_the_other_comes_second(decider: Decider, chances: Chances) -> None:
    decision = decided(
        decider,
        chances.row(stage=("usage", 0.9), sentiment=("mixed", 0.8)),
        chances.row(stage=("purchase", 0.8), emotion=("satisfaction", 0.7)),
        chances.row(stage=("delivery", 0.8), emotion=("disappointment", 0.7)),
        words=(3, 9),
    )
    assert [segment["stage"].label for segment in decision.segments] == ["purchase", "delivery"]
    assert decision.labels["stage"] == Label("delivery", round((3 * 0.2 / 11 + 9 * 0.8) / 12, 4))
    assert decision.stage2 == Label("purchase", 0.8)
    assert decision.labels["emotion"].label == "disappointment"
    assert decision.emotion2 == Label("satisfaction", 0.7)
    assert decision.labels["sentiment"] == Label("mixed", 0.8)
    assert not decision.unsure


def test_texts_side_by_side_are_decided_as_each_alone(decider: Decider, chances: Chances) -> None:
    one = [chances.row(stage=("churn", 0.7))]
    two = [chances.row(), chances.row(stage=("usage", 0.9)), chances.row(stage=("support", 0.6))]
    three = [chances.row(stage=stage) for stage in (("none", 0.5), ("churn", 0.8), ("usage", 0.7), ("none", 0.9))]
    texts = [(two, (4, 30)), (one, ()), (three, (5, 2, 8)), (one, ())]
    rows = [row for own, _ in texts for row in own]
    places = [
        TextRows(sum(len(own) for own, _ in texts[:number]), words) for number, (_, words) in enumerate(texts)
    ]
    together = decider.items(stacked(rows), places)
    assert together == [decided(decider, *own, words=words) for own, words in texts]


@pytest.mark.parametrize("second", [("none", 0.9), ("purchase", 0.5), ("delivery", 0.9)])
def test_no_second_stage_that_says_nothing_is_doubtful_or_the_same(
    decider: Decider, chances: Chances, second: tuple[str, float]
) -> None:
    parts = [chances.row(stage=("delivery", 0.9)), chances.row(stage=second)]
    assert decided(decider, chances.row(), *parts, words=(9, 3)).stage2 is None


@pytest.mark.parametrize(("chance", "unsure"), [(0.39, True), (0.41, False)])
def test_below_the_threshold_an_item_is_unsure_and_keeps_its_best_label(
    decider: Decider, chances: Chances, chance: float, unsure: bool
) -> None:
    decision = decided(decider, chances.row(stage=("churn", chance)))
    assert decision.unsure is unsure
    assert decision.labels["stage"].label == "churn"
