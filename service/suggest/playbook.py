"""The playbook: what to try for which pain, read from `data/playbook.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from nlp.codebook import DATA_FOLDER, load_codebook

Effort = Literal["low", "medium", "high"]
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
FALLBACK_TOPIC = "general"
KEEPING = "Building on what works: appreciative inquiry (D. Cooperrider, S. Srivastva, 1987)"


class PlaybookError(ValueError):
    """The playbook can't be used; the message names the entry and the field."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What to change when customers report one pain at one stage.

    `patterns` are what customers say who have this pain: an entry is matched to their words by them. An entry
    without any finds out why: it stands in where nothing fits.
    """

    id: str
    stage: str  # codebook label
    topics: tuple[str, ...]  # codebook labels; "general" finds out why, because without a topic a fix is a guess
    pain: str  # the pattern as a CX lead would say it
    adaptation: str
    effort: Effort
    metric: str  # the number that should move
    owner: str  # the role that usually owns it
    test: str  # a small first step
    idea: str  # where it comes from in the field, a line
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Playbook:
    """All entries, in the file's order: where several fit, the earlier one is the more common pattern."""

    entries: tuple[Entry, ...]
    questions: tuple[tuple[str, str], ...] = ()  # by topic: what to ask where nothing fits
    keeping: tuple[tuple[str, Entry], ...] = ()  # by topic: what to keep and spread; of no stage yet

    def entry_for(self, stage: str, topic: str) -> Entry | None:
        """The first entry of this stage and topic, else the stage's "find out why"; None for an unknown stage."""
        of_stage = [entry for entry in self.entries if entry.stage == stage]
        for wanted in (topic, FALLBACK_TOPIC):
            for entry in of_stage:
                if wanted in entry.topics:
                    return entry
        return None

    def find_out_why(self, stage: str) -> Entry | None:
        """What to do where nothing fits; None for an unknown stage."""
        return next((entry for entry in self.entries if entry.stage == stage and not entry.patterns), None)

    def keep(self, stage: str, topic: str) -> Entry | None:
        """What to keep and spread where customers praise; None for an unknown topic."""
        found = next((entry for about, entry in self.keeping if about == topic), None)
        return replace(found, stage=stage) if found is not None else None

    def ask(self, topic: str) -> tuple[str, ...]:
        """What to ask customers who have trouble with a topic that no entry fits."""
        return tuple(question for about, question in self.questions if about == topic)

    def entry(self, entry_id: str) -> Entry | None:
        """The entry of an id, None where it has left the playbook."""
        return next((entry for entry in self.entries if entry.id == entry_id), None)


def load_playbook(path: Path | None = None) -> Playbook:
    """Read and check the playbook, by default `data/playbook.toml` of this checkout.

    Raises PlaybookError where the file is missing or not TOML, an entry lacks a field or has an unknown one, names
    a stage, topic or effort that does not exist, repeats an id, or a stage has no entry for "general".
    """
    path = path or DATA_FOLDER / "playbook.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlaybookError(f"no playbook at {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlaybookError(f"{path.name}: {error}") from error
    found = raw.get("entry")
    if not isinstance(found, list):
        raise PlaybookError(f"{path.name}: no [[entry]] in it")
    codebook = load_codebook()
    stages = set(codebook.labels("stage")) - {"none"}
    topics = set(codebook.labels("topic"))
    ideas = raw.get("ideas", {})
    entries = tuple(_entry(one, index, stages, topics, ideas) for index, one in enumerate(found, start=1))
    _check_whole(entries, stages)
    return Playbook(entries, _questions(raw.get("question", []), topics), _keeping(raw.get("keep", []), topics))


@lru_cache(maxsize=1)
def shipped_playbook() -> Playbook:
    """The shipped playbook, read once per process: it changes only with a release."""
    return load_playbook()


def _entry(raw: dict[str, Any], index: int, stages: set[str], topics: set[str], ideas: Mapping[str, str]) -> Entry:
    name = raw.get("id") or f"number {index}"
    expected = [field.name for field in fields(Entry)]
    raw = {"patterns": [], **raw}
    for field in expected:
        if field not in raw:
            raise PlaybookError(f"entry {name}: the field {field} is missing")
    for field in raw:
        if field not in expected:
            raise PlaybookError(f"entry {name}: the field {field} is not known")
    for field in expected:
        value = raw[field]
        if field == "topics":
            if not isinstance(value, list) or not value or not set(value) <= topics:
                raise PlaybookError(f"entry {name}: the field topics must be a list of codebook topics")
        elif field == "patterns":
            if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
                raise PlaybookError(f"entry {name}: the field patterns must be a list of phrases")
        elif not isinstance(value, str) or not value.strip():
            raise PlaybookError(f"entry {name}: the field {field} must be a text")
    if raw["stage"] not in stages:
        raise PlaybookError(f"entry {name}: the field stage must be a codebook stage")
    if raw["effort"] not in EFFORTS:
        raise PlaybookError(f"entry {name}: the field effort must be one of {', '.join(EFFORTS)}")
    if raw["idea"] not in ideas:
        raise PlaybookError(f"entry {name}: the field idea must be a key of [ideas]")
    if not raw["patterns"] and FALLBACK_TOPIC not in raw["topics"]:
        raise PlaybookError(f"entry {name}: the field patterns is missing")
    texts = {
        field: raw[field].strip() for field in expected if field not in ("topics", "effort", "idea", "patterns")
    }
    return Entry(
        topics=tuple(raw["topics"]),
        effort=cast(Effort, raw["effort"]),
        idea=ideas[raw["idea"]],
        patterns=tuple(one.strip() for one in raw["patterns"]),
        **texts,
    )


def _questions(raw: Any, topics: set[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for index, one in enumerate(raw, start=1):
        if not isinstance(one, dict) or set(one) != {"topic", "ask"} or one["topic"] not in topics:
            raise PlaybookError(f"question {index}: needs a codebook topic and what to ask, and nothing else")
        found.append((str(one["topic"]), str(one["ask"]).strip()))
    return tuple(found)


def _keeping(raw: Any, topics: set[str]) -> tuple[tuple[str, Entry], ...]:
    expected = {"topic", "praise", "adaptation", "metric", "owner", "test"}
    found = []
    for index, one in enumerate(raw, start=1):
        if not isinstance(one, dict) or set(one) != expected or one["topic"] not in topics:
            raise PlaybookError(f"keep {index}: needs {', '.join(sorted(expected))}, and nothing else")
        texts = {name: str(text).strip() for name, text in one.items()}
        topic = texts["topic"]
        entry = Entry(
            id=f"keep-{topic.replace('_', '-')}",
            stage="",
            topics=(topic,),
            pain=texts["praise"],
            adaptation=texts["adaptation"],
            effort="low",
            metric=texts["metric"],
            owner=texts["owner"],
            test=texts["test"],
            idea=KEEPING,
        )
        found.append((topic, entry))
    return tuple(found)


def _check_whole(entries: tuple[Entry, ...], stages: set[str]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise PlaybookError(f"entry {entry.id}: the field id stands twice")
        seen.add(entry.id)
    for stage in sorted(stages):
        if not any(entry.stage == stage and not entry.patterns for entry in entries):
            raise PlaybookError(f"stage {stage}: no entry for the topic {FALLBACK_TOPIC} without patterns")
