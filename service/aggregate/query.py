"""What a map is asked for: a selection (service/selection.py) seen through a journey model."""

from __future__ import annotations

from typing import Literal

from service.selection import EPOCH, Selection, midnight

__all__ = ["EPOCH", "MapQuery", "Selection", "midnight"]


class MapQuery(Selection):
    """A selection seen through a journey model."""

    model: str = "7-stage"
    compare_to: Literal["previous"] | None = None
