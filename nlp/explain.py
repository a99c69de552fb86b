"""Which words weighed for a label: what is left of its probability when they are left out.

Each word of the text is left out once and the rest is read again; the word's weight is the probability of the
label with it less that without it. It is measured on the very model that gave the label, whatever its kind, so
that the words shown are those that counted there. Words that only weigh together, as two that say the same, each
show little. Source: Li, Monroe and Jurafsky 2016, "Understanding Neural Networks through Representation Erasure".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nlp.analysis import FIELDS
from nlp.clean import clean
from nlp.pipeline import Pipeline
from nlp.redact import as_read

MAX_PARTS = 64
"""Readings per text: in a text of more words, neighbours are left out together."""

_WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]+")
_SAYS_SOMETHING = re.compile(r"\w|[!?\U0001F300-\U0001FAFF☀-➿]")


@dataclass(frozen=True, slots=True)
class Weight:
    """How much some words of a text weigh for a label.

    `start` and `end` are offsets into the text as it was given, end exclusive. `weight` is a difference of
    probabilities, -1 to 1, four decimals: positive speaks for the label, negative against it.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The words of a text with their weights for one label of one field, in the text's order.

    `confidence` is the label's calibrated probability for this text alone.
    """

    field: str
    label: str
    confidence: float
    words: tuple[Weight, ...]


def explain(
    pipeline: Pipeline, text: str, question: str | None = None, *, field: str, label: str | None = None
) -> Explanation | None:
    """Weigh the words of a text for a label, by default for the most probable one.

    None for a text without a word. Takes as many readings as the text has words, at most `MAX_PARTS`.
    Raises ValueError for a field or label that the codebook does not know.
    """
    if field not in FIELDS:
        raise ValueError(f"no field {field!r}: one of {', '.join(FIELDS)}")
    order = pipeline.artifact.model.labels[field]
    if label is not None and label not in order:
        raise ValueError(f"no {field} {label!r} in the codebook")
    cleaned = as_read(clean(text))
    words = [found.span() for found in _WORD.finditer(cleaned.text) if _SAYS_SOMETHING.search(found[0])]
    if not words:
        return None
    parts = _parts(words)
    without = [f"{cleaned.text[:start]} {cleaned.text[end:]}" for start, end in parts]
    readings = pipeline.probabilities([cleaned.text, *without], [question] * (len(parts) + 1))[field]
    column = order.index(label) if label is not None else int(readings[0].argmax())
    whole = float(readings[0, column])
    return Explanation(
        field,
        order[column],
        round(whole, 4),
        tuple(
            Weight(*cleaned.original_span(start, end), round(whole - float(rest), 4))
            for (start, end), rest in zip(parts, readings[1:, column], strict=True)
        ),
    )


def _parts(words: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans that are left out in turn: single words, or runs of neighbours in a long text."""
    run = -(-len(words) // MAX_PARTS)
    return [(words[n][0], words[min(n + run, len(words)) - 1][1]) for n in range(0, len(words), run)]
