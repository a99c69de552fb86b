"""People whom a sender merged: who is whom, within one source.

A merge leads from one that is gone to the one that goes on. `feedback_item.respondent` is where the way ends, so
that a person is counted, shown and erased as one; `respondent_told` keeps whom the sender told of. An erasure
reaches what was merged into the person, and not what the person was merged into: a sender that deletes the empty
half of a merge does not mean the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlmodel import Session, col

from service.auth import Vault
from service.store import bulk
from service.store.schema import FeedbackItem, MergedPerson

Person = tuple[str, str]  # source, pseudonym


def told_of(pseudonyms: Collection[str]) -> ColumnElement[bool]:
    """Whether an item was told of one of these, whoever they are today."""
    listed = sorted(pseudonyms)
    return or_(
        and_(col(FeedbackItem.respondent).in_(listed), col(FeedbackItem.respondent_told).is_(None)),
        col(FeedbackItem.respondent_told).in_(listed),
    )


def survivors(session: Session, workspace_id: int, people: Collection[Person]) -> dict[Person, Person]:
    """Who those among these people are today who were merged into somebody else."""
    ways: dict[Person, set[Person]] = {}
    asked: set[Person] = set()
    ahead = set(people)
    while ahead:
        asked |= ahead
        rows = session.execute(
            select(col(MergedPerson.source), col(MergedPerson.gone), col(MergedPerson.survivor)).where(
                col(MergedPerson.workspace_id) == workspace_id,
                col(MergedPerson.source).in_(sorted({source for source, _ in ahead})),
                bulk.among(session, col(MergedPerson.gone), sorted({name for _, name in ahead})),
            )
        )
        ends = set()
        for source, gone, survivor in rows:
            if (source, gone) in ahead:
                ways.setdefault((source, gone), set()).add((source, survivor))
                ends.add((source, survivor))
        ahead = ends - asked
    return {one: end for one in people if one in ways and (end := _end(ways, one)) != one}


def _end(ways: Mapping[Person, set[Person]], start: Person) -> Person:
    """Where the ways from a person end; of several ends, and in a circle, the same in any order of telling."""
    reached: set[Person] = set()
    ahead = [start]
    while ahead:
        one = ahead.pop()
        if one not in reached:
            reached.add(one)
            ahead += ways.get(one, ())
    return min({one for one in reached if one not in ways} or reached)


def merged_into(
    session: Session, vault: Vault, workspace_id: int, pseudonyms: Iterable[str], *, source: str | None
) -> dict[Person, str]:
    """Everybody who was merged into these, over any number of merges, with what the sender calls them.

    `source`: in this one only.
    """
    found: dict[Person, str] = {}
    ahead: set[tuple[str | None, str]] = {(source, one) for one in pseudonyms}
    while ahead:
        rows = session.execute(
            select(
                col(MergedPerson.source),
                col(MergedPerson.gone),
                col(MergedPerson.survivor),
                col(MergedPerson.gone_key),
            ).where(
                col(MergedPerson.workspace_id) == workspace_id,
                bulk.among(session, col(MergedPerson.survivor), sorted({name for _, name in ahead})),
            )
        ).all()
        named: dict[Person, str] = {}
        for row in rows:
            if (row.source, row.survivor) in ahead or (None, row.survivor) in ahead:
                named[row.source, row.gone] = vault.decrypt(row.gone_key)
        ahead = {one for one in named if one not in found}
        found |= named
    return found


def forget(session: Session, workspace_id: int, person: str, *, source: str | None) -> None:
    """Forget whom an erased person was merged into: their mark is all that is kept of them."""
    gone = [col(MergedPerson.workspace_id) == workspace_id, col(MergedPerson.gone) == person]
    if source is not None:
        gone.append(col(MergedPerson.source) == source)
    session.execute(delete(MergedPerson).where(*gone).execution_options(synchronize_session=False))
