"""How one more delivery of an item changes it: what is newer holds, what was not sent stays."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import nlp.redact
from service.auth import Vault
from service.ingest.identity import normalised
from service.ingest.incoming import IncomingItem

Status = Literal["accepted", "updated", "duplicate"]

MAX_DECLARED_CHARS = 100
# columns that are named differently from the fields that callers send
COLUMN_OF_FIELD = {
    "stage": "declared_stage",
    "touchpoint": "declared_touchpoint",
    "language": "declared_language",
    "updated_at": "sender_updated_at",
}
# what the tagger reads: a change of these is tagged again
READ_BY_TAGGER = frozenset({"text", "question", "translation"})
# the customer's own words
WORDS = frozenset({"text", "translation"})
NO_LABELS: dict[str, Any] = {
    "model": None,
    "language": None,
    "unsure_reason": None,
    "stage": None,
    "stage2": None,
    "emotion": None,
    "emotion2": None,
    "sentiment": None,
    "topic": None,
    "touchpoint": None,
    "corrected": False,
    "classified_at": None,
}
SENDER_COLUMNS = (
    "external_id",
    "channel",
    "text",
    "question",
    "translation",
    "declared_language",
    "declared_stage",
    "declared_touchpoint",
    "occurred_at",
    "sender_updated_at",
    "respondent",
    "response_id",
    "conversation_id",
    "url",
    "value",
    "score_kind",
    "score_value",
    "score_min",
    "score_max",
)


@dataclass(slots=True)
class Draft:
    """An item as it will be stored: the row's columns, and what happened to it in this call."""

    columns: dict[str, Any]
    id: int | None = None
    is_new: bool = False
    touched: bool = False  # at least one column differs from what is stored
    counted: bool = False  # something that the map shows may differ
    reread: bool = False  # the tagger has to look at it (again)
    history: list[tuple[int, str | None]] = field(default_factory=list)  # text versions that were replaced

    def apply(self, sent: dict[str, Any], *, origin: dict[str, Any], replayed: bool = False) -> Status:
        """Fold a later delivery onto the item: "updated", or "duplicate" where it says nothing new."""
        stored = self.columns
        stored_time, sent_time = stored["sender_updated_at"], sent.get("sender_updated_at")
        if stored_time is not None and sent_time is not None and sent_time < stored_time:
            return "duplicate"
        ordered_by_sender = stored_time is not None and sent_time is not None
        if replayed and not ordered_by_sender and stored["delivery_id"] != origin["delivery_id"]:
            # by arrival: what stands there came after the delivery that is replayed
            return "duplicate"
        changes = {name: value for name, value in sent.items() if stored[name] != value}
        if "text" in changes and normalised(changes["text"]) == normalised(stored["text"]):
            del changes["text"]
        if set(changes) <= {"sender_updated_at"}:
            if sent_time is not None and changes:
                # the same content, confirmed later: an older delivery that is still on its way must not win
                stored.update(changes)
                self.touched = True
            return "duplicate"
        if sent_time is None:
            changes.pop("sender_updated_at", None)
        old_text, had_text = stored["text"], stored["text"] is not None
        stored.update(changes)
        stored.update(origin)
        stored["at"] = stored["occurred_at"] or stored["received_at"]
        self.touched = self.counted = True
        if changes.keys() & READ_BY_TAGGER and (had_text or stored["text"] is not None):
            # the version counts what the tagger read, so that labels never outlive what they were made from
            self.history.append((stored["text_version"], old_text))
            stored["text_version"] += 1
            stored.update(NO_LABELS)
            stored["state"] = _first_state(stored["text"])
            self.reread = True
        return "updated"


def _first_state(text: str | None) -> str:
    return "no_text" if text is None else "pending"


def sent_columns(item: IncomingItem, vault: Vault, workspace_id: int, *, redact: bool = False) -> dict[str, Any]:
    """The columns of the fields that this item carries; fields that were not sent are not among them.

    With `redact` the customer's words come without what is personal.
    """
    columns: dict[str, Any] = {}
    for name in item.model_fields_set:
        value = getattr(item, name)
        if name == "source":
            continue  # part of the identity
        if name == "score":
            score = item.score
            columns["score_kind"] = score.kind if score else None
            columns["score_value"] = score.value if score else None
            columns["score_min"] = score.scale_min if score else None
            columns["score_max"] = score.scale_max if score else None
        elif name == "respondent":
            columns["respondent"] = vault.pseudonym(workspace_id, value) if value is not None else None
        elif name in ("stage", "touchpoint"):
            columns[COLUMN_OF_FIELD[name]] = value[:MAX_DECLARED_CHARS] if value is not None else None
        else:
            columns[COLUMN_OF_FIELD.get(name, name)] = redacted(value) if redact and name in WORDS else value
    return columns


def redacted(text: str | None) -> str | None:
    """The words without what is personal."""
    return None if text is None else nlp.redact.redact(text).text


def new_draft(
    sent: dict[str, Any],
    *,
    workspace_id: int,
    source: str,
    identity: str,
    received_at: datetime,
    origin: dict[str, Any],
) -> Draft:
    """The row of an item that was not here before; the only place where one is built."""
    columns: dict[str, Any] = dict.fromkeys(SENDER_COLUMNS)
    columns.update(channel="other", attributes={})
    columns.update(sent)
    columns.update(
        workspace_id=workspace_id,
        source=source,
        identity=identity,
        received_at=received_at,
        at=columns["occurred_at"] or received_at,
        text_version=1,
        state=_first_state(columns["text"]),
        follow_up=None,
        follow_up_owner=None,
        follow_up_note=None,
        **NO_LABELS,
        **origin,
    )
    return Draft(columns, is_new=True, touched=True, counted=True, reread=columns["text"] is not None)
