"""Which stores and buckets are asked at all."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from moderation.config import Settings
from moderation.errors import ConfigurationError, MediaFault, SourceError
from moderation.s3_listing import Folder, list_objects
from moderation.s3_settings import S3Settings
from moderation.sources import open_source


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """An S3 server as far as a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture
def ours(listener: socket.socket) -> S3Settings:
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return S3Settings(endpoint_url=endpoint, buckets=("ours",), read_timeout=1, max_attempts=1)


def was_asked(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def test_every_bucket_is_allowed_where_none_is_listed() -> None:
    assert S3Settings().allows("any")


def test_buckets_are_listed_in_the_environment_or_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in os.environ if each.startswith("MODERATION_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moderation.toml").write_text('[s3]\nbuckets = ["a"]\n')
    assert Settings.read().s3.buckets == ("a",)
    monkeypatch.setenv("MODERATION_S3__BUCKETS", "b, c")
    assert Settings.read().s3.buckets == ("b", "c")


@pytest.mark.parametrize("uri", ["s3://others/a.mp4", "S3://others/a.mp4", "s3://ours.evil/a.mp4"])
def test_fault_105_a_bucket_that_is_not_listed_is_not_asked(
    uri: str, ours: S3Settings, listener: socket.socket
) -> None:
    with pytest.raises(SourceError, match=r"is not among s3\.buckets") as refused:
        open_source(uri, ours)
    assert refused.value.fault is MediaFault.ACCESS_DENIED
    with pytest.raises(SourceError):
        list(list_objects(Folder.read(uri), ours))
    assert not was_asked(listener)


def test_a_local_path_is_in_no_bucket(tmp_path: Path, ours: S3Settings) -> None:
    (tmp_path / "a.mp4").write_bytes(b"video")
    open_source(tmp_path / "a.mp4", ours).close()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254",
        "http://169.254.169.254:80/latest",
        "http://user@169.254.1.1/",
        "http://2852039166/",
        "http://0xa9.254.43518/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]:9000",
        "http://[fd00:ec2::254]/",
    ],
)
def test_fault_105_a_link_local_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="link-local"):
        S3Settings(endpoint_url=url)


@pytest.mark.parametrize(
    "url", ["", "http://127.0.0.1:9000", "http://minio:9000", "https://s3.eu-west-1.amazonaws.com"]
)
def test_other_endpoints_are_not(url: str) -> None:
    assert S3Settings(endpoint_url=url).endpoint_url == url


def test_a_link_local_endpoint_in_the_environment_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODERATION_S3__ENDPOINT_URL", "http://169.254.169.254")
    with pytest.raises(ConfigurationError, match=r"s3\.endpoint_url does not hold"):
        Settings.read()
