"""The detector `nudity`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from moderation.detector import Detector, Device, Frames
from moderation.errors import DetectorUnavailable, ModelError
from moderation.evidence import Evidence
from moderation.media.frames import FrameBatch
from moderation.models import Manifest
from moderation_nudity.boxes import best_boxes

if TYPE_CHECKING:
    from moderation_nudity.session import Session

__all__ = ["Nudity"]


class Nudity(Detector[FrameBatch]):
    """Exposed and covered body parts in sampled frames, by NudeNet's weights.

    Its faces are `Context/Face`, so that faces are seen even where no face detector is installed.
    """

    class Options(Detector.Options):
        """`[detectors.nudity]`"""

        model: str = Field(
            "nudenet-320n", description="name in a manifest, or path of an ONNX file"
        )
        size: int = Field(
            640,
            ge=64,
            le=4096,
            multiple_of=32,
            description="longer side in pixels for the network; 320 misses faces and parts that "
            "fill a third of the picture",
        )
        threshold: float = Field(
            0.20, ge=0, le=1, description="scores below are dropped; what the store keeps at least"
        )
        iou: float = Field(
            0.45, ge=0, le=1, description="overlap above which two boxes of a label are one part"
        )
        per_second: float = Field(1, gt=0, le=60, description="frames looked at per second")
        batch: int = Field(8, ge=1, le=256, description="frames looked at together on a GPU")

    name = "nudity"
    wants = Frames(batch=8)
    labels = {
        "FEMALE_GENITALIA_EXPOSED": "Nudity/Exposed/Female genitalia",
        "MALE_GENITALIA_EXPOSED": "Nudity/Exposed/Male genitalia",
        "ANUS_EXPOSED": "Nudity/Exposed/Anus",
        "BUTTOCKS_EXPOSED": "Nudity/Exposed/Buttocks",
        "FEMALE_BREAST_EXPOSED": "Nudity/Exposed/Female breast",
        "MALE_BREAST_EXPOSED": "Nudity/Partial/Male chest",
        "BELLY_EXPOSED": "Nudity/Partial/Belly",
        "ARMPITS_EXPOSED": "Nudity/Partial/Armpits",
        "FEET_EXPOSED": "Nudity/Partial/Feet",
        "FEMALE_GENITALIA_COVERED": "Nudity/Covered/Female genitalia",
        "ANUS_COVERED": "Nudity/Covered/Anus",
        "BUTTOCKS_COVERED": "Nudity/Covered/Buttocks",
        "FEMALE_BREAST_COVERED": "Nudity/Covered/Female breast",
        "BELLY_COVERED": "Nudity/Covered/Belly",
        "ARMPITS_COVERED": "Nudity/Covered/Armpits",
        "FEET_COVERED": "Nudity/Covered/Feet",
        "FACE_FEMALE": "Context/Face",
        "FACE_MALE": "Context/Face",
    }
    manifest = Manifest.of_package("moderation_nudity")

    _session: Session

    def plan(self) -> Frames:
        return Frames(per_second=self.options.per_second, batch=self.options.batch)

    def load(self, device: Device) -> None:
        """Raises `ModelMissing`, `ModelError` or `DetectorUnavailable`."""
        model = self.model(self.options.model)
        try:
            from moderation_nudity.session import Session
        except ImportError as error:
            raise DetectorUnavailable(
                f"nudity needs {error.name}, which is not installed",
                hint="install moderation-nudity with its dependencies",
            ) from None
        self._session = Session(model.path, device, self.options.batch)
        strange = set(self._session.names.values()) - set(self.labels)
        if strange:
            raise ModelError(
                f"{model.name} has classes that are not NudeNet's: {', '.join(sorted(strange))}",
                hint="give the option `model` a network of NudeNet's 18 classes",
            )
        self.device_in_use = self._session.device

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence]:
        names, options = self._session.names, self.options
        labels = [self.labels[names[kind]] for kind in sorted(names)]
        for batch in batches:
            boxed = batch.letterbox(options.size)
            for frame, raw in zip(batch, self._session(boxed.images), strict=True):
                rows = best_boxes(raw, labels, options.threshold, options.iou)
                for *corners, score, kind in rows.tolist():
                    box = boxed.box(*corners)
                    yield self.evidence(names[int(kind)], score, frame.span, box=box)
