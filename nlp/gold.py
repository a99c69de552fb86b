"""Labelled items in tab-separated files, as the gold sets are kept."""

from dataclasses import dataclass
from pathlib import Path

from nlp.analysis import FIELDS
from nlp.codebook import Codebook

_QUESTION_MARK = "question: "
_COLUMNS = (
    "id source context text stage stage2 emotion emotion2 sentiment topic touchpoint".split()  # noqa: SIM905
)


class GoldError(ValueError):
    """A gold file is missing or not as it should be; the message names file, line and column, never a text."""


@dataclass(frozen=True, slots=True)
class GoldItem:
    """A text with the labels that readers gave it by the codebook."""

    id: str
    source: str
    text: str
    question: str | None
    """The survey's open question, taken from the context where that ends in one."""
    labels: dict[str, str]
    """Field to label, for the five fields."""
    stage2: str | None
    emotion2: str | None


def read_gold(path: Path, codebook: Codebook) -> list[GoldItem]:
    """Read a gold file: UTF-8, tab-separated, unquoted, with the header `id, source, context, text, stage …`.

    Raises GoldError for a missing file, another header, a row of another width or a label that the codebook
    does not know.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise GoldError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise GoldError(f"{path}: not UTF-8 at byte {error.start}") from error
    if lines[0].rstrip("\r").split("\t") != _COLUMNS:
        raise GoldError(f"{path}: the first line must be the header {', '.join(_COLUMNS)}")
    known = {field: {*codebook.labels(field)} for field in FIELDS}
    return [
        _item(f"{path}, line {number}", line.rstrip("\r").split("\t"), known)
        for number, line in enumerate(lines[1:], 2)
        if line.strip()
    ]


def _item(place: str, cells: list[str], known: dict[str, set[str]]) -> GoldItem:
    if len(cells) != len(_COLUMNS):
        raise GoldError(f"{place}: {len(cells)} columns instead of {len(_COLUMNS)}")
    row = dict(zip(_COLUMNS, cells, strict=True))
    labels = {field: row[field] for field in FIELDS}
    for field, label in [*labels.items(), ("stage", row["stage2"]), ("emotion", row["emotion2"])]:
        if label != "-" and label not in known[field]:
            raise GoldError(f"{place}: {label!r} is no {field} of the codebook")
    if "-" in labels.values():
        raise GoldError(f"{place}: a first label is missing")
    _, mark, question = row["context"].partition(_QUESTION_MARK)
    return GoldItem(
        id=row["id"],
        source=row["source"],
        text=row["text"],
        question=question if mark else None,
        labels=labels,
        stage2=None if row["stage2"] == "-" else row["stage2"],
        emotion2=None if row["emotion2"] == "-" else row["emotion2"],
    )
