"""Real servers for the tests of this folder, started when the first test asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from moto.server import ThreadedMotoServer

from moderation.review import ReviewQueue
from moderation.review_settings import ReviewSettings
from moderation.store import Store
from tests.services.bucket import Amazon
from tests.services.postgres_server import PostgresServer
from tests.services.redis_server import RedisServer
from tests.services.s3_proxy import S3Proxy
from tests.services.s3_server import S3Server
from tests.services.server import Server

SECRET = "hush-hush-hush"
"""That no message may quote."""

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
    """A new database, after `moderation db upgrade`."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A new database without a table."""
    url = postgres_server.create_database(empty=True)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that is not there yet, or is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nothing was stored in yet: of each kind that the store knows."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'moderation.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """Of each kind, with nothing in it."""
    with Store.open(database_url) as store:
        yield store


@pytest.fixture
def queue(store: Store) -> ReviewQueue:
    """Without chance."""
    return ReviewQueue(store, ReviewSettings(second_look_share=0))


@pytest.fixture
def twice(store: Store) -> ReviewQueue:
    """In which everything is looked at a second time, at once."""
    return ReviewQueue(store, ReviewSettings(second_look_share=1, undo_s=0))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """URL of S3 and SQS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://127.0.0.1:{1}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of AWS, and none of whoever runs the tests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    """To be emptied by whoever uses it."""
    with installed(S3Server)() as server:
        yield server


@pytest.fixture(scope="module")
def s3_proxy(s3_server: S3Server) -> Iterator[S3Proxy]:
    """Before the server, to be reset likewise."""
    with S3Proxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def amazon(endpoint: str, request: pytest.FixtureRequest) -> Amazon:
    request.getfixturevalue("credentials")
    return Amazon.at(endpoint, f"uploads-{abs(hash(request.node.name))}")


def installed(kind: type[Kind]) -> type[Kind]:
    """Skipped where the server is not installed, required in CI."""
    try:
        kind.find()
    except FileNotFoundError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    return kind
