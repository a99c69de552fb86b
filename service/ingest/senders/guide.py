"""How each sender is set up and what is made of what it sends: words for people, in `guides/<sender>.toml`."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

from service.ingest.senders import SENDERS
from service.ingest.senders.contract import Kind, Sender

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
    token: bool = False  # the steps count on a token of ours, though the sender can do without


@cache
def read_guide(sender: str) -> Guide:
    """The guide of a sender that is registered. Raises FileNotFoundError, TypeError where it is not whole."""
    values = tomllib.loads((GUIDES / f"{sender}.toml").read_text(encoding="utf-8"))
    return Guide(**{**values, "steps": tuple(values["steps"])})


KINDS: dict[Kind, str] = {
    "support": "Support tools",
    "survey": "Surveys",
    "review": "Reviews",
    "any": "Any other tool",
}
HEAD = """# Connecting senders

Made by `python -m service.ingest.senders.guide > docs/senders.md` from what each sender is to the code and from
`service/ingest/senders/guides`; a test holds that this file is its output. The page *Sources* shows the same step
by step, with the address and the secret in their places: here they stand as `{url}` and `{secret}`.
"""


def document() -> str:
    """All guides as one Markdown document."""
    parts = [HEAD]
    for kind in get_args(Kind):
        parts.append(f"## {KINDS[kind]}\n")
        senders = [sender for sender in SENDERS.values() if sender.kind == kind]
        parts += [_section(sender) for sender in sorted(senders, key=lambda one: one.title.lower())]
    return "\n".join(parts)


def _section(sender: Sender) -> str:
    guide = read_guide(sender.name)
    ways = [f"Address `/hooks/{sender.name}/…`"]
    if sender.fetcher is not None:
        ways.append("some deliveries only name what happened: the rest is asked for with your credentials")
    if sender.poller is not None:
        ways.append("can be asked regularly, with your credentials")
    lines = [f"### {sender.title}\n", "; ".join(ways) + ".\n", "**Set-up**\n"]
    lines += [f"{number}. {step}" for number, step in enumerate(guide.steps, 1)]
    lines += [
        f"\n**Taken:** {guide.taken}\n",
        f"**Ignored:** {guide.ignored}\n",
        f"**Signature:** {guide.signature}\n",
        f"**Not verified:** {guide.unverified}\n",
    ]
    if guide.template is not None:
        lines += [f"**{guide.template_title}:**\n", "```", guide.template.strip("\n"), "```\n"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(document())
