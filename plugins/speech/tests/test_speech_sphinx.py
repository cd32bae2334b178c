"""PocketSphinx: English by the model of its wheel, and no text where it is unsure."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from moderation_speech.options import Activity
from moderation_speech.sphinx import PocketSphinx
from moderation_speech.transcript import Segment
from moderation_speech.utterance import Utterance, utterances
from moderation_speech.vad import SileroVad
from numpy.typing import NDArray

from moderation.media.frames import SAMPLE_RATE
from moderation.models import Manifest, ModelStore
from moderation.testing.feed import audio_chunks
from moderation.timeline import Instant

Sound = NDArray[np.float32]
MANIFEST = Manifest.of_package("moderation_speech")


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad(ModelStore().resolve("silero-vad-v6", MANIFEST).path)


@pytest.fixture(scope="module")
def model() -> Path:
    return ModelStore().resolve("pocketsphinx-en-us", MANIFEST).path


@pytest.fixture(scope="module")
def any_text(model: Path) -> PocketSphinx:
    return PocketSphinx(model, min_confidence=0)


def hear(recogniser: PocketSphinx, vad: SileroVad, sound: Sound) -> list[Segment]:
    return list(recogniser.transcribe(utterances(audio_chunks(sound), vad, Activity())))


def text(segments: list[Segment]) -> str:
    return " ".join(segment.text or "" for segment in segments)


def read(shared_data: Path, name: str) -> Sound:
    """A WAV file at 16 kHz, without its header."""
    pcm = np.frombuffer((shared_data / "audio" / name).read_bytes()[44:], "<i2")
    samples: Sound = pcm.astype(np.float32) / np.float32(32768)
    return samples


SENTENCE = "speechbrain_spk1_spk2/spk1_snt1.wav"
"""The child almost hurt the small dog."""


def test_a_clean_sentence_is_read(
    any_text: PocketSphinx, vad: SileroVad, shared_data: Path
) -> None:
    heard = text(hear(any_text, vad, read(shared_data, SENTENCE)))
    assert heard in ("the child almost heard the small dog", "the child almost hurt the small dog")


def test_a_quiet_recording_is_read_as_well(
    any_text: PocketSphinx, vad: SileroVad, shared_data: Path
) -> None:
    sound = read(shared_data, SENTENCE)
    (utterance,) = utterances(audio_chunks(sound), vad, Activity())
    faint = Utterance((utterance.samples * 0.002).astype(np.float32), utterance.at, 1.0)
    assert "small dog" in text(list(any_text.transcribe([faint])))


def test_what_it_heard_before_changes_nothing(
    any_text: PocketSphinx, vad: SileroVad, shared_data: Path, dialogue: Sound
) -> None:
    sentence, other = read(shared_data, SENTENCE), dialogue[7 * SAMPLE_RATE : 9 * SAMPLE_RATE]
    alone = hear(any_text, vad, sentence)
    hear(any_text, vad, other)
    assert hear(any_text, vad, sentence) == alone


def test_processes_that_take_turns_hear_the_same_in_the_same_order(
    model: Path, any_text: PocketSphinx, dialogue: Sound
) -> None:
    sounds = [dialogue[n * SAMPLE_RATE : (n + 1) * SAMPLE_RATE] for n in range(6, 11)]
    said = [Utterance(sound, Instant.from_seconds(n), 1.0) for n, sound in enumerate(sounds)]
    together = PocketSphinx(model, min_confidence=0, processes=2)
    assert list(together.transcribe(said)) == list(any_text.transcribe(said))


def test_who_stops_listening_leaves_nothing_for_the_next(
    model: Path, any_text: PocketSphinx, dialogue: Sound
) -> None:
    sounds = [dialogue[n * SAMPLE_RATE : (n + 1) * SAMPLE_RATE] for n in range(6, 9)]
    said = [Utterance(sound, Instant.from_seconds(n), 1.0) for n, sound in enumerate(sounds)]
    together = PocketSphinx(model, min_confidence=0, processes=2)
    stopped = together.transcribe(said)
    next(stopped)
    stopped.close()
    assert list(together.transcribe(said)) == list(any_text.transcribe(said))


def test_another_language_gets_no_text(model: Path, vad: SileroVad, shared_data: Path) -> None:
    doubtful = PocketSphinx(model, min_confidence=0.35)
    (mandarin,) = hear(doubtful, vad, read(shared_data, "aishell-BAC009S0724W0121.wav"))
    assert mandarin.text is None
    assert "not English" in mandarin.untranscribed
    assert mandarin.score > 0.8


def test_words_have_their_times_and_posteriors(
    any_text: PocketSphinx, vad: SileroVad, dialogue: Sound
) -> None:
    segments = hear(any_text, vad, dialogue[6 * SAMPLE_RATE : round(8.5 * SAMPLE_RATE)])
    words = [word for segment in segments for word in segment.words]
    assert [word.text for word in words] == text(segments).split()
    assert all(0 < word.score <= 1 for word in words)
    assert all(before.span.end <= after.span.start for before, after in pairwise(words))
    assert words[0].span.start >= Instant.from_seconds(0.5)


def test_a_pause_ends_a_segment(any_text: PocketSphinx, vad: SileroVad, dialogue: Sound) -> None:
    speech = dialogue[round(6.6 * SAMPLE_RATE) : 8 * SAMPLE_RATE]
    pause = np.zeros(SAMPLE_RATE, np.float32)
    segments = hear(any_text, vad, np.concatenate([speech, pause, speech, pause]))
    assert len(segments) >= 2
    for before, after in pairwise(segments):
        assert after.span.start - before.span.end >= 500_000


def test_a_sound_without_words_has_no_text(model: Path) -> None:
    blip = Utterance(np.zeros(800, np.float32), Instant(0), 0.6)
    (segment,) = PocketSphinx(model, min_confidence=0.35).transcribe([blip])
    assert (segment.text, segment.span, segment.score) == (None, blip.span, 0.6)
