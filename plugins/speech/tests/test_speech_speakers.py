"""Speakers: linked from window to window, and put on words."""

from __future__ import annotations

import numpy as np
from moderation_speech.speakers import SpeakerBook, Turn, Voice, attribute, main_speaker
from moderation_speech.transcript import Segment

from moderation.evidence import Word
from moderation.timeline import Span


def voice(name: str, *embedding: float) -> Voice:
    return Voice(name, np.array(embedding, np.float32))


def turn(start: float, end: float, speaker: str) -> Turn:
    return Turn(Span.from_seconds(start, end), speaker)


def segment(*spans: tuple[float, float]) -> Segment:
    words = tuple(Word(f"word{index}", Span.from_seconds(*s), 1) for index, s in enumerate(spans))
    return Segment(span=Span.hull(w.span for w in words), score=1, text="words", words=words)


def test_a_voice_keeps_its_name_from_window_to_window() -> None:
    book = SpeakerBook(0.5)
    assert book.names([voice("a", 1, 0), voice("b", 0, 1)]) == {
        "a": "SPEAKER_00",
        "b": "SPEAKER_01",
    }
    assert book.names([voice("a", 0.1, 2), voice("b", 2, 0.1)]) == {
        "a": "SPEAKER_01",
        "b": "SPEAKER_00",
    }


def test_a_voice_like_none_before_is_a_new_speaker() -> None:
    book = SpeakerBook(0.5)
    book.names([voice("a", 1, 0, 0)])
    assert book.names([voice("a", 0, 1, 0)]) == {"a": "SPEAKER_01"}


def test_two_voices_of_a_window_are_two_speakers() -> None:
    book = SpeakerBook(0.5)
    book.names([voice("a", 1, 0)])
    names = book.names([voice("a", 1, 0.2), voice("b", 1, 0.1)])
    assert names == {"a": "SPEAKER_01", "b": "SPEAKER_00"}


def test_a_voice_without_an_embedding_is_never_taken_for_another() -> None:
    book = SpeakerBook(0.5)
    book.names([Voice("a", None)])
    assert book.names([voice("a", np.nan, np.nan)]) == {"a": "SPEAKER_01"}
    assert book.names([voice("a", 1, 0)]) == {"a": "SPEAKER_02"}


def test_a_word_is_spoken_by_whom_it_overlaps_most() -> None:
    turns = [turn(0, 1.2, "A"), turn(1.2, 3, "B")]
    spoken = attribute(segment((0, 1), (1, 2)), turns)
    assert [word.speaker for word in spoken.words] == ["A", "B"]


def test_a_word_between_turns_is_spoken_by_the_nearest() -> None:
    spoken = attribute(
        segment(
            (1.1, 1.4),
        ),
        [turn(0, 1, "A"), turn(2, 3, "B")],
    )
    assert [word.speaker for word in spoken.words] == ["A"]


def test_without_turns_nobody_is_named() -> None:
    plain = segment((0, 1))
    assert attribute(plain, []) == plain


def test_the_main_speaker_said_most_words() -> None:
    turns = [turn(0, 1, "A"), turn(1, 3, "B")]
    assert main_speaker(attribute(segment((0, 1), (1, 2), (2, 3)), turns).words) == "B"
    assert main_speaker(segment((0, 1)).words) is None
