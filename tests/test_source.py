"""A source: what may be opened, and that it is opened once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from moderation.errors import MediaFault, SourceError
from moderation.source import Source


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload.mp4"
    path.write_bytes(b"some bytes")
    return path


def refused(uri: str | os.PathLike[str]) -> SourceError:
    with pytest.raises(SourceError) as raised:
        Source.open(uri)
    return raised.value


def test_a_local_file_is_opened(upload: Path) -> None:
    with Source.open(upload) as source:
        assert (source.uri, source.size) == (str(upload), 10)


def test_a_file_uri_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "with space.mp4"
    path.write_bytes(b"x")
    with Source.open(path.as_uri()) as source:
        assert source.size == 1


def test_the_digest_is_that_of_all_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    with Source.open(path) as source:
        assert source.sha256() == hashlib.sha256(content).hexdigest()


def test_the_descriptor_is_that_of_the_opened_file(upload: Path) -> None:
    with Source.open(upload) as source:
        upload.rename(upload.with_name("away.m3u8"))
        assert source.fd is not None
        assert os.pread(source.fd, 100, 0) == b"some bytes"


def test_every_reader_has_its_own_position(upload: Path) -> None:
    with Source.open(upload) as source:
        assert (source.read(4), source.read(5, at=5), source.read(4)) == (
            b"some",
            b"bytes",
            b"some",
        )


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    error = refused(tmp_path / "nothing.mp4")
    assert error.fault is MediaFault.NOT_FOUND
    assert "nothing.mp4: there is no such file" in error.message
    assert error.hint


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "no/such/folder.mp4"])
def test_a_name_that_no_file_can_have_is_not_found(name: str) -> None:
    assert refused(name).fault is MediaFault.NOT_FOUND


@pytest.mark.parametrize("uri", ["s3://bucket/key", "http://169.254.169.254/x", "rtsp://host/1"])
def test_an_unknown_scheme_is_refused_by_name(uri: str) -> None:
    assert f"nothing here reads {uri.partition(':')[0]}://" in refused(uri).message


@pytest.mark.parametrize("name", ["-i", "|cmd", "%s", "a\nb", "=1+1", "\u202egnp.mp4", "x.m3u8"])
def test_a_strange_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    with Source.open(path) as source:
        assert source.size == 1


def test_a_message_is_one_printable_line(tmp_path: Path) -> None:
    assert str(refused(tmp_path / "a\nb\x1b[31m")).isprintable()


def test_a_directory_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert (error.fault, "directory" in error.message) == (MediaFault.NOT_REGULAR_FILE, True)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "empty.mp4").fault is MediaFault.EMPTY


def test_a_symbolic_link_is_refused(tmp_path: Path, upload: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(upload)
    error = refused(link)
    assert error.fault is MediaFault.NOT_REGULAR_FILE
    assert error.hint == "give the file that it points to"


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert refused(tmp_path / "pipe.mp4").fault is MediaFault.NOT_REGULAR_FILE


def test_a_device_is_refused() -> None:
    assert refused("/dev/zero").fault is MediaFault.NOT_REGULAR_FILE


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is denied to root")
def test_a_file_that_may_not_be_read_is_denied(upload: Path) -> None:
    upload.chmod(0)
    assert refused(upload).fault is MediaFault.ACCESS_DENIED


def test_a_file_that_grew_has_changed(upload: Path) -> None:
    with Source.open(upload) as source:
        with upload.open("ab") as file:
            file.write(b"more")
        with pytest.raises(SourceError) as raised:
            source.sha256()
    assert raised.value.fault is MediaFault.CHANGED


def test_a_file_replaced_under_its_name_has_not_changed(upload: Path, tmp_path: Path) -> None:
    with Source.open(upload) as source:
        (tmp_path / "other").write_bytes(b"other bytes")
        (tmp_path / "other").replace(upload)
        assert source.sha256() == hashlib.sha256(b"some bytes").hexdigest()


def test_closing_gives_the_descriptor_back_once(upload: Path) -> None:
    source = Source.open(upload)
    number = source.fd
    assert number is not None
    source.close()
    source.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_refused_file_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        refused(tmp_path)
    assert len(os.listdir("/dev/fd")) == before
