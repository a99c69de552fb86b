"""GoEmotions with its own 28 labels and split, read off the accurate tier's vectors, beside the published figure.

python -m benchmarks.goemotions [--corpus ../shared/corpus] [--out benchmarks/figures/goemotions.json]

A linear probe: the shipped encoder stays as it is, its vectors are the features of one logistic regression per
label, fitted on GoEmotions' whole train part; each label's threshold is the one with the best F1 on the dev part;
the test part is looked at once. The published BERT-base (Demszky et al. 2020, table 4) was fine-tuned on the same
train part as a whole. Our encoder has learnt the train part as one of its auxiliary tasks, never dev or test.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # also when it is not installed

from nlp import artifact  # noqa: E402
from nlp.blend import BlendModel  # noqa: E402
from nlp.codebook import load_codebook  # noqa: E402
from nlp.model import Model, Vectors  # noqa: E402

PUBLISHED: Final = 0.46
"""Macro-F1 of BERT-base on the test part, Demszky et al. 2020."""
BOOTSTRAP_SAMPLES: Final = 1_000
PARTS: Final = ("train", "dev", "test")
LABELS_FILE: Final = "goemotions-labels.txt"
_CHUNK: Final = 2_000

Truth = npt.NDArray[np.bool_]
"""Texts × labels: which labels each text has."""


class WrongFileError(ValueError):
    """A file of GoEmotions is not as published, or may not be measured on."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of GoEmotions."""

    texts: tuple[str, ...]
    truth: Truth


def part_file(part: str) -> str:
    """The name of a part's file in the corpus folder."""
    return f"goemotions-{part}.tsv"


def read_part(path: Path, labels: int) -> Part:
    """Read a part with so many labels. Raises WrongFileError naming a line that is not as published."""
    texts, rows = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line:
            continue
        cells = line.split("\t")
        if len(cells) != 3 or not all(cell.isdigit() and int(cell) < labels for cell in cells[1].split(",")):
            raise WrongFileError(f"{path.name}, line {number}: not text, label numbers, id")
        row = np.zeros(labels, dtype=bool)
        row[[int(cell) for cell in cells[1].split(",")]] = True
        texts.append(cells[0])
        rows.append(row)
    return Part(tuple(texts), np.array(rows, dtype=bool).reshape(-1, labels))


def check_unseen(training_data: Mapping[str, str]) -> None:
    """Raises WrongFileError where an artifact's manifest names the dev or the test part as learnt from."""
    learnt = [part_file(part) for part in ("dev", "test") if part_file(part) in training_data]
    if learnt:
        raise WrongFileError(f"the artifact was trained on {' and '.join(learnt)}: it cannot be measured there")


def read_vectors(model: Model, texts: Sequence[str]) -> Vectors:
    """The encoder's vectors of length one (texts × width); of an artifact that blends, the encoder's alone."""
    encoder = model.encoder if isinstance(model, BlendModel) else model
    return np.concatenate([encoder.look(chunk, [None] * len(chunk)).vectors for chunk in _chunks(texts)])


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), _CHUNK):
        yield texts[start : start + _CHUNK]


def fit_chances(train: Vectors, truth: Truth, others: Sequence[Vectors]) -> list[npt.NDArray[np.float64]]:
    """For each of `others` the probability of every label, by a logistic regression per label.

    A label that no text of `train` has gets probability 0 everywhere.
    """
    scaler = StandardScaler().fit(train)
    rows, wanted = scaler.transform(train), [scaler.transform(vectors) for vectors in others]
    chances = [np.zeros((len(vectors), truth.shape[1])) for vectors in others]
    for label in range(truth.shape[1]):
        if truth[:, label].any():
            head = LogisticRegression(C=1.0, max_iter=2_000).fit(rows, truth[:, label])
            for table, vectors in zip(chances, wanted, strict=True):
                table[:, label] = head.predict_proba(vectors)[:, 1]
    return chances


def best_threshold(chances: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    """The probability from which a label is given, with the best F1 on these texts.

    Halfway between two neighbouring texts, so that it hangs on no text's last digits; 1 where no text has the
    label.
    """
    if not truth.any():
        return 1.0
    order = np.argsort(-chances, kind="stable")
    ranked, right = chances[order], np.cumsum(truth[order])
    scores = 2 * right / (np.arange(1, len(order) + 1) + truth.sum())
    last_of_its_value = np.append(ranked[:-1] > ranked[1:], True)
    last = int(np.argmax(np.where(last_of_its_value, scores, -1.0)))
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + below) / 2)


