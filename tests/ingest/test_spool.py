"""What is in the spool survives crashes, comes out in order and once, and is worth nothing without the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.ingest.spool import MARK, Spool, SpoolFull

LIMIT = {"limit_bytes": 10**6, "min_free_bytes": 0}
ALL = {"most": 1000, "most_bytes": 10**9}


def _entries(first: int, count: int) -> list[bytes]:
    return [f"entry {number}".encode() for number in range(first, first + count)]


def _drain(spool: Spool) -> list[bytes]:
    found = []
    while spool.waiting:
        found += spool.head(most=3, most_bytes=10**9)
        spool.stored()
    return found


def test_entries_come_out_in_order_and_the_file_goes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(_entries(0, 5), **LIMIT)
    assert spool.head(most=2, most_bytes=10**9) == spool.head(most=2, most_bytes=10**9) == _entries(0, 2)
    spool.stored()
    spool.append(_entries(5, 3), **LIMIT)  # while it is drained
    assert _drain(spool) == _entries(2, 6)
    assert list(tmp_path.iterdir()) == []
    spool.append(_entries(9, 1), **LIMIT)
    assert _drain(spool) == _entries(9, 1)


def test_a_slice_is_bounded_by_bytes(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([b"x" * 1000] * 5, **LIMIT)
    assert len(spool.head(most=100, most_bytes=1500)) == 2


def test_files_are_adopted_once_their_process_is_gone(tmp_path: Path) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.append(_entries(0, 2), **LIMIT)
    second.append(_entries(10, 2), **LIMIT)
    second.adopt()
    assert _drain(second) == _entries(10, 2)  # the other is alive
    first.close()
    second.append(_entries(12, 1), **LIMIT)
    second.adopt()
    assert _drain(second) == _entries(0, 2) + _entries(12, 1)  # what is older first
    assert list(tmp_path.iterdir()) == []


def test_what_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(_entries(0, 3), **LIMIT)
    spool.close()
    [file] = tmp_path.iterdir()
    whole = file.read_bytes()
    for cut in range(len(whole) - len(b"entry 2") - 11, len(whole)):
        file.write_bytes(whole[:cut])
        spool.adopt()
        assert _drain(spool) == _entries(0, 2), cut
        assert list(tmp_path.iterdir()) == []


def test_a_damaged_entry_takes_no_other_with_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(_entries(0, 4), **LIMIT)
    spool.close()
    [file] = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    frame = len(content) // 4
    content[frame + 5] ^= 0xFF  # the second one's length
    content[2 * frame + 14] ^= 0x01  # the third one's content
    file.write_bytes(content)
    spool.adopt()
    assert _drain(spool) == [b"entry 0", b"entry 3"]
    assert [path.suffix for path in tmp_path.iterdir()] == [".damaged"]  # for a person to look at


@pytest.mark.parametrize("garbage", [b"", b"x", b"\x00" * 500, MARK, MARK * 9, b"\xff" * 40, MARK + b"\xff" * 8])
def test_garbage_is_no_entry(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "1.spool").write_bytes(garbage)
    spool = Spool(tmp_path)
    spool.adopt()
    assert _drain(spool) == []


def test_limits_are_kept_and_nothing_is_half_written(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([b"x" * 400], limit_bytes=1000, min_free_bytes=0)
    with pytest.raises(SpoolFull):
        spool.append([b"x" * 300, b"x" * 300], limit_bytes=1000, min_free_bytes=0)
    with pytest.raises(SpoolFull):
        spool.append([b"x"], limit_bytes=10**6, min_free_bytes=10**18)
    assert _drain(spool) == [b"x" * 400]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.ingest import spool as module

    spool = Spool(tmp_path)
    spool.append(_entries(0, 1), **LIMIT)
    write = module.os.write

    def half(descriptor: int, data: bytes) -> int:
        if half.calls:  # type: ignore[attr-defined]
            raise OSError(28, "No space left on device")
        half.calls += 1  # type: ignore[attr-defined]
        return write(descriptor, data[: len(data) // 2])

    half.calls = 0  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", half)
        with pytest.raises(SpoolFull):
            spool.append(_entries(5, 2), **LIMIT)
    spool.append(_entries(1, 1), **LIMIT)
    assert _drain(spool) == _entries(0, 2)


def test_what_was_set_aside_is_tried_at_the_next_start_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.set_aside(_entries(0, 2))
    spool.adopt()
    assert not spool.waiting
    spool.adopt(set_aside=True)
    assert _drain(spool) == _entries(0, 2)
    assert list(tmp_path.iterdir()) == []
