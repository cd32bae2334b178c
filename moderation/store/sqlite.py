"""Everything that holds for SQLite alone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from moderation.errors import ModerationError, OutOfSpace, StoreBusy, StoreError

__all__ = [
    "APPLICATION_ID",
    "adopt",
    "compact",
    "configure",
    "make_folder",
    "refuse_foreign",
    "translate",
    "use_wal",
    "warnings",
]

APPLICATION_ID: Final = 0x4D4F4456
"""Written into the file's header ("MODV"), so that another application's file is recognised."""

_WAL_RESET_FIXED = ((3, 51, 3), (3, 53, 0))
"""The release of each branch that closed the WAL-reset corruption bug (sqlite.org/changes.html)."""

_LATER: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)
"""Result codes of what was not written anew, and may be another time."""


def make_folder(path: str) -> None:
    """Make the folder of a database file. Raises `StoreError` where that cannot be."""
    folder = Path(path).expanduser().resolve().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder {folder} cannot be made ({error.strerror})",
            hint="choose another place with MODERATION_HOME or MODERATION_DATABASE",
        ) from None
    # SQLite writes two more files beside the database, so a writable file is not enough.
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(
            f"the folder {folder} cannot be written to",
            hint="correct its permissions, or choose another place with MODERATION_HOME",
        )


def configure(engine: Engine, busy_timeout: float) -> None:
    """Set up every connection, and begin transactions ourselves.

    The driver begins them late and as readers; a reader that turns writer while another writes
    fails at once, whatever the busy timeout (SQLITE_BUSY_SNAPSHOT). So a writer says so first.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {round(busy_timeout * 1000)}")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten, and not only free to be: it may have been erased.
        connection.execute("PRAGMA secure_delete = ON")
        # NORMAL may lose the last commits when the power fails; a verdict must not vanish.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def refuse_foreign(connection: Connection) -> None:
    """Raise `StoreError` for a database that another application wrote."""
    application = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    if application == APPLICATION_ID:
        return
    tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    if application or tables:
        raise StoreError(
            f"{connection.engine.url.database} is the database of another application",
            hint="choose another file with MODERATION_DATABASE; this one was left as it is",
        )


def adopt(connection: Connection) -> None:
    """Mark the file as ours, in the transaction that makes its tables."""
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")


def use_wal(engine: Engine) -> None:
    """Let readers and one writer work side by side. Only for a file known to be ours.

    Nobody else may use the file at the moment of the change, and SQLite does not wait for that:
    then it stays as it is, just as safe, and the next to open it tries again.
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
            cursor.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
    finally:
        connection.close()


def compact(engine: Engine) -> bool:
    """Write the file anew, so that nothing of what was deleted is left in it or in its log.

    False where others would not let go of it, and where its disk has no room for a copy; it is as
    whole as before.
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _LATER:
            raise
        return False
    finally:
        connection.close()


def warnings(engine: Engine) -> tuple[str, ...]:
    """One sentence for each thing that an operator should know of this installation's SQLite."""
    found = []
    version = sqlite3.sqlite_version_info
    fixed_in_branch, fixed = _WAL_RESET_FIXED
    if version < fixed_in_branch or fixed_in_branch[:2] < version[:2] < fixed[:2]:
        found.append(
            f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug, which can corrupt a database "
            "that several processes write: write from one process at a time, back up daily with "
            "VACUUM INTO, or use SQLite 3.51.3 or 3.53.0 and later"
        )
    with engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    if mode == "delete":
        found.append(
            "the database cannot use write-ahead logging here, as on a network file system: "
            "keep it on a local disk"
        )
    return tuple(found)


def translate(error: sqlite3.Error, place: str) -> ModerationError:
    """The project's error for one of SQLite's, by its result code."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusy(
            f"the database {place} is locked by another process",
            hint="wait until that process is done and try again",
        )
    if name == "SQLITE_FULL" or name == "SQLITE_IOERR_SHMSIZE":
        return OutOfSpace(
            f"the disk of the database {place} is full", hint="make room and try again"
        )
    if name == "SQLITE_NOTADB":
        return StoreError(
            f"{place} is not a database", hint="choose another file with MODERATION_DATABASE"
        )
    if name.startswith("SQLITE_CORRUPT"):
        return StoreError(f"the database {place} is damaged", hint="restore it from a backup")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreError(
            f"the database {place} cannot be opened for writing",
            hint="correct the permissions of the file and its folder, or choose another place "
            "with MODERATION_DATABASE",
        )
    if name.startswith("SQLITE_IOERR"):
        return StoreError(
            f"the disk of the database {place} fails ({error})",
            hint="see the log of the machine's kernel; what was acknowledged is in the file",
        )
    return StoreError(
        f"the database {place} failed: {error}", hint="`moderation doctor` looks closer"
    )
