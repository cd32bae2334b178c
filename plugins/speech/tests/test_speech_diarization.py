"""Speakers through the real pyannote.audio, with a tiny pipeline of random weights."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from moderation_speech.diarization import Diarizer, import_pyannote
from moderation_speech.options import Diarization
from moderation_speech.transcript import Segment
from numpy.typing import NDArray

from moderation.detector import Device
from moderation.errors import ModelError
from moderation.evidence import Word
from moderation.media.frames import SAMPLE_RATE, AudioChunk
from moderation.models import Manifest, ModelStore
from moderation.testing.feed import audio_chunks
from moderation.timeline import Instant, Span

Sound = NDArray[np.float32]


@pytest.fixture
def folder(pipeline: ModelStore) -> Path:
    return pipeline.resolve("tiny-diarization", Manifest()).path


@pytest.fixture
def diarizer(folder: Path) -> Diarizer:
    return Diarizer(folder, Device("cpu", 1), Diarization(window=30))


def word(start: float) -> Segment:
    span = Span.from_seconds(start, start + 0.5)
    return Segment(span=span, score=1, text="word", words=(Word("word", span, 1),))


def passing(segments: list[Segment], chunks: Iterator[AudioChunk]) -> Iterator[Segment]:
    """Segments as a recogniser gives them: when the sound has passed their end."""
    waiting = iter(segments)
    for chunk in chunks:
        while segments and segments[0].span.end <= chunk.span.end:
            yield segments.pop(0)
    yield from waiting


def test_every_word_gets_a_speaker(diarizer: Diarizer, dialogue: Sound) -> None:
    track = diarizer.track()
    segments = passing(
        [word(8), word(20)], track.listen(audio_chunks(dialogue[: 25 * SAMPLE_RATE]))
    )
    speakers = [each.words[0].speaker for each in track.attribute(segments)]
    assert speakers == ["SPEAKER_00", "SPEAKER_00"]


def test_turns_lie_within_the_sound(diarizer: Diarizer, dialogue: Sound) -> None:
    from moderation_speech.speakers import SpeakerBook

    start = Instant.from_seconds(100)
    turns = diarizer.turns(dialogue[: 12 * SAMPLE_RATE], start, SpeakerBook(0.5), whole=True)
    whole = Span.hull(turn.span for turn in turns)
    assert start <= whole.start < whole.end <= Instant.from_seconds(112)


def test_a_voice_keeps_its_name_in_the_next_window(diarizer: Diarizer, dialogue: Sound) -> None:
    track = diarizer.track()
    sound = np.concatenate([dialogue, dialogue[10 * SAMPLE_RATE :]])
    segments = passing([word(12), word(40)], track.listen(audio_chunks(sound, seconds=10)))
    speakers = [each.words[0].speaker for each in track.attribute(segments)]
    assert speakers == ["SPEAKER_00", "SPEAKER_00"]


def test_words_come_out_as_soon_as_their_window_is_done(
    diarizer: Diarizer, dialogue: Sound
) -> None:
    heard: list[Instant] = []

    def noted(chunks: Iterator[AudioChunk]) -> Iterator[AudioChunk]:
        for chunk in chunks:
            heard.append(chunk.at)
            yield chunk

    track = diarizer.track()
    sound = np.concatenate([dialogue, dialogue])
    words = [word(12), word(31), word(52)]
    segments = passing(words, track.listen(noted(audio_chunks(sound, seconds=10))))
    assert next(track.attribute(segments)).words[0].speaker
    assert heard[-1] == Instant.from_seconds(30)


def test_silence_has_no_speaker(diarizer: Diarizer) -> None:
    track = diarizer.track()
    assert list(track.attribute(passing([], track.listen(iter(()))))) == []


def test_nothing_is_reported_home_and_torchcodec_is_not_missed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        import_pyannote()
    assert os.environ["PYANNOTE_METRICS_ENABLED"] == "false"


@pytest.mark.parametrize("part", ["segmentation", "embedding", "plda"])
def test_a_pipeline_that_loads_weights_from_elsewhere_is_refused(folder: Path, part: str) -> None:
    config = folder / "config.yaml"
    elsewhere = re.sub(rf"{part}: \$model", f"{part}: pyannote", config.read_text())
    config.write_text(elsewhere)
    with pytest.raises(ModelError, match=f"the {part} of the pipeline"):
        Diarizer(folder, Device("cpu", 1), Diarization())
