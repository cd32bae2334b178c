"""Where each key of a TOML text stands: `tomllib` reads values and forgets their lines.

>>> places('[[rules]]\\nid = "a"\\n')[("rules", 0, "id")]
Place(line=2, column=1)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

__all__ = ["KeyPath", "Place", "places"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the document: `("rules", 0, "id")`."""

_TOKEN = re.compile(
    r"""
      (?P<skip>   [ \t\r]+ | \#[^\n]* )
    | (?P<newline>\n )
    | (?P<long>   \"\"\"(?:\\.|[^\\])*?\"{3,5}(?!\") | '''.*?'{3,5}(?!') )
    | (?P<string> "(?:\\.|[^"\\])*" | '[^']*' )
    | (?P<mark>   [\[\]{}=,.] )
    | (?P<bare>   [^\s\[\]{}=,.\#"']+ )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: Place

    @property
    def key(self) -> str:
        """What a key says, without its quotes."""
        return self.text[1:-1] if self.kind == "string" else self.text


def places(text: str) -> dict[KeyPath, Place]:
    """Every key, table and list item of `text`, which `tomllib` has accepted, and its place."""
    scanner = _Scanner(list(_tokens(text)))
    scanner.scan()
    return scanner.found


def _tokens(text: str) -> Iterator[_Token]:
    line, line_start = 1, 0
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup or "", match.group()
        if kind != "skip":
            yield _Token(kind, token, Place(line, match.start() - line_start + 1))
        if "\n" in token:
            line += token.count("\n")
            line_start = match.start() + token.rindex("\n") + 1
    yield _Token("end", "", Place(line, 1))


@dataclass
class _Scanner:
    """Walks the tokens once; a valid text is taken for granted."""

    tokens: list[_Token]
    at: int = 0
    found: dict[KeyPath, Place] = field(default_factory=dict)
    counts: dict[KeyPath, int] = field(default_factory=dict)
    """How many items each `[[list]]` has so far."""

    @property
    def token(self) -> _Token:
        return self.tokens[self.at]

    def scan(self) -> None:
        table: KeyPath = ()
        while self.token.kind != "end":
            if self.token.kind == "newline":
                self.at += 1
            elif self.token.text == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> KeyPath:
        place = self.token.place
        is_list = self.tokens[self.at + 1].text == "["
        self.at += 1 + is_list
        *above, last = self._key()
        path: KeyPath = (*self._resolve(above), last)
        if is_list:
            self.found.setdefault(path, place)
            self.counts[path] = self.counts.get(path, 0) + 1
            path = (*path, self.counts[path] - 1)
        self.found.setdefault(path, place)
        self.at += 1 + is_list
        return path

    def _resolve(self, keys: list[str]) -> KeyPath:
        """`rules.x` after `[[rules]]` means the list's newest item."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def _key(self) -> list[str]:
        keys = [self.token.key]
        self.at += 1
        while self.token.text == ".":
            keys.append(self.tokens[self.at + 1].key)
            self.at += 2
        return keys

    def _pair(self, table: KeyPath) -> None:
        place = self.token.place
        path = table
        for key in self._key():
            path = (*path, key)
            self.found.setdefault(path, place)
        self.at += 1
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self.token.text == "[":
            self._items(path)
        elif self.token.text == "{":
            self._pairs(path)
        else:
            while self.token.kind not in ("newline", "end") and self.token.text not in "]},":
                self.at += 1

    def _items(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self.token.text != "]":
            if self.token.text == "," or self.token.kind == "newline":
                self.at += 1
                continue
            self.found[*path, index] = self.token.place
            self._value((*path, index))
            index += 1
        self.at += 1

    def _pairs(self, path: KeyPath) -> None:
        self.at += 1
        while self.token.text != "}":
            if self.token.text == "," or self.token.kind == "newline":
                self.at += 1
            else:
                self._pair(path)
        self.at += 1
