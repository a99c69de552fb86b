"""What an impact measurement answers: its numbers rounded, its verdict in a sentence, what it assumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from service.intervals import Interval
from service.moments import rfc3339
from service.selection import day_text
from service.suggest.effect import MIN_CELL_HITS, MIN_CELLS, Effect
from service.suggest.impact_plan import MIN_BASELINE_WEEKS, Course
from service.suggest.impact_windows import WEEK, Windows


@dataclass(frozen=True, slots=True)
class Measured:
    """What was counted and what follows; `effect` None where there is too little, or it is withheld."""

    effect: Effect | None
    withheld: str | None
    mix: dict[str, Any] | None
    series: list[dict[str, Any]]
    hits_a_week: float  # of the baseline
    against: str = "the same weeks in stages that were not changed"
    rate: dict[str, Any] | None = None  # contacts per 1,000, see outcomes.py
    alike: bool | None = None  # whether both moved alike in the two halves of the baseline; None: not to be told


def answer(
    public_id: str,
    stage: str,
    topic: str,
    course: Course,
    windows: Windows,
    measured: Measured,
    touched: set[tuple[str, str]],
    tried: Mapping[str, Any] | None = None,
    outcomes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The measurement as the route answers it; `tried` is that of a segment in which it was tried before."""
    plan, found = course.plan, measured.effect
    overlapping = sorted(f"{other}.{subject}" for other, subject in touched if other == stage and subject != topic)
    verdict = found.verdict if found is not None else "not_enough_data"
    until = None
    if verdict == "not_enough_data" and measured.withheld is None:
        until = _enough_on(windows, measured)
    return {
        "id": public_id,
        "metric": {
            "name": "share_of_stage",
            "stage": stage,
            "topic": topic,
            "about": "Share of the stage's items that say something negative about the topic.",
        },
        "agreed_at": rfc3339(course.agreed_at),
        "started_at": rfc3339(course.starts_at),
        "start_told": course.started,
        "ended_at": rfc3339(course.ended_at),
        "plan": {
            "smallest_effect": plan.smallest_effect,
            "planned_weeks": plan.planned_weeks,
            "washout_weeks": plan.washout_weeks,
            "ends_on": day_text(windows.end),
            "weeks_done": windows.done,
        },
        "baseline": {
            "from": day_text(windows.baseline),
            "to": day_text(windows.trigger),
            "weeks": windows.weeks,
            "excluded_from": day_text(windows.trigger),
            "excluded_to": day_text(windows.after),
        },
        "before": None if found is None else _side(found.before, found.before_hits, found.before_n),
        "after": None if found is None else _side(found.after, found.after_hits, found.after_n),
        "difference": None if found is None else _rounded(found.difference),
        "ratio": None if found is None else _rounded(found.ratio),
        "comparison": None
        if found is None
        else {
            "against": measured.against,
            "cells": found.cells,
            "ratio": _rounded(found.others),
            "variance_over_counts": round(found.blown_up, 2),
        },
        "mix": measured.mix,
        "final": found is not None and found.final,
        "verdict": verdict,
        "says": _says(verdict, found, windows, until, measured),
        "enough_on": until,
        "withheld": measured.withheld,
        "overlapping": overlapping,
        "assumptions": _assumptions(measured, overlapping),
        "segment": None if course.segment is None else {kind: list(one) for kind, one in course.segment.items()},
        "tried": tried,
        "rate": measured.rate,
        "outcomes": list(outcomes),
        "series": measured.series,
    }


def tried_answer(segment: Mapping[str, Sequence[str]], windows: Windows, measured: Measured) -> dict[str, Any]:
    """What a try in a segment showed until the change came everywhere."""
    found = measured.effect
    verdict = found.verdict if found is not None else "not_enough_data"
    return {
        "segment": {kind: list(one) for kind, one in segment.items()},
        "weeks_done": windows.done,
        "final": found is not None and found.final,
        "verdict": verdict,
        "ratio": None if found is None else _rounded(found.ratio),
        "says": _says(verdict, found, windows, None, measured),
    }


