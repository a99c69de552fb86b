"""Metrics by hand-counted cases, the report's form, and the floor below which nothing may fall."""

import json
from pathlib import Path

import numpy as np
import pytest

from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.evaluate import calibration_bins, calibration_errors, evaluate, score_field, share_error
from nlp.pipeline import Pipeline

SHARED_GOLD = Path(__file__).parents[3] / "shared" / "gold"
TINY = Path(__file__).parents[1] / "training" / "tiny" / "dev.tsv"


def test_scores_of_a_case_counted_by_hand() -> None:
    truth = np.array(["a"] * 10 + ["b"] * 10 + ["c"] * 2)
    given = np.array(["a"] * 8 + ["b"] * 2 + ["b"] * 5 + ["a"] * 5 + ["a"] * 2)
    score = score_field(truth, given, np.full(22, 0.5), ["a", "b", "c"], seed=0)
    a, b, c = score.labels
    assert (a.precision, a.recall, a.n, a.predicted) == (8 / 15, 8 / 10, 10, 15)
    assert a.f1 == pytest.approx(2 * 8 / 25)
    assert b.f1 == pytest.approx(2 * 5 / 17)
    assert c.f1 == 0
    assert score.accuracy == pytest.approx(13 / 22)
    assert score.macro_f1 == pytest.approx((a.f1 + b.f1) / 2)  # c has fewer than ten examples
    low, high = score.accuracy_interval
    assert low < score.accuracy < high
    assert score.share_error == pytest.approx((5 + 3 + 2) / 22 / 3)


def test_calibration_error_of_honest_and_of_boastful_confidence() -> None:
    generator = np.random.default_rng(5)
    confidence = generator.uniform(0.3, 1.0, 5_000)
    right = generator.uniform(size=5_000) < confidence
    plain, debiased = calibration_errors(confidence, right)
    assert plain < 0.03
    assert debiased < plain
    boastful, boastful_debiased = calibration_errors(np.full(5_000, 0.95), right)
    assert boastful == pytest.approx(0.95 - right.mean(), abs=0.001)
    assert boastful_debiased == pytest.approx(boastful, abs=0.03)


def test_share_error_counts_what_was_refused_as_missing() -> None:
    assert share_error(np.array(["a", "a"]), np.array(["a", "(refused)"]), ["a", "b"]) == 0.25


def test_nothing_to_score_is_said() -> None:
    with pytest.raises(ValueError, match="no items"):
        score_field(np.array([]), np.array([]), np.array([]), ["a"], seed=0)


def test_a_report_is_text_and_json(pipeline: Pipeline, codebook: Codebook) -> None:
    report = evaluate(pipeline, TINY)
    text = report.to_text()
    for field in FIELDS:
        assert field in text
        for label in codebook.labels(field):
            assert label in text
    assert "without the survey question" in text
    again = json.loads(json.dumps(report.to_dict()))
    assert again["with_question"]["n"] == len(TINY.read_text(encoding="utf-8").splitlines()) - 1
    assert set(again["with_question"]["fields"]) == set(FIELDS)
    assert evaluate(pipeline, TINY) == report


@pytest.mark.parametrize(
    ("name", "floors", "touchpoint"),
    [
        ("dev.tsv", {"stage": 0.65, "emotion": 0.57, "sentiment": 0.77, "topic": 0.62}, 0.70),
        ("elsewhere.tsv", {"stage": 0.42, "emotion": 0.40, "sentiment": 0.50, "topic": 0.52}, 0.50),
    ],
)
def test_agreement_does_not_fall(
    pipeline: Pipeline, name: str, floors: dict[str, float], touchpoint: float
) -> None:
    if not (SHARED_GOLD / name).is_file():
        pytest.skip(f"../shared/gold/{name} is not there")
    run = evaluate(pipeline, SHARED_GOLD / name).with_question
    for field, floor in floors.items():
        reached = run.fields[field].macro_f1
        assert reached is not None
        assert reached >= floor, field
    assert run.fields["touchpoint"].accuracy >= touchpoint
    assert run.unsure.get("low_confidence", 0) <= 0.15
    assert run.unsure.get("unsupported_language", 0) <= 0.01


def test_bins_are_what_the_calibration_errors_are_made_of() -> None:
    generator = np.random.default_rng(5)
    confidence = generator.uniform(0.3, 1.0, 301)
    right = generator.uniform(size=301) < confidence**2
    bins = calibration_bins(confidence, right)
    assert [one.n for one in bins] == [21] + [20] * 14
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)
    assert sum(one.n * one.right for one in bins) == pytest.approx(right.sum())
    plain, _ = calibration_errors(confidence, right)
    assert plain == pytest.approx(sum(one.n * abs(one.confidence - one.right) for one in bins) / 301)
    score = score_field(np.array(["a"] * 301), np.where(right, "a", "b"), confidence, ["a", "b"], 0)
    assert score.bins == bins
