"""Decisions on suggestions as forms: what a page offers for each, and what a form means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from service.errors import BadInput, field_errors
from service.review.charts import words
from service.store.columns import now
from service.suggest.decisions import DECISIONS_NEEDING, SEGMENTS, DecisionBody

LABELS: Final = {
    "roll_back": "Roll back",
    "start": "Start",
    "test": "Test small",
    "complete": "Keep it",
    "snooze": "Later",
}
DONE: Final = {
    "accept": "Accepted.",
    "edit": "Saved and accepted.",
    "reject": "Rejected; it stays so.",
    "snooze": "Put off; it comes back by itself.",
    "plan": "Planned.",
    "test": "In test: try it in a small step first.",
    "start": "Started: from this day on it is measured.",
    "complete": "Kept.",
    "roll_back": "Rolled back.",
    "note": "Noted.",
}
DONE_ALL: Final = {
    "all-accept": "{} accepted.",
    "all-reject": "{} rejected; they stay so.",
    "all-snooze": "{} put off; they come back by themselves.",
    "all-note": "{} noted.",
    "undone": "{} as before.",
}
# decisions that end or take something back ask first; the others are one click
ASKING: Final = ("roll_back",)
LATER: Final = (("2", "2 weeks"), ("4", "4 weeks"), ("13", "3 months"))


def steps(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What can be decided now about a suggestion, as `possible` says, in its order.

    `needs` names the field without which the decision is refused; `quick` ones are a button of their own.
    """
    return [
        {
            "name": name,
            "label": LABELS.get(name, words(name).capitalize()),
            "needs": DECISIONS_NEEDING.get(name),
            "quick": name not in DECISIONS_NEEDING and name not in ASKING,
        }
        for name in row["possible"]
    ]


def done_text(decision: str | None, many: int | None = None, left: int | None = None) -> str | None:
    """What a page says after a decision, or one on `many` at once; None after none."""
    if decision in DONE_ALL and many is not None:
        said = DONE_ALL[decision].format(f"{many:,} suggestion{'' if many == 1 else 's'}")
        return f"{said} {left:,} stay: somebody has decided on them since." if left else said
    if not decision or decision not in {*DONE, *DecisionBody.model_fields["decision"].annotation.__args__}:  # type: ignore[union-attr]
        return None
    return DONE.get(decision, f"Done: {words(decision)}.")


def decision_fields(form: Mapping[str, str], *, timezone: str) -> dict[str, Any]:
    """The fields of a decision that a form gives, not yet checked; a day is that of the zone."""
    given: dict[str, Any] = {
        name: form[name]
        for name in ("decision", "adaptation", "reason", "owner", "until", "effective_at", "due", "ticket")
        if form.get(name, "").strip()
    }
    # of a form that several decisions share
    if form.get("weeks", "").isdecimal() and given.get("decision") == "snooze":
        given["until"] = now() + timedelta(weeks=min(int(form["weeks"][:3]), 520))
    if form.get("segment", "").strip():
        given["segment"] = _segment(form["segment"])
    if form.get("outcome", "").strip() and form.get("better", "").strip():
        given["outcomes"] = [{"name": form["outcome"], "better": form["better"]}]
    for name in ("until", "effective_at"):
        if isinstance(given.get(name), str):
            given[name] = _day(given[name], timezone)
    return given


def decision_of(form: Mapping[str, str], *, timezone: str) -> DecisionBody:
    """The decision that a form takes; BadInput naming what of it can't be used. A day is that of the zone."""
    try:
        return DecisionBody.model_validate(decision_fields(form, timezone=timezone))
    except ValidationError as error:
        raise BadInput("The decision can't be taken like this.", errors=field_errors(error)) from error


def _segment(text: str) -> Any:
    """`country=DE, AT` as a filter: what is no column of feedback is an attribute."""
    name, _, values = (part.strip() for part in text.partition("="))
    if not name or not values:
        return text  # refused with the field's name
    kind = name if name in SEGMENTS or name.startswith("attr.") else f"attr.{name}"
    return {kind: [one.strip() for one in values.split(",") if one.strip()]}


def _day(text: str, timezone: str) -> Any:
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").date()  # noqa: DTZ007 (a day has no zone yet)
        return datetime.combine(day, time(), ZoneInfo(timezone))
    except ValueError:
        return text  # refused with the field's name
