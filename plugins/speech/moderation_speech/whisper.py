"""Speech to text in a hundred languages: Whisper by faster-whisper (CTranslate2)."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment as Decoded

from moderation.detector import Device
from moderation.errors import ConfigurationError, DetectorUnavailable, ModelCorrupt
from moderation.evidence import Word
from moderation.media.frames import SAMPLE_RATE
from moderation_speech.language import LanguageVote
from moderation_speech.options import Decoding
from moderation_speech.transcript import Segment, untranscribed
from moderation_speech.utterance import Utterance

__all__ = ["Whisper"]

log = logging.getLogger(__name__)

_TOKENIZER = "tokenizer.json"
"""Without it faster-whisper would fetch one from the hub."""

_LOOP = 3
"""A text that repeats itself is decoded again without repeating this many tokens in a row.
Whisper's own way out, random sampling, would hear another text in every run."""

_COMPUTE = {"cuda": "float16", "cpu": "int8"}
"""Half precision where it is fast; int8 halves the time of a CPU at about the same word error."""


class Whisper:
    """Any Whisper model in CTranslate2's form.

    folder    holds model.bin, config.json, tokenizer.json and the vocabulary
    language  ISO 639-1; empty to hear it from the sound

    Raises `ModelCorrupt` for a folder without a tokenizer, `ConfigurationError` for a language that
    the model does not know, `DetectorUnavailable` for a device that this machine has not.
    """

    def __init__(self, folder: Path, device: Device, language: str, decoding: Decoding) -> None:
        if not (folder / _TOKENIZER).is_file():
            raise ModelCorrupt(
                f"{folder} has no {_TOKENIZER}", hint="convert the model with its tokenizer"
            )
        self._model, self.device = _open(folder, device)
        known = self._model.supported_languages
        if language and language not in known:
            raise ConfigurationError(
                f"the model {folder.name} does not know the language {language!r}",
                hint=f"it knows {', '.join(known)}",
            )
        self._language, self._decoding = language, decoding

    def transcribe(self, utterances: Iterable[Utterance]) -> Iterator[Segment]:
        vote = LanguageVote()
        for utterance in utterances:
            language, probability = self._spoken(utterance, vote)
            for found in self._decode(utterance, language):
                if self._repeats(found):
                    span = utterance.within(found.start, found.end)
                    yield untranscribed(utterance, span, "Whisper only repeated itself")
                else:
                    yield _segment(utterance, found, language, probability)

    def _spoken(self, utterance: Utterance, vote: LanguageVote) -> tuple[str, float]:
        """The language and its probability."""
        if self._language:
            return self._language, 1.0
        if not self._model.model.is_multilingual:
            return "en", 1.0
        _, _, probabilities = self._model.detect_language(utterance.samples)
        return vote.decide(probabilities, len(utterance.samples) / SAMPLE_RATE)

    def _decode(self, utterance: Utterance, language: str) -> Sequence[Decoded]:
        found = self._attempt(utterance, language)
        if any(map(self._repeats, found)):
            found = self._attempt(utterance, language, no_repeat=_LOOP)
        return found

    def _repeats(self, segment: Decoded) -> bool:
        return bool(segment.compression_ratio > self._decoding.compression_ratio)

    def _attempt(self, utterance: Utterance, language: str, no_repeat: int = 0) -> list[Decoded]:
        segments, _ = self._model.transcribe(
            utterance.samples,
            language=language,
            beam_size=self._decoding.beam_size,
            temperature=0.0,
            no_repeat_ngram_size=no_repeat,
            compression_ratio_threshold=None,
            log_prob_threshold=self._decoding.log_probability,
            no_speech_threshold=self._decoding.no_speech,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        return [each for each in segments if each.text.strip()]


def _segment(utterance: Utterance, found: Decoded, language: str, probability: float) -> Segment:
    words = tuple(
        Word(word.word.strip(), utterance.within(word.start, word.end), _unit(word.probability))
        for word in found.words or ()
    )
    likely = [word.score for word in words] or [math.exp(found.avg_logprob)]
    return Segment(
        span=utterance.within(found.start, found.end),
        score=_unit(float(np.mean(likely))),
        text=found.text.strip(),
        words=words,
        language=language,
        language_score=_unit(probability),
    )


def _unit(value: float) -> float:
    return min(1.0, max(0.0, float(value)))


def _open(folder: Path, device: Device) -> tuple[WhisperModel, str]:
    """The model and where it computes; `auto` is a GPU if one really computes, else the CPU."""
    _preload_cublas()
    has_gpu = ctranslate2.get_cuda_device_count() > 0
    if device.name == "auto" and has_gpu:
        try:
            return _opened(folder, "cuda:0", device.threads)
        except RuntimeError as error:
            log.warning("Whisper runs on the CPU, the GPU did not answer: %s", error)
    if not device.name.startswith("cuda"):
        return _opened(folder, "cpu", device.threads)
    if not has_gpu:
        raise DetectorUnavailable("there is no CUDA device", hint="set device to auto or cpu")
    try:
        return _opened(folder, device.name, device.threads)
    except RuntimeError as error:
        raise DetectorUnavailable(
            f"Whisper cannot compute on {device.name} ({error})",
            hint="install nvidia-cublas-cu12, or set device to auto or cpu",
        ) from None


def _opened(folder: Path, name: str, threads: int) -> tuple[WhisperModel, str]:
    kind, _, index = name.partition(":")
    model = WhisperModel(
        str(folder),
        device=kind,
        device_index=int(index or 0),
        compute_type=_compute_type(kind),
        cpu_threads=threads,
        local_files_only=True,
    )
    # CTranslate2 looks for its GPU libraries at the first computation, not when it loads.
    model.encode(np.zeros((model.model.n_mels, 3000), np.float32))
    return model, kind if kind == "cpu" else f"{kind}:{index or 0}"


def _compute_type(kind: str) -> str:
    wanted = _COMPUTE[kind]
    return wanted if wanted in ctranslate2.get_supported_compute_types(kind) else "default"


def _preload_cublas() -> None:
    """CTranslate2 is built for CUDA 12 and asks for its cuBLAS by name: offer the wheel's."""
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations or () if spec else ():
        for name in ("libcublasLt.so.12", "libcublas.so.12"):
            library = Path(place) / "cublas" / "lib" / name
            if library.is_file():
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
