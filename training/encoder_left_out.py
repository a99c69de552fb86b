"""The accurate tier's part of `left_out.py`: a shortened fit of the encoder for every batch of sources left out.

reads  the pretrained encoder, the corpus · writes nothing that stays
"""

import os
import tempfile
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from nlp import encoder
from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.wordpieces import WordPieces
from training.corpus import Corpus
from training.encoder_data import examples
from training.encoder_recipe import EncoderRecipe
from training.pretrained import TOKENIZER_FILE, pretrained_folder
from training.split import HeldOut, family

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
    from training.encoder_export import export, read_weights  # these two need torch and onnx
    from training.encoder_fit import fit_encoder

    threads = threads or os.cpu_count() or 1
    tokenizer = pretrained_folder() / TOKENIZER_FILE
    pieces = WordPieces.read(tokenizer)
    labels = {field: codebook.labels(field) for field in FIELDS}
    written = {item.source for item in corpus.items if family(item.source) not in real}
    given: dict[str, list[npt.NDArray[np.str_]]] = {field: [] for field in FIELDS}
    for split in splits:
        say(f"{split.name}: {len(split.train)} items to learn from, {len(split.predict)} to predict")
        data = examples(_part(corpus, split.train), written, codebook, pieces, recipe.fit)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            weights = folder / "weights.safetensors"
            fit_encoder(data, [], codebook, recipe, weights, threads=threads, say=say)
            values, own_labels = read_weights(weights)
            export(values, own_labels, labels, tokenizer, folder)
            model = encoder.read(folder, labels, threads=threads)
            left = _part(corpus, split.predict)
            scores = model.scores(left.texts, left.questions)
        for field in FIELDS:
            given[field].append(np.array(labels[field])[scores[field].argmax(axis=1)])
    items = np.concatenate([split.predict for split in splits])
    return items, {field: np.concatenate(parts) for field, parts in given.items()}


def _part(corpus: Corpus, wanted: npt.NDArray[np.int64]) -> Corpus:
    """The corpus with some of its items only."""
    return replace(
        corpus,
        items=tuple(corpus.items[place] for place in wanted),
        texts=tuple(corpus.texts[place] for place in wanted),
        segments=tuple(corpus.segments[place] for place in wanted),
        groups=corpus.groups[wanted],
    )
