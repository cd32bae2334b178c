"""Redaction: a clip is written anew, and the new file decoded again by FFmpeg itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from moderation.covers import Part
from moderation.decision import Remedy
from moderation.errors import ConfigurationError, MediaError, MediaFault, ModerationError
from moderation.evidence import Box
from moderation.limits import MediaLimits
from moderation.redact import plan, redact
from moderation.redaction import Edit
from moderation.redaction_files import manifest_path
from moderation.redaction_manifest import Manifest
from moderation.source import Source
from moderation.testing.clips import (
    Clip,
    Picture,
    moving,
    number_in,
    numbered,
    solid,
    tone,
)
from moderation.timeline import Span
from tests.uneven import uneven

Pixels = NDArray[np.uint8]
Samples = NDArray[np.float32]

GREEN = solid(30, 120, 60)
SIDE = 72
"""Pixels of the secret's side, in pictures of 320 x 180."""


def secret() -> Pixels:
    """Letters would do; a pattern of black and white squares is what is easiest to know again."""
    squares = np.random.default_rng(7).integers(0, 2, (9, 9)) * 255
    return np.repeat(squares.repeat(8, 0).repeat(8, 1)[..., None], 3, axis=2).astype(np.uint8)


def across(seconds: float) -> Picture:
    """The secret on its way from left to right, 320 x 180."""
    background = np.broadcast_to(GREEN, (180, 320, 3)).copy()
    return moving(
        secret(), background, seconds=seconds, start=(0, 0.3), end=(0.775, 0.3), height=0.4
    )


def edit(remedy: Remedy, start_s: float, end_s: float, *boxes: Box, bleep: bool = False) -> Edit:
    span = Span.from_seconds(start_s, end_s)
    return Edit(
        label="Violence", span=span, remedy=remedy, parts=(Part(span, *boxes),), bleep=bleep
    )


@dataclass
class Shown:
    """What a file shows and lets hear."""

    pictures: list[tuple[float, Pixels]]
    sound: Samples
    rate: int

    def loudness(self, start_s: float, end_s: float) -> float:
        part = self.sound[..., round(start_s * self.rate) : round(end_s * self.rate)]
        return float(np.abs(part).max())


def shown(path: Path) -> Shown:
    pictures: list[tuple[float, Pixels]] = []
    parts: list[Samples] = []
    rate = 1
    with av.open(str(path)) as file:
        for frame in file.decode():
            if isinstance(frame, av.VideoFrame):
                image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                pictures.append((float(frame.time or 0), image))
            elif isinstance(frame, av.AudioFrame):
                rate = frame.sample_rate
                parts.append(frame.to_ndarray())
    sound = np.concatenate(parts, axis=1) if parts else np.zeros((1, 0), np.float32)
    return Shown(pictures, sound, rate)


def redacted(path: Path, *edits: Edit, limits: MediaLimits | None = None) -> tuple[Shown, Manifest]:
    target = path.with_name("redacted.mp4")
    with Source.open(path) as source:
        manifest = redact(source, edits, target, limits or MediaLimits())
    return shown(target), manifest


def likeness(region: Pixels, photo: Pixels) -> float:
    """Correlation of what is finer than a third of the secret: 1 for the secret itself."""

    def fine(pixels: Pixels) -> NDArray[np.float64]:
        grey = pixels.astype(np.float64).mean(axis=2)
        rows, columns = grey.shape[0] // 3, grey.shape[1] // 3
        grey = grey[: rows * 3, : columns * 3]
        means = grey.reshape(3, rows, 3, columns).mean(axis=(1, 3))
        finer: NDArray[np.float64] = grey - means.repeat(rows, 0).repeat(columns, 1)
        return finer.ravel()

    a, b = fine(region), fine(photo)
    return float(abs(a @ b) / (np.linalg.norm(b) ** 2))


