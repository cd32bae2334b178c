"""Reports: tables, documents and exports, all from the same scans and what people decided."""

from moderation.reports.document import SCHEMA, Document, document, schema
from moderation.reports.formats import FORMATS, SUFFIXES, write_report
from moderation.reports.options import DecisionsOf, Pictures, ReportOptions, Rows, Writer

__all__ = [
    "FORMATS",
    "SCHEMA",
    "SUFFIXES",
    "DecisionsOf",
    "Document",
    "Pictures",
    "ReportOptions",
    "Rows",
    "Writer",
    "document",
    "schema",
    "write_report",
]
