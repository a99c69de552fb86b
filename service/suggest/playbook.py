"""The playbook: what to try for which pain, read from `data/playbook.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast

from nlp.codebook import DATA_FOLDER, load_codebook

Effort = Literal["low", "medium", "high"]
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")
FALLBACK_TOPIC = "general"


class PlaybookError(ValueError):
    """The playbook can't be used; the message names the entry and the field."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What to change when customers report one pain at one stage."""

    id: str
    stage: str  # codebook label
    topics: tuple[str, ...]  # codebook labels; "general" finds out why, because without a topic a fix is a guess
    pain: str  # the pattern as a CX lead would say it
    adaptation: str
    effort: Effort
    metric: str  # the number that should move
    owner: str  # the role that usually owns it
    test: str  # a small first step


@dataclass(frozen=True, slots=True)
class Playbook:
    """All entries, in the file's order: where several fit, the earlier one is the more common pattern."""

    entries: tuple[Entry, ...]

    def entry_for(self, stage: str, topic: str) -> Entry | None:
        """The first entry of this stage and topic, else the stage's "find out why"; None for an unknown stage."""
        of_stage = [entry for entry in self.entries if entry.stage == stage]
        for wanted in (topic, FALLBACK_TOPIC):
            for entry in of_stage:
                if wanted in entry.topics:
                    return entry
        return None

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
    entries = tuple(_entry(one, index, stages, topics) for index, one in enumerate(found, start=1))
    _check_whole(entries, stages)
    return Playbook(entries)


@lru_cache(maxsize=1)
def shipped_playbook() -> Playbook:
    """The shipped playbook, read once per process: it changes only with a release."""
    return load_playbook()


def _entry(raw: dict[str, Any], index: int, stages: set[str], topics: set[str]) -> Entry:
    name = raw.get("id") or f"number {index}"
    expected = [field.name for field in fields(Entry)]
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
        elif not isinstance(value, str) or not value.strip():
            raise PlaybookError(f"entry {name}: the field {field} must be a text")
    if raw["stage"] not in stages:
        raise PlaybookError(f"entry {name}: the field stage must be a codebook stage")
    if raw["effort"] not in EFFORTS:
        raise PlaybookError(f"entry {name}: the field effort must be one of {', '.join(EFFORTS)}")
    texts = {field: raw[field].strip() for field in expected if field not in ("topics", "effort")}
    return Entry(topics=tuple(raw["topics"]), effort=cast(Effort, raw["effort"]), **texts)


def _check_whole(entries: tuple[Entry, ...], stages: set[str]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise PlaybookError(f"entry {entry.id}: the field id stands twice")
        seen.add(entry.id)
    for stage in sorted(stages):
        if not any(entry.stage == stage and FALLBACK_TOPIC in entry.topics for entry in entries):
            raise PlaybookError(f"stage {stage}: no entry for the topic {FALLBACK_TOPIC}")
