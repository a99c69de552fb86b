"""Step 2, split: which items each model may see when it predicts the others.

reads  the corpus · writes nothing

Two ways to hold out: folds over groups of near-duplicates (how the model does on businesses like those it
knows) and one source at a time (how it does elsewhere, which is where every customer of ours is).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from training.corpus import Corpus

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Items to train on and items to predict, apart in text and near-duplicates."""

    name: str
    train: Indices
    predict: Indices


def folds(corpus: Corpus, *, count: int, seed: int) -> list[HeldOut]:
    """`count` folds, stages evenly spread, groups of near-duplicates whole."""
    splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    parts = splitter.split(np.zeros(len(corpus.items)), corpus.labels("stage"), corpus.groups)
    return [HeldOut(f"fold {number}", train, predict) for number, (train, predict) in enumerate(parts)]


def sources_out(corpus: Corpus) -> list[HeldOut]:
    """Each source left out in turn, with its near-duplicates in other sources."""
    sources = np.array([family(item.source) for item in corpus.items])
    result = []
    for source in sorted(set(sources)):
        predict = np.flatnonzero(sources == source)
        alike = np.isin(corpus.groups, corpus.groups[predict])
        train = np.flatnonzero((sources != source) & ~alike)
        if len(train) and len(predict):
            result.append(HeldOut(f"without {source}", train, predict))
    return result


def family(source: str) -> str:
    """`bank` and `bank-t`, two parts of one set, are one source."""
    return source.removesuffix("-t")


def check_apart(parts: Sequence[HeldOut], groups: npt.NDArray[np.int64]) -> None:
    """Raises AssertionError where a group of near-duplicates stands on both sides of a split."""
    for part in parts:
        if set(groups[part.train]) & set(groups[part.predict]):
            raise AssertionError(f"{part.name}: near-duplicates on both sides")
