"""The tree of labels: whole, inherited, and helpful to whoever misspells it."""

from __future__ import annotations

import pickle
import re

import pytest

from moderation.errors import TaxonomyError
from moderation.taxonomy import Label, Taxonomy, is_within, parents
from moderation.verdict import Severity

TAXONOMY = Taxonomy.default()

REKOGNITION_7 = {
    "Explicit", "Explicit Nudity", "Exposed Male Genitalia", "Exposed Female Genitalia",
    "Exposed Buttocks or Anus", "Exposed Female Nipple", "Explicit Sexual Activity", "Sex Toys",
    "Non-Explicit Nudity", "Exposed Male Nipple", "Implied Nudity", "Obstructed Intimate Parts",
    "Obstructed Female Nipple", "Kissing on the Lips", "Swimwear or Underwear", "Violence",
    "Weapons", "Graphic Violence", "Weapon Violence", "Physical Violence", "Self-Harm",
    "Blood & Gore", "Explosions and Blasts", "Visually Disturbing", "Emaciated Bodies", "Corpses",
    "Crashes", "Air Crash", "Drugs & Tobacco", "Products", "Pills",
    "Drugs & Tobacco Paraphernalia & Use", "Smoking", "Alcohol", "Drinking",
    "Alcoholic Beverages", "Rude Gestures", "Middle Finger", "Gambling", "Hate Symbols",
    "Nazi Party", "White Supremacy", "Extremist",
}  # fmt: skip
TENCENT = {"Normal", "Porn", "Sexy", "Polity", "Illegal", "Abuse", "Terror", "Ad", "Custom"}
DSA = re.compile(r"STATEMENT_CATEGORY_[A-Z_]+")


def small(lines: str) -> Taxonomy:
    return Taxonomy.parse(f'version = "t"\n[labels]\n{lines}', "t.toml")


def test_every_label_names_itself_and_its_parent() -> None:
    for path, label in TAXONOMY.labels.items():
        assert label.path == path
        assert not label.parent or label.parent in TAXONOMY


def test_every_label_is_described_once() -> None:
    descriptions = [label.description for label in TAXONOMY]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)


def test_every_violation_has_a_severity_and_no_context_has_one() -> None:
    assert all((label.severity is Severity.NONE) is not label.is_violation for label in TAXONOMY)


def test_crosswalks_use_only_words_of_the_other_systems() -> None:
    for label in TAXONOMY:
        assert label.rekognition in REKOGNITION_7 | {""}, label.path
        assert label.tencent in TENCENT | {""}, label.path
        assert DSA.fullmatch(label.dsa) if label.is_violation else label.dsa == ""


def test_every_label_of_rekognition_can_come_back() -> None:
    assert {label.rekognition for label in TAXONOMY} - {""} == REKOGNITION_7


def test_what_a_label_does_not_say_it_has_from_its_parent() -> None:
    tree = small(
        'A = { description = "a", severity = "high", tencent = "Porn", dsa = "VIOLENCE" }\n'
        '"A/B" = { description = "b", tencent = "" }\n'
    )
    assert tree.get("A/B") == Label(
        "A/B", "b", Severity.HIGH, rekognition="", tencent="", dsa="STATEMENT_CATEGORY_VIOLENCE"
    )


def test_a_label_before_its_parent_is_refused() -> None:
    with pytest.raises(TaxonomyError, match="'A/B' stands before its parent"):
        small('"A/B" = { description = "b" }\nA = { description = "a" }')


@pytest.mark.parametrize("line", ["A = 1", 'A = { severity = "high" }', "A = {", 'A = { x = "" }'])
def test_what_is_no_label_is_refused_with_the_name_of_the_file(line: str) -> None:
    with pytest.raises(TaxonomyError, match=r"t\.toml is no taxonomy"):
        small(line)


def test_descendants_are_all_labels_below() -> None:
    below = [label.path for label in TAXONOMY.descendants("Hate")]
    assert "Hate/Slur" in below
    assert "Hate/Hate symbols/Nazi party" in below
    assert "Hate" not in below


def test_ancestors_come_nearest_first() -> None:
    above = [label.path for label in TAXONOMY.ancestors("Hate/Hate symbols/Nazi party")]
    assert above == ["Hate/Hate symbols", "Hate"]


def test_a_longer_name_is_not_a_descendant() -> None:
    assert is_within("Hate/Slur", "Hate")
    assert is_within("Hate", "Hate")
    assert not is_within("Hateful", "Hate")
    assert list(parents("a/b/c")) == ["a/b", "a"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Violence/Weapons/Knive", "Violence/Weapons/Knife"),
        ("violence/weapons/knife", "Violence/Weapons/Knife"),
        ("Knife", "Violence/Weapons/Knife"),
        ("Weapons/Knife", "Violence/Weapons/Knife"),
    ],
)
def test_a_misspelt_label_is_answered_with_the_one_that_was_meant(written: str, meant: str) -> None:
    with pytest.raises(TaxonomyError) as caught:
        TAXONOMY.get(written)
    assert caught.value.hint == f"did you mean {meant!r}?"


def test_a_label_like_no_other_is_answered_with_the_families() -> None:
    with pytest.raises(TaxonomyError, match="the families are Violence, Nudity"):
        TAXONOMY.get("Xyzzy")


def test_a_taxonomy_travels_to_another_process() -> None:
    there = pickle.loads(pickle.dumps(TAXONOMY))
    assert there == TAXONOMY
    assert hash(there) == hash(TAXONOMY)
