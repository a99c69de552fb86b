"""What a workspace has learnt, on top of a model: numbers, files, and a pipeline that speaks with it."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pytest

from nlp.calibrate import softmax
from nlp.overlay import (
    MEMORY_WEIGHT,
    NEAR,
    Axes,
    Head,
    Memory,
    Overlay,
    OverlayError,
    Reach,
    from_bytes,
    overlaid,
    to_bytes,
)
from nlp.pipeline import Pipeline, TextInput

TEXTS = [
    "My parcel came a week late and nobody told me.",
    "The waiter was kind, the soup was cold.",
    "How much is the yearly plan?",
]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline.load(tier="fast")


EVERYWHERE = Reach(middle=-1e6, slope=1.0)


def axes_of(width: int) -> Axes:
    return Axes(np.zeros(width, np.float32), np.eye(width, 4, dtype=np.float32))


def overlay_for(
    pipeline: Pipeline, *, text: str | None = None, stage: str = "churn", bias: dict[str, float] | None = None
) -> Overlay:
    """An overlay that remembers one text's stage and moves stages by `bias`."""
    labels = pipeline.artifact.model.labels
    width = pipeline.artifact.model.look(["x"], [None]).vectors.shape[1]
    axes = axes_of(width)
    vectors, said = np.zeros((0, width), np.float32), []
    if text is not None:
        vectors = axes.centred(pipeline.artifact.model.look([text], [None]).vectors)
        said = [labels["stage"].index(stage)]
    memory = Memory(vectors, {"stage": np.array(said, dtype=np.int16)}, np.arange(len(said), dtype=np.int64))
    shift = np.array([(bias or {}).get(label, 0.0) for label in labels["stage"]], dtype=np.float32)
    head = Head(np.zeros((4 + len(shift), len(shift)), np.float32), shift)
    heads = {"stage": head} if bias else {}
    return Overlay(pipeline.model_version, 3, axes, heads, frozenset({"stage"}), memory, EVERYWHERE)


def test_an_empty_overlay_changes_nothing(pipeline: Pipeline) -> None:
    twin = overlaid(pipeline, overlay_for(pipeline))
    plain, same = (one.probabilities(TEXTS, [None] * 3) for one in (pipeline, twin))
    for field, chances in plain.items():
        assert np.allclose(chances, same[field], atol=1e-6), field
    assert twin.model_version.startswith(f"{pipeline.model_version}+3-")
    assert pipeline.artifact.manifest.version == pipeline.model_version  # the one below is as it was


def test_a_corrected_text_is_right_at_once_and_others_stay(pipeline: Pipeline) -> None:
    text = "The lid of the blue box does not close any more"
    twin = overlaid(pipeline, overlay_for(pipeline, text=text))
    first, near, other = twin.analyze([TextInput(text), TextInput(text + "!"), TextInput(TEXTS[2])])
    assert first.stage is not None
    assert near.stage is not None
    assert (first.stage.label, near.stage.label) == ("churn", "churn")
    assert first.stage.confidence > 0.5
    assert other == pipeline.analyze([TextInput(TEXTS[2])])[0]


def test_a_head_moves_the_odds_by_what_it_says(pipeline: Pipeline) -> None:
    twin = overlaid(pipeline, overlay_for(pipeline, bias={"support": math.log(3)}))
    at = pipeline.artifact.model.labels["stage"].index("support")
    before, after = (one.probabilities(TEXTS, [None] * 3)["stage"][:, at] for one in (pipeline, twin))
    assert np.allclose(after / (1 - after), 3 * before / (1 - before), rtol=1e-4)


def test_nearness_begins_at_the_threshold_and_the_nearest_counts() -> None:
    angles = np.arccos([1.0, (1 + NEAR) / 2, NEAR - 0.01])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    memory = Memory(vectors, {"stage": np.array([1, 1, 0], np.int16)}, np.arange(3))
    near, closeness = memory.compare(np.array([[1.0, 0.0]], np.float32))
    assert closeness == pytest.approx([(1 + (1 + NEAR) / 2 + NEAR - 0.01) / 3])
    assert near.toarray()[0] == pytest.approx([1.0, 0.5, 0.0], abs=1e-5)
    assert memory.shift(near, "stage", 3)[0] == pytest.approx([0.0, MEMORY_WEIGHT, 0.0], abs=1e-4)


def test_what_nobody_said_is_not_remembered() -> None:
    memory = Memory(np.eye(2, dtype=np.float32), {"topic": np.array([-1, 2], np.int16)}, np.arange(2))
    near, _ = memory.compare(np.eye(2, dtype=np.float32))
    assert memory.shift(near, "topic", 3).tolist() == [[0, 0, 0], [0, 0, MEMORY_WEIGHT]]


def test_a_text_s_result_does_not_depend_on_its_neighbours(pipeline: Pipeline) -> None:
    twin = overlaid(pipeline, overlay_for(pipeline, text=TEXTS[0], bias={"support": 0.7}))
    together = twin.analyze([TextInput(text) for text in TEXTS])
    assert together == [twin.analyze([TextInput(text)])[0] for text in TEXTS]


def test_heads_leave_texts_alone_that_are_unlike_the_corrected_ones(pipeline: Pipeline) -> None:
    far = replace(overlay_for(pipeline, text=TEXTS[0], bias={"support": 3.0}), reach=Reach(0.5, 1000.0))
    twin = overlaid(pipeline, far)
    before, after = (one.probabilities(TEXTS, [None] * 3)["stage"] for one in (pipeline, twin))
    assert np.allclose(before[2], after[2], atol=1e-6)
    assert not np.allclose(before[0], after[0], atol=1e-2)


def test_it_is_read_as_it_was_written(pipeline: Pipeline) -> None:
    overlay = overlay_for(pipeline, text=TEXTS[0], bias={"support": 0.7})
    again = from_bytes(to_bytes(overlay))
    assert again.version == overlay.version
    chances = {"stage": np.log(softmax(np.ones((1, len(overlay.heads["stage"].bias))))).astype(np.float32)}
    vectors = pipeline.artifact.model.look(TEXTS[:1], [None]).vectors
    assert np.allclose(
        again.adjusted(vectors, chances)["stage"], overlay.adjusted(vectors, chances)["stage"], atol=0.05
    )
    other = overlay_for(pipeline, text=TEXTS[1], bias={"support": 0.7})
    assert other.version != overlay.version
    assert overlay.content_hash == from_bytes(to_bytes(overlay)).content_hash


def test_what_is_no_overlay_is_refused(pipeline: Pipeline) -> None:
    for content in (b"", b"not a file", to_bytes(overlay_for(pipeline))[:200]):
        with pytest.raises(OverlayError):
            from_bytes(content)
    file = io.BytesIO()
    np.savez(file, about=np.array([{"format": 1}], dtype=object))  # a pickle: never read
    with pytest.raises(OverlayError):
        from_bytes(file.getvalue())


def test_an_overlay_of_another_model_is_refused(pipeline: Pipeline) -> None:
    overlay = overlay_for(pipeline)
    other = Overlay("fast-1", 1, overlay.axes, {}, frozenset(), overlay.memory, EVERYWHERE)
    with pytest.raises(OverlayError, match="learnt on top of fast-1"):
        overlaid(pipeline, other)
