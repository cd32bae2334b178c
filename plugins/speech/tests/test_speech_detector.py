"""The detector `speech`: what it says of a video, and where it says that it falls short."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from moderation_speech.detector import Speech
from numpy.typing import NDArray

from moderation.detector import Device
from moderation.errors import ConfigurationError, DetectorUnavailable, ModelCorrupt
from moderation.media.frames import SAMPLE_RATE, AudioChunk
from moderation.models import Manifest, ModelStore
from moderation.testing.contract import DetectorContract
from moderation.testing.feed import audio_chunks, look

Sound = NDArray[np.float32]

ENGINES = {"ctranslate2", "faster_whisper", "onnxruntime", "pocketsphinx", "pyannote", "torch"}

CPU = Device("cpu", threads=1)


def short(dialogue: Sound) -> Sound:
    """A second of speech, with silence before and after."""
    speech = dialogue[8 * SAMPLE_RATE : 9 * SAMPLE_RATE]
    return np.pad(speech, SAMPLE_RATE // 3)


def loaded(models: ModelStore | None = None, **options: object) -> Speech:
    detector = Speech(options, models)
    detector.load(CPU)
    return detector


class Contract(DetectorContract):
    expected = frozenset({"Context/Speech"})

    @pytest.fixture(autouse=True)
    def _speech(self, dialogue: Sound) -> None:
        self.sound = short(dialogue)

    def golden(self) -> Sequence[AudioChunk]:
        return list(audio_chunks(self.sound, seconds=0.9))

    def blank(self) -> Sequence[AudioChunk]:
        return list(audio_chunks(np.zeros(SAMPLE_RATE, np.float32)))


class TestPocketSphinx(Contract):
    def make(self, models: ModelStore) -> Speech:
        return Speech({"min_confidence": 0}, models)


class TestWhisper(Contract):
    @pytest.fixture(autouse=True)
    def _folder(self, whisper: Callable[..., Path]) -> None:
        self.folder = whisper("hallo neue welt")

    def make(self, models: ModelStore) -> Speech:
        return Speech({"model": str(self.folder)}, models)


class TestWithSpeakers(Contract):
    @pytest.fixture
    def models(self, pipeline: ModelStore) -> ModelStore:
        return pipeline

    @pytest.fixture(autouse=True)
    def _folder(self, whisper: Callable[..., Path]) -> None:
        self.folder = whisper("hallo neue welt")

    def make(self, models: ModelStore) -> Speech:
        named = {"model": str(self.folder), "diarization": {"pipeline": "tiny-diarization"}}
        return Speech(named, models)


def test_registering_imports_no_engine() -> None:
    code = (
        "import sys, moderation_speech as plugin\n"
        "plugin.register_detectors(lambda detector: detector({}))\n"
        f"print(sorted({ENGINES} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_speech_is_text_with_words_language_and_model(
    whisper: Callable[..., Path], dialogue: Sound
) -> None:
    folder = whisper("hallo neue welt")
    detector = loaded(model=str(folder))
    (seen,), shortfalls = look(detector, audio_chunks(short(dialogue)))
    assert (seen.label, seen.text) == ("Context/Speech", "hallo neue welt")
    assert [word.text for word in seen.words] == ["hallo", "neue", "welt"]
    assert seen.detail["language"] == "de"
    assert (seen.producer.model, detector.device_in_use) == ("tiny-whisper", "cpu")
    assert shortfalls == []


def test_a_speaker_stands_on_every_word_and_is_the_subject(
    whisper: Callable[..., Path], pipeline: ModelStore, dialogue: Sound
) -> None:
    named = {"model": str(whisper("hallo")), "diarization": {"pipeline": "tiny-diarization"}}
    (seen,), shortfalls = look(loaded(pipeline, **named), audio_chunks(short(dialogue)))
    assert [word.speaker for word in seen.words] == ["SPEAKER_00"]
    assert (seen.subject, shortfalls) == ("SPEAKER_00", [])


def test_without_whisper_english_is_transcribed_and_the_shortfall_said(dialogue: Sound) -> None:
    seen, (shortfall,) = look(loaded(min_confidence=0), audio_chunks(short(dialogue)))
    assert seen[0].producer.model == "pocketsphinx-en-us"
    assert seen[0].text
    assert "PocketSphinx" in shortfall.reason
    assert "moderation models pull whisper-small" in shortfall.reason


def test_a_video_without_speech_is_not_degraded() -> None:
    assert look(loaded(), audio_chunks(np.zeros(SAMPLE_RATE, np.float32))) == ([], [])


def test_unclear_speech_is_evidence_without_a_text(dialogue: Sound) -> None:
    (seen,), (_, shortfall) = look(loaded(min_confidence=1), audio_chunks(short(dialogue)))
    assert (seen.text, seen.words) == (None, ())
    assert seen.detail["untranscribed"] in shortfall.reason
    assert str(seen.span) in shortfall.reason


def test_without_whisper_no_other_language_is_transcribed(dialogue: Sound) -> None:
    (seen,), (missing, where) = look(loaded(language="de"), audio_chunks(short(dialogue)))
    assert seen.text is None
    assert "no speech was transcribed" in missing.reason
    assert "'de'" in where.reason


def test_without_any_recogniser_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    vad = Speech.manifest.weights["silero-vad-v6"]
    monkeypatch.setattr(Speech, "manifest", Manifest({"silero-vad-v6": vad}))
    with pytest.raises(DetectorUnavailable):
        loaded()


def test_whisper_with_other_bytes_is_refused_and_not_replaced(tmp_path: Path) -> None:
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"changed")
    digest = sha256(b"original").hexdigest()
    (tmp_path / "manifest.toml").write_text(
        f'[whisper-small]\nfile = "model.bin"\nsha256 = "{digest}"\n'
    )
    with pytest.raises(ModelCorrupt, match="whisper-small"):
        loaded(ModelStore((tmp_path,)))


def test_speakers_that_cannot_be_told_apart_are_said(
    whisper: Callable[..., Path], dialogue: Sound
) -> None:
    named = {"pipeline": "speaker-diarization-community-1", "token": "hf_not-to-be-seen"}
    detector = loaded(model=str(whisper("hallo")), diarization=named)
    (seen,), (shortfall,) = look(detector, audio_chunks(short(dialogue)))
    assert (seen.text, seen.subject) == ("hallo", None)
    assert "speakers were not told apart" in shortfall.reason
    assert "hf_" not in f"{shortfall} {detector.options!r} {detector.options.model_dump_json()}"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"language": "German"}, "language"),
        ({"activity": {"treshold": 0.4}}, "activity.treshold"),
        ({"diarization": {"min_speakers": 0}}, "diarization.min_speakers"),
    ],
)
def test_options_that_do_not_hold_are_named(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Speech(options)


def test_another_model_in_the_folder_is_another_fingerprint(
    whisper: Callable[..., Path],
) -> None:
    folder = whisper("one")
    before = Speech({"model": str(folder)}).fingerprint()
    whisper("two")
    assert Speech({"model": str(folder)}).fingerprint() != before
    assert Speech().fingerprint() == ""
