"""How each sender is set up, and what is made of what it sends: words for people, kept in `guides/<sender>.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

GUIDES = Path(__file__).resolve().parent / "guides"


@dataclass(frozen=True, slots=True)
class Guide:
    """The guide of one sender; `{url}` and `{secret}` in steps and template are places for the endpoint's own."""

    steps: tuple[str, ...]
    taken: str
    ignored: str
    signature: str
    unverified: str  # what is only known from memory or from others' texts
    template: str | None = None  # what to paste into the tool
    template_title: str = "What to paste"


@cache
def read_guide(sender: str) -> Guide:
    """The guide of a sender that is registered. Raises FileNotFoundError, TypeError where it is not whole."""
    values = tomllib.loads((GUIDES / f"{sender}.toml").read_text(encoding="utf-8"))
    return Guide(**{**values, "steps": tuple(values["steps"])})
