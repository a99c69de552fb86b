import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nlp import artifact, blend
from nlp.blend import MIX_FILE, BlendModel, Mix
from nlp.heads import Scores

LABELS = {"stage": ("usage", "support"), "topic": ("price", "speed", "general")}


class Fixed:
    """A model that says the same of every text."""

    labels = LABELS

    def __init__(self, **scores: list[float]) -> None:
        self._scores = scores

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        return {field: np.tile(np.float32(row), (len(texts), 1)) for field, row in self._scores.items()}


def test_the_mixture_is_one_of_probabilities_at_each_ones_scale() -> None:
    mix = Mix(linear_share=0.25, encoder_scale=2.0, linear_scale=0.5)
    # odds of e^(2·1) and of e^(0.5·-4)
    scores = mix.scores(np.array([[1, 0]], np.float32), np.array([[-4, 0]], np.float32))
    first, second = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))
    assert np.exp(scores[0, 0]) == pytest.approx(0.75 * first + 0.25 * second)
    assert np.exp(scores).sum() == pytest.approx(1)


def test_each_field_has_its_own_mixture() -> None:
    one = Fixed(stage=[9.0, 0.0], topic=[9.0, 0.0, 0.0])
    other = Fixed(stage=[0.0, 9.0], topic=[0.0, 9.0, 0.0])
    model = BlendModel(one, other, {"stage": Mix(0.0, 1.0, 1.0), "topic": Mix(1.0, 1.0, 1.0)})
    scores = model.scores(["a", "b"], [None, None])
    assert scores["stage"].argmax(axis=1).tolist() == [0, 0]
    assert scores["topic"].argmax(axis=1).tolist() == [1, 1]
    assert np.isfinite(scores["topic"]).all()


def test_a_mixture_is_read_as_it_was_written(tmp_path: Path) -> None:
    mixes = {"stage": Mix(0.3, 1.2, 0.9)}
    blend.write_mixes(tmp_path, mixes)
    raw = json.loads((tmp_path / MIX_FILE).read_text(encoding="utf-8"))
    assert {field: Mix(**values) for field, values in raw.items()} == mixes


def test_other_fields_than_the_labels_are_refused(tmp_path: Path) -> None:
    blend.write_mixes(tmp_path, {"stage": Mix(0.3, 1.2, 0.9)})
    with pytest.raises(ValueError, match="other fields"):
        blend.read(tmp_path, LABELS)


def test_a_blend_has_the_files_of_both() -> None:
    files = set(artifact.model_files("blend"))
    assert files == {*artifact.model_files("encoder"), *artifact.model_files("linear"), MIX_FILE}
