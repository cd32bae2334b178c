"""Sound: 16 kHz mono, in step with the pictures, and nothing that people hear left out."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from moderation.detector import Audio, Frames
from moderation.errors import MediaFault
from moderation.media.frames import SAMPLE_RATE, AudioChunk
from moderation.media.sound import Block, Mixer
from moderation.testing.clips import BLACK, WHITE, Clip, tone
from moderation.testing.decoding import Decoded, decoded

Samples = NDArray[np.float32]


def wav(path: Path, channels: NDArray[np.float64], rate: int) -> Path:
    """A WAV file of these channels, shape (channels, samples)."""
    data = (channels.T * 32767).astype("<i2").tobytes()
    count = len(channels)
    head = struct.pack("<IHHIIHH", 16, 1, count, rate, rate * count * 2, count * 2, 16)
    body = b"WAVEfmt " + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def wave(rate: int, seconds: float = 1.0, level: float = 0.5) -> NDArray[np.float64]:
    return level * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)


def heard(seen: Decoded) -> Samples:
    return np.concatenate([chunk.samples for chunk in seen.sound])


def frame(samples: int, rate: int = SAMPLE_RATE) -> av.AudioFrame:
    made = av.AudioFrame.from_ndarray(np.full((1, samples), 0.5, np.float32), "flt", "mono")
    made.sample_rate = rate
    return made


def mixed(*timed: tuple[int, int | None]) -> list[tuple[int, int]]:
    """(samples, time) of frames -> (time, samples) of blocks."""
    mixer = Mixer()
    blocks = [block for samples, at in timed for block in mixer.add(frame(samples), at)]
    return [(block.at_us, len(block.samples)) for block in (*blocks, *mixer.finish())]


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 192_000, 768_000])
def test_every_sample_rate_becomes_16_khz(tmp_path: Path, rate: int) -> None:
    seen = decoded(wav(tmp_path / "a.wav", wave(rate)[None], rate), Audio())
    samples = heard(seen)
    assert samples.dtype == np.float32
    assert len(samples) == SAMPLE_RATE
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() == 440
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 10, 24, 64])
def test_any_number_of_channels_becomes_one(tmp_path: Path, channels: int) -> None:
    sound = np.repeat(wave(48_000, 0.2)[None], channels, axis=0)
    samples = heard(decoded(wav(tmp_path / "a.wav", sound, 48_000), Audio()))
    assert len(samples) == SAMPLE_RATE / 5
    assert 0.4 < np.abs(samples[1000:-1000]).max() <= 1


@pytest.mark.parametrize("channel", [0, 1, 2, 4, 5])  # 3 is 5.1's effects, without speech
def test_speech_in_any_single_channel_is_heard(tmp_path: Path, channel: int) -> None:
    sound = np.zeros((6, 9_600))
    sound[channel] = wave(48_000, 0.2)
    assert np.abs(heard(decoded(wav(tmp_path / "a.wav", sound, 48_000), Audio()))).max() > 0.1


def test_channels_that_cancel_each_other_are_heard(tmp_path: Path) -> None:
    sound = np.stack([wave(48_000), -wave(48_000)])
    samples = heard(decoded(wav(tmp_path / "a.wav", sound, 48_000), Audio()))
    assert np.abs(samples[1000:-1000]).max() == pytest.approx(0.5, abs=0.02)


def test_more_channels_than_can_be_mixed_are_a_typed_error(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", np.repeat(wave(8_000, 0.1)[None], 255, axis=0), 8_000)
    with pytest.raises(Exception, match="nothing of the audio decodes") as raised:
        decoded(path, Audio())
    assert raised.value.fault is MediaFault.UNREADABLE  # type: ignore[attr-defined]


def test_sound_is_cut_into_chunks_that_follow_each_other(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", wave(48_000, 2.5)[None], 48_000)
    chunks = decoded(path, Audio(seconds=1)).sound
    assert [chunk.at.us for chunk in chunks] == [0, 1_000_000, 2_000_000]
    assert [len(chunk.samples) for chunk in chunks] == [16_000, 16_000, 8_000]


def test_chunks_cannot_be_written_to(tmp_path: Path) -> None:
    chunk = decoded(wav(tmp_path / "a.wav", wave(8_000)[None], 8_000), Audio()).sound[0]
    with pytest.raises(ValueError, match="read-only"):
        chunk.samples[0] = 0


def test_the_jitter_of_timestamps_changes_nothing() -> None:
    blocks = mixed((160, 0), (160, 9_000), (160, 21_000), (160, None))
    assert blocks == [(0, 160), (10_000, 160), (20_000, 160), (30_000, 160)]


def test_a_short_hole_is_silence() -> None:
    assert mixed((1600, 0), (1600, 600_000)) == [(0, 1600), (100_000, 8000), (600_000, 1600)]


def test_a_long_hole_is_left_out() -> None:
    assert mixed((1600, 0), (1600, 3_600_000_000)) == [(0, 1600), (3_600_000_000, 1600)]


def test_sound_that_falls_back_a_little_keeps_its_own_time() -> None:
    assert mixed((16_000, 0), (1600, 700_000)) == [(0, 16_000), (700_000, 1600)]


def test_a_count_that_begins_anew_goes_on_where_the_first_ended() -> None:
    assert mixed((32_000, 0), (1600, 0), (1600, 100_000)) == [
        (0, 32_000), (2_000_000, 1600), (2_100_000, 1600)
    ]  # fmt: skip


def test_a_change_of_the_sample_rate_keeps_the_time() -> None:
    mixer = Mixer()
    blocks = [*mixer.add(frame(16_000), 0), *mixer.add(frame(48_000, 48_000), 1_000_000)]
    blocks += mixer.finish()
    assert sum(len(block.samples) for block in blocks) == 32_000
    assert blocks[0].at_us == 0
    assert end_of(blocks[-1]) == 2_000_000


def end_of(block: Block) -> int:
    return block.at_us + round(len(block.samples) * 1_000_000 / SAMPLE_RATE)


def test_numbers_that_are_none_become_silence() -> None:
    broken = np.array([[np.nan, np.inf, -np.inf, 7.0]], np.float32)
    made = av.AudioFrame.from_ndarray(broken, "flt", "mono")
    made.sample_rate = SAMPLE_RATE
    mixer = Mixer()
    samples = np.concatenate([b.samples for b in (*mixer.add(made, 0), *mixer.finish())])
    assert samples.tolist() == [0, 1, -1, 1]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".webm", ".avi"])
def test_picture_and_sound_are_in_step(tmp_path: Path, suffix: str) -> None:
    clip = Clip(64, 48, fps=25).show(1, BLACK).show(1, WHITE).hear(tone(1, level=0.8), at=1)
    start = 0.0 if suffix == ".avi" else 3.0
    path = clip.write(tmp_path / f"clip{suffix}", start=start)
    seen = decoded(path, Frames(per_second=1000), Audio())
    white = next(frame.at.seconds for frame in seen.frames if frame.image.mean() > 128)
    assert first_loud(seen.sound) == pytest.approx(white, abs=0.03)


def first_loud(chunks: list[AudioChunk]) -> float:
    for chunk in chunks:
        loud = np.flatnonzero(np.abs(chunk.samples) > 0.2)
        if len(loud):
            return chunk.at.seconds + float(loud[0]) / SAMPLE_RATE
    return float("nan")


def test_the_sound_that_players_play_is_heard_and_the_rest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(path, "w") as container:
        streams = [container.add_stream("flac", rate=16_000, layout="mono") for _ in range(2)]
        for second in range(3):
            for stream, level in zip(streams, (3_000, 12_000), strict=True):
                made = av.AudioFrame.from_ndarray(
                    np.full((1, 16_000), level, np.int16), "s16", "mono"
                )
                made.sample_rate, made.time_base = 16_000, Fraction(1, 16_000)
                made.pts = second * 16_000
                container.mux(stream.encode(made))
        for stream in streams:
            container.mux(stream.encode())
    seen = decoded(path, Audio())
    assert np.median(heard(seen)) == pytest.approx(3_000 / 32_768)
    assert (seen.feeds[0].examined, seen.feeds[0].planned) == (3, 4)
    assert seen.outcome.message == "only one of its sound tracks is listened to"
