"""Broadcast: one decode for all, and nobody waits for one who is gone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from moderation.config import MediaLimits
from moderation.detector import Audio, Frames
from moderation.errors import Cancelled, DeadlineExceeded, MediaError, MediaFault, SourceError
from moderation.media import Broadcast, Feed, FrameBatch, MediaReader, broadcast
from moderation.source import Source
from moderation.testing.clips import BLACK, Clip, numbered, tone
from moderation.testing.decoding import decoded
from moderation.testing.feed import frame_batches
from moderation.timeline import Instant

FRAMES = Frames(per_second=10, batch=4)
SOUND = Audio(seconds=0.5)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of numbered frames, 10 a second, with a tone."""
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    return Clip(64, 48, fps=10).show(4, numbered(10)).hear(tone(4)).write(path)


@contextmanager
def opened(path: Path, *wants: Any, **limits: int) -> Iterator[Broadcast]:
    chosen = MediaLimits(unchanged_below=0, **limits)
    with Source.open(path) as source, MediaReader(source, chosen) as media:
        yield broadcast(media, media.probe(), wants)


@contextmanager
def readers(*work: Any) -> Iterator[list[Any]]:
    with ThreadPoolExecutor(len(work)) as pool:
        yield [pool.submit(each) for each in work]


def test_frames_and_sound_come_from_one_decode(clip: Path) -> None:
    seen = decoded(clip, FRAMES, SOUND)
    assert [len(batch) for batch in seen.batches[0]] == [4] * 10
    assert [frame.at.us for frame in seen.frames] == list(range(0, 4_000_000, 100_000))
    assert [frame.index for frame in seen.frames] == list(range(40))
    assert [chunk.at.us for chunk in seen.sound] == list(range(0, 4_000_000, 500_000))
    assert seen.outcome.frames == 40


def test_equal_wants_share_their_batches(clip: Path) -> None:
    seen = decoded(clip, FRAMES, Frames(per_second=10, batch=4))
    assert all(one is other for one, other in zip(*seen.batches, strict=True))


def test_different_wants_share_their_pixels(clip: Path) -> None:
    seen = decoded(clip, FRAMES, Frames(per_second=1, batch=2))
    often = {frame.at: frame.image for batch in seen.batches[0] for frame in batch}
    seldom = [frame for batch in seen.batches[1] for frame in batch]
    assert len(seldom) == 5
    assert all(often[frame.at] is frame.image for frame in seldom)


def test_every_want_has_its_own_sampling(clip: Path) -> None:
    seen = decoded(clip, Frames(per_second=1, batch=100), Frames(per_second=2, batch=100))
    assert [frame.at.us for frame in seen.batches[0][0]] == [0, 1_000_000, 2_000_000, 3_000_000,
                                                            3_900_000]  # fmt: skip
    assert len(seen.batches[1][0]) == 9


def test_a_feed_counts_what_was_examined(clip: Path) -> None:
    seen = decoded(clip, FRAMES, SOUND)
    frames, sound = seen.feeds
    assert (frames.examined, frames.planned, frames.unit) == (40, 40, "samples")
    assert (sound.examined, sound.planned, sound.unit) == (4, 4, "seconds")


def test_a_batch_in_hand_is_not_examined_yet(clip: Path) -> None:
    def stop_at_the_second(feed: Feed[Any]) -> float:
        next(feed)
        next(feed)
        feed.close()
        return feed.examined

    with opened(clip, FRAMES, SOUND) as decode:
        first, second = decode.feeds
        with readers(lambda: stop_at_the_second(first), lambda: list(second)) as reading:
            decode.run()
            assert reading[0].result() == 4
        assert (first.examined, first.planned) == (4, 40)


def test_the_decoder_waits_for_a_slow_consumer() -> None:
    feed: Feed[FrameBatch] = Feed("samples", capacity=2)
    batches = list(frame_batches([BLACK] * 3, batch=1))
    decoder = threading.Thread(target=deque, args=(map(feed.put, batches), 0))
    decoder.start()
    decoder.join(0.1)
    assert decoder.is_alive()
    assert next(feed) is batches[0]
    decoder.join()


def test_a_closed_feed_does_not_stop_the_others(clip: Path) -> None:
    with opened(clip, FRAMES, SOUND) as decode:
        gone, staying = decode.feeds
        gone.close()
        with readers(lambda: list(staying)):
            decode.run()
        assert (gone.examined, gone.planned, staying.examined) == (0, 40, 4)


