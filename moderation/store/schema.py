"""The version of the tables: makes them, brings older ones up, refuses what does not fit.

Revisions are numbers of four digits, so that text compares as they do. A migration is an expansion,
which programs older than itself do not notice, unless it says in its module `oldest = "0004"`: from
then on no program older than that one works. It goes out one release after the last program that
used what it takes away, so that a fleet can be upgraded while it works: the database first, then
one worker after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Text, column, func, inspect, select, table, text
from sqlalchemy.exc import OperationalError

from moderation.errors import StoreBusy, StoreError
from moderation.store import sqlite

__all__ = ["REVISION", "VERSION_TABLE", "Version", "check", "upgrade", "version"]

REVISION: Final = "0006"
"""The newest migration; named here too, so that opening an up-to-date database needs no Alembic."""
VERSION_TABLE: Final = "moderation_schema"
"""Not Alembic's default name: a PostgreSQL database may be shared with other applications."""
LOCK_TIMEOUT_S: Final = 10
"""For one table; while a migration waits for it, everyone else waits behind the migration."""
_LOCK: Final = 0x4D4F4456
"""Any number that no other application locks; this one is in our SQLite files as well."""
_LOCK_NOT_AVAILABLE: Final = "55P03"
_FIRST: Final = "0001"
MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Version:
    """Of a database's tables.

    revision  the last migration that they went through; "" where there are none
    oldest    the oldest revision whose programs can use them
    """

    revision: str
    oldest: str

    @property
    def is_old(self) -> bool:
        """Whether this program expects more than there is."""
        return self.revision < REVISION

    @property
    def is_too_new(self) -> bool:
        """Whether something was taken away that this program expects."""
        return self.oldest > REVISION


def version(engine: Engine) -> Version:
    """What there is. Raises `StoreError` for another application's database."""
    with engine.connect() as connection:
        return _version(connection)


def check(engine: Engine) -> None:
    """Raise `StoreError` unless this program can use the tables as they are."""
    found = version(engine)
    _refuse_too_new(found)
    if found.is_old:
        has = f"has the schema {found.revision}" if found.revision else "has no tables yet"
        raise StoreError(
            f"the database {has}, and this version of moderation needs {REVISION}",
            hint="run `moderation db upgrade` once, from any machine",
        )


def upgrade(engine: Engine) -> None:
    """Bring the tables to `REVISION`, in one transaction: killed half-way, nothing happened.

    Newer tables stay as they are where this program can use them. Raises `StoreError` where it
    cannot and for another application's database, and `StoreBusy` when somebody holds a table.
    """
    if not _is_needed(version(engine)):
        return
    writing = engine.connect().execution_options(writes=True)
    with writing as connection, connection.begin(), _lock(connection):
        # Another process may have done it while this one waited for the lock.
        if _is_needed(_version(connection)):
            _migrate(connection)


def _is_needed(found: Version) -> bool:
    _refuse_too_new(found)
    return found.is_old


def _refuse_too_new(found: Version) -> None:
    if found.is_too_new:
        raise StoreError(
            f"the database was written by a newer version (its schema is {found.revision})",
            hint="upgrade moderation, or choose another database with MODERATION_DATABASE",
        )


@contextmanager
def _lock(connection: Connection) -> Iterator[None]:
    """One at a time; SQLite's write transaction is a lock already."""
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != _LOCK_NOT_AVAILABLE:
            raise
        raise StoreBusy(
            f"a long transaction holds a table for more than {LOCK_TIMEOUT_S} s",
            hint="nothing was changed: end it (pg_stat_activity names it) and try again",
        ) from error


def _version(connection: Connection) -> Version:
    if connection.dialect.name == "sqlite":
        sqlite.refuse_foreign(connection)
    if not inspect(connection).has_table(VERSION_TABLE):
        return Version("", _FIRST)
    row: Any = connection.execute(text(f"SELECT * FROM {VERSION_TABLE}")).mappings().one()
    revision = str(row["version_num"])
    # Alembic made the table; the column came when the next migration did.
    return Version(revision, row.get("oldest") or revision)


def _migrate(connection: Connection) -> None:
    # Imported here: only a new or an old database needs it, and it takes a while.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, REVISION)
    done = ScriptDirectory.from_config(config).iterate_revisions(REVISION, "base")
    _note(connection, max(getattr(script.module, "oldest", _FIRST) for script in done))
    if connection.dialect.name == "sqlite":
        sqlite.adopt(connection)


def _note(connection: Connection, oldest: str) -> None:
    """Beside Alembic's own column: it reads and writes no other."""
    columns = inspect(connection).get_columns(VERSION_TABLE)
    if "oldest" not in {each["name"] for each in columns}:
        connection.execute(text(f"ALTER TABLE {VERSION_TABLE} ADD COLUMN oldest TEXT"))
    tables = table(VERSION_TABLE, column("oldest", Text))
    connection.execute(tables.update().values(oldest=oldest))
