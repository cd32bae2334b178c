"""Reports: a table, CSV, JSON and an HTML page, all from the same scans."""

from moderation.reports.document import SCHEMA, Document, document, schema
from moderation.reports.formats import FORMATS, write_report
from moderation.reports.options import Pictures, ReportOptions, Rows, Writer

__all__ = [
    "FORMATS",
    "SCHEMA",
    "Document",
    "Pictures",
    "ReportOptions",
    "Rows",
    "Writer",
    "document",
    "schema",
    "write_report",
]
