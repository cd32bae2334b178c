"""A TOML text that is checked line by line: every problem with its place and the next step."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from moderation.toml_places import KeyPath, Place, places

__all__ = ["Level", "Problem", "TomlDocument", "did_you_mean"]

_SYNTAX = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_SHAPES = {
    "model_type": "a table: [name], or { key = value }",
    "mapping_type": "a table: [name], or { key = value }",
    "tuple_type": "a list: [[name]], or [item, item]",
}
"""pydantic's words for what a value should have been, in the words of TOML."""


class Level(StrEnum):
    """Whether a problem makes the file useless, or only smells."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file; prints as `file:line: message: hint`."""

    where: str
    line: int
    """From 1."""
    column: int
    """From 1."""
    message: str
    hint: str = ""
    level: Level = Level.ERROR

    def __str__(self) -> str:
        hint = f": {self.hint}" if self.hint else ""
        return f"{self.where}:{self.line}: {self.message}{hint}"


@dataclass(frozen=True)
class TomlDocument:
    """A text, the values in it, and where each of them stands; `fault` if it is no TOML."""

    where: str
    data: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[KeyPath, Place] = field(default_factory=dict)
    fault: Problem | None = None

    @classmethod
    def parse(cls, text: str, where: str) -> TomlDocument:
        try:
            return cls(where, tomllib.loads(text), places(text.replace("\r\n", "\n")))
        except tomllib.TOMLDecodeError as error:
            return cls(where, fault=_syntax_problem(text, where, str(error)))

    def place(self, path: KeyPath) -> Place:
        """Where `path` stands, or the nearest thing above it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))

    def problem(
        self, path: KeyPath, message: str, hint: str = "", level: Level = Level.ERROR
    ) -> Problem:
        place = self.place(path)
        return Problem(self.where, place.line, place.column, message, hint, level)

    def problems(
        self, error: ValidationError, keys: Mapping[tuple[str, ...], Iterable[str]]
    ) -> list[Problem]:
        """All that pydantic found; `keys` are those of each table, by its path without indices."""
        return [self._explain(detail, keys) for detail in error.errors()]

    def _explain(
        self, detail: ErrorDetails, keys: Mapping[tuple[str, ...], Iterable[str]]
    ) -> Problem:
        path, context = detail["loc"], detail.get("ctx", {})
        name = next((part for part in reversed(path) if isinstance(part, str)), self.where)
        if detail["type"] == "extra_forbidden":
            table = tuple(part for part in path[:-1] if isinstance(part, str))
            known = keys.get(table) or keys.get((*table[:-1], "*"), ())
            return self.problem(path, f"unknown key {name!r}", did_you_mean(name, known))
        if detail["type"] == "missing":
            return self.problem(path[:-1], f"the key {name!r} is missing")
        if detail["type"] in ("enum", "literal_error"):
            expected = re.findall(r"'([^']+)'", context["expected"])
            hint = did_you_mean(str(detail["input"]), expected)
            return self.problem(path, f"{name} cannot be {detail['input']!r}", hint)
        if detail["type"] in _SHAPES:
            return self.problem(path, f"{name} is {_SHAPES[detail['type']]}")
        if "hint" in context:
            return self.problem(path, detail["msg"], context["hint"])
        message = detail["msg"].removeprefix("Value error, ")
        return self.problem(path, f"{name}: {message[:1].lower()}{message[1:]}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint: the nearest of `known`, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _syntax_problem(text: str, where: str, message: str) -> Problem:
    match = _SYNTAX.fullmatch(message)
    if match is None:
        return Problem(where, 1, 1, f"this is no TOML: {message}")
    reason, line, column = match.groups()
    last = text.count("\n") + 1
    return Problem(where, int(line or last), int(column or 1), f"this is no TOML: {reason}")
