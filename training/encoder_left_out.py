"""The accurate tier's part of `left_out.py`: a shortened fit of the encoder for every batch of sources left out.

reads  the pretrained encoder, the corpus · writes nothing that stays
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from nlp import encoder
from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.model import Model
from nlp.wordpieces import WordPieces
from training.calibrate import fit_scale
from training.corpus import Corpus, family
from training.encoder_data import examples
from training.encoder_recipe import EncoderRecipe
from training.pretrained import TOKENIZER_FILE, pretrained_folder
from training.split import HeldOut, sources_out

SHORTENED: Final = (
    "the encoder alone, fitted for {epochs:g} epochs without the other tasks beside it and without the linear "
    "heads: what the recipe carries to new sources, not what the published weights reach"
)
"""What the figures stand for."""


def encoder_predictions(
    corpus: Corpus,
    real: Set[str],
    recipe: EncoderRecipe,
    codebook: Codebook,
    splits: Sequence[HeldOut],
    *,
    threads: int | None,
    say: Callable[[str], None],
) -> tuple[npt.NDArray[np.int64], dict[str, npt.NDArray[np.str_]]]:
    """The items left out, in the order of the splits, and per field the label that each got from the others' fit.

    Sources that are not `real` have the weight that the recipe gives to texts of our own. Each fit is exported and
    read as a published one is. Raises ModuleNotFoundError without what requirements-training.txt lists.
    """
    given: dict[str, list[npt.NDArray[np.str_]]] = {field: [] for field in FIELDS}
    for split, model in fitted_without(corpus, real, recipe, codebook, splits, threads=threads, say=say):
        left = _part(corpus, split.predict)
        scores = model.scores(left.texts, left.questions)
        for field in FIELDS:
            given[field].append(np.array(codebook.labels(field))[scores[field].argmax(axis=1)])
    items = np.concatenate([split.predict for split in splits])
    return items, {field: np.concatenate(parts) for field, parts in given.items()}


def softening(
    corpus: Corpus,
    real: Set[str],
    unseen: Corpus,
    recipe: EncoderRecipe,
    codebook: Codebook,
    *,
    batches: int,
    threads: int | None,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Per field by how much surer an encoder may be of held-out texts of our own than of sources it never saw.

    Texts of our own from new businesses are nearer to training than customers' words from new sources, so scales
    fitted on them alone promise too much. Real sources leave in turn; each shortened fit reads them and the texts
    of our own that no fit has seen, and each kind gets the scale with the least log loss. Returned is the scale of
    the real ones over that of our own, at most 1.
    """
    left: dict[str, list[npt.NDArray[np.float64]]] = {field: [] for field in FIELDS}
    own: dict[str, list[npt.NDArray[np.float64]]] = {field: [] for field in FIELDS}
    splits = real_sources_out(corpus, real, batches=batches)
    for split, model in fitted_without(corpus, real, recipe, codebook, splits, threads=threads, say=say):
        part = _part(corpus, split.predict)
        of_left = model.scores(part.texts, part.questions)
        of_own = model.scores(unseen.texts, unseen.questions)
        for field in FIELDS:
            left[field].append(of_left[field].astype(np.float64))
            own[field].append(of_own[field].astype(np.float64))
    items = np.concatenate([split.predict for split in splits])
    result = {}
    for field in FIELDS:
        order = codebook.labels(field)
        truth = np.array([order.index(label) for label in corpus.labels(field)])[items]
        own_truth = np.tile([order.index(label) for label in unseen.labels(field)], len(splits))
        scales = [
            fit_scale(np.concatenate(scores), right, np.ones(len(right))).scale
            for scores, right in ((left[field], truth), (own[field], own_truth))
        ]
        result[field] = min(1.0, scales[0] / scales[1])
    return result


def real_sources_out(corpus: Corpus, real: Set[str], *, batches: int) -> list[HeldOut]:
    """Every real source left out once; texts of our own always stay to learn from, but for near-duplicates.

    At least two batches, of which some real sources stay in each.
    """
    sources = np.array([family(item.source) for item in corpus.items])
    places = np.flatnonzero(np.isin(sources, list(real)))
    every = np.arange(len(corpus.items))
    splits = []
    for split in sources_out(_part(corpus, places), batches=batches):
        predict = places[split.predict]
        alike = np.isin(corpus.groups, corpus.groups[predict])
        splits.append(HeldOut(split.name, every[~alike], predict))
    return splits


def fitted_without(
    corpus: Corpus,
    real: Set[str],
    recipe: EncoderRecipe,
    codebook: Codebook,
    splits: Sequence[HeldOut],
    *,
    threads: int | None,
    say: Callable[[str], None],
) -> Iterator[tuple[HeldOut, Model]]:
    """Each split with the encoder that was fitted on what it leaves to learn from, exported and read again."""
    from training.encoder_export import export, read_weights  # these two need torch and onnx
    from training.encoder_fit import fit_encoder

    threads = threads or os.cpu_count() or 1
    tokenizer = pretrained_folder() / TOKENIZER_FILE
    pieces = WordPieces.read(tokenizer)
    labels = {field: codebook.labels(field) for field in FIELDS}
    written = {item.source for item in corpus.items if family(item.source) not in real}
    for split in splits:
        say(f"{split.name}: {len(split.train)} items to learn from, {len(split.predict)} to predict")
        data = examples(_part(corpus, split.train), written, codebook, pieces, recipe.fit)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            weights = folder / "weights.safetensors"
            fit_encoder(data, [], codebook, recipe, weights, threads=threads, say=say)
            values, own_labels = read_weights(weights)
            export(values, own_labels, labels, tokenizer, folder)
            yield split, encoder.read(folder, labels, threads=threads)


def _part(corpus: Corpus, wanted: npt.NDArray[np.int64]) -> Corpus:
    """The corpus with some of its items only."""
    return replace(
        corpus,
        items=tuple(corpus.items[place] for place in wanted),
        texts=tuple(corpus.texts[place] for place in wanted),
        segments=tuple(corpus.segments[place] for place in wanted),
        groups=corpus.groups[wanted],
    )
