"""Heads fitted once more to an encoder that stands still."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nlp import encoder
from nlp.analysis import FIELDS
from nlp.codebook import load_codebook
from nlp.encoder import EncoderModel
from tests.nlp import tiny_encoder
from training.corpus import Corpus, read_corpus
from training.encoder_recipe import LastLayerChoices, read_encoder_recipe
from training.last_layer import fitted, refit_heads, write_heads

TINY = Path(__file__).parent / "tiny"
CODEBOOK = load_codebook()
LABELS = {field: CODEBOOK.labels(field) for field in FIELDS}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(TINY, CODEBOOK, near_duplicate_cosine=0.8)


@pytest.fixture
def model(tmp_path: Path) -> EncoderModel:
    for name in (encoder.GRAPH_FILE, encoder.TOKENIZER_FILE):
        (tmp_path / name).write_bytes((tiny_encoder.FOLDER / name).read_bytes())
    values = tiny_encoder.weights(LABELS)
    np.savez(
        tmp_path / encoder.HEADS_FILE,
        weights=np.concatenate([values[f"heads.{field}.weight"].T for field in FIELDS], axis=1),
        bias=np.concatenate([values[f"heads.{field}.bias"] for field in FIELDS]),
    )
    return encoder.read(tmp_path, LABELS, threads=1)


def test_a_head_finds_what_tells_the_labels_apart() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 400)
    vectors = np.eye(3)[truth] + rng.normal(0, 0.3, (400, 3))
    weights, bias = fitted(vectors, np.eye(3)[truth], np.ones(400), np.zeros((3, 3)), np.zeros(3), 1e-3)
    assert ((vectors @ weights + bias).argmax(axis=1) == truth).mean() > 0.95


def test_a_strong_pull_leaves_a_head_as_it_was_and_weights_count() -> None:
    vectors = np.ones((4, 1))
    targets = np.eye(2)[[0, 0, 0, 1]]
    first = np.array([[0.5, -0.5]])
    weights, _ = fitted(vectors, targets, np.ones(4), first, np.zeros(2), 1e6)
    assert np.allclose(weights, first, atol=1e-4)
    # the one row of the second label counts as much as the three others
    weights, bias = fitted(vectors, targets, np.array([1.0, 1.0, 1.0, 3.0]), first, np.zeros(2), 0.0)
    scores = (vectors @ weights + bias)[0]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_only_the_fields_named_change_and_fit_better(corpus: Corpus, model: EncoderModel, tmp_path: Path) -> None:
    choices = LastLayerChoices(fields=("sentiment",), pull=1e-4)
    fit = replace(read_encoder_recipe().fit, label_balance=0.0, label_smoothing=0.0)
    heads = refit_heads(model, corpus, CODEBOOK, fit, choices)
    for field in FIELDS:
        same = np.array_equal(
            heads.weights[:, heads.columns(field)], model.heads.weights[:, model.heads.columns(field)]
        )
        assert same == (field != "sentiment")
    truth = np.array([LABELS["sentiment"].index(str(label)) for label in corpus.labels("sentiment")])

    def right(of: EncoderModel) -> float:
        scores = of.scores(corpus.texts, [item.question for item in corpus.items])["sentiment"]
        return float((scores.argmax(axis=1) == truth).mean())

    write_heads(tmp_path, heads)
    assert right(encoder.read(tmp_path, LABELS, threads=1)) > right(model) + 0.1
