"""Ours beside other groupings over several draws of texts: how sure a difference of a single draw is.

    python -m benchmarks.theme_draws FOLDER --lend 8 --first 20        # texts and vectors, a folder a draw
    OTHER-PYTHON -m benchmarks.theme_peers FOLDER/0                    # and so on: see benchmarks/theme_peers.py
    python -m benchmarks.theme_draws FOLDER [--figures FILE]           # differences of AMI, ours less theirs

Each source is one lot, then cut into those of the product (stage, topic and side, by the fast tier). All ways make
as many groups as there are labels, or as many as BERTopic made; where that leaves texts out, as many of ours are
left out (`benchmarks/themes.py`). Draws of one source overlap, so the t interval over draws is somewhat too narrow
for the source itself. How ours makes as many groups as asked for was chosen on draws 0 to 7; 20 to 27 were looked
at once, afterwards.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.native_labels import CORPUS, rows_of
from benchmarks.themes import cells_of, k_means, lend, peers_of, scores, surest, within
from nlp import themes as groups_of
from nlp.likeness import Likeness, readable
from nlp.pipeline import Pipeline

SOURCES = ("bank", "nhs")
# within lots: each other way, and ours on equal terms
EQUAL = {
    "k-means": "ours",
    "Obsei, as many groups": "ours",
    "BERTopic, reduced to as many": "ours, as many groups as BERTopic, as much left out",
    "BERTopic, reduced to as many, outliers put to topics": "ours, as many groups as BERTopic",
}


def lend_draws(folder: Path, corpus: Path, draws: range, most: int) -> None:
    """Write each draw's texts and vectors for the peers, and its native labels."""
    artifact, fast = Pipeline.load(None, "accurate").artifact, Pipeline.load(None, "fast")
    likeness = Likeness.of_artifact(artifact, "accurate")
    for draw in draws:
        for source in SOURCES:
            rows = rows_of(corpus, source, most, draw=draw)
            texts = [readable(text) for text, _ in rows]
            kinds, native = np.unique([label for _, label in rows], return_inverse=True)
            vectors = likeness.vectors(texts)
            lend(folder / str(draw), source, texts, vectors, len(kinds))
            within(source, texts, native, vectors, cells_of(texts, fast), lent=folder / str(draw), peers=None)
            (folder / str(draw) / f"{source}.native.json").write_text(
                json.dumps(native.tolist()), encoding="utf-8"
            )


def differences(folder: Path, source: str) -> dict[str, float]:
    """Of one draw: AMI of ours less that of each other way, on equal terms."""
    with np.load(folder / f"{source}.npz") as arrays:
        vectors, groups = arrays["vectors"], int(arrays["groups"])
    native = np.array(json.loads((folder / f"{source}.native.json").read_text(encoding="utf-8")))
    ours = groups_of.find(vectors, groups=groups)
    found = {"k-means": scores(native, ours)["ami"] - scores(native, k_means(vectors, groups))["ami"]}
    for way, one in peers_of(folder, source, native).items():
        if not isinstance(one, dict) or way == "Obsei, its default similarity":
            continue
        own = ours
        if way.startswith("BERTopic, its own"):
            own = groups_of.find(vectors, groups=int(one["groups"]))
        if one["coverage"] < 1:
            own = surest(vectors, own, one["coverage"])
        found[way] = scores(native, own)["ami"] - one["ami"]
    return found


def differences_within(folder: Path, source: str, fast: Pipeline) -> dict[str, float]:
    """The same within the product's lots, weighted by texts."""
    with np.load(folder / f"{source}.npz") as arrays:
        vectors = arrays["vectors"]
    texts, native = (
        json.loads((folder / f"{source}.{part}.json").read_text(encoding="utf-8")) for part in ("texts", "native")
    )
    found = within(source, texts, np.array(native), vectors, cells_of(texts, fast), lent=None, peers=folder)
    return {way: found[own]["ami"] - found[way]["ami"] for way, own in EQUAL.items() if way in found}


def over_draws(values: list[float]) -> dict[str, Any]:
    """Mean with its 95 % t interval (Student 1908) and in how many draws ours was ahead."""
    n, mean = len(values), float(np.mean(values))
    half = float(student.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {
        "draws": n,
        "mean": round(mean, 4),
        "interval": [round(mean - half, 4), round(mean + half, 4)],
        "ahead": sum(value > 0 for value in values),
    }


def main() -> None:
    """Lend, or print the figures and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds customers' words: a temporary place")
    parser.add_argument("--lend", type=int, metavar="DRAWS")
    parser.add_argument("--first", type=int, default=0, help="number of the first of these draws")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--texts", type=int, default=1_000, help="of each draw")
    parser.add_argument("--figures", type=Path)
    given = parser.parse_args()
    if given.lend:
        lend_draws(given.folder, given.corpus, range(given.first, given.first + given.lend), given.texts)
        return
    folders = sorted(one for one in given.folder.iterdir() if one.is_dir())
    found: dict[str, Any] = {}
    fast = Pipeline.load(None, "fast")
    for source in SOURCES:
        whole = [differences(folder, source) for folder in folders]
        lots = [differences_within(folder, source, fast) for folder in folders]
        for name, of_draws in ((source, whole), (f"{source}, within stage, topic and side", lots)):
            found[name] = {way: over_draws([one[way] for one in of_draws]) for way in of_draws[0]}
    written = json.dumps(found, indent=1)
    print(written)
    if given.figures:
        given.figures.write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
