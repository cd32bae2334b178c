"""Where diarization pipelines come from: only weights whose digests somebody wrote down."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import huggingface_hub.constants
import pytest
from moderation_speech.pipelines import find_pipeline
from pydantic import SecretStr

from moderation.errors import ModelCorrupt, ModelError, ModelMissing
from moderation.models import Manifest, ModelStore

TOKEN = SecretStr("hf_not-to-be-seen")
FILES = {"config.yaml": b"pipeline: {}\n", "segmentation/pytorch_model.bin": b"weights"}
LISTED = Manifest.parse(
    "[gated.files]\n" + "".join(f'"{n}" = "{sha256(b).hexdigest()}"\n' for n, b in FILES.items()),
    "test",
)


class Hub(BaseHTTPRequestHandler):
    """What the Hugging Face hub answers for one gated repository, `people/gated`."""

    files: ClassVar[dict[str, bytes]] = FILES
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        """Not on stderr."""

    def _answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        granted = self.headers.get("Authorization") == f"Bearer {TOKEN.get_secret_value()}"
        file = self.path.partition("/resolve/main/")[2]
        content = self.files[file] if granted else b""
        self.send_response(200 if granted else 401)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "a" * 40)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    Thread(target=server.serve_forever, daemon=True).start()
    Hub.asked.clear()
    yield Hub
    server.shutdown()
    server.server_close()


def online(tmp_path: Path) -> ModelStore:
    return ModelStore(cache=tmp_path / "cache", offline=False)


@pytest.mark.usefixtures("hub")
def test_a_gated_pipeline_is_fetched_with_the_token(tmp_path: Path) -> None:
    model = find_pipeline("people/gated", TOKEN, online(tmp_path), LISTED)
    assert (model.path / "config.yaml").read_bytes() == FILES["config.yaml"]


def test_it_is_fetched_once(hub: type[Hub], tmp_path: Path) -> None:
    find_pipeline("people/gated", TOKEN, online(tmp_path), LISTED)
    hub.asked.clear()
    assert find_pipeline("people/gated", TOKEN, online(tmp_path), LISTED).listed
    assert hub.asked == []


@pytest.mark.usefixtures("hub")
def test_a_token_that_opens_nothing_is_said_but_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="did not hand out people/gated") as caught:
        find_pipeline("people/gated", SecretStr("hf_wrong"), online(tmp_path), LISTED)
    assert "hf_wrong" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_other_bytes_than_the_manifest_promises_are_refused(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "files", {**FILES, "config.yaml": b"pipeline: {other: 1}\n"})
    with pytest.raises(ModelCorrupt, match=r"config\.yaml"):
        find_pipeline("people/gated", TOKEN, online(tmp_path), LISTED)


def test_nothing_is_fetched_offline(hub: type[Hub], tmp_path: Path) -> None:
    offline = ModelStore(cache=tmp_path / "cache", offline=True)
    with pytest.raises(ModelMissing, match="not on this machine"):
        find_pipeline("people/gated", TOKEN, offline, LISTED)
    assert hub.asked == []


def test_a_repository_without_known_digests_is_refused(hub: type[Hub], tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="in no manifest"):
        find_pipeline("people/unknown", TOKEN, online(tmp_path), LISTED)
    assert hub.asked == []


def test_a_folder_without_known_digests_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("pipeline: {}")
    with pytest.raises(ModelMissing, match="in no manifest"):
        find_pipeline(str(tmp_path), None, ModelStore(), LISTED)


def test_a_folder_that_a_manifest_lists_is_taken(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert find_pipeline(str(tmp_path), None, ModelStore(), LISTED).path == tmp_path
