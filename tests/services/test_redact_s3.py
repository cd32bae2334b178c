"""Redaction of an upload in S3: read by ranges, written here, and never what replaced it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from moderation.cli import main
from moderation.covers import Part
from moderation.decision import Remedy
from moderation.errors import MediaFault, SourceError, SourceUnavailable
from moderation.limits import MediaLimits
from moderation.redact import redact
from moderation.redaction import Edit
from moderation.redaction_manifest import Manifest
from moderation.s3_settings import S3Settings
from moderation.source import Source
from moderation.sources import open_source
from moderation.testing.clips import Clip, tone
from moderation.timeline import Span
from tests.services.s3_proxy import Answer, Cut, S3Proxy
from tests.services.s3_server import S3Server

URI = "s3://uploads/a/film.mp4"
BLOCK = 64 << 10
"""The smallest block that settings allow."""

JPEG = "yuvj420p"

pytestmark = pytest.mark.usefixtures("credentials")


def noise(at: float) -> NDArray[np.uint8]:
    """Of which no codec makes little: a film of several blocks."""
    return np.random.default_rng(round(at * 10)).integers(0, 256, (96, 160, 3), np.uint8)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(160, 96, fps=5).show(6, noise).hear(tone(6))
    return clip.write(tmp_path_factory.mktemp("clips") / "film.mp4", video="mjpeg", pixels=JPEG)


@pytest.fixture
def server(s3_server: S3Server, film: Path) -> S3Server:
    s3_server.reset()
    s3_server.client.create_bucket(Bucket="uploads")
    put(s3_server, film.read_bytes())
    return s3_server


@pytest.fixture
def proxy(server: S3Server, s3_proxy: S3Proxy) -> S3Proxy:
    s3_proxy.reset()
    s3_proxy.upstream = server.port
    return s3_proxy


@pytest.fixture
def settings(proxy: S3Proxy) -> S3Settings:
    return S3Settings(endpoint_url=proxy.url, region="us-east-1", max_attempts=2, block_bytes=BLOCK)


def put(server: S3Server, content: bytes) -> None:
    server.client.put_object(Bucket="uploads", Key="a/film.mp4", Body=content)


def edits() -> list[Edit]:
    """Half of it hidden, a second muted, and a second cut out."""
    return [
        made(Remedy.BLUR, Span.from_seconds(0, 3)),
        made(Remedy.MUTE, Span.from_seconds(1, 2)),
        made(Remedy.CUT, Span.from_seconds(4, 5)),
    ]


def made(remedy: Remedy, span: Span) -> Edit:
    return Edit(label="Violence", span=span, remedy=remedy, parts=(Part(span),))


def redacted(source: Source, target: Path) -> Manifest:
    with source:
        return redact(source, edits(), target, MediaLimits())


def pictures(path: Path) -> list[Any]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def test_it_becomes_what_the_same_file_on_a_disk_becomes(
    settings: S3Settings, film: Path, tmp_path: Path
) -> None:
    there = redacted(open_source(URI, settings), tmp_path / "there.mp4")
    here = redacted(Source.open(film), tmp_path / "here.mp4")
    assert there.output is not None
    assert here.output is not None
    assert there.input.uri == URI
    assert there.input.sha256 == here.input.sha256
    assert there.edits == here.edits
    assert there.output.duration_s == here.output.duration_s == pytest.approx(5, abs=0.1)
    shown, wanted = pictures(tmp_path / "there.mp4"), pictures(tmp_path / "here.mp4")
    assert len(shown) == len(wanted) == 25
    assert all(np.array_equal(*pair) for pair in zip(shown, wanted, strict=True))


def test_it_is_read_block_by_block(
    settings: S3Settings, proxy: S3Proxy, film: Path, tmp_path: Path
) -> None:
    redacted(open_source(URI, settings), tmp_path / "made.mp4")
    size = film.stat().st_size
    assert size > 2 * BLOCK
    blocks = {first for first, last in proxy.ranges if last - first < BLOCK}
    assert blocks >= {*range(0, size, BLOCK)}


def test_a_line_that_breaks_is_gone_on_with(
    settings: S3Settings, proxy: S3Proxy, tmp_path: Path
) -> None:
    source = open_source(URI, settings)
    proxy.faults.extend([None, Cut(1_000), None, Cut(1_000)])
    assert redacted(source, tmp_path / "made.mp4").output is not None
    assert not proxy.faults


def test_the_version_that_was_opened_is_redacted_whatever_lies_there_now(
    server: S3Server, settings: S3Settings, film: Path, tmp_path: Path
) -> None:
    versions = {"Status": "Enabled"}
    server.client.put_bucket_versioning(Bucket="uploads", VersioningConfiguration=versions)
    put(server, film.read_bytes())
    source = open_source(URI, settings)
    put(server, b"another upload")
    assert redacted(source, tmp_path / "made.mp4").output is not None


def test_what_replaced_it_is_not_redacted_in_its_place(
    server: S3Server, settings: S3Settings, tmp_path: Path
) -> None:
    source = open_source(URI, settings)
    put(server, b"another upload")
    with pytest.raises(SourceError) as refused:
        redacted(source, tmp_path / "made.mp4")
    assert refused.value.fault is MediaFault.CHANGED
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_does_not_answer_leaves_no_file(
    settings: S3Settings, proxy: S3Proxy, tmp_path: Path
) -> None:
    source = open_source(URI, settings)
    proxy.faults.extend([Answer(503, "SlowDown")] * 100)
    with pytest.raises(SourceUnavailable):
        redacted(source, tmp_path / "made.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_it_where_one_is(
    settings: S3Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "edits.json"
    listed.write_text(json.dumps({"edits": [{"remedy": "cut", "start_s": 0, "end_s": 1}]}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MODERATION_S3__ENDPOINT_URL", str(settings.endpoint_url))
    monkeypatch.setenv("MODERATION_S3__REGION", "us-east-1")
    monkeypatch.setattr(sys, "argv", ["moderation", "redact", URI, "--edits", str(listed)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    assert len(pictures(tmp_path / "film.redacted.mp4")) == 25
