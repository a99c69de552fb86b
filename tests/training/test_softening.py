"""How much surer an encoder is of texts of our own than of sources that it never saw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlp.analysis import FIELDS
from nlp.codebook import load_codebook
from training import encoder_left_out
from training.corpus import Corpus, family, read_corpus
from training.encoder_left_out import real_sources_out, softening
from training.encoder_recipe import read_encoder_recipe

TINY = Path(__file__).parent / "tiny"
CODEBOOK = load_codebook()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus(TINY, CODEBOOK, near_duplicate_cosine=0.8)


def test_real_sources_leave_whole_and_our_own_stay_to_learn_from(corpus: Corpus) -> None:
    real = {"bank", "survey"}
    splits = real_sources_out(corpus, real, batches=5)
    sources = np.array([family(item.source) for item in corpus.items])
    left = [set(sources[split.predict]) for split in splits]
    assert sorted(name for names in left for name in names) == ["bank", "survey"]
    assert len(splits) == 2
    for split, names in zip(splits, left, strict=True):
        assert not names & set(sources[split.train])
        assert not set(corpus.groups[split.train]) & set(corpus.groups[split.predict])
        assert (sources[split.train] == "shop").sum() > 0.9 * (sources == "shop").sum()


class _Model:
    """As sure of everything as `sureness` says, right in three of four of what it knows, in half of the rest."""

    def __init__(self, truth: dict[str, dict[str, int]], known: set[str]) -> None:
        self._truth, self._known = truth, known

    def scores(self, texts: Any, questions: Any) -> dict[str, np.ndarray[Any, Any]]:
        found = {}
        for field in FIELDS:
            rows = np.zeros((len(texts), len(CODEBOOK.labels(field))))
            for place, text in enumerate(texts):
                right = self._truth[field][text]
                wrong = (right + 1) % rows.shape[1]
                every = 4 if text in self._known else 2
                rows[place, wrong if place % every == 0 else right] = 3.0
            found[field] = rows
        return found


def test_scales_are_softened_as_far_as_left_out_sources_ask_for(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = {"bank", "survey"}
    sources = np.array([family(item.source) for item in corpus.items])
    unseen = encoder_left_out._part(corpus, np.flatnonzero(sources == "shop"))
    truth = {
        field: {
            text: CODEBOOK.labels(field).index(str(label))
            for text, label in zip(corpus.texts, corpus.labels(field), strict=True)
        }
        for field in FIELDS
    }

    def fitted(*arguments: Any, **_named: Any) -> Iterator[Any]:
        for split in arguments[4]:
            yield split, _Model(truth, set(unseen.texts))

    monkeypatch.setattr(encoder_left_out, "fitted_without", fitted)
    found = softening(
        corpus, real, unseen, read_encoder_recipe(), CODEBOOK, batches=2, threads=1, say=lambda _: None
    )
    assert set(found) == set(FIELDS)
    assert all(0 < value < 0.9 for value in found.values()), found
    monkeypatch.setattr(encoder_left_out, "fit_scale", lambda scores, *_: type("S", (), {"scale": 1.0})())
    alike = softening(
        corpus, real, unseen, read_encoder_recipe(), CODEBOOK, batches=2, threads=1, say=lambda _: None
    )
    assert set(alike.values()) == {1.0}
