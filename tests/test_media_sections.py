"""A video that is looked at in sections: nothing at a border is lost, and nothing comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from moderation.detector import Audio, Frames
from moderation.errors import SourceError
from moderation.media import SAMPLE_RATE, MediaReader
from moderation.section import Section, sections
from moderation.source import Source
from moderation.testing.clips import Clip, number_in, numbered, tone
from moderation.testing.decoding import Decoded, decoded
from moderation.timeline import MICROSECONDS, Instant

FPS = 25.0
EVERY = 2 * MICROSECONDS
MILLISECOND = SAMPLE_RATE // 1_000
ALL = Frames(per_second=1_000)
HEARD = Audio(seconds=30)

WORDS = ((0.0, 1.9), (2.2, 4.05), (4.4, 6.1), (6.5, 8.0))
"""From when to when there is sound, in seconds; the even times fall into it or beside it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sections")


def spoken(path: Path) -> Path:
    clip = Clip(128, 72, FPS).show(8, numbered(FPS))
    for start, end in WORDS:
        clip.hear(tone(end - start), at=start)
    return clip.write(path)


@pytest.fixture(scope="module", params=["mp4", "mkv", "webm"])
def clip(request: pytest.FixtureRequest, folder: Path) -> Path:
    return spoken(folder / f"spoken.{request.param}")


def cuts_of(path: Path, every_us: int = EVERY) -> tuple[Instant, ...]:
    with Source.open(path) as source, MediaReader(source) as media:
        return media.cuts(every_us)


def in_sections(path: Path, parts: Sequence[Section]) -> list[Decoded]:
    return [decoded(path, ALL, HEARD, section=each) for each in parts]


def heard(parts: Sequence[Decoded], seconds: float = 8.5) -> tuple[np.ndarray, np.ndarray]:
    """The sound laid out in time, and how often each sample came."""
    sound = np.zeros(round(seconds * SAMPLE_RATE))
    times = np.zeros(len(sound), int)
    for chunk in (chunk for part in parts for chunk in part.sound):
        first = round(chunk.at.us * SAMPLE_RATE / MICROSECONDS)
        sound[first : first + len(chunk.samples)] += chunk.samples
        times[first : first + len(chunk.samples)] += 1
    return sound, times


def loudness(sound: np.ndarray) -> list[float]:
    steps = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    return list(np.sqrt(np.square(steps).mean(axis=1)))


def test_cuts_fall_into_pauses(clip: Path) -> None:
    cuts = cuts_of(clip)
    assert len(cuts) == 3
    for cut, (before, after) in zip(cuts, pairwise(WORDS), strict=True):
        assert before[1] < cut.seconds < after[0]


def test_every_frame_comes_once_and_is_the_same(clip: Path) -> None:
    whole = decoded(clip, ALL, HEARD)
    parts = in_sections(clip, sections(cuts_of(clip)))
    together = [frame for part in parts for frame in part.frames]
    assert [frame.at for frame in together] == [frame.at for frame in whole.frames]
    assert [number_in(frame.image) for frame in together] == list(range(200))
    assert sum(part.feeds[0].planned for part in parts) == whole.feeds[0].planned
    assert all(part.feeds[0].examined == part.feeds[0].planned for part in parts)


def test_every_sample_of_sound_comes_once(clip: Path) -> None:
    whole, often = heard([decoded(clip, ALL, HEARD)])
    together, times = heard(in_sections(clip, sections(cuts_of(clip))))
    borders = len(WORDS) - 1
    assert np.abs(times - often).sum() <= borders * MILLISECOND, "as exact as Matroska's times"
    assert loudness(together) == pytest.approx(loudness(whole), abs=0.06)  # a tone's is 0.21


def test_a_section_says_how_much_of_it_there_is(clip: Path) -> None:
    parts = in_sections(clip, sections(cuts_of(clip)))
    assert [part.outcome.message for part in parts] == [""] * 4
    for part, cut in zip(parts, cuts_of(clip), strict=False):
        assert part.outcome.decoded == cut
    assert parts[-1].outcome.decoded.seconds == pytest.approx(8, abs=0.1)


def test_without_sound_the_even_times_will_do(folder: Path) -> None:
    clip = Clip(128, 72, FPS).show(7.5, numbered(FPS)).write(folder / "mute.mp4")
    assert [cut.seconds for cut in cuts_of(clip)] == [2, 4, 6]


