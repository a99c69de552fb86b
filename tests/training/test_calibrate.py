import numpy as np

from nlp.calibrate import FieldCalibration
from training.calibrate import fit_scale


def test_overconfident_scores_are_brought_back_to_what_they_are_worth() -> None:
    """Labels drawn from softmax(0.5 · score): the scale found must be near 0.5."""
    generator = np.random.default_rng(3)
    scores = generator.normal(scale=3, size=(20_000, 3))
    chances = FieldCalibration(0.5).probabilities(scores)
    truth = np.array([generator.choice(3, p=row) for row in chances])
    assert abs(fit_scale(scores, truth, np.ones(len(truth))).scale - 0.5) < 0.02


def test_rows_count_by_their_weight() -> None:
    scores = np.array([[2.0, 0.0], [2.0, 0.0]] * 50)
    truth = np.array([0, 1] * 50)
    believing = fit_scale(scores, truth, np.array([3.0, 1.0] * 50)).scale
    assert abs(FieldCalibration(believing).probabilities(scores[:1])[0, 0] - 0.75) < 0.01
