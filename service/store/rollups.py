"""The counted side of the store and its one writer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

Snapshot = Sequence[Any]


def snapshot(session: Session, workspace_id: int, item_ids: Sequence[int]) -> Snapshot:
    """What is to be counted of these items as they stand now (missing ones count nothing)."""
    return []


def apply(session: Session, workspace_id: int, *, before: Snapshot, after: Snapshot) -> None:
    """Count the change from `before` to `after`, in the transaction of its cause."""
