"""The Parquet writer, read back by another implementation: every kind, missing values, groups, memory."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import arro3.io
import pytest

from service.review import parquet as module
from service.review.parquet import Field, parquet

FIELDS = (
    Field("text", "text"),
    Field("json", "json"),
    Field("number", "number"),
    Field("moment", "moment"),
    Field("truth", "truth"),
    Field("never", "text"),
)


def rows(count: int, *, seed: int = 3) -> Iterator[dict[str, Any]]:
    chance = random.Random(seed)
    for number in range(count):
        yield {
            "text": chance.choice([None, "", "ü" * chance.randrange(90), f"text {number}"]),
            "json": f'{{"a":{number}}}' if number % 3 else None,
            "number": chance.choice([None, -1.5, number / 7, 1e300]),
            "moment": datetime(1969, 12, 31, tzinfo=UTC) + timedelta(hours=number, microseconds=number)
            if number % 4
            else None,
            "truth": chance.choice([None, True, False]),
            "never": None,
        }


def read(content: bytes) -> list[dict[str, Any]]:
    table = arro3.io.read_parquet(io.BytesIO(content)).read_all()
    columns = [[one.as_py() for one in table[field.name]] for field in FIELDS]
    return [dict(zip((field.name for field in FIELDS), row, strict=True)) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 250])
def test_what_is_written_is_read(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_ROWS", 64)
    assert read(b"".join(parquet(FIELDS, rows(count)))) == list(rows(count))


def test_long_texts_make_short_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP_BYTES", 1000)
    made = [dict.fromkeys(field.name for field in FIELDS) | {"text": "x" * 400} for _ in range(7)]
    pieces = list(parquet(FIELDS, made))
    assert len(pieces) == 2 + 3 * len(FIELDS)  # the head, three groups (3, 3 and 1 rows) and the footer
    assert [row["text"] for row in read(b"".join(pieces))] == ["x" * 400] * 7


def test_what_is_no_unicode() -> None:
    made = dict.fromkeys(field.name for field in FIELDS) | {"text": "half \ud83d of a sign"}
    assert read(b"".join(parquet(FIELDS, [made])))[0]["text"] == "half ? of a sign"


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in parquet(FIELDS, rows(count)):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(30_000) < peak(module.GROUP_ROWS) * 1.3
