"""Connections: an engine for a URL, inserts that happen once, and errors in the project's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    StatementError,
)
from sqlalchemy.orm import Session

from moderation.errors import ModerationError, StoreBusy, StoreError
from moderation.store import sqlite
from moderation.store.models import Base

__all__ = ["BUSY_TIMEOUT", "connect", "insert_new", "project_errors"]

BUSY_TIMEOUT: Final = 10.0
"""Seconds to wait for another process' transaction; ours take milliseconds."""

_INSERT: Final[dict[str, Callable[[type[Base]], postgresql.Insert | sqlite_dialect.Insert]]] = {
    "sqlite": sqlite_dialect.insert,
    "postgresql": postgresql.insert,
}


def connect(url: str, busy_timeout: float) -> Engine:
    """An engine for `url`. Raises `StoreError` for a URL that names no usable database."""
    try:
        parsed = make_url(url)
        engine = create_engine(parsed)
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
    return engine


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
    except sqlite3.Error as error:  # of a connection that SQLAlchemy does not watch
        raise sqlite.translate(error, _place(engine)) from error


def _place(engine: Engine) -> str:
    return engine.url.database or engine.url.render_as_string(hide_password=True)


def _translate(error: StatementError, place: str) -> ModerationError:
    if isinstance(error.orig, sqlite3.Error):
        return sqlite.translate(error.orig, place)
    if isinstance(error, OperationalError | InterfaceError):
        return StoreBusy(
            f"the database {place} does not answer", hint="check that it runs and try again"
        )
    if isinstance(error, DBAPIError):
        return StoreError(f"the database {place} failed: {error.orig}", hint="see its log")
    return StoreError(
        f"this cannot be stored: {error.orig}", hint="report it to the plugin's author"
    )
