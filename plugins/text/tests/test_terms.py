"""Hits become evidence with the times and places of what was said and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moderation_text.terms import Terms

from moderation import Box, Detector, Evidence
from moderation.detector import Device
from moderation.errors import ConfigurationError
from moderation.evidence import Producer, Word
from moderation.models import ModelStore
from moderation.testing.contract import DetectorContract
from moderation.testing.feed import look
from moderation.timeline import Instant, Span


def said(text: str, start: float, seconds_per_word: float = 1.0, speaker: str = "A") -> Evidence:
    """An utterance whose words follow each other at a fixed pace."""
    words = tuple(
        Word(
            f" {word}",
            Span.from_seconds(
                start + index * seconds_per_word, start + (index + 1) * seconds_per_word
            ),
            0.9,
            speaker,
        )
        for index, word in enumerate(text.split())
    )
    return Evidence(
        label="Context/Speech",
        score=0.9,
        span=Span.hull(word.span for word in words),
        text=text,
        words=words,
        producer=Producer("speech"),
    )


def shown(text: str, start: float, end: float, top: float = 0.1) -> Evidence:
    return Evidence(
        label="Context/Screen text",
        score=0.9,
        span=Span.from_seconds(start, end),
        text=text,
        box=Box(0.1, top, 0.5, 0.1),
        producer=Producer("screen_text"),
    )


@pytest.fixture(scope="module")
def terms() -> Terms:
    detector = Terms()
    detector.load(Device("cpu"))
    return detector


def seen(terms: Terms, *texts: Evidence) -> list[Evidence]:
    return look(terms, [list(texts)])[0]


class TestTermsContract(DetectorContract):
    expected = frozenset({"Language/Profanity"})

    def make(self, models: ModelStore) -> Detector[Any]:
        return Terms({}, models)

    def golden(self) -> Sequence[Any]:
        return [[said("oh what the fuck is this", 3.0), shown("SH1T happens", 5.0, 6.0)]]


def test_a_spoken_hit_takes_the_times_and_the_speaker_of_its_words(terms: Terms) -> None:
    (hit,) = seen(terms, said("well I will kill you now", 10.0))
    assert hit.label == "Violence/Threat"
    assert hit.text == "I will kill you"
    assert hit.span == Span.from_seconds(11, 15)
    assert [word.text for word in hit.words] == [" I", " will", " kill", " you"]
    assert hit.subject == "A"


def test_a_shown_hit_takes_the_span_and_the_box_of_its_line(terms: Terms) -> None:
    line = shown("what a b1tch", 2.0, 4.5)
    (hit,) = seen(terms, line)
    assert (hit.span, hit.box, hit.text) == (line.span, line.box, "b1tch")


def test_a_hit_says_which_term_list_and_rule_matched_which_characters(terms: Terms) -> None:
    line = shown("oh $h1t", 0, 1)
    (hit,) = seen(terms, line)
    assert hit.detail == {
        "term": "shit",
        "list": "en-profanity",
        "language": "en",
        "severity": 2,
        "rule": "leet",
        "source": line.id,
        "start": 3,
        "end": 7,
        "samples": 1,
    }


def test_words_that_do_not_fit_the_text_leave_the_time_of_the_utterance(terms: Terms) -> None:
    spoken = said("what the fuck", 1.0)
    other = Evidence(
        label=spoken.label, score=0.9, span=spoken.span, text="oh shit", words=spoken.words
    )
    assert [hit.span for hit in seen(terms, other)] == [spoken.span]


def test_a_phrase_may_cross_two_utterances_close_together(terms: Terms) -> None:
    hits = seen(terms, said("I will find you", 0.0), said("and kill you", 5.5))
    threats = [hit for hit in hits if hit.label == "Violence/Threat"]
    assert [hit.span for hit in threats] == [Span.from_seconds(0, 7.5)]


def test_a_phrase_crosses_no_long_silence(terms: Terms) -> None:
    assert seen(terms, said("let's kill all", 0.0), said("women", 9.0)) == []


def test_a_phrase_crosses_no_sources(terms: Terms) -> None:
    assert seen(terms, said("let's kill all", 0.0), shown("women", 3.0, 4.0)) == []


def test_lines_shown_together_are_read_from_top_to_bottom(terms: Terms) -> None:
    below, above = shown("all women", 0, 2, top=0.5), shown("let's kill", 0, 2, top=0.2)
    assert [hit.label for hit in seen(terms, below, above)] == ["Violence/Threat"]


def test_a_repeated_word_is_one_piece_of_evidence_for_each_time(terms: Terms) -> None:
    hits = seen(terms, shown("shit shit shit", 0, 1), said("shit shit", 0))
    assert len({hit.id for hit in hits}) == 5


def test_hits_below_the_least_score_are_dropped() -> None:
    strict = Terms({"min_score": 0.6})
    strict.load(Device("cpu"))
    assert [hit.text for hit in seen(strict, shown("damn this shit", 0, 1))] == ["shit"]


def test_own_lists_are_used_and_change_the_fingerprint(tmp_path: Path) -> None:
    own = tmp_path / "own.terms"
    own.write_text("language: en\n[terms Scam/Lure severity=2]\nblorple\n", encoding="utf-8")
    detector = Terms({"lists": [str(tmp_path)]})
    detector.load(Device("cpu"))
    assert [hit.label for hit in seen(detector, shown("buy a blorple", 0, 1))] == ["Scam/Lure"]
    before = detector.fingerprint()
    own.write_text("language: en\n[terms Scam/Lure severity=2]\nzorple\n", encoding="utf-8")
    assert before == detector.producer.digest != detector.fingerprint()


def test_a_broken_own_list_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "own.terms").write_text("language: en\n[terms Nothing severity=2]\n", "utf-8")
    with pytest.raises(ConfigurationError, match=r"own\.terms:2: "):
        Terms({"lists": [str(tmp_path)]}).load(Device("cpu"))


def test_a_line_seen_in_many_frames_is_shown_at_its_best_and_counts_them_all(terms: Terms) -> None:
    line = replace(shown("buy cocaine here", 3, 9), best=Instant(5_000_000), detail={"samples": 7})
    hit = look(terms, [[line]])[0][0]
    assert (hit.best, hit.detail["samples"]) == (Instant(5_000_000), 7)
