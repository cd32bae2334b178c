"""Answers: what may come of a mutant. Anything else that is raised is a bug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moderation.errors import MediaError, MediaFault, SourceError

__all__ = ["Answer", "BrokenPromiseError", "check_ending", "check_pixels"]

_OURS: Final = "the decoder ended ("
"""How a decoder's end is told that comes from an exception of ours and not from FFmpeg."""


class BrokenPromiseError(Exception):
    """An answer that says something else than what happened."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a mutant: read to its end, in part, or refused; with the reason."""

    fate: str
    fault: str = ""
    message: str = ""

    @classmethod
    def of(cls, fault: MediaFault | None, message: str) -> Answer:
        """A file that something could be seen or heard of."""
        if bool(fault) != bool(message):
            raise BrokenPromiseError(f"fault {fault} and message {message!r}")
        return cls("partial", fault.value, message) if fault else cls("whole")

    @classmethod
    def refused(cls, error: MediaError | SourceError) -> Answer:
        check_ending(error.message)
        return cls("refused", error.fault.value, error.message)


def check_ending(message: str) -> None:
    """Raises `BrokenPromiseError` where the decoding process ended by a bug of ours."""
    if _OURS in message:
        raise BrokenPromiseError(message)


def check_pixels(image: NDArray[np.uint8]) -> None:
    """Raises `BrokenPromiseError` for what is no RGB picture."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise BrokenPromiseError(f"pixels of shape {image.shape}, {image.dtype}")
