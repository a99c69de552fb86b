"""What is said of a metric from elsewhere: its verdict in a sentence, or what is still missing and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.selection import day_text
from service.suggest.effect import MIN_CELL_HITS
from service.suggest.impact_windows import WEEK
from service.suggest.metric_effect import FILLED, TWO_PAIRS, Moved

HEADS: Final = {"helped": "It helped", "got_worse": "It got worse", None: "It moved"}


@dataclass(frozen=True, slots=True)
class Told:
    """What a sentence needs to know of a metric."""

    name: str
    before: float | None
    after: float | None
    better: str | None
    worth: float
    frozen: bool
    compared: bool
    span: int  # weeks from the first before the suggestion arose
    weeks_before: int  # of these with a value
    needed: int
    done: int
    ends_on: str
    ratio: bool = False  # values over denominators, such as orders of visits

    @property
    def against(self) -> str:
        """What it is held against."""
        return "the same metric in segments that were not changed" if self.compared else "its own course before"


def words(told: Told, found: Moved, verdict: str | None, shown: Mapping[str, Any]) -> str:
    """The verdict with its interval, what it rests on, and what is asked."""
    head = HEADS.get(verdict)
    if verdict == "no_effect_worth_having":
        head = f"No effect worth having, which would be {100 * told.worth:.3g} %"
    elif verdict == "inconclusive":
        head = "Not clear" if found.final else "Not clear yet"
    said = f"{_levels(told)} {head}: {_change(shown)} than without the change, measured against {told.against}"
    said += f", {found.history_weeks} weeks{', the season taken off' if found.pairs else ''}."
    if found.history_weeks < TWO_PAIRS and not told.compared:
        said += " A season shows itself in two years; less is known, so the interval is wide."
    if not found.final:
        weeks = f"{found.after_weeks} week{'' if found.after_weeks == 1 else 's'}"
        said += f" An early look after {weeks}; the plan ends on {told.ends_on}."
    if told.better is None and verdict not in ("no_effect_worth_having", "inconclusive"):
        said += " Is higher or lower better? Once somebody has said so, it is called helped or got worse."
    if not told.frozen:
        said += " It was not among the measures when the change was agreed on: take it as a hint."
    return said


def waiting(
    told: Told, *, alive: bool, last: str, day: int, events: float | None, every: int
) -> tuple[int | None, str]:
    """Until about when there is not enough, None where waiting alone does not help; and the sentence.

    `events` counted ones a week, where these are too few; `every` so many days there is a value.
    """
    if every > WEEK:
        missing = f"a value comes about every {every} days, and one a week is needed"
        return None, f"{_levels(told)} Not enough data: {missing}."
    if told.span < told.needed:
        season = "" if told.compared else " to tell a season from an effect"
        return None, (
            f"{_levels(told)} Not enough data: {told.span} weeks before the suggestion arose, "
            f"{told.needed} are needed{season}. Older values, sent in now, count as weeks before."
        )
    if told.weeks_before < FILLED * told.span:
        missing = f"only {told.weeks_before} of the {told.span} weeks before have a value"
        return None, f"{_levels(told)} Not enough data: {missing}. The others, sent in now, count."
    if not alive:
        return None, f"{_levels(told)} Not enough data: the last value is of {last}. Newer ones are needed."
    said = f"{_levels(told)} Not enough data until about {day_text(day)}."
    if events is not None:
        said += f" About {events:.2g} a week are counted, and {MIN_CELL_HITS:.0f} are needed after the change."
    return day, said


def _levels(told: Told) -> str:
    known = [one for one in (told.before, told.after) if one is not None]
    shares = told.ratio and all(0 <= one <= 1 for one in known)
    said = [f"{100 * one:.3g} %" if shares else f"{one:.4g}" for one in known]
    if len(said) < 2:
        return f"{told.name}:" + (f" {said[0]} before." if told.before is not None else "")
    return f"{told.name}: {said[0]} before, {said[1]} after."


def _change(shown: Mapping[str, Any]) -> str:
    if shown["ratio"] is not None:
        value, low, high = (_percent(shown["ratio"][name]) for name in ("value", "low", "high"))
    else:
        value, low, high = (_units(shown["effect"][name]) for name in ("value", "low", "high"))
    return f"{value} (between {low} and {high})"


def _percent(ratio: float) -> str:
    percent = round(100 * (ratio - 1), 1 if abs(ratio - 1) < 0.1 else None)
    return f"{percent:.3g} % higher" if percent >= 0 else f"{-percent:.3g} % lower"


def _units(change: float) -> str:
    return f"{abs(change):.3g} {'higher' if change >= 0 else 'lower'}"
