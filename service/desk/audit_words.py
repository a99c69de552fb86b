"""What was done, as the audit log says it to people: `key.revoke` is "API key: revoked"."""

from __future__ import annotations

from typing import Final

THINGS: Final = {
    "audit": "random audit of labels",
    "digest": "weekly digest",
    "endpoint": "sender",
    "key": "API key",
    "model": "labelling model",
    "notice": "message",
    "playbook": "own idea of the playbook",
    "respondent": "person who wrote",
    "sample": "bundled sample",
    "subscription": "who is told",
    "suggestion_weights": "weights of the rank",
    "view": "saved view",
    "workspace": "workspace",
}
"""Names that differ from the action's first word."""
DONE: Final = {
    "accept": "accepted",
    "acknowledge": "seen, no more of it for a while",
    "add": "added",
    "change": "changed",
    "complete": "kept",
    "correct": "label corrected",
    "create": "added",
    "credentials": "access to the sender's service changed",
    "default": "made the usual one",
    "delete": "deleted",
    "disable": "access ended",
    "draw": "drawn",
    "edit": "accepted in other words",
    "erase": "erased",
    "follow_up": "answer followed up",
    "invite": "invited",
    "load": "loaded",
    "merge": "merged",
    "note": "note written",
    "plan": "planned",
    "reject": "rejected",
    "remove": "removed",
    "replace": "changed",
    "retrain": "learnt from corrections",
    "revoke": "revoked",
    "roll_back": "rolled back",
    "rollback": "rolled back",
    "rotate": "new secret",
    "save": "saved",
    "schedule": "day and hour set",
    "set": "set",
    "snooze": "put off",
    "split": "to be split",
    "start": "went live",
    "test": "test started",
    "timezone": "time zone set",
    "undo": "decision taken back",
    "undo_correction": "correction taken back",
}


def audit_words(action: str) -> str:
    """An action in words; one that is not known here as it is written, with spaces."""
    thing, _, done = action.partition(".")
    named = THINGS.get(thing, thing.replace("_", " "))
    said = f"{named}: {DONE.get(done, done.replace('_', ' '))}" if done else named
    return said[:1].upper() + said[1:]
