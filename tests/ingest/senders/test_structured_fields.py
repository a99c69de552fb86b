"""Structured fields: what is read comes out in the one form, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ingest.senders.structured_fields import (
    BadField,
    InnerList,
    Item,
    Token,
    read_dictionary,
    write_inner_list,
    write_item,
)


def test_a_signature_input() -> None:
    found = read_dictionary(
        'sig1=( "@method"   "x-a";sf ); created=1;alg="a\\"b\\\\c";t=tok/1;f=?0;g, b=:YWI=: ,c;d=-5'
    )
    assert list(found) == ["sig1", "b", "c"]
    first = found["sig1"]
    assert isinstance(first, InnerList)
    assert first.items == (Item("@method"), Item("x-a", {"sf": True}))
    assert first.params == {"created": 1, "alg": 'a"b\\c', "t": Token("tok/1"), "f": False, "g": True}
    assert write_inner_list(first) == '("@method" "x-a";sf);created=1;alg="a\\"b\\\\c";t=tok/1;f=?0;g'
    assert found["b"] == Item(b"ab")
    assert write_item(Item(b"ab")) == ":YWI=:"
    assert found["c"] == Item(True, {"d": -5})
    assert read_dictionary("") == {}
    assert read_dictionary("a=()") == {"a": InnerList(())}


@pytest.mark.parametrize(
    "text",
    [
        "a=1,a=2",
        "a=();x=1;x=2",
        "a=1,",
        "a=1,,b=2",
        "A=1",
        "a=1 b=2",
        "a=(",
        'a=("x"',
        'a=("x""y")',
        'a=("x")("y")',
        'a="x',
        'a="x\\y"',
        'a="\x00"',
        'a="é"',
        "a=:YWI:b:",
        "a=:Y:",
        "a=:YWI=",
        "a=1.5",
        "a=1234567890123456",
        "a=?2",
        "a=@1",
        "a=",
        "=1",
        ";a",
        "a;",
        "a=1;B",
        "a=((1))",
        "a=\t1",
        "\xff",
        "a=1" + " " * 20_000 + ",b",
    ],
)
def test_what_is_not_read(text: str) -> None:
    with pytest.raises(BadField):
        read_dictionary(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='ab1=(),;:"\\?*-. \t@YWI', max_size=40))
def test_any_text_is_read_or_refused_and_what_is_read_is_written_the_same(text: str) -> None:
    try:
        found = read_dictionary(text)
    except BadField:
        return
    written = ", ".join(
        f"{key}=" + (write_inner_list(one) if isinstance(one, InnerList) else write_item(one))
        for key, one in found.items()
    )
    assert read_dictionary(written) == found
