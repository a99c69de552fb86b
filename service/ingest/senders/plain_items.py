"""Feedback from whoever writes their own sender: our item, many, or an object whose names mean the same."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args

from service.ingest.incoming import SCALES, CannotParse, Channel, Erased, IncomingItem, Parsed
from service.ingest.senders.values import attributes, identifier, number

MAX_FIELDS = 100_000  # of one body: batches of a thousand items are usual
MAX_ITEMS = 5_000

# names that senders use for fields of the contract; the first that is there holds
ALIASES: dict[str, tuple[str, ...]] = {
    "external_id": ("external_id", "id", "feedback_id", "uuid"),
    "text": ("text", "comment", "message", "body", "content", "feedback", "verbatim", "review"),
    "occurred_at": ("occurred_at", "created_at", "createdAt", "submitted_at", "timestamp", "date"),
    "updated_at": ("updated_at", "updatedAt"),
    "respondent": ("respondent", "respondent_id", "customer_id", "user_id", "email"),
    "url": ("url", "link", "permalink"),
    "language": ("language", "lang", "locale"),
}
# fields of the contract that go by no other name
PLAIN = frozenset(IncomingItem.model_fields) - set(ALIASES) - {"source", "attributes", "channel"}
TITLES = ("title", "subject")
RATINGS = ("score", "rating", "stars", "nps", "csat", "ces")
# kinds of events whose time is that of a change, not of the feedback
CHANGE_ENDINGS = ("updated", "changed", "edited")
TEST_ENDINGS = ("test", "ping")
GONE_ENDINGS = ("deleted", "erased", "removed")
# what may be deleted; a deleted tag or attachment of a review is no deleted review
SAYINGS = (
    "feedback",
    "item",
    "review",
    "response",
    "ticket",
    "comment",
    "message",
    "answer",
    "rating",
    "submission",
)
PEOPLE = ("respondent", "customer", "contact", "user", "person")


def read_payload(payload: dict[str, Any]) -> Parsed:
    """An envelope of `type`, `timestamp` and `data`, or the data without one."""
    told_at = payload.get("timestamp") if "data" in payload else None
    return read_data(payload.get("data", payload), kind=str(payload.get("type") or ""), told_at=told_at)


def read_data(data: Any, *, kind: str = "", told_at: Any = None) -> Parsed:
    """What an event of this kind, told at this time, says: an item, a list of them, also under `items`."""
    kind = kind.lower()
    if kind.endswith(TEST_ENDINGS):
        return Parsed(ignored="a test of the connection")
    if isinstance(data, dict) and isinstance(data.get("items"), list):
        data = data["items"]
    entries = data if isinstance(data, list) else [data]
    if len(entries) > MAX_ITEMS:
        raise CannotParse(f"more than {MAX_ITEMS} items in one delivery")
    if kind.endswith(GONE_ENDINGS):
        erased = [one for entry in entries if (one := _erased(entry, kind)) is not None]
        return Parsed(erased=erased, ignored="" if erased else "a deletion that does not say of what")
    return Parsed([_item(entry, told_at, kind) for entry in entries])


def _erased(entry: Any, kind: str) -> Erased | None:
    """What a deletion names: an item, or what the word before the ending says."""
    entry = entry if isinstance(entry, dict) else {"id": entry}
    words = [word for word in re.split(r"[^a-z]+", kind) if word][:-1]
    what: Literal["item", "conversation", "respondent"] = "item"
    names = ALIASES["external_id"]
    if words and words[-1] in PEOPLE:
        what, names = "respondent", (*ALIASES["respondent"][:-1], "id", "email")
    elif words and words[-1] == "conversation":
        what, names = "conversation", ("conversation_id", "id")
    elif words and words[-1] not in SAYINGS:
        return None
    keys = (identifier(entry.get(name)) for name in names)
    key = next((one for one in keys if one is not None), None)
    return Erased(what, key) if key is not None else None


def _item(entry: Any, told_at: Any, kind: str) -> Any:
    """One entry in the names of the contract; what is no object goes on as it is, for the check to refuse."""
    if not isinstance(entry, dict):
        return entry
    rest = dict(entry)
    rest_source = rest.pop("source", None)  # the endpoint's source marks every item; the sender's is kept beside
    item: dict[str, Any] = {}
    for name, aliases in ALIASES.items():
        found = [alias for alias in aliases if alias in rest]
        if found:
            item[name] = rest.pop(found[0])
    for name in PLAIN & rest.keys():
        item[name] = rest.pop(name)
    if rest.get("channel") in get_args(Channel):
        item["channel"] = rest.pop("channel")
    _add_rating(item, rest)
    _add_title(item, rest)
    if item.get("occurred_at") is None and told_at is not None and not kind.endswith(CHANGE_ENDINGS):
        item["occurred_at"] = told_at
    if item.get("updated_at") is None and told_at is not None:
        item["updated_at"] = told_at
    found_attributes = _attributes(rest, rest_source)
    if found_attributes or "attributes" in entry:
        item["attributes"] = found_attributes
    return item


def _add_rating(item: dict[str, Any], rest: dict[str, Any]) -> None:
    """A rating by another name as the contract's score; one that is off its scale stays an attribute."""
    if number(item.get("score")) is not None:
        rest["score"] = item.pop("score")  # a bare one is a rating like the others
    if "score" in item:
        return
    for name in RATINGS:
        value = number(rest.get(name))
        if value is not None or isinstance(rest.get(name), dict):
            break
    else:
        return
    if value is None:
        item["score"] = rest.pop(name)
        return
    kind = "stars" if name in ("rating", "score") else name
    low, high = SCALES[kind]
    low, high = rest.get("scale_min") or low, rest.get("scale_max") or high
    if all(isinstance(one, int | float) for one in (low, high)) and low <= value <= high:
        item["score"] = {"kind": kind, "value": value, "scale_min": low, "scale_max": high}
        for used in (name, "scale_min", "scale_max"):
            rest.pop(used, None)


def _add_title(item: dict[str, Any], rest: dict[str, Any]) -> None:
    """A title is the customer's words too: it goes in front of the text."""
    for name in TITLES:
        title = rest.get(name)
        if isinstance(title, str) and title.strip():
            text = item.get("text")
            if text is None or isinstance(text, str):
                item["text"] = f"{title.strip()}\n\n{text}" if text and text.strip() else title
                del rest[name]
            return


def _attributes(rest: dict[str, Any], source: Any) -> dict[str, str]:
    """The sender's own attributes first, then what else is a plain value, up to the contract's limits."""
    own = rest.pop("attributes", None)
    pairs = {**(own if isinstance(own, dict) else {}), **rest}
    if source is not None:
        pairs.setdefault("source", source)
    return attributes(pairs)
