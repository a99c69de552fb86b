"""Which overlay a workspace uses, told by one small file in the data folder that is replaced at once.

Every process that tags looks at it before each slice, so that a newly published overlay, or a roll back, is taken
up without a restart. Processes on several machines need the same data folder, as they do for uploaded files.

    DATA_DIR/workspaces/<id>/learning/active.json   what is used now; no file, or a null number: the default
    DATA_DIR/workspaces/<id>/learning/0007.npz      the overlay numbered 7
    DATA_DIR/workspaces/<id>/learning/0007.json     how it came about: see service/learn/records.py
    DATA_DIR/workspaces/<id>/learning/rows.npz      corrected texts as the default model sees them, no words
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from sqlmodel import Session

from service.settings import Settings
from service.store import queue
from service.store.queue import Priority

ACTIVE_FILE: Final = "active.json"
Because = Literal["asked", "corrections", "erasure", "model"]
"""Why a workspace learns anew."""


@dataclass(frozen=True, slots=True)
class Active:
    """The overlay that a workspace uses."""

    number: int
    version: str
    """Model version of what is tagged with it: the default's, the number, a hash."""
    base: str
    """The default model that it was learnt on top of; with another one it is not used."""
    sha256: str
    """Of its file."""


def folder_of(settings: Settings, workspace_id: int) -> Path:
    """Where a workspace's learning lies; it need not be there yet."""
    return settings.workspaces_dir / str(workspace_id) / "learning"


def overlay_path(settings: Settings, workspace_id: int, number: int) -> Path:
    """The file of an overlay."""
    return folder_of(settings, workspace_id) / f"{number:04}.npz"


def active_of(settings: Settings, workspace_id: int) -> Active | None:
    """What the workspace uses now; None: the default model as it is."""
    try:
        raw = json.loads((folder_of(settings, workspace_id) / ACTIVE_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return None if raw["number"] is None else Active(**raw)


def stamp_of(settings: Settings, workspace_id: int) -> tuple[int, int] | None:
    """Changes whenever the workspace's choice is written anew; None where none ever was."""
    try:
        found = (folder_of(settings, workspace_id) / ACTIVE_FILE).stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def activate(settings: Settings, workspace_id: int, active: Active | None) -> None:
    """Have the workspace use this overlay from now on; None: the default model."""
    raw = {"number": None} if active is None else asdict(active)
    write_whole(folder_of(settings, workspace_id) / ACTIVE_FILE, json.dumps(raw).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that appears under its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    draft.chmod(0o600)
    draft.replace(path)


def ask_retrain(session: Session, workspace_id: int, *, because: Because, actor: str | None = None) -> None:
    """Queue the job "retrain" in the caller's transaction; it finds out itself whether there is enough to do."""
    queue.enqueue(
        session,
        workspace_id=workspace_id,
        kind="retrain",
        payload={"because": because, "actor": actor},
        priority=Priority.SINGLE,
        dedupe_key=f"{because}:{workspace_id}",
    )


def forget_workspace(settings: Settings, workspace_id: int) -> None:
    """Delete all that a workspace keeps in the data folder; called when the workspace is deleted."""
    shutil.rmtree(settings.workspaces_dir / str(workspace_id), ignore_errors=True)
