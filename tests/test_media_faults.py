"""Bombs and lies: files that claim too much, hide something, or never end.

Named after the rows of the fault catalogue that `test_media_hostile` does not hold. Each goes
through the process that decodes, as an upload does.
"""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from moderation.detector import Audio, Frames
from moderation.errors import MediaError, MediaFault, SourceError
from moderation.limits import MediaLimits
from moderation.media import MediaReader
from moderation.source import Source
from moderation.testing.clips import BLACK, WHITE, Clip, numbered, silence, tone
from moderation.testing.decoding import Decoded, decoded

WANTS = (Frames(per_second=1), Audio())
SECOND = 1_000_000


def fault(path: Path, **limits: Any) -> MediaFault:
    with pytest.raises((MediaError, SourceError)) as raised:
        decoded(path, *WANTS, limits=MediaLimits(**limits))
    assert isinstance(raised.value, MediaError | SourceError)
    return raised.value.fault


def encoded(
    path: Path, codec: str, sizes: list[tuple[int, int]], pixels: str = "yuv420p"
) -> list[bytes]:
    """One frame of each size, each with an encoder of its own: packets."""
    packets = []
    for width, height in sizes:
        with av.open(path, "w") as container:
            stream: Any = container.add_stream(codec, rate=1)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.codec_context.thread_count = 1
            frame = av.VideoFrame(width, height, pixels)
            frame.pts = 0
            packets += [bytes(each) for each in [*stream.encode(frame), *stream.encode()]]
    return packets


def muxed(path: Path, codec: str, size: tuple[int, int], packets: list[bytes]) -> Path:
    """A file whose header claims one size, a second between packets."""
    with av.open(path, "w") as container:
        stream: Any = container.add_stream(codec, rate=1)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1)
            packet.pts = packet.dts = number
            packet.duration, packet.is_keyframe = 1, True
            container.mux(packet)
    return path


def boxes(content: bytes, kind: bytes) -> Iterator[int]:
    """Where the payload of each box of this kind begins."""
    at = content.find(kind)
    while at >= 0:
        yield at + 4
        at = content.find(kind, at + 4)


