"""Who speaks when: pyannote.audio, over windows of a video's sound.

Needs the extra `moderation-speech[diarization]`; torch is imported when a `Diarizer` is made.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.detector import Device
from moderation.errors import ModelError
from moderation.media.frames import SAMPLE_RATE, AudioChunk
from moderation.timeline import MICROSECONDS, Instant, Span
from moderation_speech.options import Diarization
from moderation_speech.speakers import SpeakerBook, Turn, Voice, attribute
from moderation_speech.transcript import Segment
from moderation_speech.utterance import continues

__all__ = ["Diarizer", "SpeakerTrack", "import_pyannote"]

_OWN = "$model/"
"""How a pipeline's config.yaml names what lies in its own folder."""

_TORCHCODEC = r"\s*torchcodec is not installed correctly"
"""pyannote.audio warns on import that it cannot decode files; it is handed waveforms."""


class Diarizer:
    """A loaded pipeline. One instance serves many videos.

    folder  holds config.yaml and all the weights that it names

    Raises `ImportError` without pyannote.audio, `ModelError` for a folder that is no pipeline.
    """

    def __init__(self, folder: Path, device: Device, options: Diarization) -> None:
        self.options = options
        self._pipeline = _open(folder, device)

    def track(self) -> SpeakerTrack:
        """For one video."""
        return SpeakerTrack(self)

    def turns(
        self, samples: NDArray[np.float32], at: Instant, book: SpeakerBook, *, whole: bool
    ) -> list[Turn]:
        """Turns in consecutive sound, shape (samples,), that starts `at`; none overlap.

        whole  that this is all of the video: only then does the least number of speakers hold
        """
        import torch

        found = self._pipeline(
            {"waveform": torch.from_numpy(samples)[None], "sample_rate": SAMPLE_RATE},
            min_speakers=self.options.min_speakers if whole else None,
            max_speakers=self.options.max_speakers,
        )
        names = book.names(_voices(found))
        return [
            Turn(_span(at, turn.start, min(turn.end, len(samples) / SAMPLE_RATE)), names[speaker])
            for turn, _, speaker in found.exclusive_speaker_diarization.itertracks(yield_label=True)
        ]


class SpeakerTrack:
    """The speakers of one video, found window by window while its sound passes by."""

    def __init__(self, diarizer: Diarizer) -> None:
        self._diarizer = diarizer
        self._book = SpeakerBook(diarizer.options.same_speaker)
        self._window: list[AudioChunk] = []
        self._turns: list[Turn] = []
        self._until: Instant | None = None
        """End of the last window that was diarized."""

    def listen(self, chunks: Iterable[AudioChunk]) -> Iterator[AudioChunk]:
        """Pass the sound on; a window that is full is diarized first."""
        for chunk in chunks:
            if self._window and not continues(self._window[-1].span.end, chunk):
                self._diarize()
            self._window.append(chunk)
            if self._seconds() >= self._diarizer.options.window:
                self._diarize()
            yield chunk
        if self._window:
            self._diarize(last=True)

    def attribute(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """The segments with their speakers, as soon as the window that they end in is diarized."""
        waiting: deque[Segment] = deque()
        for segment in segments:
            waiting.append(segment)
            while self._until and waiting and waiting[0].span.end <= self._until:
                yield attribute(waiting.popleft(), self._turns)
        for segment in waiting:
            yield attribute(segment, self._turns)

    def _seconds(self) -> float:
        return sum(len(chunk.samples) for chunk in self._window) / SAMPLE_RATE

    def _diarize(self, *, last: bool = False) -> None:
        samples = np.concatenate([chunk.samples for chunk in self._window])
        whole = last and self._until is None
        start, self._until = self._window[0].at, self._window[-1].span.end
        self._window = []
        self._turns += self._diarizer.turns(samples, start, self._book, whole=whole)


def _span(at: Instant, start: float, end: float) -> Span:
    start = min(start, end)
    return Span(at + round(start * MICROSECONDS), at + round(end * MICROSECONDS))


def _voices(found: Any) -> list[Voice]:
    """A window's speakers with their embeddings, which are in the order of its labels."""
    labels = found.speaker_diarization.labels()
    embeddings = [None] * len(labels)
    if found.speaker_embeddings is not None:
        embeddings = list(found.speaker_embeddings)
    return [Voice(name, embedding) for name, embedding in zip(labels, embeddings, strict=True)]


def import_pyannote() -> Any:
    """The package pyannote.audio, without its usage figures and its warning about torchcodec.

    Raises `ImportError`.
    """
    # Read when it is imported: it would report every pipeline and the length of every file.
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_TORCHCODEC)
        import pyannote.audio
    return pyannote.audio


def _open(folder: Path, device: Device) -> Any:
    pyannote = import_pyannote()
    import torch
    import yaml

    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    _check_self_contained(folder, config)
    if device.threads:
        torch.set_num_threads(device.threads)
    pipeline = pyannote.Pipeline.from_pretrained(folder)
    return pipeline.to(torch.device(_torch_device(torch, device.name)))


def _check_self_contained(folder: Path, config: Any) -> None:
    """Refuse a pipeline that would load weights from elsewhere: nobody checked their digest."""
    params = config.get("pipeline", {}).get("params", {}) if isinstance(config, dict) else {}
    for part in ("segmentation", "embedding", "plda"):
        named = params.get(part)
        if not (isinstance(named, str) and named.startswith(_OWN)):
            raise ModelError(
                f"the {part} of the pipeline {folder.name} does not lie in its folder",
                hint=f"copy it there and write `{part}: {_OWN}<subfolder>` into config.yaml",
            )


def _torch_device(torch: Any, name: str) -> str:
    if name != "auto":
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
