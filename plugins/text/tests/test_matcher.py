"""Terms are found in every disguise, at the exact characters, and good words are left alone.

Most tests use a list of their own with invented words: grok (as short as a swear word), blarg,
zorp; `wug` is a group of people.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moderation_text.lexicon import Lexicon
from moderation_text.matcher import Hit, Matcher
from moderation_text.termlist import parse

LIST = """\
language: en
[terms Language/Profanity severity=2]
grok: groks, grokking, -frell-
assk
zorpel
[terms Language/Profanity severity=1]
blarg
[terms Hate/Slur severity=3]
snorb: snorbs
坏蛋
[terms Scam/Lure severity=2]
free money now
[class wug]
wugs, wug, green people, 外星人, 👽
[class bad]
vermin, scum, rubbish, 🐛
[class negation]
not, don't, no
[class rhetorical]
why don't we
[class clause]
but
[class mention]
the word
[class report]
saying, hateful, {mention}
[patterns Violence/Threat severity=3]
(kill|get rid of) ~2 {wug}
[patterns Hate/Hate speech severity=3]
{wug} ~1 are ~2 {bad}
{wug} {bad}
{wug} ~5. they are {bad}
[allow]
mcfrellson
grok ~1 (book|novel)
kill time
[ordinary]
i all are people do you like the and my they as ask good
"""


steady = settings(derandomize=True, deadline=None)
"""The same examples in every run, however busy the machine is."""


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(Lexicon([parse(Path("test.terms"), LIST)]))


@pytest.fixture(scope="module")
def built_in() -> Matcher:
    return Matcher(Lexicon.load())


def found(matcher: Matcher, text: str) -> list[tuple[str, str, str]]:
    """(term, matched text, rules); checks on the way that the offsets give the matched text."""
    hits = matcher.find(text)
    for hit in hits:
        assert text[hit.start : hit.end] == hit.text
    return [(hit.term.text, hit.text, "+".join(hit.rules)) for hit in hits]


@pytest.mark.parametrize(
    ("text", "matched", "rule"),
    [
        ("you grok!", "grok", "exact"),
        ("you GROK", "GROK", "exact"),
        ("so ｇｒｏｋ", "ｇｒｏｋ", "folded"),
        ("so gró\u0300k", "gró\u0300k", "folded"),
        ("so g\u200bro\u200dk.", "g\u200bro\u200dk", "folded"),
        ("so 𝔤𝔯𝔬𝔨", "𝔤𝔯𝔬𝔨", "folded"),
        ("so grоk", "grоk", "homoglyph"),  # a Cyrillic letter
        ("so 🅶🆁🅾🅺", "🅶🆁🅾🅺", "homoglyph"),
        ("so gr0k,", "gr0k", "leet"),
        ("a55k here", "a55k", "leet"),
        ("@ssk here", "@ssk", "leet"),
        ("so grooook", "grooook", "repeated"),
        ("so grrrrokkkk", "grrrrokkkk", "repeated"),
        ("so g r o k", "g r o k", "spaced"),
        ("so g.r.o.k!", "g.r.o.k", "spaced"),
        ("so g-r-o-k", "g-r-o-k", "spaced"),
        ("so gr.ok", "gr.ok", "spaced"),
        ("so gr ok", "gr ok", "spaced"),
        ("so gr*k", "gr*k", "masked"),
        ("so g**k", "g**k", "masked"),
        ("so gr⭐k", "gr⭐k", "masked"),
        ("so zorepl", "zorepl", "typo"),
        ("so zopel", "zopel", "typo"),
        ("so ilikegrok", "grok", "joined"),
        ("so motherfrelling", "frell", "exact"),
    ],
)
def test_a_word_is_found_in_every_disguise(
    matcher: Matcher, text: str, matched: str, rule: str
) -> None:
    assert [hit[1:] for hit in found(matcher, text)] == [(matched, rule)]


@pytest.mark.parametrize(
    "text",
    [
        "grokery",
        "ungrok",
        "ask",
        "as k",
        "4ssk0",
        "420 69 1488",
        "g r o",
        "gr",
        "McFrellson",
        "blo rg",
    ],
)
def test_a_part_of_a_good_word_is_no_hit(matcher: Matcher, text: str) -> None:
    assert found(matcher, text) == []


def test_the_plainer_a_reading_the_surer(matcher: Matcher) -> None:
    texts = ("grok", "ｇrok", "gr0k", "g r o k", "ilikegrok")
    scores = [matcher.find(text)[0].score for text in texts]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_the_stronger_a_term_the_higher_its_score(matcher: Matcher) -> None:
    scores = [matcher.find(text)[0].score for text in ("blarg", "grok", "snorb")]
    assert scores == [0.4, 0.7, 0.9]


def test_ideographs_need_no_word_boundaries(matcher: Matcher) -> None:
    assert found(matcher, "你这个坏蛋吗") == [("坏蛋", "坏蛋", "exact")]


def test_separators_between_ideographs_hide_nothing(matcher: Matcher) -> None:
    assert found(matcher, "你这个坏 * 蛋吗") == [("坏蛋", "坏 * 蛋", "spaced")]


def test_traditional_characters_are_read_as_simplified(matcher: Matcher) -> None:
    assert found(matcher, "壞蛋") == [("坏蛋", "壞蛋", "folded")]


def test_a_latin_word_between_ideographs_stands_alone(matcher: Matcher) -> None:
    assert found(matcher, "你grok吗") == [("grok", "grok", "exact")]


def test_a_phrase_is_found_across_space_and_lines(matcher: Matcher) -> None:
    assert found(matcher, "Free  money\nnow") == [("free money now", "Free  money\nnow", "exact")]


def test_an_allowed_phrase_is_no_hit(matcher: Matcher) -> None:
    assert found(matcher, "a grok scifi novel, then kill time, wugs") == []


def test_of_one_label_the_longer_hit_is_kept(built_in: Matcher) -> None:
    hits = [h for h in built_in.find("motherfucker") if h.term.label == "Language/Profanity"]
    assert [hit.text for hit in hits] == ["motherfucker"]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("kill all the wugs", "kill all the wugs"),
        ("Get rid of green people.", "Get rid of green people"),
        ("wugs really are such total scum", "wugs really are such total scum"),
        ("wugs are v3rmin", "wugs are v3rmin"),
        ("killwugs", "killwugs"),
        ("wugs 🐛", "wugs 🐛"),
        ("👽🐛", "👽🐛"),
        ("Some wugs smile. They are vermin.", "wugs smile. They are vermin"),
    ],
)
def test_a_pattern_joins_words_of_classes(matcher: Matcher, text: str, matched: str) -> None:
    assert [hit[1] for hit in found(matcher, text)] == [matched]


@pytest.mark.parametrize(
    "text",
    [
        "wugs",
        "the vermin are gone",
        "kill the weeds, not much else, wugs",
        "kill it. wugs came",
        "wugs are one two three scum",
        "vermin are wugs",
    ],
)
def test_words_apart_or_in_another_order_are_no_pattern(matcher: Matcher, text: str) -> None:
    assert found(matcher, text) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("I would not kill wugs", "negated"),
        ("wugs are not scum", "negated"),
        ("no wugs are scum", "negated"),
        ("saying wugs are scum helps nobody", "reported"),
        ('"wugs are scum" is a hateful line', "reported"),
        ("why don't we kill wugs", "exact"),
        ("I do not mind but kill wugs", "exact"),
        ("It is not far. Kill wugs", "exact"),
    ],
)
def test_what_is_denied_or_reported_counts_less(matcher: Matcher, text: str, rule: str) -> None:
    (hit,) = matcher.find(text)
    assert hit.rules == (rule,)
    assert (hit.score >= 0.5) == (rule == "exact")


def test_a_slur_counts_less_only_where_it_is_spoken_of_as_a_word(matcher: Matcher) -> None:
    (of_the_word,), (not_one,) = matcher.find("the word snorb"), matcher.find("not a snorb")
    assert of_the_word.rules == ("reported",)
    assert not_one.rules == ("exact",)


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe, Essex and Penistone, said the assassin in the cockpit.",
        "He will shoot a photo for the class to kill time.",
        "Gay, black, Muslim and trans women are welcome here.",
        "The therapist analyses Dick van Dyke's shiitake cocktail.",
        "We should get rid of that old couch.",
        "他妈妈在操场上打拳",
        "垃圾分类从我做起",
        "",
    ],
)
def test_good_text_is_left_alone(built_in: Matcher, text: str) -> None:
    assert [hit.text for hit in built_in.find(text) if hit.score >= 0.5] == []


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("what the f u c k", "Language/Profanity"),
        ("fuuuuuck", "Language/Profanity"),
        ("傻 逼", "Language/Profanity"),
        ("大儍逼", "Language/Profanity"),
        ("I h a t e trans people", "Hate/Hate speech"),
        ("women are verm1n", "Hate/Hate speech"),
        ("河南人都是骗子", "Hate/Hate speech"),
        ("go away, tr4nny", "Hate/Slur"),
        ("黑鬼", "Hate/Slur"),
        ("I will find you and kill you", "Violence/Threat"),
        ("我要弄死你", "Violence/Threat"),
        ("you are a pathetic loser", "Harassment/Insult"),
        ("你真是个废物", "Harassment/Insult"),
        ("send nudes", "Sexual/Sexual language"),
        ("约炮", "Sexual/Sexual language"),
        ("selling coke, dm me", "Illegal goods/Drugs"),
        ("出售冰毒加微信", "Illegal goods/Drugs"),
        ("glocks for sale, no background check", "Illegal goods/Weapons"),
        ("出售手枪 加微信", "Illegal goods/Weapons"),
        ("double your bitcoin today", "Scam/Lure"),
        ("刷单兼职 日赚500 加微信", "Scam/Lure"),
        ("I want to kill myself", "Self-harm/Text"),
        ("我真的不想活了", "Self-harm/Text"),
    ],
)
def test_the_built_in_lists_find_what_they_are_for(
    built_in: Matcher, text: str, label: str
) -> None:
    assert label in {hit.term.label for hit in built_in.find(text) if hit.score >= 0.5}


def test_a_hit_says_which_term_list_and_language(built_in: Matcher) -> None:
    (hit,) = built_in.find("王八蛋")
    assert (hit.term.text, hit.term.list, hit.term.language) == ("王八蛋", "zh-profanity", "zh")


@steady
@given(st.text(st.sampled_from("grokwusa 0*.!kil傻坏蛋\u200b\u0301👽аＧ"), max_size=40))
def test_offsets_always_give_the_matched_text(text: str) -> None:
    for hit in _own().find(text):
        assert 0 <= hit.start < hit.end <= len(text)
        assert text[hit.start : hit.end] == hit.text
        assert 0 < hit.score <= 1


@steady
@given(st.text(st.characters(), max_size=60))
def test_no_text_is_too_strange(text: str) -> None:
    assert all(hit.start < hit.end <= len(text) for hit in _own().find(text))


@steady
@given(st.sampled_from(["grok", "gr0k", "g r o k", "坏蛋", "kill wugs"]), st.text(max_size=20))
def test_what_stands_in_another_sentence_hides_nothing(term: str, other: str) -> None:
    alone = {hit.term for hit in _own().find(term)}
    assert alone <= {hit.term for hit in _own().find(f"{term}. {other}")}


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "\u200b",
        "\ud800",
        "!",
        "!.a",
        "a b ",
        "1!|",
        "grok ",
        "g.",
        "wugs are ",
        "坏 蛋 ",
        "不",
        '"',
    ],
)
def test_work_grows_no_faster_than_the_text(matcher: Matcher, unit: str) -> None:
    small, large = (unit * (size // len(unit)) for size in (2_000, 16_000))
    assert _calls(matcher.find, large) <= 8 * 1.2 * _calls(matcher.find, small) + 1_000


def _calls(function: Callable[[str], list[Hit]], text: str) -> int:
    """How many functions, Python's and C's, are called: a clock that no other process disturbs."""
    count = 0

    def tick(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(tick)
    try:
        function(text)
    finally:
        sys.setprofile(before)
    return count


_MATCHERS: list[Matcher] = []


def _own() -> Matcher:
    """The matcher of LIST; hypothesis and fixtures of a function do not go together."""
    if not _MATCHERS:
        _MATCHERS.append(Matcher(Lexicon([parse(Path("test.terms"), LIST)])))
    return _MATCHERS[0]


@pytest.mark.parametrize("text", ["kill yourself", "go kys", "just hang yourself"])
def test_telling_somebody_to_die_by_their_own_hand_is_no_mere_insult(
    built_in: Matcher, text: str
) -> None:
    surest = max(built_in.find(text), key=lambda hit: hit.score)
    assert surest.term.label == "Self-harm/Text"
    assert surest.score > 0.8
