import numpy as np

from nlp.calibrate import FieldCalibration
from training.calibrate import _fit_field


def test_overconfident_scores_are_brought_back_to_what_they_are_worth() -> None:
    """Labels drawn from softmax(2 · score): a scale near 2 and no shift must be found."""
    generator = np.random.default_rng(3)
    scores = generator.normal(size=(20_000, 3))
    chances = FieldCalibration(2.0, (0.0, 0.0, 0.0)).probabilities(scores)
    truth = np.array([generator.choice(3, p=row) for row in chances])
    fitted = _fit_field(scores, truth, np.ones(len(truth)), penalty=1.0)
    assert abs(fitted.scale - 2) < 0.1
    assert max(map(abs, fitted.shift)) < 0.1


def test_shifts_make_up_for_a_label_that_is_scored_too_high() -> None:
    generator = np.random.default_rng(4)
    scores = generator.normal(size=(20_000, 2))
    truth = np.array(
        [generator.choice(2, p=row) for row in FieldCalibration(1.0, (0.0, 1.0)).probabilities(scores)]
    )
    fitted = _fit_field(scores, truth, np.ones(len(truth)), penalty=1.0)
    assert abs((fitted.shift[1] - fitted.shift[0]) - 1) < 0.1
