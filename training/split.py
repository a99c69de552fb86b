"""Step 2, split: which items each model may see when it predicts the others.

reads  the corpus · writes nothing

Two ways to hold out: folds over groups of near-duplicates (how the model does on businesses like those it
knows) and whole sources (how it does elsewhere, which is where every customer of ours is).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from training.corpus import Corpus, family

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


def sources_out(corpus: Corpus, *, batches: int) -> list[HeldOut]:
    """Every source left out once, with its near-duplicates in other sources.

    Where there are more than `batches` sources several leave together: the largest first, each to the batch
    with the fewest items, so that batches are of like size.
    """
    sources = np.array([family(item.source) for item in corpus.items])
    names, counts = np.unique(sources, return_counts=True)
    members: list[list[str]] = [[] for _ in range(min(batches, len(names)))]
    sizes = [0] * len(members)
    for position in np.argsort(-counts, kind="stable"):
        smallest = sizes.index(min(sizes))
        members[smallest].append(str(names[position]))
        sizes[smallest] += int(counts[position])
    result = []
    for batch in members:
        leaving = np.isin(sources, batch)
        predict = np.flatnonzero(leaving)
        alike = np.isin(corpus.groups, corpus.groups[predict])
        train = np.flatnonzero(~leaving & ~alike)
        if len(train):
            result.append(HeldOut(f"without {', '.join(sorted(batch))}", train, predict))
    return result


def check_apart(parts: Sequence[HeldOut], groups: npt.NDArray[np.int64]) -> None:
    """Raises AssertionError where a group of near-duplicates stands on both sides of a split."""
    for part in parts:
        if set(groups[part.train]) & set(groups[part.predict]):
            raise AssertionError(f"{part.name}: near-duplicates on both sides")
