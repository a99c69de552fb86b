import pytest

from nlp.explain import MAX_PARTS, explain
from nlp.pipeline import Pipeline


@pytest.fixture(scope="module", params=["accurate", "fast"])
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    return Pipeline.load(tier=request.param, threads=1)


def test_the_word_that_carries_the_meaning_weighs_most(pipeline: Pipeline) -> None:
    text = "The sound is excellent."
    found = explain(pipeline, text, field="sentiment")
    assert found is not None
    assert found.label == "positive"
    heaviest = max(found.words, key=lambda word: word.weight)
    assert text[heaviest.start : heaviest.end] == "excellent"
    assert 0 < heaviest.weight <= found.confidence


def test_weights_are_what_the_model_loses_without_the_word(pipeline: Pipeline) -> None:
    text = "nobody answers my mails"
    found = explain(pipeline, text, field="topic", label="responsiveness")
    assert found is not None
    column = pipeline.artifact.model.labels["topic"].index("responsiveness")
    rows = pipeline.probabilities([text, "nobody   my mails"], [None, None])["topic"]
    answers = next(word for word in found.words if text[word.start : word.end] == "answers")
    assert answers.weight == pytest.approx(rows[0, column] - rows[1, column], abs=2e-3)


def test_offsets_point_into_the_text_as_it_was_sent(pipeline: Pipeline) -> None:
    text = "<p>Great &amp; <b>fast</b> delivery!</p>\n> old quoted words"
    found = explain(pipeline, text, field="stage")
    assert found is not None
    words = [text[word.start : word.end] for word in found.words]
    assert words[0] == "Great"
    assert "fast" in words
    assert not any("quoted" in word for word in words)


def test_a_long_text_is_weighed_in_runs(pipeline: Pipeline) -> None:
    text = "the box was fine and the string was red " * 40
    found = explain(pipeline, text, field="stage")
    assert found is not None
    assert MAX_PARTS / 2 < len(found.words) <= MAX_PARTS
    assert (found.words[0].start, found.words[-1].end) == (0, len(text.rstrip()))


def test_what_cannot_be_explained(pipeline: Pipeline) -> None:
    assert explain(pipeline, " . - ", field="stage") is None
    with pytest.raises(ValueError, match="no field"):
        explain(pipeline, "good", field="mood")
    with pytest.raises(ValueError, match="no stage"):
        explain(pipeline, "good", field="stage", label="joy")
