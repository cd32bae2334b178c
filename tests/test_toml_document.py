"""Every key of a TOML text is found where it stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from moderation.policy import built_in
from moderation.toml_document import TomlDocument, did_you_mean
from moderation.toml_places import KeyPath, Place, places

TEXT = '''\
name = "a" # [not.a.table]
"quoted key" = 'b # c'
dotted.key = 1.5
long = """
[[not]]
a = "quoted" \\"""
"""
when = 1979-05-27 07:32:00
[table]
list = [ "x", # comment ]
  { inner = 1, other = [1,
    2] },
]
[[rules]]
id = "first"
[[rules]]
id = "second"
[rules.sub]
key = true
[[rules.deep]]
key = 1
'''


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("name",), 1, 1),
        (("quoted key",), 2, 1),
        (("dotted", "key"), 3, 1),
        (("long",), 4, 1),
        (("when",), 8, 1),
        (("table",), 9, 1),
        (("table", "list", 0), 10, 10),
        (("table", "list", 1, "inner"), 11, 5),
        (("table", "list", 1, "other", 1), 12, 5),
        (("rules", 0), 14, 1),
        (("rules", 0, "id"), 15, 1),
        (("rules", 1, "id"), 17, 1),
        (("rules", 1, "sub", "key"), 19, 1),
        (("rules", 1, "deep", 0, "key"), 21, 1),
    ],
)
def test_a_key_is_found_where_it_stands(path: KeyPath, line: int, column: int) -> None:
    assert places(TEXT)[path] == Place(line, column)


def paths(value: Any, above: KeyPath = ()) -> Iterator[KeyPath]:
    """Every path that the parsed values have."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*above, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*above, key))


def test_nothing_that_the_text_holds_is_without_a_place() -> None:
    assert set(paths(tomllib.loads(TEXT))) == set(places(TEXT))


def test_a_windows_text_has_the_same_lines() -> None:
    document = TomlDocument.parse(TEXT.replace("\n", "\r\n"), "w.toml")
    assert document.place(("rules", 1, "id")) == Place(17, 1)


def test_what_is_not_there_is_placed_at_what_should_hold_it() -> None:
    assert TomlDocument.parse(TEXT, "t").place(("rules", 1, "action")) == Place(16, 1)


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = \n", 2), ("a = [\n\n", 3), ("\n[a", 2)])
def test_a_fault_of_syntax_names_its_line(text: str, line: int) -> None:
    fault = TomlDocument.parse(text, "t.toml").fault
    assert fault is not None
    assert str(fault).startswith(f"t.toml:{line}: this is no TOML: ")


def test_the_nearest_word_is_offered_and_otherwise_all() -> None:
    assert did_you_mean("rejct", ["review", "reject"]) == "did you mean 'reject'?"
    assert did_you_mean("zzz", ["review", "reject"]) == "known are review, reject"


def test_the_policies_of_the_core_exist() -> None:
    assert {"default", "light"} <= set(built_in())
