"""Sign-in codes: who started a server on this machine signs in once without a token.

They live in this process alone, and are over with it.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

__all__ = ["GOOD_FOR_S", "SignInCodes"]

GOOD_FOR_S: Final = 600.0
"""Time to open a browser, and not much for others to come upon it in the terminal's scrollback."""

_PREFIX: Final = "mod_"
"""By which scanners for secrets know it, as they do a token."""

_BYTES: Final = 32


class SignInCodes:
    """Each opens one session. Threads share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._issued = dict[str, tuple[str, float]]()

    def issue(self, name: str) -> str:
        """A new code of this person's."""
        code = _PREFIX + secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._issued[_digest(code)] = name, self._clock() + GOOD_FOR_S
        return code

    def redeem(self, code: str) -> str | None:
        """Whose it is, this once; `None` where it is none, or none any more."""
        with self._lock:
            name, until = self._issued.pop(_digest(code), (None, 0.0))
        return name if self._clock() < until else None


def _digest(code: str) -> str:
    """Looked up by its hash, so that the time it takes tells nothing of the code."""
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
