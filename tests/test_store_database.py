"""The database file: made, recognised, upgraded, shared, and safe when things break."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event

from moderation.errors import OutOfSpace, StoreBusy, StoreError
from moderation.policy import Policy
from moderation.store import Store, schema, sqlite
from moderation.store.models import Base
from moderation.testing.scans import make_evidence, make_scan


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "moderation.db"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{file}") as store:
        yield store


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.parse(
        'schema = "moderation.policy/v1"\nname = "ours"\nversion = "1"', "ours.toml"
    )


def opened(file: Path, busy_timeout: float = 0.05) -> Store:
    return Store.open(f"sqlite:///{file}", busy_timeout=busy_timeout)


def pragma(file: Path, name: str) -> object:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_database_is_made_with_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "not" / "there" / "moderation.db"
    opened(file).close()
    assert pragma(file, "application_id") == sqlite.APPLICATION_ID
    assert pragma(file, "journal_mode") == "wal"


def test_every_connection_keeps_decisions_through_a_power_failure(store: Store) -> None:
    with store.engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {"synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_the_migrations_make_the_tables_of_the_models(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": False}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_the_revision_is_that_of_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.REVISION]


def test_a_database_of_today_is_opened_without_the_migration_tool(file: Path) -> None:
    opened(file).close()
    code = f"""
        import sys
        from moderation.store import Store
        Store.open("sqlite:///{file}").close()
        sys.exit("alembic" in sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_many_openers_of_one_new_file_all_succeed(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for store in pool.map(lambda _: opened(file, busy_timeout=10), range(8)):
            store.close()


def test_a_file_that_is_being_read_is_opened_and_changed_later(file: Path) -> None:
    """The change to write-ahead logging needs the file for itself, and can wait."""
    opened(file).close()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM scan").fetchone()
        opened(file, busy_timeout=0.1).close()
        assert other.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        other.execute("COMMIT")
    opened(file).close()
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_migration_that_dies_half_way_leaves_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "adopt", die)
        with pytest.raises(KeyboardInterrupt):
            opened(file)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    opened(file).close()


def of_the_first_version(file: Path, today: Path) -> None:
    """Make `file` with the first migration alone, with the content of the database `today`."""
    with pytest.MonkeyPatch.context() as then:
        then.setattr(schema, "REVISION", "0001")
        opened(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("ATTACH ? AS today", (str(today),))
        for table in (each.name for each in Base.metadata.sorted_tables):
            rows = connection.execute(f"PRAGMA main.table_info({table})")
            columns = ", ".join(f'"{row[1]}"' for row in rows)
            if columns:  # it was there already
                connection.execute(
                    f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM today.{table}"
                )
        connection.commit()


def test_a_database_of_the_first_version_keeps_its_scans(
    file: Path, tmp_path: Path, policy: Policy
) -> None:
    scan = make_scan(make_evidence(), policy=policy.ref)
    today = tmp_path / "today.db"
    with opened(today) as store:
        store.save(scan, policy, fingerprint="all")
    of_the_first_version(file, today)
    with opened(file) as store:
        assert store.find(scan.video.sha256, "all", policy.ref.digest) == scan


def test_a_database_of_the_first_version_keeps_how_a_video_was_looked_at_from_now_on(
    file: Path, tmp_path: Path, policy: Policy
) -> None:
    opened(tmp_path / "today.db").close()
    of_the_first_version(file, tmp_path / "today.db")
    scan = make_scan(policy=policy.ref, sandbox=("rlimits",), cut_short="the decoder crashed")
    with opened(file) as store:
        store.save(scan, policy, fingerprint="all")
        assert list(store.scans()) == [scan]


def test_a_newer_schema_is_refused(file: Path) -> None:
    opened(file).close()
    with closing(sqlite3.connect(file)) as connection, connection:
        newer = "version_num = '9999', oldest = '9999'"
        connection.execute(f"UPDATE {schema.VERSION_TABLE} SET {newer}")
    with pytest.raises(StoreError, match=r"newer version.*upgrade moderation"):
        opened(file)


@pytest.mark.parametrize("script", ["CREATE TABLE a (b)", "PRAGMA application_id = 7"])
def test_the_database_of_another_application_is_left_as_it_is(file: Path, script: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(script)
    before = file.read_bytes()
    with pytest.raises(StoreError, match="another application"):
        opened(file)
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(file: Path) -> None:
    file.write_text("notes, and more notes\n" * 100)
    with pytest.raises(StoreError, match="is not a database"):
        opened(file)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        opened(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be made"):
        opened(tmp_path / "file" / "moderation.db")


@pytest.mark.parametrize("mode", [0o555, 0o755], ids=["the folder", "the file"])
def test_what_cannot_be_written_is_refused(mode: int) -> None:
    """In another process, as nobody where we are root: root may write anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "moderation.db"
        opened(file).close()
        file.chmod(0o444)
        Path(folder).chmod(mode)
        code = f"""
            import os, sys
            from moderation.errors import StoreError
            from moderation.store import Store
            from moderation.policy import Policy
            from moderation.testing.scans import make_scan
            if os.getuid() == 0:
                os.setuid(65534)
            try:
                with Store.open("sqlite:///{file}") as store:
                    store.save(make_scan(), Policy.model_construct(), fingerprint="")
            except StoreError as error:
                sys.exit("written" not in str(error) and "writing" not in str(error))
            sys.exit(2)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
        )
        Path(folder).chmod(0o755)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://localhost/x", "sqlite+aiosqlite:///x"])
def test_a_url_that_names_no_usable_database_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        Store.open(url)


def test_a_locked_database_is_busy_after_the_timeout(file: Path, policy: Policy) -> None:
    with opened(file) as waiting, closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="locked by another process"):
            waiting.save(make_scan(policy=policy.ref), policy, fingerprint="all")
        other.execute("ROLLBACK")
        waiting.save(make_scan(policy=policy.ref), policy, fingerprint="all")


def test_a_new_database_that_is_locked_is_busy(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusy):
            opened(file)


def test_a_full_disk_loses_nothing_that_was_saved(store: Store, policy: Policy) -> None:
    kept = make_scan(name="kept", policy=policy.ref)
    store.save(kept, policy, fingerprint="all")
    limit = 0

    @event.listens_for(store.engine, "checkout")
    def full(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit}")

    large = make_scan(*(make_evidence(text="x" * 9999, start_s=n) for n in range(50)), name="large")
    limit = 1
    with pytest.raises(OutOfSpace, match="make room"):
        store.save(large, policy, fingerprint="all")
    assert list(store.scans()) == [kept]
    limit = 1 << 30
    store.save(large, policy, fingerprint="all")
    assert len(list(store.scans())) == 2


def test_a_killed_writer_loses_nothing_that_it_acknowledged(file: Path) -> None:
    code = f"""
        from moderation.policy import Policy
        from moderation.store import Store
        from moderation.testing.scans import make_evidence, make_scan
        policy = Policy.model_construct()
        with Store.open("sqlite:///{file}") as store:
            for number in range(10_000):
                evidence = [make_evidence(start_s=each) for each in range(20)]
                store.save(make_scan(*evidence, name=str(number)), policy, fingerprint="all")
                print(number, flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as writer:
        if writer.stdout is None:
            pytest.fail("no pipe")
        acknowledged = [int(writer.stdout.readline()) for _ in range(25)]
        os.kill(writer.pid, signal.SIGKILL)
    with opened(file) as store:
        found = {scan.video.uri: scan for scan in store.scans()}
    assert {str(number) for number in acknowledged} <= found.keys()
    assert all(len(scan.evidence) == 20 for scan in found.values())
    assert pragma(file, "integrity_check") == "ok"


def test_sqlite_with_the_wal_reset_bug_is_warned_of(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, warned in {(3, 40, 1): 1, (3, 51, 3): 0, (3, 52, 0): 1, (3, 53, 0): 0}.items():
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
        assert len(store.warnings()) == warned, version
