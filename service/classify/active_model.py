"""The one tagging pipeline of this process."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from nlp.analysis import Analysis
from service.settings import Settings

if TYPE_CHECKING:
    from nlp.pipeline import TextInput


class Tagger(Protocol):
    """What the service needs of `nlp.pipeline.Pipeline`."""

    @property
    def model_version(self) -> str:
        """Version of the artifact, part of every stored classification."""

    @property
    def codebook_version(self) -> str:
        """Version of the labels that the artifact was trained on."""

    @property
    def tier(self) -> str:
        """`accurate` or `fast`."""

    def analyze(self, texts: Sequence[TextInput]) -> list[Analysis]:
        """One analysis a text, in the same order."""


_lock = threading.Lock()
_pipeline: Tagger | None = None


def get_pipeline(settings: Settings) -> Tagger:
    """The pipeline, loaded on first use and kept; raises what `Pipeline.load` raises if it can't be loaded."""
    global _pipeline
    with _lock:
        if _pipeline is None:
            # a process that never tags does not pay for loading scikit-learn and spaCy
            from nlp.pipeline import Pipeline

            _pipeline = Pipeline.load(settings.models_dir)
        return _pipeline


def set_pipeline(pipeline: Tagger | None) -> None:
    """Use this pipeline from now on; None: load again on next use (after a new model was published)."""
    global _pipeline
    with _lock:
        _pipeline = pipeline


def analyze(pipeline: Tagger, texts: Sequence[tuple[str, str | None]]) -> list[Analysis]:
    """The analyses of (text, question) pairs, in the same order."""
    from nlp.pipeline import TextInput

    return pipeline.analyze([TextInput(text, question) for text, question in texts]) if texts else []
