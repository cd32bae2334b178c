"""The detector `speech`: speech activity, then a recogniser, then speakers."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from moderation.detector import Audio, Degraded, Detector, Device
from moderation.errors import DetectorUnavailable, ModelError, ModelMissing
from moderation.evidence import Evidence
from moderation.media.frames import AudioChunk
from moderation.models import Manifest
from moderation.timeline import MICROSECONDS
from moderation_speech.options import Activity, Decoding, Diarization
from moderation_speech.pipelines import find_pipeline
from moderation_speech.speakers import main_speaker
from moderation_speech.transcript import Recogniser, Segment, Untranscribed
from moderation_speech.utterance import Utterance, utterances
from moderation_speech.vad import SileroVad

if TYPE_CHECKING:
    from moderation_speech.diarization import Diarizer

__all__ = ["Speech"]

_SHOWN = 3
"""Spans of untranscribed speech that coverage names; evidence has all of them."""


class Speech(Detector[AudioChunk]):
    """What is said, when, and by whom.

    Speech that could not be transcribed is evidence too, without a text: it was heard.
    """

    name = "speech"
    wants = Audio(seconds=30)
    labels = {"speech": "Context/Speech"}
    manifest = Manifest.of_package("moderation_speech")

    class Options(Detector.Options):
        model: str = Field(
            "whisper-small",
            description="a Whisper model in CTranslate2's form: a manifest's name or a folder",
        )
        language: str = Field(
            "",
            pattern=r"^([a-z]{2,3})?$",
            description="ISO 639-1 code; empty: Whisper hears it, PocketSphinx takes English",
        )
        min_confidence: float = Field(
            0.35,
            ge=0,
            le=1,
            description="mean posterior of words below which PocketSphinx's text is not given; "
            "clean English lies above 0.38, German and Chinese below 0.35",
        )
        processes: int = Field(
            2,
            ge=1,
            le=16,
            description="of PocketSphinx that listen side by side, 140 MiB each",
        )
        activity: Activity = Activity()
        decoding: Decoding = Decoding()
        diarization: Diarization = Diarization()

    options: Options

    def fingerprint(self) -> str:
        """The digests of the folders that options name."""
        named = (self.options.model, self.options.diarization.pipeline)
        folders = [name for name in named if os.sep in name and Path(name).expanduser().is_dir()]
        return " ".join(self.models.resolve(name, self.manifest).digest for name in folders)

    def load(self, device: Device) -> None:
        """Raises `DetectorUnavailable` where there is no recogniser at all."""
        self._shortfalls: list[str] = []
        self._vad = SileroVad(self.models.resolve("silero-vad-v6", self.manifest).path)
        self._recogniser = self._load_recogniser(device)
        self._diarizer = self._load_diarizer(device)
        self.device_in_use = self._recogniser.device

    def detect(self, batches: Iterable[AudioChunk]) -> Iterator[Evidence | Degraded]:
        missed: list[Segment] = []
        for index, segment in enumerate(self._segments(batches)):
            if index == 0:
                yield from map(Degraded, self._shortfalls)
            if segment.text is None:
                missed.append(segment)
            yield self._seen(segment)
        yield from map(Degraded, _reports(missed))

    def _segments(self, chunks: Iterable[AudioChunk]) -> Iterator[Segment]:
        if self._diarizer is None:
            return self._recogniser.transcribe(self._utterances(chunks))
        track = self._diarizer.track()
        heard = self._utterances(track.listen(chunks))
        return track.attribute(self._recogniser.transcribe(heard))

    def _utterances(self, chunks: Iterable[AudioChunk]) -> Iterator[Utterance]:
        return utterances(chunks, self._vad, self.options.activity)

    def _seen(self, segment: Segment) -> Evidence:
        detail: dict[str, Any] = {}
        if segment.language:
            detail["language"] = segment.language
        if segment.language_score:
            detail["language_score"] = round(segment.language_score, 3)
        if segment.text is None:
            detail["untranscribed"] = segment.untranscribed
        return self.evidence(
            "speech",
            segment.score,
            segment.span,
            text=segment.text,
            words=segment.words,
            subject=main_speaker(segment.words),
            **detail,
        )

    def _load_recogniser(self, device: Device) -> Recogniser:
        try:
            model = self.model(self.options.model)
        except ModelMissing as error:
            return self._load_fallback(error)
        from moderation_speech.whisper import Whisper

        return Whisper(model.path, device, self.options.language, self.options.decoding)

    def _load_fallback(self, missing: ModelMissing) -> Recogniser:
        """English by PocketSphinx; raises `DetectorUnavailable` where that is missing too."""
        try:
            model = self.model("pocketsphinx-en-us")
        except ModelMissing:
            raise DetectorUnavailable(missing.message, hint=missing.hint) from None
        if self.options.language not in ("", "en"):
            self._shortfalls.append(f"no speech was transcribed: {missing}")
            return Untranscribed(f"PocketSphinx knows no {self.options.language!r}")
        self._shortfalls.append(
            "speech was transcribed by PocketSphinx, roughly, and only English is: " + str(missing)
        )
        from moderation_speech.sphinx import PocketSphinx

        return PocketSphinx(model.path, self.options.min_confidence, self.options.processes)

    def _load_diarizer(self, device: Device) -> Diarizer | None:
        options = self.options.diarization
        if not options.pipeline:
            return None
        try:
            model = find_pipeline(options.pipeline, options.token, self.models, self.manifest)
            from moderation_speech.diarization import Diarizer

            return Diarizer(model.path, device, options)
        except ModelError as error:
            reason = str(error)
        except ImportError as error:
            reason = f"{error.name} is not installed: install moderation-speech[diarization]"
        self._shortfalls.append(f"speakers were not told apart: {reason}")
        return None


def _reports(missed: Sequence[Segment]) -> Iterator[str]:
    """For each reason, how much speech there is no text of, and where."""
    by_reason: defaultdict[str, list[Segment]] = defaultdict(list)
    for segment in missed:
        by_reason[segment.untranscribed].append(segment)
    for reason, segments in by_reason.items():
        seconds = sum(segment.span.duration_us for segment in segments) / MICROSECONDS
        where = ", ".join(str(segment.span) for segment in segments[:_SHOWN])
        more = f" and {len(segments) - _SHOWN} more" if len(segments) > _SHOWN else ""
        yield f"{seconds:.1f} s of speech have no text ({reason}): {where}{more}"
