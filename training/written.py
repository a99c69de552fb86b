"""What the texts that we wrote are like beside real ones: `python -m training.written`.

reads  data/written/*.tsv, data/relabelled/written-blind.tsv, gold/train.tsv, the corpus's feedback.jsonl.gz ·
writes nothing

Texts are measured as models read them: cleaned, redacted, in tokens of `nlp.features` (small letters, numbers by
their number of digits, "!" and "?" as tokens). Texts not in English are left out, as in training.
"""

import argparse
import gzip
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from nlp.analysis import FIELDS
from nlp.clean import clean
from nlp.codebook import Codebook, load_codebook
from nlp.features import tokens
from nlp.gold import GoldError, GoldItem, read_gold
from nlp.language import LanguageDetector
from nlp.redact import as_read
from nlp.segment_gold import FEEDBACK_FILE
from training.__main__ import DEFAULT_CORPUS, DEFAULT_GOLD, DEFAULT_WRITTEN
from training.corpus import like_any, near_duplicate_groups
from training.second_reading import BLIND_FILE, agreement_lines

SLICE: Final = 10_000
"""Tokens of a slice whose distinct words and pairs are counted."""
SHORT: Final = 3
"""A text of so many words or fewer counts as short."""
_MARKS = {"!", "?"}

Tokens = Sequence[Sequence[str]]
"""The tokens of each text."""


@dataclass(frozen=True, slots=True)
class TextSet:
    """Texts of one origin, in a shuffled order, so that a first part of them is a fair sample."""

    name: str
    texts: tuple[str, ...]
    tokens: tuple[tuple[str, ...], ...]


def text_set(name: str, texts: Sequence[str], *, seed: int) -> TextSet:
    """The English ones of some texts as models read them, shuffled by the seed."""
    detector = LanguageDetector()
    read = [as_read(clean(text)).text for text in texts]
    english = [text for text in read if text.strip() and detector.detect(text).supported]
    random.Random(seed).shuffle(english)  # noqa: S311 a fair order, no secret
    return TextSet(name, tuple(english), tuple(tuple(tokens(text)) for text in english))


def real_texts(feedback: Path, *, count: int, without: frozenset[str], seed: int) -> list[str]:
    """`count` texts of the corpus drawn at random, none of the ids in `without`; all where it has fewer."""
    with gzip.open(feedback, "rt", encoding="utf-8") as file:
        entries = (json.loads(line) for line in file)
        texts = [entry["text"] for entry in entries if entry["id"] not in without]
    return random.Random(seed).sample(texts, min(count, len(texts)))  # noqa: S311 a fair draw, no secret


def word_counts(texts: Tokens) -> list[int]:
    """Words of each text; marks are none."""
    return [sum(token not in _MARKS for token in text) for text in texts]


def first_tokens(texts: Tokens, count: int) -> list[list[str]]:
    """The first texts up to `count` tokens together; the last one is cut."""
    taken: list[list[str]] = []
    for text in texts:
        if count <= 0:
            break
        taken.append(list(text[:count]))
        count -= len(taken[-1])
    return taken


def type_token_ratio(texts: Tokens) -> float:
    """Different tokens per token; falls with the length, so compare equal numbers of tokens only. 0 of none."""
    total = sum(map(len, texts))
    return len({token for text in texts for token in text}) / total if total else 0.0


def distinct_per_slice(texts: Tokens, size: int = SLICE) -> tuple[float, float] | None:
    """Mean number of different tokens, and of different pairs within a text, in slices of `size` tokens.

    The rest that fills no slice is left out; None where there is no whole slice.
    """
    stream = [(number, token) for number, text in enumerate(texts) for token in text]
    slices = [stream[start : start + size] for start in range(0, len(stream) - size + 1, size)]
    if not slices:
        return None
    singles = [len({token for _, token in part}) for part in slices]
    pairs = [
        len({(one, other) for (text, one), (next_text, other) in pairwise(part) if text == next_text})
        for part in slices
    ]
    return float(np.mean(singles)), float(np.mean(pairs))


def covered(texts: Tokens, vocabulary: frozenset[str]) -> tuple[float, float]:
    """Share of the tokens, and of the different tokens, of some texts that a vocabulary holds; 0 of none."""
    counts = Counter(token for text in texts for token in text)
    known = [token for token in counts if token in vocabulary]
    total = counts.total()
    return (sum(counts[token] for token in known) / total, len(known) / len(counts)) if total else (0.0, 0.0)


def vocabulary(texts: Tokens) -> frozenset[str]:
    """All different tokens."""
    return frozenset(token for text in texts for token in text)


def alike_inside(texts: Sequence[str], *, cosine: float) -> float:
    """Share of the texts that have a near-duplicate among the others."""
    sizes = np.bincount(near_duplicate_groups(texts, cosine=cosine))
    return float(sizes[sizes > 1].sum() / len(texts))