def figures(truth: Truth, given: Truth, names: Sequence[str], seed: int) -> dict[str, Any]:
    """Macro-F1 over all labels with its 95 % percentile bootstrap over texts, and how each label does."""
    both, meant, said = (table.sum(axis=0) for table in (truth & given, truth, given))
    scores = _f1(both, meant + said)
    weights = np.random.default_rng(seed).multinomial(
        len(truth), np.full(len(truth), 1 / len(truth)), size=BOOTSTRAP_SAMPLES
    )
    drawn = weights.astype(np.float32)
    sampled = _f1(drawn @ (truth & given), drawn @ truth + drawn @ given).mean(axis=1)
    low, high = np.quantile(sampled, [0.025, 0.975])
    labels = [
        {
            "label": name,
            "n": int(meant[place]),
            "given": int(said[place]),
            "precision": round(float(both[place] / max(1, said[place])), 4),
            "recall": round(float(both[place] / max(1, meant[place])), 4),
            "f1": round(float(scores[place]), 4),
        }
        for place, name in enumerate(names)
    ]
    return {
        "macro_f1": round(float(scores.mean()), 4),
        "macro_f1_interval": [round(float(low), 4), round(float(high), 4)],
        "labels": labels,
    }


def _f1(both: npt.NDArray[Any], total: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    scores: npt.NDArray[np.float64] = np.divide(2.0 * both, total, out=np.zeros(np.shape(total)), where=total > 0)
    return scores


def measure(corpus: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Probe the artifact in `folder` on the files of a corpus folder.

    Raises WrongFileError for a file that is not as published, ArtifactError for an artifact that cannot be read.
    """
    ready = artifact.load(folder, load_codebook())
    check_unseen(ready.manifest.training_data)
    names = (corpus / LABELS_FILE).read_text(encoding="utf-8").split()
    parts = {part: read_part(corpus / part_file(part), len(names)) for part in PARTS}
    vectors = {part: read_vectors(ready.model, read.texts) for part, read in parts.items()}
    on_dev, on_test = fit_chances(vectors["train"], parts["train"].truth, [vectors["dev"], vectors["test"]])
    thresholds = [best_threshold(on_dev[:, n], parts["dev"].truth[:, n]) for n in range(len(names))]
    learnt = set(parts["train"].texts)
    return {
        "what": "linear probe on the encoder's frozen vectors; thresholds per label from dev; figures on test",
        "model": ready.manifest.version,
        "n": {part: len(read.texts) for part, read in parts.items()},
        "test_texts_that_train_has_too": sum(text in learnt for text in parts["test"].texts),
        "files": {part_file(part): artifact.sha256(corpus / part_file(part)) for part in PARTS},
        "seed": seed,
        "published_bert_base_macro_f1": PUBLISHED,
        **figures(parts["test"].truth, on_test >= np.array(thresholds), names, seed),
    }


def to_text(found: Mapping[str, Any]) -> str:
    """The figures for a terminal."""
    low, high = found["macro_f1_interval"]
    lines = [
        f"GoEmotions test, {found['n']['test']} texts, {len(found['labels'])} labels, model {found['model']}",
        f"macro-F1 {found['macro_f1']:.3f} [{low:.3f}, {high:.3f}]; "
        f"BERT-base, fine-tuned, as published: {found['published_bert_base_macro_f1']:.2f}",
        f"{found['what']}; {found['n']['train']} texts to fit, {found['n']['dev']} for the thresholds; "
        f"{found['test_texts_that_train_has_too']} test texts stand in train too",
        f"  {'label':16}{'precision':>10}{'recall':>8}{'F1':>6}{'n':>6}{'given':>7}",
    ]
    lines += [
        f"  {row['label']:16}{row['precision']:10.2f}{row['recall']:8.2f}{row['f1']:6.2f}"
        f"{row['n']:6}{row['given']:7}"
        for row in found["labels"]
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print and write; 1 where files or artifact do not allow it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.goemotions", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpus")
    parser.add_argument("--artifact", type=Path, help="by default the shipped one of the accurate tier")
    parser.add_argument("--seed", type=int, default=7, help="of the bootstrap")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("figures") / "goemotions.json")
    arguments = parser.parse_args()
    try:
        found = measure(arguments.corpus, arguments.artifact or artifact.tier_folder("accurate"), arguments.seed)
    except (OSError, WrongFileError, artifact.ArtifactError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(to_text(found))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
