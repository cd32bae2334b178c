"""The baseline: the libraries one after another, called as their own documentation shows.

Nothing of ours is imported here. What a user would not think of is done in the glue's favour:

- it may use every core: ultralytics leaves one of them idle for torch and turns off OpenCV's
  threads for the whole process, and both are given back;
- frames between two samples are skipped with `grab`, as ultralytics itself does, and are not
  converted;
- NudeNet's network sees the colours that it was trained on: its package swaps red and blue of
  what OpenCV reads, so it is given RGB, with which it finds more;
- PocketSphinx hears all the sound as one utterance and in one call, which is its fastest way.

Its thresholds are the defaults of each library. What is timed is `Glue.run`. ultralytics takes the
last frame of each stride, all others the first; on the frame beside it the same network gives up
7 % of what it reports on the busy clip. So the objects that are compared with ours are of
`Glue.objects_in_samples`, which nobody times.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import av
import cv2
import numpy as np
from cost import Cost, measured
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ultralytics.models import YOLO

__all__ = ["STEPS", "Glue", "Seen", "Step", "Weights"]

Pixels: TypeAlias = NDArray[np.uint8]

FPS: Final = 25
"""Frames per second of all clips, and from one sample to the next: one sample a second."""

STEPS: Final = ("objects", "nudity", "faces", "screen_text", "speech")
"""What the glue does one after another, by the names of our detectors."""

_BLANK: Final = np.zeros((720, 1280, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Weights:
    """Files that are not in the libraries' wheels; `whisper` is None where there is none."""

    yolo: Path
    yunet: Path
    whisper: Path | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a library answered: its own word for it, when, and what it read or heard.

    height  of a line of text, as a fraction of the frame's
    """

    kind: str
    start_s: float
    end_s: float
    score: float
    text: str = ""
    height: float = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One library over one video."""

    name: str
    cost: Cost
    seen: tuple[Seen, ...]


class Glue:
    """All libraries with their models loaded."""

    def __init__(self, weights: Weights) -> None:
        self._home = tempfile.TemporaryDirectory()
        self._yolo = _yolo(weights.yolo, self._home.name)
        self._steps: dict[str, Callable[[Path], Iterator[Seen]]] = {
            "objects": self._predict,
            "nudity": _nudenet(),
            "faces": _yunet(weights.yunet),
            "screen_text": _rapidocr(),
            "speech": _whisper(weights.whisper) if weights.whisper else _sphinx(),
        }
        cv2.setNumThreads(_cores())

    def run(self, name: str, video: Path) -> Step:
        """One library, one of `STEPS`, over the whole video."""
        with measured() as cost:
            seen = tuple(self._steps[name](video))
        return Step(name, cost, seen)

    def objects_in_samples(self, video: Path) -> tuple[Seen, ...]:
        """The objects in the frames that the other steps look at."""
        return tuple(
            each
            for at, frame in _sampled(video)
            for each in _objects(
                next(iter(self._yolo.predict(frame, imgsz=640, verbose=False))), at
            )
        )

    def _predict(self, video: Path) -> Iterator[Seen]:
        results = self._yolo.predict(video, vid_stride=FPS, imgsz=640, stream=True, verbose=False)
        for number, result in enumerate(results, start=1):
            yield from _objects(result, number - 1 / FPS)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _sampled(video: Path) -> Iterator[tuple[float, Pixels]]:
    """Seconds and BGR pixels of every `FPS`-th frame."""
    capture = cv2.VideoCapture(str(video))
    number = 0
    while capture.grab():
        if number % FPS == 0:
            _, frame = capture.retrieve()
            yield number / FPS, frame.astype(np.uint8, copy=False)
        number += 1
    capture.release()


def _yolo(weights: Path, home: str) -> YOLO:
    os.environ.update(YOLO_CONFIG_DIR=home, YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false")
    os.environ.update(YOLO_VERBOSE="false")  # our table goes to the same stdout
    import torch
    from ultralytics.models import YOLO

    model = YOLO(weights)
    model.predict(_BLANK, imgsz=640, verbose=False)  # which sets torch's threads
    torch.set_num_threads(_cores())
    return model


def _objects(result: Any, at: float) -> Iterator[Seen]:
    for kind, score in zip(result.boxes.cls, result.boxes.conf, strict=True):
        yield Seen(result.names[int(kind)], at, at, float(score))


def _nudenet() -> Callable[[Path], Iterator[Seen]]:
    from nudenet import NudeDetector  # type: ignore[import-untyped]

    detector = NudeDetector(inference_resolution=640)

    def run(video: Path) -> Iterator[Seen]:
        for at, frame in _sampled(video):
            for found in detector.detect(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)):
                yield Seen(found["class"], at, at, found["score"])

    return run


def _yunet(weights: Path) -> Callable[[Path], Iterator[Seen]]:
    detector = cv2.FaceDetectorYN.create(str(weights), "", (1280, 720))

    def run(video: Path) -> Iterator[Seen]:
        for at, frame in _sampled(video):
            detector.setInputSize((frame.shape[1], frame.shape[0]))
            _, rows = detector.detect(frame)
            for row in () if rows is None else rows:
                yield Seen("face", at, at, float(row[14]))

    return run


def _rapidocr() -> Callable[[Path], Iterator[Seen]]:
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "critical"})

    def run(video: Path) -> Iterator[Seen]:
        for at, frame in _sampled(video):
            found: Any = engine(frame)
            if found.txts:
                for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
                    height = float(np.linalg.norm(box[3] - box[0])) / frame.shape[0]
                    yield Seen("line", at, at, float(score), text, height)

    return run


def _whisper(weights: Path) -> Callable[[Path], Iterator[Seen]]:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(weights), device="cpu", compute_type="int8")

    def run(video: Path) -> Iterator[Seen]:
        segments, _ = model.transcribe(str(video))
        for each in segments:
            yield Seen("speech", each.start, each.end, 1.0, each.text)

    return run


def _sphinx() -> Callable[[Path], Iterator[Seen]]:
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL")

    def run(video: Path) -> Iterator[Seen]:
        decoder.start_utt()
        decoder.process_raw(_sound(video), full_utt=True)
        decoder.end_utt()
        for word in decoder.seg() or ():
            if not word.word.startswith(("<", "[", "+")):
                yield Seen(
                    "speech", word.start_frame / 100, word.end_frame / 100, word.prob, word.word
                )

    return run


def _sound(video: Path) -> bytes:
    """16 kHz mono, 16 bit."""
    resampler = av.AudioResampler("s16", "mono", 16_000)
    with av.open(str(video)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part for each in frames for part in resampler.resample(each)]
    return b"".join(part.to_ndarray().tobytes() for part in parts)
