"""`journeymap tag`: a file of texts in, a file of labels out, line by line in constant memory."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from nlp.analysis import FIELDS, Analysis
from nlp.pipeline import Pipeline, TextInput

BATCH_LINES = 1_000
MAX_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is answered with an error and not read into memory."""

_LABELS = ("stage", "stage2", "emotion", "emotion2", "sentiment", "topic", "touchpoint")

Progress = Callable[[int, int], None]
"""Called with bytes read and bytes in all."""


@dataclass(frozen=True, slots=True)
class TagCounts:
    """What `tag_file` did: lines written, of them unsure (all reasons), of them errors."""

    lines: int
    unsure: int
    errors: int


def tag_file(
    pipeline: Pipeline, input_path: Path, output_path: Path, progress: Progress | None = None
) -> TagCounts:
    """Tag JSON lines `{"id", "text", "question"?}`; one line out per line in, in the same order.

    A line out is `{"id", "stage", "stage2", "emotion", "emotion2", "sentiment", "topic", "touchpoint",
    "confidence": {field: probability}, "unsure"}`, with `unsure_reason` where unsure; an unreadable line gives
    `{"id", "line", "error"}` and stops nothing. The output is written beside and moved into place at the end.
    Raises OSError where a file cannot be read or written.
    """
    total = input_path.stat().st_size
    lines = unsure = errors = read = 0
    draft = output_path.with_name(f".{output_path.name}.part")
    try:
        with input_path.open("rb") as source, draft.open("wb") as target:
            for batch in _batches(source):
                rows = _tagged(pipeline, batch, lines + 1)
                for row in rows:
                    target.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                lines += len(rows)
                unsure += sum(row.get("unsure", False) for row in rows)
                errors += sum("error" in row for row in rows)
                read = source.tell()
                if progress is not None:
                    progress(read, total)
        os.replace(draft, output_path)
    finally:
        draft.unlink(missing_ok=True)
    return TagCounts(lines, unsure, errors)


def _batches(source: Any) -> Iterator[list[bytes | None]]:
    """Lines without their ends, in batches; None for a line beyond the limit, whose rest is skipped."""
    batch: list[bytes | None] = []
    size = 0
    while line := source.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := source.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            batch.append(None)
        else:
            batch.append(line.rstrip(b"\r\n"))
            size += len(line)
        if len(batch) >= BATCH_LINES or size >= MAX_LINE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _tagged(pipeline: Pipeline, batch: list[bytes | None], first_line: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any] | None] = []
    inputs, ids = [], []
    for number, line in enumerate(batch, first_line):
        item = _parsed(line)
        if isinstance(item, str):
            rows.append({"id": None, "line": number, "error": item})
        elif not isinstance(item.get("text"), str):
            rows.append({"id": item.get("id"), "line": number, "error": "text is missing or not a string"})
        elif not isinstance(item.get("question"), str | None):
            rows.append({"id": item.get("id"), "line": number, "error": "question is not a string"})
        else:
            rows.append(None)
            ids.append(item.get("id"))
            inputs.append(TextInput(item["text"], item.get("question")))
    analyses = iter(zip(ids, pipeline.analyze(inputs), strict=True))
    return [row if row is not None else _row(*next(analyses)) for row in rows]


def _parsed(line: bytes | None) -> dict[str, Any] | str:
    """The line's object, or what is wrong with it, without quoting it."""
    if line is None:
        return f"line is longer than {MAX_LINE_BYTES} bytes"
    if not line.strip():
        return "line is empty"
    try:
        item = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        return f"not JSON at byte {error.pos}"
    return item if isinstance(item, dict) else "not a JSON object"


def _row(item_id: Any, analysis: Analysis) -> dict[str, Any]:
    labels = {name: getattr(analysis, name) for name in _LABELS}
    row: dict[str, Any] = {"id": item_id}
    row |= {name: None if label is None else label.label for name, label in labels.items()}
    row["confidence"] = {
        name: label.confidence for name, label in labels.items() if name in FIELDS and label is not None
    }
    row["unsure"] = analysis.unsure
    if analysis.unsure_reason is not None:
        row["unsure_reason"] = analysis.unsure_reason
    return row
