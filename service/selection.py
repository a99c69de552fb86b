"""Period and filters of whatever is counted, checked once for map, trends and suggestions."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from service.errors import BadInput, FieldError

EPOCH = date(1970, 1, 1)


class Selection(BaseModel):
    """A period and filters. Values of one filter widen, different filters narrow.

    `from_` and `to` are days of the workspace (`from ≤ day < to`), as a date or as a moment on a day border.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: date | datetime | None = Field(default=None, alias="from")
    to: date | datetime | None = None
    channel: list[str] = Field(default_factory=list)
    source: list[str] = Field(default_factory=list)
    language: list[str] = Field(default_factory=list)
    attributes: dict[str, list[str]] = Field(default_factory=dict)

    def filters(self) -> dict[str, list[str]]:
        """The filters by the kind of term that the rollups hold; empty ones left out."""
        named = {"channel": self.channel, "source": self.source, "language": self.language}
        named |= {f"attr.{name}": values for name, values in self.attributes.items()}
        return {kind: values for kind, values in named.items() if values}

    def days(self, timezone: str) -> tuple[int | None, int | None]:
        """The period as days since 1970-01-01 in the workspace's zone; BadInput for a bound inside a day."""
        first, end = _day(self.from_, timezone, "from"), _day(self.to, timezone, "to")
        if first is not None and end is not None and first >= end:
            detail = "«from» must lie before «to»."
            raise BadInput(detail, errors=[FieldError("/to", "empty_period", detail)])
        return first, end


def midnight(day: int, timezone: str) -> datetime:
    """The UTC moment at which a day (since 1970-01-01) begins in a zone."""
    local = datetime.combine(EPOCH + timedelta(days=day), time(), tzinfo=ZoneInfo(timezone))
    return local.astimezone(UTC)


def _day(bound: date | datetime | None, timezone: str, name: str) -> int | None:
    if bound is None:
        return None
    if not isinstance(bound, datetime):
        return (bound - EPOCH).days
    moment = bound.replace(tzinfo=UTC) if bound.tzinfo is None else bound
    day = (moment.astimezone(ZoneInfo(timezone)).date() - EPOCH).days
    if midnight(day, timezone) != moment:
        nearest = midnight(day, timezone).isoformat().replace("+00:00", "Z")
        detail = f"«{name}» must be the start of a day in {timezone}, such as {nearest}, or a date."
        raise BadInput(detail, errors=[FieldError(f"/{name}", "not_a_day_border", detail)])
    return day