def _assumptions(measured: Measured, overlapping: Sequence[str]) -> list[dict[str, Any]]:
    """What has to be so for the verdict to hold, and whether the data speak against it."""
    return [
        {
            "says": f"Without the change the share would have moved as in {measured.against}. "
            + {
                None: "There is too little before it to check that.",
                True: "In the two halves of the weeks before it did.",
                False: "In the two halves of the weeks before it did not: take the verdict with care.",
            }[measured.alike],
            "holds": measured.alike,
        },
        {
            "says": "Nothing else that moves it was changed meanwhile."
            + (f" Also changed in this stage: {', '.join(overlapping)}." if overlapping else ""),
            "holds": not overlapping,
        },
    ]


def _enough_on(windows: Windows, measured: Measured) -> str | None:
    if windows.weeks < MIN_BASELINE_WEEKS or measured.hits_a_week <= 0:
        return None
    weeks = max(windows.done + 1, ceil(MIN_CELL_HITS / measured.hits_a_week))
    return day_text(windows.after + WEEK * weeks)


def _side(share: Interval, hits: float, n: float) -> dict[str, Any]:
    return {"count": round(hits), "n": round(n), "share": round(share.value, 4), **_bounds(share)}


def _bounds(found: Interval) -> dict[str, float]:
    return {"low": round(found.low, 4), "high": round(found.high, 4)}


def _rounded(found: Interval) -> dict[str, float]:
    return {"value": round(found.value, 4), **_bounds(found)}


def _sooner(hits_a_week: float) -> str:
    """What the wait rests on, and what shortens it: nothing but more feedback of the stage."""
    often = (
        f"about {hits_a_week:.0f} a week"
        if hits_a_week >= 1.5
        else "about one a week"
        if hits_a_week >= 0.75
        else f"about one in {round(1 / hits_a_week)} weeks"
    )
    return (
        f"Before the change {often} said so, and {MIN_CELL_HITS:.0f} are needed at that pace to tell a fall from "
        "chance. More feedback of this stage makes it sooner: another source, or a question where it happens."
    )


def _says(verdict: str, found: Effect | None, windows: Windows, until: str | None, measured: Measured) -> str:
    if measured.withheld is not None:
        return measured.withheld
    if found is None or verdict == "not_enough_data":
        if windows.weeks < MIN_BASELINE_WEEKS:
            return (
                f"Not enough data: {_weeks(windows.weeks)} before the suggestion arose, "
                f"{MIN_BASELINE_WEEKS} are needed to know what was usual. "
                "Older feedback, sent in now, counts as weeks before."
            )
        return (
            f"Not enough data until about {until}. {_sooner(measured.hits_a_week)}"
            if until
            else "Not enough data."
        )
    change = change_in_words(found.ratio.value)
    # nearer to nothing first, where both ends lie on one side
    ends = (found.ratio.high, found.ratio.low) if found.ratio.high < 1 else (found.ratio.low, found.ratio.high)
    told = f"{change} {'than' if change.endswith(('less', 'more')) else 'as'} before"
    told += ", measured against what was not changed "
    told += f"(between {' and '.join(change_in_words(one) for one in ends)})."
    if verdict == "inconclusive" and found.cells < MIN_CELLS:
        told += (
            f" Little is there to compare with: {found.cells or 'no'} other "
            f"complaint{'' if found.cells == 1 else 's'} that nobody changed; with {MIN_CELLS} or more the range "
            "gets narrower."
        )
    if not found.final:
        told += f" An early look after {_weeks(windows.done)}; the plan ends on {day_text(windows.end)}."
    head = {
        "helped": "It helped",
        "got_worse": "It got worse",
        "no_effect_worth_having": "No effect worth having",
        "inconclusive": "Not clear yet" if not found.final else "Not clear",
    }[verdict]
    return f"{head}: {told}"


def _weeks(many: int) -> str:
    return f"{many} week{'' if many == 1 else 's'}"


def change_in_words(ratio: float) -> str:
    """A ratio of after to before: "35 % less", "20 % more", "3.4 times as much", "about as much"."""
    percent = round(100 * (ratio - 1))
    if percent == 0:
        return "about as much"
    if percent < 0:
        return f"{-percent} % less" if percent > -100 else "over 99 % less"
    if ratio < 3:
        return f"{percent} % more"
    return f"{ratio:.1f} times as much" if ratio < 9.95 else f"{ratio:,.0f} times as much"
