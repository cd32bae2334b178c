"""The reader: whatever happens to the process that decodes, its parent goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from moderation.config import MediaLimits
from moderation.detector import Audio, Frames
from moderation.errors import Cancelled, MediaError, MediaFault, SourceError
from moderation.media import FrameBatch, MediaReader, Outcome, broadcast
from moderation.media.process import DecoderProcess
from moderation.source import Source
from moderation.testing.clips import Clip, number_in, numbered, tone
from moderation.testing.decoding import decoded
from moderation.timeline import Instant

SMALL = MediaLimits(unchanged_below=0, longest_side=640, queue_batches=1)
"""With frames of 640x480 the shared memory holds nine of them: the decoder has to wait."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 s of numbered frames, 10 a second, with a tone."""
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    return Clip(640, 480, fps=10).show(6, numbered(10)).hear(tone(6)).write(path)


class Killer:
    """Reads all frames, and sends a signal each to the first decoders, as soon as there are any."""

    def __init__(self, media: MediaReader, *signals: signal.Signals) -> None:
        self.media, self.signals = media, list(signals)
        self.frames: list[int] = []
        self._struck: set[int] = set()

    def __call__(self, feed: Iterator[FrameBatch]) -> None:
        for batch in feed:
            self.frames += [number_in(frame.image) for frame in batch]
            # Between two decoders there is none; 0 would be all processes of this group. A dead
            # one has its number until somebody has noticed.
            pid = self.media.pid
            if self.signals and pid and pid not in self._struck:
                self._struck.add(pid)
                os.kill(pid, self.signals.pop(0))


def decode(
    path: Path, *signals: signal.Signals, limits: MediaLimits = SMALL
) -> tuple[Outcome, Killer, MediaReader]:
    with Source.open(path) as source, MediaReader(source, limits) as media:
        killer = Killer(media, *signals)
        cast = broadcast(media, media.probe(), [Frames(10, batch=2)])
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(killer, iter(cast.feeds[0]))
            outcome = cast.run()
            reading.result()
    return outcome, killer, media


