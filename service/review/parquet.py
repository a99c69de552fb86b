"""Rows as an Apache Parquet file, written while it is read: a row group at a time, and no library.

A library that writes Parquet weighs 12 to 55 MB, for one route. The part of the format that a flat table needs is
small: version 1 data pages with plain values, gzip, one page a column and row group, and a footer in Thrift's
compact protocol. Sources: the Apache Parquet format's own documents (parquet.thrift, Encodings.md,
LogicalTypes.md) and Thrift's "Compact protocol encoding". Tests read the files with another implementation.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np

Kind = Literal["text", "json", "number", "moment", "truth"]

GROUP_ROWS: Final = 5_000
GROUP_BYTES: Final = 8 * 2**20  # of values, before they are packed: long texts make shorter groups
MAGIC: Final = b"PAR1"
CREATED_BY: Final = "journeymap version 1"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

# parquet.thrift: Type, ConvertedType, Encoding, CompressionCodec, FieldRepetitionType
BOOLEAN, INT64, DOUBLE, BYTE_ARRAY = 0, 2, 5, 6
CONVERTED_UTF8, CONVERTED_MICROS, CONVERTED_JSON = 0, 10, 19
PLAIN, RLE, GZIP, OPTIONAL = 0, 3, 2, 1
PHYSICAL: Final[Mapping[Kind, int]] = {
    "text": BYTE_ARRAY,
    "json": BYTE_ARRAY,
    "number": DOUBLE,
    "moment": INT64,
    "truth": BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A column, every value of which may be missing. Moments are microseconds in UTC."""

    name: str
    kind: Kind


