"""What the name of an event tells, and whose words its data holds, for senders that somebody wrote themselves.

Names come in every spelling: `feedback.deleted`, `com.acme.feedback.deleted.v2`, `FeedbackDeleted`,
`contact.privacyDeletion`, `customers/redact`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

CHANGED = frozenset(("updated", "changed", "edited", "modified", "update", "edit"))
TESTS = frozenset(("test", "ping", "verification", "heartbeat"))
ALONE_GONE = frozenset(("deleted", "erased", "removed", "redacted"))  # also without saying of what
GONE = ALONE_GONE | {
    *("delete", "deletion", "erase", "erasure", "redact", "purged", "forgotten", "anonymized", "anonymised"),
    "destroyed",
}
MERGED = frozenset(("merged", "merge"))
# behind the word that tells: "erasure_requested", "deleted.v2", "test event"
_SUFFIXES = frozenset(("requested", "completed", "event", "notification"))
_VERSION = re.compile(r"v?\d+")
_FILLERS = frozenset(("privacy", "gdpr", "data", "personal"))
# what may be deleted; a deleted tag or attachment of a review is no deleted review
SAYINGS = frozenset(
    ("feedback", "item", "review", "response", "ticket", "comment", "message", "answer", "rating", "submission")
)
PEOPLE = frozenset(
    (
        *("respondent", "customer", "contact", "user", "person", "consumer", "reviewer", "subscriber"),
        *("requester", "visitor", "guest"),
    )
)

What = Literal["item", "conversation", "respondent"]


@dataclass(frozen=True, slots=True)
class EventKind:
    """An event's name as we understand it."""

    told: bool = False  # there is a name at all
    is_test: bool = False
    is_change: bool = False
    is_gone: bool = False
    is_merge: bool = False  # of people
    gone: What | None = None  # None: something that we do not keep


def read_kind(name: str) -> EventKind:
    """What an event of this name is. Nothing special for an empty one, and for words with spaces between them:

    those are somebody's own kind of feedback ("Account deletion"), and no event.
    """
    if re.search(r"\s", name.strip()):
        return EventKind()
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = re.findall(r"[a-z]+[0-9]*|[0-9]+", spaced.lower())
    while words and (_VERSION.fullmatch(words[-1]) or (words[-1] in _SUFFIXES and len(words) > 1)):
        words.pop()
    last = words[-1] if words else ""
    if last in MERGED and len(words) > 1 and {words[-2], words[-2].removesuffix("s")} & PEOPLE:
        return EventKind(told=True, is_merge=True)
    if last not in (GONE if len(words) > 1 else ALONE_GONE):
        return EventKind(told=bool(name.strip()), is_test=last in TESTS, is_change=last in CHANGED)
    thing = next((word for word in reversed(words[:-1]) if word not in _FILLERS), "item")
    gone: What | None = None
    for one in (thing, thing.removesuffix("s")):
        if one in PEOPLE:
            gone = "respondent"
        elif one == "conversation":
            gone = "conversation"
        elif one in SAYINGS:
            gone = "item"
    return EventKind(told=True, is_gone=True, gone=gone)


# roles only where no customer's job is called so; what is of a type is clearer
STAFF_ROLES = frozenset(("agent", "staff", "bot", "teammate", "team_member", "support_agent"))
STAFF_TYPES = STAFF_ROLES | {"system", "operator", "employee", "support", "automation", "admin", "ai"}
_AUTHORS = ("author", "sender", "from")
_OURS = ("internal", "is_internal", "from_agent", "is_agent", "is_staff", "is_bot")
_TRIED = ("test", "is_test", "preview", "is_preview")
TEAM = "words of your own team or of a program"


def not_of_a_customer(entry: Mapping[str, Any]) -> str:
    """Why the words of an entry are not a customer's, where it says so itself; empty where it does not."""
    if any(entry.get(name) is True for name in _TRIED):
        return "a test or preview"
    if any(entry.get(name) is True for name in _OURS):
        return TEAM
    for name in _AUTHORS:
        inner = entry.get(name)
        author: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
        if any(author.get(flag) is True for flag in _OURS):
            return TEAM
        if _word(entry.get(f"{name}_type")) in STAFF_TYPES or _word(author.get("type")) in STAFF_TYPES:
            return TEAM
        if _word(entry.get(f"{name}_role")) in STAFF_ROLES or _word(author.get("role")) in STAFF_ROLES:
            return TEAM
    # on the telephone the customer speaks whoever has called
    if entry.get("channel") != "call" and _word(entry.get("direction")) in ("outbound", "outgoing"):
        return TEAM
    return ""


def _word(value: Any) -> str:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else ""
