"""Enrollment: pictures of people become a watch list, or are refused with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from moderation import Frame, FrameBatch, Instant
from moderation.errors import ConfigurationError, PermanentError
from moderation_faces.face import Face
from moderation_faces.finder import FaceFinder
from moderation_faces.recogniser import SIDE, Recogniser
from moderation_faces.watchlist import Embedding, Enrolled, WatchList

__all__ = ["Enrollment", "Refused", "enroll", "portraits"]

MIN_FACE = SIDE // 2
"""Pixels of an enrolled face's shorter side: half of what the recogniser sees; below, more of it
is made up than seen."""


_LAYOUT = "give each person a folder named by your id of theirs: FOLDER/<external id>/<picture>.jpg"


class Refused(PermanentError):
    """A picture that cannot be enrolled."""


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What came of one picture: `refused` says why it was not enrolled, or is empty."""

    person: str
    path: Path
    refused: str = ""


def portraits(folder: Path) -> list[tuple[str, Path]]:
    """The pictures in `folder/<external id>/`, with the id, in order of their names.

    Raises `ConfigurationError` when there are none.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder", hint=_LAYOUT)
    people = sorted(each for each in folder.iterdir() if each.is_dir() and _visible(each))
    found = [
        (person.name, path)
        for person in people
        for path in sorted(person.iterdir())
        if path.is_file() and _visible(path)
    ]
    if not found:
        raise ConfigurationError(f"{folder} holds no folder with pictures", hint=_LAYOUT)
    return found


def enroll(
    watch_list: WatchList,
    pictures: Iterable[tuple[str, Path]],
    finder: FaceFinder,
    recogniser: Recogniser,
) -> tuple[WatchList, list[Enrollment]]:
    """The list with the faces of `pictures` (of `portraits`), and what came of each picture."""
    outcomes = []
    for person, path in pictures:
        try:
            picture, embedding = _embedded(path, finder, recogniser)
            watch_list = watch_list.add(Enrolled(person, picture), embedding)
            outcomes.append(Enrollment(person, path))
        except Refused as reason:
            outcomes.append(Enrollment(person, path, str(reason)))
    return watch_list, outcomes


def _embedded(path: Path, finder: FaceFinder, recogniser: Recogniser) -> tuple[str, Embedding]:
    """The picture's sha256 and the embedding of the one face in it."""
    frame = _read(path)
    [faces] = finder.find(FrameBatch([frame]))
    embedding = recogniser.embed(frame.image, _only(faces))
    return hashlib.sha256(path.read_bytes()).hexdigest(), embedding


def _read(path: Path) -> Frame:
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Refused("it is not a picture that can be read", hint=str(error)) from None
    image = np.asarray(upright)
    image.flags.writeable = False
    return Frame(image, Instant(0), 0)


def _only(faces: list[Face]) -> Face:
    if not faces:
        raise Refused("it shows no face", hint="find a picture from the front")
    if len(faces) > 1:
        raise Refused(f"it shows {len(faces)} faces", hint="cut out the one that is meant")
    if faces[0].shorter_side < MIN_FACE:
        across = f"{faces[0].shorter_side:.0f} pixels across"
        raise Refused(f"its face is {across}", hint=f"find a picture with at least {MIN_FACE}")
    return faces[0]


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")
