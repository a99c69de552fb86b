"""Whole documents that a reader cut into segments and labelled; the table has ids and offsets, never a text.

A document is one text of the corpus, or a run of neighbouring ones (the sentences of a product review), whose ids
stand joined by `+`. Its text is theirs, stripped and joined by one space; offsets point into that.
"""

import gzip
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nlp.analysis import FIELDS
from nlp.codebook import DATA_FOLDER, Codebook
from nlp.gold import GoldError
from nlp.segments import Span

SEGMENTS_FILE: Final = DATA_FOLDER / "evaluation" / "segments" / "documents.tsv"
FEEDBACK_FILE: Final = "feedback.jsonl.gz"
_COLUMNS: Final = ["document", "start", "end", *FIELDS]
_JOINT: Final = "+"


@dataclass(frozen=True, slots=True)
class Document:
    """A text with the segments that a reader found in it, in order and without a word between them."""

    id: str
    text: str
    spans: tuple[Span, ...]
    labels: tuple[Mapping[str, str], ...]
    """Of each segment, field to label; the sentiment is never `mixed`."""


def part_ids(table: Path = SEGMENTS_FILE) -> frozenset[str]:
    """The ids of all corpus texts that the documents are made of. Needs no corpus."""
    return frozenset(part for _, cells in _rows(table) for part in _parts(cells["document"]))


def read_documents(corpus: Path, codebook: Codebook, table: Path = SEGMENTS_FILE) -> list[Document]:
    """The documents of the table with their texts from a corpus folder, in the table's order.

    Raises GoldError for a table or corpus that is not as it should be; messages name lines and ids, never a text.
    """
    wanted = part_ids(table)
    texts = part_texts(corpus, wanted)
    if missing := sorted(wanted - texts.keys()):
        raise GoldError(f"{corpus / FEEDBACK_FILE}: {len(missing)} texts are missing, {missing[0]} among them")
    segments: dict[str, list[tuple[str, Span, dict[str, str]]]] = {}
    for place, cells in _rows(table):
        labels = {field: cells[field] for field in FIELDS}
        for field, label in labels.items():
            if label not in codebook.labels(field) or (field, label) == ("sentiment", "mixed"):
                raise GoldError(f"{place}: {label!r} is no {field} of a segment")
        if not (cells["start"].isdigit() and cells["end"].isdigit()):
            raise GoldError(f"{place}: start and end are not numbers")
        span = int(cells["start"]), int(cells["end"])
        segments.setdefault(cells["document"], []).append((place, span, labels))
    return [
        _document(name, " ".join(map(texts.__getitem__, _parts(name))), rows) for name, rows in segments.items()
    ]


def part_texts(corpus: Path, wanted: Set[str]) -> dict[str, str]:
    """Id to stripped text of those that the corpus has. Raises GoldError where it is missing or cannot be read."""
    found = {}
    try:
        with gzip.open(corpus / FEEDBACK_FILE, "rt", encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                if entry["id"] in wanted:
                    found[entry["id"]] = entry["text"].strip()
    except (OSError, ValueError, KeyError) as error:
        raise GoldError(f"{corpus / FEEDBACK_FILE}: cannot be read ({error!r})") from error
    return found


def _document(name: str, text: str, rows: list[tuple[str, Span, dict[str, str]]]) -> Document:
    position = 0
    for place, (start, end), _ in rows:
        if not position <= start < end <= len(text) or text[position:start].strip():
            raise GoldError(f"{place}: the segment does not follow the one before")
        position = end
    if text[position:].strip():
        raise GoldError(f"{rows[-1][0]}: the last segment ends before the text")
    return Document(name, text, tuple(span for _, span, _ in rows), tuple(labels for _, _, labels in rows))


def _parts(name: str) -> list[str]:
    return name.split(_JOINT)


def _rows(table: Path) -> list[tuple[str, dict[str, str]]]:
    """Where a row stands, and its cells by column."""
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise GoldError(f"{table}: cannot be read ({error.strerror})") from error
    if not lines or lines[0].split("\t") != _COLUMNS:
        raise GoldError(f"{table}: the first line must be the header {', '.join(_COLUMNS)}")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(_COLUMNS):
            raise GoldError(f"{table.name}, line {number}: {len(cells)} columns instead of {len(_COLUMNS)}")
        rows.append((f"{table.name}, line {number}", dict(zip(_COLUMNS, cells, strict=True))))
    return rows
