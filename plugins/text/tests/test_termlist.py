"""Lists are read as written, and refused with the line that does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from moderation_text.lexicon import OWN_LISTS, Lexicon
from moderation_text.termlist import LABELS, STRENGTH, Step, TermList, parse

from moderation.errors import ConfigurationError
from moderation.taxonomy import Taxonomy

FILE = Path("own.terms")


def lexicon(*texts: str) -> Lexicon:
    return Lexicon([parse(FILE, "language: en\n" + text) for text in texts])


def read(text: str) -> TermList:
    return parse(FILE, "language: en\n" + text)


def test_a_term_has_its_label_severity_and_variants() -> None:
    parsed = read("[terms Scam/Lure severity=2]\n# why\nfree phone: free fone, phone for free")
    ((term, forms),) = parsed.terms
    assert (term.text, term.label, term.severity) == ("free phone", "Scam/Lure", 2)
    assert (term.strength, term.language, term.list) == (STRENGTH[2], "en", "own")
    assert forms == ("free phone", "free fone", "phone for free")


def test_a_section_may_name_its_own_strength() -> None:
    ((term, _),) = read("[terms Scam/Lure severity=1 strength=0.55]\nfoo").terms
    assert term.strength == 0.55


def test_a_hyphen_opens_a_variant_on_that_side() -> None:
    variants = lexicon("[terms Scam/Lure severity=1]\nfoo: -foo-, foo-").variants
    assert [(v.text, v.inner_start, v.inner_end) for v in variants] == [
        ("foo", False, False),
        ("foo", True, True),
        ("foo", False, True),
    ]


def test_a_pattern_is_read_into_its_steps() -> None:
    text = "[class pet]\ncat\n[patterns Scam/Lure severity=1]\nfree as ~2 (a bird|air)? ~3. {pet}"
    (pattern,) = read(text).patterns
    assert pattern.steps == (
        Step(("free as",)),
        Step(("a bird", "air"), gap=2, optional=True),
        Step("pet", gap=3, cross=True),
    )


def test_an_optional_step_leaves_its_gap_to_the_next() -> None:
    patterns = lexicon("[allow]\nfoo ~1 (bar)? ~2 baz").patterns
    assert [len(p.steps) for p in patterns] == [3, 2]
    assert patterns[1].steps[1] == (("baz",), 3, False)


def test_classes_of_one_name_are_one_class_and_may_hold_others() -> None:
    joined = lexicon("[class pet]\ncat, {big}\n[class big]\nHorse", "[class pet]\ndog")
    assert joined.classes["pet"] == {"cat", "dog", "horse"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("foo", 2, "before any section"),
        ("[nothing]", 2, "is no section"),
        ("[terms Scam/Lure]\nfoo", 2, "no label with a severity"),
        ("[terms Scam/Lure severity=4]\nfoo", 2, "no label with a severity"),
        ("[terms Scam/Lrue severity=1]\nfoo", 2, "no label of the term lists"),
        ("[terms Scam/Lure severity=1 strength=7]\nfoo", 2, "between 0 and 1"),
        ("[terms Scam/Lure severity=1]\n\n-: foo", 4, "empty term"),
        ("[allow]\nfoo ~2", 3, "nothing after it"),
        ("[allow]\nfoo ~99 bar", 3, "more than 12 words"),
        ("[allow]\nfoo )bar", 3, "no part of a pattern"),
        ("[allow]\nfoo? bar", 3, "no part of a pattern"),
        ("[allow]\n(foo)?", 3, "nothing in particular"),
        ("[class Pets]\nfoo", 2, "is no section"),
    ],
)
def test_a_line_that_does_not_hold_is_named(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        read(text)
    assert caught.value.message.startswith(f"own.terms:{line}: ")


def test_a_file_without_a_language_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"own.terms:1: no language"):
        parse(FILE, "[allow]\nfoo")


@pytest.mark.parametrize("where", ["[allow]\nmy {pte}", "[class big]\n{pte}"])
def test_an_unknown_class_is_named_with_the_likely_one(where: str) -> None:
    with pytest.raises(ConfigurationError, match=r"own.terms:5: .*'pte'") as caught:
        lexicon("[class pet]\ncat\n" + where)
    assert caught.value.hint == "did you mean {pet}?"


def test_a_class_that_contains_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="contains itself"):
        lexicon("[class a]\n{b}\n[class b]\n{a}")


def test_own_lists_of_the_operator_are_added(tmp_path: Path) -> None:
    (tmp_path / "ours.terms").write_text(
        "language: en\n[terms Scam/Lure severity=1]\nblorple\n", encoding="utf-8"
    )
    variants = Lexicon.load(extra=[tmp_path]).variants
    assert [v.term.list for v in variants if v.text == "blorple"] == ["ours"]


def test_languages_can_be_chosen() -> None:
    assert {v.term.language for v in Lexicon.load(["zh"]).variants} <= {"zh", "any"}


def test_a_language_without_lists_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no term list for xx"):
        Lexicon.load(["en", "xx"])


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder of term lists"):
        Lexicon.load(extra=[tmp_path / "nowhere"])


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.terms").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Lexicon.load(extra=[tmp_path])


def test_every_label_is_in_the_taxonomy() -> None:
    assert all(label in Taxonomy.default() for label in LABELS)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_english_and_chinese_have_terms_under_every_label(language: str) -> None:
    built_in = Lexicon.load([language])
    labels = {v.term.label for v in built_in.variants}
    labels |= {p.term.label for p in built_in.patterns if p.term}
    assert labels == set(LABELS)


@pytest.mark.parametrize("path", sorted(OWN_LISTS.glob("*.terms")), ids=lambda path: path.stem)
def test_each_built_in_list_is_read(path: Path) -> None:
    parsed = parse(path, path.read_text(encoding="utf-8"))
    assert parsed.terms or parsed.patterns or parsed.classes or parsed.ordinary
