"""Real servers for the tests of this folder, started when the first test asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer
from tests.services.server import Server

Kind = TypeVar("Kind", bound=Server)


@pytest.fixture(scope="session")
def redis_server_session() -> Iterator[RedisServer]:
    with installed(RedisServer)() as server:
        yield server


@pytest.fixture
def redis_server(redis_server_session: RedisServer) -> RedisServer:
    """A running, empty Redis with the settings of production, which the test may kill."""
    redis_server_session.reset()
    return redis_server_session


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL which a test may kill: `create_database` starts it again."""
    with installed(PostgresServer)() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new, empty database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is not there yet, or is empty: of each kind that the store knows."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'moderation.db'}"
    return str(request.getfixturevalue("postgres_url"))


def installed(kind: type[Kind]) -> type[Kind]:
    """Skipped where the server is not installed, required in CI."""
    try:
        kind.find()
    except FileNotFoundError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    return kind
