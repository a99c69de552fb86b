"""Files in and out by the command line, on both databases."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.__main__ import app
from service.auth import invite, workspace_named
from service.commands import preview_import
from service.errors import BadInput, NotFound
from service.settings import Settings
from service.store.engine import Database
from tests.running import environment_of

HEADER = "id,created_at,nps,comment\n"
ROWS = (
    "1,2026-11-02T10:00:00Z,9,The parcel came a day early.\n"
    "2,2026-11-03T10:00:00Z,2,The checkout asked for my address three times.\n"
)


def _journeymap(settings: Settings, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *map(str, arguments)],
        env=environment_of(settings, JOURNEYMAP_LOG_LEVEL="WARNING", COLUMNS="400"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_file_in_tagged_and_out(settings: Settings, tmp_path: Path) -> None:
    file, out = tmp_path / "answers.csv", tmp_path / "out.csv"
    file.write_text(HEADER + ROWS)

    ended = _journeymap(settings, "import", file)

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().isdecimal()
    assert "succeeded: 2 rows read, 2 accepted" in ended.stderr
    assert "2 tagged" in ended.stderr

    ended = _journeymap(settings, "export", out)
    assert ended.returncode == 0, ended.stderr
    with out.open(newline="") as exported:
        rows = list(csv.DictReader(exported))
    assert [row["text"] for row in rows] == [line.rpartition(",")[2] for line in ROWS.splitlines()]
    assert all(row["state"] == "tagged" and row["source"] == "answers" for row in rows)
    assert list(tmp_path.glob(".*part")) == []


def test_refused_rows_are_said_and_are_no_success(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(HEADER + ROWS + "3,2026-11-04T10:00:00Z,eleven,Fine.\n")
    ended = _journeymap(settings, "import", file)
    assert ended.returncode == 1
    assert "partially_succeeded: 3 rows read, 2 accepted" in ended.stderr
    assert "1 rejected" in ended.stderr


@pytest.mark.parametrize("arguments", [["import", "nowhere.csv"], ["export", "out.xml", "--format", "xml"]])
def test_what_cannot_be_done_is_one_line(settings: Settings, arguments: list[str]) -> None:
    ended = _journeymap(settings, *arguments)
    assert ended.returncode != 0
    assert ended.stderr.startswith("journeymap: ")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["import", "nowhere.csv"], "There is no file nowhere.csv"),
        (["import", "."], "is a folder"),
        (["tag", "--input", "nowhere", "--output", "o"], "There is no file nowhere"),
        (["tag", "--input", __file__, "--output", "."], "is a folder; name the file to write"),
        (["tag", "--input", __file__, "--output", "nowhere/o"], "There is no folder nowhere"),
        (["evaluate", "nowhere.tsv"], "There is no file nowhere.tsv"),
        (["restore", "nowhere.tar.gz"], "There is no file nowhere.tar.gz"),
    ],
)
def test_a_path_that_leads_nowhere_says_so_before_anything_is_made(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNEYMAP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("JOURNEYMAP_DATABASE_URL", raising=False)
    monkeypatch.setattr("service.monitor.logs.configure", lambda _settings: None)
    ended = CliRunner().invoke(app, arguments)
    assert isinstance(ended.exception, BadInput)
    assert told in str(ended.exception)
    assert list(tmp_path.iterdir()) == []


def test_an_option_that_can_not_be_used_is_named(settings: Settings, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(HEADER + ROWS)
    for name, value, told in (
        ("mapping", "{comment: text}", "mapping: send a JSON object"),
        ("mapping", '{"nope": "text"}', "mapping: the file's columns are id, "),
        ("mapping", '{"comment": "words"}', "mapping: a field is one of text, "),
        ("encoding", "klingon", "This encoding is not known; utf-8"),
        ("delimiter", "ab", "The delimiter is one character"),
        ("on_error", "panic", "on_error: "),
        ("channel", "fax", "channel: "),
        ("timezone", "Mars/Olympus", "timezone: "),
        ("preset", "foo", "preset: "),
    ):
        with pytest.raises(BadInput, match=told):
            preview_import(settings, database, file, workspace="default", options={name: value})


def test_a_look_at_a_file_in_an_odd_encoding_makes_no_workspace(
    settings: Settings, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.csv"
    file.write_bytes((HEADER + ROWS).replace(",", "^").replace("early", "früh").encode("cp850"))
    chosen = {"encoding": "cp850", "delimiter": "^"}
    assert preview_import(settings, database, file, workspace="not yet", options=chosen) == 0
    assert "früh" in capsys.readouterr().out
    with database.write() as session:
        with pytest.raises(NotFound):
            workspace_named(session, "not yet")
        for name in ("", "  ", "w" * 101):
            with pytest.raises(BadInput, match="A workspace's name"):
                workspace_named(session, name, create=True)
        made = workspace_named(session, "w" * 100, create=True)
        with pytest.raises(BadInput, match="whom to invite"):
            invite(session, workspace=made, name=" ", role="viewer", hours=1)


def test_an_open_question_is_asked(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("a,b\n1,2\n")
    ended = _journeymap(settings, "import", file)
    assert ended.returncode == 2
    assert "--mapping" in ended.stderr
    assert "columns: a, b" in ended.stderr


def test_a_dry_run_shows_what_is_made_of_the_columns_and_stores_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(HEADER.replace("date", "when") + ROWS)
    ended = _journeymap(settings, "import", file, "--dry-run", "--timezone", "Europe/Berlin", "--day-first")
    assert ended.returncode == 0, ended.stderr
    assert "read as generic; source answers, channel survey, times in Europe/Berlin" in ended.stdout
    assert "2 rows looked at, 0 refused, 0 empty" in ended.stdout
    assert ROWS.splitlines()[0].rpartition(",")[2] in ended.stdout
    assert not list((settings.data_dir / "imports").glob("*"))
    file.write_text("a,b\n1,[bold]2\n")
    open_ = _journeymap(settings, "import", file, "--dry-run")
    assert open_.returncode == 1
    assert "Open: Which column holds what the customers said?" in open_.stdout
