"""Paths into a body, as an administrator writes them: `data.items[0]."first name"`.

    a.b            the member b of the member a
    a["b.c"]       a member whose name has dots, spaces or brackets in it; also a."b.c"
    a[0], a[-1]    the first and the last entry of a list
    a[*]           every entry
    $.a            from the whole body, where other paths begin at one item of it

Tools and XML send a single thing where a list of one is meant: `[0]`, `[-1]` and `[*]` of what is no list are it
itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_PATH_CHARS = 500
MAX_STEPS = 32
EVERY = None  # the step `[*]`

NAME = re.compile(r"[^.\[\]\"'$]+")
QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
BRACKETS = re.compile(
    rf"\[\s*(?:(?P<every>\*)|(?P<place>-?[0-9]{{1,9}})|(?P<name>{QUOTED.pattern}))\s*\]", re.DOTALL
)

Step = str | int | None


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was read."""

    steps: tuple[Step, ...]
    from_body: bool  # it begins with "$"


@lru_cache(maxsize=4096)
def read_path(text: str) -> Path:
    """The path; ValueError saying what is wrong with it and where."""
    if len(text) > MAX_PATH_CHARS:
        raise ValueError(f"a path has at most {MAX_PATH_CHARS} characters")
    text = text.strip()
    from_body = text.startswith("$")
    at = 1 if from_body else 0
    steps: list[Step] = []
    while at < len(text):
        step, at = _step(text, at, first=at == 0)
        steps.append(step)
        at += len(text[at:]) - len(text[at:].lstrip())
    if not steps and not from_body:
        raise ValueError("the path is empty")
    if len(steps) > MAX_STEPS:
        raise ValueError(f"a path has at most {MAX_STEPS} steps")
    return Path(tuple(steps), from_body)


def _step(text: str, at: int, *, first: bool) -> tuple[Step, int]:
    """The step that begins there, and where the next one does."""
    if text[at] == "[":
        found = BRACKETS.match(text, at)
        if found is None:
            raise ValueError(f'at character {at + 1}: in brackets stands a number, * or a name in quotes ("…")')
        if found["every"]:
            return EVERY, found.end()
        return (int(found["place"]) if found["place"] else _unquoted(found["name"])), found.end()
    if text[at] == ".":
        at += 1
    elif not first:
        raise ValueError(f"at character {at + 1}: a dot or a bracket is missing")
    quoted = QUOTED.match(text, at)
    if quoted is not None:
        return _unquoted(quoted[0]), quoted.end()
    found = NAME.match(text, at)
    if found is None:
        raise ValueError(f"at character {at + 1}: a name is missing")
    name = found[0].strip()
    if not name:
        raise ValueError(f"at character {at + 1}: a name is missing")
    return (EVERY if name == "*" else name), found.end()


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def values_at(value: Any, steps: tuple[Step, ...]) -> list[Any]:
    """All that lies there; empty where the path leads nowhere."""
    level = [value]
    for step in steps:
        level = [below for one in level for below in _below(one, step)]
    return level


def _below(value: Any, step: Step) -> list[Any]:
    if step is EVERY:
        return value if isinstance(value, list) else [] if value is None else [value]
    if isinstance(step, str):
        if isinstance(value, list) and step.isdecimal():
            step = int(step)  # items.0.text, as many tools write it
        else:
            return [value[step]] if isinstance(value, dict) and step in value else []
    if isinstance(value, list):
        return [value[step]] if -len(value) <= step < len(value) else []
    return [value] if step in (0, -1) and value is not None else []


def leaves(value: Any, *, limit: int) -> list[tuple[str, Any]]:
    """Paths to the plain values below a value, each with what stands there; of lists the first entry."""
    found: list[tuple[str, Any]] = []
    _collect(value, "", found, limit, MAX_STEPS)
    return found


def _collect(value: Any, path: str, found: list[tuple[str, Any]], limit: int, steps: int) -> None:
    if len(found) >= limit or steps < 0:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            _collect(inner, path + _named(str(name), first=not path), found, limit, steps - 1)
    elif isinstance(value, list):
        if value:
            _collect(value[0], f"{path}[0]", found, limit, steps - 1)
    elif path and len(path) <= MAX_PATH_CHARS:
        found.append((path, value))


def _named(name: str, *, first: bool) -> str:
    """The step to a member, in quotes where its name could be read otherwise."""
    if NAME.fullmatch(name) and name.strip() == name and name != "*":
        return name if first else f".{name}"
    quoted = re.sub(r'(["\\])', r"\\\1", name)
    return f'["{quoted}"]'


def where_it_ends(value: Any, steps: tuple[Step, ...]) -> str:
    """Why a path leads nowhere, for who wrote it; empty where it leads somewhere."""
    for number, step in enumerate(steps):
        before = values_at(value, steps[:number])
        if any(_below(one, step) for one in before):
            continue
        place = f"in «{_written(steps[:number])}»" if number else "at the top"
        if any(isinstance(one, list) for one in before):
            if step is EVERY or isinstance(step, int):
                return f"the list {place} has no such entry"
            return f"there is a list {place}: write [0] for its first entry, [*] for all"
        if any(isinstance(one, dict) for one in before):
            return f"there is no «{_written((step,))}» {place}"
        return f"there is nothing below {place.removeprefix('in ')}" if number else "there is nothing at the top"
    return ""


def _written(steps: tuple[Step, ...]) -> str:
    parts = [f"[{'*' if step is EVERY else step}]" if not isinstance(step, str) else f".{step}" for step in steps]
    return "".join(parts).removeprefix(".")
