"""Text from strangers, made fit for files and for eyes."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

__all__ = ["json_line", "one_line", "plain", "visible", "whole"]

_SURROGATES = re.compile("[\ud800-\udfff]")
_LAYOUT = "\t\n"


def whole(text: str) -> str:
    """Text that every encoding of Unicode takes: lone surrogates become U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


def visible(text: str) -> str:
    """Text that shows what it says: without controls, and without what turns or hides letters.

    Removed are the categories Cc and Cf, in which lie terminal escapes, bidirectional overrides
    and zero-width characters; tabs and line breaks stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter
        for letter in whole(text)
        if letter in _LAYOUT or unicodedata.category(letter) not in ("Cc", "Cf")
    )


def one_line(text: str) -> str:
    """As `visible`, and a line break is a space: a name must not look like two lines of a log."""
    return " ".join(visible(text).split())


def plain(value: Any) -> Any:
    """A value of JSON, strictly: mappings and sequences are copied, text made `whole`.

    A float that is no number becomes None, and what JSON does not know its `str`.
    """
    if isinstance(value, str):
        return whole(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None
    if isinstance(value, dict):
        return {whole(str(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return whole(str(value))


def json_line(value: Any) -> str:
    """Strict JSON in ASCII: one line, whatever its reader takes for the end of a line."""
    return json.dumps(plain(value), allow_nan=False)
