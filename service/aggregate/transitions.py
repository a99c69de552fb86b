"""Where people go next: from stage to stage and from channel to channel, where senders tell who they are.

A step is what a respondent says next, from one contact to the following one. Items of one response are one
contact, with the labels of its first item. Contacts are in order of their days, within a day as they came in.
Items without a stage (unsure, unread …) or without a time are no contacts.

Formulas
- Share: of the steps that leave a label, those that lead to another; its unit is the respondent, so that somebody
  who goes back and forth counts as one voice (effective n of a ratio of respondents' sums: L. Kish, "Survey
  Sampling", 1965, ch. 6; see service/intervals.py).
- Return: of the respondents who were at a label and then elsewhere, those who came back to it (Wilson's interval).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from service.intervals import Interval, effective_n, share_interval
from service.selection import Selection
from service.store.like_with_like import labelled_by
from service.store.rollup_codes import codes
from service.store.rollup_frame import Frame, load

Array = NDArray[Any]
By = Literal["stage", "channel"]
FEW: Final = 10  # respondents, below which it is said


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts of people who can be followed, in their order: `label` of the person number `who` on a `day`."""

    who: Array
    day: Array
    label: Array


def transitions(
    session: Session, *, workspace_id: int, timezone: str, selection: Selection, by: By
) -> dict[str, Any]:
    """Steps between the labels of a selection's contacts, with n and intervals; see the module."""
    first, end = selection.days(timezone)
    frame = load(session, workspace_id)
    inside = frame.mask(first_day=first, end_day=end, filters=selection.filters())
    labels = _names(frame, by)
    rows, every = np.flatnonzero(inside & frame.rows["dated"]), int(np.count_nonzero(inside))
    label = _label(frame, rows, by)
    followed = frame.rows["known"][rows].astype(bool) & (label >= 0) & (label < len(labels))
    rows, label = rows[followed], label[followed]
    found = _contacts(frame, rows, label)
    step = found.who[1:] == found.who[:-1]
    start, then = found.label[:-1][step], found.label[1:][step]
    who, days = found.who[:-1][step], (found.day[1:] - found.day[:-1])[step]
    known = len(np.unique(found.who))
    moving = len(np.unique(who))
    # in the order of the journey
    data = [
        row
        for number, name in enumerate(labels)
        if (row := _from(number, name, labels, start, then, who, days, found)) is not None
    ]
    return {
        "by": by,
        "items": {"all": every, "followed": len(rows)},
        "respondents": {"known": known, "followed": moving},
        "data": data,
        "labels": {"models": labelled_by(frame, inside)} if by == "stage" else None,
        "says": _says(known, moving),
    }


def _names(frame: Frame, by: By) -> list[str]:
    if by == "stage":
        return list(codes().labels["stage"])
    return [name for name, _ in sorted(frame.words["channel"].items(), key=lambda word: word[1])]


def _label(frame: Frame, rows: Array, by: By) -> Array:
    if by == "channel":
        return frame.rows["channel"][rows].astype(np.int64)
    place = frame.rows["place"][rows].astype(np.int64)
    return np.where(place < codes().pairs, place // codes().size("touchpoint"), -1)


def _contacts(frame: Frame, rows: Array, label: Array) -> Contacts:
    who, day, item = (frame.rows[name][rows].astype(np.int64) for name in ("cluster", "day", "item_id"))
    order = np.lexsort((item, day, who))
    who, day, label = who[order], day[order], label[order]
    response = frame.rows["response"][rows].astype(np.int64)[order]
    # further answers of one response are no further contact
    again = np.zeros(len(order), dtype=bool)
    again[1:] = (who[1:] == who[:-1]) & (response[1:] == response[:-1])
    return Contacts(who[~again], day[~again], label[~again])


def _from(
    number: int,
    name: str,
    labels: list[str],
    start: Array,
    then: Array,
    who: Array,
    days: Array,
    contacts: Contacts,
) -> dict[str, Any] | None:
    """What follows one label, and who comes back to it; None where nobody was there."""
    here = contacts.label == number
    if not here.any():
        return None
    leaving = start == number
    people, person = np.unique(who[leaving], return_inverse=True)
    sizes = np.bincount(person, minlength=len(people)).astype(np.float64)
    following = []
    for other in np.unique(then[leaving]).tolist():
        there = then[leaving] == other
        hits = np.bincount(person[there], minlength=len(people)).astype(np.float64)
        share = share_interval(float(hits.sum() / sizes.sum()), effective_n(hits, sizes))
        following.append(
            {
                "label": labels[other],
                "count": int(hits.sum()),
                "respondents": int(np.count_nonzero(hits)),
                **_rounded(share),
                "days": float(np.median(days[leaving][there])),
            }
        )
    return {
        "label": name,
        "contacts": int(here.sum()),
        "respondents": len(np.unique(contacts.who[here])),
        "steps": int(leaving.sum()),
        "n": len(people),
        "few": len(people) < FEW,
        "next": sorted(following, key=lambda one: (-one["count"], one["label"])),
        "returns": _returns(number, contacts),
    }


def _returns(number: int, contacts: Contacts) -> dict[str, Any] | None:
    """Of those who left the label for another, who came back to it; None where nobody left."""
    here = contacts.label == number
    position = np.arange(len(contacts.who))
    people, person = np.unique(contacts.who, return_inverse=True)
    far = len(position)
    first = np.full(len(people), far)
    np.minimum.at(first, person[here], position[here])
    away = ~here & (position > first[person])
    left_at = np.full(len(people), far)
    np.minimum.at(left_at, person[away], position[away])
    back = here & (position > left_at[person])
    n = int(np.count_nonzero(left_at < far))
    if not n:
        return None
    count = len(np.unique(person[back]))
    return {"count": count, "n": n, **_rounded(share_interval(count / n, n))}


def _rounded(share: Interval) -> dict[str, float]:
    return {"share": round(share.value, 4), "low": round(share.low, 4), "high": round(share.high, 4)}


def _says(known: int, moving: int) -> str:
    if not known:
        return (
            "No sender tells who people are, so nobody can be followed: send «respondent» with feedback, any key "
            "that stays the same for a person."
        )
    told = f"{moving} of {known} known people can be followed from one contact to the next."
    return told + (" That is few: take the shares as a lead." if moving < FEW else "")
