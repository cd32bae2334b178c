"""Whisper through the real loader and decoder, with a tiny model that says what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from moderation_speech.options import Decoding
from moderation_speech.transcript import Segment
from moderation_speech.utterance import Utterance
from moderation_speech.whisper import Whisper

from moderation.detector import Device
from moderation.errors import ConfigurationError, DetectorUnavailable, ModelCorrupt
from moderation.media.frames import SAMPLE_RATE
from moderation.timeline import Instant, Span

Make = Callable[..., Path]

CPU = Device("cpu", threads=1)


def utterance(seconds: float = 3, at: float = 5) -> Utterance:
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE))
    return Utterance(noise.astype(np.float32), Instant.from_seconds(at), 0.9)


def hear(folder: Path, language: str = "", **decoding: float) -> list[Segment]:
    model = Whisper(folder, CPU, language, Decoding.model_validate(decoding))
    return list(model.transcribe([utterance()]))


def test_what_whisper_says_is_the_text(whisper: Make) -> None:
    (segment,) = hear(whisper("hallo neue welt"))
    assert segment.text == "hallo neue welt"
    assert [word.text for word in segment.words] == ["hallo", "neue", "welt"]
    assert segment.score > 0.9


def test_words_lie_in_order_within_the_utterance(whisper: Make) -> None:
    (segment,) = hear(whisper("hallo neue welt"))
    spans = [word.span for word in segment.words]
    assert Span.from_seconds(5, 8).start <= spans[0].start
    assert spans[-1].end <= Instant.from_seconds(8)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    assert Span.hull(spans) == segment.span


def test_the_language_is_heard(whisper: Make) -> None:
    (segment,) = hear(whisper("bonjour", language="fr"))
    assert segment.language == "fr"
    assert segment.language_score > 0.99


def test_a_given_language_is_taken(whisper: Make) -> None:
    (segment,) = hear(whisper("hello", language="fr"), language="en")
    assert segment.language == "en"


def test_a_language_that_the_model_does_not_know_is_refused(whisper: Make) -> None:
    with pytest.raises(ConfigurationError, match="'xx'"):
        Whisper(whisper("hello"), CPU, "xx", Decoding())


def test_text_that_repeats_itself_is_not_given(whisper: Make) -> None:
    loop = " ".join(["thanks for watching"] * 40)
    (segment,) = hear(whisper(loop))
    assert (segment.text, segment.untranscribed) == (None, "Whisper only repeated itself")
    assert segment.span.start >= Instant.from_seconds(5)


def test_what_whisper_takes_for_no_speech_is_none(whisper: Make) -> None:
    folder = whisper("you", no_speech=True)
    assert hear(folder, language="en", log_probability=0.0) == []
    assert hear(folder, language="en", log_probability=0.0, no_speech=1.0) != []


def test_it_says_where_it_computes(whisper: Make) -> None:
    assert Whisper(whisper("hello"), CPU, "", Decoding()).device == "cpu"


def test_a_folder_without_a_tokenizer_is_refused_and_nothing_is_fetched(whisper: Make) -> None:
    folder = whisper("hello")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json"):
        Whisper(folder, CPU, "", Decoding())


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(whisper: Make) -> None:
    with pytest.raises(DetectorUnavailable, match="no CUDA device"):
        Whisper(whisper("hello"), Device("cuda:0"), "", Decoding())
    assert Whisper(whisper("hello"), Device("auto", 1), "", Decoding()).device == "cpu"


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() == 0, reason="needs a GPU")
def test_a_gpu_is_used(whisper: Make) -> None:
    model = Whisper(whisper("hello"), Device("auto", 1), "", Decoding())
    assert model.device == "cuda:0"
    assert [segment.text for segment in model.transcribe([utterance()])] == ["hello"]
