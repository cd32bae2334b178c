"""The tables of a database: made, brought up to date, shared by two versions, and never half."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    inspect,
    select,
    text,
)

from moderation.cli import main
from moderation.errors import StoreBusy, StoreError
from moderation.policy import Policy
from moderation.store import Store, schema
from moderation.store.database import connect
from moderation.store.models import Base
from moderation.testing.scans import make_evidence, make_scan
from tests.services.installation import Installation
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.read("default")


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = connect(empty_database_url, 10)
    yield made
    made.dispose()


def upgrade_to(revision: str, engine: Engine) -> None:
    """As the program of that revision would have."""
    with pytest.MonkeyPatch.context() as then:
        then.setattr(schema, "REVISION", revision)
        schema.upgrade(engine)


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    return sorted(each.revision for each in ScriptDirectory.from_config(config).walk_revisions())


# Made and brought up to date


def test_the_migrations_make_the_tables_of_the_models(engine: Engine) -> None:
    schema.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": False}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_postgresql_is_left_as_it_is_until_somebody_says_so(empty_postgres_url: str) -> None:
    with pytest.raises(StoreError, match=r"no tables yet.*moderation db upgrade"):
        Store.open(empty_postgres_url)
    engine = connect(empty_postgres_url, 10)
    assert inspect(engine).get_table_names() == []
    Store.open(empty_postgres_url, upgrade=True).close()
    Store.open(empty_postgres_url).close()
    engine.dispose()


def test_a_program_says_which_tables_it_misses(empty_postgres_url: str) -> None:
    engine = connect(empty_postgres_url, 10)
    upgrade_to("0001", engine)
    engine.dispose()
    with pytest.raises(StoreError, match=rf"the schema 0001, .* needs {schema.REVISION}"):
        Store.open(empty_postgres_url)


def test_many_upgrades_of_one_new_database_all_succeed(empty_postgres_url: str) -> None:
    impatient = f"{empty_postgres_url}?options=-clock_timeout%3D10s"
    with ThreadPoolExecutor(8) as pool:
        for store in pool.map(lambda url: Store.open(url, upgrade=True), [impatient] * 8):
            store.close()


def test_the_command_makes_the_tables_and_says_whether_they_fit(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["moderation", "db", *arguments])
        with pytest.raises(SystemExit) as done:
            main()
        assert isinstance(done.value.code, int)
        return done.value.code

    secret = empty_postgres_url.replace("moderation@", "moderation:hush@")
    monkeypatch.setenv("MODERATION_DATABASE", secret)
    assert command("check") == 2
    assert (command("upgrade"), command("upgrade"), command("check")) == (0, 0, 0)
    told = capsys.readouterr()
    assert "moderation db upgrade" in told.err
    assert told.out.splitlines() == [told.out.splitlines()[0]] * 3
    assert told.out.rstrip().endswith(f"schema {schema.REVISION}")
    assert "hush" not in told.out + told.err


def test_a_migration_waits_for_a_long_transaction_only_so_long(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(empty_postgres_url, 10)
    upgrade_to("0001", engine)
    monkeypatch.setattr(schema, "LOCK_TIMEOUT_S", 0.1)
    with engine.connect() as reading:
        reading.execute(text("SELECT count(*) FROM scan"))
        with pytest.raises(StoreBusy, match=r"holds a table.*nothing was changed"):
            schema.upgrade(engine)
    schema.upgrade(engine)
    assert schema.version(engine).revision == schema.REVISION
    engine.dispose()


def test_a_worker_that_misses_tables_says_so_and_ends(
    tmp_path: Path, empty_postgres_url: str, redis_server: RedisServer
) -> None:
    installation = Installation(tmp_path / "home", empty_postgres_url, redis_server.url)
    done = installation.run("worker")
    assert done.returncode != 0
    assert "run `moderation db upgrade`" in done.stderr


# Two versions on one database


def columns(engine: Engine) -> dict[str, dict[str, str]]:
    """Types of columns by table, without what says which version it is."""
    known = inspect(engine)
    return {
        table: {each["name"]: str(each["type"]) for each in known.get_columns(table)}
        for table in known.get_table_names()
        if table != schema.VERSION_TABLE
    }


def demands(engine: Engine, table: str) -> set[str | None]:
    """What may refuse a row: its columns that must be given, and its constraints."""
    known = inspect(engine)
    given = (each for each in known.get_columns(table) if not each["nullable"])
    named = (
        *known.get_unique_constraints(table),
        *known.get_foreign_keys(table),
        *known.get_check_constraints(table),
        *(each for each in known.get_indexes(table) if each["unique"]),
    )
    missing = {each["name"] for each in given if each["default"] is None}
    return missing | {each["name"] for each in named}


def test_a_migration_only_expands_or_says_since_when_programs_can_do_without(
    tmp_path: Path,
) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'expanding.db'}", 10)
    had, demanded, oldest = columns(engine), dict[str, set[str | None]](), "0001"
    for revision in revisions():
        upgrade_to(revision, engine)
        now, found = columns(engine), schema.version(engine).oldest
        if found == oldest:
            for table in had:
                assert had[table].items() <= now[table].items(), revision
                assert demands(engine, table) <= demanded[table], revision
        had, demanded, oldest = now, {table: demands(engine, table) for table in now}, found
    engine.dispose()


@pytest.mark.parametrize("fits", [True, False], ids=["fits", "does not"])
def test_tables_of_a_newer_version_are_used_if_that_only_expanded_them(
    engine: Engine, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: bool
) -> None:
    newest, newer = schema.REVISION, "9998"
    later = tmp_path / "later"
    shutil.copytree(schema.MIGRATIONS, later)
    (later / "versions" / "9998_later.py").write_text(
        f"revision, down_revision, oldest = '{newer}', '{newest}', '{newest if fits else newer}'\n"
        "def upgrade() -> None: pass\n"
    )
    url = engine.url.render_as_string(hide_password=False)
    with monkeypatch.context() as then:
        then.setattr(schema, "MIGRATIONS", later)
        then.setattr(schema, "REVISION", newer)
        schema.upgrade(engine)
        Store.open(url).close()
    if fits:
        with Store.open(url, upgrade=True) as store:
            store.save(make_scan(policy=policy.ref), policy, fingerprint="all")
        assert schema.version(engine) == schema.Version(newer, newest)
    else:
        for upgrade in (None, True):
            with pytest.raises(StoreError, match=r"newer version.*upgrade moderation"):
                Store.open(url, upgrade=upgrade)


def of_the_first_version(url: str, today: str) -> None:
    """Fill the empty database `url` with the first tables, and with what `today` has for them."""
    source, target = create_engine(today), create_engine(url)
    upgrade_to("0001", target)
    with source.connect() as reading, target.begin() as writing:
        copy(reading, writing)
    source.dispose()
    target.dispose()


def copy(reading: Connection, writing: Connection) -> None:
    old = MetaData()
    old.reflect(writing)
    for table in old.sorted_tables:
        if table.name != schema.VERSION_TABLE:
            rows = reading.execute(select(table)).mappings().all()
            if rows:
                writing.execute(table.insert(), [dict(row) for row in rows])
            number_on(table, writing)


def number_on(table: Table, writing: Connection) -> None:
    """Rows that are inserted with their numbers do not move the sequence of these."""
    for column in inspect(writing).get_columns(table.name):
        if "nextval" in (column["default"] or ""):
            writing.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column['name']}'),"
                    f" (SELECT coalesce(max({column['name']}), 0) + 1 FROM {table.name}), false)"
                )
            )


def test_a_postgresql_of_the_first_version_keeps_its_scans_and_takes_new_ones(
    postgres_server: PostgresServer, empty_postgres_url: str, policy: Policy
) -> None:
    old = make_scan(make_evidence(), policy=policy.ref)
    new = make_scan(make_evidence(), name="new.mp4", policy=policy.ref, sandbox=("rlimits",))
    today = postgres_server.create_database()
    with Store.open(today) as store:
        store.save(old, policy, fingerprint="all")
    of_the_first_version(empty_postgres_url, today)
    with Store.open(empty_postgres_url, upgrade=True) as store:
        assert store.find(old.video.sha256, "all", policy.ref.digest) == old
        store.save(new, policy, fingerprint="all")
        assert {each.id for each in store.scans()} == {old.id, new.id}
    postgres_server.drop_database(today)


# Never half


_DEATHS = """
import itertools, json, os, signal, sys
import alembic.command
from sqlalchemy import event
from moderation.store import schema
from moderation.store.database import connect

