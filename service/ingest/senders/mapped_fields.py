"""One item's fields, read by the administrator's paths; each with what is wrong with it, for the set-up page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from service.ingest.incoming import Channel
from service.ingest.senders.mapped_bodies import TEXT
from service.ingest.senders.mapped_options import Filter, MappedOptions
from service.ingest.senders.paths import read_path, values_at, where_it_ends
from service.ingest.senders.values import attributes, identifier, moment, number, text_of_html, titled, words

TEXTS = ("text", "title", "question", "translation")
IDS = ("external_id", "respondent", "conversation_id", "response_id", "touchpoint", "stage", "language")
TIMES = ("occurred_at", "updated_at")
MAX_URL_CHARS = 2048


@dataclass(frozen=True, slots=True)
class Read:
    """What a path gave for a field: its value (None: nothing), and what the administrator should know."""

    value: Any = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a body, and the whole body for paths that begin with `$`."""

    value: Any
    body: Any

    def at(self, path: str) -> list[Any]:
        """All plain values and objects at the path; an XML element with attributes counts as its words."""
        read = read_path(path)
        found = values_at(self.body if read.from_body else self.value, read.steps)
        return [one[TEXT] if isinstance(one, dict) and TEXT in one else one for one in found]

    def why_not(self, path: str) -> str:
        """Why there is nothing at the path."""
        read = read_path(path)
        return where_it_ends(self.body if read.from_body else self.value, read.steps) or "it is empty here"


def holds(entry: Entry, condition: Filter) -> bool:
    """Whether the condition holds for this item."""
    found = [_comparable(one) for one in entry.at(condition.path)]
    if condition.equals is not None:
        return _comparable(condition.equals) in found
    if condition.is_not is not None:
        return _comparable(condition.is_not) not in found
    if condition.one_of is not None:
        return any(_comparable(one) in found for one in condition.one_of)
    if condition.contains is not None:
        return any(condition.contains.lower() in one for one in found)
    return any(found) is condition.exists


def _comparable(value: Any) -> str:
    """A plain value as text without capitals; nested ones say only that they are there."""
    if isinstance(value, dict | list):
        return "…" if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    return (identifier(value) or str("" if value is None else value)).strip().lower()


def read_fields(entry: Entry, options: MappedOptions) -> dict[str, Read]:
    """Every field that is mapped, by its name; attributes as `attributes.<name>`."""
    found = {
        name: _field(name, entry, path, options)
        for name, path in options.fields.model_dump().items()
        if path and isinstance(path, str)
    }
    for name, path in options.attributes.items():
        found[f"attributes.{name}"] = _attribute(entry, path)
    return found


def item_of(read: dict[str, Read], options: MappedOptions) -> dict[str, Any] | None:
    """The item of the fields; None where nothing is said in it."""
    item: dict[str, Any] = {
        name: one.value
        for name, one in read.items()
        if one.value is not None and not name.startswith("attributes.") and name not in ("title", "channel")
    }
    text = titled(read["title"].value, item.get("text")) if "title" in read else item.get("text")
    if text is None and "score" not in item:
        return None
    item |= {"text": text} if text is not None else {}
    named = {name.removeprefix("attributes."): one.value for name, one in read.items() if "attributes." in name}
    channel = read["channel"].value if "channel" in read else None
    item["channel"] = str(channel).lower() if str(channel).lower() in get_args(Channel) else options.channel
    if channel is not None and item["channel"] != str(channel).lower():
        named.setdefault("channel", channel)
    told = attributes(named)
    return {**item, "attributes": told} if told else item


def _field(name: str, entry: Entry, path: str, options: MappedOptions) -> Read:
    values = entry.at(path)
    if name in TEXTS:
        return _text(entry, path, values, html=options.html and name in ("text", "title", "translation"))
    # of several values the first that says something
    value = next((one for one in values if one is not None and (not isinstance(one, str) or one.strip())), None)
    if value is None:
        return Read(None, entry.why_not(path))
    if isinstance(value, dict | list):
        return Read(None, _nested(value))
    if name == "score":
        return _score(value, options)
    several = "several values, the first is taken" if len(values) > 1 else ""
    if name in TIMES:
        time = moment(value)
        # what can't be read goes on as it is: the item is refused with a reason instead of counting as today's
        return Read(time, several) if time else Read(str(value), "no time that we read: ISO 8601 or unix seconds")
    if name == "value":
        amount = number(value)
        return Read(amount, several) if amount is not None else Read(None, "not a number")
    if name == "url":
        link = words(value)
        return Read(link, several) if link and len(link) <= MAX_URL_CHARS else Read(None, "not an address")
    key = identifier(value)
    return Read(key, several) if key else Read(None, "not an id: a truth value, or too long")


def _text(entry: Entry, path: str, values: Sequence[Any], *, html: bool) -> Read:
    parts = [one for one in values if not isinstance(one, dict | list | bool)]
    texts = [text for one in parts if (text := _plain_text(one, html=html)) is not None]
    if not texts:
        nested = next((one for one in values if isinstance(one, dict | list) and one), None)
        return Read(None, _nested(nested) if nested is not None else entry.why_not(path))
    return Read(words("\n".join(texts)))


def _plain_text(value: Any, *, html: bool) -> str | None:
    if isinstance(value, str):
        return text_of_html(value) if html else words(value)
    return identifier(value)


def _score(value: Any, options: MappedOptions) -> Read:
    by_word = {word.strip().lower(): points for word, points in options.score_words.items()}
    points = by_word.get(_comparable(value))
    if points is None:
        points = number(value.replace(",", ".") if isinstance(value, str) else value)
    if points is None:
        return Read(None, "not a number: name the words in score_words")
    low, high = options.scale()
    problem = "" if low <= points <= high else f"off the scale, {low:g} to {high:g}"
    return Read({"kind": options.score_kind, "value": points, "scale_min": low, "scale_max": high}, problem)


def _attribute(entry: Entry, path: str) -> Read:
    values = entry.at(path)
    flat = [inner for one in values for inner in (one if isinstance(one, list) else [one])]
    plain = [one for one in flat if one not in (None, "") and not isinstance(one, dict | list)]
    if not plain:
        nested = next((one for one in values if isinstance(one, dict | list) and one), None)
        return Read(None, _nested(nested) if nested is not None else entry.why_not(path))
    return Read(plain[0] if len(plain) == 1 else plain)


def _nested(value: Any) -> str:
    if isinstance(value, list):
        return "a list is here: go on with [0] or [*]"
    return f"an object is here: go on to one of {', '.join(list(map(str, value))[:5])}"
