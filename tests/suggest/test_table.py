"""The terminal table: wide, narrow, empty, and safe against what customers write."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from service.errors import NotFound
from service.store.engine import Database
from service.suggest.playbook import shipped_playbook
from service.suggest.table import render
from tests.suggest.conftest import AddItem


def printed(database: Database, *, width: int, limit: int = 20, workspace: str = "default") -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    render(database, workspace=workspace, limit=limit, console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in text.splitlines())
    return str(text)


def test_wide(shop: int, database: Database) -> None:
    text = printed(database, width=140)
    for heading in ("Stage", "Customer feedback", "Possible adaptation"):
        assert heading in text
    assert text.index("Purchase") < text.index("Support")
    assert "12 of 24 items" in text
    assert "50% (" in text


@pytest.mark.parametrize("width", [40, 72])
def test_narrow(shop: int, database: Database, width: int) -> None:
    text = " ".join(printed(database, width=width).split())
    entry = shipped_playbook().entry_for("purchase", "ease_of_use")
    assert entry is not None
    assert entry.adaptation in text
    assert "12 of 24 items" in text


def test_limit(shop: int, database: Database) -> None:
    text = printed(database, width=140, limit=1)
    assert "Support" not in text
    assert "raise --limit" in text


def test_nothing_yet(workspace_id: int, database: Database) -> None:
    assert "No recurring pain yet" in printed(database, width=120)


def test_unknown_workspace(database: Database) -> None:
    with pytest.raises(NotFound):
        printed(database, width=80, workspace="nowhere")


def test_customers_words_can_not_steer_the_terminal(workspace_id: int, add: AddItem, database: Database) -> None:
    for day in range(3):
        add(workspace_id, f"[red]{day} the \x1b[2J\x07 page [/red] \u202eerases\r\n everything", day=day)
    text = printed(database, width=140)
    assert "[red]" in text
    assert not any(sign in text for sign in "\x1b\x07\u202e\r")
