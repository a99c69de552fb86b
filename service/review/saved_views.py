"""Saved views: selections of feedback that a workspace's people come back to, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from service.auth import Caller
from service.errors import BadInput, FieldError, NotFound
from service.review.feedback_query import ATTRIBUTE_PREFIX, KNOWN
from service.store.schema import AuditEvent, SavedView

MOST_VIEWS = 100
NAME_CHARS = 80
ADDRESS_CHARS = 2000

Pairs = Sequence[tuple[str, str]]


def selection_pairs(pairs: Pairs) -> list[tuple[str, str]]:
    """What of an address selects feedback: filters that say something, without paging."""
    return [
        (name, value) for name, value in pairs if value and (name in KNOWN or name.startswith(ATTRIBUTE_PREFIX))
    ]


def saved_views(session: Session, workspace_id: int) -> list[dict[str, Any]]:
    """All views of a workspace by name: id, name, address, author."""
    rows = session.execute(
        select(SavedView)
        .where(col(SavedView.workspace_id) == workspace_id)
        .order_by(func.lower(col(SavedView.name)), col(SavedView.id))
        .limit(MOST_VIEWS)
    ).scalars()
    return [{"id": one.id, "name": one.name, "address": one.address, "author": one.author} for one in rows]


def save_view(session: Session, caller: Caller, *, name: str, address: str) -> str:
    """Keep a selection under a name, in place of the one that has this name; the address as it is kept.

    `address` is the query of the list's address. Raises BadInput for a name or address that can't be used, and
    where the workspace has too many views.
    """
    name = " ".join(name.split())
    kept = urlencode(selection_pairs(parse_qsl(address)))
    errors = []
    if not 0 < len(name) <= NAME_CHARS:
        errors.append(FieldError("/name", "bad_name", f"a name of 1 to {NAME_CHARS} characters"))
    if not 0 < len(kept) <= ADDRESS_CHARS:
        errors.append(FieldError("/address", "bad_address", "choose at least one filter before saving the view"))
    if errors:
        raise BadInput("; ".join(one.detail for one in errors), errors=errors)
    mine = col(SavedView.workspace_id) == caller.workspace_id
    found = session.execute(
        select(SavedView).where(mine, col(SavedView.name) == name).with_for_update()
    ).scalar_one_or_none()
    if found is None:
        many = session.execute(select(func.count()).select_from(SavedView).where(mine)).scalar_one()
        if many >= MOST_VIEWS:
            raise BadInput(f"There are {many} saved views already; remove one first.")
        found = SavedView(workspace_id=caller.workspace_id, name=name, address=kept, author=caller.actor)
    found.address, found.author = kept, caller.actor
    session.add(found)
    session.flush()
    _audit(session, caller, "view.save", found)
    return kept


def remove_view(session: Session, caller: Caller, view_id: int) -> None:
    """Forget a view; NotFound for another workspace's."""
    found = session.execute(
        select(SavedView).where(col(SavedView.id) == view_id, col(SavedView.workspace_id) == caller.workspace_id)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("This saved view does not exist.")
    _audit(session, caller, "view.remove", found)
    session.execute(delete(SavedView).where(col(SavedView.id) == view_id))


def _audit(session: Session, caller: Caller, action: str, view: SavedView) -> None:
    # not its name nor its words: a search may hold what a customer said
    target = f"view:{view.id}"
    session.add(
        AuditEvent(workspace_id=caller.workspace_id, actor=caller.actor, action=action, target=target, detail={})
    )