def parquet(fields: Sequence[Field], rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The file in pieces. Memory: the values of one row group, and some 60 bytes a column and group before it.

    Text that is no valid Unicode (a lone surrogate) is written with `?` in its place.
    """
    yield MAGIC
    written, total = len(MAGIC), 0
    groups: list[bytes] = []
    waiting: list[list[Any]] = [[] for _ in fields]
    count = size = 0

    def group() -> Iterator[bytes]:
        nonlocal written, total, count, size, waiting
        chunks: list[bytes] = []
        plain_bytes = packed_bytes = 0
        start = written
        for field, values in zip(fields, waiting, strict=True):
            page, plain = _page(field, values)
            chunks.append(_chunk(field, count, offset=written, plain=plain, packed=len(page)))
            plain_bytes, packed_bytes = plain_bytes + plain, packed_bytes + len(page)
            written += len(page)
            yield page
        # RowGroup: columns, total_byte_size, num_rows, file_offset, total_compressed_size
        groups.append(
            _record(
                {
                    1: _structs(chunks),
                    2: _i64(plain_bytes),
                    3: _i64(count),
                    5: _i64(start),
                    6: _i64(packed_bytes),
                }
            )
        )
        total += count
        waiting, count, size = [[] for _ in fields], 0, 0

    for row in rows:
        for field, values in zip(fields, waiting, strict=True):
            value = row[field.name]
            if value is not None and field.kind in ("text", "json"):
                value = value.encode("utf-8", "replace")
                size += len(value)
            values.append(value)
        count += 1
        if count == GROUP_ROWS or size >= GROUP_BYTES:
            yield from group()
    if count:
        yield from group()
    footer = _footer(fields, groups, total)
    yield footer + struct.pack("<I", len(footer)) + MAGIC


# --- pages


def _page(field: Field, values: Sequence[Any]) -> tuple[bytes, int]:
    """A column of a row group as one data page with its header; and its length if it were not packed."""
    present = [value for value in values if value is not None]
    body = _levels(values) + _plain(field.kind, present)
    packer = zlib.compressobj(wbits=31)  # 31: with a gzip head, whose time is left at 0
    packed = packer.compress(body) + packer.flush()
    # DataPageHeader: num_values, encoding, definition_level_encoding, repetition_level_encoding
    data = _record({1: _i32(len(values)), 2: _i32(PLAIN), 3: _i32(RLE), 4: _i32(RLE)})
    # PageHeader: type DATA_PAGE, uncompressed_page_size, compressed_page_size, data_page_header
    header = _record({1: _i32(0), 2: _i32(len(body)), 3: _i32(len(packed)), 5: (STRUCT, data)})
    return header + packed, len(header) + len(body)


def _levels(values: Sequence[Any]) -> bytes:
    """Definition levels, 1 where there is a value: one run where all are alike, else packed bits."""
    there = np.fromiter((value is not None for value in values), dtype=np.uint8, count=len(values))
    if there.all() or not there.any():
        bits = _varint(len(values) << 1) + bytes([int(there[0])])
    else:
        packed = np.packbits(there, bitorder="little").tobytes()
        bits = _varint(len(packed) << 1 | 1) + packed
    return struct.pack("<I", len(bits)) + bits


def _plain(kind: Kind, values: Sequence[Any]) -> bytes:
    match kind:
        case "text" | "json":
            return b"".join(part for value in values for part in (struct.pack("<I", len(value)), value))
        case "number":
            return np.asarray(values, dtype="<f8").tobytes()
        case "moment":
            return np.asarray([(value - EPOCH) // MICROSECOND for value in values], dtype="<i8").tobytes()
        case "truth":
            return np.packbits(np.asarray(values, dtype=np.uint8), bitorder="little").tobytes()


# --- footer


def _footer(fields: Sequence[Field], groups: Sequence[bytes], rows: int) -> bytes:
    # SchemaElement: the root has a name and num_children
    root = _record({4: _text("feedback"), 5: _i32(len(fields))})
    # FileMetaData: version, schema, num_rows, row_groups, created_by
    return _record(
        {
            1: _i32(1),
            2: _structs([root, *(_element(field) for field in fields)]),
            3: _i64(rows),
            4: _structs(groups),
            6: _text(CREATED_BY),
        }
    )


def _element(field: Field) -> bytes:
    """SchemaElement: type, repetition_type, name, converted_type, logicalType."""
    nothing = _record({})
    said: dict[int, Thrift] = {1: _i32(PHYSICAL[field.kind]), 3: _i32(OPTIONAL), 4: _text(field.name)}
    match field.kind:
        case "text":
            said |= {6: _i32(CONVERTED_UTF8), 10: (STRUCT, _record({1: (STRUCT, nothing)}))}
        case "json":
            said |= {6: _i32(CONVERTED_JSON), 10: (STRUCT, _record({12: (STRUCT, nothing)}))}
        case "moment":
            micros = _record({2: (STRUCT, nothing)})
            in_utc = _record({1: (TRUE, b""), 2: (STRUCT, micros)})
            said |= {6: _i32(CONVERTED_MICROS), 10: (STRUCT, _record({8: (STRUCT, in_utc)}))}
        case "number" | "truth":
            pass
    return _record(said)


def _chunk(field: Field, values: int, *, offset: int, plain: int, packed: int) -> bytes:
    """ColumnChunk: file_offset, meta_data."""
    # ColumnMetaData: type, encodings, path_in_schema, codec, num_values, sizes, data_page_offset
    meta = _record(
        {
            1: _i32(PHYSICAL[field.kind]),
            2: _list(I32, [_zigzag(PLAIN), _zigzag(RLE)]),
            3: _list(BINARY, [_text(field.name)[1]]),
            4: _i32(GZIP),
            5: _i64(values),
            6: _i64(plain),
            7: _i64(packed),
            9: _i64(offset),
        }
    )
    return _record({2: _i64(offset), 3: (STRUCT, meta)})


# --- Thrift's compact protocol: a value is its type and its bytes

TRUE, I32, I64, BINARY, LIST, STRUCT = 1, 5, 6, 8, 9, 12
Thrift = tuple[int, bytes]


def _record(fields: Mapping[int, Thrift]) -> bytes:
    """A struct: fields in rising order (numbers less than 16 apart), and its end."""
    found, last = [], 0
    for number, (kind, value) in fields.items():
        found += [bytes([(number - last) << 4 | kind]), value]
        last = number
    return b"".join(found) + b"\0"


def _list(kind: int, values: Sequence[bytes]) -> Thrift:
    head = bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([0xF0 | kind]) + _varint(len(values))
    return LIST, head + b"".join(values)


def _structs(values: Sequence[bytes]) -> Thrift:
    return _list(STRUCT, values)


def _i32(value: int) -> Thrift:
    return I32, _zigzag(value)


def _i64(value: int) -> Thrift:
    return I64, _zigzag(value)


def _text(value: str) -> Thrift:
    raw = value.encode()
    return BINARY, _varint(len(raw)) + raw


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
