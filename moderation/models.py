"""Where weights come from: a manifest says what there is, the store finds it and checks its digest.

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
import importlib.util
import os
import tempfile
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from moderation.errors import ConfigurationError, ModelCorrupt, ModelError, ModelMissing

__all__ = ["Manifest", "Model", "ModelStore", "Weights"]

_BLOCK = 1 << 20
"""Bytes read at once: enough that hashing, not calling, takes the time."""

_TIMEOUT = 20
"""Seconds without a byte after which a download has failed."""

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes received and the bytes expected (0 when unknown)."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights on this machine, digest checked. `path` is a file, or a folder for several files."""

    name: str
    path: Path
    digest: str
    licence: str = ""
    listed: bool = False
    """Whether the digest stands in a manifest: a pickled checkpoint may be loaded only then."""


class ModelStore:
    """Finds weights: explicit path, model directories, what packages carry, cache, download.

    directories  model directories of the operator (`MODERATION_MODELS`); their names win
    cache        where downloads are kept
    offline      never download (`MODERATION_OFFLINE`)
    """

    def __init__(
        self, directories: tuple[Path, ...] = (), cache: Path | None = None, *, offline: bool = True
    ) -> None:
        self.directories, self.cache, self.offline = directories, cache, offline

    def resolve(self, name: str, manifest: Manifest) -> Model:
        """Find weights by path or by name and check their digest.

        Raises `ModelMissing` with the command that fetches them, or `ModelCorrupt`.
        """
        if _looks_like_path(name):
            return self._explicit(Path(name).expanduser(), manifest)
        for weights, path in self.places(name, manifest):
            if path.exists():
                return _verified(weights, path)
        known = manifest.weights.get(name)
        if known and not self.offline and _downloadable(known):
            return self._pulled(known)
        raise self._missing(name, manifest)

    def places(self, name: str, manifest: Manifest) -> Iterator[tuple[Weights, Path]]:
        """Where weights of that name may lie, best first."""
        for directory in self.directories:
            own = Manifest.of_directory(directory).weights.get(name)
            if own:
                yield own, own.path_in(directory)
        if weights := manifest.weights.get(name):
            if carried := _carried(weights.source):
                yield weights, carried
            if self.cache:
                yield weights, weights.path_in(self.cache / name)

    def present(self, manifest: Manifest) -> dict[str, str]:
        """Names of weights that lie on this machine -> digest by manifest; contents not read."""
        found: dict[str, str] = {}
        own = [Manifest.of_directory(directory) for directory in self.directories]
        for name in {*manifest.weights, *(each for known in own for each in known.weights)}:
            place = next((w for w, path in self.places(name, manifest) if path.exists()), None)
            if place:
                found[name] = place.digest
        return found

    def pull(self, weights: Weights, progress: Progress = lambda *_: None) -> Model:
        """Download into the cache, digest checked before the file gets its name."""
        if self.cache is None or not _downloadable(weights):
            raise ModelError(
                f"{weights.name} has no address to download from",
                hint=f"put it into a model directory and set MODERATION_MODELS ({weights.what})",
            )
        target = self.cache / weights.name
        for file, digest in weights.files.items():
            address = weights.source + file if weights.source.endswith("/") else weights.source
            place = (
                weights.path_in(target)
                if len(weights.files) == 1
                else weights.path_in(target) / file
            )
            if not place.exists() or _sha256(place) != digest:
                _download(address, place, digest, progress)
        return _verified(weights, weights.path_in(target))

    def _pulled(self, weights: Weights) -> Model:
        try:
            return self.pull(weights)
        except ModelCorrupt:
            raise
        except ModelError as error:
            raise ModelMissing(
                f"the weights {weights.name} are not on this machine, and {error.message}",
                hint=f"run `moderation models pull {weights.name}` where there is a network",
            ) from None

    def _explicit(self, path: Path, manifest: Manifest) -> Model:
        if not path.exists():
            raise ModelMissing(
                f"there are no weights at {path}", hint="correct the option, or name a model"
            )
        digest = _sha256(path) if path.is_file() else _folder(path).digest
        manifests = [
            manifest,
            *(Manifest.of_directory(directory) for directory in self.directories),
        ]
        listed = any(
            digest == known.digest for each in manifests for known in each.weights.values()
        )
        return Model(name=path.name, path=path, digest=digest, listed=listed)

    def _missing(self, name: str, manifest: Manifest) -> ModelMissing:
        if name not in manifest.weights:
            known = ", ".join(manifest.weights) or "none"
            return ModelMissing(
                f"no manifest knows weights named {name}", hint=f"known are: {known}"
            )
        package = manifest.weights[name].source.removeprefix("package:").partition("/")[0]
        if manifest.weights[name].source.startswith("package:"):
            fetch = f"install the package {package}, which carries them"
        else:
            fetch = f"run `moderation models pull {name}`"
        hint = f"{fetch}, or name their directory in MODERATION_MODELS"
        return ModelMissing(f"the weights {name} are not on this machine", hint=hint)


def _looks_like_path(name: str) -> bool:
    return os.sep in name or name.startswith("~") or Path(name).suffix != ""


def _downloadable(weights: Weights) -> bool:
    return weights.source.startswith(("https://", "http://127.0.0.1"))


def _carried(source: str) -> Path | None:
    """The path behind `package:top/inner`, found without an import; None when not installed."""
    if not source.startswith("package:"):
        return None
    package, _, inner = source.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / inner


def _verified(weights: Weights, path: Path) -> Model:
    for file, expected in weights.files.items():
        place = path if len(weights.files) == 1 else path / file
        found = _sha256(place) if place.is_file() else "nothing"
        if found != expected:
            raise ModelCorrupt(
                f"{place} is not {weights.name} (sha256 {found[:12]}, not {expected[:12]})",
                hint="delete it and run `moderation models pull`, or correct the manifest",
            )
    return Model(
        name=weights.name, path=path, digest=weights.digest, licence=weights.licence, listed=True
    )


def _folder(path: Path) -> Weights:
    files = {str(f.relative_to(path)): _sha256(f) for f in sorted(path.rglob("*")) if f.is_file()}
    return Weights(name=path.name, files=files)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(address: str, place: Path, digest: str, progress: Progress) -> None:
    """Fetch to a temporary file, check, sync, rename: never half a file under its name."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".pull-", delete=False) as part:
        try:
            _fetch(address, part, place.name, progress)
            part.flush()
            os.fsync(part.fileno())
            found = _sha256(Path(part.name))
            if found != digest:
                raise ModelCorrupt(
                    f"{address} is not {place.name} (sha256 {found[:12]}, not {digest[:12]})",
                    hint="do not use it; tell whoever keeps the manifest",
                )
            os.replace(part.name, place)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _fetch(address: str, part: Any, name: str, progress: Progress) -> None:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
            expected, received = int(answer.headers.get("Content-Length") or 0), 0
            while block := answer.read(_BLOCK):
                part.write(block)
                progress(name, received := received + len(block), expected)
    except OSError as error:
        raise ModelError(
            f"{address} could not be fetched ({error})", hint="check the network, then again"
        ) from None