def test_a_box_that_moves_is_hidden_in_every_picture_and_the_rest_stays(tmp_path: Path) -> None:
    clip = Clip(320, 180).show(2, across(2))
    path = clip.write(tmp_path / "clip.mp4")
    cover = edit(Remedy.BLUR, 0, 2, Box(0, 0.28, 0.25, 0.44), Box(0.75, 0.28, 0.25, 0.44))
    after, _ = redacted(path, cover)
    before = shown(path)
    assert len(after.pictures) == len(before.pictures) == 50
    for (_, new), (_, old), (at, painted) in zip(
        after.pictures, before.pictures, clip.frames(), strict=True
    ):
        left = round(0.775 * at / 2 * 320)
        top = round(0.3 * 180)
        place = slice(top, top + SIDE), slice(left, left + SIDE)
        assert likeness(old[place], painted[place]) > 0.8
        assert likeness(new[place], painted[place]) < 0.05, at
        outside = np.ones((180, 320), bool)
        outside[top - 8 : top + SIDE + 12, max(0, left - 12) : left + SIDE + 16] = False
        assert np.abs(new.astype(int) - old)[outside].mean() < 2


def test_a_blur_lasts_from_its_start_to_before_its_end(tmp_path: Path) -> None:
    path = Clip(320, 180).show(2, across(1e9)).write(tmp_path / "clip.mp4")
    after, _ = redacted(path, edit(Remedy.BLUR, 0.4, 1.2, Box(0, 0.28, 0.25, 0.44)))
    place = slice(54, 54 + SIDE), slice(0, SIDE)
    hidden = [at for at, new in after.pictures if likeness(new[place], secret()) < 0.05]
    assert hidden == pytest.approx([n / 25 for n in range(10, 30)])


def test_a_blur_without_a_box_hides_the_whole_picture(tmp_path: Path) -> None:
    path = Clip(320, 180).show(0.4, across(1e9)).write(tmp_path / "clip.mp4")
    after, _ = redacted(path, edit(Remedy.BLUR, 0, 1))
    old = shown(path).pictures[0][1]
    assert all(likeness(new, old) < 0.1 for _, new in after.pictures)


