"""Hush: stretches of sound made silent, or replaced by a tone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.media.protocol import Edit
from moderation.media.splice import Sweep
from moderation.timeline import MICROSECONDS

__all__ = ["Hush"]

Samples = NDArray[np.float32]
Gains = NDArray[np.floating[Any]]

_RAMP_US = 8_000
"""How long sound takes to fade, before the stretch and after it: at once would be a click."""

_BLEEP_HZ, _BLEEP_LEVEL = 1_000, 0.1
"""Of the tone: what broadcasters use, and as loud as calm speech."""


class Hush:
    """Takes sound in the order of time.

    rate  samples a second
    """

    def __init__(self, pieces: Iterable[Edit], rate: int) -> None:
        self._rate = rate
        self._sweep = Sweep(piece for piece in pieces if piece.remedy != "blur")

    def over(self, samples: Samples, first: int) -> tuple[Samples, dict[int, int]]:
        """Samples of shape (channels, samples) from the sample `first` on.

        Returns what is to be heard instead, and of each edit how many samples it is about. Sound
        fades where it is cut, too.
        """
        count = samples.shape[1]
        start_us, end_us = (round(n * MICROSECONDS / self._rate) for n in (first, first + count))
        pieces = self._sweep.over(start_us - _RAMP_US, end_us + _RAMP_US)
        if not pieces:
            return samples, {}
        times = (first + np.arange(count)) * (MICROSECONDS / self._rate)
        gain, bleep = np.ones(count), np.zeros(count)
        touched: dict[int, int] = {}
        for piece in pieces:
            left = _left(piece, times)
            gain = np.minimum(gain, left)
            if piece.remedy == "bleep":
                bleep = np.maximum(bleep, 1 - left)
            silent = int(np.count_nonzero(left == 0))
            touched[piece.number] = touched.get(piece.number, 0) + silent
        tone = _BLEEP_LEVEL * bleep * np.sin(2e-6 * np.pi * _BLEEP_HZ * times)
        return (samples * gain + tone).astype(np.float32), touched


def _left(piece: Edit, times: Gains) -> Gains:
    """How much of each sample is left: 0 in the stretch, 1 a ramp's length away from it."""
    away = np.maximum(piece.from_us - times, times - piece.to_us)
    left: Gains = np.clip(away / _RAMP_US, 0.0, 1.0)
    return left