def test_a_consumer_that_raises_does_not_stop_the_others(clip: Path) -> None:
    def fail(feed: Feed[Any]) -> None:
        try:
            next(feed)
            raise ValueError("a bug in a detector")
        finally:
            feed.close()

    with opened(clip, Frames(per_second=10, batch=1), SOUND, queue_batches=1) as decode:
        failing, staying = decode.feeds
        with readers(lambda: fail(failing), lambda: list(staying)) as reading:
            decode.run()
            assert isinstance(reading[0].exception(), ValueError)
        assert staying.examined == 4


def test_decoding_ends_when_nobody_looks_any_more(clip: Path) -> None:
    with opened(clip, FRAMES, SOUND) as decode:
        for feed in decode.feeds:
            feed.close()
        decode.run()
        # How far the decoder came is chance; a header may be off by as much as it left.
        assert decode.feeds[0].planned == pytest.approx(40, abs=2)
        assert decode.feeds[1].planned == pytest.approx(4, abs=0.25)


def test_without_wants_nothing_is_decoded_but_the_first_frame(clip: Path) -> None:
    with opened(clip) as decode:
        assert decode.run().frames <= 1


def test_progress_goes_from_the_start_to_the_end(clip: Path) -> None:
    told = list[Instant]()
    with opened(clip, FRAMES) as decode, readers(lambda: list(decode.feeds[0])):
        decode.run(told.append)
    assert told == sorted(told)
    assert (told[0].us, told[-1].us >= 3_000_000) == (0, True)


def test_stopping_raises_in_the_decoder_and_in_every_consumer(clip: Path) -> None:
    with opened(clip, FRAMES, SOUND) as decode:
        with readers(*(lambda feed=feed: list(feed) for feed in decode.feeds)) as reading:
            decode.stop(DeadlineExceeded())
            with pytest.raises(DeadlineExceeded):
                decode.run()
        assert all(isinstance(each.exception(), DeadlineExceeded) for each in reading)


def test_stopping_frees_a_decoder_that_waits(clip: Path) -> None:
    with opened(clip, Frames(per_second=10, batch=1), queue_batches=1) as decode:
        threading.Timer(0.2, decode.stop, [Cancelled()]).start()
        with pytest.raises(Cancelled):
            decode.run()


def test_ctrl_c_in_the_decoder_ends_the_consumers(clip: Path) -> None:
    def press(_: Instant) -> None:
        raise KeyboardInterrupt

    with opened(clip, FRAMES, SOUND) as decode:
        consumers = (lambda feed=feed: list(feed) for feed in decode.feeds)
        with readers(*consumers) as reading, pytest.raises(KeyboardInterrupt):
            decode.run(press)
        assert all(isinstance(each.exception(), Cancelled) for each in reading)


def test_one_feed_alone_can_be_stopped(clip: Path) -> None:
    with opened(clip, FRAMES, SOUND) as decode:
        late, staying = decode.feeds
        late.stop(DeadlineExceeded())
        with readers(lambda: list(late), lambda: list(staying)) as reading:
            decode.run()
        assert isinstance(reading[0].exception(), DeadlineExceeded)
        assert staying.examined == 4


def test_a_file_that_does_not_decode_ends_the_consumers(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    Clip(64, 48, fps=10).show(1, BLACK).write(path, options={"movflags": "faststart"})
    content = path.read_bytes()
    at = content.index(b"mdat") + 4
    path.write_bytes(content[:at] + bytes(len(content) - at))
    with opened(path, FRAMES) as decode:
        (feed,) = decode.feeds
        with readers(lambda: list(feed)) as reading, pytest.raises(MediaError) as raised:
            decode.run()
        assert raised.value.fault is MediaFault.UNREADABLE
        assert isinstance(reading[0].exception(), Cancelled)


def test_a_file_that_changes_meanwhile_is_not_judged(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "growing.mkv"
    path.write_bytes(clip.read_bytes())

    def grow(_: Instant) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with (
        opened(path, FRAMES) as decode,
        readers(lambda: list(decode.feeds[0])),
        pytest.raises(SourceError) as raised,
    ):
        decode.run(grow)
    assert raised.value.fault is MediaFault.CHANGED


def test_time_spent_waiting_is_not_time_spent_looking(clip: Path) -> None:
    with opened(clip, FRAMES) as decode:
        (feed,) = decode.feeds
        with readers(lambda: list(feed)) as reading:
            threading.Event().wait(0.1)
            decode.run()
            reading[0].result()
    assert feed.waited_s >= 0.1


def test_what_is_neither_frames_nor_sound_is_refused(clip: Path) -> None:
    with pytest.raises(TypeError, match="frames or audio"), opened(clip, "text"):
        pass
