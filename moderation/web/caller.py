"""The caller: who asks, and how they were known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from moderation.person import Person

__all__ = ["Caller", "Via"]


class Via(StrEnum):
    """How somebody was known."""

    TOKEN = "token"
    SESSION = "session"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and how they were known.

    session  what stands for the session in links of this browser, never the cookie itself; empty
             for a token
    csrf     what its forms and scripts send along with what changes anything; empty for a token
    """

    person: Person
    via: Via
    session: str = ""
    csrf: str = ""
