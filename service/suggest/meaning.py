"""Which playbook entries fit a theme by what its texts mean: the encoder's vectors beside those of the patterns.

A theme's score with an entry is the mean over some of its texts of the cosine to the entry's nearest pattern, both
less the mean of all patterns (what all of them share tells nothing; J. Mu, P. Viswanath, "All-but-the-top", ICLR
2018), times what stage and topic say. Labels may be wrong, so an entry of another stage or topic counts with a
part of its score; the most common pattern of the stage and topic is taken where meaning tells little. Below
`FITS_FROM` nothing fits.

Limits were chosen on the first pains of benchmarks/playbook_pains.jsonl; `python -m benchmarks.playbook_match
--meaning` says how often the right entry is among the first three on the others. The mean over texts and not the
theme's centre: a centre lies near patterns that nobody's words are near (right first in 65 % instead of 77 %).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt

from nlp.likeness import Likeness, Short
from nlp.model import unit_rows
from service.suggest.playbook import Playbook

OTHER_STAGE: Final = 0.9
OTHER_TOPIC: Final = 0.8
USUAL: Final = 0.04
FITS_FROM: Final = 0.345
SHOWN: Final = 3
KEPT: Final = 4

Near = list[tuple[str, float]]
"""Ids of entries with their scores, best first."""


class Meanings:
    """The patterns of a playbook as vectors of one encoder."""

    def __init__(self, playbook: Playbook, likeness: Likeness) -> None:
        self.playbook = playbook
        self._likeness = likeness
        self._entries = [entry for entry in playbook.entries if entry.patterns]
        patterns = [pattern for entry in self._entries for pattern in entry.patterns]
        self._starts = np.cumsum([0, *(len(entry.patterns) for entry in self._entries)])[:-1]
        rows = likeness.meanings(patterns)
        self._centre = rows.mean(axis=0) if len(patterns) else np.zeros(0, np.float32)
        self._patterns = unit_rows(rows - self._centre) if len(patterns) else rows

    def near(self, stage: str, topic: str, said: Sequence[str], known: Short | None = None) -> Near:
        """The entries that come nearest to what customers say (already `readable`); none without words.

        `known`: the texts' short rows as far as they are stored, as for `Likeness.vectors`.
        """
        if not said or not self._entries:
            return []
        rows = unit_rows(self._likeness.meanings(said, known=known) - self._centre)
        cosines = np.maximum(rows @ self._patterns.T, 0.0)
        similar = np.maximum.reduceat(cosines, self._starts, axis=1).mean(axis=0)
        parts = np.array(
            [
                (1.0 if entry.stage == stage else OTHER_STAGE) * (1.0 if topic in entry.topics else OTHER_TOPIC)
                for entry in self._entries
            ]
        )
        scores: npt.NDArray[np.float64] = similar * parts
        usual = self.playbook.entry_for(stage, topic)
        ranked = scores + np.array([USUAL * (entry is usual) for entry in self._entries])
        best = np.argsort(-ranked, kind="stable")[:SHOWN].tolist()
        return [(self._entries[one].id, round(float(scores[one]), 4)) for one in best]


def fits(near: Near) -> bool:
    """Whether any of the entries that come nearest fits."""
    return any(score >= FITS_FROM for _, score in near)


_lock = Lock()
_made: OrderedDict[tuple[Playbook, str], Meanings] = OrderedDict()


def meanings_of(playbook: Playbook, likeness: Likeness) -> Meanings | None:
    """Made once for a playbook and model: it takes seconds. None for a model that reads no meaning."""
    if likeness.encoder is None:
        return None
    key = (playbook, likeness.version)
    with _lock:
        found = _made.pop(key, None) or Meanings(playbook, likeness)
        _made[key] = found
        while len(_made) > KEPT:
            _made.popitem(last=False)
        return found
