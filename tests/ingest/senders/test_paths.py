"""Paths into bodies, as an administrator writes them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ingest.senders.paths import MAX_STEPS, leaves, read_path, values_at, where_it_ends

BODY = {
    "data": {
        "items": [{"text": "one", "tags": ["a", "b"]}, {"text": "two", "tags": []}, {"other": 1}],
        "first name": "Ada",
        "a.b": {"c]d": 5, 'say "x"': 6},
        "0": "zero",
        "nothing": None,
        "single": {"text": "alone"},
    },
    "größe": "L",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data.items[0].text", ["one"]),
        ("data.items[-1].other", [1]),
        ("data.items[*].text", ["one", "two"]),
        ("data.items.*.text", ["one", "two"]),
        ("data.items[*].tags[*]", ["a", "b"]),
        ("data.items.1.text", ["two"]),
        ("data.items[3]", []),
        ("data.items[-4]", []),
        ("data.items.text", []),
        ("data.first name", ["Ada"]),
        ('data["first name"]', ["Ada"]),
        ("data['first name']", ["Ada"]),
        ('data."first name"', ["Ada"]),
        ('data["a.b"]["c]d"]', [5]),
        ('data["a.b"]["say \\"x\\""]', [6]),
        ("""data["a.b"]['say "x"']""", [6]),
        ("data.0", ["zero"]),
        ("größe", ["L"]),
        ("$.größe", ["L"]),
        ('$["größe"]', ["L"]),
        (" data . items [ 0 ] .text ", ["one"]),
        ("data.nothing", [None]),
        ("data.nothing[*]", []),
        ("data.nothing.more", []),
        ("data.single[*].text", ["alone"]),
        ("data.single[0].text", ["alone"]),
        ("data.single[-1].text", ["alone"]),
        ("data.single[1].text", []),
        ("größe.more", []),
        ("missing", []),
    ],
)
def test_paths_lead_where_they_say(path: str, expected: list[Any]) -> None:
    steps = read_path(path).steps
    assert values_at(BODY, steps) == expected
    assert bool(where_it_ends(BODY, steps)) is not bool(expected)


def test_the_body_itself_and_lists_at_the_top() -> None:
    assert values_at(BODY, read_path("$").steps) == [BODY]
    assert read_path("$.a").from_body
    assert not read_path("a").from_body
    assert values_at([{"a": 1}, {"a": 2}], read_path("[*].a").steps) == [1, 2]
    assert values_at([{"a": 1}], read_path("$[0].a").steps) == [1]
    assert values_at("x", read_path("a[0]").steps) == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "empty"),
        ("  ", "empty"),
        (".", "character 2"),
        ("a.", "character 3"),
        ("a..b", "character 3"),
        ("a[", "character 2"),
        ("a[]", "character 2"),
        ("a[b]", "quotes"),
        ('a["b]', "character 2"),
        ("a[0", "character 2"),
        ("a[1.5]", "character 2"),
        ("a]b", "character 2"),
        ("a[0]b", "a dot or a bracket"),
        ('a"b"', "character 2"),
        ("$a", "a dot or a bracket"),
        ("a.$", "character 3"),
        ("a. .b", "character 3"),
        ("x" * 501, "500 characters"),
        ("a." * MAX_STEPS + "a", f"{MAX_STEPS} steps"),
    ],
)
def test_what_is_no_path_is_refused_with_its_place(path: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_path(path)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("dat.items", "no «dat» at the top"),
        ("data.items.text", "a list in «data.items»"),
        ("data.items[7].text", "the list in «data.items» has no such entry"),
        ("data.items[0].body.text", "no «body» in «data.items[0]»"),
        ("größe.unit", "nothing below «größe»"),
    ],
)
def test_where_a_path_ends_is_told(path: str, says: str) -> None:
    assert says in where_it_ends(BODY, read_path(path).steps)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab.0"), inner, max_size=3),
    max_leaves=8,
)


@given(text=st.text(alphabet="ab0.[]*\"'$\\- ", max_size=12), value=json_values)
def test_any_text_is_a_path_or_refused_and_any_body_can_be_asked(text: str, value: Any) -> None:
    try:
        path = read_path(text)
    except ValueError:
        return
    found = values_at(value, path.steps)
    assert bool(where_it_ends(value, path.steps)) is not bool(found)


@given(name=st.text(max_size=20))
def test_every_name_can_be_written_in_quotes(name: str) -> None:
    quoted = '["' + name.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    assert values_at({name: 1}, read_path(quoted).steps) == [1]


def test_every_plain_value_has_a_path_that_leads_to_it() -> None:
    body = {
        "a": {"b c": 1, " x": 2, 'q"\\d': [{"z": 3}, {"z": 4}], "": 5, "*": 6, "$": 7, "e.f": [["k"]], "n": []},
        "ü[0]": None,
        "#text": "words",
    }
    found = leaves(body, limit=50)
    assert [value for _, value in found] == [1, 2, 3, 5, 6, 7, "k", None, "words"]
    assert [values_at(body, read_path(path).steps) for path, _ in found] == [[value] for _, value in found]
    assert leaves(body, limit=2) == found[:2]
    assert [path for path, _ in leaves([{"a": 1}], limit=5)] == ["[0].a"]
    assert leaves("words", limit=5) == []
    deep: Any = 1
    for _ in range(MAX_STEPS + 1):
        deep = {"d": deep}
    assert leaves(deep, limit=5) == [], "a path has an end"
