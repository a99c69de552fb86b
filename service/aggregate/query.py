"""What a map is asked for."""

from __future__ import annotations

from typing import Literal

from service.selection import Selection


class MapQuery(Selection):
    """A selection seen through a journey model."""

    model: str = "7-stage"
    compare_to: Literal["previous"] | None = None
