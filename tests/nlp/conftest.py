"""One loaded pipeline for all tests that read texts: loading takes a second or two."""

from collections.abc import Callable

import pytest

from nlp.analysis import Analysis
from nlp.codebook import Codebook, load_codebook
from nlp.pipeline import Pipeline, TextInput


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return Pipeline.load()


@pytest.fixture(scope="session")
def codebook() -> Codebook:
    return load_codebook()


@pytest.fixture
def read(pipeline: Pipeline) -> Callable[[str], Analysis]:
    """Analyse one text."""
    return lambda text: pipeline.analyze([TextInput(text)])[0]
