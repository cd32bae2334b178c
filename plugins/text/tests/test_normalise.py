"""Folding keeps the way back to every original character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moderation_text.characters import look_alike
from moderation_text.normalise import View, fold, join_han, respelled

ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates among it

steady = settings(derandomize=True, deadline=None)
"""The same examples in every run, however busy the machine is."""


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Straße", "strasse"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("ⓒⓘⓡⓒⓛⓔⓓ", "circled"),
        ("𝓼𝓬𝓻𝓲𝓹𝓽", "script"),
        ("crème brûlée", "creme brulee"),
        ("zero\u200bwid\u2060th\ufeff", "zerowidth"),
        ("bidi\u202etext\u202c", "biditext"),
        ("don’t “quote” — me", 'don\'t "quote" - me'),
        ("殺豬 體檢", "杀猪 体检"),
        ("a \t\n b", "a b"),
        ("ガ", "ガ"),
        ("مـحـمـد", "محمد"),
    ],
)
def test_disguises_of_the_same_character_fold_to_one(written: str, folded: str) -> None:
    assert fold(written).text == folded


def test_each_folded_character_knows_the_original_ones() -> None:
    view = fold("Aßc")
    assert view.text == "assc"
    assert [view.span(i, i + 1) for i in range(4)] == [(0, 1), (1, 2), (1, 2), (2, 3)]


def test_an_accent_belongs_to_the_letter_before_it() -> None:
    text = "re\u0301sume\u0301!"
    view = fold(text)
    assert view.text == "resume!"
    start, end = view.span(0, 6)
    assert text[start:end] == "re\u0301sume\u0301"


def test_a_removed_character_at_the_edge_of_a_word_is_not_part_of_it() -> None:
    assert fold("\u200bword\u200b").span(0, 4) == (1, 5)


@pytest.mark.parametrize(
    ("drawn", "letter"), [("а", "a"), ("ρ", "p"), ("ł", "l"), ("🅱", "b"), ("ʀ", "r"), ("x", "x")]
)
def test_a_letter_of_another_alphabet_is_read_as_the_latin_one_it_looks_like(
    drawn: str, letter: str
) -> None:
    assert look_alike(drawn) == letter


@pytest.mark.parametrize("character", ["猫", "1", "😀", " "])
def test_what_looks_like_no_letter_is_read_as_none(character: str) -> None:
    assert look_alike(character) == ""


def test_separators_between_ideographs_are_closed() -> None:
    view = fold("小 猫.和*狗")
    closed = respelled(view, join_han(view))
    assert closed.text == "小猫和狗"
    assert closed.span(0, 2) == (0, 3)
    assert closed.rules(0, 2) == ("spaced",)


@pytest.mark.parametrize("text", ["小 ---- 猫", "小，猫", " 小", "小 ", "小 a 猫"])
def test_layout_punctuation_and_edges_are_not_closed(text: str) -> None:
    assert join_han(fold(text)) == []


@steady
@given(ANY_TEXT)
def test_offsets_lie_inside_the_text_and_never_go_back(text: str) -> None:
    view = fold(text)
    assert len(view.text) == len(view.starts) == len(view.ends)
    assert all(0 <= start < end <= len(text) for start, end in _spans(view))
    assert list(view.starts) == sorted(view.starts)


@steady
@given(ANY_TEXT)
def test_a_folded_character_comes_from_its_original_ones(text: str) -> None:
    view = fold(text)
    for character, (start, end) in zip(view.text, _spans(view), strict=True):
        assert character in fold(text[start:end]).text


@steady
@given(st.text(st.characters(codec="ascii", categories=["L", "N"])), st.text(max_size=20))
def test_what_stands_before_moves_offsets_and_nothing_else(before: str, text: str) -> None:
    alone, after = fold(text), fold(before + "." + text)
    shift = len(before) + 1
    assert after.text[shift:] == alone.text
    assert [start + shift for start in alone.starts] == list(after.starts[shift:])


def _spans(view: View) -> list[tuple[int, int]]:
    return list(zip(view.starts, view.ends, strict=True))