def test_the_decoder_is_another_process(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        media.probe()
        assert media.pid
        assert psutil.Process(media.pid).ppid() == os.getpid()


def test_a_probe_a_decode_and_stills_come_from_one_process(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source, SMALL) as media:
        video, pid = media.probe(), media.pid
        cast = broadcast(media, video, [Frames(1)])
        threading.Thread(target=list, args=[cast.feeds[0]]).start()
        cast.run()
        assert len(list(media.stills(video, [Instant(0)]))) == 1
        assert media.pid == pid


def test_fault_042_a_decoder_that_crashes_is_tried_again_with_one_thread(clip: Path) -> None:
    outcome, killer, media = decode(clip, signal.SIGSEGV)
    assert (outcome.fault, killer.frames) == (None, list(range(60)))
    assert media.limits.decoder_threads == 1


def test_sound_goes_on_where_a_crash_broke_it_off(clip: Path) -> None:
    whole = decoded(clip, Audio(0.5))
    with Source.open(clip) as source, MediaReader(source, SMALL) as media:
        cast = broadcast(media, media.probe(), [Frames(10, batch=2), Audio(0.5)])
        killer = Killer(media, signal.SIGSEGV)
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(killer, iter(cast.feeds[0]))
            hearing = pool.submit(list, cast.feeds[1])
            cast.run()
            reading.result()
        heard = hearing.result()
    assert [chunk.at for chunk in heard] == [chunk.at for chunk in whole.sound]
    assert all(
        (one.samples == other.samples).all() for one, other in zip(heard, whole.sound, strict=True)
    )


def test_fault_042_after_a_second_crash_what_was_seen_is_kept(clip: Path) -> None:
    outcome, killer, _ = decode(clip, signal.SIGSEGV, signal.SIGBUS)
    assert outcome.fault is MediaFault.DECODER_CRASHED
    assert outcome.message == "the decoder crashed (SIGBUS)"
    assert killer.frames == list(range(len(killer.frames)))
    assert 2 < len(killer.frames) < 60


def test_coverage_after_a_crash_says_how_much_is_missing(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source, SMALL) as media:
        cast = broadcast(media, media.probe(), [Frames(10, batch=2)])
        killer = Killer(media, signal.SIGKILL)
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(killer, iter(cast.feeds[0]))
            cast.run()
            reading.result()
    assert cast.feeds[0].examined == len(killer.frames)
    assert cast.feeds[0].planned >= 60


def test_a_decoder_that_is_killed_for_its_memory_is_not_tried_again(clip: Path) -> None:
    outcome, _, media = decode(clip, signal.SIGKILL)
    assert outcome.message == "the decoder crashed (SIGKILL)"
    assert media.limits.decoder_threads == SMALL.decoder_threads


def test_fault_043_a_decoder_that_hangs_is_ended(clip: Path) -> None:
    hasty = SMALL.model_copy(update={"decoder_stall_s": 3})
    outcome, killer, _ = decode(clip, signal.SIGSTOP, limits=hasty)
    assert outcome.fault is MediaFault.TIMEOUT
    assert outcome.message == "the decoder gave no sign of life for 3 s"
    assert killer.frames


def test_a_decoder_that_uses_up_its_processor_time_is_ended(clip: Path) -> None:
    outcome, _, _ = decode(clip, signal.SIGXCPU)
    assert outcome.fault is MediaFault.TIMEOUT


def test_a_file_that_decodes_too_slowly_is_cut(clip: Path) -> None:
    slow = SMALL.model_copy(update={"decoder_grace_s": 1e-9, "decoder_pace": 1e-9})
    seen = decoded(clip, Frames(10), limits=slow)
    assert seen.outcome.fault is MediaFault.TIMEOUT
    assert seen.feeds[0].examined < seen.feeds[0].planned


def test_a_decoder_that_takes_too_long_altogether_is_ended(clip: Path) -> None:
    with pytest.raises(MediaError, match=r"took longer than 1e-09 s") as caught:
        decoded(clip, Frames(10), limits=SMALL.model_copy(update={"part_s": 1e-9}))
    assert caught.value.fault is MediaFault.TIMEOUT


def test_a_crash_while_probing_is_one_sentence(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        media.probe()
        assert media.pid
        os.kill(media.pid, signal.SIGSEGV)
        with pytest.raises(MediaError, match=r"the decoder crashed \(SIGSEGV\)") as caught:
            media.probe()
        assert caught.value.fault is MediaFault.DECODER_CRASHED


def test_after_a_crash_the_next_question_is_answered(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        video = media.probe()
        assert media.pid
        os.kill(media.pid, signal.SIGKILL)
        with pytest.raises(MediaError):
            media.probe()
        assert media.probe() == video


def test_whoever_stops_a_decode_leaves_no_process(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source, SMALL) as media:
        cast = broadcast(media, media.probe(), [Frames(10, batch=2)])
        pid = media.pid
        assert pid

        def stop() -> None:
            next(cast.feeds[0])
            cast.stop(Cancelled())

        threading.Thread(target=stop).start()
        with pytest.raises(Cancelled):
            cast.run()
        assert not psutil.pid_exists(pid)


def test_stills_that_are_not_all_fetched_leave_no_process(clip: Path) -> None:
    with Source.open(clip) as source, MediaReader(source) as media:
        stills = media.stills(media.probe(), map(Instant, range(0, 6_000_000, 100_000)))
        pid = media.pid
        assert pid
        next(stills)
        del stills
        assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP])
def test_nothing_is_left_of_a_decoder(clip: Path, number: signal.Signals) -> None:
    """No zombie, no descriptor, no shared memory, whatever became of it."""
    ours, limits = psutil.Process(), SMALL.model_copy(update={"decoder_stall_s": 3})
    before = ours.num_fds(), ours.children(), shared_memory()
    for _ in range(3):
        decode(clip, number, number, limits=limits)
    assert (ours.num_fds(), ours.children(), shared_memory()) == before


def shared_memory() -> list[str]:
    """But for that of databases and of workers, which other tests start and kill meanwhile."""
    theirs = ("PostgreSQL.", "sem.")
    return sorted(each for each in os.listdir("/dev/shm") if not each.startswith(theirs))


def test_a_decoder_ends_with_its_parent(clip: Path) -> None:
    """Even when the parent has no chance to end it."""
    script = f"""
import os
from moderation.media import MediaReader
from moderation.source import Source
source = Source.open({str(clip)!r})
media = MediaReader(source)
media.probe()
print(media.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    parent = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert parent.returncode == -signal.SIGKILL
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(parent.stdout)).wait(10)


# What a decoder that was taken over can say


HEAD = """
import json, os, struct, sys, time
up, down = map(int, sys.argv[1:3])
def read():
    (length,) = struct.unpack(">I", os.read(down, 4))
    return json.loads(os.read(down, length))
def say(**message):
    body = json.dumps(message).encode()
    os.write(up, struct.pack(">I", len(body)) + body)
START = read()
say(kind="ready", sandbox=[])
asked = read()
"""

PROBED = """
say(kind="probed", duration_us=1, width=1, height=1, fps=1, has_video=True, has_audio=True,
    container="mov", codecs=[])
read()
"""

LIES = {
    "no message": 'os.write(up, struct.pack(">I", 4) + b"????")',
    "an endless message": 'os.write(up, struct.pack(">I", 0xFFFFFFFF))',
    "an unknown kind": 'say(kind="exec", command="id")',
    "an answer to something else": 'say(kind="finished")',
    "a start": 'say(kind="free")',
    "a rate that nobody asked for": 'say(kind="picked", at_us=0, stream=0, width=1, height=1, '
    'fresh=[{"rate": 9, "index": 0}], pixels={"offset": 0, "length": 3})',
    "pixels outside of the ring": 'say(kind="picked", at_us=0, stream=0, width=1, height=1, '
    'fresh=[{"rate": 0, "index": 0}], pixels={"offset": 1 << 50, "length": 3})',
    "fewer pixels than it says": 'say(kind="picked", at_us=0, stream=0, width=1920, height=1080, '
    'fresh=[{"rate": 0, "index": 0}], pixels={"offset": 0, "length": 3})',
    "a larger frame than was asked for": 'say(kind="picked", at_us=0, stream=0, width=1921, '
    'height=1, fresh=[{"rate": 0, "index": 0}], pixels={"offset": 0, "length": 5763})',
    "more frames than it may": 'say(kind="picked", at_us=0, stream=0, width=1, height=1, '
    'fresh=[{"rate": 0, "index": 20000}], pixels={"offset": 0, "length": 3})',
    "more streams than it may": 'say(kind="picked", at_us=0, stream=32, width=1, height=1, '
    'fresh=[{"rate": 0, "index": 0}], pixels={"offset": 0, "length": 3})',
    "that it is our fault": 'say(kind="failed", about="settings", message="", hint="")',
    "no pixels": 'say(kind="picked", at_us=0, stream=0, fresh=[{"rate": 0, "index": 0}])',
    "a frame like none": 'say(kind="picked", at_us=0, stream=0, '
    'unchanged=[{"rate": 0, "index": 0}])',
    "a negative time": 'say(kind="sound", at_us=-1, samples={"offset": 0, "length": 4})',
    "half a sample": 'say(kind="sound", at_us=0, samples={"offset": 0, "length": 3})',
    "another number of plans": 'say(kind="decoded", decoded_us=0, claimed_us=0, frames=0, lost=0, '
    'fault=None, message="", planned=[], sound=0)',
}


@pytest.fixture
def taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the decoder's place."""

    def put(script: str) -> None:
        path = tmp_path / "decoder.py"
        path.write_text(HEAD + script)
        command = (sys.executable, "-I", str(path))
        monkeypatch.setattr("moderation.media.process._COMMAND", command)

    return put


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_decoder_that_lies_is_one_that_crashed(
    clip: Path, taken_over: Callable[[str], None], lie: str
) -> None:
    taken_over(f"{PROBED}\n{lie}\ntime.sleep(600)")
    with pytest.raises(MediaError) as caught:
        decoded(clip, Frames(1), Audio(1))
    assert caught.value.fault is MediaFault.DECODER_CRASHED


def test_a_decoder_that_lies_of_a_file_that_is_gone_hides_no_scan(
    clip: Path, taken_over: Callable[[str], None]
) -> None:
    taken_over('say(kind="failed", about="source", fault="not_found", message="", hint="")')
    caught = pytest.raises(SourceError)
    with Source.open(clip) as source, MediaReader(source) as media, caught as refused:
        media.probe()
    assert refused.value.fault is MediaFault.UNREADABLE


@pytest.mark.parametrize(
    "at_us", [[1, 2], [4 * 3600 * 1_000_000 + 1]], ids=["to pieces", "beyond the longest video"]
)
def test_a_decoder_cannot_make_work_for_a_fleet(
    clip: Path, taken_over: Callable[[str], None], at_us: list[int]
) -> None:
    taken_over(f'say(kind="divided", at_us={at_us})\ntime.sleep(600)')
    refused = pytest.raises(MediaError, match="cuts the video to pieces")
    with Source.open(clip) as source, MediaReader(source) as media, refused:
        media.cuts(600_000_000)


def test_a_size_that_the_database_cannot_hold_is_a_lie(
    clip: Path, taken_over: Callable[[str], None]
) -> None:
    taken_over(PROBED.replace("width=1", "width=1 << 31"))
    refused = pytest.raises(MediaError, match="cannot mean")
    with Source.open(clip) as source, MediaReader(source) as media, refused:
        media.probe()


SAYS_A_STILL = """
import mmap
def put(data):
    mmap.mmap(START["ring_fd"], START["ring_size"])[:len(data)] = data
    return {"offset": 0, "length": len(data)}
"""


@pytest.mark.parametrize(
    "lie",
    [
        'say(kind="still", at_us=0, jpeg=put(b"<script>"))',
        'say(kind="still", at_us=7, jpeg=put(bytes.fromhex("ffd8ff")))',
        'say(kind="still", at_us=0, jpeg=put(bytes.fromhex("ffd8ff")))\n' * 2,
    ],
    ids=["no picture", "another instant", "twice"],
)
def test_a_still_that_is_none_is_shown_to_nobody(
    clip: Path, taken_over: Callable[[str], None], lie: str
) -> None:
    taken_over(f"{PROBED}{SAYS_A_STILL}{lie}\ntime.sleep(600)")
    with Source.open(clip) as source, MediaReader(source) as media:
        stills = media.stills(media.probe(), [Instant(0)])
        with pytest.raises(MediaError, match="a still that is none"):
            list(stills)


def test_a_decoder_that_only_claims_to_live_is_ended(
    clip: Path, taken_over: Callable[[str], None]
) -> None:
    taken_over('while True:\n    say(kind="alive")\n    time.sleep(0.01)')
    limits = MediaLimits(part_s=0.5)
    with Source.open(clip) as source, MediaReader(source, limits) as media:
        with pytest.raises(MediaError) as caught:
            media.probe()
        assert caught.value.fault is MediaFault.TIMEOUT


def test_a_decoder_that_breaks_says_its_last_words(
    clip: Path, taken_over: Callable[[str], None]
) -> None:
    taken_over('raise KeyError("a bug of ours")')
    with Source.open(clip) as source, MediaReader(source) as media:
        with pytest.raises(MediaError, match="KeyError: 'a bug of ours'") as caught:
            media.probe()
        assert caught.value.fault is MediaFault.DECODER_CRASHED


def test_shared_memory_cannot_be_taken_away_from_its_reader(
    clip: Path, taken_over: Callable[[str], None]
) -> None:
    taken_over(
        "try:\n    os.ftruncate(START['ring_fd'], 0)\nexcept PermissionError:\n    pass\n" + PROBED
    )
    with Source.open(clip) as source, MediaReader(source) as media:
        assert media.probe().width == 1


# Bytes that the parent serves


class Served(Source):
    """A source whose bytes only its `read` gives, as those of an object in S3."""

    asked: int = 0

    @property
    def fd(self) -> int | None:
        return None

    def read(self, count: int, at: int = 0) -> bytes:
        data = super().read(count, at)
        self.asked += len(data)
        return data


def test_bytes_may_come_from_the_parent(clip: Path) -> None:
    whole = [number_in(frame.image) for frame in decoded(clip, Frames(10)).frames]
    with Served.open(clip) as source, MediaReader(source, SMALL) as media:
        cast = broadcast(media, media.probe(), [Frames(10, batch=2)])
        with ThreadPoolExecutor() as pool:
            reading = pool.submit(list, cast.feeds[0])
            outcome = cast.run()
        assert [number_in(f.image) for batch in reading.result() for f in batch] == whole
        assert outcome.fault is None


def test_a_source_that_fails_meanwhile_is_no_fault_of_the_decoder(clip: Path) -> None:
    class Failing(Served):
        def read(self, count: int, at: int = 0) -> bytes:
            raise SourceError("the network is gone", fault=MediaFault.UNREADABLE)

    with Failing.open(clip) as source, MediaReader(source) as media, pytest.raises(SourceError):
        media.probe()


def test_a_decoder_that_cannot_be_started_leaves_nothing(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("moderation.media.process._COMMAND", ("/nowhere/python",))
    before = psutil.Process().num_fds()
    with Source.open(clip) as source:
        with pytest.raises(FileNotFoundError):
            DecoderProcess(source, MediaLimits())
        assert psutil.Process().num_fds() == before + 1
