"""A report is written whole or not at all, in memory that does not grow with it."""

from __future__ import annotations

import io
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from moderation.errors import ConfigurationError, OutOfSpace
from moderation.reports import FORMATS, ReportOptions, write_report
from moderation.reports.writing import opened
from moderation.scan import Scan
from moderation.testing.scans import make_evidence, make_failed_scan, make_scan


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written_to_a_file(tmp_path: Path, form: str) -> None:
    target = tmp_path / "report"
    write_report([make_scan(make_evidence())], form=form, target=str(target))
    assert target.exists()
    assert os.listdir(tmp_path) == ["report"]


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "html", "webvtt", "edl"])
def test_a_report_names_the_video(tmp_path: Path, form: str) -> None:
    target = tmp_path / "report"
    write_report([make_scan(make_evidence())], form=form, target=str(target))
    assert "clip.mp4" in target.read_text("utf-8")


@pytest.mark.parametrize("form", ["webvtt", "edl", "ffmpeg"])
def test_a_format_of_one_video_refuses_two_in_a_file(tmp_path: Path, form: str) -> None:
    two = [make_scan(name="a.mp4"), make_scan(name="b.mp4")]
    with pytest.raises(ConfigurationError, match="one video"):
        write_report(two, form=form, target=str(tmp_path / "report"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("form", ["webvtt", "edl", "ffmpeg"])
def test_a_format_of_one_video_refuses_none(form: str) -> None:
    with pytest.raises(ConfigurationError, match="no video"):
        write_report([], form=form)


@pytest.mark.parametrize(("form", "suffix"), [("webvtt", "vtt"), ("edl", "edl")])
def test_a_folder_gets_a_file_for_each_video_named_by_its_digest(
    tmp_path: Path, form: str, suffix: str
) -> None:
    two = [make_scan(name="../../a.mp4"), make_scan(name="b\n.mp4")]
    write_report(two, form=form, target=str(tmp_path))
    assert set(os.listdir(tmp_path)) == {f"{each.video.sha256}.{suffix}" for each in two}


def test_a_folder_gets_a_file_for_a_video_without_a_digest(tmp_path: Path) -> None:
    write_report([make_failed_scan(name="../a")], form="webvtt", target=str(tmp_path))
    assert os.listdir(tmp_path) == ["scan_of____a.vtt"]


def test_a_report_is_written_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write_report([make_scan()], form="jsonl", target="-")
    assert capsys.readouterr().out.startswith('{"schema":"moderation.report/v1"')


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="table, json, jsonl, csv, html"):
        write_report([], form="pdf")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_report_that_is_interrupted_leaves_the_one_before(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def breaking() -> Iterator[Scan]:
        yield make_scan()
        raise error

    target = tmp_path / "report.json"
    target.write_text("the one before")
    with pytest.raises(error):
        write_report(breaking(), form="json", target=str(target))
    assert target.read_text() == "the one before"
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_report_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "report"
    with opened(str(target)) as stream:
        stream.write("half")
        stream.flush()
        assert not target.exists()
    assert target.read_text() == "half"


def test_a_report_is_readable_to_whom_other_new_files_are(tmp_path: Path) -> None:
    with opened(str(tmp_path / "report")):
        pass
    (tmp_path / "other").touch()
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with opened(str(tmp_path / "link")) as stream:
        stream.write("report")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "report"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()
    with opened(str(pipe)) as stream:
        stream.write("report")
    reader.join()
    assert received == ["report"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("place", ["missing/report.csv", "."])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_report([], form="csv", target=str(tmp_path / place))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk always full")
def test_a_full_disk_is_out_of_space() -> None:
    with pytest.raises(OutOfSpace, match="make room"):
        write_report([make_scan()], form="json", target="/dev/full")


@pytest.mark.parametrize(
    "form", ["json", "jsonl", "csv", "html", "rekognition", "dsa", "coco", "label-studio", "skips"]
)
def test_memory_does_not_grow_with_the_report(form: str) -> None:
    few, many = peak_memory(form, 10), peak_memory(form, 60)
    # Garbage waits to be collected, and HTML keeps a row of each; six times as many scans would
    # weigh four times as much.
    assert many < 2 * few


def peak_memory(form: str, videos: int) -> int:
    class Sink(io.StringIO):
        def write(self, text: str) -> int:
            return len(text)

    evidence = [make_evidence(text="x" * 200, start_s=second) for second in range(50)]
    scans = (make_scan(*evidence, name=str(number)) for number in range(videos))
    FORMATS[form](iter([make_scan()]), Sink(), ReportOptions())
    tracemalloc.start()
    FORMATS[form](scans, Sink(), ReportOptions())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
