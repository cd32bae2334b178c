"""Hostile files: each gives its typed fault, at once, and reads nothing but itself.

Named after the rows of the fault catalogue.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from moderation.config import MediaLimits
from moderation.detector import Audio, Frames
from moderation.errors import MediaError, MediaFault, SourceError
from moderation.media import MediaReader
from moderation.source import Source
from moderation.testing.clips import BLACK, WHITE, Clip, numbered, tone
from moderation.testing.decoding import Decoded, decoded

WANTS = (Frames(per_second=2), Audio())


def fault(path: Path, **limits: int) -> MediaFault:
    with pytest.raises((MediaError, SourceError)) as raised:
        decoded(path, *WANTS, limits=MediaLimits(**limits))
    error = raised.value
    assert isinstance(error, MediaError | SourceError)
    assert error.hint
    return error.fault


def file(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_fault_037_empty(tmp_path: Path) -> None:
    assert fault(file(tmp_path / "a.mp4", b"")) is MediaFault.EMPTY


def test_fault_038_random_bytes(tmp_path: Path) -> None:
    content = np.random.default_rng(1).bytes(1 << 20)
    assert fault(file(tmp_path / "a.mp4", content)) is MediaFault.NOT_MEDIA


@pytest.mark.parametrize(
    ("codec", "suffix", "pixels"), [("mjpeg", "avi", "yuvj420p"), ("libvpx-vp9", "webm", "yuv420p")]
)
def test_fault_044_045_pixel_bomb(tmp_path: Path, codec: str, suffix: str, pixels: str) -> None:
    path = tmp_path / f"bomb.{suffix}"
    with av.open(path, "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 2048, 2048, pixels
        container.mux(stream.encode(av.VideoFrame(2048, 2048, pixels)))
        container.mux(stream.encode())
    assert fault(path, max_pixels=2048 * 2047) is MediaFault.TOO_LARGE
    assert decoded(path, *WANTS).outcome.frames == 1


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("streams", [9, 20])
def test_fault_050_too_many_streams(tmp_path: Path, suffix: str, streams: int) -> None:
    path = videos(tmp_path / f"a.{suffix}", ["mpeg4"] * streams)
    assert fault(path, max_streams=8) is MediaFault.TOO_MANY_STREAMS


def test_fault_050_as_many_streams_as_allowed(tmp_path: Path) -> None:
    path = videos(tmp_path / "a.mkv", ["mpeg4"] * 8)
    seen = decoded(path, Frames(), limits=MediaLimits(max_streams=8))
    assert {frame.stream for frame in seen.frames} == set(range(8))


def test_the_pixels_of_all_streams_count_together(tmp_path: Path) -> None:
    path = videos(tmp_path / "a.mkv", ["mpeg4"] * 8)
    assert fault(path, max_pixels=64 * 48 * 7) is MediaFault.TOO_LARGE


@pytest.mark.parametrize("codec", ["ffv1", "msmpeg4"])
def test_fault_056_codec_that_is_not_on_the_list(tmp_path: Path, codec: str) -> None:
    assert fault(videos(tmp_path / "a.mkv", [codec])) is MediaFault.UNSUPPORTED_CODEC


SCRIPTS = {
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "hls.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "list.mp4": "ffconcat version 1.0\nfile '{target}'\n",
    "dash.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><AdaptationSet><Representation><BaseURL>{target}</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>",
    "concat.txt": "concat:{target}|{target}",
    "subfile.txt": "subfile,,start,0,end,100,,:{target}",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_fault_057_058_059_script_opens_nothing(tmp_path: Path, name: str) -> None:
    """The target is a pipe: whoever opens it waits for ever."""
    os.mkfifo(tmp_path / "target.ts")
    path = file(tmp_path / name, SCRIPTS[name].format(target=tmp_path / "target.ts"))
    assert fault(path) is MediaFault.UNSUPPORTED_CONTAINER


@pytest.mark.parametrize("name", ["hls.m3u8", "list.ffconcat", "dash.mpd"])
def test_fault_057_script_asks_no_server(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        url = f"http://127.0.0.1:{canary.getsockname()[1]}/x.ts"
        fault(file(tmp_path / name, SCRIPTS[name].format(target=url)))
        with pytest.raises(BlockingIOError):
            canary.accept()


def test_fault_059_sdp_binds_no_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        sdp = f"v=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    assert fault(file(tmp_path / "a.sdp", sdp)) is MediaFault.UNSUPPORTED_CONTAINER


@pytest.mark.parametrize(
    "content",
    [
        b"just some text\n" * 100,
        b"<html><script>alert(1)</script></html>",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"PK\x03\x04" + bytes(100),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"1\n00:00:00,000 --> 00:00:02,000\nhello\n",
        b"\x7fELF" + bytes(100),
        b"x",
    ],
)
def test_fault_063_no_media_named_mp4(tmp_path: Path, content: bytes) -> None:
    assert fault(file(tmp_path / "a.mp4", content)) is MediaFault.NOT_MEDIA


def test_fault_063_polyglot_gives_its_media_part(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(1, WHITE).write(tmp_path / "a.mp4")
    with path.open("ab") as end:
        end.write(b"<html><script>alert(1)</script></html>" * 100)
    outcome = decoded(path, *WANTS).outcome
    assert (outcome.frames, outcome.fault) == (5, None)


def test_fault_054_subtitles_alone(tmp_path: Path, shared_data: Path) -> None:
    path = tmp_path / "a.mkv"
    video = shared_data / "video" / "formats" / "sample_with_srt.mkv"
    with av.open(video) as source, av.open(path, "w") as sink:
        stream = sink.add_stream_from_template(source.streams.subtitles[0])
        for packet in source.demux(subtitles=0):
            if packet.dts is not None:
                packet.stream = stream
                sink.mux(packet)
    assert fault(path) is MediaFault.NO_STREAMS


def test_fault_062_metadata_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(path, "w") as container:
        container.metadata["title"] = "TITLE" * 100
        stream: Any = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert b"TITLE" in content
    path.write_bytes(content.replace(b"TITLE", b"\xff\xfe\x80\x1b\x01"))
    assert decoded(path, *WANTS).outcome.frames == 1


def test_fault_047_048_bombs_of_length_stay_small(tmp_path: Path) -> None:
    """A year between two frames: nothing is made for the time between."""
    clip = Clip(16, 16, fps=1).show(1, BLACK).show(365 * 86_400, BLACK, fps=1 / (365 * 43_200))
    path = clip.write(tmp_path / "a.mkv", video="mjpeg", pixels="yuvj420p")
    seen = decoded(path, *WANTS)
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert seen.feeds[0].examined <= 3


def test_fault_069_the_name_chooses_no_demuxer(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(1, WHITE).write(tmp_path / "a.mp4")
    assert decoded(path.rename(tmp_path / "a.m3u8"), *WANTS).outcome.frames == 5


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A second of picture and sound in different containers."""
    folder = tmp_path_factory.mktemp("small")
    clip = Clip(64, 48, fps=10).show(1, numbered(10)).hear(tone(1))
    faststart = {"movflags": "faststart"}
    files = [
        clip.write(folder / "a.mp4", options=faststart),
        clip.write(folder / "b.mp4", options={"movflags": "frag_keyframe+empty_moov"}),
        *(clip.write(folder / f"a.{suffix}") for suffix in ("mkv", "webm", "ts", "avi")),
    ]
    return {path.name: path.read_bytes() for path in files}


