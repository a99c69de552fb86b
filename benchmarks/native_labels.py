"""Texts of the public corpus that have labels of their own, for benchmarks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

CORPUS = Path("../shared/corpus")


def rows_of(corpus: Path, source: str, most: int, *, draw: int = 0) -> list[tuple[str, str]]:
    """Texts with their native labels, evenly over the file; no text twice. Another `draw` has others."""
    found: dict[str, str] = {}
    with gzip.open(corpus / "feedback.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["source"] == source and row.get("native_label"):
                found.setdefault(row["text"], str(row["native_label"]))
    everything = list(found.items())
    order = np.random.default_rng(7 + draw).permutation(len(everything))[:most]
    return [everything[at] for at in order]
