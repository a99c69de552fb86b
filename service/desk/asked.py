"""What the address of a page asks for, as the map reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from sqlmodel import Session

from service.auth import Caller
from service.review.map_filters import ATTRIBUTE, CHANNELS, chosen, selection_of, view_of
from service.selection import Selection
from service.store.personas import of_persona, persona_rows

FILTERS: Final = ("from", "to", "channel", "source", "language", "persona")


@dataclass(frozen=True, slots=True)
class Asked:
    """The period, filters and persona of an address."""

    selection: Selection
    """The persona's attributes among its filters."""
    persona: str | None
    pairs: list[tuple[str, str]]
    """What of the address says so, and the page's own fields."""

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What the form does not ask for itself: hidden fields keep it."""
        return [pair for pair in self.pairs if pair[0] in ("source", "language") or pair[0].startswith(ATTRIBUTE)]

    @property
    def of_feedback(self) -> list[tuple[str, str]]:
        """The same for the list of feedback, which knows attributes and no personas."""
        plain = [pair for pair in self.pairs if pair[0] in FILTERS and pair[0] != "persona"]
        return [
            *plain,
            *((ATTRIBUTE + name, one) for name, some in self.selection.attributes.items() for one in some),
        ]

    def form(self, session: Session, caller: Caller, request: Request) -> dict[str, Any]:
        """What the form of a page shows, for its template."""
        return {
            "asked": request.query_params,
            "selection": self.selection,
            "persona": self.persona,
            "personas": persona_rows(session, caller.workspace_id),
            "channels": CHANNELS,
            "kept": self.kept,
            "carried": urlencode([pair for pair in self.pairs if pair[0] in FILTERS or pair in self.kept]),
        }


def asked_of(request: Request, session: Session, caller: Caller, *more: str) -> Asked:
    """What an address asks for (an empty form field means "not filtered"), with the page's own fields."""
    view = view_of(request.query_params.multi_items())
    persona = chosen(view, "persona")
    selection = of_persona(
        session, workspace_id=caller.workspace_id, selection=selection_of(request, view), persona=persona
    )
    pairs = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if value and (name in (*FILTERS, *more) or name.startswith(ATTRIBUTE))
    ]
    return Asked(selection, persona, pairs)


def clean_address(request: Request, path: str) -> str | None:
    """The address without the empty fields that a form sends; None where it has none."""
    given = request.query_params.multi_items()
    clean = [(name, value) for name, value in given if value]
    if clean == given:
        return None
    return f"{path}?{urlencode(clean)}" if clean else path
