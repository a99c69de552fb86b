"""What the fields of Salesforce's records mean: orgs name their own as they like, so their names' words tell."""

from __future__ import annotations

from typing import Any

from service.ingest.incoming import SCALES
from service.ingest.senders.salesforce_records import Record, name_words
from service.ingest.senders.values import attributes, number

CHANGED = ("lastmodifieddate", "systemmodstamp", "updatedat")
CREATED = ("createddate", "createdat", "completiondatetime", "responsedate", "submitteddate", "messagedate")
PERSON = ("contactid", "submitterid", "respondentid", "suppliedemail", "contactemail", "email", "respondent")
CASE_OF = ("caseid", "case", "parentid")
QUESTIONS = ("question", "questiontext", "questionname")
STANDARD_ATTRIBUTES = ("status", "priority", "origin", "type", "reason", "product", "language", "country")
# what is used otherwise, or names a person
NOT_ATTRIBUTES = frozenset(
    (
        *(*CHANGED, *CREATED, *PERSON, *CASE_OF, *QUESTIONS, *STANDARD_ATTRIBUTES),
        *("object", "sobject", "site", "name", "contactname", "contactphone", "phone", "casenumber"),
        *("subject", "description", "comment", "commentbody", "text", "body", "htmlbody", "textbody"),
        *("published", "ispublished", "incoming", "authortype", "usertype", "fromaddress", "responsevalue"),
        *("deleted", "isdeleted", "shouldforget"),
    )
)
# words at the end of the name of a field that holds what the customer wrote
TEXT_WORDS = frozenset({"comment", "comments", "feedback", "verbatim", "remark", "remarks", "answer", "opinion"})
# what people write at length is nothing to filter by, and an agent's note nothing to show
PROSE = TEXT_WORDS | {"note", "notes", "description", "summary", "details", "text"}
TEXT_FIELDS = frozenset({"responsevalue", "responsetext", "answertext", "freetext", "opentext", "text", "body"})
# words in the name of a rating's field, in the order in which one record's main score is chosen
RATINGS = {
    "nps": {"nps", "promoter"},
    "csat": {"csat", "satisfaction"},
    "ces": {"ces", "effort"},
    "stars": {"star", "stars"},
}
NOT_RATINGS = {
    "id",
    "date",
    "time",
    "max",
    "min",
    "maximum",
    "minimum",
    "target",
    "goal",
    "count",
    "average",
    "scale",
}


def texts(record: Record) -> dict[str, str]:
    """What the customer wrote, by field."""
    found = {}
    for key, field in record.fields.items():
        words, value = name_words(field.name), field.value.strip()
        is_text = key in TEXT_FIELDS or bool(words and words[-1] in TEXT_WORDS)
        if is_text and value and "internal" not in words and number(value) is None:
            found[key] = value
    return found


def rating_texts(record: Record) -> dict[str, str]:
    """What the customer wrote beside a rating of a case, by field, in fields that the org made.

    "CSAT_Comment" is the customer's; any other comment of a case is likely the team's.
    """
    return {key: text for key, text in texts(record).items() if commented_rating(record, key)}


def commented_rating(record: Record, key: str) -> str | None:
    """The kind of rating that a comment's field names."""
    field = record.fields[key]
    words = name_words(field.name) if field.custom else []
    return next((kind for kind, named in RATINGS.items() if named.intersection(words)), None)


def ratings(record: Record, *, custom: bool) -> dict[str, tuple[dict[str, Any], str]]:
    """The ratings with their field, by kind; what is off its scale stays an attribute."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for key, field in record.fields.items():
        kind = _rating_kind(name_words(field.name), name_words(record.object))
        value = number(field.value.strip())
        if kind is None or value is None or (custom and not field.custom):
            continue
        low, high = SCALES[kind]
        if low <= value <= high:
            found.setdefault(kind, ({"kind": kind, "value": value, "scale_min": low, "scale_max": high}, key))
    return {kind: found[kind] for kind in RATINGS if kind in found}


def _rating_kind(field: list[str], record: list[str]) -> str | None:
    """What a field rates: by its own name, else as a "score" or "rating" by that of its object."""
    if NOT_RATINGS.intersection(field):
        return None
    for names in (field, record if {"score", "rating"}.intersection(field) else []):
        for kind, words in RATINGS.items():
            if words.intersection(names):
                return kind
    return "stars" if "rating" in field else None


def record_attributes(record: Record, taken: set[str]) -> dict[str, str]:
    """The standard fields that are filtered by, then what the org added itself."""
    standard = {name: record.get(name) for name in STANDARD_ATTRIBUTES}
    own = {
        field.name: field.value
        for key, field in record.fields.items()
        if field.custom
        and key not in taken
        and key not in NOT_ATTRIBUTES
        and not key.endswith("id")
        and not PROSE.intersection(name_words(field.name)[-1:])
    }
    return attributes({**standard, **own})
