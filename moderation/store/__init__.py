"""Where scans are kept: SQLite in WAL mode by default, PostgreSQL by URL."""

from moderation.store.store import Store

__all__ = ["Store"]
