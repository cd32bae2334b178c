"""The detector `faces`: one piece of evidence per person in sight, one per person recognised."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from moderation import Degraded, Detector, Device, Evidence, Frame, FrameBatch, Frames
from moderation.errors import ConfigurationError, DetectorUnavailable, ModelMissing
from moderation.models import Manifest
from moderation.timeline import MICROSECONDS
from moderation_faces.face import Face
from moderation_faces.tracks import Recognition, Sight, Track, Tracker

if TYPE_CHECKING:
    from moderation_faces.finder import FaceFinder
    from moderation_faces.lookout import Lookout
    from moderation_faces.recogniser import Recogniser

__all__ = ["Faces"]

MAX_FACES = 100
"""Faces looked at in one frame, largest first: what Amazon Rekognition does, and a bound on the
time that a crowd may cost."""

_CROWDED = f"of more than {MAX_FACES} faces only the largest were followed"

_DECIMALS = 4
"""Of similarities."""


class Faces(Detector[FrameBatch]):
    """Faces in sampled frames, by YuNet, and people on a watch list, by SFace.

    Nobody's face is embedded unless a watch list is configured.
    """

    name = "faces"
    wants = Frames(unchanged="tell")
    labels = {"face": "Context/Face", "person": "Identity/Watch list"}
    manifest = Manifest.of_package("moderation_faces")

    class Options(Detector.Options):
        per_second: float = Field(1.0, gt=0, description="frames looked at per second")
        batch: int = Field(16, gt=0, description="frames handed over at once")
        model: str = Field("yunet", description="name or path of YuNet's weights")
        size: int = Field(
            960,
            ge=320,
            description="pixels of the longer side at which small faces are looked for; at 960, "
            "a face of 20 pixels in 1920x1080 is the smallest that YuNet is trained on",
        )
        threshold: float = Field(0.7, ge=0, le=1, description="faces scored below are dropped")
        min_size: float = Field(
            0.02,
            ge=0,
            le=1,
            description="smaller faces are dropped: shorter side, as a fraction of the frame's",
        )
        max_gap: float = Field(
            3.0, ge=0, description="seconds out of sight after which a face counts as a new one"
        )
        watch_list: Annotated[Path, AfterValidator(Path.expanduser)] | None = Field(
            None, description="file made by `moderation faces enroll`; unset: nobody is recognised"
        )
        recogniser: str = Field(
            "sface", description="name or path of the recogniser's weights: sface, mobilefacenet"
        )
        match_threshold: float = Field(
            0.2,
            ge=0,
            le=1,
            description="matches scored below are dropped; 0.5 is the recogniser's own threshold, "
            "and weaker ones are kept so that a later policy can be judged on them",
        )

    options: Options

    def plan(self) -> Frames:
        return Frames(self.options.per_second, self.options.batch, unchanged="tell")

    def fingerprint(self) -> str:
        """The digests of all files that the options name."""
        weights = (Path(self.options.model), Path(self.options.recogniser))
        named = (self.options.watch_list, *(path.expanduser() for path in weights))
        return " ".join(_digest(path) for path in named if path and path.is_file())

    def load(self, device: Device) -> None:
        """YuNet, and the recogniser if a watch list is configured.

        Raises `ModelMissing`, `ModelCorrupt` and, for a watch list that is not there or does not
        fit, `DetectorUnavailable`.
        """
        import cv2

        if device.threads:
            cv2.setNumThreads(device.threads)
        self._lookout = self._watching(self.options.watch_list) if self.options.watch_list else None
        self._finder = self.finder()

    def finder(self) -> FaceFinder:
        """YuNet as the options have it; signs this detector's evidence."""
        from moderation_faces.finder import FaceFinder

        try:
            model = self.model(self.options.model)
        except ModelMissing as error:
            raise ModelMissing(
                error.message,
                hint=f"{error.hint}; until then only the detector nudity reports faces",
            ) from None
        return FaceFinder(
            model.path,
            size=self.options.size,
            threshold=self.options.threshold,
            min_size=self.options.min_size,
        )

    def recogniser(self) -> Recogniser:
        """The recogniser as the options have it."""
        from moderation_faces.recogniser import Recogniser

        return Recogniser(self.model(self.options.recogniser))

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        trackers: dict[int, Tracker] = {}
        numbers = itertools.count(1)
        crowded, sights = False, list[Sight]()
        for batch in batches:
            for frame, faces in self._found(batch):
                if frame.stream not in trackers:
                    trackers[frame.stream] = self._tracker(numbers)
                if faces is None:
                    sights = [replace(each, at=frame.at) for each in sights]
                else:
                    sights = [self._sight(frame, face) for face in _largest(faces)]
                    if len(faces) > MAX_FACES and not crowded:
                        crowded = True
                        yield Degraded(_CROWDED)
                for track in trackers[frame.stream].follow(frame.at, sights):
                    yield from self._report(track)
        for tracker in trackers.values():
            for track in tracker.close():
                yield from self._report(track)

    def _found(self, batch: FrameBatch) -> Iterator[tuple[Frame, list[Face] | None]]:
        """The faces of each frame; `None` for one that repeats the one before."""
        fresh = [frame for frame in batch if not frame.repeats]
        found = iter(self._finder.find(FrameBatch(fresh)) if fresh else ())
        for frame in batch:
            yield frame, None if frame.repeats else next(found)

    def _watching(self, path: Path) -> Lookout:
        from moderation_faces.lookout import Lookout

        try:
            recogniser = self.recogniser()
            return Lookout(recogniser, path, self.options.match_threshold, self.producer)
        except ConfigurationError as error:
            raise DetectorUnavailable(error.message, hint=error.hint) from None

    def _tracker(self, numbers: Iterator[int]) -> Tracker:
        likeness = self._lookout.recogniser.score if self._lookout else float
        return Tracker(round(self.options.max_gap * MICROSECONDS), numbers, likeness)

    def _sight(self, frame: Frame, face: Face) -> Sight:
        embedding = self._lookout.embed(frame, face) if self._lookout else None
        if self._lookout is None or embedding is None:
            return Sight(face, frame.at)
        return Sight(face, frame.at, embedding, self._lookout.match(embedding))

    def _report(self, track: Track) -> Iterator[Evidence]:
        best = track.best
        yield self.evidence(
            "face",
            best.face.score,
            track.span,
            best=best.at,
            box=best.face.box,
            subject=track.name,
            samples=track.frames,
            landmarks=best.face.points,
            path=track.trail.path,
        )
        if self._lookout:
            for each in track.recognitions.values():
                yield self._recognised(each, track).by(self._lookout.producer)

    def _recognised(self, recognition: Recognition, track: Track) -> Evidence:
        match, best = recognition.match, recognition.best
        return self.evidence(
            "person",
            match.score,
            recognition.span,
            best=best.at,
            box=best.face.box,
            subject=match.face.person,
            samples=recognition.frames,
            landmarks=best.face.points,
            similarity=round(match.similarity, _DECIMALS),
            similarity_mean=round(recognition.total / recognition.frames, _DECIMALS),
            picture=match.face.picture,
            track=track.name,
            path=track.trail.path,
        )


def _largest(faces: list[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: face.box.area, reverse=True)[:MAX_FACES]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
