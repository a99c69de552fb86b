"""Step 1, corpus: read the gold sets, keep what can be learnt from, part what is too alike.

reads  gold/train.tsv, dev.tsv, elsewhere.tsv, data/written/*.tsv, data/relabelled/*.tsv, data/evaluation/*.tsv,
data/evaluation/segments/documents.tsv, the corpus's feedback.jsonl.gz · writes nothing
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from nlp.clean import clean
from nlp.codebook import DATA_FOLDER, Codebook
from nlp.features import Matrix
from nlp.gold import GoldItem, read_gold
from nlp.language import LanguageDetector
from nlp.redact import as_read
from nlp.segment_gold import FEEDBACK_FILE, part_ids, part_texts
from nlp.segments import Segmenter
from training.relabelled import RELABELLED_FOLDER, corrected

EVALUATION_FOLDER: Final = DATA_FOLDER / "evaluation"
"""Texts of our own that learning from corrections is judged by."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is trained on. All sequences run over the same items."""

    items: tuple[GoldItem, ...]
    texts: tuple[str, ...]
    """The texts as models read them: cleaned and redacted."""
    segments: tuple[tuple[str, ...], ...]
    """The segments of each text; one for most."""
    groups: npt.NDArray[np.int64]
    """Number of the group of near-duplicates of each item."""
    dropped_foreign: int
    """Items left out because they are not in English."""
    dropped_alike: int
    """Items left out because an evaluation set holds the same or nearly the same text."""
    evaluation: frozenset[str]
    """The evaluation sets' texts, normalised, for whoever adds further texts."""

    @property
    def questions(self) -> tuple[str | None, ...]:
        """The survey question of each item."""
        return tuple(item.question for item in self.items)

    def labels(self, field: str) -> npt.NDArray[np.str_]:
        """The label of each item in one field."""
        return np.array([item.labels[field] for item in self.items])


def read_corpus(
    gold: Path,
    codebook: Codebook,
    *,
    near_duplicate_cosine: float,
    written: Path | None = None,
    held_out: Sequence[str] = (),
    further: Sequence[GoldItem] = (),
    feedback: Path | None = None,
) -> Corpus:
    """Read `train.tsv` of a folder, the files of `written`, texts of our own in the same form, and `further`.

    Files of `written` with a name in `held_out` are not read. What is like a text of `dev.tsv` or `elsewhere.tsv`
    of the gold folder or of `data/evaluation` is left out; `feedback` is the corpus folder, where the texts of its
    segmented documents stand.
    """
    files = training_files(gold, written, held_out)
    return corpus_of(
        files, gold, codebook, near_duplicate_cosine=near_duplicate_cosine, further=further, feedback=feedback
    )


def corpus_of(
    files: Sequence[Path],
    gold: Path,
    codebook: Codebook,
    *,
    near_duplicate_cosine: float,
    further: Sequence[GoldItem] = (),
    relabelled: Path = RELABELLED_FOLDER,
    feedback: Path | None = None,
) -> Corpus:
    """Read some files in the form of gold files, and `further` items, without what is like an evaluation text.

    Where a second reader changed a label (`relabelled`, see there), the changed one counts. Texts of the segmented
    documents are left out by their ids, and with `feedback`, the corpus folder, what is like them too.
    """
    detector = LanguageDetector()
    items = [item for path in files for item in read_gold(path, codebook)]
    items = corrected([*items, *further], relabelled, codebook)
    everything = [(item, as_read(clean(item.text)).text) for item in items]
    english = [(item, text) for item, text in everything if text.strip() and detector.detect(text).supported]
    evaluation = [
        as_read(clean(item.text)).text for path in evaluation_files(gold) for item in read_gold(path, codebook)
    ]
    documents = _document_texts(feedback)
    evaluation += [as_read(clean(text)).text for text in documents]
    alike = like_any([text for _, text in english], evaluation, cosine=near_duplicate_cosine)
    set_aside = part_ids()
    kept = [pair for pair, leaks in zip(english, alike, strict=True) if not leaks and pair[0].id not in set_aside]
    texts = [text for _, text in kept]
    spans = Segmenter().segments(texts)
    return Corpus(
        items=tuple(item for item, _ in kept),
        texts=tuple(texts),
        segments=tuple(
            tuple(text[start:end] for start, end in parts) for text, parts in zip(texts, spans, strict=True)
        ),
        groups=near_duplicate_groups(texts, cosine=near_duplicate_cosine),
        dropped_foreign=len(everything) - len(english),
        dropped_alike=len(english) - len(kept),
        # as they stand in the corpus too, for those who compare before anything is cleaned
        evaluation=frozenset(map(normalised, [*evaluation, *documents])),
    )


