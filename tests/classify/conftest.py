from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.classify import active_model
from tests.classify.tagging import WordPipeline


@pytest.fixture
def words() -> Iterator[WordPipeline]:
    """The word pipeline, in place of a trained one."""
    pipeline = WordPipeline()
    active_model.set_pipeline(pipeline)
    yield pipeline
    active_model.set_pipeline(None)
