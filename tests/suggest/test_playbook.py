"""The shipped playbook holds together, and a broken one says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.suggest.playbook import PlaybookError, load_playbook, shipped_playbook
from tests.suggest.counted import CODEBOOK

STAGES = [stage for stage in CODEBOOK.labels("stage") if stage != "none"]


def test_every_stage_and_topic_has_an_answer() -> None:
    playbook = load_playbook()
    for stage in STAGES:
        for topic in CODEBOOK.labels("topic"):
            entry = playbook.entry_for(stage, topic)
            assert entry is not None
            assert entry.stage == stage
            assert topic in entry.topics or "general" in entry.topics


def test_every_entry_can_be_matched_or_finds_out_why() -> None:
    playbook = shipped_playbook()
    for entry in playbook.entries:
        assert entry.idea
        assert len(entry.patterns) >= 3 or entry.topics == ("general",), entry.id
    for topic in CODEBOOK.labels("topic"):
        assert playbook.ask(topic)


def test_exact_topic_before_find_out_why_and_earlier_before_later() -> None:
    playbook = shipped_playbook()
    exact = playbook.entry_for("purchase", "payment")
    assert exact is not None
    assert exact is next(e for e in playbook.entries if e.stage == "purchase" and "payment" in e.topics)
    assert playbook.entry(exact.id) is exact
    general = playbook.entry_for("purchase", "no such topic")
    assert general is not None
    assert "general" in general.topics
    assert playbook.entry_for("none", "payment") is None
    assert playbook.entry("gone") is None


def entries_of(tmp_path: Path, change: str = "", **fields: str) -> Path:
    """A playbook with a find-out-why entry per stage; the first one changed."""
    rows = []
    for number, stage in enumerate(STAGES):
        row = {
            "id": f'"{stage}-why"',
            "stage": f'"{stage}"',
            "topics": '["general"]',
            "pain": '"p"',
            "adaptation": '"a"',
            "effort": '"low"',
            "metric": '"m"',
            "owner": '"o"',
            "test": '"t"',
            "idea": '"i"',
        }
        if number == 0:
            row |= fields
            row = {name: value for name, value in row.items() if value}
        rows.append("[[entry]]\n" + "\n".join(f"{name} = {value}" for name, value in row.items()))
    path = tmp_path / "playbook.toml"
    path.write_text('ideas = { i = "Interviews" }\n' + "\n".join(rows) + change, encoding="utf-8")
    return path


def test_a_sound_one_loads(tmp_path: Path) -> None:
    assert len(load_playbook(entries_of(tmp_path)).entries) == len(STAGES)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"effort": ""}, "awareness-why: the field effort is missing"),
        ({"effort": '"huge"'}, "awareness-why: the field effort must be one of low, medium, high"),
        ({"topics": '["weather"]'}, "awareness-why: the field topics"),
        ({"topics": "[]"}, "awareness-why: the field topics"),
        ({"stage": '"heaven"'}, "awareness-why: the field stage"),
        ({"pain": '" "'}, "awareness-why: the field pain"),
        ({"surprise": '"x"'}, "awareness-why: the field surprise is not known"),
        ({"id": ""}, "number 1: the field id is missing"),
        ({"id": '"usage-why"'}, "usage-why: the field id stands twice"),
        ({"topics": '["price"]'}, "awareness-why: the field patterns is missing"),
        ({"topics": '["price"]', "patterns": '["dear"]'}, "stage awareness: no entry for the topic general"),
        ({"patterns": '"dear"'}, "awareness-why: the field patterns must be a list of phrases"),
        ({"idea": '"none"'}, "awareness-why: the field idea must be a key"),
    ],
)
def test_a_broken_one_names_entry_and_field(tmp_path: Path, fields: dict[str, str], named: str) -> None:
    with pytest.raises(PlaybookError, match=named):
        load_playbook(entries_of(tmp_path, **fields))


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="no playbook"):
        load_playbook(tmp_path / "none.toml")
    with pytest.raises(PlaybookError, match=r"playbook\.toml"):
        load_playbook(entries_of(tmp_path, change="\n= ="))
    empty = tmp_path / "empty.toml"
    empty.write_text("x = 1")
    with pytest.raises(PlaybookError, match=r"no \[\[entry\]\]"):
        load_playbook(empty)
