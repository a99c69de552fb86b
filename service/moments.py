"""Moments as the public contract writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
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


def said_days(first: date | None, last: date | None) -> str:
    """A period in words, its last day among them: «7 to 12 Oct 2026», «Since 7 Oct 2026», «All time»."""
    if first is None:
        return f"Until {last.day} {last:%b %Y}" if last is not None else "All time"
    if last is None:
        return f"Since {first.day} {first:%b %Y}"
    year = f" {first.year}" if first.year != last.year else ""
    month = f" {first:%b}" if first.month != last.month or year else ""
    return f"{first.day}{month}{year} to {last.day} {last:%b %Y}"
