"""Step 1 of the accurate tier, data: our items and the other tasks, as word pieces with targets.

reads  the corpus, corpus/feedback.jsonl.gz, goemotions-train.tsv · writes nothing
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nlp.analysis import FIELDS
from nlp.codebook import Codebook
from nlp.gold import GoldError, GoldItem
from nlp.wordpieces import Pieces, WordPieces
from training.corpus import Corpus, family, normalised
from training.encoder_recipe import AuxiliaryChoices, FitChoices
from training.goemotions import LABELS_FILE

Targets = npt.NDArray[np.float32]
"""A probability per label."""


@dataclass(frozen=True, slots=True)
class Example:
    """One showing of an item."""

    pieces: Pieces
    targets: Mapping[str, Targets]
    """Field to the probabilities that are to be learnt."""
    weights: Mapping[str, float]
    """Field to how much this showing counts in it."""


@dataclass(frozen=True, slots=True)
class Task:
    """Another labelled set whose labels are learnt beside ours, by a head that is thrown away."""

    name: str
    labels: int
    several: bool
    """Whether a text may have several labels."""
    texts: tuple[str, ...]
    truth: tuple[tuple[int, ...], ...]
    """The labels of each text."""


def examples(
    corpus: Corpus, written_sources: Set[str], codebook: Codebook, pieces: WordPieces, choices: FitChoices
) -> list[Example]:
    """Every item, and those with a survey question a second time without it."""
    result = []
    balance = _source_weights(corpus, choices)
    for item, text in zip(corpus.items, corpus.texts, strict=True):
        targets = {field: target_of(item, field, codebook.labels(field), choices) for field in FIELDS}
        whole = choices.written_weight if item.source in written_sources else 1.0
        weights = {field: whole * balance[field][family(item.source)] for field in FIELDS}
        result.append(Example(pieces.pieces(text, item.question), targets, weights))
        if item.question:
            fewer = {field: weight * choices.without_question for field, weight in weights.items()}
            result.append(Example(pieces.pieces(text, None), targets, fewer))
    return result


def _source_weights(corpus: Corpus, choices: FitChoices) -> dict[str, dict[str, float]]:
    """Field to source to weight: where balance is above 0 an item of a large source counts less."""
    counts = Counter(family(item.source) for item in corpus.items)
    mean = len(corpus.items) / max(1, len(counts))
    least, most = choices.source_weights
    return {
        field: {
            source: min(most, max(least, (mean / count) ** choices.source_balance.get(field, 0.0)))
            for source, count in counts.items()
        }
        for field in FIELDS
    }


def target_of(item: GoldItem, field: str, order: Sequence[str], choices: FitChoices) -> Targets:
    """The probabilities that an item's labels ask for, before smoothing."""
    target = np.zeros(len(order), dtype=np.float32)
    second = {"stage": item.stage2, "emotion": item.emotion2}.get(field)
    share = choices.second_label if second is not None else 0.0
    target[order.index(item.labels[field])] = 1 - share
    if second is not None:
        target[order.index(second)] += share
    return target


def task_files(folder: Path) -> list[Path]:
    """The files of a corpus folder that `tasks` reads texts from."""
    return [folder / "feedback.jsonl.gz", folder / "goemotions-train.tsv"]


def label_weights(counts: npt.NDArray[np.floating], choices: FitChoices) -> npt.NDArray[np.float64]:
    """What an item of each label counts, so that rare ones are learnt; `counts` are the weights of their items."""
    filled = np.asarray(counts, dtype=np.float64) + 5
    return np.asarray(np.clip((filled.mean() / filled) ** choices.label_balance, *choices.label_weights))


def tasks(folder: Path, choices: AuxiliaryChoices, *, without: Set[str]) -> list[Task]:
    """The tasks of the recipe from a corpus folder; `without` are normalised texts of the evaluation sets.

    Raises GoldError for a file that is missing or not as published.
    """
    feedback, comments = task_files(folder)
    try:
        labelled = _natively_labelled(feedback, choices, without)
        goemotions = _goemotions(comments, without)
    except (OSError, ValueError, KeyError) as error:
        raise GoldError(f"{folder}: the sets of the other tasks cannot be read ({error!r})") from error
    return [goemotions if name == "goemotions" else labelled[name] for name in choices.shares]


def _goemotions(path: Path, without: Set[str]) -> Task:
    names = path.with_name(LABELS_FILE).read_text(encoding="utf-8").split()
    texts, truth = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        text, numbers = line.split("\t")[:2]
        if normalised(text) not in without:
            texts.append(text)
            truth.append(tuple(map(int, numbers.split(","))))
    return Task("goemotions", len(names), True, tuple(texts), tuple(truth))


def _natively_labelled(path: Path, choices: AuxiliaryChoices, without: Set[str]) -> dict[str, Task]:
    rows: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            name, label = family(entry["source"]), entry.get("native_label")
            if name in choices.shares and label and normalised(entry["text"]) not in without:
                rows[name].append((entry["text"], label))
    result = {}
    for name, pairs in rows.items():
        least = choices.min_examples.get(name, choices.min_examples["other"])
        counts = Counter(label for _, label in pairs)
        frequent = sorted(label for label, count in counts.items() if count >= least)
        order = {label: number for number, label in enumerate(frequent)}
        kept = [(text, order[label]) for text, label in pairs if label in order]
        result[name] = Task(
            name, len(order), False, tuple(text for text, _ in kept), tuple((number,) for _, number in kept)
        )
    return result
