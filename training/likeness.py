"""How everyday feedback lies in the encoder's space, for texts to be compared (see `nlp/likeness.py`).

    python -m training.likeness [--corpus FOLDER]

reads  texts of many sources, as many of each · writes data/models/likeness.npz (a mean and directions, no texts)

To be run whenever an accurate model with another encoder is published. The sources by which themes are measured
(Banking77, NHS comments, CLINC150) are left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from nlp.artifact import MODELS_FOLDER
from nlp.blend import BlendModel
from nlp.encoder import GRAPH_FILE
from nlp.likeness import SPREAD_FILE, Spread, readable
from nlp.pipeline import Pipeline

SOURCES: Final = (
    "compare",
    "curekart",
    "jupyter",
    "multidogo",
    "nlupp",
    "powerplay11",
    "products",
    "proscons",
    "rlang",
    "sofmattress",
    "softrecs",
    "tbfollow",
    "tbird",
)
OF_EACH: Final = 700
SHORTEST, LONGEST = 12, 500  # characters
CORPUS: Final = Path(__file__).parents[2] / "shared" / "corpus"


def texts_of(corpus: Path) -> list[str]:
    """So many texts of each source, the same at each run."""
    found: dict[str, list[str]] = {source: [] for source in SOURCES}
    with gzip.open(corpus / "feedback.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["source"] in found and SHORTEST <= len(row["text"]) <= LONGEST:
                found[row["source"]].append(row["text"])
    rng = np.random.default_rng(3)
    return [
        readable(texts[at]) for _, texts in sorted(found.items()) for at in rng.permutation(len(texts))[:OF_EACH]
    ]


def measure(texts: Sequence[str]) -> Spread:
    """By the shipped accurate model's encoder."""
    artifact = Pipeline.load(None, "accurate").artifact
    if not isinstance(artifact.model, BlendModel):
        raise SystemExit("the accurate model has no encoder beside its linear heads")
    rows = artifact.model.encoder.look(texts, [None] * len(texts)).vectors
    return Spread.measured(artifact.manifest.files[GRAPH_FILE], rows)


def write(spread: Spread, path: Path) -> None:
    """Half precision is plenty: what is compared are angles."""
    np.savez_compressed(
        path,
        encoder=np.array(spread.encoder),
        mean=spread.mean.astype(np.float16),
        directions=spread.directions.astype(np.float16),
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    texts = texts_of(parser.parse_args().corpus)
    write(measure(texts), MODELS_FOLDER / SPREAD_FILE)
    print(f"{len(texts)} texts read")


if __name__ == "__main__":
    main()