def patched(path: Path, kind: bytes, offset: int, value: bytes) -> Path:
    content = bytearray(path.read_bytes())
    for at in boxes(bytes(content), kind):
        content[at + offset : at + offset + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """4 s of numbered frames, 10 a second, with a tone."""
    return Clip(64, 48, fps=10).show(4, numbered(10)).hear(tone(4)).write(tmp_path / "clip.mp4")


def cut(clip: Path, size: int) -> Decoded | MediaFault:
    path = clip.with_name("cut.mp4")
    path.write_bytes(clip.read_bytes()[:size])
    return judged(path)


def judged(path: Path, **limits: Any) -> Decoded | MediaFault:
    try:
        return decoded(path, *WANTS, limits=MediaLimits(unchanged_below=0, **limits))
    except (MediaError, SourceError) as error:
        return error.fault


def test_fault_040_a_header_at_the_end_that_is_cut_off(clip: Path) -> None:
    content = clip.read_bytes()
    assert content.rfind(b"moov") > content.find(b"mdat")
    seen = cut(clip, content.rfind(b"moov") + 20)
    assert seen in (MediaFault.UNREADABLE, MediaFault.NO_STREAMS)


def huge(path: Path) -> Path:
    """16384x8704 pixels, two pictures of one colour."""
    packets = encoded(path, "mjpeg", [(16384, 8704)], "yuvj420p")
    return muxed(path, "mjpeg", (64, 64), packets * 2)


def test_fault_044_a_huge_picture_in_few_bytes(tmp_path: Path) -> None:
    """Refused before a picture is made, whatever the header of the container says."""
    path = huge(tmp_path / "bomb.avi")
    began = time.monotonic()
    assert fault(path) is MediaFault.TOO_LARGE
    assert time.monotonic() - began < 20


def test_fault_046_a_picture_that_grows_on_the_way(tmp_path: Path) -> None:
    """The header says 64x64; the third frame is larger than allowed."""
    sizes = [(64, 64), (64, 64), (1024, 1024), (64, 64)]
    packets = encoded(tmp_path / "a.ivf", "libvpx-vp9", sizes)
    path = muxed(tmp_path / "grows.webm", "libvpx-vp9", (64, 64), packets)
    seen = decoded(path, Frames(), limits=MediaLimits(max_pixels=512 * 512, unchanged_below=0))
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert all(frame.width == 64 for frame in seen.frames)
    assert seen.feeds[0].examined < seen.feeds[0].planned


def test_fault_046_frames_of_allowed_sizes_are_all_seen(tmp_path: Path) -> None:
    sizes = [(64, 64), (128, 96), (64, 64)]
    packets = encoded(tmp_path / "a.ivf", "libvpx-vp9", sizes)
    seen = decoded(muxed(tmp_path / "a.webm", "libvpx-vp9", (64, 64), packets), Frames())
    assert [(frame.width, frame.height) for frame in seen.frames] == sizes


def test_fault_047_a_hundred_hours_in_few_bytes(tmp_path: Path) -> None:
    clip = Clip(16, 16, fps=1 / 60).show(360_000, BLACK)
    path = clip.write(tmp_path / "long.mkv", video="mjpeg", pixels="yuvj420p")
    seen = decoded(path, *WANTS, limits=MediaLimits())
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert seen.outcome.decoded.us <= (4 * 3600 + 120) * SECOND


def test_fault_047_a_claim_of_thirty_years(clip: Path) -> None:
    """10^9 seconds in the header of the file and of its streams: what is there is decoded."""
    for kind, offset in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        patched(clip, kind, offset, struct.pack(">I", 2**31 - 1))
    seen = decoded(clip, *WANTS)
    assert (seen.outcome.frames, len(seen.frames)) == (40, 5)


def test_fault_047_one_frame_an_hour(tmp_path: Path) -> None:
    clip = Clip(16, 16, fps=1 / 3600).show(3 * 3600, BLACK)
    path = clip.write(tmp_path / "slow.mkv", video="mjpeg", pixels="yuvj420p")
    seen = decoded(path, *WANTS)
    assert [frame.at.us // SECOND for frame in seen.frames] == [0, 3600, 7200]


def test_fault_048_a_thousand_frames_a_second(tmp_path: Path) -> None:
    clip = Clip(16, 16, fps=1000).show(4, BLACK)
    path = clip.write(tmp_path / "fast.mkv", video="mjpeg", pixels="yuvj420p")
    seen = decoded(path, *WANTS)
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert seen.outcome.frames < 1000
    assert seen.feeds[0].examined < seen.feeds[0].planned


@pytest.mark.parametrize(
    ("kind", "offset", "value"),
    [
        (b"mvhd", 12, 0),  # time scale
        (b"mdhd", 12, 0),
        (b"mdhd", 12, 2**32 - 1),
        (b"mvhd", 16, 2**32 - 1),  # duration
        (b"stts", 4, 2**32 - 1),  # entries
        (b"stsz", 8, 2**32 - 1),  # samples
        (b"stsc", 4, 2**32 - 1),
        (b"stco", 4, 2**32 - 1),
        (b"stts", 8, 2**31),  # frames of the first entry
        (b"stts", 12, 2**32 - 1),  # their length
    ],
)
def test_fault_049_a_header_that_lies_allocates_nothing(
    clip: Path, kind: bytes, offset: int, value: int
) -> None:
    patched(clip, kind, offset, struct.pack(">I", value))
    seen = judged(clip, decoder_memory=1 << 30)
    assert seen is not MediaFault.DECODER_CRASHED


@pytest.mark.parametrize("kind", [b"tfdt", b"ctts"])
@pytest.mark.parametrize("value", [2**63 - 1, 2**62, 2**32 - 1])
def test_fault_049_a_time_that_no_clock_shows(tmp_path: Path, kind: bytes, value: int) -> None:
    """Found by fuzzing: a time of 2^60 microseconds did not fit into what a decoder may say."""
    clip = Clip(64, 48, fps=10).show(2, numbered(10)).hear(tone(2))
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = clip.write(tmp_path / "a.mp4", options=options)
    seen = judged(patched(path, kind, 4, struct.pack(">Q", value)))
    assert seen is not MediaFault.DECODER_CRASHED
    if isinstance(seen, Decoded):
        assert seen.outcome.fault is not MediaFault.DECODER_CRASHED


def test_fault_050_ten_thousand_streams(tmp_path: Path) -> None:
    """A transport stream whose table of programs names them; FFmpeg would make them all."""
    clip = Clip(64, 48, fps=5).show(1, BLACK).write(tmp_path / "a.mp4")
    content = bytearray(clip.read_bytes())
    at = content.find(b"trak") - 4
    (size,) = struct.unpack_from(">I", content, at)
    track = bytes(content[at : at + size])
    header = content.find(b"moov") - 4
    (whole,) = struct.unpack_from(">I", content, header)
    content[at + size : at + size] = track * 10_000
    struct.pack_into(">I", content, header, whole + len(track) * 10_000)
    clip.write_bytes(content)
    began = time.monotonic()
    assert fault(clip) is MediaFault.TOO_MANY_STREAMS
    assert time.monotonic() - began < 30


def test_fault_051_the_second_stream_is_seen_as_well(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(path, "w") as container:
        streams: list[Any] = [container.add_stream("libx264", rate=1) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            for stream, shade in zip(streams, (0, 255), strict=True):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8))
                frame.pts = number
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode())
    seen = decoded(path, Frames())
    shades = {frame.stream: frame.image.mean() for frame in seen.frames}
    assert shades[0] < 20
    assert shades[1] > 235


@pytest.mark.parametrize("start", [0.0, 2.5, 100.0])
def test_fault_052_a_late_start_hides_no_frame(tmp_path: Path, start: float) -> None:
    clip = Clip(64, 48, fps=10).show(3, numbered(10))
    seen = decoded(clip.write(tmp_path / "late.mkv", start=start), Frames(per_second=10))
    assert seen.outcome.frames == 30
    assert seen.frames[0].at.us == 0
    assert seen.frames[-1].at.us == 2_900_000


def test_fault_052_an_edit_list_hides_no_frame(clip: Path) -> None:
    """It says that one second of four is to be played."""
    patched(clip, b"elst", 8, struct.pack(">I", 1000))
    assert decoded(clip, Frames()).outcome.frames == 40


def test_fault_053_a_frame_that_stands_for_ten_minutes_is_seen(tmp_path: Path) -> None:
    clip = Clip(64, 48, fps=5).show(2, BLACK).show(600, WHITE, fps=1 / 600).show(2, BLACK)
    seen = decoded(clip.write(tmp_path / "slow.mkv"), Frames())
    bright = [frame.at.us for frame in seen.frames if frame.image.mean() > 200]
    assert bright == [2 * SECOND]


@pytest.mark.parametrize("pixels", ["yuv444p", "gray", "yuv420p10le", "yuv422p"])
def test_fault_055_kinds_of_pixels_look_alike(tmp_path: Path, pixels: str) -> None:
    grey = np.full((48, 64, 3), 128, np.uint8)
    path = Clip(64, 48, fps=5).show(1, grey).write(tmp_path / "a.mkv", pixels=pixels)
    image = decoded(path, Frames()).frames[0].image
    assert image.shape == (48, 64, 3)
    assert abs(float(image.mean()) - 128) < 4


@pytest.mark.parametrize(("rotation", "shape"), [(90, (160, 90, 3)), (180, (90, 160, 3))])
def test_fault_055_pictures_are_upright(
    tmp_path: Path, rotation: int, shape: tuple[int, int, int]
) -> None:
    clip = Clip(160, 90, fps=5).show(1, WHITE).write(tmp_path / "a.mp4", rotation=rotation)
    assert decoded(clip, Frames()).frames[0].image.shape == shape


def test_fault_058_a_file_beside_it_is_not_read(tmp_path: Path) -> None:
    Clip(64, 48, fps=5).show(1, WHITE).write(tmp_path / "sibling.mp4")
    path = tmp_path / "upload.mp4"
    path.write_text("ffconcat version 1.0\nfile sibling.mp4\n")
    assert fault(path) is MediaFault.UNSUPPORTED_CONTAINER


@pytest.mark.parametrize("kind", [b"url ", b"alis"])
def test_fault_060_a_reference_to_another_file_is_not_followed(tmp_path: Path, kind: bytes) -> None:
    """Its samples lie in a black sibling, it says; only its own white ones are ever seen."""
    Clip(64, 48, fps=5).show(1, BLACK).write(tmp_path / "sibling.mp4")
    clip = Clip(64, 48, fps=5).show(1, WHITE).write(tmp_path / "a.mp4")
    content = bytearray(clip.read_bytes())
    at = content.find(b"url ")
    content[at : at + 8] = kind + bytes(4)  # without the flag that says "in this file"
    clip.write_bytes(content)
    seen = judged(clip)
    assert not isinstance(seen, Decoded) or all(f.image.mean() > 200 for f in seen.frames)


def test_fault_061_attachments_cost_nothing(tmp_path: Path) -> None:
    path = Clip(64, 48, fps=5).show(1, WHITE).write(tmp_path / "a.mkv")
    # Attachments: one element with a file of 8 MB inside, hung on behind the segment's end.
    data = bytes(8 << 20)
    file_data = b"\x46\x5c" + struct.pack(">Q", 1 << 56 | len(data)) + data
    name = b"\x46\x6e" + b"\x81a" + b"\x46\x60" + b"\x89font/ttf\0" + b"\x46\xae\x81\x01"
    attached = b"\x61\xa7" + struct.pack(">Q", 1 << 56 | len(name + file_data)) + name + file_data
    element = b"\x19\x41\xa4\x69" + struct.pack(">Q", 1 << 56 | len(attached)) + attached
    path.write_bytes(path.read_bytes() + element)
    assert decoded(path, Frames()).outcome.frames == 5


@pytest.mark.parametrize("name", ["cbcs.mp4", "short-cenc.mp4", "sample_fragmented_clearkey.mp4"])
def test_fault_064_an_encrypted_file_says_so(shared_data: Path, name: str) -> None:
    seen = judged(shared_data / "video" / "broken" / name)
    fault = seen.outcome.fault if isinstance(seen, Decoded) else seen
    assert fault in (MediaFault.ENCRYPTED, MediaFault.UNSUPPORTED_CODEC, MediaFault.UNREADABLE)


def test_fault_065_packets_that_are_all_broken_end_it(tmp_path: Path) -> None:
    path = tmp_path / "noise.mkv"
    (good,) = encoded(tmp_path / "a.avi", "mjpeg", [(64, 64)], "yuvj420p")
    muxed(path, "mjpeg", (64, 64), [good, *[b"\xff\xd8\xff" + bytes(64)] * 3000])
    seen = decoded(path, Frames(), limits=MediaLimits(max_errors=100))
    assert seen.outcome.lost <= 101
    assert seen.outcome.fault is MediaFault.UNREADABLE
    assert seen.feeds[0].examined < seen.feeds[0].planned


def test_fault_066_hours_of_silence_in_few_bytes(tmp_path: Path) -> None:
    """Two hours of FLAC's silence; heard to the limit, in the memory of a minute."""
    path = tmp_path / "silence.flac"
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("flac", rate=16_000, layout="mono")
        second = np.zeros((1, 16_000), np.int16)
        for number in range(1200):
            frame = av.AudioFrame.from_ndarray(second, "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, number * 16_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert path.stat().st_size < 300_000
    seen = decoded(path, Audio(60), limits=MediaLimits(max_seconds=600))
    assert seen.outcome.fault is MediaFault.TOO_LARGE
    assert 600 <= seen.feeds[0].examined <= 610


@pytest.mark.parametrize(("channels", "rate"), [(255, 8_000), (8, 768_000), (64, 48_000)])
def test_fault_066_many_channels_and_many_samples(tmp_path: Path, channels: int, rate: int) -> None:
    """Such a header alone makes a decoder ask for memory."""
    frames = rate // 4
    data = np.zeros(frames * channels, np.int16).tobytes()
    align = channels * 2
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * align, align, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    path = tmp_path / "many.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    seen = judged(path)
    assert seen is not MediaFault.DECODER_CRASHED
    if isinstance(seen, Decoded):
        assert seen.feeds[1].examined == pytest.approx(0.25, abs=0.05)


def test_fault_068_a_file_that_grows_meanwhile_is_not_judged(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        media.probe()
        with clip.open("ab") as end:
            end.write(bytes(100))
        with pytest.raises(SourceError) as raised:
            source.check_unchanged()
        assert raised.value.fault is MediaFault.CHANGED


def test_fault_068_a_file_that_shrinks_meanwhile_is_no_crash(clip: Path) -> None:
    """Its bytes are read, not mapped: what is gone is an end, and no SIGBUS."""
    with Source.open(clip) as source, MediaReader(source) as media:
        os.truncate(clip, clip.stat().st_size // 2)
        with pytest.raises(MediaError) as raised:
            media.probe()
        assert raised.value.fault is not MediaFault.DECODER_CRASHED


@pytest.mark.parametrize("kind", ["fifo", "device", "link", "directory"])
def test_fault_070_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "upload.mp4"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
        case "directory":
            path.mkdir()
        case _:
            path = Path("/dev/zero")
    assert fault(path) is MediaFault.NOT_REGULAR_FILE


# `ru_maxrss` begins with the peak of the process that started this one, which may be a big one.
_PEAK = """
import re, resource, sys
from pathlib import Path
from moderation.detector import Audio, Frames
from moderation.errors import MediaError
from moderation.testing.decoding import decoded
try:
    decoded(sys.argv[1], Frames(1), Audio())
except MediaError:
    pass
own = int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) >> 10)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="read from Linux's /proc")
def test_bombs_stay_small_in_memory(tmp_path: Path) -> None:
    """Peak of parent and child, in MiB: of a huge picture and of one that decompresses well."""
    flat = Clip(3840, 2160, fps=5).show(2, BLACK).write(tmp_path / "flat.mkv")
    for path in (huge(tmp_path / "bomb.avi"), flat):
        run = subprocess.run(
            [sys.executable, "-c", _PEAK, path], capture_output=True, text=True, check=True
        )
        assert int(run.stdout) < 600, run.stderr


def test_a_disk_that_fails_is_no_fault_of_the_file(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("moderation.source.os.pread", broken)
    with Source.open(clip) as source, pytest.raises(SourceError):
        source.sha256()


def test_sampling_promises_hold_in_the_child(tmp_path: Path) -> None:
    """No gap longer than asked for; the first and the last frame always."""
    clip = Clip(64, 48, fps=7).show(9, numbered(7)).hear(silence(9))
    seen = decoded(clip.write(tmp_path / "a.mkv"), Frames(per_second=2))
    times = [frame.at.us for frame in seen.frames]
    assert times[0] == 0
    assert times[-1] == max(times) >= 8_800_000
    assert max(b - a for a, b in pairwise(times)) <= 500_000
