"""What the map's page can be filtered by, and the address that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import numpy as np
from fastapi import Request
from sqlmodel import Session

from service.selection import Selection, selection_query
from service.store.rollup_frame import Frame, load

CHANNELS: Final = ("survey", "review", "ticket", "chat", "call", "social", "other")
ATTRIBUTE: Final = "attr."
SHOWN: Final = ("questions", "rows")
"""What of an address says which rows are seen, and chooses no feedback."""
VIEW: Final = ("model", "persona", "from", "to", "channel", "source", "language", *SHOWN)
"""What of an address says what is seen; the rest is what is being done with it."""
MOST_VALUES: Final = 12  # of a filter that is offered
MOST_ATTRIBUTES: Final = 8

Pairs = list[tuple[str, str]]


def view_of(pairs: Sequence[tuple[str, str]]) -> Pairs:
    """The pairs of an address that say what is seen, without empty ones."""
    return [(name, value) for name, value in pairs if value and (name in VIEW or name.startswith(ATTRIBUTE))]


def view_of_text(text: str) -> Pairs:
    """The same of a query in a form's field, so that a form never leads elsewhere."""
    return view_of(parse_qsl(text))


def address(pairs: Sequence[tuple[str, str]], path: str = "/map", **more: str) -> str:
    """A page's address with this view."""
    query = urlencode([*pairs, *more.items()])
    return f"{path}?{query}" if query else path


def chosen(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    """The first value of a name, None where there is none."""
    return next((value for known, value in pairs if known == name), None)


def without(pairs: Sequence[tuple[str, str]], *names: str) -> Pairs:
    """The view without these names."""
    return [(name, value) for name, value in pairs if name not in names]


def selection_of(request: Request, pairs: Sequence[tuple[str, str]]) -> Selection:
    """Period and filters of a view; an empty form field means "not filtered"."""
    many = {name: [value for known, value in pairs if known == name] for name in ("channel", "source", "language")}
    return selection_query(request, chosen(pairs, "from"), chosen(pairs, "to"), **many)


def chips(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """The filters that are on, each with the address of the map without it."""
    return [
        {
            "name": name.removeprefix(ATTRIBUTE).replace("_", " "),
            "value": value,
            "without": address([*pairs[:at], *pairs[at + 1 :]]),
        }
        for at, (name, value) in enumerate(pairs)
        if name in ("source", "language", "channel") or name.startswith(ATTRIBUTE)
    ]


def periods(pairs: Sequence[tuple[str, str]], today: date, path: str = "/map") -> list[dict[str, Any]]:
    """Usual periods as links: name, address, whether it is the one that is seen."""
    kept = without(pairs, "from", "to")
    now = (chosen(pairs, "from"), chosen(pairs, "to"))
    tomorrow = today + timedelta(days=1)
    bounds = {
        "All time": (None, None),
        "4 weeks": (tomorrow - timedelta(weeks=4), tomorrow),
        "12 weeks": (tomorrow - timedelta(weeks=12), tomorrow),
        "This year": (date(today.year, 1, 1), tomorrow),
    }
    found = []
    for name, (first, end) in bounds.items():
        said = (first.isoformat() if first else None, end.isoformat() if end else None)
        more = [(key, value) for key, value in zip(("from", "to"), said, strict=True) if value]
        found.append({"name": name, "address": address([*kept, *more], path), "current": said == now})
    return found


def offered(session: Session, workspace_id: int) -> list[dict[str, Any]]:
    """Filters beside the channel: sources, languages and attributes with few values, each with how many items.

    Only values that feedback has now: what was erased is not offered.
    """
    return load(session, workspace_id).once(_offered)


def _offered(frame: Frame) -> list[dict[str, Any]]:
    found = []
    for kind in ("source", "language"):
        word = frame.rows[kind][frame.live]
        counts = np.bincount(word[word >= 0], minlength=len(frame.words[kind]))
        values = {name: int(counts[at]) for name, at in frame.words[kind].items() if counts[at]}
        if len(values) > 1:
            found.append({"field": kind, "name": kind.capitalize(), "values": _most(values)})
    live = frame.attribute_word[frame.live[frame.attribute_row]]
    counts = np.bincount(live, minlength=len(frame.words["attribute"]))
    attributes: dict[str, dict[str, int]] = {}
    for pair, at in frame.words["attribute"].items():
        name, _, value = pair.partition("\0")
        if counts[at]:
            attributes.setdefault(name, {})[value] = int(counts[at])
    few = {name: values for name, values in attributes.items() if 1 < len(values) <= MOST_VALUES}
    names = sorted(few, key=lambda name: (-sum(few[name].values()), name))[:MOST_ATTRIBUTES]
    return found + [
        {"field": ATTRIBUTE + name, "name": name.replace("_", " "), "values": _most(few[name])} for name in names
    ]


def _most(values: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(values.items(), key=lambda one: (-one[1], one[0]))[:MOST_VALUES]
