"""Themes in words: which way they go, what was decided on them, and what a page says after a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.aggregate.score_effects import ThemeEffects
from service.store.themes import Mentioned

DIRECTIONS: Final = {
    "rising": "▲ rising",
    "falling": "▼ falling",
    "steady": "steady",
    "too_little": "too new for a trend",
    None: "not told",
}
TOO_FEW: Final = "too few mention it"
REFERRING: Final = ("other", "into", "source")  # fields of a history that name another theme


def tone(theme: Mapping[str, Any]) -> str:
    """Whether the way a theme goes is good news (`up`), bad (`down`) or neither (`flat`)."""
    if theme["direction"] not in ("rising", "falling"):
        return "flat"
    return "up" if (theme["direction"] == "rising") == (theme["side"] == "praise") else "down"


def trend_says(theme: Mapping[str, Any], withheld: str | None) -> str:
    """The trend in a sentence, with its interval where there is one."""
    items = theme["trend"]["items"] if theme["trend"] else None
    if theme["direction"] is None:
        return withheld or "The period is not over: its numbers are compared with nothing yet."
    if items is None or theme["direction"] == "too_little":
        return "Too few in the latest period or the one before to tell a change."
    bounds = f"{_more(items['low'])} to {_more(items['high'])}"
    if theme["direction"] == "steady":
        return f"No change beyond noise against the period before ({bounds})."
    return f"{_more(items['change'])} than in the period before ({bounds}), beyond noise."


def scores_say(theme_id: str, scores: ThemeEffects) -> tuple[str, str]:
    """How scores go with a theme in a line, and its tone: `up`, `down`, or `flat` where nothing is certain."""
    one = scores.effects.get(theme_id)
    if one is None:
        why = scores.left_out.get(theme_id, TOO_FEW)
        return ("too few to tell" if why == TOO_FEW else why), "flat"
    if theme_id not in scores.certain:
        return f"no certain difference ({one.bounds})", "flat"
    return f"{one.said(one.value)} {'lower' if one.value < 0 else 'higher'} ({one.bounds})", (
        "down" if one.value < 0 else "up"
    )


def _more(change: float) -> str:
    if change > 2:  # «+540 %» is not read by anybody
        return f"{1 + change:.1f} times as many"
    return f"{abs(change):.0%} {'fewer' if change < 0 else 'more'}".replace("%", "\u00a0%")


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a theme's history; `link` leads to the theme that it speaks of."""

    at: str
    says: str
    who: str | None = None
    why: str | None = None
    other: str | None = None
    link: str | None = None


SAYS: Final = {
    "found": "Found in customers' words",
    "renamed": "Renamed",
    "name_taken_back": "Its own name was taken back; it is called as the words have it",
    "dismissed": "Put aside",
    "brought_back": "Brought back",
    "merged": "Went into",
    "took_in": "Took in",
    "to_be_split": "Asked to be split",
    "split": "Split",
    "split_from": "Split off from",
    "ended": "Ended",
}
ENDED: Final = {"words_erased": "the words it stood for were erased", "no_name": "nothing names it any more"}


def referred(history: Sequence[Mapping[str, Any]]) -> set[int]:
    """Ids of the other themes that a history speaks of."""
    return {int(event[name]) for event in history for name in REFERRING if str(event.get(name, "")).isdecimal()}


def past(history: Sequence[Mapping[str, Any]], others: Mapping[int, Mentioned]) -> list[Event]:
    """A theme's history for people, the newest first."""
    return [_event(one, others) for one in reversed(history)]


def _event(event: Mapping[str, Any], others: Mapping[int, Mentioned]) -> Event:
    what = event["what"]
    says = SAYS.get(what, str(what).replace("_", " "))
    by = event.get("by")
    if what == "renamed" and by == "words":
        says, by = "Named anew: the words that had named it are gone", None
    elif what in ("renamed", "name_taken_back") and event.get("old"):
        says += f" (it was «{event['old']}»)"
    elif what == "found" and event.get("segments"):
        says += f", {event['segments']} mentions"
    elif what in ("split", "to_be_split"):
        says += f" into {event.get('parts')}"
    elif what == "ended":
        says += f": {ENDED.get(event.get('why', ''), event.get('why', ''))}"
    other = next((others.get(int(event[name])) for name in REFERRING if event.get(name)), None)
    refers = any(event.get(name) for name in REFERRING)
    living = other is not None and other.state in ("active", "dismissed")
    return Event(
        at=event["at"],
        says=says,
        who=by.partition(":")[2] or by if by else None,
        why=event.get("why") if what != "ended" else None,
        other=(f"«{other.name}»" if other and other.name else "a theme without a name") if refers else None,
        link=f"/themes/{other.id}" if other is not None and living else None,
    )


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says after a decision, and the form that takes it back: its address, fields and button."""

    says: str
    undo: str | None = None
    action: str | None = None
    fields: tuple[tuple[str, str], ...] = ()


def notice(
    theme: Mentioned, history: Sequence[Mapping[str, Any]], others: Mapping[int, Mentioned]
) -> Notice | None:
    """Of the newest decision on a theme; None where nobody decided anything."""
    if not history:
        return None
    last, address = history[-1], f"/themes/{theme.id}"
    other = next((others.get(int(last[name])) for name in REFERRING if last.get(name)), None)
    called = f"«{other.name}»" if other and other.name else "The other theme"
    match last["what"]:
        case "renamed" if last.get("by") != "words":
            back = (("name", last["old"]),) if last.get("old") else (("own_name", "false"),)
            says = f"Renamed: it is «{theme.name}» from now on, whatever comes in."
            return Notice(says, "Undo", f"{address}/rename", back)
        case "name_taken_back":
            name = theme.name or "its words have yet to name it"
            says = f"It is called as the customers' words have it: «{name}»."
            return Notice(says, "Undo", f"{address}/rename", (("name", last["old"]),))
        case "dismissed":
            says = f"«{theme.name}» is put aside: it keeps what it stands for and is shown no more."
            return Notice(says, "Bring it back", f"{address}/state", (("state", "active"),))
        case "brought_back":
            says = f"«{theme.name}» is back among the themes."
            return Notice(says, "Put it aside", f"{address}/state", (("state", "dismissed"),))
        case "took_in":
            says = f"{called} went into «{theme.name}», and so will what resembles it. Split it to take it apart."
            return Notice(says)
        case "to_be_split":
            says = (
                f"«{theme.name}» is being split. Load the page again in a few seconds: the parts stand beside it."
            )
            return Notice(says)
        case "split":
            return Notice(f"«{theme.name}» was split; its parts can be taken in again under «Merge».")
    return None
