"""The database's clock: leases run by it alone, so that workers' clocks may differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from moderation.timeline import MICROSECONDS

__all__ = ["moment", "now_us"]


class now_us(FunctionElement[int]):  # noqa: N801  # reads as a function in SQL
    """Microseconds since 1970 at the time of the statement."""

    type = BigInteger()
    inherit_cache = True


def moment(us: int) -> datetime:
    """So many microseconds since 1970, in UTC."""
    return datetime.fromtimestamp(us / MICROSECONDS, UTC)


@compiles(now_us, "postgresql")
def _postgresql(*_: Any, **__: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(now_us, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    # Whole milliseconds: that is what SQLite knows of the time.
    return "(CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER) * 1000)"