def test_small_letters_in_a_small_box_are_hidden(tmp_path: Path) -> None:
    """A line of text has more cells than a face when they are small against it: they are not."""
    stripes = np.zeros((180, 320, 3), np.uint8)
    stripes[90:102, 40:280:4] = stripes[90:102, 41:280:4] = 255
    path = Clip(320, 180).show(0.4, stripes).write(tmp_path / "clip.mp4")
    box = Box(40 / 320, 90 / 180, 240 / 320, 12 / 180)
    after, _ = redacted(path, edit(Remedy.BLUR, 0, 1, box))
    line = after.pictures[3][1][90:102, 40:280].astype(float).mean(axis=2)
    assert np.abs(np.diff(line, axis=1)).max() < 16


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_video_is_written_upright_and_boxes_are_as_displayed(
    tmp_path: Path, rotation: int
) -> None:
    path = Clip(320, 180).show(0.4, across(1e9)).write(tmp_path / "clip.mp4", rotation=rotation)
    turned = np.rot90(next(Clip(320, 180).show(1, across(1e9)).frames())[1], rotation // 90)
    height, width = turned.shape[:2]
    rows, columns = np.nonzero(np.abs(turned.astype(int) - GREEN[0, 0]).sum(axis=2) > 60)
    box = Box.from_corners(
        columns.min() / width, rows.min() / height, (columns.max() + 1) / width,
        (rows.max() + 1) / height,
    )  # fmt: skip
    after, manifest = redacted(path, edit(Remedy.BLUR, 0, 1, box))
    new = after.pictures[4][1]
    assert new.shape == turned.shape
    assert manifest.output is not None
    assert (manifest.output.width, manifest.output.height) == (width, height)
    place = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    assert likeness(new[place], turned[place]) < 0.05
    with av.open(str(tmp_path / "redacted.mp4")) as file:
        assert next(file.decode(video=0)).rotation == 0


def test_pictures_keep_their_times_at_a_variable_rate(tmp_path: Path) -> None:
    clip = Clip(64, 48).show(1, numbered(25), fps=25).show(2, numbered(25), fps=4)
    path = clip.show(1, numbered(25), fps=60).write(tmp_path / "clip.mp4", start=1.5)
    after, _ = redacted(path, edit(Remedy.BLUR, 3.5, 4))
    assert [at for at, _ in after.pictures] == pytest.approx(
        [at for at, _ in clip.frames()], abs=1e-4
    )
    assert [number_in(new) for at, new in after.pictures if at < 1] == list(range(25))


def test_the_last_picture_stands_as_long_as_before(tmp_path: Path) -> None:
    path = uneven(tmp_path / "clip.mp4", [0.04] * 25 + [5])
    after, manifest = redacted(path, edit(Remedy.BLUR, 4, 5))
    assert manifest.output is not None
    assert manifest.output.duration_s == pytest.approx(6, abs=0.3)
    assert after.pictures[25][0] == pytest.approx(1, abs=0.001)
    assert likeness(after.pictures[25][1], shown(path).pictures[25][1]) < 0.05


def test_a_picture_that_stands_long_is_hidden_as_long_as_it_stands(tmp_path: Path) -> None:
    clip = Clip(320, 180).show(2, across(1e9), fps=0.5).show(1, GREEN, fps=5)
    after, _ = redacted(clip.write(tmp_path / "clip.mp4"), edit(Remedy.BLUR, 1.2, 1.4))
    assert likeness(after.pictures[0][1][54:126, :SIDE], secret()) < 0.05


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_colours_stay(tmp_path: Path, pixels: str) -> None:
    path = Clip(128, 96).show(0.4, solid(200, 60, 30)).write(tmp_path / "a.mp4", pixels=pixels)
    after, _ = redacted(path, edit(Remedy.CUT, 0.3, 0.4))
    assert np.abs(after.pictures[0][1].astype(int) - (200, 60, 30)).max() <= 6


def test_an_odd_size_gets_its_edge_repeated(tmp_path: Path) -> None:
    path = Clip(101, 75).show(0.4, GREEN).write(tmp_path / "a.mp4", pixels="yuv444p")
    after, manifest = redacted(path, edit(Remedy.BLUR, 0, 1, Box(0, 0, 0.5, 0.5)))
    assert after.pictures[0][1].shape == (76, 102, 3)
    assert np.abs(after.pictures[0][1][-1, -1].astype(int) - GREEN[0, 0]).max() < 8
    assert any("odd size of 101x75" in each for each in manifest.notes)


def test_a_muted_stretch_is_silent_and_sound_elsewhere_is_as_before(tmp_path: Path) -> None:
    path = Clip(64, 48).show(3, GREEN).hear(tone(3)).write(tmp_path / "clip.mp4")
    after, _ = redacted(path, edit(Remedy.MUTE, 1, 1.5))
    assert after.loudness(1.0, 1.5) < 0.01
    assert after.loudness(0.2, 0.9) == pytest.approx(0.3, abs=0.03)
    assert after.loudness(1.6, 2.9) == pytest.approx(0.3, abs=0.03)
    before = shown(path)
    part = slice(round(0.2 * 16_000), round(0.9 * 16_000))
    offset = np.argmax(np.correlate(after.sound[0, part], before.sound[0, part], "full"))
    assert abs(offset - (part.stop - part.start - 1)) <= 1


def test_a_bleep_is_a_tone_in_place_of_the_words(tmp_path: Path) -> None:
    path = Clip(64, 48).show(2, GREEN).hear(tone(2, hertz=440)).write(tmp_path / "clip.mp4")
    after, _ = redacted(path, edit(Remedy.MUTE, 0.5, 1.5, bleep=True))
    spectrum = np.abs(np.fft.rfft(after.sound[0, 9_600:22_400]))
    hertz = np.fft.rfftfreq(12_800, 1 / 16_000)
    assert hertz[spectrum.argmax()] == pytest.approx(1_000, abs=2)
    assert spectrum[np.abs(hertz - 440) < 5].max() < spectrum.max() / 100


def test_silence_begins_and_ends_without_a_click() -> None:
    from moderation.media import protocol as say
    from moderation.media.hush import Hush

    loud = np.ones((1, 16_000), np.float32)
    piece = say.Edit(number=0, remedy="mute", from_us=400_000, to_us=600_000)
    samples, touched = Hush([piece], 16_000).over(loud, 0)
    assert np.abs(np.diff(samples)).max() < 0.01
    assert not samples[0, 6_400:9_600].any()
    assert samples[0, 6_200] == samples[0, 9_800] == 1
    assert touched[0] == pytest.approx(3_200, abs=1)


def flashes(fps: float = 25) -> Clip:
    """Each second begins with a white picture and a beep of 40 ms."""
    clip = Clip(64, 48, fps=fps)
    for second in range(4):
        clip.show(0.04, solid(255, 255, 255)).show(0.96, solid(0, 0, 0))
        clip.hear(tone(0.04, level=0.8), at=second)
    return clip


def beeps(seen: Shown) -> list[float]:
    """When each begins, in seconds."""
    loud = np.flatnonzero(np.abs(seen.sound[0]) > 0.3) / seen.rate
    return [float(at) for at, before in zip(loud, [-1, *loud], strict=False) if at - before > 0.1]


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(1.5, 2.5), (1.513, 2.487), (0.0, 0.6), (0.3, 0.7), (3.2, 9.0)]
)
def test_a_cut_takes_its_pictures_away_and_sound_stays_in_step(
    tmp_path: Path, start_s: float, end_s: float
) -> None:
    path = flashes().write(tmp_path / "clip.mp4")
    after, _ = redacted(path, edit(Remedy.CUT, start_s, end_s))
    gone = min(end_s, 4) - start_s
    left = [n / 25 for n in range(100) if (n + 1) / 25 <= start_s or n / 25 >= end_s - 1e-9]
    expected = [at if at < start_s else at - gone for at in left]
    assert [at for at, _ in after.pictures] == pytest.approx(expected, abs=1e-4)
    seen = [at for at, new in after.pictures if new.mean() > 128]
    heard = beeps(after)
    assert seen == pytest.approx(heard, abs=0.041)
    assert after.sound.shape[1] / after.rate == pytest.approx(4 - gone, abs=0.14)


