"""The filter script: FFmpeg itself reads it, and does to a real video what the decision says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from moderation.decision import Decision, Outcome, Remedy
from moderation.evidence import Box, Evidence, Word
from moderation.reports.ffmpeg_script import filter_script
from moderation.scan import Scan
from moderation.testing.clips import Clip, tone
from moderation.testing.decisions import confirmed, make_decision, rejected
from moderation.testing.scans import make_evidence, make_scan
from moderation.timeline import Span

WIDTH, HEIGHT, SECONDS = 320, 180, 8
BLURRED, SHARP = 30, 100
"""Contrast of stripes: black and white have 127, blurred ones some 10."""
BOX = Box(0.1, 0.1, 0.3, 0.8)
STRIPES = np.tile(np.array([[[0] * 3, [255] * 3]], np.uint8), (HEIGHT, WIDTH // 2, 1))


@dataclass
class Made:
    """What came out: the times of its frames, how striped they are, and how loud it is."""

    times: list[float]
    frames: list[NDArray[Any]]
    sound: NDArray[Any]
    rate: int

    def contrast(self, second: float, left: float, right: float) -> float:
        """Of the columns from `left` to `right`, in fractions: high where the stripes are sharp."""
        frame = self.frames[int(np.argmin([abs(at - second) for at in self.times]))]
        part = frame[HEIGHT // 3 : 2 * HEIGHT // 3, int(left * WIDTH) : int(right * WIDTH)]
        return float(part.std())

    def loudness(self, second: float) -> float:
        piece = self.sound[int(second * self.rate) : int((second + 0.1) * self.rate)]
        return float(np.abs(piece).mean())


@pytest.fixture(scope="module")
def striped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(WIDTH, HEIGHT, fps=10).show(SECONDS, STRIPES).hear(tone(SECONDS))
    return clip.write(tmp_path_factory.mktemp("clips") / "striped.mkv")


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = Clip(WIDTH, HEIGHT, fps=10).show(SECONDS, STRIPES)
    return clip.write(tmp_path_factory.mktemp("clips") / "silent.mkv")


def scan_of(*evidence: Evidence, **video: Any) -> Scan:
    scan = make_scan(*evidence)
    measures = {"duration_us": SECONDS * 1_000_000, "width": WIDTH, "height": HEIGHT, **video}
    return replace(scan, video=replace(scan.video, **measures))


def run(clip: Path, scan: Scan, decisions: Sequence[Decision]) -> Made:
    """Through FFmpeg's own reader of graphs, from the file to the named outputs."""
    wanted = "dv+da" if scan.video.has_audio else "dv"
    inputs = "[0:v][0:a]" if scan.video.has_audio else "[0:v]"
    script = filter_script(scan, decisions)
    script = script.replace("[video]", "[out0]").replace("[audio]", "[out1]")
    made = Made([], [], np.zeros(0, np.float32), 1)
    with av.open(f"movie={clip}:streams={wanted}{inputs};{script}", format="lavfi") as graph:
        for frame in graph.decode():
            if isinstance(frame, av.VideoFrame):
                made.times.append(float(frame.time or 0))
                made.frames.append(frame.to_ndarray(format="gray"))
            elif isinstance(frame, av.AudioFrame):
                made.rate = frame.sample_rate
                made.sound = np.concatenate([made.sound, samples(frame)])
    return made


def samples(frame: av.AudioFrame) -> NDArray[Any]:
    values = frame.to_ndarray().astype(np.float32)
    return values.reshape(-1) / (32768 if "s16" in frame.format.name else 1)


def test_without_a_decision_the_video_stays_as_it_is(striped: Path) -> None:
    made = run(striped, scan_of(make_evidence()), ())
    assert len(made.times) == SECONDS * 10
    assert made.contrast(1, 0, 1) > SHARP
    assert len(made.sound) / made.rate == pytest.approx(SECONDS, abs=0.1)


def test_a_box_is_blurred_where_and_while_it_was_seen(striped: Path) -> None:
    seen = make_evidence(start_s=4, box=BOX)
    decision = make_decision(confirmed(seen, Remedy.BLUR))
    made = run(striped, scan_of(seen), [decision])
    assert made.contrast(4, 0.15, 0.35) < BLURRED
    assert made.contrast(4, 0.5, 1) > SHARP
    assert made.contrast(2.5, 0.15, 0.35) > SHARP
    assert made.contrast(5.5, 0.15, 0.35) > SHARP


def test_a_box_is_blurred_half_a_look_before_and_after_it_was_seen(striped: Path) -> None:
    seen = make_evidence(start_s=4, box=BOX)
    made = run(striped, scan_of(seen), [make_decision(confirmed(seen, Remedy.BLUR))])
    assert made.contrast(3.6, 0.15, 0.35) < BLURRED
    assert made.contrast(4.4, 0.15, 0.35) < BLURRED


def test_what_moves_is_blurred_wherever_it_was_seen(striped: Path) -> None:
    first = make_evidence(start_s=3, box=Box(0.1, 0.1, 0.1, 0.8))
    later = make_evidence(start_s=5, box=Box(0.5, 0.1, 0.1, 0.8))
    said = replace(confirmed(first, Remedy.BLUR), evidence_ids=(first.id, later.id))
    made = run(striped, scan_of(first, later), [make_decision(said)])
    assert made.contrast(3, 0.12, 0.58) < BLURRED


