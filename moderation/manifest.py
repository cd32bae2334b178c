"""Manifests: which weights there are, in which files, with which digests and licence.

A manifest is TOML; `models.toml` inside a plugin's package, `manifest.toml` in a model directory:

    [yunet]
    file = "face_detection_yunet_2023mar.onnx"      # or: files = { "model.bin" = "<sha256>", ... }
    sha256 = "8f2383e4..."
    bytes = 232589
    licence = "MIT"
    source = "https://..."                          # or "package:nudenet/320n.onnx"
    what = "YuNet face detector"
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from moderation.errors import ConfigurationError

__all__ = ["Manifest", "Weights", "sha256_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One entry of a manifest."""

    name: str
    files: Mapping[str, str]
    """Relative file name -> sha256: one for a single file, several for a folder named `name`."""
    licence: str = ""
    source: str = ""
    """`https://` address (of the folder, ending in /, for several files), or
    `package:nudenet/320n.onnx` for what a dependency carries; empty: only the operator has it."""
    bytes: int = 0
    what: str = ""

    @classmethod
    def from_toml(cls, name: str, entry: Mapping[str, Any], where: str) -> Weights:
        files = entry.get("files") or {entry.get("file", ""): entry.get("sha256", "")}
        for file, digest in files.items():
            if (
                not file
                or Path(file).is_absolute()
                or ".." in Path(file).parts
                or len(digest) != 64
            ):
                raise ConfigurationError(
                    f"{where}: [{name}] needs a relative file and its sha256",
                    hint="see docs of models.toml",
                )
        known = {key: entry[key] for key in ("licence", "source", "bytes", "what") if key in entry}
        return cls(name=name, files=dict(files), **known)

    @property
    def digest(self) -> str:
        """The sha256 that stands for it: the file's own, or that of all names and digests."""
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        listing = "".join(f"{digest}  {file}\n" for file, digest in sorted(self.files.items()))
        return hashlib.sha256(listing.encode()).hexdigest()

    def path_in(self, directory: Path) -> Path:
        """The file, or the folder of the files, inside a model directory."""
        return directory / (next(iter(self.files)) if len(self.files) == 1 else self.name)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The weights that a plugin, or a model directory, knows by name."""

    weights: Mapping[str, Weights] = field(default_factory=dict)

    @classmethod
    def of_package(cls, package: str) -> Manifest:
        """Read `models.toml` inside an import package."""
        text = resources.files(package).joinpath("models.toml").read_text("utf-8")
        return cls.parse(text, f"{package}/models.toml")

    @classmethod
    def of_directory(cls, directory: Path) -> Manifest:
        """Read `manifest.toml` of a model directory; raises `ConfigurationError`."""
        path = directory / "manifest.toml"
        try:
            return cls.parse(path.read_text("utf-8"), str(path))
        except OSError as error:
            raise ConfigurationError(
                f"the model directory {directory} has no readable manifest.toml ({error.strerror})",
                hint="correct MODERATION_MODELS",
            ) from None

    @classmethod
    def parse(cls, text: str, where: str) -> Manifest:
        try:
            entries = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{where}: {error}", hint="correct the TOML") from None
        return cls({name: Weights.from_toml(name, entry, where) for name, entry in entries.items()})


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
