"""How a file is read, as a form: a list per column, the answers to open questions, and back to `Reading`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from service.ingest.column_names import FIELDS
from service.ingest.column_values import ColumnUse
from service.ingest.import_answers import ColumnFound
from service.ingest.import_files import plan_of
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS, Channel
from service.ingest.mapping import SCORE_CHOICES
from service.store.schema import FileImport

CHANNELS = get_args(Channel)
OPENING = ("preset", "encoding", "delimiter", "sheet", "header")  # what changes which columns there are
OTHERS = ("channel", "timezone", "day_first")
FIELD_GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "What was said",
        (
            ("text", "Customer's words"),
            ("title", "Title of the words"),
            ("question", "The question"),
            ("translation", "Translation"),
            ("language", "Language"),
        ),
    ),
    (
        "Which and when",
        (
            ("external_id", "Id"),
            ("occurred_at", "When it was said"),
            ("updated_at", "When it was last changed"),
            ("respondent", "Who said it"),
            ("response_id", "Survey response"),
            ("conversation_id", "Conversation or ticket"),
            ("url", "Link"),
        ),
    ),
    (
        "Score",
        (
            ("score_nps", "NPS, 0 to 10"),
            ("score_stars", "Stars, 1 to 5"),
            ("score_csat", "CSAT, 1 to 5"),
            ("score_ces", "CES, 1 to 7"),
            *(
                (one, one.removeprefix("score_").replace(":", ", ").replace("-", " to "))
                for one in SCORE_CHOICES[1:]
            ),
            ("score", "Score, stars by default"),
            ("score.kind", "Kind of score"),
            ("score.value", "Value of the score"),
            ("score.scale_min", "Lowest score"),
            ("score.scale_max", "Highest score"),
        ),
    ),
    (
        "Where",
        (
            ("channel", "Kind of channel"),
            ("source", "Source"),
            ("touchpoint", "Touchpoint"),
            ("stage", "Stage of the journey"),
            ("value", "Value of the customer"),
        ),
    ),
    ("Otherwise", (("attribute", "Attribute to filter by"), ("ignore", "Leave it out"))),
)
FIELD_WORDS = {name: words for _, fields in FIELD_GROUPS for name, words in fields}
# of an item, where a score is told with its kind
ITEM_WORDS = FIELD_WORDS | {"score": "Score", "attributes": "Attributes", "stage": "Stage"}

assert set(FIELDS) <= set(FIELD_WORDS)  # a new field needs its words


def field_now(use: ColumnUse | ColumnFound) -> str:
    """What the column's list shows: its field, "attribute" under its own name, or "ignore"."""
    if use.field is None:
        return "ignore"
    return "attribute" if use.field == f"attributes.{use.column}"[:MAX_ATTRIBUTE_CHARS] else use.field


def reading_from(form: Mapping[str, str], found: FileImport) -> dict[str, Any]:
    """What the form changes or answers, as `PUT /v1/imports/{id}/mapping` takes it."""
    sent = {name: form[name].strip() or None for name in (*OPENING, *OTHERS) if name in form}
    reading: dict[str, Any] = {name: value for name, value in sent.items() if value != _told(found, name)}
    if any(name in reading for name in OPENING):
        # other columns may come of it: what was said about those before has no meaning any more
        return {**reading, "mapping": None}
    mapping = _mapping(form, found)
    return {**reading, "mapping": mapping} if mapping else reading


def _told(found: FileImport, name: str) -> str | None:
    """What was told so far, as the form says it."""
    value = found.options.get(name)
    return str(value).lower() if isinstance(value, bool) else value


def _mapping(form: Mapping[str, str], found: FileImport) -> dict[str, str]:
    places = {column: place for place, column in enumerate(found.layout["columns"])}
    mapping = {}
    for use in plan_of(found.layout).columns:
        place = places.get(use.column)
        chosen = form.get(f"column.{place}", "")
        if chosen and chosen != field_now(use):
            mapping[use.column] = chosen
    # answers go before the lists, which show what was guessed while nobody had answered
    for column, place in places.items():
        if form.get(f"text.{place}"):
            mapping[column] = "text"
        if form.get(f"score.{place}"):
            mapping[column] = form[f"score.{place}"]
    return mapping
