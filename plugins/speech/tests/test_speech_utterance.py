"""Speech activity: where utterances start and end, however the sound is cut into chunks."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from moderation_speech.options import Activity
from moderation_speech.utterance import Utterance, utterances
from moderation_speech.vad import FRAME, SileroVad
from numpy.typing import NDArray

from moderation.media.frames import SAMPLE_RATE, AudioChunk
from moderation.models import Manifest, ModelStore
from moderation.testing.feed import audio_chunks
from moderation.timeline import Instant, Span

Sound = NDArray[np.float32]


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    manifest = Manifest.of_package("moderation_speech")
    return SileroVad(ModelStore().resolve("silero-vad-v6", manifest).path)


def cut(vad: SileroVad, sound: Sound, *, seconds: float = 30, **activity: float) -> list[Utterance]:
    return list(utterances(audio_chunks(sound, seconds=seconds), vad, Activity(**activity)))


def seconds(count: float) -> NDArray[np.float64]:
    return np.arange(round(count * SAMPLE_RATE)) / SAMPLE_RATE


def melody() -> NDArray[np.float64]:
    """Plucked notes with overtones."""
    time = seconds(0.5)
    notes = [262, 294, 330, 349, 392, 440, 494, 523]
    pluck = [sum(np.sin(2 * np.pi * n * k * time) / k for k in (1, 2, 3, 4)) for n in notes]
    return np.concatenate([np.exp(-4 * time) * 0.2 * note for note in pluck])


NOT_SPEECH = {
    "silence": np.zeros(4 * SAMPLE_RATE),
    "tone": 0.5 * np.sin(2 * np.pi * 440 * seconds(4)),
    "sweep": 0.5 * np.sin(2 * np.pi * (100 * seconds(4) + 200 * seconds(4) ** 2)),
    "noise": np.random.default_rng(0).normal(0, 0.2, 4 * SAMPLE_RATE),
    "melody": melody(),
}


@pytest.mark.parametrize("name", NOT_SPEECH)
def test_what_is_not_speech_is_no_utterance(vad: SileroVad, name: str) -> None:
    assert cut(vad, NOT_SPEECH[name].astype(np.float32)) == []


def test_an_utterance_starts_shortly_before_speech_does(vad: SileroVad, dialogue: Sound) -> None:
    (utterance,) = cut(vad, dialogue)
    assert Span.from_seconds(6, 6.7).start < utterance.at < Instant.from_seconds(6.7)
    assert utterance.activity > 0.8


def test_sound_that_ends_in_speech_gives_it_up_to_the_last_sample(
    vad: SileroVad, dialogue: Sound
) -> None:
    *_, last = cut(vad, dialogue[:-1])
    assert last.span.end == Instant(round((len(dialogue) - 1) * 1_000_000 / SAMPLE_RATE))
    np.testing.assert_array_equal(last.samples, dialogue[-len(last.samples) - 1 : -1])


@pytest.mark.parametrize("size", [0.01, 1.0, 7.77])
def test_chunk_borders_change_nothing(vad: SileroVad, dialogue: Sound, size: float) -> None:
    whole, chunked = cut(vad, dialogue), cut(vad, dialogue, seconds=size)
    for one, other in zip(whole, chunked, strict=True):
        assert one.at == other.at
        assert one.activity == pytest.approx(other.activity)
        np.testing.assert_array_equal(one.samples, other.samples)


def test_a_silence_separates_utterances(vad: SileroVad, dialogue: Sound) -> None:
    speech = dialogue[7 * SAMPLE_RATE : 10 * SAMPLE_RATE]
    gap = np.zeros(3 * SAMPLE_RATE, np.float32)
    first, second = cut(vad, np.concatenate([gap, speech, gap, speech, gap]))
    assert first.span.end < Instant.from_seconds(7) < second.at


def test_short_sounds_are_dropped(vad: SileroVad, dialogue: Sound) -> None:
    speech = dialogue[7 * SAMPLE_RATE : 9 * SAMPLE_RATE]
    assert cut(vad, speech, min_speech=0.25)
    assert not cut(vad, speech, min_speech=10)


def test_long_speech_is_cut_at_its_quietest_point(vad: SileroVad, dialogue: Sound) -> None:
    speech = dialogue[8 * SAMPLE_RATE : 12 * SAMPLE_RATE].copy()
    hush = slice(round(3.2 * SAMPLE_RATE), round(3.5 * SAMPLE_RATE))
    speech[hush] = 0
    first, second = cut(vad, np.concatenate([speech, speech]), max_utterance=5)[:2]
    assert Instant.from_seconds(3.2) < first.span.end < Instant.from_seconds(3.5)
    assert second.at >= first.span.end


def test_a_cut_loses_no_sound(vad: SileroVad, dialogue: Sound) -> None:
    (whole,) = cut(vad, dialogue)
    pieces = cut(vad, dialogue, max_utterance=5)
    assert len(pieces) > 3
    assert all(len(piece.samples) <= 5 * SAMPLE_RATE for piece in pieces)
    for before, after in pairwise(pieces):
        assert before.span.end == after.at or quiet(dialogue, before.span.end, after.at)
    assert (pieces[0].at, pieces[-1].span.end) == (whole.at, whole.span.end)


def quiet(sound: Sound, start: Instant, end: Instant) -> bool:
    between = sound[start.us * SAMPLE_RATE // 1_000_000 : end.us * SAMPLE_RATE // 1_000_000]
    return bool(np.sqrt((between**2).mean()) < 0.2 * np.sqrt((sound**2).mean()))


def test_times_are_counted_in_samples_from_the_first_chunk(vad: SileroVad, dialogue: Sound) -> None:
    (plain,) = cut(vad, dialogue)
    later = [AudioChunk(dialogue, Instant(333))]
    (moved,) = utterances(later, vad, Activity())
    assert moved.at == plain.at + 333
    assert (plain.at.us * SAMPLE_RATE) % 1_000_000 == 0


def test_a_jump_in_time_ends_an_utterance(vad: SileroVad, dialogue: Sound) -> None:
    middle = 12 * SAMPLE_RATE
    jump = [
        AudioChunk(dialogue[:middle], Instant(0)),
        AudioChunk(dialogue[middle:], Instant.from_seconds(60)),
    ]
    first, second = utterances(jump, vad, Activity())
    assert first.span.end == Instant.from_seconds(12)
    assert second.at >= Instant.from_seconds(60)


def test_a_word_lies_within_its_utterance() -> None:
    utterance = Utterance(np.zeros(SAMPLE_RATE, np.float32), Instant(500), 1.0)
    assert utterance.within(0.1, 0.25) == Span(Instant(100_500), Instant(250_500))
    assert utterance.within(-1, 9) == utterance.span


def test_memory_does_not_grow_with_the_sound(vad: SileroVad, dialogue: Sound) -> None:
    peaks = [peak(vad, dialogue, repeats) for repeats in (4, 16)]
    assert peaks[1] < 1.1 * peaks[0]


def peak(vad: SileroVad, sound: Sound, repeats: int) -> int:
    def feed() -> Iterator[AudioChunk]:
        for index in range(repeats):
            yield AudioChunk(sound, Instant.from_seconds(index * len(sound) / SAMPLE_RATE))

    tracemalloc.start()
    for _ in utterances(feed(), vad, Activity()):
        pass
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_a_frame_is_32_milliseconds() -> None:
    assert FRAME * 1000 == 32 * SAMPLE_RATE
