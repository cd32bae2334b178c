"""Weights: found in the promised order, never used with another digest."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from moderation.errors import ConfigurationError, ModelCorrupt, ModelError, ModelMissing
from moderation.models import Manifest, ModelStore, Weights

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def weights(source: str = "", digest: str = DIGEST) -> Weights:
    return Weights(name="net", files={"net.onnx": digest}, source=source)


def manifest(source: str = "", digest: str = DIGEST) -> Manifest:
    return Manifest({"net": weights(source, digest)})


def directory(path: Path, content: bytes = CONTENT, digest: str = DIGEST) -> Path:
    """A model directory as an operator makes it."""
    path.mkdir()
    (path / "net.onnx").write_bytes(content)
    (path / "manifest.toml").write_text(f'[net]\nfile = "net.onnx"\nsha256 = "{digest}"\n')
    return path


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server on loopback that stands in for a model hub."""
    root = tmp_path / "hub"
    root.mkdir()
    (root / "net.onnx").write_bytes(CONTENT)
    (root / "config.json").write_bytes(b"{}")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()


def test_a_model_directory_supplies_weights_by_name(tmp_path: Path) -> None:
    model = ModelStore((directory(tmp_path / "own"),)).resolve("net", Manifest())
    assert (model.path.read_bytes(), model.digest, model.listed) == (CONTENT, DIGEST, True)


def test_the_first_model_directory_wins(tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    first = directory(tmp_path / "first", b"other", other)
    store = ModelStore((first, directory(tmp_path / "second")))
    assert store.resolve("net", manifest()).digest == other


def test_a_model_directory_without_a_manifest_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no readable manifest\.toml"):
        ModelStore((tmp_path,)).resolve("net", Manifest())


def test_an_installed_package_supplies_what_it_carries() -> None:
    carried = Manifest.parse(
        f'[timeline]\nfile = "timeline.py"\nsha256 = "{digest_of("timeline.py")}"\n'
        'source = "package:moderation/timeline.py"\n',
        "here",
    )
    assert ModelStore().resolve("timeline", carried).path.name == "timeline.py"


def digest_of(module: str) -> str:
    import moderation

    return hashlib.sha256((Path(moderation.__file__).parent / module).read_bytes()).hexdigest()


def test_a_package_that_is_not_installed_supplies_nothing() -> None:
    with pytest.raises(ModelMissing, match="install the package not_installed"):
        ModelStore().resolve("net", manifest("package:not_installed/net.onnx"))


def test_weights_with_another_digest_are_refused(tmp_path: Path) -> None:
    store = ModelStore((directory(tmp_path / "own", b"tampered"),))
    with pytest.raises(ModelCorrupt, match="is not net"):
        store.resolve("net", Manifest())


def test_an_explicit_path_is_used_and_signed(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(CONTENT)
    model = ModelStore().resolve(str(tmp_path / "mine.onnx"), Manifest())
    assert (model.digest, model.listed) == (DIGEST, False)


def test_an_explicit_path_is_listed_when_a_manifest_knows_its_digest(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(CONTENT)
    assert ModelStore().resolve(str(tmp_path / "mine.onnx"), manifest()).listed


def test_a_path_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="there are no weights at"):
        ModelStore().resolve(str(tmp_path / "none.onnx"), Manifest())


def test_an_unknown_name_says_which_are_known() -> None:
    with pytest.raises(ModelMissing, match="known are: net"):
        ModelStore().resolve("nett", manifest())


def test_a_download_lands_in_the_cache(tmp_path: Path, server: str) -> None:
    store = ModelStore(cache=tmp_path / "cache", offline=False)
    model = store.resolve("net", manifest(server + "net.onnx"))
    assert model.path.read_bytes() == CONTENT
    assert ModelStore(cache=tmp_path / "cache").resolve("net", manifest()) == model


def test_several_files_are_pulled_into_one_folder(tmp_path: Path, server: str) -> None:
    files = {"net.onnx": DIGEST, "config.json": hashlib.sha256(b"{}").hexdigest()}
    folder = Weights(name="folder", files=files, source=server)
    model = ModelStore(cache=tmp_path / "cache").pull(folder)
    assert sorted(each.name for each in model.path.iterdir()) == ["config.json", "net.onnx"]


def test_an_interrupted_pull_is_missing_and_can_be_taken_up(tmp_path: Path, server: str) -> None:
    files = {"net.onnx": DIGEST, "gone.json": hashlib.sha256(b"{}").hexdigest()}
    folder = Weights(name="folder", files=files, source=server)
    store = ModelStore(cache=tmp_path / "cache")
    with pytest.raises(ModelError, match="could not be fetched"):
        store.pull(folder)
    with pytest.raises(ModelMissing):
        store.resolve("folder", Manifest({"folder": folder}))
    (tmp_path / "hub" / "gone.json").write_bytes(b"{}")
    assert store.pull(folder).path.is_dir()


def test_offline_nothing_is_downloaded(tmp_path: Path, server: str) -> None:
    store = ModelStore(cache=tmp_path / "cache", offline=True)
    with pytest.raises(ModelMissing):
        store.resolve("net", manifest(server + "net.onnx"))


def test_a_download_with_another_digest_leaves_nothing(tmp_path: Path, server: str) -> None:
    store = ModelStore(cache=tmp_path / "cache", offline=False)
    with pytest.raises(ModelCorrupt, match="is not net"):
        store.resolve("net", manifest(server + "net.onnx", digest="0" * 64))
    assert not [each for each in (tmp_path / "cache").rglob("*") if each.is_file()]


def test_a_download_that_fails_is_missing_weights(tmp_path: Path, server: str) -> None:
    store = ModelStore(cache=tmp_path / "cache", offline=False)
    with pytest.raises(ModelMissing, match="could not be downloaded"):
        store.resolve("net", manifest(server + "gone.onnx"))


def test_weights_without_an_address_cannot_be_pulled(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no address"):
        ModelStore(cache=tmp_path).pull(weights())


@pytest.mark.parametrize("file", ["/etc/passwd", "../up.onnx", ""])
def test_a_manifest_cannot_name_files_elsewhere(file: str) -> None:
    with pytest.raises(ConfigurationError, match="needs a relative file"):
        Manifest.parse(f'[net]\nfile = "{file}"\nsha256 = "{DIGEST}"', "here")


def test_present_weights_are_told_without_reading_them(tmp_path: Path) -> None:
    store = ModelStore((directory(tmp_path / "own", b"tampered"),))
    assert store.present(manifest()) == {"net": DIGEST}


def test_the_manifest_beside_the_checkout_holds(shared_data: Path) -> None:
    folder = shared_data / "models"
    store = ModelStore((folder,))
    names = list(Manifest.of_directory(folder).weights)
    assert [store.resolve(name, Manifest()).name for name in names] == names
