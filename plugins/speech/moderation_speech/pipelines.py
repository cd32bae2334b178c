"""Where a diarization pipeline lies: a manifest's name, a folder, or a repository of the hub."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr

from moderation.errors import ModelError, ModelMissing
from moderation.models import Manifest, Model, ModelStore, Weights

__all__ = ["find_pipeline"]

_REPOSITORY = re.compile(r"[\w.-]+/([\w.-]+)")
"""`owner/name`; the name is also its name in a manifest."""


def find_pipeline(
    name: str, token: SecretStr | None, models: ModelStore, manifest: Manifest
) -> Model:
    """The pipeline's folder, its digests checked: its checkpoints are pickles, which run code.

    Raises `ModelMissing` where it is not on this machine, or its digests are in no manifest, and
    `ModelError` where the hub does not hand it out.
    """
    repository = _REPOSITORY.fullmatch(name)
    if repository and not Path(name).exists():
        return _of_hub(name, repository.group(1), token, models, manifest)
    model = models.resolve(name, manifest)
    if not model.listed:
        raise _unlisted(name)
    return model


def _of_hub(
    repository: str, name: str, token: SecretStr | None, models: ModelStore, manifest: Manifest
) -> Model:
    if name not in models.present(manifest) and token and not models.offline and models.cache:
        _fetch(repository, _listed(name, models, manifest), models.cache, token)
    return models.resolve(name, manifest)


def _listed(name: str, models: ModelStore, manifest: Manifest) -> Weights:
    known = [*(Manifest.of_directory(each) for each in models.directories), manifest]
    for each in known:
        if name in each.weights:
            return each.weights[name]
    raise _unlisted(name)


def _fetch(repository: str, weights: Weights, cache: Path, token: SecretStr) -> None:
    """Into the place where the store looks for them, and checks them."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    folder, secret = weights.path_in(cache / weights.name), token.get_secret_value()
    try:
        for file in weights.files:
            hf_hub_download(repository, file, local_dir=folder, token=secret)
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(
            f"the hub did not hand out {repository} ({type(error).__name__})",
            hint=f"accept its terms on the page of {repository}, and check the token",
        ) from None


def _unlisted(name: str) -> ModelMissing:
    return ModelMissing(
        f"the pipeline {name} is in no manifest, and its checkpoints are pickles",
        hint="list its files with their sha256 in the manifest.toml of a model directory",
    )
