"""Where scans and jobs are kept: SQLite in WAL mode by default, PostgreSQL by URL."""

from moderation.store.jobs import Jobs
from moderation.store.leases import Failure, Hold, Leases, Place, Work
from moderation.store.store import Store

__all__ = ["Failure", "Hold", "Jobs", "Leases", "Place", "Store", "Work"]
