"""Who was merged into whom, in events that tell it of one person and name the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from service.ingest.incoming import Merged
from service.ingest.senders.values import identifier, inner

# what senders call the one that goes on, and those that are gone
INTO = ("into", "merged_into", "target", "survivor", "surviving", "surviving_user", "winner", "primary")
FROM = (
    "from",
    "merged_from",
    "merged_user",
    "merged",
    "discarded",
    "discarded_user",
    "loser",
    "source",
    "secondary",
)
# in what is told of the one that goes on, a bare name stands for the other
OTHER = ("user", "contact", "lead", "users", "contacts", "merged_ids", "merged_contacts", "merged_users")


def merged_with(own: str, *told: Any) -> list[Merged]:
    """The merges of the person called `own` in these objects; a bare name is taken as of the one that is gone."""
    into = [name for one in told for name in _named(one, INTO)]
    found = [Merged(own, name) for name in into]
    gone = [name for one in told for name in _named(one, FROM)]
    if not into and not gone:
        gone = [name for one in told for name in _named(one, OTHER)]
    for name in gone:
        # where both are named, it is told of somebody third at most by mistake
        found += [Merged(name, end) for end in into] or [Merged(name, own)]
    return [one for one in dict.fromkeys(found) if one.gone != one.survivor]


def _named(told: Any, names: tuple[str, ...]) -> Iterator[str]:
    """The ids under these names: as objects, as ids alone, with `_id` behind the name, and several in a list."""
    if not isinstance(told, Mapping):
        return
    for name in names:
        for value in (told.get(name), told.get(f"{name}_id")):
            for one in value if isinstance(value, list) else [value]:
                key = identifier(inner(one, "id")) if isinstance(one, Mapping) else identifier(one)
                if key is not None:
                    yield key
