"""Everything that holds for PostgreSQL alone."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import URL, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from moderation.errors import ModerationError, OutOfSpace, StoreBusy, StoreError

__all__ = ["configure", "is_conflict", "options", "translate"]

_LIBPQ: Final = {
    # Without them a machine that vanished is waited for until the kernel gives up: hours.
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
_DRIVERS: Final = ("psycopg", "psycopg2")
"""Those that hand these to libpq."""

_IDLE_S: Final = 60
"""How long a transaction may lie idle: a frozen process must not keep its locks for ever."""

_LOCKED: Final = "55P03"
_DISK_FULL: Final = "53100"
_READ_ONLY: Final = "25006"
_CONFLICTS: Final = ("40001", "40P01")
"""SQLSTATEs of a serialization failure and of a deadlock: the transaction was rolled back whole."""


def options(url: URL) -> dict[str, Any]:
    """For `create_engine`; what the URL says itself goes before."""
    libpq = _LIBPQ if url.get_driver_name() in _DRIVERS else {}
    given = {name: value for name, value in libpq.items() if name not in url.query}
    # A connection that was cut while it lay in the pool is noticed before a transaction begins.
    return {"pool_pre_ping": True, "connect_args": given}


def configure(engine: Engine, busy_timeout: float) -> None:
    """Bound every wait for somebody else's lock."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # Not as options of the connection: poolers refuse those.
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {round(busy_timeout * 1000)}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {_IDLE_S * 1000}")
        connection.commit()

    @event.listens_for(engine, "handle_error")
    def _error(context: ExceptionContext) -> None:
        # After a failover: this server will not take writes again, and the URL names another.
        if _sqlstate(context.original_exception) == _READ_ONLY:
            context.is_disconnect = True


def is_conflict(error: BaseException | None) -> bool:
    """Whether the same transaction, begun anew, may well go through."""
    return isinstance(error, DBAPIError) and _sqlstate(error.orig) in _CONFLICTS


def translate(error: DBAPIError, place: str) -> ModerationError:
    """The project's error for one of PostgreSQL's, by its SQLSTATE."""
    state = _sqlstate(error.orig)
    if state == _LOCKED:
        return StoreBusy(
            f"the database {place} is locked by another process",
            hint="wait until that process is done and try again",
        )
    if state in _CONFLICTS:
        return StoreBusy(
            f"two transactions of the database {place} stood in each other's way", hint="try again"
        )
    if state == _DISK_FULL:
        return OutOfSpace(
            f"the disk of the database {place} is full", hint="make room and try again"
        )
    if state == _READ_ONLY:
        return StoreBusy(
            f"the database {place} takes no writes, as a standby does",
            hint="wait for the failover, or name the primary in the URL",
        )
    if isinstance(error, OperationalError | InterfaceError):
        return StoreBusy(
            f"the database {place} does not answer{_reason(error)}",
            hint="check that it runs and try again",
        )
    return StoreError(f"the database {place} failed: {error.orig}", hint="see its log")


def _reason(error: DBAPIError) -> str:
    """The server's or the driver's own words."""
    first, _, _ = str(error.orig).strip().partition("\n")
    return f" ({first})" if first else ""


def _sqlstate(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")
