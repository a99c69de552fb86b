"""How each attempt to learn ended: a numbered JSON file beside the overlay, never with customers' words.

number, model (its version, null where nothing was published), base, created_at, actor, because,
outcome: published | refused | unchanged, texts (learnt from), last_correction (id), seconds,
fields: field to {adopted, strength, remembered, reason, corrections, evaluation}; each with n, accuracy before and
after with 95 % intervals, and per label with at least ten examples
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import select
from sqlmodel import Session, col

from nlp.overlay import Overlay, to_bytes
from service.settings import Settings
from service.store import learned
from service.store.learned import Active, folder_of, overlay_path, write_whole
from service.store.schema import Workspace

KEPT_OVERLAYS: Final = 10
"""So far one can roll back."""
Record = dict[str, Any]


def records(settings: Settings, workspace_id: int) -> list[Record]:
    """All attempts, the newest first."""
    files = sorted(folder_of(settings, workspace_id).glob("[0-9]*.json"), reverse=True)
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def newest(settings: Settings, workspace_id: int) -> Record | None:
    """The last attempt."""
    files = sorted(folder_of(settings, workspace_id).glob("[0-9]*.json"))
    return json.loads(files[-1].read_text(encoding="utf-8")) if files else None


def lock(session: Session, workspace_id: int) -> None:
    """Let nobody else number, publish or roll back in this workspace until the transaction ends."""
    session.execute(select(col(Workspace.id)).where(col(Workspace.id) == workspace_id).with_for_update())


def next_number(settings: Settings, workspace_id: int) -> int:
    """One more than the last attempt's."""
    last = newest(settings, workspace_id)
    return 1 if last is None else int(last["number"]) + 1


def save(settings: Settings, workspace_id: int, record: Record, overlay: Overlay | None) -> Active | None:
    """Keep an attempt and its overlay; what the workspace is to use then, None without an overlay."""
    active = None
    if overlay is not None:
        content = to_bytes(overlay)
        write_whole(overlay_path(settings, workspace_id, overlay.number), content)
        digest = hashlib.sha256(content).hexdigest()
        active = Active(overlay.number, overlay.version, overlay.base, digest)
        record = record | {"sha256": digest}
    path = overlay_path(settings, workspace_id, int(record["number"])).with_suffix(".json")
    write_whole(path, json.dumps(record).encode())
    return active


def as_active(record: Record) -> Active:
    """What `learned.activate` needs of a published attempt."""
    return Active(int(record["number"]), record["model"], record["base"], record["sha256"])


def can_return_to(settings: Settings, workspace_id: int, record: Record, base: str) -> bool:
    """Whether an attempt's overlay fits the default model and is still kept."""
    published = record["outcome"] == "published" and record["base"] == base
    return published and overlay_path(settings, workspace_id, int(record["number"])).is_file()


def thin_out(settings: Settings, workspace_id: int, keep: Active | None) -> None:
    """Delete the overlays that nobody can roll back to any more; how they came about stays."""
    files = sorted(folder_of(settings, workspace_id).glob("[0-9]*.npz"))
    for path in files[:-KEPT_OVERLAYS]:
        if keep is None or path != overlay_path(settings, workspace_id, keep.number):
            path.unlink(missing_ok=True)


def items_learnt_from(settings: Settings, workspace_id: int) -> dict[Path, list[int]]:
    """Each kept overlay's file and the items whose vectors it holds."""
    found = {}
    for path in sorted(folder_of(settings, workspace_id).glob("[0-9]*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            found[path] = [int(one) for one in arrays["items"]]
    return found


def in_use(settings: Settings, workspace_id: int, base: str) -> Active | None:
    """The overlay that the workspace uses on top of this default model."""
    active = learned.active_of(settings, workspace_id)
    return active if active is not None and active.base == base else None
