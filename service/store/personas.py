"""The personas of a workspace: a name and a filter of attributes, for map, trends and suggestions alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from sqlmodel import Session, col, select

from service.errors import BadInput, FieldError
from service.selection import Selection
from service.store.rollup_frame import Frame, load
from service.store.schema import Persona


def persona_row(session: Session, workspace_id: int, public_id: str) -> Persona | None:
    """The persona of an id, None where the workspace has none of it."""
    if "\x00" in public_id:
        return None
    return session.exec(
        select(Persona).where(Persona.workspace_id == workspace_id, Persona.public_id == public_id)
    ).first()


def persona_rows(session: Session, workspace_id: int) -> Sequence[Persona]:
    """All personas of a workspace, the oldest first."""
    return session.exec(
        select(Persona).where(Persona.workspace_id == workspace_id).order_by(col(Persona.id))
    ).all()


def of_persona(session: Session, *, workspace_id: int, selection: Selection, persona: str | None) -> Selection:
    """The selection narrowed to a persona's attributes; BadInput for an unknown one.

    Where both name an attribute, only values that both have are kept, so that a filter never widens a persona.
    """
    if not persona:
        return selection
    row = persona_row(session, workspace_id, persona)
    if row is None:
        detail = "there is no persona of this id; see /v1/personas"
        raise BadInput(f"persona: {detail}", errors=[FieldError("/persona", "unknown_persona", detail)])
    attributes = dict(selection.attributes)
    for name, values in row.attributes.items():
        asked = attributes.get(name)
        # a value that no attribute can have: nothing is left where filter and persona exclude each other
        attributes[name] = list(values) if asked is None else [one for one in asked if one in values] or ["\x00"]
    return selection.model_copy(update={"attributes": attributes})


def matched(frame: Frame, attributes: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many items of all time have these attributes, and of how many customers; an item of nobody is one."""
    kinds = {f"attr.{name}": values for name, values in attributes.items()}
    mask = frame.mask(first_day=None, end_day=None, filters=kinds)
    return {"items": int(mask.sum()), "customers": int(np.unique(frame.rows["cluster"][mask]).size)}


def attributes_seen(session: Session, workspace_id: int) -> dict[str, list[tuple[str, int]]]:
    """The attributes of a workspace's feedback with their values and how many items have each, most first."""
    frame = load(session, workspace_id)
    return frame.once(_seen)


def _seen(frame: Frame) -> dict[str, list[tuple[str, int]]]:
    words = frame.words["attribute"]
    counts = np.bincount(frame.attribute_word[frame.live[frame.attribute_row]], minlength=len(words))
    found: dict[str, list[tuple[str, int]]] = {}
    for pair, word in words.items():
        name, _, value = pair.partition("\0")
        if counts[word]:
            found.setdefault(name, []).append((value, int(counts[word])))
    ordered = sorted(found.items(), key=lambda one: (-sum(n for _, n in one[1]), one[0]))
    return {name: sorted(values, key=lambda one: (-one[1], one[0])) for name, values in ordered}
