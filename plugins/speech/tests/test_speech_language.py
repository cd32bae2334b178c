"""Which language a window speaks."""

from __future__ import annotations

from moderation_speech.language import LanguageVote


def test_a_sure_window_decides_for_itself() -> None:
    vote = LanguageVote()
    assert vote.decide([("en", 0.97), ("de", 0.01)], 30) == ("en", 0.97)
    assert vote.decide([("de", 0.95), ("en", 0.02)], 5) == ("de", 0.95)


def test_an_unsure_window_follows_the_video() -> None:
    vote = LanguageVote()
    vote.decide([("fr", 0.9), ("cy", 0.0)], 30)
    assert vote.decide([("cy", 0.5), ("fr", 0.3)], 1) == ("fr", 0.3)


def test_long_windows_weigh_more() -> None:
    vote = LanguageVote()
    vote.decide([("es", 0.6), ("pt", 0.4)], 30)
    vote.decide([("pt", 0.7), ("es", 0.3)], 2)
    assert vote.decide([("pt", 0.5), ("es", 0.5)], 1)[0] == "es"


def test_the_first_window_has_only_itself_to_follow() -> None:
    assert LanguageVote().decide([("nl", 0.4), ("af", 0.35)], 10) == ("nl", 0.4)
