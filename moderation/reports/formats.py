"""The formats by name, and writing a report in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from moderation.errors import ConfigurationError
from moderation.reports.coco import write_coco
from moderation.reports.csv_report import write_csv
from moderation.reports.dsa import write_dsa
from moderation.reports.edit_list import edit_list
from moderation.reports.ffmpeg_script import filter_script
from moderation.reports.html_report import write_html
from moderation.reports.json_report import write_json, write_jsonl
from moderation.reports.label_studio import write_label_studio
from moderation.reports.one_video import file_name, one_video
from moderation.reports.options import DEFAULTS, ReportOptions, Writer
from moderation.reports.rekognition import write_rekognition
from moderation.reports.skips import write_skips
from moderation.reports.table import write_table
from moderation.reports.webvtt import webvtt
from moderation.reports.writing import STDOUT, opened
from moderation.scan import Scan

__all__ = ["FORMATS", "SUFFIXES", "write_report"]

FORMATS: Final[Mapping[str, Writer]] = {
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
    "html": write_html,
    "rekognition": write_rekognition,
    "webvtt": one_video(webvtt),
    "edl": one_video(edit_list),
    "ffmpeg": one_video(filter_script),
    "dsa": write_dsa,
    "coco": write_coco,
    "label-studio": write_label_studio,
    "skips": write_skips,
}

SUFFIXES: Final[Mapping[str, str]] = {
    "json": "json",
    "jsonl": "jsonl",
    "csv": "csv",
    "html": "html",
    "vtt": "webvtt",
    "edl": "edl",
}
"""The format that a file's suffix, without its dot, stands for."""

_ONE_VIDEO: Final = {"webvtt": "vtt", "edl": "edl", "ffmpeg": "ffmpeg"}
"""Formats that have room for one video, and the suffix of their files in a folder."""


def write_report(
    scans: Iterable[Scan],
    *,
    form: str,
    target: str = STDOUT,
    options: ReportOptions = DEFAULTS,
) -> None:
    """Write all of `scans` in the format `form` to the file `target`, or `-` for standard output.

    Formats of one video take a folder too, for a file of each. Raises `ConfigurationError` for a
    format that is not known or a place that cannot be written, and `OutOfSpace`; in a file, the
    report is there whole or not at all.
    """
    if form not in FORMATS:
        raise ConfigurationError(f"no format {form}", hint=f"the formats are {', '.join(FORMATS)}")
    if form in _ONE_VIDEO and target != STDOUT and Path(target).is_dir():
        for scan in scans:
            _write([scan], form, str(Path(target) / file_name(scan, _ONE_VIDEO[form])), options)
        return
    _write(scans, form, target, options)


def _write(scans: Iterable[Scan], form: str, target: str, options: ReportOptions) -> None:
    with opened(target) as stream:
        FORMATS[form](scans, stream, options)
