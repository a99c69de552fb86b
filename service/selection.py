"""Period and filters of whatever is counted, checked once for map, trends and suggestions."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from service.errors import BadInput, FieldError, field_errors
from service.moments import rfc3339

EPOCH = date(1970, 1, 1)
ATTRIBUTE = "attr."
_MOMENT = TypeAdapter(datetime)


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

    @field_validator("from_", "to", mode="before")
    @classmethod
    def _date_or_moment(cls, value: object) -> object:
        # "2026-01-05T00:00:00Z" would be taken for a date, but is the start of that day in one zone only
        is_moment = isinstance(value, str) and len(value) > len("2026-01-05")
        return _MOMENT.validate_python(value) if is_moment else value

    def filters(self) -> dict[str, list[str]]:
        """The filters by the kind of term that the rollups hold; empty ones left out."""
        named = {"channel": self.channel, "source": self.source, "language": self.language}
        named |= {f"attr.{name}": values for name, values in self.attributes.items()}
        return {kind: values for kind, values in named.items() if values}

    def question(self, timezone: str) -> tuple[int | None, int | None, tuple[tuple[str, tuple[str, ...]], ...]]:
        """What decides which items are chosen, to know an answer by: first day, day after the last, filters."""
        return *self.days(timezone), tuple((kind, tuple(some)) for kind, some in sorted(self.filters().items()))

    def days(self, timezone: str) -> tuple[int | None, int | None]:
        """The period as days since 1970-01-01 in the workspace's zone; BadInput for a bound inside a day."""
        first, end = _day(self.from_, timezone, "from"), _day(self.to, timezone, "to")
        if first is not None and end is not None and first >= end:
            detail = "«from» must lie before «to»."
            raise BadInput(detail, errors=[FieldError("/to", "empty_period", detail)])
        return first, end


def day_text(day: int) -> str:
    """A day since 1970-01-01 as a date."""
    return (EPOCH + timedelta(days=day)).isoformat()


def midnight(day: int, timezone: str) -> datetime:
    """The UTC moment at which a day (since 1970-01-01) begins in a zone."""
    local = datetime.combine(EPOCH + timedelta(days=day), time(), tzinfo=ZoneInfo(timezone))
    return local.astimezone(UTC)


def _day(bound: date | datetime | None, timezone: str, name: str) -> int | None:
    if bound is None:
        return None
    if not 1900 <= bound.year <= 2200:
        detail = f"the year of «{name}» must lie between 1900 and 2200"
        raise BadInput(detail, errors=[FieldError(f"/{name}", "year_out_of_range", detail)])
    if not isinstance(bound, datetime):
        return (bound - EPOCH).days
    moment = bound.replace(tzinfo=UTC) if bound.tzinfo is None else bound
    day = (moment.astimezone(ZoneInfo(timezone)).date() - EPOCH).days
    if midnight(day, timezone) != moment:
        nearest = rfc3339(midnight(day, timezone))
        detail = f"«{name}» must be the start of a day in {timezone}, such as {nearest}, or a date."
        raise BadInput(detail, errors=[FieldError(f"/{name}", "not_a_day_border", detail)])
    return day


def selection_query(
    request: Request,
    from_: Annotated[
        str | None,
        Query(
            alias="from", description="First day, as a date or a moment on a day border.", examples=["2026-09-01"]
        ),
    ] = None,
    to: Annotated[str | None, Query(description="The day after the last one.", examples=["2026-12-01"])] = None,
    channel: Annotated[list[str] | None, Query(description="Only these channels.")] = None,
    source: Annotated[list[str] | None, Query(description="Only these sources.")] = None,
    language: Annotated[list[str] | None, Query(description="Only these languages.")] = None,
) -> Selection:
    """Period and filters from the query string.

    Besides the parameters above, `attr.<name>=<value>` keeps items whose attribute has this value. A parameter
    that is repeated widens its filter; one that the route does not know is refused, for it would narrow nothing.
    """
    route = request.scope.get("route")
    if isinstance(route, APIRoute) and route.path.startswith("/v1/"):  # pages know more of their own
        refuse_unknown(request, _declared(route.dependant))
    attributes: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(ATTRIBUTE) and name != ATTRIBUTE:
            attributes.setdefault(name.removeprefix(ATTRIBUTE), []).append(value)
    given = {
        "from": from_ or None,
        "to": to or None,
        "channel": channel or [],
        "source": source or [],
        "language": language or [],
        "attributes": attributes,
    }
    try:
        return Selection.model_validate(given)
    except ValidationError as error:
        # the two ways to read a bound are one mistake to the caller
        found = {one.pointer.split("/")[1]: one for one in field_errors(error)}
        errors = [
            FieldError(f"/{name}", one.code, "send a date such as 2026-09-01, or the moment at which a day begins")
            if name in ("from", "to")
            else one
            for name, one in found.items()
        ]
        raise BadInput("; ".join(f"{one.pointer}: {one.detail}" for one in errors), errors=errors) from error


def refuse_unknown(
    request: Request, known: Collection[str], *, among: Collection[str] | None = None, what: str = "This address"
) -> None:
    """BadInput for a parameter that is neither known nor `attr.<name>`: an answer would look narrowed and not be.

    With `among` only these names are refused: a page's address may hold more than filters.
    """
    for name in request.query_params:
        attribute = name.startswith(ATTRIBUTE) and name != ATTRIBUTE
        if attribute or name in known or (among is not None and name not in among):
            continue
        detail = f"{what} can't be narrowed by it; it knows {', '.join(sorted(known))} and attr.<name>"
        raise BadInput(f"«{name}»: {detail}.", errors=[FieldError(f"/{name}", "unknown_filter", detail)])


def _declared(dependant: Dependant) -> set[str]:
    """The names of all query parameters that a route or what it depends on declares."""
    own = {one.alias for one in dependant.query_params}
    return own.union(*(_declared(one) for one in dependant.dependencies))


SelectionQuery = Annotated[Selection, Depends(selection_query)]
