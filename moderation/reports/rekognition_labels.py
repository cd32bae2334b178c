"""Where Rekognition's moderation labels (model 7) stand in their tree of three levels."""

from __future__ import annotations

from typing import Final, NamedTuple

from moderation.taxonomy import Taxonomy, parents

__all__ = ["Name", "ladder"]

_INTIMATE: Final = "Non-Explicit Nudity of Intimate parts and Kissing"

_PARENTS: Final = {
    "Explicit": "",
    "Explicit Nudity": "Explicit",
    "Exposed Male Genitalia": "Explicit Nudity",
    "Exposed Female Genitalia": "Explicit Nudity",
    "Exposed Buttocks or Anus": "Explicit Nudity",
    "Exposed Female Nipple": "Explicit Nudity",
    "Explicit Sexual Activity": "Explicit",
    "Sex Toys": "Explicit",
    _INTIMATE: "",
    "Non-Explicit Nudity": _INTIMATE,
    "Exposed Male Nipple": "Non-Explicit Nudity",
    "Implied Nudity": "Non-Explicit Nudity",
    "Obstructed Intimate Parts": _INTIMATE,
    "Obstructed Female Nipple": "Obstructed Intimate Parts",
    "Kissing on the Lips": _INTIMATE,
    "Swimwear or Underwear": "",
    "Violence": "",
    "Weapons": "Violence",
    "Graphic Violence": "Violence",
    "Weapon Violence": "Graphic Violence",
    "Physical Violence": "Graphic Violence",
    "Self-Harm": "Graphic Violence",
    "Blood & Gore": "Graphic Violence",
    "Explosions and Blasts": "Graphic Violence",
    "Visually Disturbing": "",
    "Emaciated Bodies": "Death and Emaciation",
    "Corpses": "Death and Emaciation",
    "Death and Emaciation": "Visually Disturbing",
    "Crashes": "Visually Disturbing",
    "Air Crash": "Crashes",
    "Drugs & Tobacco": "",
    "Products": "Drugs & Tobacco",
    "Pills": "Products",
    "Drugs & Tobacco Paraphernalia & Use": "Drugs & Tobacco",
    "Smoking": "Drugs & Tobacco Paraphernalia & Use",
    "Alcohol": "",
    "Alcohol Use": "Alcohol",
    "Drinking": "Alcohol Use",
    "Alcoholic Beverages": "Alcohol",
    "Rude Gestures": "",
    "Middle Finger": "Rude Gestures",
    "Gambling": "",
    "Hate Symbols": "",
    "Nazi Party": "Hate Symbols",
    "White Supremacy": "Hate Symbols",
    "Extremist": "Hate Symbols",
}
"""Of those that our taxonomy names, and of those above them."""


class Name(NamedTuple):
    """A label with its place: level 1 is the top, and has no parent."""

    level: int
    name: str
    parent: str


def ladder(label: str) -> tuple[Name, ...]:
    """What Rekognition says of `label`, from the top: with our names where it has none.

    Empty for context, unless Rekognition has a label for it.
    """
    taxonomy = Taxonomy.default()
    known = taxonomy.get(label) if label in taxonomy else None
    if known is not None and known.rekognition:
        return _numbered(_path(known.rekognition))
    if known is not None and not known.is_violation:
        return ()
    own = [label, *parents(label)]
    return _numbered([each.rpartition("/")[2] for each in reversed(own)])


def _path(name: str) -> list[str]:
    path = [name]
    while parent := _PARENTS.get(path[0]):
        path.insert(0, parent)
    return path


def _numbered(path: list[str]) -> tuple[Name, ...]:
    above = ["", *path]
    return tuple(Name(level, path[level - 1], above[level - 1]) for level in range(1, len(above)))