def training_files(gold: Path, written: Path | None, held_out: Sequence[str] = ()) -> list[Path]:
    """The files that are trained on, in a fixed order; of `written` all but those with a name in `held_out`."""
    own = sorted(written.glob("*.tsv")) if written is not None else []
    return [gold / "train.tsv", *(path for path in own if path.name not in held_out)]


def family(source: str) -> str:
    """`bank` and `bank-t`, two parts of one set, are one source."""
    return source.removesuffix("-t")


def real_sources(gold: Path, further: Sequence[GoldItem], codebook: Codebook) -> frozenset[str]:
    """The sources whose texts customers wrote: those of `train.tsv` and of `further`; the others are our own."""
    return frozenset(family(item.source) for item in [*read_gold(gold / "train.tsv", codebook), *further])


def evaluation_files(gold: Path) -> list[Path]:
    """The evaluation sets that nothing may be learnt from: a gold folder's, and ours in `data/evaluation`."""
    of_gold = [path for path in (gold / "dev.tsv", gold / "elsewhere.tsv") if path.is_file()]
    return [*of_gold, *sorted(EVALUATION_FOLDER.glob("*.tsv"))]


def _document_texts(feedback: Path | None) -> list[str]:
    """The corpus texts that the segmented documents are made of; none without the corpus."""
    if feedback is None or not (feedback / FEEDBACK_FILE).is_file():
        return []
    return [*part_texts(feedback, part_ids()).values()]


def like_any(texts: Sequence[str], others: Sequence[str], *, cosine: float) -> npt.NDArray[np.bool_]:
    """Which texts equal one of `others` by letters and digits, or come as near to one as `cosine`."""
    same = {normalised(other) for other in others}
    alike = np.array([normalised(text) in same for text in texts], dtype=bool)
    if others:
        rows = _letter_rows([*texts, *others])
        right = rows[len(texts) :].T
        for start in range(0, len(texts), 1_000):  # blocks, so that memory stays bounded
            block = slice(start, min(start + 1_000, len(texts)))
            alike[block] |= (rows[block] @ right).max(axis=1).toarray().ravel() >= cosine
    return alike


def normalised(text: str) -> str:
    """Lower-case letters and digits only; the text itself where it has none."""
    return re.sub(r"[\W_]+", "", text.lower()) or text


def near_duplicate_groups(texts: Sequence[str], *, cosine: float) -> npt.NDArray[np.int64]:
    """Number each text's group: chains of pairs whose letter-run TF-IDF cosine reaches `cosine`."""
    rows = _letter_rows(texts)
    pairs = []
    for start in range(0, rows.shape[0], 1_000):  # blocks, so that memory stays bounded
        block = (rows[start : start + 1_000] @ rows.T).tocoo()
        near = block.data >= cosine
        pairs.append((block.row[near] + start, block.col[near]))
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = sparse.coo_matrix((np.ones(len(left), dtype=bool), (left, right)), shape=(len(texts), len(texts)))
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], dtype=np.int64)


def _letter_rows(texts: Sequence[str]) -> Matrix:
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), dtype=np.float32).fit_transform(texts)
