"""How far a blind second reading of our own texts agrees with their labels.

reads  data/relabelled/written-blind.tsv · writes nothing

The file holds both readings, so that later corrections in `data/written` do not raise the figure: columns `id,
reader` (`first`: as it stood in `data/written`; `second`: the blind one) and the labels of a gold file. Training
does not read it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.evaluate import BOOTSTRAP_SAMPLES, FieldScore, Interval, interval, score_field
from nlp.gold import GoldError
from training.relabelled import RELABELLED_FOLDER

BLIND_FILE: Final = RELABELLED_FOLDER / "written-blind.tsv"
_COLUMNS = ["id", "reader", "stage", "stage2", "emotion", "emotion2", "sentiment", "topic", "touchpoint"]

Reading = Mapping[str, str]
"""Column to label; `-` for no second label."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two readings agree in one field."""

    score: FieldScore
    """The second reading against the first, which counts as the truth here."""
    kappa: float
    kappa_interval: Interval
    differing: tuple[tuple[str, str, int], ...]
    """First reader's label, second reader's, number of items; the most frequent first."""
    other_pair: int
    """Items whose labels differ, but one reader's label is the other's second one."""


def read_readings(path: Path, codebook: Codebook) -> list[tuple[Reading, Reading]]:
    """The first and the second reading of each item, ordered by id.

    Raises GoldError for a missing file, another header, a label that the codebook lacks, or an item that has not
    exactly one reading of each reader.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise GoldError(f"{path}: cannot be read ({error.strerror})") from error
    if not lines or lines[0].split("\t") != _COLUMNS:
        raise GoldError(f"{path}: the first line must be the header {', '.join(_COLUMNS)}")
    first: dict[str, Reading] = {}
    second: dict[str, Reading] = {}
    readings = {"first": first, "second": second}
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(_COLUMNS) or cells[1] not in readings or cells[0] in readings[cells[1]]:
            raise GoldError(f"{path.name}, line {number}: not one reading of one item")
        row = dict(zip(_COLUMNS, cells, strict=True))
        for column in _COLUMNS[2:]:
            field, optional = column.removesuffix("2"), column.endswith("2")
            if not (optional and row[column] == "-") and row[column] not in codebook.labels(field):
                raise GoldError(f"{path.name}, line {number}: {row[column]!r} is no {field} of the codebook")
        readings[row["reader"]][row["id"]] = row
    if first.keys() != second.keys():
        raise GoldError(f"{path}: {len(first.keys() ^ second.keys())} items have one reading only")
    return [(first[item], second[item]) for item in sorted(first)]


def agreement(pairs: Sequence[tuple[Reading, Reading]], field: str, codebook: Codebook, *, seed: int) -> Agreement:
    """Compare the two readings in one field. Raises ValueError without items."""
    first = np.array([one[field] for one, _ in pairs])
    second = np.array([other[field] for _, other in pairs])
    score = score_field(first, second, np.ones(len(pairs)), codebook.labels(field), seed)
    differing = Counter(
        (one, other) for one, other in zip(first.tolist(), second.tolist(), strict=True) if one != other
    )
    seconds = f"{field}2"
    return Agreement(
        score=score,
        kappa=float(kappa(first, second, np.ones((1, len(pairs))))[0]),
        kappa_interval=interval(kappa(first, second, _resampled(len(pairs), seed))),
        differing=tuple(
            (one, other, n) for (one, other), n in sorted(differing.items(), key=lambda e: (-e[1], e[0]))
        ),
        other_pair=sum(
            one[field] != other[field] and (one[field] == other.get(seconds) or one.get(seconds) == other[field])
            for one, other in pairs
        ),
    )


def kappa(
    first: npt.NDArray[np.str_], second: npt.NDArray[np.str_], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Cohen's kappa (1960) per row of `weights`, which hold how often each item counts; 1 where chance is all.

    With p the weighted share of equal labels and e the sum over labels of the product of both readers' shares:
    (p - e) / (1 - e).
    """
    total = weights.sum(axis=1)
    same = weights @ (first == second) / total
    chance = np.zeros(len(weights))
    for label in np.union1d(first, second):
        chance += (weights @ (first == label)) * (weights @ (second == label)) / total**2
    result: npt.NDArray[np.float64] = np.ones(len(weights))
    np.divide(same - chance, 1 - chance, out=result, where=chance < 1)
    return result


def agreement_lines(path: Path, codebook: Codebook, *, seed: int) -> Iterator[str]:
    """The agreement as Markdown: a table of the fields, then what the second reader said instead of each stage."""
    pairs = read_readings(path, codebook)
    found = {field: agreement(pairs, field, codebook, seed=seed) for field in FIELDS}
    yield f"| {len(pairs)} texts read twice | kappa | equal | macro-F1, n ≥ 10 | differ, but in the pair |"
    yield "|---|---|---|---|---|"
    for field, entry in found.items():
        score = entry.score
        macro = "–"
        if score.macro_f1 is not None and score.macro_f1_interval is not None:
            macro = _with_interval(score.macro_f1, score.macro_f1_interval)
        pair = str(entry.other_pair) if field in ("stage", "emotion") else "–"
        yield (
            f"| {field} | {_with_interval(entry.kappa, entry.kappa_interval)} | "
            f"{_with_interval(score.accuracy, score.accuracy_interval)} | {macro} | {pair} |"
        )
    yield ""
    yield "| stage in the file | n | F1 | the second reader said instead |"
    yield "|---|---|---|---|"
    for label in found["stage"].score.labels:
        instead = ", ".join(f"{other} {n}" for one, other, n in found["stage"].differing if one == label.label)
        yield f"| {label.label} | {label.n} | {label.f1:.2f} | {instead or '–'} |"
    for field in FIELDS[1:]:
        most = ", ".join(f"{one} → {other} {n}" for one, other, n in found[field].differing[:8])
        yield f"\nMost frequent differences in {field} (file → second reader): {most or 'none'}."


def _with_interval(value: float, ends: Interval) -> str:
    return f"{value:.2f} ({ends[0]:.2f}–{ends[1]:.2f})"


def _resampled(count: int, seed: int) -> npt.NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=BOOTSTRAP_SAMPLES).astype(np.float64)
