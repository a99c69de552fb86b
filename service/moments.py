"""Moments as the public contract writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def rfc3339(moment: datetime) -> str: ...
@overload
def rfc3339(moment: None) -> None: ...
@overload
def rfc3339(moment: datetime | None) -> str | None: ...
def rfc3339(moment: datetime | None) -> str | None:
    """A timezone-aware moment in UTC with `Z` (RFC 3339); nothing stays nothing."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
