"""How much a column of the map rests on, and whether it is stale: both said out loud.

Strength goes by people, because what few say may be chance: below THIN the 95 % interval of a share of a half is
wider than 34 points (Wilson), below FAIR wider than 13. A column is stale when nothing new came for STALE_DAYS
before the end of the period, or before today.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from service.selection import EPOCH, day_text

THIN: Final = 30  # people
FAIR: Final = 200
STALE_DAYS: Final = 90


def strength(items: int, respondents: int) -> dict[str, Any]:
    """{"strength", "items", "respondents", "says"}: none, thin, fair or good."""
    if items == 0:
        name, says = "none", "Nobody says anything here: start listening."
    elif respondents < THIN:
        name, says = "thin", f"Only {respondents} people: take it as a lead, not as a measure."
    elif respondents < FAIR:
        name, says = "fair", f"{respondents} people: large things show, small ones do not."
    else:
        name, says = "good", f"{respondents} people."
    return {"strength": name, "items": items, "respondents": respondents, "says": says}


def staleness(newest: int | None, *, today: date, end: int | None) -> dict[str, Any]:
    """{"newest", "days", "stale", "says"}; `newest` and `end` are days since 1970-01-01."""
    if newest is None:
        return {"newest": None, "days": None, "stale": True, "says": "No evidence with a date at all."}
    until = min((today - EPOCH).days + 1, end) if end is not None else (today - EPOCH).days + 1
    days = max(0, until - 1 - newest)
    stale = days > STALE_DAYS
    says = f"No new evidence since {day_text(newest)}, for {days} days." if stale else None
    return {"newest": day_text(newest), "days": days, "stale": stale, "says": says}
