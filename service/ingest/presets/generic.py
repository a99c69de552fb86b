"""Any table: columns by their names in four languages, held against what they contain."""

from __future__ import annotations

from collections.abc import Mapping

from service.ingest.column_names import (
    SECOND_MEANING,
    guess_field,
    is_open_question,
    is_staff_words,
    is_title,
    normalised_name,
    words_of,
)
from service.ingest.column_values import (
    PROSE_CHARS,
    TIME_FIELDS,
    Cells,
    ColumnUse,
    are_addresses,
    are_ids,
    are_times,
    as_attribute,
    on_its_scale,
    plausible,
    prose,
    prose_chars,
    whole_scale,
    within_limit,
)
from service.ingest.files.table import REJECT_COLUMNS
from service.ingest.presets.contract import ADDED, Found, Preset, Sheet

CERTAIN = 0.95  # names that are believed whatever the column holds
CERTAIN_TIME = 0.9  # better rows refused for their date than a file without dates that nobody notices
_OTHER_TIMES = words_of("birth birthday due order purchase delivery start expiry renewal update updated")
_OTHER_IDS = words_of(
    "order product customer client account session invoice device store shop campaign user parent sku item "
    "version bestell produkt kunden konto rechnung commande pedido"
)

Guess = tuple[str, float]


def read(sheet: Sheet) -> Found:
    """Names first; then values, for what no name says."""
    cells = sheet.below(0)
    guesses = _by_name(sheet.own_columns, cells)
    best: dict[str, Guess] = {}  # field: column, confidence
    for column, guess in guesses.items():
        if guess is not None and (guess[0] not in best or guess[1] > best[guess[0]][1]):
            best[guess[0]] = (column, guess[1])
    _by_value(guesses, best, cells)
    texts = _texts(guesses, best, cells)
    uses = []
    for column in sheet.columns:
        if column in REJECT_COLUMNS:
            uses.append(ColumnUse(column, None, 1.0, ADDED))
        elif column in texts:
            uses.append(ColumnUse(column, "text", texts[column]))
        else:
            uses.append(_use(column, guesses[column], best, texts, cells))
    return Found(within_limit(uses))


def _by_name(columns: list[str], cells: Cells) -> dict[str, Guess | None]:
    guesses = {column: guess_field(column) for column in columns}
    for column, guess in guesses.items():
        if guess is None or guess[1] >= (CERTAIN_TIME if guess[0] in TIME_FIELDS else CERTAIN):
            continue
        if guess[0] == "text" and is_staff_words(column):
            guesses[column] = None
        elif not plausible(guess[0], cells[column]):
            other = SECOND_MEANING.get(normalised_name(column))
            guesses[column] = other if other is not None and _holds(other[0], column, cells) else None
    return guesses


def _holds(name: str, column: str, cells: Cells) -> bool:
    return prose_chars(cells[column]) > 0 if name == "text" else whole_scale(cells[column]) is not None


def _by_value(guesses: dict[str, Guess | None], best: dict[str, Guess], cells: Cells) -> None:
    """Give columns whose name says nothing the fields that no name was found for."""
    unnamed = [column for column, guess in guesses.items() if guess is None and cells[column]]

    def take(name: str, column: str, confidence: float) -> None:
        guesses[column] = (name, confidence)
        best[name] = (column, confidence)
        unnamed.remove(column)

    def words(column: str) -> frozenset[str]:
        return frozenset(normalised_name(column).split("_"))

    if "respondent" not in best:
        found = [column for column in unnamed if are_addresses(cells[column])]
        if found and not any("referr" in column.lower() for column in found[:1]):
            take("respondent", found[0], 0.8)
    if "occurred_at" not in best:
        found = [one for one in unnamed if are_times(cells[one]) and not words(one) & _OTHER_TIMES]
        if len(found) == 1:
            take("occurred_at", found[0], 0.6)
    if "external_id" not in best:
        found = [one for one in unnamed if are_ids(cells[one]) and not words(one) & _OTHER_IDS]
        if found:
            take("external_id", found[0], 0.6)
    if not any(name == "score" or name.startswith("score") for name in best):
        found = [one for one in unnamed if one.strip().endswith("?") and whole_scale(cells[one]) is not None]
        if len(found) == 1:
            take("score", found[0], 0.4)


def _texts(guesses: Mapping[str, Guess | None], best: Mapping[str, Guess], cells: Cells) -> dict[str, float]:
    """The columns that are the customer's words, with the confidence of each."""
    main = best.get("text")
    if main is not None and main[1] == 1.0:
        return {main[0]: 1.0}
    texts = {main[0]: main[1]} if main is not None else {}
    for column, guess in guesses.items():
        if column in texts or (guess is not None and guess[0] != "text") or not is_open_question(column):
            continue
        if prose_chars(cells[column]) >= PROSE_CHARS and not any(_equal(column, one, cells) for one in texts):
            texts[column] = guess[1] if guess is not None else 0.6
    if not texts:
        free = [column for column, guess in guesses.items() if guess is None and not is_staff_words(column)]
        found = prose(free, cells)
        if len(found) == 1:
            texts[found[0]] = 0.5
    return texts


def _equal(one: str, other: str, cells: Cells) -> bool:
    """Whether two columns mostly hold the same, as a text and its cleaned form do."""
    pairs = cells.pairs(one, other)
    return sum(1 for first, second in pairs if str(first) == str(second)) > 0.5 * len(pairs)


def _use(
    column: str, guess: Guess | None, best: Mapping[str, Guess], texts: Mapping[str, float], cells: Cells
) -> ColumnUse:
    if is_staff_words(column) and prose_chars(cells[column]) > 0:
        return ColumnUse(column, None, 1.0, "not the customer's words")
    if texts and guess is None and is_title(column) and 1.0 not in texts.values() and _is_heading(column, cells):
        return ColumnUse(column, "title", 0.7)
    is_best = guess is not None and best[guess[0]][0] == column and guess[0] != "text"
    if guess is not None and is_best and not _second_score(guess[0], column, best):
        field = guess[0] if guess[1] == 1.0 else on_its_scale(guess[0], column, cells[column])
        return ColumnUse(column, field, guess[1])
    return as_attribute(column, cells)


def _is_heading(column: str, cells: Cells) -> bool:
    """Whether the cells are phrases that differ: neither "Mr" and "Ms" nor names of products."""
    found = [str(cell) for cell in cells[column]]
    several = sum(1 for text in found if len(text.split()) >= 2)
    return bool(found) and several >= 0.4 * len(found) and len(set(found)) > 0.5 * len(found)


def _second_score(found: str, column: str, best: Mapping[str, Guess]) -> bool:
    """Whether another guessed column already holds the score: an item has one; exact field names stay."""
    if found != "score" and not found.startswith("score_"):
        return False
    confidence = best[found][1]
    rivals = [(own, name) for key, (name, own) in best.items() if key == "score" or key.startswith("score_")]
    return confidence < 1.0 and any(own > confidence for own, name in rivals if name != column)


PRESET = Preset(
    "generic",
    "Any table",
    lambda _sheet: True,
    read,
    told_by="nothing of the others: columns are taken by their names and by what they hold",
)
