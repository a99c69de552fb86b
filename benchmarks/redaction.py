"""Precision and recall of redaction on our own list of cases, per kind, with Wilson intervals, and its speed.

python -m benchmarks.redaction [--set first|second] [--misses]
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # also when it is not installed

from nlp.redact import Kind, Span, personal  # noqa: E402
from service.intervals import share_interval  # noqa: E402

CASES = ROOT / "tests" / "redaction_cases.tsv"
KINDS: tuple[Kind, ...] = ("email", "phone", "card", "iban", "account", "address", "name", "url", "ip")
_MARK = re.compile(r"\[\[(\w+)\|(.*?)\]\](?!\])")


@dataclass(frozen=True, slots=True)
class Case:
    """A text and what is personal in it; `group` is its main kind, or `near` where nothing is."""

    set: str
    group: str
    text: str
    expected: tuple[Span, ...]


@dataclass(slots=True)
class Tally:
    """Counts of one kind."""

    found: int = 0
    right: int = 0
    expected: int = 0
    characters: int = 0
    """Of the expected spans."""
    leaked: int = 0
    """Of these, left standing."""


def read_cases(path: Path = CASES) -> list[Case]:
    """The list: `set, group, text` by tabs, personal spans as `[[kind|words]]`, line ends as `\\n`."""
    cases = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        set_, group, marked = line.split("\t")
        marked = marked.replace("\\n", "\n")
        pieces: list[str] = []
        spans: list[Span] = []
        length = position = 0
        for mark in _MARK.finditer(marked):
            pieces += (marked[position : mark.start()], mark[2])
            start = length + mark.start() - position
            length = start + len(mark[2])
            spans.append(Span(start, length, mark[1]))  # type: ignore[arg-type]
            position = mark.end()
        cases.append(Case(set_, group, "".join((*pieces, marked[position:])), tuple(spans)))
    return cases


def measure(cases: Sequence[Case]) -> dict[str, Tally]:
    """By kind, and `all`. A span counts as right only with the same kind and the very same borders."""
    tallies = {kind: Tally() for kind in (*KINDS, "all")}
    for case in cases:
        found = personal(case.text)
        for spans, name in ((found, "found"), (case.expected, "expected")):
            for span in spans:
                for kind in (span.kind, "all"):
                    setattr(tallies[kind], name, getattr(tallies[kind], name) + 1)
        hidden = {place for span in found for place in range(span.start, span.end)}
        for span in case.expected:
            left = sum(place not in hidden and case.text[place].isalnum() for place in range(span.start, span.end))
            for kind in (span.kind, "all"):
                tallies[kind].right += span in found
                tallies[kind].characters += sum(map(str.isalnum, case.text[span.start : span.end]))
                tallies[kind].leaked += left
    return tallies


def false_alarms(cases: Sequence[Case]) -> tuple[int, int]:
    """Of the near misses: how many have anything redacted, and how many there are."""
    near = [case for case in cases if case.group == "near"]
    return sum(bool(personal(case.text)) for case in near), len(near)


def _interval(right: int, n: int) -> str:
    if not n:
        return f"{'–':>19}"
    share = share_interval(right / n, n)
    return f"{share.value:.3f} [{share.low:.2f}, {share.high:.2f}]"


def _print(cases: Sequence[Case], title: str) -> None:
    print(f"\n{title}: {len(cases)} texts")
    print(f"{'kind':9}{'precision':>19}{'n':>5}{'recall':>21}{'n':>5}{'left standing':>16}")
    for kind, tally in measure(cases).items():
        leak = f"{tally.leaked / tally.characters:.1%}" if tally.characters else "–"
        print(
            f"{kind:9}{_interval(tally.right, tally.found)}{tally.found:5}  "
            f"{_interval(tally.right, tally.expected)}{tally.expected:5}{leak:>16}"
        )
    alarms, near = false_alarms(cases)
    print(f"near misses with anything redacted: {alarms} of {near} {_interval(alarms, near)}")


def _print_misses(cases: Sequence[Case]) -> None:
    for case in cases:
        found = personal(case.text)
        if tuple(found) != case.expected:
            missed = [case.text[span.start : span.end] for span in case.expected if span not in found]
            extra = [case.text[span.start : span.end] for span in found if span not in case.expected]
            print(f"{case.text!r}: missed {missed}, redacted {extra}")


def _print_speed(cases: Sequence[Case]) -> None:
    near = [case.text for case in cases if case.group == "near"]
    for texts, name in ((near, "near misses"), ([case.text for case in cases], "all cases")):
        best = float("inf")
        for _ in range(5):
            started = time.process_time()
            for text in texts:
                personal(text)
            best = min(best, time.process_time() - started)
        mean = sum(map(len, texts)) / len(texts)
        print(f"{name}: {best / len(texts) * 1e6:.1f} µs a text of {mean:.0f} characters (CPU, best of 5)")


def main() -> None:
    """Print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--set", choices=("first", "second"), help="only this part of the list")
    arguments.add_argument("--misses", action="store_true", help="also every case that came out otherwise")
    given = arguments.parse_args()
    cases = [case for case in read_cases() if given.set in (None, case.set)]
    print("kinds of cases:", dict(Counter(case.group for case in cases)))
    for name in sorted({case.set for case in cases}):
        _print([case for case in cases if case.set == name], f"set «{name}»")
    if given.set is None:
        _print(cases, "both sets")
    print()
    _print_speed(cases)
    if given.misses:
        _print_misses(cases)


if __name__ == "__main__":
    main()
