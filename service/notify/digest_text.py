"""A digest as one line, as plain text and as the HTML of a mail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from service.moments import said_days

HERE = Path(__file__).resolve().parent


def summary_of(content: Mapping[str, Any]) -> str:
    """What is in it, in a line: for a subject, a chat room, a log."""
    new_troubles = sum(one["new"] for one in content["troubles"])
    parts = [
        _count(len(content["suggestions"]) + content["more_suggestions"], "new suggestion"),
        _count(len(content["changes"]), "change beyond noise", "changes beyond noise"),
        _count(len(content["verdicts"]), "verdict on a change", "verdicts on changes"),
        _count(new_troubles, "thing that needs somebody", "things that need somebody"),
    ]
    return f"Your customers' week, {period(content)}: {', '.join(part for part in parts if part)}."


def _count(number: int, one: str, many: str | None = None) -> str:
    return "" if not number else f"{number} {one if number == 1 else many or one + 's'}"


def period(content: Mapping[str, Any]) -> str:
    """The seven days, both named."""
    first, last = date.fromisoformat(content["from"]), date.fromisoformat(content["to"]) - timedelta(days=1)
    return said_days(first, last)


def text_of(content: Mapping[str, Any], *, workspace: str, public_url: str) -> str:
    """The plain text, for every mail programme and for programs."""
    return _written("digest.txt", content, workspace, public_url)


def html_of(content: Mapping[str, Any], *, workspace: str, public_url: str) -> str:
    """The HTML of a mail: tables and inline styles, as mail programmes want it; nothing is loaded."""
    return _written("digest.html", content, workspace, public_url)


def _written(name: str, content: Mapping[str, Any], workspace: str, public_url: str) -> str:
    return (
        _environment()
        .get_template(name)
        .render(
            **content,
            since=content["from"],
            period=period(content),
            summary=summary_of(content),
            workspace=workspace,
            public_url=public_url,
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(words=lambda label: label.replace("_", " "), percent=lambda part: f"{part:.0%}", why=why)
    return made


def why(change: Mapping[str, Any]) -> str:
    """The address of the feedback behind a change, below the service's own."""
    asked = {change["by"]: change["label"], "from": change["from"], "to": change["to"]}
    return f"/feedback?{urlencode({name: value for name, value in asked.items() if value})}"
