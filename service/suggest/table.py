"""The table *stage | customer feedback | possible adaptation* in the terminal."""

from __future__ import annotations

import unicodedata
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from service.auth import workspace_named
from service.store.engine import Database
from service.suggest.running import running_changes
from service.suggest.suggestions import OPEN, SuggestionQuery, suggestions

NARROW = 90  # columns below which three cells side by side can't be read
QUOTES = 2  # verbatims in a cell
QUOTE_CHARS = 180


def render(database: Database, *, workspace: str, limit: int = 20, console: Console | None = None) -> None:
    """Print the best open suggestions of a workspace; NotFound where there is none of this name."""
    console = console or Console()
    with database.read() as session:
        found = workspace_named(session, workspace)
        assert found.id is not None
        answer = suggestions(
            session,
            workspace_id=found.id,
            timezone=found.timezone,
            query=SuggestionQuery(status=OPEN),
            limit=limit,
        )
        changed = running_changes(session, workspace_id=found.id, timezone=found.timezone, limit=limit)["data"]
    rows = answer["data"]
    if not rows:
        console.print(
            "No suggestion is open."
            if changed
            else "No recurring pain yet — a suggestion appears when three customers report the same trouble."
        )
    else:
        _print_open(console, rows, more=bool(answer["next"]))
    if changed:
        console.print(_changes(changed))


def _print_open(console: Console, rows: list[dict[str, Any]], *, more: bool) -> None:
    if console.width < NARROW:
        for place, row in enumerate(rows, start=1):
            console.print(_stacked(place, row))
        console.print()
    else:
        console.print(_table(rows))
    left = " There are more: raise --limit." if more else ""
    console.print(f"Best first, by size, severity and certainty. Shares with their 95 % interval.{left}")


def _changes(rows: list[dict[str, Any]]) -> Group:
    """What was agreed on and what it did, by the share of feedback and by each metric from elsewhere."""
    said: list[Text] = [Text("\nWhat the changes did", style="bold")]
    for row in rows:
        place = f"{_words(row['stage'])} · {_words(row['topic'])}, {_words(row['status']).lower()}: "
        said.append(Text("\n").append(place, style="bold").append(row["adaptation"]))
        told = row["impact"]
        verdicts = [told["says"], *(one["says"] for one in told["outcomes"])] if told else ["Nothing to measure."]
        said += [Text(f"  {_one_line(one)}") for one in verdicts]
    return Group(*said)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_lines=True, title="What customers say, and what to change", expand=True
    )
    table.add_column("Stage", ratio=3)
    table.add_column("Customer feedback", ratio=8)
    table.add_column("Possible adaptation", ratio=8)
    table.add_column("How many, how sure", ratio=4)
    for row in rows:
        table.add_row(_stage(row), _feedback(row), _adaptation(row), _numbers(row))
    return table


def _stacked(place: int, row: dict[str, Any]) -> Group:
    return Group(
        Text(),
        Text(f"{place}. ", style="bold") + _stage(row, between=" · "),
        _feedback(row),
        _adaptation(row),
        _numbers(row, between=" · "),
    )


def _stage(row: dict[str, Any], between: str = "\n") -> Text:
    name = Text(_words(row["stage"]), style="bold")
    if row["model_stage"] and row["model_stage"].lower() != row["stage"]:
        name.append(f"{between}{row['model_stage']}", style="dim")
    return name


def _feedback(row: dict[str, Any]) -> Text:
    said = Text(row["pain"])
    for one in row["evidence"][:QUOTES]:
        said.append(f"\n“{_printable(one['verbatim'])}”", style="italic cyan")
    return said


def _adaptation(row: dict[str, Any]) -> Text:
    return Text(row["adaptation"]).append(f"\nEffort {row['effort']} · watch: {row['metric']}", style="dim")


def _numbers(row: dict[str, Any], between: str = "\n") -> Text:
    size = row["size"]
    said = Text(f"{size['count']} of {size['n']} items")
    said.append(f"{between}{size['share']:.0%} ({size['low']:.0%}–{size['high']:.0%})")
    said.append(f"{between}{row['confidence']} certainty")
    if row["trend"]["significant"]:
        rising = row["trend"]["change"] > 0
        said.append(f"{between}{'▲ rising' if rising else '▼ falling'}", style="red" if rising else "green")
    return said


def _words(label: str) -> str:
    return label.replace("_", " ").capitalize()


def _printable(text: str) -> str:
    """One line without control characters: a customer's text must not steer the terminal."""
    line = _one_line(text)
    return line if len(line) <= QUOTE_CHARS else line[: QUOTE_CHARS - 1].rstrip() + "…"


def _one_line(text: str) -> str:
    return "".join(one for one in " ".join(text.split()) if unicodedata.category(one) not in ("Cc", "Cf", "Co"))