NAMES = ["a.mp4", "b.mp4", "a.mkv", "a.webm", "a.ts", "a.avi"]


def judged(path: Path) -> Decoded | MediaFault:
    try:
        return decoded(path, *WANTS)
    except (MediaError, SourceError) as error:
        return error.fault


@pytest.mark.parametrize("name", NAMES)
def test_fault_039_truncation_is_never_whole(
    tmp_path: Path, small: dict[str, bytes], name: str
) -> None:
    content = small[name]
    for twentieth in range(1, 17):
        cut = content[: len(content) * twentieth // 20]
        seen = judged(file(tmp_path / name, cut))
        if isinstance(seen, Decoded) and name != "a.ts":  # whose every prefix is a recording
            shortfalls = [feed.planned - feed.examined for feed in seen.feeds]
            assert seen.outcome.fault is not None
            assert max(shortfalls) > 0


@pytest.mark.parametrize("name", NAMES)
def test_fault_041_flipped_bits_give_typed_faults_at_worst(
    tmp_path: Path, small: dict[str, bytes], name: str
) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        content = bytearray(small[name])
        for at in rng.integers(0, len(content), 1 + seed * 2):
            content[at] ^= 1 << int(rng.integers(8))
        judged(file(tmp_path / name, bytes(content)))


def test_fault_041_flipped_bits_in_the_header_give_typed_faults_at_worst(
    tmp_path: Path, small: dict[str, bytes]
) -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        content = bytearray(small["a.mp4"])
        for at in rng.integers(0, 1600, 3):
            content[at] = int(rng.integers(256))
        judged(file(tmp_path / "a.mp4", bytes(content)))


def test_a_decoder_left_in_the_middle_does_not_crash(tmp_path: Path) -> None:
    """PyAV crashes on containers that the garbage collector closes; another process shows it."""
    path = Clip(64, 48, fps=10).show(3, numbered(10)).hear(tone(3)).write(tmp_path / "a.mp4")
    script = f"""
import gc, itertools
from moderation.config import MediaLimits
from moderation.media.decode import Decoder
from moderation.source import Source
for count in range(1, 40):
    with Source.open({str(path)!r}) as source:
        events = Decoder(source, MediaLimits()).events()
        kept = list(itertools.islice(events, count))
        del events
        gc.collect()
        for each in kept:
            getattr(each, "image", None)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def videos(path: Path, codecs: list[str]) -> Path:
    with av.open(path, "w") as container:
        streams: list[Any] = [container.add_stream(codec, rate=5) for codec in codecs]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(2):
            for stream in streams:
                frame = av.VideoFrame(64, 48, stream.pix_fmt)
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    return path


def test_probing_alone_is_as_careful(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mp4", SCRIPTS["hls.m3u8"])
    with Source.open(path) as source, MediaReader(source) as media, pytest.raises(MediaError):
        media.probe()


@pytest.mark.parametrize(("names", "named"), [(b"soun", b"vide"), (b"vide", b"soun")])
def test_a_track_that_is_named_as_chapters_is_seen_and_heard(
    tmp_path: Path, names: bytes, named: bytes
) -> None:
    path = Clip(64, 48, fps=5).show(2, WHITE).hear(tone(2)).write(tmp_path / "chapters.mp4")
    path.write_bytes(with_chapters(path.read_bytes(), names, named))
    with Source.open(path) as source, MediaReader(source) as media:
        video = media.probe()
    assert (video.has_video, video.has_audio) == (True, True)


def with_chapters(content: bytes, names: bytes, named: bytes) -> bytes:
    """An MP4, its `moov` last, in which one track names the other as its chapters."""
    ((moov_at, moov_end),) = boxes(content, b"moov", 0, len(content))
    tracks = boxes(content, b"trak", moov_at + 8, moov_end)
    at, end = next(each for each in tracks if names in content[slice(*each)])
    other = next(each for each in tracks if named in content[slice(*each)])
    ((header, _),) = boxes(content, b"tkhd", other[0] + 8, other[1])
    reference = (
        struct.pack(">I4sI4s", 20, b"tref", 12, b"chap") + content[header + 20 : header + 24]
    )
    mended = bytearray(content)
    mended[end:end] = reference
    for box_at, box_end in ((at, end), (moov_at, moov_end)):
        struct.pack_into(">I", mended, box_at, box_end - box_at + len(reference))
    return bytes(mended)


def boxes(content: bytes, kind: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """Start and end of the boxes of that kind."""
    found = []
    while at < end:
        size, name = struct.unpack_from(">I4s", content, at)
        if name == kind:
            found.append((at, at + size))
        at += size
    return found
