"""JSON: an array of documents, or one document on each line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from moderation.reports.document import document
from moderation.reports.options import ReportOptions
from moderation.scan import Scan

__all__ = ["write_json", "write_jsonl"]


def write_json(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """One array of `moderation.report/v1` documents, a document on each line."""
    separator = "[\n"
    for scan in scans:
        stream.write(separator + _line(scan, options))
        separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")


def write_jsonl(scans: Iterable[Scan], stream: TextIO, options: ReportOptions) -> None:
    """One `moderation.report/v1` document on each line."""
    for scan in scans:
        stream.write(_line(scan, options) + "\n")


def _line(scan: Scan, options: ReportOptions) -> str:
    return document(scan, options.decisions(scan)).model_dump_json(by_alias=True)
