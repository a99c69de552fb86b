"""Which feedback item an incoming one is: by the sender's id, else by what it says, else by nothing."""

from __future__ import annotations

import hashlib
import unicodedata
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

import orjson

from service.auth import Vault
from service.ingest.incoming import IncomingItem


def normalised(text: str | None) -> str | None:
    """A text without differences that nobody can see: composed characters (NFC), single spaces."""
    return None if text is None else " ".join(unicodedata.normalize("NFC", text).split())


def respondent_mark(vault: Vault, workspace_id: int, respondent: str) -> str:
    """`ErasureMark.key_hash` (kind "respondent") of a person as the sender calls them."""
    return vault.keyed_hash(f"respondent:{workspace_id}:{respondent}")


def person_mark(vault: Vault, workspace_id: int, source: str, respondent: str) -> str:
    """`ErasureMark.key_hash` (kind "respondent") of a person as one source calls them, meant there only."""
    return vault.keyed_hash(f"respondent-of:{workspace_id}:{len(source)}:{source}:{respondent}")


def conversation_mark(vault: Vault, workspace_id: int, source: str, conversation_id: str) -> str:
    """`ErasureMark.key_hash` (kind "conversation") of one source's conversation."""
    return vault.keyed_hash(f"conversation:{workspace_id}:{len(source)}:{source}:{conversation_id}")


def response_mark(vault: Vault, workspace_id: int, source: str, response_id: str) -> str:
    """`BlankResponse.key_hash` of one source's survey response."""
    return vault.keyed_hash(f"response:{workspace_id}:{len(source)}:{source}:{response_id}")


def item_mark(vault: Vault, workspace_id: int, source: str, identity: str) -> str:
    """`ErasureMark.key_hash` (kind "item") of one feedback item."""
    return vault.keyed_hash(f"item:{workspace_id}:{source}:{identity}")


def content_key(vault: Vault, *, workspace_id: int, source: str, item: IncomingItem) -> str | None:
    """SHA-256 (hex) of source, time, respondent, question, score and normalised text.

    None where it says nothing about identity: the sender gave an id, or neither time nor respondent.
    """
    if item.external_id is not None or (item.occurred_at is None and item.respondent is None):
        return None
    score = item.score
    parts = [
        source,
        item.occurred_at.isoformat() if item.occurred_at else None,
        # the pseudonym: a plain hash of a name or address could be guessed
        vault.pseudonym(workspace_id, item.respondent) if item.respondent else None,
        normalised(item.question),
        [score.kind, score.value, score.scale_min, score.scale_max] if score else None,
        normalised(item.text),
    ]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()


def identities(
    vault: Vault,
    *,
    workspace_id: int,
    source_default: str,
    items: Sequence[IncomingItem],
    once: Sequence[str] | None = None,
    equal_before: Mapping[str, int] | None = None,
) -> list[tuple[str, str]]:
    """(source, identity) of each item, in order.

    "id:<external_id>"; else "hash:<sha256>" where the k-th equal row of one file or batch has its k in the hash
    (so that two equal rows are two items, and the file sent again brings none); else, where nothing identifies
    it, "once:<name>": `once` names each item's place in its file or delivery, a random name where there is none.
    """
    equal = Counter(equal_before or {})
    found = []
    for position, item in enumerate(items):
        source = item.source or source_default
        if item.external_id is not None:
            identity = f"id:{item.external_id}"
        elif key := content_key(vault, workspace_id=workspace_id, source=source, item=item):
            equal[key] += 1
            identity = "hash:" + hashlib.sha256(f"{key}:{equal[key]}".encode()).hexdigest()
        else:
            identity = f"once:{once[position] if once else uuid.uuid4().hex}"
        found.append((source, identity))
    return found
