"""Uploads in S3: what is read is one version of an object, or an error that says why not."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moderation.config import Settings
from moderation.detector import Frames
from moderation.errors import (
    ConfigurationError,
    MediaError,
    MediaFault,
    SourceError,
    SourceUnavailable,
)
from moderation.limits import MediaLimits
from moderation.media import Frame, MediaReader, broadcast
from moderation.s3 import uri_of
from moderation.s3_settings import S3Settings
from moderation.source import Source
from moderation.sources import open_source
from moderation.testing.clips import Clip, number_in, numbered
from tests.services.conftest import SECRET
from tests.services.s3_proxy import Answer, Cut, S3Proxy
from tests.services.s3_server import S3Server

BLOCK = 64 << 10
"""The smallest block that settings allow."""

CONTENT = bytes(range(251)) * 2_000
"""Some blocks and a part of one, no two alike."""

OTHER = CONTENT[::-1]


pytestmark = pytest.mark.usefixtures("credentials")


@pytest.fixture
def server(s3_server: S3Server) -> S3Server:
    """With a bucket "uploads", and in it "a.mp4"."""
    s3_server.reset()
    s3_server.client.create_bucket(Bucket="uploads")
    put(s3_server, CONTENT)
    return s3_server


@pytest.fixture
def proxy(server: S3Server, s3_proxy: S3Proxy) -> S3Proxy:
    """Before `server`, with nothing asked yet."""
    s3_proxy.reset()
    s3_proxy.upstream = server.port
    return s3_proxy


@pytest.fixture
def settings(proxy: S3Proxy) -> S3Settings:
    return S3Settings(endpoint_url=proxy.url, region="us-east-1", max_attempts=2, block_bytes=BLOCK)


def put(server: S3Server, content: bytes, key: str = "a.mp4", **more: Any) -> str:
    """Its version, or ""."""
    answer = server.client.put_object(Bucket="uploads", Key=key, Body=content, **more)
    return str(answer.get("VersionId", ""))


def keep_versions(server: S3Server) -> None:
    server.client.put_bucket_versioning(
        Bucket="uploads", VersioningConfiguration={"Status": "Enabled"}
    )


def opened(settings: S3Settings, key: str = "a.mp4") -> Source:
    return open_source(f"s3://uploads/{key}", settings)


def whole(source: Source) -> bytes:
    return source.read(source.size)


def refused(settings: S3Settings, key: str = "a.mp4") -> SourceError:
    with pytest.raises(SourceError) as raised:
        opened(settings, key)
    return raised.value


# Opening


def test_an_object_is_a_source_without_a_descriptor(settings: S3Settings) -> None:
    with opened(settings) as source:
        assert (source.uri, source.size, source.fd) == ("s3://uploads/a.mp4", len(CONTENT), None)
        assert whole(source) == CONTENT


def test_a_local_path_is_still_a_local_file(tmp_path: Path, settings: S3Settings) -> None:
    path = tmp_path / "s3:a.mp4"
    path.write_bytes(b"x")
    with open_source(path, settings) as source:
        assert source.fd is not None


def test_the_pin_is_the_etag_where_no_versions_are_kept(settings: S3Settings) -> None:
    digest = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    with opened(settings) as source:
        assert source.pin == f"etag:{digest}"


def test_the_pin_is_the_version_where_versions_are_kept(
    server: S3Server, settings: S3Settings
) -> None:
    keep_versions(server)
    version = put(server, OTHER)
    with opened(settings) as source:
        assert source.pin == f"version:{version}"


def test_an_object_older_than_its_buckets_versions_is_pinned_by_its_etag(
    server: S3Server, settings: S3Settings
) -> None:
    keep_versions(server)
    with opened(settings) as source:
        assert source.pin.startswith("etag:")


def test_a_uri_may_name_a_version(server: S3Server, settings: S3Settings) -> None:
    keep_versions(server)
    old = put(server, CONTENT)
    put(server, OTHER)
    with opened(settings, f"a.mp4?versionId={old}") as source:
        assert (source.pin, whole(source)) == (f"version:{old}", CONTENT)


def test_the_pinned_uri_names_the_version_that_was_opened(
    server: S3Server, settings: S3Settings
) -> None:
    keep_versions(server)
    old = put(server, CONTENT)
    with opened(settings) as source:
        pinned = source.pinned_uri
    put(server, OTHER)
    assert pinned == uri_of("uploads", "a.mp4", old)
    with open_source(pinned, settings) as source:
        assert (source.pinned_uri, whole(source)) == (pinned, CONTENT)


def test_the_pinned_uri_is_the_uri_where_no_versions_are_kept(settings: S3Settings) -> None:
    with opened(settings) as source:
        assert source.pinned_uri == source.uri == uri_of("uploads", "a.mp4")


@pytest.mark.parametrize(
    "key",
    [
        "red flower.mp4",
        "a+b.mp4",
        "100%.mp4",
        "a=b&c.mp4",
        "ünï/日本.mp4",
        "🎬.mp4",
        "a%2Fb.mp4",
        "%E6%97%A5+x.mp4",
        "what?.mp4",
        "a?versionId=1/b.mp4",
        "a#b.mp4",
        "//a//b.mp4",
        "=cmd()<img onerror>.mp4",
    ],
)
def test_fault_091_a_strange_key_names_exactly_its_object(
    server: S3Server, settings: S3Settings, key: str
) -> None:
    put(server, b"exactly this", key)
    with opened(settings, key) as source:
        assert whole(source) == b"exactly this"


def test_a_key_is_not_decoded(server: S3Server, settings: S3Settings) -> None:
    put(server, b"x", "a b.mp4")
    assert refused(settings, "a%20b.mp4").fault is MediaFault.NOT_FOUND


@pytest.mark.parametrize("uri", ["s3://", "s3://uploads", "s3://uploads/", "s3:///a", "S3://_/a"])
def test_a_uri_that_names_no_object_is_not_found(settings: S3Settings, uri: str) -> None:
    with pytest.raises(SourceError) as raised:
        open_source(uri, settings)
    assert raised.value.fault is MediaFault.NOT_FOUND


def test_a_missing_bucket_is_not_found(settings: S3Settings) -> None:
    with pytest.raises(SourceError) as raised:
        open_source("s3://elsewhere/a.mp4", settings)
    assert raised.value.fault is MediaFault.NOT_FOUND


def test_an_empty_object_is_refused(server: S3Server, settings: S3Settings) -> None:
    put(server, b"", "folder/")
    assert refused(settings, "folder/").fault is MediaFault.EMPTY


def test_a_message_about_an_object_is_one_printable_line(settings: S3Settings) -> None:
    assert str(refused(settings, "a\nb\x1b[31m")).isprintable()


# Reading


@pytest.mark.parametrize(
    ("count", "at"),
    [(10, 0), (10, BLOCK - 5), (3 * BLOCK, 7), (10, len(CONTENT) - 3), (0, 5), (len(CONTENT), 0)],
)
def test_a_read_gives_exactly_its_range(settings: S3Settings, count: int, at: int) -> None:
    with opened(settings) as source:
        assert source.read(count, at) == CONTENT[at : at + count]


def test_nothing_lies_past_the_end_and_nobody_is_asked(
    proxy: S3Proxy, settings: S3Settings
) -> None:
    with opened(settings) as source:
        assert source.read(10, len(CONTENT)) == source.read(10, 1 << 50) == b""
    assert proxy.ranges == []


def test_small_reads_beside_each_other_are_one_request(
    proxy: S3Proxy, settings: S3Settings
) -> None:
    with opened(settings) as source:
        pieces = [source.read(1_000, at) for at in range(0, BLOCK - 1_000, 1_000)]
    assert b"".join(pieces) == CONTENT[: 1_000 * len(pieces)]
    assert proxy.ranges == [(0, BLOCK - 1)]


def test_the_last_used_blocks_are_kept(proxy: S3Proxy, settings: S3Settings) -> None:
    with opened(settings) as source:
        for number in (0, 1, 2, 3, 0, 4, 0, 1):
            source.read(1, number * BLOCK)
    assert [first // BLOCK for first, _ in proxy.ranges] == [0, 1, 2, 3, 4, 1]


def test_threads_may_share_a_source(proxy: S3Proxy, settings: S3Settings) -> None:
    places = [at * 1_000 for at in range(100)]
    with opened(settings) as source, ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda at: source.read(1_000, at), places))
    assert b"".join(parts) == CONTENT[:100_000]
    assert len(proxy.ranges) == 2


def test_the_digest_is_that_of_all_bytes_and_fetches_them_once(
    proxy: S3Proxy, settings: S3Settings
) -> None:
    with opened(settings) as source:
        digests = {source.sha256(), source.sha256()}
    assert digests == {hashlib.sha256(CONTENT).hexdigest()}
    assert proxy.ranges == [(0, len(CONTENT) - 1)]


def test_a_digest_of_many_ranges_is_that_of_all_bytes(
    proxy: S3Proxy, settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderation.s3._RANGE", 100_000)
    with opened(settings) as source:
        assert source.sha256() == hashlib.sha256(CONTENT).hexdigest()
    assert len(proxy.ranges) == 6


# What changes meanwhile


def test_fault_092_an_object_replaced_before_it_is_read_is_not_read(
    server: S3Server, settings: S3Settings
) -> None:
    with opened(settings) as source:
        put(server, OTHER)
        for read in (lambda: source.read(10), source.sha256, source.check_unchanged):
            with pytest.raises(SourceError) as raised:
                read()
            assert raised.value.fault is MediaFault.CHANGED


def test_fault_092_a_pinned_version_is_read_whatever_came_after(
    server: S3Server, settings: S3Settings
) -> None:
    keep_versions(server)
    put(server, CONTENT)
    with opened(settings) as source:
        put(server, OTHER)
        assert whole(source) == CONTENT
        source.check_unchanged()


@pytest.mark.parametrize("other", [OTHER, CONTENT[:100], CONTENT * 2], ids=["same", "less", "more"])
def test_fault_093_an_object_replaced_between_two_reads_is_never_mixed(
    server: S3Server, settings: S3Settings, other: bytes
) -> None:
    with opened(settings) as source:
        assert source.read(BLOCK) == CONTENT[:BLOCK]
        put(server, other)
        with pytest.raises(SourceError) as raised:
            source.read(len(CONTENT))
        assert source.read(BLOCK) == CONTENT[:BLOCK]
    assert raised.value.fault is MediaFault.CHANGED


def test_fault_093_an_object_replaced_while_a_connection_broke_is_never_mixed(
    server: S3Server, proxy: S3Proxy, settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderation.s3.time.sleep", lambda _: put(server, OTHER))
    with opened(settings) as source:
        proxy.faults.append(Cut(1_000))
        with pytest.raises(SourceError) as raised:
            source.sha256()
    assert raised.value.fault is MediaFault.CHANGED


def test_an_object_that_nobody_replaced_is_unchanged(settings: S3Settings) -> None:
    with opened(settings) as source:
        source.check_unchanged()


def test_fault_094_an_object_deleted_before_its_scan_is_not_found(
    server: S3Server, proxy: S3Proxy, settings: S3Settings
) -> None:
    server.client.delete_object(Bucket="uploads", Key="a.mp4")
    assert refused(settings).fault is MediaFault.NOT_FOUND
    assert len(proxy.asked) == 1


def test_fault_094_an_object_deleted_meanwhile_is_not_found(
    server: S3Server, settings: S3Settings
) -> None:
    with opened(settings) as source:
        server.client.delete_object(Bucket="uploads", Key="a.mp4")
        for read in (lambda: source.read(10), source.check_unchanged):
            with pytest.raises(SourceError) as raised:
                read()
            assert raised.value.fault is MediaFault.NOT_FOUND


def test_fault_094_a_delete_marker_is_no_object(server: S3Server, settings: S3Settings) -> None:
    keep_versions(server)
    marker = server.client.delete_object(Bucket="uploads", Key="a.mp4")["VersionId"]
    assert refused(settings).fault is MediaFault.NOT_FOUND
    assert refused(settings, f"a.mp4?versionId={marker}").fault is MediaFault.NOT_FOUND


# A store that refuses, or does not answer


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_fault_095_an_object_that_we_may_not_ask_for_is_denied(
    proxy: S3Proxy, settings: S3Settings, code: str
) -> None:
    proxy.faults.append(Answer(403, code))
    error = refused(settings)
    assert (error.fault, SECRET in str(error)) == (MediaFault.ACCESS_DENIED, False)


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (400, "KMS.DisabledException"), (400, "ExpiredToken")],
)
def test_fault_095_an_object_that_we_may_not_read_is_denied(
    proxy: S3Proxy, settings: S3Settings, status: int, code: str
) -> None:
    with opened(settings) as source:
        proxy.faults.append(Answer(status, code))
        with pytest.raises(SourceError, match=code) as raised:
            source.read(10)
    assert raised.value.fault is MediaFault.ACCESS_DENIED


def test_an_archived_object_is_denied_and_can_be_restored(
    server: S3Server, settings: S3Settings
) -> None:
    put(server, CONTENT, StorageClass="GLACIER")
    with opened(settings) as source, pytest.raises(SourceError) as raised:
        source.read(10)
    assert raised.value.fault is MediaFault.ACCESS_DENIED
    assert "restore it" in raised.value.hint


def test_a_request_that_a_store_does_not_take_is_unreadable(
    proxy: S3Proxy, settings: S3Settings
) -> None:
    # boto3 asks once more, for the region: that a bucket lies in another is answered like this.
    proxy.faults.extend([Answer(400, "BadRequest")] * 3)
    assert refused(settings).fault is MediaFault.UNREADABLE


@pytest.mark.parametrize("fault", [Answer(503, "SlowDown"), Answer(500, "InternalError"), Cut(0)])
def test_fault_096_a_store_that_fails_once_is_asked_again(
    proxy: S3Proxy, settings: S3Settings, fault: Answer | Cut
) -> None:
    with opened(settings) as source:
        proxy.faults.append(fault)
        assert whole(source) == CONTENT


def test_fault_096_a_range_goes_on_where_its_connection_broke(
    proxy: S3Proxy, settings: S3Settings
) -> None:
    with opened(settings) as source:
        proxy.faults.append(Cut(len(CONTENT) - 1))
        assert source.sha256() == hashlib.sha256(CONTENT).hexdigest()
    assert len(proxy.ranges) == 2


@pytest.mark.parametrize("fault", [Answer(503, "SlowDown"), Cut(100)], ids=["busy", "broken"])
def test_fault_096_a_store_that_goes_on_failing_may_answer_later(
    proxy: S3Proxy, settings: S3Settings, fault: Answer | Cut
) -> None:
    with opened(settings) as source:
        proxy.faults.extend([fault] * 10)
        with pytest.raises(SourceUnavailable):
            source.read(10)
        assert len(proxy.ranges) == settings.max_attempts
        proxy.faults.clear()
        assert source.read(10) == CONTENT[:10]


def test_fault_097_the_etag_of_many_parts_is_no_digest(
    server: S3Server, settings: S3Settings
) -> None:
    upload = server.client.create_multipart_upload(Bucket="uploads", Key="parts.mp4")["UploadId"]
    where = {"Bucket": "uploads", "Key": "parts.mp4", "UploadId": upload}
    parts = [
        {
            "PartNumber": number,
            "ETag": server.client.upload_part(PartNumber=number, Body=body, **where)["ETag"],
        }
        for number, body in ((1, bytes(5 << 20)), (2, CONTENT))
    ]
    server.client.complete_multipart_upload(MultipartUpload={"Parts": parts}, **where)
    with opened(settings, "parts.mp4") as source:
        assert source.pin.endswith("-2")
        assert source.read(len(CONTENT), 5 << 20) == CONTENT


def test_fault_098_an_object_beyond_the_limit_costs_no_byte(
    proxy: S3Proxy, settings: S3Settings
) -> None:
    limits = MediaLimits(max_bytes=1_000)
    with (
        opened(settings) as source,
        MediaReader(source, limits) as media,
        pytest.raises(MediaError) as raised,
    ):
        media.probe()
    assert raised.value.fault is MediaFault.TOO_LARGE
    assert proxy.ranges == []


def test_fault_104_a_store_that_is_down_may_come_back(server: S3Server) -> None:
    server.kill()
    with pytest.raises(SourceUnavailable):
        opened(server.settings)
    server.start()
    server.client.create_bucket(Bucket="uploads")
    put(server, CONTENT)
    with opened(server.settings) as source:
        assert whole(source) == CONTENT


def test_fault_104_a_store_that_is_silent_is_not_waited_for_without_end(server: S3Server) -> None:
    impatient = server.settings.model_copy(update={"read_timeout": 0.2, "max_attempts": 1})
    server.freeze()
    with pytest.raises(SourceUnavailable):
        opened(impatient)
    server.thaw()
    with opened(impatient.model_copy(update={"read_timeout": 30})) as source:
        assert source.size == len(CONTENT)


# boto3


def test_credentials_that_are_missing_are_a_matter_of_configuration(
    proxy: S3Proxy, settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    anew = settings.model_copy(update={"region": "us-west-2"})  # not the client of other tests
    with pytest.raises(ConfigurationError, match="NoCredentialsError"):
        opened(anew)
    assert proxy.asked == []


def test_boto3_is_imported_only_to_read_from_s3() -> None:
    code = "import sys, moderation.sources, moderation.config; sys.exit('boto3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_boto3_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigurationError, match=r"install moderation\[s3\]"):
        open_source("s3://a/b", S3Settings(region="nowhere"))


def test_settings_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_S3__ENDPOINT_URL", "http://127.0.0.1:9000")
    assert Settings.read().s3.endpoint_url == "http://127.0.0.1:9000"


def test_an_endpoint_that_is_no_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODERATION_S3__ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(ConfigurationError, match=r"s3\.endpoint_url"):
        Settings.read()


# The decoder


def frames(source: Source) -> list[Frame]:
    limits = MediaLimits(unchanged_below=0)
    with source, MediaReader(source, limits) as media, ThreadPoolExecutor(1) as pool:
        cast = broadcast(media, media.probe(), [Frames(10)])
        reading = pool.submit(list, cast.feeds[0])
        assert cast.run().fault is None
        return [frame for batch in reading.result() for frame in batch]


def test_an_object_decodes_as_the_local_file_does(
    server: S3Server, settings: S3Settings, tmp_path: Path
) -> None:
    path = Clip(320, 180, fps=10).show(3, numbered(10)).write(tmp_path / "clip.mp4")
    put(server, path.read_bytes())
    local, remote = frames(Source.open(path)), frames(opened(settings))
    assert [number_in(frame.image) for frame in remote] == list(range(30))
    assert [frame.at for frame in remote] == [frame.at for frame in local]
    assert all(
        np.array_equal(here.image, there.image) for here, there in zip(local, remote, strict=True)
    )


def test_a_probe_fetches_the_head_of_a_video_and_not_all_of_it(
    server: S3Server, proxy: S3Proxy, settings: S3Settings, tmp_path: Path
) -> None:
    clip = Clip(320, 180).show(2, numbered(25))
    path = clip.write(tmp_path / "large.mp4", options={"movflags": "faststart"})
    rest = 8 << 20
    put(server, path.read_bytes() + rest.to_bytes(4, "big") + b"free" + bytes(rest - 8))
    with opened(settings) as source, MediaReader(source) as media:
        source.sha256()
        proxy.reset()
        assert media.probe().duration_us == 2_000_000
    assert 0 < sum(last - first + 1 for first, last in proxy.ranges) <= 2 << 20


def test_a_store_that_fails_meanwhile_is_no_fault_of_the_decoder(
    server: S3Server, settings: S3Settings, tmp_path: Path
) -> None:
    path = Clip(320, 180).show(1, numbered(25)).write(tmp_path / "clip.mp4")
    put(server, path.read_bytes())
    with opened(settings) as source, MediaReader(source) as media:
        source.sha256()
        put(server, OTHER)
        with pytest.raises(SourceError) as raised:
            media.probe()
    assert raised.value.fault is MediaFault.CHANGED
