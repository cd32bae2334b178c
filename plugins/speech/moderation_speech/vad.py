"""How likely each 32 ms of sound is speech: Silero VAD v6, as a stream.

Model and export: snakers4/silero-vad, in the form that faster-whisper carries.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["FRAME", "SileroVad", "VadStream"]

FRAME = 512
"""Samples of one probability at 16 kHz: 32 ms, what the network was trained on."""

_CONTEXT = 64
"""Samples of the frame before that the network sees in front of each frame."""

_STATE = (1, 1, 128)
"""Shape of the recurrent network's two states."""


class SileroVad:
    """The loaded network; `stream` starts on a new piece of sound."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # The recurrent network is too small to gain from a second thread.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )

    def stream(self) -> VadStream:
        """Consecutive sound is looked at by one stream, however it is cut."""
        return VadStream(self._session)


class VadStream:
    """The network's memory of the sound so far."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._context = np.zeros(_CONTEXT, np.float32)
        self._h = np.zeros(_STATE, np.float32)
        self._c = np.zeros(_STATE, np.float32)

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Speech probability of each frame, shape (n,), for whole frames, shape (n * FRAME,)."""
        if not len(samples):
            return np.zeros(0, np.float32)
        frames = samples.reshape(-1, FRAME)
        before = np.vstack([self._context, frames[:-1, -_CONTEXT:]])
        feed = {"input": np.hstack([before, frames]), "h": self._h, "c": self._c}
        found, self._h, self._c = self._session.run(None, feed)
        self._context = frames[-1, -_CONTEXT:].copy()
        return np.asarray(found, np.float32).reshape(-1)
