"""The formats by name, and writing a report in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from moderation.errors import ConfigurationError
from moderation.reports.csv_report import write_csv
from moderation.reports.html_report import write_html
from moderation.reports.json_report import write_json, write_jsonl
from moderation.reports.options import Pictures, ReportOptions, Rows, Writer
from moderation.reports.table import write_table
from moderation.reports.writing import STDOUT, opened
from moderation.scan import Scan

__all__ = ["FORMATS", "write_report"]

FORMATS: Final[Mapping[str, Writer]] = {
    "table": write_table,
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
    "html": write_html,
}


def write_report(
    scans: Iterable[Scan],
    *,
    form: str,
    target: str = STDOUT,
    pictures: Pictures | None = None,
    rows: Rows = "segments",
    bom: bool = False,
) -> None:
    """Write all of `scans` in the format `form` to the file `target`, or `-` for standard output.

    The other arguments are those of `ReportOptions`. Raises `ConfigurationError` for a format
    that is not known or a place that cannot be written, and `OutOfSpace`; in a file, the report
    is there whole or not at all.
    """
    if form not in FORMATS:
        raise ConfigurationError(f"no format {form}", hint=f"the formats are {', '.join(FORMATS)}")
    options = ReportOptions(rows=rows, bom=bom)
    if pictures is not None:
        options = ReportOptions(pictures=pictures, rows=rows, bom=bom)
    with opened(target) as stream:
        FORMATS[form](scans, stream, options)
