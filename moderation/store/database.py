"""Connections: an engine for a URL, inserts that happen once, and errors in the project's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.dialects import postgresql as postgresql_dialect
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from moderation.errors import ModerationError, StoreBusy, StoreError
from moderation.store import postgresql, sqlite
from moderation.store.models import Base

__all__ = ["BUSY_TIMEOUT", "CONNECTIONS", "connect", "insert_new", "project_errors", "retried"]

Given = ParamSpec("Given")
Got = TypeVar("Got")

BUSY_TIMEOUT: Final = 10.0
"""Seconds to wait for another process' transaction; ours take milliseconds."""

CONNECTIONS: Final = 5
"""That a process keeps; for a moment it may have ten more. SQLAlchemy's own numbers."""

_RETRIES: Final = 3
"""Of a transaction that another stood in the way of: a few make way, more would hide a fault."""

_INSERT: Final[
    dict[str, Callable[[type[Base]], postgresql_dialect.Insert | sqlite_dialect.Insert]]
] = {
    "sqlite": sqlite_dialect.insert,
    "postgresql": postgresql_dialect.insert,
}


def connect(url: str, busy_timeout: float, connections: int = CONNECTIONS) -> Engine:
    """An engine for `url`. Raises `StoreError` for a URL that names no usable database."""
    try:
        parsed = make_url(url)
        # What is logged of an error has no parameters: they are people's words, and digests.
        engine = create_engine(
            parsed,
            pool_size=connections,
            hide_parameters=True,
            **_options(parsed, busy_timeout),
        )
    except (ArgumentError, NoSuchModuleError):
        raise StoreError(
            "the database URL does not hold",
            hint="write sqlite:////absolute/path.db or postgresql+psycopg://user@host/name",
        ) from None
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the database driver {error.name} is not installed",
            hint=f"install {error.name}, or name another driver in the URL",
        ) from None
    if engine.dialect.name not in _INSERT:
        raise StoreError(f"{engine.dialect.name} is not supported", hint="use SQLite or PostgreSQL")
    if engine.dialect.name == "sqlite":
        if parsed.database:
            sqlite.make_folder(parsed.database)
        sqlite.configure(engine, busy_timeout)
    else:
        postgresql.configure(engine, busy_timeout)
    return engine


def retried(transaction: Callable[Given, Got]) -> Callable[Given, Got]:
    """Begin it anew when a deadlock or a serialization failure undid it, `_RETRIES` times at most.

    For whatever is one transaction, and reads all that it decides by in there.
    """

    @wraps(transaction)
    def again(*args: Given.args, **kwargs: Given.kwargs) -> Got:
        for _ in range(_RETRIES):
            try:
                return transaction(*args, **kwargs)
            except StoreBusy as error:
                if not postgresql.is_conflict(error.__cause__):
                    raise
        return transaction(*args, **kwargs)

    return again


def insert_new(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that no unique key knows yet; the others stay as they are."""
    if rows:
        insert = _INSERT[session.get_bind().dialect.name]
        session.execute(insert(table).on_conflict_do_nothing(), rows)


@contextmanager
def project_errors(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors into the project's, with the place they happened at."""
    try:
        yield
    except StatementError as error:
        raise _translate(error, _place(engine)) from error
    except PoolTimeout as error:
        raise StoreBusy(
            f"all connections of this process to the database {_place(engine)} are in use",
            hint="try again, or do less at once",
        ) from error
    except sqlite3.Error as error:  # of a connection that SQLAlchemy does not watch
        raise sqlite.translate(error, _place(engine)) from error


def _options(url: URL, busy_timeout: float) -> dict[str, Any]:
    if url.get_backend_name() == "postgresql":
        return {"pool_timeout": busy_timeout, **postgresql.options(url)}
    return {}


def _place(engine: Engine) -> str:
    return engine.url.database or engine.url.render_as_string(hide_password=True)


def _translate(error: StatementError, place: str) -> ModerationError:
    if isinstance(error.orig, sqlite3.Error):
        return sqlite.translate(error.orig, place)
    if isinstance(error, DBAPIError):
        return postgresql.translate(error, place)
    return StoreError(
        f"this cannot be stored: {error.orig}", hint="report it to the plugin's author"
    )
