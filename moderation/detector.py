"""What a plugin author subclasses: `Detector`, with its `Options` and what it `wants`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from moderation.errors import ConfigurationError
from moderation.evidence import Box, Evidence, Producer, Word
from moderation.media.frames import AudioChunk, FrameBatch
from moderation.models import Manifest, Model, ModelStore
from moderation.timeline import Instant, Span

__all__ = [
    "Audio",
    "Batch",
    "Degraded",
    "Detector",
    "Device",
    "Frames",
    "Text",
    "TextBatch",
    "Wants",
]

TextBatch: TypeAlias = Sequence[Evidence]
"""Evidence with a text, in time order: what a second-stage detector reads."""

Batch = TypeVar("Batch", FrameBatch, AudioChunk, TextBatch)


@dataclass(frozen=True, slots=True)
class Frames:
    """Sampled frames: at least `per_second` of them, in batches of up to `batch`.

    The first and the last frame of the video are always among them, and no two examined
    instants lie further apart than 1 / `per_second` where the video has frames between.

    unchanged     what becomes of a frame that looks like the last one that was looked at:
                  "inherit"  it is not handed over, and what was seen in that one holds for it too;
                             for detectors whose evidence is of single frames
                  "tell"     it is handed over with `Frame.repeats` set, at no cost; for detectors
                             that follow something through time
    longest_side  pixels that are enough; 0: as many as the settings allow
    """

    per_second: float = 1.0
    batch: int = 16
    unchanged: Literal["inherit", "tell"] = "inherit"
    longest_side: int = 0

    def __post_init__(self) -> None:
        if not (self.per_second > 0 and self.batch > 0):
            raise ValueError(f"frames are wanted more often than never, not {self}")


@dataclass(frozen=True, slots=True)
class Audio:
    """The whole sound, in chunks of `seconds`; the last one is shorter."""

    seconds: float = 30.0

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"a chunk of sound is longer than nothing, not {self}")


@dataclass(frozen=True, slots=True)
class Text:
    """All text that other detectors found under `labels`, when the video has been seen whole."""

    labels: tuple[str, ...] = ("Context/Speech", "Context/Screen text")


Wants: TypeAlias = Frames | Audio | Text


@dataclass(frozen=True, slots=True)
class Device:
    """Where a detector computes: `auto`, `cpu`, `mps`, `cuda` or `cuda:1`.

    threads  how many CPU threads an engine may start; 0 leaves the choice to the engine
    """

    name: str = "auto"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Degraded:
    """Yielded by `detect` among its evidence: it looks on, with less than its best means."""

    reason: str


class Detector(ABC, Generic[Batch]):
    """Looks at one video after another and says what it saw.

    Declare `name`, `wants` and `labels`; write `load` if there are weights, and `detect`.
    One instance serves a whole process, so nothing about a video may be kept on `self`:
    the locals of `detect` are that video's state.
    """

    class Options(BaseModel):
        """The detector's settings, `[detectors.<name>]` in moderation.toml."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    # Required

    name: ClassVar[str]
    """Short and unique among the installed detectors; lower case."""
    wants: Wants
    labels: Mapping[str, str]
    """The model's own class -> a path of the taxonomy. What is not listed is not reported."""

    @abstractmethod
    def detect(self, batches: Iterable[Batch]) -> Iterator[Evidence | Degraded]:
        """Called once per video: read `batches` to their end, yield what is seen on the way.

        Where `wants.unchanged` is "inherit", all that is seen in a batch is yielded before the next
        is asked for: when memory was full it is called anew, with what is left in smaller batches.
        """

    # Optional

    manifest: ClassVar[Manifest] = Manifest()
    """The weights it can load, and where they come from."""

    def load(self, device: Device) -> None:
        """Called once per process, before the first `detect`: bring the weights into memory.

        Raise `ModelMissing` for weights that are not there (`self.model` does) and
        `DetectorUnavailable` for a library that is not installed.
        """

    def fingerprint(self) -> str:
        """What else changes its answers, such as the digest of a file that an option names.

        Called before `load`. A stored scan is reused only while this stays the same.
        """
        return ""

    # For use by subclasses

    def __init__(
        self, options: Mapping[str, Any] | None = None, models: ModelStore | None = None
    ) -> None:
        self.options = self._validated(options or {})
        self.models = models or ModelStore()
        self.producer = Producer(self.name, self.version())
        self.device_in_use = ""
        """Where it computes, once loaded: `cpu`, `cuda:0`; empty when it does not say."""
        self.wants = self.plan()

    def plan(self) -> Wants:
        """What this instance wants, once its options are known; the class's `wants` by default."""
        return type(self).wants

    def model(self, name: str) -> Model:
        """Find weights by manifest name or path, check their digest, and sign evidence with them.

        Raises `ModelMissing` or `ModelCorrupt`.
        """
        model = self.models.resolve(name, self.manifest)
        self.producer = Producer(self.name, self.version(), model.name, model.digest)
        return model

    def evidence(
        self,
        kind: str,
        score: float,
        span: Span,
        *,
        best: Instant | None = None,
        box: Box | None = None,
        text: str | None = None,
        words: tuple[Word, ...] = (),
        subject: str | None = None,
        **detail: Any,
    ) -> Evidence:
        """Evidence of the model's class `kind`, a key of `labels`, signed by this detector."""
        return Evidence(
            label=self.labels[kind],
            score=score,
            span=span,
            best=best or span.start,
            box=box,
            text=text,
            words=words,
            subject=subject,
            detail=detail,
            producer=self.producer,
        )

    @classmethod
    def version(cls) -> str:
        """The version of the distribution that the detector comes with."""
        try:
            return metadata.version(cls.__module__.partition(".")[0].replace("_", "-"))
        except metadata.PackageNotFoundError:
            return ""

    @classmethod
    def _validated(cls, options: Mapping[str, Any]) -> Any:
        try:
            return cls.Options.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "options"
            raise ConfigurationError(
                f"[detectors.{cls.name}] {where}: {first['msg']}",
                hint=f"the options are {', '.join(cls.Options.model_fields) or 'none'}",
            ) from None
