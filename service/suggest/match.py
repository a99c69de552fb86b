"""Which playbook entries fit what customers say: their words beside each entry's patterns.

A pain's score with an entry is the mean over its verbatims of the similarity to the entry's nearest pattern, times
what stage and topic say. Similarity is the cosine of the pipeline's features of words and letters, weighted by
TF-IDF over the patterns (G. Salton, C. Buckley, "Term-weighting approaches in automatic text retrieval",
Information Processing & Management 24, 1988). The labels may be wrong and customers report a product's fault at
the support desk, so an entry of another stage or topic counts with a part of its score instead of none; and the
most common pattern of the stage and topic is taken where words tell little. Below `FITS_FROM` nothing fits: then
finding out why is the honest answer.

`python -m benchmarks.playbook_match` says how often the right entry is among the first three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np
import numpy.typing as npt

from nlp.features import Features
from service.suggest.playbook import FALLBACK_TOPIC, Entry, Playbook

OTHER_STAGE: Final = 0.8  # what a score of an entry of another stage counts
OTHER_TOPIC: Final = 0.6
USUAL: Final = 0.08  # added for the most common pattern of the stage and topic: it wins where words tell little
FITS_FROM: Final = 0.11  # best score, without what is usual, below which no entry is said to fit
SHOWN: Final = 3
FULL: Final = 2.0  # two equal texts: words and letters are blocks of length one each
# every word of a pattern counts; how it is written (shouting, length) does not
MIN_PATTERNS: Final = {"w": 1, "c": 1, "f": 1_000_000_000, "q": 1_000_000_000}

_serials = count()


@dataclass(frozen=True, slots=True)
class Fit:
    """The entry that is proposed for a pain, and what else comes near.

    `near` holds the best entries with their scores (0 to 1), best first, also where none fits: then `entry` is the
    stage's "find out why" and `near` are leads.
    """

    entry: Entry
    fits: bool
    near: tuple[tuple[Entry, float], ...] = ()


class Matcher:
    """The patterns of a playbook as rows of features; made once for a playbook, may be shared between threads."""

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.serial = next(_serials)  # tells matchers apart, also those that are gone
        self._entries = [entry for entry in playbook.entries if entry.patterns]
        patterns = [pattern for entry in self._entries for pattern in entry.patterns]
        self._starts = np.cumsum([0, *(len(entry.patterns) for entry in self._entries)])[:-1]
        self._features = Features.fit(patterns, [None] * len(patterns), min_documents=MIN_PATTERNS)
        rows = self._features.transform(patterns, [None] * len(patterns))
        self._patterns = rows.T.tocsr() if patterns else None

    def fit(self, stage: str, topic: str, said: Sequence[str]) -> Fit | None:
        """What fits a pain of whose customers some say `said`; None where the playbook does not know the stage.

        Without words only stage and topic decide. Trouble without a topic has no pattern, unless its words do.
        """
        fallback = self.playbook.find_out_why(stage)
        if not said:
            entry = self.playbook.entry_for(stage, topic)
            known = entry is not None and topic in entry.topics and topic != FALLBACK_TOPIC
            return Fit(entry, known) if entry is not None else None
        if fallback is None:
            return None
        if self._patterns is None:
            return Fit(fallback, False)
        scores = self._scores(stage, topic, said)
        usual = self.playbook.entry_for(stage, topic)
        ranked = scores + np.array([USUAL * (entry is usual) for entry in self._entries])
        best = np.argsort(-ranked, kind="stable")[:SHOWN].tolist()
        near = tuple((self._entries[one], float(scores[one])) for one in best)
        if float(scores.max()) >= FITS_FROM:
            return Fit(near[0][0], True, near)
        return Fit(fallback, False, near)

    def _scores(self, stage: str, topic: str, said: Sequence[str]) -> npt.NDArray[np.float64]:
        """The score of each entry that has patterns, 0 to 1."""
        rows = self._features.transform(list(said), [None] * len(said))
        cosines = (rows @ self._patterns).toarray() / FULL
        similar = np.maximum.reduceat(cosines, self._starts, axis=1)
        parts = np.array(
            [
                (1.0 if entry.stage == stage else OTHER_STAGE) * (1.0 if topic in entry.topics else OTHER_TOPIC)
                for entry in self._entries
            ]
        )
        found: npt.NDArray[np.float64] = similar.mean(axis=0) * parts
        return found
