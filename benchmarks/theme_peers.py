"""Other groupings of the texts that `benchmarks/themes.py` groups, from the very same vectors.

    python -m benchmarks.themes --lend FOLDER              # texts, vectors and native labels' numbers, by size
    OTHER-PYTHON -m benchmarks.theme_peers FOLDER/1000     # in an environment with the peers, once for each size
    python -m benchmarks.themes --peers FOLDER             # their groups scored beside ours

BERTopic 0.17 (`pip install bertopic==0.17.0`) with its own settings; reduced to as many topics as there are
labels; and both with outliers put to the nearest topic, so that nothing is left out. Obsei 1.1.1: its own rule of
assignment, one text after the other, at the similarity that its default model has, and at the one that comes
nearest to as many groups as there are labels. What cannot be imported is left out. The folder holds customers'
words: it is for a temporary place.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def bertopic(texts: list[str], vectors: Any, groups: int) -> dict[str, list[int]]:
    """As it is, reduced, and with outliers put to topics."""
    from bertopic import BERTopic
    from umap import UMAP

    def fitted(topics: int | None) -> Any:
        reducer = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=7)
        model = BERTopic(umap_model=reducer, nr_topics=topics, calculate_probabilities=False)
        return model, model.fit_transform(texts, vectors)[0]

    def with_outliers(model: Any, group: Any) -> Any:
        if -1 not in group or max(group) < 0:  # it refuses where there are none, and where there is nothing else
            return group
        return model.reduce_outliers(texts, group, strategy="embeddings", embeddings=vectors)

    plain, found = fitted(None)
    whole = with_outliers(plain, found)
    fine_reducer = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=7)
    fine = BERTopic(umap_model=fine_reducer, min_topic_size=3, nr_topics=groups + 1)
    exact = fine.fit_transform(texts, vectors)[0]
    everything = with_outliers(fine, exact)
    return {
        "BERTopic, its own settings": list(map(int, found)),
        "BERTopic, its own settings, outliers put to topics": list(map(int, whole)),
        "BERTopic, reduced to as many": list(map(int, exact)),
        "BERTopic, reduced to as many, outliers put to topics": list(map(int, everything)),
    }


class _Store:
    """What obsei's rule asks of its database, in memory."""

    def __init__(self, vectors: Any) -> None:
        self.rows = vectors
        self.centres: dict[str, Any] = {}
        self.sizes: dict[str, int] = {}
        self.group: dict[str, str] = {}

    def unassigned(self, _model: str, _most: int) -> list[tuple[str, Any]]:
        return [(str(at), row) for at, row in enumerate(self.rows)]

    def nearest_record(self, _vector: Any, _model: str) -> None:
        return None

    def nearest_theme(self, vector: Any, _model: str) -> tuple[str, float] | None:
        if not self.centres:
            return None
        near = np.stack(list(self.centres.values())) @ np.asarray(vector)
        return list(self.centres)[int(near.argmax())], float(near.max())

    def theme_centroid(self, theme: str) -> tuple[Any, int]:
        return self.centres[theme], self.sizes[theme]

    def save_theme(self, theme: str, _model: str, vector: Any, size: int) -> None:
        self.centres[theme], self.sizes[theme] = np.asarray(vector), size

    def assign(self, record: str, theme: str, _similarity: float, _copy: Any) -> None:
        self.group[record] = theme


def obsei(_texts: list[str], vectors: Any, groups: int) -> dict[str, list[int]]:
    """Its rule at its default similarity, and at the one that comes nearest to so many groups."""
    from obsei.themes import ThemeReport, ThemesConfig, _assign

    def at(similarity: float) -> list[int]:
        store = _Store(vectors.astype(np.float64))
        _assign(store, "local", ThemesConfig(similarity=similarity), ThemeReport())
        numbers = {theme: number for number, theme in enumerate(store.centres)}
        return [numbers[store.group[str(row)]] for row in range(len(vectors))]

    tried = {level: at(level) for level in np.arange(0.1, 0.8, 0.05).round(2).tolist()}
    nearest = min(tried, key=lambda level: abs(len(set(tried[level])) - groups))
    return {"Obsei, its default similarity": at(0.65), "Obsei, as many groups": tried[nearest]}


PEERS: dict[str, Callable[[list[str], Any, int], dict[str, list[int]]]] = {"bertopic": bertopic, "obsei": obsei}


def main() -> None:
    """Group every source in the folder by every peer that can be imported."""
    folder = Path(sys.argv[1])
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as arrays:
            vectors, groups = arrays["vectors"], int(arrays["groups"])
        texts = json.loads(path.with_suffix(".texts.json").read_text(encoding="utf-8"))
        for name, peer in PEERS.items():
            started = time.process_time()
            try:
                found = peer(texts, vectors, groups)
            except ImportError as error:
                print(f"{name} is left out: {error}")
                continue
            answer = {"cpu_seconds": round(time.process_time() - started, 1), "groups": found}
            (folder / f"{path.stem}.{name}.peer.json").write_text(json.dumps(answer), encoding="utf-8")
            print(path.stem, name, answer["cpu_seconds"], flush=True)


if __name__ == "__main__":
    main()