def test_many_cuts_leave_pictures_and_sound_in_step(tmp_path: Path) -> None:
    path = flashes().write(tmp_path / "clip.mp4")
    cuts = [edit(Remedy.CUT, at + 0.31, at + 0.317) for at in np.arange(0, 4, 0.5)]
    after, _ = redacted(path, *cuts)
    seen = [at for at, new in after.pictures if new.mean() > 128]
    assert seen == pytest.approx([0, 0.986, 1.972, 2.958], abs=1e-3)
    assert seen == pytest.approx(beeps(after), abs=0.041)


def test_edits_that_overlap_are_all_carried_out(tmp_path: Path) -> None:
    path = Clip(320, 180).show(2, across(1e9)).hear(tone(2)).write(tmp_path / "clip.mp4")
    edits = [
        edit(Remedy.BLUR, 0, 2, Box(0, 0.28, 0.25, 0.44)),
        edit(Remedy.BLUR, 0, 1.6, Box(0.05, 0.1, 0.25, 0.5)),
        edit(Remedy.MUTE, 0.2, 0.8),
        edit(Remedy.CUT, 0.5, 1),
        edit(Remedy.CUT, 0.8, 1.2),
    ]
    after, manifest = redacted(path, *edits)
    assert len(after.pictures) == 50 - 18  # the picture at 0.48 still stood at 0.5
    place = slice(54, 54 + SIDE), slice(0, SIDE)
    assert max(likeness(new[place], secret()) for _, new in after.pictures) < 0.05
    assert after.loudness(0.2, 0.5) < 0.01
    assert [each.done and each.about > 0 for each in manifest.edits] == [True] * 5


# What kinds of files there are


def test_a_video_without_sound_stays_without(tmp_path: Path) -> None:
    path = Clip(64, 48).show(0.4, GREEN).write(tmp_path / "clip.mp4")
    after, manifest = redacted(path, edit(Remedy.BLUR, 0, 1))
    assert after.sound.size == 0
    assert manifest.output is not None
    assert manifest.output.codecs == ("h264",)


