"""The rows of the map's page: what is counted, what is written, in the order that the workspace likes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

OWN: Final = "own."
"""Before the name of a row that a workspace added."""
WHOLE: Final = "whole"
"""The customer's goal over the whole map; it stands above the columns."""

Kind = Literal["counted", "text", "list", "short"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the map. `kind` says how it is written: not at all, as a text, a line an entry, or a few words."""

    key: str
    name: str
    hint: str = ""
    kind: Kind = "counted"
    most: int = 2000  # characters of one entry

    @property
    def written(self) -> bool:
        """Whether people write it."""
        return self.kind != "counted"

    @property
    def own(self) -> bool:
        """Whether the workspace added it."""
        return self.key.startswith(OWN)


ROWS: Final = (
    Row("goal", "Customer's goal", "what they want to get done here", "text"),
    Row("key_action", "Key action", "what they do", "text"),
    Row("feedback", "Feedback", "pieces, and how sure that makes the column"),
    Row("curve", "Emotion curve", "net sentiment, with its 95 % interval"),
    Row("sentiment", "Sentiment"),
    Row("emotions", "Emotions"),
    Row("touchpoints", "Touchpoints"),
    Row("motivations", "Motivations", "one a line", "list", 200),
    Row("words", "In their words"),
    Row("questions", "What they ask"),
    Row("pain_points", "Pain points", "▲ ▼ where the share really changed"),
    Row("delights", "Delights"),
    Row("scores", "Scores", "of those who mention it"),
    Row("lanes", "Numbers from elsewhere"),
    Row("metrics", "Metrics to watch", "one a line", "list", 200),
    Row("suggestions", "What to change"),
    Row("opportunities", "Opportunities", "one a line", "list"),
    Row("owner", "Owner", "", "short", 200),
    Row("notes", "Notes", "", "text"),
)
KNOWN: Final = {row.key: row for row in ROWS}
IN_SHORT: Final = ("feedback", "curve", "sentiment", "pain_points", "delights", "suggestions", "owner")
"""The rows of the short view: what a glance needs, and nothing that is as long as people write."""


def rows_of(document: Mapping[str, Any]) -> list[Row]:
    """All rows of a map from the top down: as ordered in its document, then the others as usual."""
    own = {f"{OWN}{row['name']}": Row(f"{OWN}{row['name']}", row["name"], "", "text") for row in document["rows"]}
    every = {**KNOWN, **own}
    return [every[key] for key in full_order(document["order"], every)]


def full_order(order: Sequence[str], every: Iterable[str]) -> list[str]:
    """Every key once: those of `order` that exist, then the rest as it comes."""
    keys = list(every)
    return list(dict.fromkeys([*(key for key in order if key in keys), *keys]))


def moved(order: Sequence[str], key: str, by: int, *, over: Iterable[str]) -> list[str]:
    """The order with one row moved up (-1) or down (1) past the next row that is shown (`over`)."""
    shown = set(over) | {key}
    keys = list(order)
    at = keys.index(key)
    place = at + by
    while 0 <= place < len(keys) and keys[place] not in shown:
        place += by
    if 0 <= place < len(keys):
        keys.insert(place, keys.pop(at))
    return keys


def cells_of(document: Mapping[str, Any], key: str, columns: Sequence[str]) -> list[Any]:
    """What is written in a row, by column: a text or None, or a list of texts."""
    if key.startswith(OWN):
        name = key.removeprefix(OWN)
        cells: Mapping[str, str] = next((row["cells"] for row in document["rows"] if row["name"] == name), {})
        return [cells.get(column) for column in columns]
    notes = {stage["stage"]: stage for stage in document["stages"]}
    nothing: Any = [] if KNOWN[key].kind == "list" else None
    return [notes.get(column, {}).get(key) or nothing for column in columns]


def typed(value: Any) -> str:
    """What is written in a cell, as it stands in a field of the form."""
    return "\n".join(value) if isinstance(value, list) else value or ""


def said(row: Row, text: str) -> Any:
    """What a field of the form says, as it is kept: a list of its lines, or the text; None where it is empty."""
    if row.kind == "list":
        return [line.strip() for line in text.splitlines() if line.strip()]
    return text.replace("\r\n", "\n").strip() or None


def with_row(
    document: Mapping[str, Any], row: Row, columns: Sequence[str], texts: Sequence[str]
) -> dict[str, Any]:
    """The document with one row written anew; everything else stays."""
    values = [said(row, text) for text in texts]
    changed = dict(document)
    if row.own:
        name = row.key.removeprefix(OWN)
        cells = {column: value for column, value in zip(columns, values, strict=True) if value}
        changed["rows"] = [one | {"cells": cells} if one["name"] == name else one for one in document["rows"]]
        return changed
    notes = {stage["stage"]: stage for stage in document["stages"]}
    for column, value in zip(columns, values, strict=True):
        notes[column] = {**notes.get(column, {"stage": column}), row.key: value}
    changed["stages"] = list(notes.values())
    return changed
