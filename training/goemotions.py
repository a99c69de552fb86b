"""Step 1b, further texts for emotion and sentiment: GoEmotions, its labels mapped to ours by the recipe.

reads  corpus/goemotions-train.tsv, goemotions-labels.txt · writes nothing

The gold set's emotions come from few kinds of business, in which nobody happens to write "horrible" or
"furious". Comments with one label of GoEmotions (Demszky et al. 2020, Apache-2.0) teach such words; they count
less than gold rows.
"""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nlp.gold import GoldError
from training.corpus import normalised
from training.recipe import Recipe

LABELS_FILE = "goemotions-labels.txt"


@dataclass(frozen=True, slots=True)
class FurtherTexts:
    """Texts with a label in one field each way; a field's texts and labels run in parallel."""

    texts: dict[str, tuple[str, ...]]
    labels: dict[str, tuple[str, ...]]

    @property
    def count(self) -> int:
        """Rows over all fields."""
        return sum(map(len, self.texts.values()))


NOTHING_FURTHER = FurtherTexts({}, {})


def read_goemotions(path: Path, recipe: Recipe, *, without: Set[str]) -> FurtherTexts:
    """Rows with one mapped label, at most `most_per_label` of each of ours, in an order drawn by the seed.

    `without` are normalised texts of the evaluation sets. Raises GoldError for a file that is not as published.
    """
    names = (path.with_name(LABELS_FILE)).read_text(encoding="utf-8").split()
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        cells = line.split("\t")
        if len(cells) != 3 or not all(n.isdigit() and int(n) < len(names) for n in cells[1].split(",")):
            raise GoldError(f"{path}, line {number}: not text, label numbers, id")
        if "," not in cells[1] and normalised(cells[0]) not in without:
            rows.append((cells[0], names[int(cells[1])]))
    order = np.random.default_rng(recipe.seed).permutation(len(rows))
    texts: dict[str, tuple[str, ...]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    for field, mapping in recipe.goemotions.items():
        taken: list[tuple[str, str]] = []
        counts: Counter[str] = Counter()
        for position in order:
            text, name = rows[position]
            label = mapping.get(name)
            if label is not None and counts[label] < recipe.most_per_label:
                counts[label] += 1
                taken.append((text, label))
        texts[field] = tuple(text for text, _ in taken)
        labels[field] = tuple(label for _, label in taken)
    return FurtherTexts(texts, labels)
