"""The version of the tables: makes them, brings older ones up, refuses newer ones."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, column, func, inspect, select, table

from moderation.errors import StoreError
from moderation.store import sqlite

__all__ = ["REVISION", "VERSION_TABLE", "upgrade"]

REVISION: Final = "0003"
"""The newest migration; named here too, so that opening an up-to-date database needs no Alembic."""
VERSION_TABLE: Final = "moderation_schema"
"""Not Alembic's default name: a PostgreSQL database may be shared with other applications."""
_LOCK: Final = 0x4D4F4456
"""Any number that no other application locks; this one is in our SQLite files as well."""
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the database to `REVISION`, in one transaction: killed half-way, nothing happened.

    Raises `StoreError` for another application's database and for a newer schema.
    """
    with engine.connect() as connection:
        _refuse_foreign(connection)
        if _revision(connection) == REVISION:
            return
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        _lock(connection)
        _refuse_foreign(connection)
        # Another process may have done it while this one waited for the lock.
        if _revision(connection) != REVISION:
            _migrate(connection)


def _lock(connection: Connection) -> None:
    """One at a time; SQLite's write transaction is a lock already."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _refuse_foreign(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        sqlite.refuse_foreign(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))


def _migrate(connection: Connection) -> None:
    # Imported here: only a new or an old database needs it, and it takes a while.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    revision = _revision(connection)
    if revision is not None and revision not in known:
        raise StoreError(
            f"the database was written by a newer version (its schema is {revision})",
            hint="upgrade moderation, or choose another file with MODERATION_DATABASE",
        )
    command.upgrade(config, REVISION)
    if connection.dialect.name == "sqlite":
        sqlite.adopt(connection)
