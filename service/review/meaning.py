"""Search by meaning: the feedback that says what is sought, in whatever words, the likest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Text, cast, func, select
from sqlmodel import Session, col

from nlp.artifact import ArtifactError
from nlp.likeness import Likeness, readable
from service.auth import Caller
from service.classify.active_model import likeness_of
from service.errors import BadInput, CannotStore, FieldError
from service.paging import PageQuery, encode_cursor
from service.review.feedback_models import FeedbackView, Searched
from service.review.feedback_models import Likeness as ShownLikeness
from service.review.feedback_query import FeedbackFilters
from service.review.feedback_view import documents
from service.settings import Settings
from service.store.meaning_index import Alike, alike
from service.store.schema import FeedbackItem

SAID: Final = ((0.75, "very close"), (0.65, "close"), (0.5, "related"))
"""From which cosine on a piece of feedback is called so. Chosen on CLINC150's intents; how often each is right on
others: benchmarks/figures/meaning.json."""
LEAST: Final = SAID[-1][0]
LEAST_WORDS: Final = 0.25
"""Without an encoder only words are compared, which agree less."""
BESIDE: Final = 5
"""Pieces that a search for words shows beside its hits."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search by meaning."""

    data: list[FeedbackView]
    next: str | None
    searched: Searched


def said(likeness: float) -> str:
    """A likeness in words."""
    return next((name for least, name in SAID if likeness >= least), "only in its words")


def search(
    session: Session, settings: Settings, caller: Caller, filters: FeedbackFilters, page: PageQuery
) -> Found:
    """The items of a selection that mean what `filters.meaning` says; every filter narrows first.

    Raises CannotStore (503) where no model can be read, BadInput for a cursor of another list.
    """
    model = _likeness(settings)
    found = _alike(session, model, caller.workspace_id, filters)
    first = _behind(found, page.key())
    shown = slice(first, first + page.limit)
    data = _views(session, caller, found, range(len(found.item))[shown], words=filters.meaning or "")
    more = first + page.limit < len(found.item)
    last = min(first + page.limit, len(found.item)) - 1
    return Found(
        data=data,
        next=encode_cursor(_key(found, last)) if more else None,
        searched=Searched(
            by="meaning" if model.encoder is not None else "words", found=len(found.item), read=found.read
        ),
    )


def also_meant(
    session: Session, settings: Settings, caller: Caller, filters: FeedbackFilters
) -> tuple[list[FeedbackView], int]:
    """What means the same as the words that are searched for without having them; the likest, and how many."""
    model = _likeness(settings)
    if model.encoder is None:
        return [], 0
    words = filters.q or ""
    found = _alike(session, model, caller.workspace_id, replace(filters, q=None, meaning=words))
    holding = _ids(session, caller.workspace_id, filters)
    left = np.flatnonzero(~np.isin(found.item, holding))
    return _views(session, caller, found, left[:BESIDE].tolist(), words=words), len(left)


def _likeness(settings: Settings) -> Likeness:
    try:
        return likeness_of(settings)
    except (ArtifactError, OSError) as error:
        raise CannotStore("No model can be read now; search for words meanwhile.") from error


def _alike(session: Session, model: Likeness, workspace_id: int, filters: FeedbackFilters) -> Alike:
    [sought] = model.short([readable(filters.meaning or "")])
    return alike(
        session,
        workspace_id,
        vectors=model.version,
        sought=sought,
        among=_ids(session, workspace_id, filters) if _narrowed(filters) else None,
        least=LEAST if model.encoder is not None else LEAST_WORDS,
    )


def _narrowed(filters: FeedbackFilters) -> bool:
    asked = (getattr(filters, one.name) for one in fields(filters) if one.name != "meaning")
    return any(value is False or bool(value) for value in asked)


def _ids(session: Session, workspace_id: int, filters: FeedbackFilters) -> NDArray[np.int64]:
    """The ids of a selection in ascending order: one row, whatever their number."""
    joined: Any = func.aggregate_strings(cast(col(FeedbackItem.id), Text), ",")
    text = session.execute(select(joined).where(*filters.conditions(workspace_id))).scalar_one()
    return np.sort(np.fromstring(text or "", dtype=np.int64, sep=","))


def _key(found: Alike, at: int) -> list[int]:
    return [round(found.likeness[at] * 10_000), int(found.item[at])]


def _behind(found: Alike, key: Any) -> int:
    """The place of the first item behind a cursor's."""
    if key is None:
        return 0
    match key:
        case [int(likeness), int(item)] if type(likeness) is int and type(item) is int:
            value = np.rint(found.likeness * 10_000).astype(np.int64)
            return int(np.count_nonzero((value > likeness) | ((value == likeness) & (found.item >= item))))
    detail = "this cursor did not come from here; start without one"
    raise BadInput(f"cursor: {detail}", errors=[FieldError("/cursor", "bad_cursor", detail)])


def _views(
    session: Session, caller: Caller, found: Alike, places: Sequence[int] | range, *, words: str
) -> list[FeedbackView]:
    """These items as the list shows them, each with its likeness; not those whose text has changed since."""
    ids = [int(found.item[at]) for at in places]
    rows = session.execute(
        select(FeedbackItem).where(
            col(FeedbackItem.workspace_id) == caller.workspace_id, col(FeedbackItem.id).in_(ids)
        )
    ).scalars()
    by_id = {row.id: row for row in rows}
    shown = [
        at
        for at in places
        if (row := by_id.get(int(found.item[at]))) is not None and row.text_version == found.text_version[at]
    ]
    shown_as = documents(session, [by_id[int(found.item[at])] for at in shown], verbatims=True)
    return [
        FeedbackView.model_validate(
            document
            | {
                "likeness": ShownLikeness(
                    value=float(found.likeness[at]),
                    said=said(float(found.likeness[at])),
                    start=int(found.start[at]),
                    end=int(found.end[at]),
                    same_words=words.lower() in (document["text"] or "").lower(),
                )
            }
        )
        for at, document in zip(shown, shown_as, strict=True)
    ]