def text_lines(sets: Sequence[TextSet], *, cosine: float) -> Iterator[str]:
    """A Markdown table with a column per set; every comparison is with the first one."""
    ours, others = sets[0], sets[1:]
    equal = min(len(entry.texts) for entry in sets)
    length = min(sum(map(len, entry.tokens)) for entry in sets)
    columns = [_column(entry, ours, others, equal=equal, length=length, cosine=cosine) for entry in sets]
    yield "| | " + " | ".join(entry.name for entry in sets) + " |"
    yield "|---|" + "---|" * len(sets)
    for measure in columns[0]:
        yield f"| {measure} | " + " | ".join(column[measure] for column in columns) + " |"


def _column(
    entry: TextSet, ours: TextSet, others: Sequence[TextSet], *, equal: int, length: int, cosine: float
) -> dict[str, str]:
    """Measure to figure for one set."""
    words = word_counts(entry.tokens)
    low, median, high = np.quantile(words, [0.25, 0.5, 0.75])
    distinct = distinct_per_slice(entry.tokens)
    column = {
        "texts in English": f"{len(entry.texts):,}",
        "words: quartile, median, quartile": f"{low:.0f}, {median:.0f}, {high:.0f}",
        f"texts of 1–{SHORT} words": f"{np.mean([count <= SHORT for count in words]):.1%}",
        f"type-token ratio on {length:,} tokens": f"{type_token_ratio(first_tokens(entry.tokens, length)):.3f}",
        f"different tokens per {SLICE:,}": f"{distinct[0]:,.0f}" if distinct else "–",
        f"different pairs per {SLICE:,}": f"{distinct[1]:,.0f}" if distinct else "–",
        f"with a near-duplicate inside ({equal:,} texts each)": (
            f"{alike_inside(entry.texts[:equal], cosine=cosine):.1%}"
        ),
        f"with a near-duplicate in {ours.name}": "–",
    }
    if entry is not ours:
        near = like_any(entry.texts, ours.texts, cosine=cosine)
        column[f"with a near-duplicate in {ours.name}"] = f"{near.mean():.1%}"
    for other in (ours, *others):
        cell = "–"
        if other is not entry:
            running, different = covered(entry.tokens, vocabulary(first_tokens(other.tokens, length)))
            cell = f"{running:.1%}, {different:.1%}"
        column[f"tokens, types known from {length:,} tokens of {other.name}"] = cell
    return column


def label_lines(items: Mapping[str, Sequence[GoldItem]], codebook: Codebook) -> Iterator[str]:
    """Per field the share of each label in percent, the sets side by side in the order of the mapping."""
    for field in FIELDS:
        shares = []
        for label in codebook.labels(field):
            parts = [
                f"{100 * sum(item.labels[field] == label for item in some) / len(some):.1f}"
                for some in items.values()
            ]
            shares.append(f"{label} {' / '.join(parts)}")
        yield f"- {field}: " + ", ".join(shares)


def report(
    written: Path, gold: Path, feedback: Path, blind: Path, codebook: Codebook, *, seed: int, cosine: float
) -> Iterator[str]:
    """All that is measured, as Markdown lines; what is missing (gold, corpus, readings) is left out and said."""
    ours = [item for path in sorted(written.glob("*.tsv")) for item in read_gold(path, codebook)]
    if not ours:
        raise GoldError(f"{written}: no texts")
    labelled = {"ours": ours}
    sets = [text_set("ours", [item.text for item in ours], seed=seed)]
    known: frozenset[str] = frozenset()
    for path in (gold / "train.tsv", feedback, blind):
        if not path.is_file():
            yield f"{path.name} is not there: without it.\n"
    if (gold / "train.tsv").is_file():
        labelled["gold"] = read_gold(gold / "train.tsv", codebook)
        known = frozenset(item.id for item in labelled["gold"])
        sets.append(text_set("gold", [item.text for item in labelled["gold"]], seed=seed))
    if feedback.is_file():
        drawn = real_texts(feedback, count=len(ours), without=known, seed=seed)
        sets.append(text_set("corpus", drawn, seed=seed))
    yield from text_lines(sets, cosine=cosine)
    yield f"\nShares of labels in percent, {' / '.join(labelled)}:\n"
    yield from label_lines(labelled, codebook)
    if blind.is_file():
        yield ""
        yield from agreement_lines(blind, codebook, seed=seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m training.written", description=__doc__)
    parser.add_argument("--written", type=Path, default=DEFAULT_WRITTEN)
    parser.add_argument("--gold", type=Path, default=DEFAULT_GOLD, help="folder with train.tsv")
    parser.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS, help=f"folder with {FEEDBACK_FILE}")
    parser.add_argument("--blind", type=Path, default=BLIND_FILE, help="the two readings of a sample")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cosine", type=float, default=0.8, help="of near-duplicates")
    given = parser.parse_args(arguments)
    try:
        for line in report(
            given.written,
            given.gold,
            given.corpus / FEEDBACK_FILE,
            given.blind,
            load_codebook(),
            seed=given.seed,
            cosine=given.cosine,
        ):
            print(line, flush=True)
    except GoldError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
