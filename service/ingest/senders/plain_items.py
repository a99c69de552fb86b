"""Feedback from whoever writes their own sender: our item, many, or an object whose names mean the same."""

from __future__ import annotations

import re
from typing import Any, get_args

from service.ingest.incoming import SCALES, CannotParse, Channel, Erased, IncomingItem, Merged, Parsed
from service.ingest.senders.merged_people import merged_with
from service.ingest.senders.plain_events import EventKind, What, not_of_a_customer, read_kind
from service.ingest.senders.values import attributes, identifier, moment, number

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
IDS = ("external_id", "respondent", "response_id", "conversation_id", "touchpoint", "stage")
TIMES = ("occurred_at", "updated_at")
PEOPLE = ("customer", "user", "contact", "person", "author", "reviewer")  # objects that hold who said it
MAX_URL_CHARS = 2048
NOTHING = "there is neither a text nor a score in it"
_AS_THE_CONTRACT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)


def read_payload(payload: dict[str, Any]) -> Parsed:
    """An envelope of `type`, `timestamp` and `data`, or the data without one."""
    told_at = payload.get("timestamp") if "data" in payload else None
    return read_data(payload.get("data", payload), kind=str(payload.get("type") or ""), told_at=told_at)


def read_data(data: Any, *, kind: str = "", told_at: Any = None) -> Parsed:
    """What an event of this kind, told at this time, says: an item, a list of them, also under `items`.

    Events that have a name and say nothing of a customer are ignored; without a name the check says what is wrong.
    """
    event = read_kind(kind)
    if event.is_test:
        return Parsed(ignored="a test of the connection")
    if isinstance(data, dict) and isinstance(data.get("items"), list):
        data = data["items"]
    entries = data if isinstance(data, list) else [data]
    if len(entries) > MAX_ITEMS:
        raise CannotParse(f"more than {MAX_ITEMS} items in one delivery")
    if event.is_gone:
        what = event.gone
        erased = [one for entry in entries if what and (one := _erased(entry, what)) is not None]
        return Parsed(erased=erased, ignored="" if erased else "a deletion that does not say of what")
    if event.is_merge:
        merged = [one for entry in entries for one in _merged(entry)]
        return Parsed(merged=merged, ignored="" if merged else "a merge that does not say of whom")
    items: list[Any] = []
    reasons: dict[str, None] = {}
    for entry in entries:
        why = not_of_a_customer(entry) if isinstance(entry, dict) else ""
        if why:
            reasons[why] = None
        else:
            items.append(_item(entry, told_at, event))
    if event.told and items and all(one is None or _says_nothing(one) for one in items):
        return Parsed(ignored="; ".join((*reasons, NOTHING)))
    return Parsed(items, ignored="; ".join(reasons))


def _says_nothing(item: Any) -> bool:
    if not isinstance(item, dict):
        return False  # the check says what is wrong
    text = item.get("text")
    return item.get("score") is None and (text is None or (isinstance(text, str) and not text.strip()))


def _merged(entry: Any) -> list[Merged]:
    """Whom a merge names: the person told of, with `into` or `from` beside."""
    if not isinstance(entry, dict):
        return []
    keys = (identifier(entry.get(name)) for name in (*ALIASES["respondent"][:-1], "id"))
    own = next((one for one in keys if one is not None), None)
    return [] if own is None else merged_with(own, entry)


def _erased(entry: Any, what: What) -> Erased | None:
    """What a deletion names."""
    entry = entry if isinstance(entry, dict) else {"id": entry}
    names: tuple[str, ...] = ALIASES["external_id"]
    if what == "respondent":
        inner: dict[str, Any] = next((entry[name] for name in PEOPLE if isinstance(entry.get(name), dict)), {})
        entry = {**inner, **{name: value for name, value in entry.items() if value is not None}}
        names = (*ALIASES["respondent"][:-1], "id", "email")
    elif what == "conversation":
        names = ("conversation_id", "id")
    keys = (identifier(entry.get(name)) for name in names)
    key = next((one for one in keys if one is not None), None)
    return Erased(what, key) if key is not None else None


def _item(entry: Any, told_at: Any, event: EventKind) -> Any:
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
    if isinstance(rest.get("channel"), str) and rest["channel"].strip().lower() in get_args(Channel):
        item["channel"] = rest.pop("channel").strip().lower()
    _add_rating(item, rest)
    _add_title(item, rest)
    if item.get("occurred_at") is None and told_at is not None and not event.is_change:
        item["occurred_at"] = told_at
    if item.get("updated_at") is None and told_at is not None:
        item["updated_at"] = told_at
    _mend(item, rest, told_at)
    found_attributes = _attributes(rest, rest_source)
    if found_attributes or "attributes" in entry:
        item["attributes"] = found_attributes
    return item


def _mend(item: dict[str, Any], rest: dict[str, Any], told_at: Any) -> None:
    """Values in other forms than the contract's: what stands beside the words must not refuse them.

    A time that nobody can read gives way to the event's own; without one it stays, and the check says so.
    """
    for name in TIMES:
        value = item.get(name)
        if value is not None and not (isinstance(value, str) and _AS_THE_CONTRACT.fullmatch(value)):
            found = moment(value) or (told_at if value != told_at else None)
            if found is not None:
                item[name] = found
    person = item.get("respondent")
    person = person if person is not None else next((rest[one] for one in PEOPLE if rest.get(one)), None)
    if isinstance(person, dict):
        names = (*ALIASES["respondent"][:-1], "id", "external_id", "email")
        person = next((one for name in names if (one := identifier(person.get(name))) is not None), None)
        item["respondent"] = person
    for name in IDS:
        if isinstance(item.get(name), int | float):
            item[name] = identifier(item[name])
    text = item.get("text")
    if isinstance(text, int | float) and not isinstance(text, bool):
        item["text"] = identifier(text)
    url = item.get("url")
    if url is not None and not (isinstance(url, str) and len(url) <= MAX_URL_CHARS):
        del item["url"]
    score = item.get("score")
    if isinstance(score, str) and item.get("text"):
        rest["score"] = item.pop("score")
    if isinstance(score, dict) and isinstance(score.get("kind"), str):
        item["score"] = {**score, "kind": score["kind"].strip().lower()}  # "NPS"


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
    ends = [
        end if given is None or given == "" else number(given)
        for given, end in ((rest.get("scale_min"), low), (rest.get("scale_max"), high))
    ]
    if ends[0] is not None and ends[1] is not None and ends[0] <= value <= ends[1]:
        low, high = ends[0], ends[1]
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