def test_two_boxes_are_blurred_at_their_own_times(striped: Path) -> None:
    one = make_evidence(start_s=2, box=Box(0.0, 0.1, 0.2, 0.8))
    two = make_evidence(start_s=6, box=Box(0.8, 0.1, 0.2, 0.8))
    said = make_decision(confirmed(one, Remedy.BLUR), confirmed(two, Remedy.BLUR))
    made = run(striped, scan_of(one, two), [said])
    assert made.contrast(2, 0.02, 0.18) < BLURRED < made.contrast(2, 0.82, 1)
    assert made.contrast(6, 0.82, 0.98) < BLURRED < made.contrast(6, 0, 0.18)


def test_what_has_no_place_is_blurred_everywhere(striped: Path) -> None:
    seen = make_evidence("Violence/Graphic violence", start_s=4)
    made = run(striped, scan_of(seen), [make_decision(confirmed(seen, Remedy.BLUR))])
    assert made.contrast(4, 0, 1) < BLURRED
    assert made.contrast(1, 0, 1) > SHARP


def test_a_box_smaller_than_a_pixel_at_the_edge_is_blurred(striped: Path) -> None:
    seen = make_evidence(start_s=4, box=Box(1.0, 1.0, 0.0, 0.0))
    made = run(striped, scan_of(seen), [make_decision(confirmed(seen, Remedy.BLUR))])
    assert made.frames[40][-4:, -10:].std() < BLURRED


def test_words_are_muted_with_some_room_around_them(striped: Path) -> None:
    words = (Word("damn", Span.from_seconds(3, 4), 0.9),)
    word = make_evidence("Language/Profanity", start_s=3, end_s=4, words=words)
    made = run(striped, scan_of(word), [make_decision(confirmed(word, Remedy.MUTE))])
    assert made.loudness(3) == made.loudness(3.5) == made.loudness(4) == 0
    assert made.loudness(2.5) > 0.01
    assert made.loudness(4.5) > 0.01


def test_cuts_leave_out_pictures_and_sound_alike(striped: Path) -> None:
    one, two = (make_evidence(start_s=at, box=BOX) for at in (2, 6))
    said = make_decision(confirmed(one, Remedy.CUT), confirmed(two, Remedy.CUT))
    made = run(striped, scan_of(one, two), [said])
    assert len(made.times) == (SECONDS - 2) * 10
    assert made.times == pytest.approx([frame / 10 for frame in range(60)], abs=0.01)
    assert len(made.sound) / made.rate == pytest.approx(SECONDS - 2, abs=0.1)


def test_what_is_blurred_before_a_cut_is_blurred_at_its_new_time(striped: Path) -> None:
    cut = make_evidence("Nudity/Exposed", start_s=1, box=BOX)
    blurred = make_evidence(start_s=6, box=BOX)
    said = make_decision(confirmed(cut, Remedy.CUT), confirmed(blurred, Remedy.BLUR))
    made = run(striped, scan_of(cut, blurred), [said])
    assert made.contrast(5, 0.15, 0.35) < BLURRED
    assert made.contrast(4, 0.15, 0.35) > SHARP


def test_a_video_that_is_cut_whole_leaves_nothing(striped: Path) -> None:
    seen = make_evidence(start_s=0, end_s=SECONDS)
    made = run(striped, scan_of(seen), [make_decision(confirmed(seen, Remedy.CUT))])
    assert made.times == []
    assert len(made.sound) == 0


def test_a_silent_video_has_no_sound_in_its_script(silent: Path) -> None:
    cut, muted = make_evidence(start_s=2, box=BOX), make_evidence("Language/Profanity", start_s=5)
    said = make_decision(confirmed(cut, Remedy.CUT), confirmed(muted, Remedy.MUTE))
    scan = scan_of(cut, muted, has_audio=False)
    assert "0:a" not in filter_script(scan, [said])
    assert len(run(silent, scan, [said]).times) == (SECONDS - 1) * 10


@pytest.mark.parametrize("remedy", [Remedy.NONE, Remedy.AGE_RESTRICT])
def test_what_needs_no_change_changes_nothing(remedy: Remedy) -> None:
    seen = make_evidence(start_s=2)
    decided = filter_script(scan_of(seen), [make_decision(confirmed(seen, remedy))])
    assert decided == filter_script(scan_of(seen), ())


def test_a_rejected_segment_changes_nothing() -> None:
    seen = make_evidence(start_s=2)
    said = replace(rejected(seen), remedy=Remedy.CUT)
    assert "trim" not in filter_script(scan_of(seen), [make_decision(said)])


def test_only_the_decision_that_stands_counts() -> None:
    seen = make_evidence(start_s=2)
    first = make_decision(confirmed(seen, Remedy.CUT))
    later = make_decision(
        rejected(seen), id=2, decided_at=first.decided_at.replace(hour=12), outcome=Outcome.OVERTURN
    )
    assert "trim" in filter_script(scan_of(seen), [first])
    assert "trim" not in filter_script(scan_of(seen), [first, later])


def test_no_word_of_a_stranger_is_in_the_script() -> None:
    text = "x[0:v];movie=/etc/passwd'\n\\,"
    seen = make_evidence(text, start_s=2, text=text, subject=text)
    scan = replace(scan_of(seen), id=text)
    scan = replace(scan, video=replace(scan.video, uri=text))
    said = make_decision(confirmed(seen, Remedy.BLUR), reason=text, note=text, person=text)
    script = filter_script(scan, [said])
    assert "movie" not in script
    assert "passwd" not in script
