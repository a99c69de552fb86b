import json
from pathlib import Path

import pytest

from nlp import tag_file as module
from nlp.pipeline import Pipeline
from nlp.tag_file import TagCounts, tag_file


def run(pipeline: Pipeline, folder: Path, content: bytes) -> tuple[TagCounts, list[dict[str, object]]]:
    (folder / "in.jsonl").write_bytes(content)
    counts = tag_file(pipeline, folder / "in.jsonl", folder / "out.jsonl")
    return counts, [json.loads(line) for line in (folder / "out.jsonl").read_bytes().splitlines()]


def test_a_line_out_has_what_the_contract_says(pipeline: Pipeline, tmp_path: Path) -> None:
    line = {"id": 7, "text": "I want to close my account", "question": None}
    _, [row] = run(pipeline, tmp_path, json.dumps(line).encode())
    names = "id stage stage2 emotion emotion2 sentiment topic touchpoint confidence unsure"
    assert list(row) == names.split()
    assert row["id"] == 7
    assert isinstance(row["confidence"], dict)
    assert set(row["confidence"]) == {"stage", "emotion", "sentiment", "topic", "touchpoint"}


def test_every_line_is_answered_in_order(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_LINES", 2)
    lines = [
        b'\xef\xbb\xbf{"id": "a", "text": "slow app"}',
        b"{not json",
        b'{"id": "c", "text": "n/a"}\r',
        b"",
        b'{"id": "e", "text": 5}',
        b'["list"]',
        b'{"id": "g", "text": "rude staff", "question": 1}',
        b'{"id": "h", "text": "\\ud83d broken"}',
        b'\xff\xfe{"id": "i"}',
        b'{"id": "j"}',
        b'{"id": "k", "text": "rude staff"}',
    ]
    counts, rows = run(pipeline, tmp_path, b"\n".join(lines))
    assert [row["id"] for row in rows] == ["a", None, "c", None, "e", None, "g", None, None, "j", "k"]
    assert [row.get("line") for row in rows] == [None, 2, None, 4, 5, 6, 7, 8, 9, 10, None]
    assert (counts.lines, counts.errors) == (11, 8)
    assert rows[2]["stage"] is None
    assert rows[2]["unsure_reason"] == "meaningless"
    assert rows[10]["stage"] is not None


def test_an_error_quotes_no_text(pipeline: Pipeline, tmp_path: Path) -> None:
    _, [row] = run(pipeline, tmp_path, b'{"id": "a", "text": "secretword" oops')
    assert "secretword" not in str(row["error"])


def test_a_line_beyond_the_limit_is_an_error_and_the_next_is_read(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LINE_BYTES", 100)
    counts, rows = run(pipeline, tmp_path, b'{"text": "' + b"x" * 500 + b'"}\n{"id": 2, "text": "slow app"}\n')
    assert counts == TagCounts(lines=2, unsure=int(bool(rows[1]["unsure"])), errors=1)
    assert "longer" in str(rows[0]["error"])
    assert rows[1]["id"] == 2


def test_progress_ends_at_the_whole_and_an_empty_file_is_fine(pipeline: Pipeline, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    (tmp_path / "in.jsonl").write_bytes(b'{"id": 1, "text": "slow app"}\n' * 5)
    tag_file(
        pipeline, tmp_path / "in.jsonl", tmp_path / "out.jsonl", lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (150, 150)
    assert run(pipeline, tmp_path, b"") == (TagCounts(0, 0, 0), [])


def test_a_failure_leaves_the_old_output_and_no_draft(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pipeline, tmp_path, b'{"id": 1, "text": "slow app"}')
    before = (tmp_path / "out.jsonl").read_bytes()

    def fail(*_: object) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        tag_file(pipeline, tmp_path / "in.jsonl", tmp_path / "out.jsonl", fail)
    assert (tmp_path / "out.jsonl").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