def test_sound_that_ends_early_is_no_loss_of_later_sections(folder: Path) -> None:
    clip = Clip(128, 72, FPS).show(8, numbered(FPS))
    path = clip.hear(tone(1)).write(folder / "short_sound.mkv", audio="pcm_s16le")
    # `Clip` fills up with silence: so cut where there is nothing at all, behind the end.
    (last,) = in_sections(path, [Section(3, Instant(60 * MICROSECONDS))])
    assert (last.frames, last.sound) == ([], [])
    assert last.feeds[0].planned == 0


@pytest.mark.parametrize("seconds", [1, 2.5])
def test_a_short_video_is_not_cut(folder: Path, seconds: float) -> None:
    clip = Clip(128, 72, FPS).show(seconds, numbered(FPS)).write(folder / f"{seconds}.mp4")
    assert cuts_of(clip) == ()


def test_a_container_that_finds_nothing_by_its_time_is_not_cut(folder: Path) -> None:
    assert cuts_of(spoken(folder / "spoken.ts")) == ()


def test_a_file_that_breaks_off_is_not_cut(folder: Path) -> None:
    clip = spoken(folder / "broken_off.mkv")
    with clip.open("r+b") as file:
        file.truncate(clip.stat().st_size * 3 // 4)
    assert cuts_of(clip) == ()


def test_damage_costs_the_section_that_it_lies_in(folder: Path) -> None:
    clip = spoken(folder / "damaged.mkv")
    parts = sections(cuts_of(clip))
    data = bytearray(clip.read_bytes())
    middle = len(data) * 5 // 8
    data[middle : middle + 2_000] = bytes(2_000)
    clip.write_bytes(data)
    messages = [part.outcome.message for part in in_sections(clip, parts)]
    assert any(messages)
    assert not messages[0], "decoding begins and ends a little beyond a section, and no further"


def test_a_decoder_that_cuts_to_pieces_is_not_believed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moderation.media import protocol as say
    from moderation.media.process import DecoderLost

    clip = spoken(folder / "lies.mp4")
    with Source.open(clip) as source, MediaReader(source) as media:
        monkeypatch.setattr(media, "ask", lambda *_: iter([say.Divided(at_us=tuple(range(9_999)))]))
        with pytest.raises(DecoderLost, match="to pieces"):
            media.cuts(EVERY)
    assert not issubclass(DecoderLost, SourceError)


def interleaved(path: Path, *, late_s: float = 0, key_frames: bool = True) -> Path:
    """Eight seconds: pictures `late_s` behind the sound of their time, of which only the first can
    be decoded by itself unless there are `key_frames`; all say that they can."""
    with av.open(str(path), "w", options={"max_interleave_delta": "1"}) as container:
        video = container.add_stream("libx264", rate=10)
        video.width = video.height = 64
        video.pix_fmt, video.options = "yuv420p", {"bf": "0", "sc_threshold": "0"}
        video.gop_size = 10 if key_frames else 1_000
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        container.start_encoding()
        shown = [*map(grey, range(80)), None]
        pictures = [each for frame in shown for each in video.encode(frame)]
        heard = [*map(silence, range(375)), None]
        sounds = [each for frame in heard for each in sound.encode(frame)]
        for each in pictures:
            each.is_keyframe = True
        waiting = [((each.dts or 0) * each.time_base + Fraction(late_s), each) for each in pictures]
        waiting += [((each.dts or 0) * each.time_base, each) for each in sounds]
        for _, packet in sorted(waiting, key=lambda each: each[0]):
            container.mux_one(packet)
    return path


def grey(number: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, 10)
    return frame


def silence(number: int) -> av.AudioFrame:
    samples = np.zeros((1, 1_024), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 1_024, Fraction(1, 48_000)
    return frame


def test_sound_that_lies_together_with_its_pictures_allows_cuts(folder: Path) -> None:
    assert len(cuts_of(interleaved(folder / "together.mkv"))) == 3


def test_a_file_whose_sound_lies_far_before_its_pictures_is_not_cut(folder: Path) -> None:
    assert cuts_of(interleaved(folder / "apart.mkv", late_s=3)) == ()


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_a_file_whose_key_frames_are_none_is_not_cut(folder: Path, container: str) -> None:
    path = folder / f"no_keys.{container}"
    assert cuts_of(interleaved(path, key_frames=False)) == ()
