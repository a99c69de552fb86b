"""What a redacted text is made of: the spans that were personal, and the way between both texts."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Kind = Literal["email", "phone", "card", "iban", "account", "ip", "url", "address", "name"]

PLACEHOLDERS: Final[dict[Kind, str]] = {
    "email": "<email>",
    "phone": "<phone>",
    "card": "<card>",
    "iban": "<account>",
    "account": "<account>",
    "ip": "<ip>",
    "url": "<url>",
    "address": "<address>",
    "name": "<name>",
}
"""What stands where something personal stood. None of these is an HTML tag that cleaning would take away."""

MODEL_PLACEHOLDERS: Final[dict[Kind, str]] = PLACEHOLDERS | {
    "card": "<number>",
    "iban": "<number>",
    "account": "<number>",
}
"""The same as a model reads it: the texts that models learn from carry these masks from their origin."""


class Span(NamedTuple):
    """Characters `start`..`end` of a text are personal."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without what was personal. `spans` point into the original, in order and apart."""

    text: str
    spans: tuple[Span, ...]
    placeholders: tuple[str, ...]
    """What stands in `text` for each span."""

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The original's span for `start`..`end` of the redacted text; a part of a placeholder stands for all."""
        return self._moved(start, end, [new for new, _ in self._pairs()], [old for _, old in self._pairs()])

    def redacted_span(self, start: int, end: int) -> tuple[int, int]:
        """The redacted text's span for `start`..`end` of the original; a part of a span becomes all of it."""
        return self._moved(start, end, [old for _, old in self._pairs()], [new for new, _ in self._pairs()])

    def _pairs(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """For each span its place in the redacted text and in the original."""
        pairs, shift = [], 0
        for span, placeholder in zip(self.spans, self.placeholders, strict=True):
            start = span.start + shift
            pairs.append(((start, start + len(placeholder)), (span.start, span.end)))
            shift += len(placeholder) - (span.end - span.start)
        return pairs

    @staticmethod
    def _moved(start: int, end: int, here: list[tuple[int, int]], there: list[tuple[int, int]]) -> tuple[int, int]:
        starts = [span[0] for span in here]

        def place(position: int, *, is_end: bool) -> int:
            # an end belongs to the character before it
            number = bisect_right(starts, position - 1 if is_end else position) - 1
            if number < 0:
                return position
            if position < here[number][1] or (is_end and position == here[number][1]):
                return there[number][1 if is_end else 0]
            return position + there[number][1] - here[number][1]

        return place(start, is_end=False), place(end, is_end=True) if end > start else place(start, is_end=False)
