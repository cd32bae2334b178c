"""The watch list: embeddings of people's faces in one file, signed with the network that made them.

The file is NumPy's npz without pickles. It holds no pictures, only their digests; but embeddings
of faces are personal data, so it is readable for its owner alone.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.errors import ConfigurationError
from moderation.models import Model

__all__ = ["Embedding", "Enrolled", "Match", "WatchList"]

Embedding = NDArray[np.float32]
"""Of one face: shape (dimensions,), of length 1, so that the product of two is their cosine."""

_FORMAT = "moderation.watchlist/v1"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One face on the list: whose it is, and the sha256 of the picture it came from."""

    person: str
    """The operator's own id of the person."""
    picture: str


@dataclass(frozen=True, slots=True)
class Match:
    """The face on the list that is most like the one in question.

    similarity  cosine, -1..1
    score       what the recogniser makes of it, 0..1
    """

    face: Enrolled
    similarity: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class WatchList:
    """Enrolled faces; immutable.

    model, digest  the recogniser's name and the sha256 of its weights
    embeddings     float32, shape (faces, dimensions), each of length 1
    """

    model: str
    digest: str
    faces: tuple[Enrolled, ...] = ()
    embeddings: NDArray[np.float32] | None = None
    """None while there are no faces."""

    @classmethod
    def read(cls, path: Path) -> WatchList:
        """Raises `ConfigurationError` when there is no watch list in that file."""
        try:
            with path.open("rb") as file:
                return cls._from_arrays(np.load(file, allow_pickle=False))
        except FileNotFoundError:
            raise ConfigurationError(
                f"there is no watch list at {path}",
                hint=f"make one with `moderation faces enroll FOLDER --list {path}`",
            ) from None
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ConfigurationError(
                f"{path} is not a watch list ({error})", hint="enroll again into another file"
            ) from None

    @classmethod
    def _from_arrays(cls, file: object) -> WatchList:
        if not isinstance(file, np.lib.npyio.NpzFile) or str(file["format"]) != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
        columns = zip(file["people"].tolist(), file["pictures"].tolist(), strict=True)
        faces = tuple(Enrolled(person, picture) for person, picture in columns)
        embeddings = file["embeddings"].astype(np.float32)
        if len(embeddings) != len(faces):
            raise ValueError("it does not have one embedding for each face")
        return cls(str(file["model"]), str(file["digest"]), faces, embeddings if faces else None)

    def write(self, path: Path) -> None:
        """Write beside `path`, then rename: never half a list under its name."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".list-", delete=False) as part:
            try:
                np.savez(
                    part,
                    format=_FORMAT,
                    model=self.model,
                    digest=self.digest,
                    people=np.array([face.person for face in self.faces], np.str_),
                    pictures=np.array([face.picture for face in self.faces], np.str_),
                    embeddings=np.zeros((0, 0)) if self.embeddings is None else self.embeddings,
                )
                part.flush()
                os.fsync(part.fileno())
                os.replace(part.name, path)
            finally:
                Path(part.name).unlink(missing_ok=True)

    def check(self, model: Model, path: Path) -> None:
        """Raises `ConfigurationError` when another network than `model` made the embeddings."""
        if self.digest != model.digest:
            raise ConfigurationError(
                f"the watch list {path} was enrolled with {self.model} ({self.digest[:12]}), "
                f"not with {model.name} ({model.digest[:12]}), whose embeddings are different",
                hint=f"enroll again: `moderation faces enroll FOLDER --list FILE`, FILE a new one, "
                f"or set the option `recogniser` of [detectors.faces] back to {self.model}",
            )

    @property
    def people(self) -> dict[str, int]:
        """Person -> how many faces of theirs are enrolled, by name."""
        names = sorted(face.person for face in self.faces)
        return {name: names.count(name) for name in names}

    def add(self, face: Enrolled, embedding: Embedding) -> WatchList:
        """With one more face; the same picture of the same person is replaced."""
        rest = self._where(other != face for other in self.faces)
        row = embedding[np.newaxis]
        rows = row if rest.embeddings is None else np.concatenate([rest.embeddings, row])
        return replace(rest, faces=(*rest.faces, face), embeddings=rows)

    def remove(self, person: str) -> WatchList:
        """Without all faces of a person; the same list when it has none."""
        return self._where(face.person != person for face in self.faces)

    def nearest(self, embedding: Embedding) -> tuple[Enrolled, float] | None:
        """The most similar face of the list and its cosine; None when the list is empty."""
        if self.embeddings is None:
            return None
        similarities = self.embeddings @ embedding
        index = int(np.argmax(similarities))
        return self.faces[index], float(similarities[index])

    def _where(self, keep: Iterable[bool]) -> WatchList:
        kept = np.flatnonzero(np.fromiter(keep, bool, len(self.faces)))
        if self.embeddings is None or not len(kept):
            return replace(self, faces=(), embeddings=None)
        faces = tuple(self.faces[index] for index in kept)
        return replace(self, faces=faces, embeddings=self.embeddings[kept])
