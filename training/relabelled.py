"""Labels that were looked at again or added by hand, kept apart from the texts that they belong to.

reads  data/relabelled/train.tsv, data/relabelled/corpus.tsv, a corpus folder's feedback.jsonl.gz · writes nothing

The texts of the gold sets and of the corpus are not ours to publish; ids and labels are. `train.tsv` has the
columns `id, field, label`: what a second reader decided where label and model disagreed. `corpus.tsv` has `id` and
the labels of a gold file: real texts of the corpus that were labelled by the codebook afterwards.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from nlp.analysis import FIELDS
from nlp.codebook import DATA_FOLDER, Codebook
from nlp.gold import GoldError, GoldItem

RELABELLED_FOLDER: Final = DATA_FOLDER / "relabelled"
CHANGES_FILE: Final = "train.tsv"
ADDED_FILE: Final = "corpus.tsv"
_CHANGED_COLUMNS = ["id", "field", "label"]
_ADDED_COLUMNS = ["id", "stage", "stage2", "emotion", "emotion2", "sentiment", "topic", "touchpoint"]
_FEEDBACK_FILE = "feedback.jsonl.gz"


def corrected(items: Sequence[GoldItem], folder: Path, codebook: Codebook) -> list[GoldItem]:
    """The items with the labels that a second reader decided; all as they are without a file of changes.

    A second label that equals the new first one falls away; ids that none of the items has are passed over.
    Raises GoldError for a file that is not as it should be.
    """
    changes: dict[str, dict[str, str]] = defaultdict(dict)
    for place, (identity, field, label) in _rows(folder / CHANGES_FILE, _CHANGED_COLUMNS):
        if field not in FIELDS or label not in codebook.labels(field):
            raise GoldError(f"{place}: {label!r} is no {field} of the codebook")
        changes[identity][field] = label
    return [_changed(item, changes[item.id]) if item.id in changes else item for item in items]


def added(corpus: Path, folder: Path, codebook: Codebook) -> list[GoldItem]:
    """The corpus texts that `corpus.tsv` labels, in its order; none without that file or without the corpus.

    Raises GoldError for a file that is not as it should be.
    """
    rows = {row[0]: (place, row) for place, row in _rows(folder / ADDED_FILE, _ADDED_COLUMNS)}
    if not rows or not (corpus / _FEEDBACK_FILE).is_file():
        return []
    texts: dict[str, tuple[str, str, str | None]] = {}
    with gzip.open(corpus / _FEEDBACK_FILE, "rt", encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            if entry["id"] in rows:
                texts[entry["id"]] = entry["source"], entry["text"], _question(entry)
    return [_item(place, row, texts[name], codebook) for name, (place, row) in rows.items() if name in texts]


def label_files(folder: Path = RELABELLED_FOLDER) -> list[Path]:
    """The files of this module that are there, for the manifest of what is trained on them."""
    return [path for path in (folder / CHANGES_FILE, folder / ADDED_FILE) if path.is_file()]


def _question(entry: dict[str, str]) -> str | None:
    """The survey question, which two sources keep within their own label."""
    if entry["source"] == "jupyter":
        return entry["native_label"]
    if entry["source"] == "rlang":
        return entry["native_label"].split()[1]
    return None


def _changed(item: GoldItem, labels: dict[str, str]) -> GoldItem:
    now = item.labels | labels
    return replace(
        item,
        labels=now,
        stage2=None if item.stage2 == now["stage"] else item.stage2,
        emotion2=None if item.emotion2 == now["emotion"] else item.emotion2,
    )


def _item(place: str, row: Sequence[str], text: tuple[str, str, str | None], codebook: Codebook) -> GoldItem:
    cells = dict(zip(_ADDED_COLUMNS, row, strict=True))
    for column in _ADDED_COLUMNS[1:]:
        field, second = column.removesuffix("2"), column.endswith("2")
        if not (second and cells[column] == "-") and cells[column] not in codebook.labels(field):
            raise GoldError(f"{place}: {cells[column]!r} is no {field} of the codebook")
    source, words, question = text
    return GoldItem(
        id=row[0],
        source=source,
        text=words,
        question=question,
        labels={field: cells[field] for field in FIELDS},
        stage2=None if cells["stage2"] == "-" else cells["stage2"],
        emotion2=None if cells["emotion2"] == "-" else cells["emotion2"],
    )


def _rows(path: Path, columns: Sequence[str]) -> list[tuple[str, list[str]]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [(f"{path.name}, line {number}", line.split("\t")) for number, line in enumerate(lines, 1) if line]
    if not rows or rows[0][1] != [*columns]:
        raise GoldError(f"{path}: the first line must be the header {', '.join(columns)}")
    for place, row in rows[1:]:
        if len(row) != len(columns):
            raise GoldError(f"{place}: {len(row)} columns instead of {len(columns)}")
    return rows[1:]
