"""What the pipeline needs of a model, whichever tier it is of."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nlp.heads import Scores


class Model(Protocol):
    """Texts in, scores per label out."""

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Field to its labels, in the order of the columns of its scores."""

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        """Field to its scores (texts × labels), not yet probabilities.

        The scores of a text do not depend on the other texts of the call.
        """
