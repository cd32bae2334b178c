"""What people look at arrives through signed links only, in ranges, as it was scanned."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import ReviewItem
from moderation.scan import Video
from moderation.timeline import Instant
from moderation.web import Installation
from moderation.web.caller import Caller, Via
from tests.web.conftest import ReviewedScan
from tests.web.server import WebServer

BYTES = bytes(range(256)) * 4_000  # of no video: nobody here decodes it


@dataclass
class Played:
    """An item whose upload lies on the disk, and a lead who looks at it."""

    item: ReviewItem
    file: Path
    http: httpx.Client
    links: Mapping[str, Any]

    def get(self, url: str, **headers: str) -> httpx.Response:
        return self.http.get(url, headers=headers)


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    path = tmp_path / "upload with ? % # é.mp4"
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def http(web_server: WebServer, token: Callable[..., str]) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token(Role.LEAD, 'lea')}"}
    with httpx.Client(base_url=web_server.url, headers=headers) as client:
        yield client


@pytest.fixture
def played(
    upload: Path, installation: Installation, http: httpx.Client, reviewed_scan: ReviewedScan
) -> Played:
    item = reviewed_scan(video=video_of(upload))
    jpeg = io.BytesIO()
    Image.new("RGB", (480, 270), "red").save(jpeg, "JPEG")
    keep(installation, item, 1_000_000, jpeg.getvalue())
    return Played(item, upload, http, http.get(f"/items/{item.id}/links").raise_for_status().json())


def video_of(path: Path) -> Video:
    data = path.read_bytes()
    return Video(
        uri=str(path),
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        duration_us=60_000_000,
        has_video=True,
        container="mov",
    )


def keep(installation: Installation, item: ReviewItem, at_us: int, jpeg: bytes) -> None:
    folder = installation.settings.pictures / item.sha256
    folder.mkdir(parents=True)
    (folder / f"{at_us}.jpg").write_bytes(jpeg)
    assert installation.pictures.at(item.sha256, Instant(at_us)) == jpeg


def test_the_whole_upload_can_be_played(played: Played) -> None:
    answer = played.get(played.links["video"])
    assert (answer.status_code, answer.content) == (200, BYTES)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert "no-store" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, len(BYTES)),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=-7", len(BYTES) - 7, None),
    ],
)
def test_a_player_gets_the_range_that_it_seeks_to(
    played: Played, asked: str, start: int, end: int | None
) -> None:
    answer = played.get(played.links["video"], Range=asked)
    assert (answer.status_code, answer.content) == (206, BYTES[start:end])
    last = (len(BYTES) if end is None else end) - 1
    assert answer.headers["content-range"] == f"bytes {start}-{last}/{len(BYTES)}"


def test_a_range_behind_the_end_is_refused(played: Played) -> None:
    answer = played.get(played.links["video"], Range=f"bytes={len(BYTES)}-")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(BYTES)}"


def test_a_range_of_another_version_gives_this_one_whole(played: Played) -> None:
    old = {"Range": "bytes=5-9", "If-Range": '"another"'}
    assert played.get(played.links["video"], **old).status_code == 200
    etag = played.get(played.links["video"]).headers["etag"]
    assert played.get(played.links["video"], **{**old, "If-Range": etag}).status_code == 206


def test_a_head_tells_the_size_alone(played: Played) -> None:
    answer = played.http.head(played.links["video"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(BYTES))


def test_an_upload_that_was_replaced_is_not_shown(played: Played) -> None:
    played.file.write_bytes(BYTES[::-1])  # of the same size
    answer = played.get(played.links["video"])
    assert (answer.status_code, "another one" in answer.json()["title"]) == (404, True)


def test_an_upload_that_is_gone_is_said_to_be(played: Played) -> None:
    played.file.unlink()
    assert played.get(played.links["video"]).status_code == 404


def test_the_same_bytes_in_another_place_do_as_well(
    played: Played, installation: Installation, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.mp4"
    moved.write_bytes(BYTES)
    scan = installation.queue.show(played.item.id, person("lea", Role.LEAD)).scan
    policy = installation.store.policy(scan.verdict.policy.digest)
    assert policy is not None
    again = replace(scan, video=replace(scan.video, uri=str(moved)))
    installation.store.save(again, Policy.restore(policy), fingerprint="all")
    moved.unlink()
    assert played.get(played.links["video"]).content == BYTES


def test_a_picture_is_veiled_unless_its_link_says_otherwise(played: Played) -> None:
    veiled = played.get(played.links["pictures"]["1000000"])
    clear = played.get(played.links["clear"]["1000000"])
    assert Image.open(io.BytesIO(veiled.content)).mode == "L"
    assert Image.open(io.BytesIO(clear.content)).mode == "RGB"
    assert {veiled.headers["content-type"], clear.headers["content-type"]} == {"image/jpeg"}


def test_a_picture_that_was_not_kept_is_said_to_be(
    played: Played, installation: Installation
) -> None:
    installation.pictures.remove(played.item.sha256)
    assert played.get(played.links["pictures"]["1000000"]).status_code == 404


def test_row_130_links_made_for_somebody_else_are_refused(
    played: Played, web_server: WebServer, token: Callable[..., str]
) -> None:
    other = {"Authorization": f"Bearer {token(Role.ADMIN, 'ada')}"}
    for url in (played.links["video"], played.links["clear"]["1000000"]):
        assert httpx.get(web_server.url + url, headers=other).status_code == 403
        assert httpx.get(web_server.url + url).status_code == 401


def test_row_130_a_reviewer_gets_no_links_of_what_he_does_not_hold(
    played: Played, web_server: WebServer, token: Callable[..., str]
) -> None:
    rut = {"Authorization": f"Bearer {token(Role.REVIEWER, 'rut')}"}
    answer = httpx.get(f"{web_server.url}/items/{played.item.id}/links", headers=rut)
    assert answer.status_code == 403


def test_row_130_a_link_is_good_for_five_minutes_at_most(installation: Installation) -> None:
    caller = Caller(person=person("lea", Role.LEAD), via=Via.TOKEN)
    url = installation.links.video("abcdefghij", caller)
    link = installation.links.read_video(url.rpartition("/")[2], caller)
    assert link.expires / 1_000 - datetime.now(UTC).timestamp() <= 300


@pytest.mark.parametrize(
    "path",
    [
        "/media/video/..%2f..%2fetc%2fpasswd",
        "/media/picture/..%2f..%2fmoderation.db",
        "/media/picture/%00",
        "/media/picture//etc/passwd",
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/%2e%2e/config.py",
        "/static/..%5c..%5cconfig.py",
        "/static//etc/passwd",
        "/static/%00",
    ],
)
def test_row_131_no_path_leads_out_of_what_is_served(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code in (400, 403, 404)
    assert b"root:" not in answer.content


def test_a_page_of_its_own_shows_none_of_it(played: Played) -> None:
    for url in (played.links["video"], played.links["clear"]["1000000"]):
        assert played.get(url, **{"Sec-Fetch-Dest": "document"}).status_code == 403
        assert played.get(url, **{"Sec-Fetch-Dest": "iframe"}).status_code == 403
        assert played.get(url).headers["content-disposition"] == "attachment"


def person(name: str, role: Role) -> Person:
    return Person(name=name, role=role, created_at=datetime.now(UTC))
