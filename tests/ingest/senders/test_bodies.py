"""Bodies by their media type, and the limits that keep one call from holding up all others."""

from __future__ import annotations

import time

import pytest

from service.ingest.incoming import Call, CannotParse
from service.ingest.senders.bodies import MAX_DEPTH, MAX_FIELDS, MAX_PARTS, form_fields, json_value, xml_root


def form(body: bytes, boundary: str = "a") -> dict[str, str]:
    return form_fields(Call({"content-type": f"multipart/form-data; boundary={boundary}"}, body))


def field(name: str, value: str = "x", *more: str) -> bytes:
    head = "\r\n".join((f'Content-Disposition: form-data; name="{name}"', *more))
    return f"--a\r\n{head}\r\n\r\n{value}\r\n".encode()


def test_fields_of_a_multipart_form() -> None:
    sent = (
        b"what comes before\r\n"
        + field("words", "Zu langsam\r\n--ab und --a")
        + field("words", "the first of a name holds")
        + field("packed", "R3LDtsOfZQ==", "Content-Transfer-Encoding: BASE64")
        + field("quoted", "Gr=C3=B6=C3=9Fe", "Content-Transfer-Encoding: quoted-printable")
        + field('file"; filename="f.txt', "left out")
        + b"--a\r\n\r\nwithout a name\r\n"
        + b'--a \nContent-Disposition: form-data; name="bare ends"\n\ny\n\n'
        + field("empty", "")
        + b'--a--\r\n--a\r\nContent-Disposition: form-data; name="after the end"\r\n\r\nz\r\n'
    )
    assert form(sent) == {
        "words": "Zu langsam\r\n--ab und --a",
        "packed": "Größe",
        "quoted": "Größe",
        "bare ends": "y\n",
        "empty": "",
    }
    assert form(field("cut"), '"a"') == {"cut": "x"}


@pytest.mark.parametrize("boundary", ["b", "", "é", "a" * 100_000])
def test_what_is_no_multipart_form(boundary: str) -> None:
    with pytest.raises(CannotParse):
        form(field("x") if boundary else b"", boundary)


def test_a_form_of_many_parts_or_of_long_heads_costs_nothing() -> None:
    assert len(form(b"".join(field(f"n{number}") for number in range(MAX_PARTS)))) == MAX_PARTS
    began = time.process_time()
    with pytest.raises(CannotParse):
        form(b"--a\r\n\r\nx\r\n" * 800_000)
    nested = b"".join(b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" for _ in range(900))
    assert form(field("one") + nested) == {"one": "x\r\n" + nested.decode().removesuffix("\r\n")}
    # read by the library's parser, this alone would take minutes
    long_head = b"--a\r\nContent-Disposition: form-data; " + b"a*0=1;" * 100_000 + b"\r\n\r\nx\r\n"
    assert form(long_head + field("two")) == {"two": "x"}
    with pytest.raises(CannotParse):
        form(field("x"), "b" + ";a*0=1" * 10_000)
    assert time.process_time() - began < 5


def test_json_is_as_deep_and_as_wide_as_any_real_one() -> None:
    def read(text: str) -> object:
        return json_value(Call({}, text.encode()))

    assert read("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    assert read("\ufeff[" + ",".join(["1"] * MAX_FIELDS) + "]")
    for text in (
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * 500_000,
        "[" + ",".join(["1"] * (MAX_FIELDS + 1)) + "]",
        '{"a":' * 400_000,
        "9" * 10_000,
        "",
    ):
        with pytest.raises(CannotParse):
            read(text)


def test_deep_xml_is_read_and_document_types_are_not() -> None:
    assert xml_root(Call({}, b"<a>" * 100_000 + b"</a>" * 100_000)).tag == "a"
    for body in (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', b"<a>", "<!DOCTYPE a><a/>".encode("utf-16"), b""):
        with pytest.raises(CannotParse):
            xml_root(Call({}, body))
