"""Which suggestions a page lists: its address as a query, and what the filters offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from fastapi import Request
from sqlalchemy import select
from sqlmodel import Session, col

from service.auth import Caller
from service.errors import NotFound
from service.review.feedback_query import ATTRIBUTE_PREFIX, KNOWN, check_labels, codebook
from service.selection import refuse_unknown, selection_query
from service.store import rollup_frame
from service.store.personas import of_persona
from service.store.schema import Suggestion
from service.suggest import suggestions
from service.suggest.decisions import STATUSES
from service.suggest.impact_plan import AGREED
from service.suggest.playbook import EFFORTS

LISTS: Final[dict[str, tuple[str, ...]]] = {
    "suggested": suggestions.OPEN,
    "agreed": tuple(AGREED),
    "rejected": tuple(one for one in STATUSES if one not in AGREED and one not in suggestions.OPEN),
    "all": (),
}
SELECTION: Final = ("from", "to", "channel", "source", "language", "persona")
OF_SUGGESTION: Final = ("stage", "topic", "effort", "owner")
FILTERS: Final = ("status", *OF_SUGGESTION, *SELECTION)
VIEWS: Final = ("short", "long")
"""How much of each row the list shows; the first stands where the address says nothing."""
MOST_CHOICES: Final = 200
LIST: Final = "list?"
"""How a form names the list that it was sent from; its query follows."""

Pairs = Sequence[tuple[str, str]]


def filter_pairs(given: Pairs) -> list[tuple[str, str]]:
    """What of an address chooses suggestions."""
    return [
        (name, value) for name, value in given if value and (name in FILTERS or name.startswith(ATTRIBUTE_PREFIX))
    ]


def view_pairs(given: Pairs) -> list[tuple[str, str]]:
    """What of an address says how much of each row is shown; nothing for the usual view."""
    return [("view", value) for name, value in given if name == "view" and value in VIEWS[1:]][:1]


def view_of(request: Request) -> str:
    """The view of an address; NotFound for one that there is not."""
    view = request.query_params.get("view") or VIEWS[0]
    if view not in VIEWS:
        raise NotFound("There is no such view of the suggestions.")
    return view


def asked_of(request: Request, session: Session, caller: Caller) -> suggestions.SuggestionQuery:
    """The filters of an address; NotFound for a list that there is not, BadInput for an unknown label."""
    asked = request.query_params
    status = asked.get("status") or "suggested"
    if status not in LISTS:
        raise NotFound("There is no such list of suggestions.")
    refuse_unknown(request, FILTERS, among=KNOWN, what="The list of suggestions")
    many = {name: [one for one in asked.getlist(name) if one] for name in (*OF_SUGGESTION, *SELECTION)}
    selection = selection_query(
        request,
        from_=asked.get("from") or None,
        to=asked.get("to") or None,
        channel=many["channel"],
        source=many["source"],
        language=many["language"],
    )
    persona = asked.get("persona") or None
    for name in ("stage", "topic"):
        check_labels(name, many[name])
    return suggestions.SuggestionQuery(
        selection=of_persona(session, workspace_id=caller.workspace_id, selection=selection, persona=persona),
        model=caller.journey_model,
        status=LISTS[status],
        stage=tuple(many["stage"]),
        topic=tuple(many["topic"]),
        effort=tuple(many["effort"]),
        owner=tuple(many["owner"]),
    )


def choices(session: Session, workspace_id: int) -> dict[str, Sequence[str]]:
    """What the filters offer: labels, and the sources and owners of this workspace."""
    words = rollup_frame.load(session, workspace_id).words
    owners = session.execute(
        select(col(Suggestion.owner))
        .where(col(Suggestion.workspace_id) == workspace_id, col(Suggestion.owner).is_not(None))
        .distinct()
        .order_by(col(Suggestion.owner))
        .limit(MOST_CHOICES)
    ).scalars()
    return {
        "stage": codebook().labels("stage"),
        "topic": codebook().labels("topic"),
        "effort": EFFORTS,
        "owner": [one for one in owners if one],
        "source": sorted(words.get("source", {}))[:MOST_CHOICES],
    }


def list_address(form_field: str, **more: Any) -> str:
    """The list that a form was sent from: never another site."""
    query = form_field.removeprefix(LIST) if form_field.startswith(LIST) else f"status={form_field}"
    given = parse_qsl(query)
    pairs = [(name, value) for name, value in filter_pairs(given) if name != "status" or value in LISTS]
    return f"/suggestions?{urlencode([*pairs, *view_pairs(given), *more.items()])}"
