"""The detector `objects`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from moderation.detector import Degraded, Detector, Device, Frames
from moderation.errors import ConfigurationError, DetectorUnavailable
from moderation.evidence import Evidence
from moderation.media.frames import Frame, FrameBatch, Letterboxed
from moderation.models import Manifest
from moderation.taxonomy import Taxonomy

if TYPE_CHECKING:
    from moderation_objects.network import Network, Rows

__all__ = ["Objects"]

ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe")


class Objects(Detector[FrameBatch]):
    """Weapons, vehicles and other listed objects in sampled frames, by YOLO.

    A thing seen in one frame is weak evidence: chair legs and doorknobs make fine knives and
    scissors for a small network. What counts is for the policy to say.
    """

    class Options(Detector.Options):
        """`[detectors.objects]`"""

        model: str = Field(
            "yolo11n",
            description="name in a manifest, or path of a .pt, .onnx or .engine file",
        )
        labels: Mapping[str, str] = Field(
            default_factory=dict,
            description="own model's class -> label, beside the ones of COCO",
        )
        threshold: float = Field(
            0.20, ge=0, le=1, description="scores below are dropped; what the store keeps at least"
        )
        iou: float = Field(
            0.7, ge=0, le=1, description="overlap above which two boxes of a class are one object"
        )
        size: int = Field(
            640, ge=64, le=4096, multiple_of=32, description="longer side in pixels for the network"
        )
        per_second: float = Field(1, gt=0, le=60, description="frames looked at per second")
        batch: int = Field(16, ge=1, le=256, description="frames looked at together")
        half: bool | Literal["auto"] = Field(
            "auto", description="half precision; auto: on CUDA, where it loses nothing"
        )

        @field_validator("labels")
        @classmethod
        def _known(cls, labels: Mapping[str, str]) -> Mapping[str, str]:
            """Raises `TaxonomyError` with the nearest spelling."""
            return {kind: Taxonomy.default().get(path).path for kind, path in labels.items()}

    name = "objects"
    wants = Frames()
    labels = {
        "knife": "Violence/Weapons/Knife",
        "scissors": "Violence/Weapons/Sharp object",
        "baseball bat": "Violence/Weapons/Blunt object",
        "wine glass": "Context/Alcohol/Wine glass",
        "bottle": "Context/Alcohol/Bottle",
        "person": "Context/Person",
        "bicycle": "Context/Vehicle/Bicycle",
        "car": "Context/Vehicle/Car",
        "motorcycle": "Context/Vehicle/Motorcycle",
        "airplane": "Context/Vehicle/Airplane",
        "bus": "Context/Vehicle/Bus",
        "train": "Context/Vehicle/Train",
        "truck": "Context/Vehicle/Truck",
        "boat": "Context/Vehicle/Boat",
        **dict.fromkeys(ANIMALS, "Context/Animal"),
    }
    manifest = Manifest.of_package("moderation_objects")

    _network: Network
    _kinds: Mapping[int, str]
    """Class index -> class name, of the classes that are reported."""

    def plan(self) -> Frames:
        return Frames(per_second=self.options.per_second, batch=self.options.batch)

    def load(self, device: Device) -> None:
        """Raises `ModelMissing`, and what `open_network` raises."""
        model = self.model(self.options.model)
        try:
            from moderation_objects.formats import open_network
        except ImportError as error:
            raise DetectorUnavailable(
                f"objects needs {error.name}, which is not installed",
                hint="install moderation-objects with its dependencies",
            ) from None
        half = None if self.options.half == "auto" else self.options.half
        self._network = open_network(model, device, half)
        self._kinds = self._reported(model.name, self._network.names)
        self.device_in_use = self._network.device

    def detect(self, batches: Iterable[FrameBatch]) -> Iterator[Evidence | Degraded]:
        from moderation_objects.network import Limits

        limits = Limits(self.options.threshold, self.options.iou, tuple(self._kinds))
        fixed = self._network.size
        for batch in batches:
            boxed = batch.letterbox(fixed or self.options.size, square=fixed is not None)
            for rows, frame in zip(self._network(boxed.images, limits), batch, strict=True):
                yield from self._sights(rows, frame, boxed)

    def _sights(self, rows: Rows, frame: Frame, boxed: Letterboxed) -> Iterator[Evidence]:
        for *corners, score, kind in rows.tolist():
            box = boxed.box(*corners)
            yield self.evidence(self._kinds[int(kind)], score, frame.span, box=box)

    def _reported(self, model: str, names: Mapping[int, str]) -> Mapping[int, str]:
        """The classes of the model that have a label.

        Raises `ConfigurationError` for an option that names no class, and for a model of which
        nothing would be reported: its silence would pass for "nothing seen".
        """
        self.labels = {
            **type(self).labels,
            **self.options.labels,
        }
        listing = ", ".join(names.values())
        unknown = set(self.options.labels) - set(names.values())
        if unknown:
            raise ConfigurationError(
                f"[detectors.objects] labels: {model} has no class {', '.join(sorted(unknown))}",
                hint=f"its classes are {listing}",
            )
        kinds = {index: name for index, name in names.items() if name in self.labels}
        if not kinds:
            raise ConfigurationError(
                f"[detectors.objects] no class of {model} has a label",
                hint=f"give the option `labels` for some of {listing}",
            )
        return kinds