STEP = 4

def upgrade(url, last):
    engine, left = connect(url, 10), itertools.count(last, -1)

    @event.listens_for(engine, "after_cursor_execute")
    def die(*_):
        if not next(left):
            os.kill(os.getpid(), signal.SIGKILL)

    schema.upgrade(engine)
    os._exit(0)

found = []
for last in itertools.count(0, STEP):
    child = os.fork() or upgrade(sys.argv[1], last)
    signalled = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    engine = connect(sys.argv[1], 10)
    found.append((signalled, schema.version(engine).revision))
    engine.dispose()
    if not signalled:
        break
print(json.dumps(found))
"""


def test_row_114_a_migration_that_is_killed_leaves_the_tables_as_they_were(engine: Engine) -> None:
    """At every few statements of it, by SIGKILL; then it is done after all."""
    upgrade_to("0001", engine)
    before = columns(engine)
    done = subprocess.run(
        [sys.executable, "-c", _DEATHS, engine.url.render_as_string(hide_password=False)],
        capture_output=True,
        text=True,
        check=True,
    )
    *deaths, (killed, revision) = json.loads(done.stdout)
    assert len(deaths) > 5
    assert all(each == [True, "0001"] for each in deaths)
    assert (killed, revision) == (False, schema.REVISION)
    assert columns(engine).keys() > before.keys()