def test_sound_without_a_video_is_muted_and_cut(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "sound.mkv", "flac", 44_100, "stereo", 3)
    after, manifest = redacted(path, edit(Remedy.MUTE, 0.5, 1), edit(Remedy.CUT, 1.5, 2))
    assert manifest.output is not None
    assert manifest.output.codecs == ("aac",)
    assert after.loudness(0.5, 1) < 0.01
    assert after.loudness(1.6, 2.4) > 0.2
    assert after.sound.shape == (2, pytest.approx(2.5 * 44_100, abs=2_048))


@pytest.mark.parametrize(
    ("rate", "layout", "written"),
    [
        (8_000, "mono", (8_000, 1)),
        (44_100, "stereo", (44_100, 2)),
        (48_000, "5.1", (48_000, 6)),
        (48_000, "7.1", (48_000, 2)),
        (192_000, "stereo", (48_000, 2)),
    ],
)
def test_sound_keeps_its_rate_and_channels_where_it_can(
    tmp_path: Path, rate: int, layout: str, written: tuple[int, int]
) -> None:
    path = sound_file(tmp_path / "sound.mkv", "flac", rate, layout, 1)
    after, _ = redacted(path, edit(Remedy.MUTE, 0.2, 0.6))
    assert (after.rate, len(after.sound)) == written
    assert after.loudness(0.2, 0.6) < 0.01
    assert after.loudness(0.7, 0.9) > 0.1


