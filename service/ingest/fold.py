"""How one more delivery of an item changes it: what is newer holds, what was not sent stays.

Order is settled by the sender's clock and field by field, because senders tell of one item in parts (the rating,
later its comment) and their calls overtake each other. `sender_updated_at` is the time of the newest delivery;
`field_times` names only what differs from it: columns last told of at another time (None: at a time that nobody
told), and columns that were told to be empty. A column that is empty and not named there was never told of.
Without the sender's times the order of arrival holds.
"""

from __future__ import annotations

from collections.abc import Mapping
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


# what each delivery may tell of on its own; who the item is (external_id) and when (updated_at) are not
TOLD_COLUMNS = (
    *(name for name in SENDER_COLUMNS if name not in ("external_id", "sender_updated_at")),
    "attributes",
)


_NOTHING_SENT: dict[str, Any] = {
    **dict.fromkeys(SENDER_COLUMNS),
    "respondent_told": None,
    "follow_up": None,
    "follow_up_owner": None,
    "follow_up_note": None,
    **NO_LABELS,
}


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
        """Fold one more delivery onto the item: "updated", or "duplicate" where it says nothing new.

        `replayed`: the delivery came before what stands there, unless the sender's times say otherwise.
        """
        stored = self.columns
        sent_time = sent.get("sender_updated_at")
        overtaken = replayed and stored["delivery_id"] != origin["delivery_id"]
        times = _told_times(stored)
        holding = {
            name: value
            for name, value in sent.items()
            if name in TOLD_COLUMNS and _holds(stored, times, name, sent_time, overtaken=overtaken)
        }
        self._keep_times(times, holding, sent_time)
        changes = {name: value for name, value in holding.items() if stored[name] != value}
        if "text" in changes and normalised(changes["text"]) == normalised(stored["text"]):
            del changes["text"]
        if not changes:
            return "duplicate"
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

    def withdraw(self, up_to: datetime) -> bool:
        """Forget what was told up to then or at a time that nobody told; whether text or score is left."""
        stored = self.columns
        times = _told_times(stored)
        gone = {name for name, told in times.items() if told is None or told <= up_to}
        if not gone:
            return True
        left: dict[str, datetime | None] = {name: told for name, told in times.items() if name not in gone}
        if "channel" in gone:  # every item has one: any later word holds against it
            gone.remove("channel")
            left["channel"] = None
        if "text" in gone and stored["text"] is not None:
            stored.update(NO_LABELS)
            stored.update(text_version=stored["text_version"] + 1, state=_first_state(None))
            self.reread = True
        stored.update({name: {} if name == "attributes" else None for name in gone})
        if "respondent" in gone:
            stored["respondent_told"] = None
        if stored["sender_updated_at"] is not None:
            stored["field_times"] = _field_times(stored, left, stored["sender_updated_at"])
        stored["at"] = stored["occurred_at"] or stored["received_at"]
        self.touched = self.counted = True
        return stored["text"] is not None or stored["score_kind"] is not None

    def _keep_times(
        self, times: dict[str, datetime | None], holding: Mapping[str, Any], sent_time: datetime | None
    ) -> None:
        """Note when each column was told of; also where its value is the same, so that older ones can't win."""
        stored = self.columns
        row_time = stored["sender_updated_at"]
        if sent_time is None and row_time is None:
            return
        # what comes without a time is taken as no older than all that is known
        times = times | dict.fromkeys(holding, sent_time or row_time)
        newest = max(one for one in (row_time, sent_time) if one is not None)
        kept = _field_times({**stored, **holding}, times, newest)
        if (newest, kept) != (row_time, stored["field_times"]):
            stored.update(sender_updated_at=newest, field_times=kept)
            self.touched = True


def stored_draft(columns: dict[str, Any]) -> Draft:
    """The draft of a row of `feedback_item`, with the respondent as the sender told of them.

    Whom they were merged into is found anew for what is written.
    """
    columns["respondent"] = columns["respondent_told"] or columns["respondent"]
    return Draft(columns=columns, id=columns["id"])


def _is_empty(value: Any) -> bool:
    return value is None or value == {}


def _told_times(stored: Mapping[str, Any]) -> dict[str, datetime | None]:
    """When each column that was ever told of was told last; None at a time that nobody told."""
    row_time = stored["sender_updated_at"]
    times: dict[str, datetime | None] = {name: row_time for name in TOLD_COLUMNS if not _is_empty(stored[name])}
    for name, told in (stored["field_times"] or {}).items():
        times[name] = None if told is None else datetime.fromisoformat(told)
    return times


def _holds(
    stored: Mapping[str, Any],
    times: Mapping[str, datetime | None],
    name: str,
    sent_time: datetime | None,
    *,
    overtaken: bool,
) -> bool:
    """Whether what a delivery tells of this column holds against what stands there."""
    told = times.get(name)
    if told is not None and sent_time is not None:
        return sent_time >= told  # of equal times the one that arrives later
    return not overtaken or name not in times


def _field_times(
    columns: Mapping[str, Any], times: Mapping[str, datetime | None], newest: datetime
) -> dict[str, str | None] | None:
    """The column `field_times`: what can't be read off the row's own time; None in the usual case."""
    found: dict[str, str | None] = {}
    for name, told in times.items():
        if told is None or told != newest or _is_empty(columns[name]):
            found[name] = None if told is None else told.isoformat()
    return found or None


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
    default_channel: str = "other",
) -> Draft:
    """The row of an item that was not here before; the only place where one is built."""
    text = sent.get("text")
    columns: dict[str, Any] = {
        **_NOTHING_SENT,
        "channel": default_channel,
        "attributes": {},
        **sent,
        "field_times": None,
        "workspace_id": workspace_id,
        "source": source,
        "identity": identity,
        "received_at": received_at,
        "at": sent.get("occurred_at") or received_at,
        "text_version": 1,
        "state": _first_state(text),
        **origin,
    }
    told_at = columns["sender_updated_at"]
    if told_at is not None:
        times = {name: told_at for name in sent if name in TOLD_COLUMNS}
        times.setdefault("channel", None)  # any sender's word holds against our default
        columns["field_times"] = _field_times(columns, times, told_at)
    return Draft(columns, is_new=True, touched=True, counted=True, reread=text is not None)
