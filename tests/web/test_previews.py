"""What a browser does not play is copied into something that it does, once somebody asks."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import av
import httpx
import pytest

from moderation.config import Settings
from moderation.errors import NotFound
from moderation.person import Role
from moderation.scan import Video
from moderation.source import Source
from moderation.store.item_media import ItemMedia
from moderation.testing.clips import BLACK, Clip, written
from moderation.web.playback import Playback
from moderation.web.previews import Preview, Previews, PreviewState
from moderation.web_settings import WebSettings
from tests.services.server import until
from tests.web.conftest import ReviewedScan
from tests.web.server import WebServer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def previews(web_settings: Settings, clock: Clock) -> Iterator[Previews]:
    previews = Previews(web_settings, Playback(web_settings.s3), clock)
    yield previews
    previews.close()


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What browsers know neither the container nor the codec of."""
    path = tmp_path_factory.mktemp("upload") / "clip.avi"
    Clip(960, 540, fps=10).show(3, written(BLACK, "hello there")).write(path, video="mpeg4")
    return path


def media_of(path: Path) -> ItemMedia:
    data = path.read_bytes()
    return ItemMedia(
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        container="avi",
        uris=(str(path),),
        pins=frozenset(),
    )


def over(previews: Previews, media: ItemMedia) -> Preview:
    until(lambda: previews.look(media).state is not PreviewState.MAKING, "the copy")
    return previews.look(media)


def read(previews: Previews, media: ItemMedia) -> bytes:
    source = previews.open(media)
    data = source.read(source.size)
    source.close()
    return data


def test_a_copy_is_small_and_of_what_browsers_play(previews: Previews, upload: Path) -> None:
    media = media_of(upload)
    assert previews.ask(media).state is PreviewState.MAKING
    assert over(previews, media).state is PreviewState.READY
    with av.open(io.BytesIO(read(previews, media)), "r") as copy:
        (stream,) = copy.streams.video
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 640, 360)
        times = [float(frame.time or 0) for frame in copy.decode(stream)]
    assert times == pytest.approx([each / 10 for each in range(30)], abs=0.01)


def test_it_is_made_once(previews: Previews, upload: Path) -> None:
    media = media_of(upload)
    previews.ask(media)
    made = over(previews, media)
    assert previews.ask(media) is made


def test_a_damaged_video_is_shown_as_far_as_it_goes(previews: Previews, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
    clip = Clip(320, 240, fps=10)
    for number in range(30):  # so that all frames are of about the same size
        clip = clip.show(0.1, written(BLACK, str(number) * 40))
    clip.write(whole, video="mpeg4")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    media = media_of(cut)
    previews.ask(media)
    assert over(previews, media).state is PreviewState.READY
    with av.open(io.BytesIO(read(previews, media)), "r") as copy:
        assert len(list(copy.decode(video=0))) > 5


def test_of_what_cannot_be_read_it_says_why(previews: Previews, tmp_path: Path) -> None:
    path = tmp_path / "noise.avi"
    path.write_bytes(bytes(range(256)) * 100)
    media = media_of(path)
    previews.ask(media)
    failed = over(previews, media)
    assert failed.state is PreviewState.FAILED
    assert failed.reason
    with pytest.raises(NotFound):
        previews.open(media)


def test_a_long_video_is_not_copied(web_settings: Settings, upload: Path, clock: Clock) -> None:
    short = web_settings.model_copy(update={"web": WebSettings(preview_max_s=1)})
    previews, media = Previews(short, Playback(short.s3), clock), media_of(upload)
    previews.ask(media)
    assert "longer than 1 s" in over(previews, media).reason
    previews.close()


def test_a_copy_that_nobody_looks_at_is_forgotten(
    previews: Previews, upload: Path, clock: Clock, tmp_path: Path
) -> None:
    media = media_of(upload)
    previews.ask(media)
    made = over(previews, media)
    clock.now += 3_601
    noise = tmp_path / "noise"
    noise.write_bytes(b"noise")
    previews.ask(media_of(noise))
    assert not made.path.exists()
    with pytest.raises(NotFound):
        previews.look(media)


def test_what_is_forgotten_is_gone_though_nobody_asks(
    web_settings: Settings, upload: Path, clock: Clock
) -> None:
    brief = web_settings.model_copy(update={"web": WebSettings(preview_keep_s=0.05)})
    previews, media = Previews(brief, Playback(brief.s3), clock), media_of(upload)
    previews.ask(media)
    made = over(previews, media)
    assert made.path.exists()
    clock.now += 1
    until(lambda: not made.path.exists(), "the end of the copy")
    previews.close()


def test_what_a_killed_server_left_behind_is_removed(
    previews: Previews, upload: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen(["true"])
    dead.wait()
    left, others = (tmp_path / f"moderation-previews-{pid}-x" for pid in (dead.pid, os.getpid()))
    for folder in (left, others):
        folder.mkdir()
        (folder / "copy.mp4").write_bytes(b"of somebody")
    previews.ask(media_of(upload))
    assert (left.exists(), others.exists()) == (False, True)


def test_nothing_is_left_when_the_server_ends(web_settings: Settings, upload: Path) -> None:
    previews, media = Previews(web_settings, Playback(web_settings.s3)), media_of(upload)
    path = previews.ask(media).path
    over(previews, media)
    previews.close()
    assert not path.parent.exists()


def test_the_end_of_the_server_does_not_wait_for_a_copy(
    web_settings: Settings, upload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playback, began = Playback(web_settings.s3), Event()
    opened = playback.open

    def told(media: ItemMedia) -> Source:
        began.set()
        return opened(media)

    monkeypatch.setattr(playback, "open", told)
    previews = Previews(web_settings, playback)
    asked = previews.ask(media_of(upload))
    assert began.wait(60)
    previews.close()
    assert asked.state in (PreviewState.FAILED, PreviewState.READY)


def test_a_lead_asks_for_one_and_plays_it(
    upload: Path, web_server: WebServer, reviewed_scan: ReviewedScan, token: Callable[..., str]
) -> None:
    media = media_of(upload)
    video = Video(uri=str(upload), sha256=media.sha256, bytes=media.bytes, container="avi")
    item = reviewed_scan(video=video)
    headers = {"Authorization": f"Bearer {token(Role.LEAD, 'lea')}"}
    with httpx.Client(base_url=web_server.url, headers=headers) as http:
        assert http.get(f"/items/{item.id}/preview").status_code == 404
        asked = http.post(f"/items/{item.id}/preview")
        assert (asked.status_code, asked.json()["video"]) == (202, "")
        until(lambda: http.get(f"/items/{item.id}/preview").json()["state"] == "ready", "the copy")
        link = http.get(f"/items/{item.id}/preview").json()["video"]
        part = http.get(link, headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert part.headers["content-type"] == "video/mp4"