def sound_file(path: Path, codec: str, rate: int, layout: str, seconds: int) -> Path:
    """A tone in all channels."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        count = av.AudioLayout(layout).nb_channels
        wave = np.sin(2 * np.pi * 440 * np.arange(seconds * rate) / rate) * 8_000
        for first in range(0, seconds * rate, 4_000):
            part = np.repeat(wave[None, first : first + 4_000], count, axis=0).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(part.T.reshape(1, -1).copy(), "s16", layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), first
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".ts", ".avi", ".mov"])
def test_every_container_becomes_mp4_in_step(tmp_path: Path, suffix: str) -> None:
    path = flashes().write(tmp_path / f"clip{suffix}")
    after, _ = redacted(path, edit(Remedy.CUT, 0.5, 1.5))
    seen = [at for at, new in after.pictures if new.mean() > 128]
    assert seen == pytest.approx(beeps(after), abs=0.041)
    assert np.diff(seen) == pytest.approx([1, 1], abs=0.002)


def test_a_hole_in_the_sound_becomes_silence() -> None:
    from moderation.media.tape import Tape, Voice

    def frame() -> av.AudioFrame:
        made = av.AudioFrame.from_ndarray(np.full((1, 800), 0.5, np.float32), "flt", "mono")
        made.sample_rate = 8_000
        return made

    tape = Tape(Voice(8_000, "mono"))
    times = (-50_000, 200_000, 301_000, 350_000)
    blocks = [block for at in times for block in tape.add(frame(), at)]
    sound = np.concatenate([block.samples for block in (*blocks, *tape.finish())], axis=1)[0]
    # 50 ms after the start, a hole, 100 ms, 100 ms without a pause, and what does not overlap
    assert [len(part) for part in np.split(sound, np.flatnonzero(np.diff(sound)) + 1)] == [
        400, 1_200, 2_000
    ]  # fmt: skip


def test_only_the_default_streams_are_kept_and_the_rest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "many.mkv"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = file.metadata["location"] = "my house"
        streams: list[Any] = [file.add_stream("mpeg4", rate=25) for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.metadata["title"] = f"camera {number}"
        heard: list[Any] = [file.add_stream("flac", rate=16_000, layout="mono") for _ in range(2)]
        for _ in range(10):
            for stream, color in zip(streams, (GREEN, solid(200, 0, 0)), strict=True):
                image = np.broadcast_to(color, (48, 64, 3)).copy()
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        for stream in heard:
            frame = av.AudioFrame.from_ndarray(np.full((1, 6_400), 999, np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 16_000, 0
            file.mux(stream.encode(frame))
        for stream in (*streams, *heard):
            file.mux(stream.encode())
    after, manifest = redacted(path, edit(Remedy.MUTE, 0, 0.1))
    assert {"1 video stream", "1 audio stream"} <= set(manifest.dropped)
    assert any("metadata" in each for each in manifest.dropped)
    assert np.abs(after.pictures[2][1].astype(int) - GREEN[0, 0]).max() < 10
    with av.open(str(tmp_path / "redacted.mp4")) as new:
        assert [each.type for each in new.streams] == ["video", "audio"]
    assert b"my house" not in (tmp_path / "redacted.mp4").read_bytes()
    assert b"camera" not in (tmp_path / "redacted.mp4").read_bytes()


# What cannot be done


def refused(path: Path, *edits: Edit, limits: MediaLimits | None = None) -> ModerationError:
    """The error; nothing is left of the attempt."""
    before = sorted(os.listdir(path.parent))
    with pytest.raises(ModerationError) as raised:
        redacted(path, *edits, limits=limits)
    assert sorted(os.listdir(path.parent)) == before
    return raised.value


@pytest.mark.parametrize(
    ("remedy", "start_s", "end_s", "reason"),
    [
        (Remedy.MUTE, 0, 1, "the file has no sound"),
        (Remedy.BLUR, 7, 8, "there is no picture at that time"),
        (Remedy.CUT, 7, 8, "there is no picture at that time"),
    ],
)
def test_an_edit_that_cannot_be_placed_leaves_no_file(
    tmp_path: Path, remedy: Remedy, start_s: float, end_s: float, reason: str
) -> None:
    path = Clip(64, 48).show(1, GREEN).write(tmp_path / "clip.mp4")
    error = refused(path, edit(Remedy.BLUR, 0, 1), edit(remedy, start_s, end_s))
    assert reason in str(error)
    assert f"{remedy} of Violence at" in str(error)


def test_sound_has_no_picture_to_blur(tmp_path: Path) -> None:
    path = sound_file(tmp_path / "sound.mkv", "flac", 8_000, "mono", 1)
    assert "the file has no picture" in str(refused(path, edit(Remedy.BLUR, 0, 1)))


def test_remedies_that_change_nothing_write_nothing(tmp_path: Path) -> None:
    path = Clip(64, 48).show(0.4, GREEN).write(tmp_path / "clip.mp4")
    restricted = Edit(label="Violence", span=Span.from_seconds(0, 1), remedy=Remedy.AGE_RESTRICT)
    assert "no remedy changes anything" in str(refused(path, restricted))


def test_a_video_that_is_cut_out_whole_is_refused(tmp_path: Path) -> None:
    path = Clip(64, 48).show(1, GREEN).write(tmp_path / "clip.mp4")
    assert "the cuts leave nothing" in str(refused(path, edit(Remedy.CUT, 0, 2)))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def scrambled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    middle = slice(len(data) // 4, len(data) * 3 // 4)
    data[middle] = np.random.default_rng(3).bytes(len(data[middle]))
    path.write_bytes(data)


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n")


@pytest.mark.parametrize("damage", [truncated, scrambled, playlist])
def test_a_damaged_or_hostile_file_is_one_sentence_and_no_file(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (8, 180, 320, 3), np.uint8)
    clip = Clip(320, 180).show(1, lambda at: noise[round(at * 25) % 8])
    path = clip.write(tmp_path / "clip.mkv")
    damage(path)
    error = refused(path, edit(Remedy.BLUR, 0, 1))
    assert isinstance(error, MediaError)
    assert error.hint
    assert "\n" not in str(error)


def test_a_video_beyond_the_limits_is_refused(tmp_path: Path) -> None:
    path = Clip(64, 48).show(3, GREEN).write(tmp_path / "clip.mp4")
    error = refused(path, edit(Remedy.BLUR, 0, 1), limits=MediaLimits(max_seconds=1))
    assert isinstance(error, MediaError)
    assert error.fault is MediaFault.TOO_LARGE


# The files


def test_the_manifest_tells_what_was_done(tmp_path: Path) -> None:
    path = Clip(64, 48).show(1, GREEN).hear(tone(1)).write(tmp_path / "clip.mp4")
    restricted = Edit(label="Smoking", span=Span.from_seconds(0, 1), remedy=Remedy.AGE_RESTRICT)
    redacted(path, edit(Remedy.BLUR, 0.2, 0.6, Box(0.1, 0.2, 0.3, 0.4)), restricted)
    target = tmp_path / "redacted.mp4"
    told = json.loads(manifest_path(target).read_text())
    assert told["schema"] == "moderation.redaction/v1"
    assert told["input"]["sha256"] == digest(path)
    assert told["output"]["sha256"] == digest(target)
    blur, age = told["edits"]
    assert (blur["remedy"], blur["label"], blur["about"]) == ("blur", "Violence", 10)
    assert (blur["start_s"], blur["end_s"]) == (0.2, 0.6)
    assert blur["parts"][0]["box"] == [0.1, 0.2, 0.3, 0.4]
    assert (age["done"], bool(age["reason"])) == (False, True)


def digest(path: Path) -> str:
    with Source.open(path) as source:
        return source.sha256()


def test_what_is_there_is_not_replaced_unless_forced(tmp_path: Path) -> None:
    path = Clip(64, 48).show(0.4, GREEN).write(tmp_path / "clip.mp4")
    target, todo = tmp_path / "new.mp4", [edit(Remedy.BLUR, 0, 1)]
    for there in (target, manifest_path(target)):
        there.write_text("mine")
        with Source.open(path) as source, pytest.raises(ConfigurationError, match="is there"):
            redact(source, todo, target, MediaLimits())
        assert there.read_text() == "mine"
        there.unlink()
    target.write_text("mine")
    with Source.open(path) as source:
        redact(source, todo, target, MediaLimits(), force=True)
    assert len(shown(target).pictures) == 10


@pytest.mark.parametrize("name", ["clip.mp4", "link.mp4", "folder/../clip.mp4"])
def test_the_video_itself_is_never_replaced(tmp_path: Path, name: str) -> None:
    path = Clip(64, 48).show(0.4, GREEN).write(tmp_path / "clip.mp4")
    (tmp_path / "link.mp4").symlink_to(path)
    (tmp_path / "folder").mkdir()
    before = path.read_bytes()
    with Source.open(path) as source, pytest.raises(ConfigurationError, match="overwrite"):
        redact(source, [edit(Remedy.BLUR, 0, 1)], tmp_path / name, MediaLimits(), force=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "reason"), [("new.mkv", "no name for an MP4"), ("none/new.mp4", "cannot be written")]
)
def test_a_place_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, name: str, reason: str
) -> None:
    path = Clip(64, 48).show(0.4, GREEN).write(tmp_path / "clip.mp4")
    with Source.open(path) as source, pytest.raises(ConfigurationError, match=reason):
        redact(source, [edit(Remedy.BLUR, 0, 1)], tmp_path / name, MediaLimits())


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    path = Clip(64, 48).show(1, GREEN).write(tmp_path / "clip.mp4")

    def stop() -> None:
        raise KeyboardInterrupt

    def patient() -> None:
        """Until the new file is there."""
        if list(tmp_path.glob(".*.part")):
            raise KeyboardInterrupt

    for check in (stop, patient):
        with Source.open(path) as source, pytest.raises(KeyboardInterrupt):
            redact(
                source, [edit(Remedy.BLUR, 0, 1)], tmp_path / "n.mp4", MediaLimits(), check=check
            )
        assert os.listdir(tmp_path) == ["clip.mp4"]


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    path = Clip(64, 48).show(0.4, GREEN).write(tmp_path / "clip.mp4")
    with Source.open(path) as source:
        manifest = plan(source, [edit(Remedy.BLUR, 0, 1)], MediaLimits())
    assert manifest.output is None
    assert os.listdir(tmp_path) == ["clip.mp4"]
