"""`moderation up`: everything on this machine, for a first look."""

from __future__ import annotations

import fcntl
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import click

from moderation.client import Client, JobHandle
from moderation.config import Settings
from moderation.errors import ConfigurationError, TransientError
from moderation.policy import Policy
from moderation.reports.text import one_line
from moderation_workers import embedded_redis
from moderation_workers.folder import Arrival, FolderTrigger, check_apart
from moderation_workers.outcome import outcome
from moderation_workers.supervisor import ProcessGroup, Supervised

__all__ = ["up"]

_WORKER: Final = (sys.executable, "-P", "-c", "from moderation.cli import main; main()", "worker")

_GRACE_S: Final = 30.0
"""From the end of its patience until a worker has given back what it holds: a detector that hangs
takes 5 s to be given up, and on a machine that does much else all takes several times as long."""

_REDIS_ENDS_S: Final = 5.0

_ASKED: Final = 1_000
"""Jobs whose state is asked for at each look: one statement, and it is the first in line that run.
"""


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("uploads"),
    show_default=True,
    help="Every video that comes to lie in it is judged; it is made if there is none.",
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where database, pictures and logs go.  [default: the setting home]",
)
@click.option("--policy", help="Built-in policy or path of a TOML file.  [default: the setting]")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    help="Seconds between two looks at the folder.",
)
def up(folder: Path, directory: Path | None, policy: str | None, every_s: float) -> None:
    """Judge every video that comes to lie in a folder, with all that it takes on this machine.

    Starts a Redis and a worker of its own and needs no other; Ctrl-C ends them all. Results lie in
    SQLite, unless the settings name another database.
    """
    settings = _settings(directory, policy)
    place = _prepared(settings, folder)
    with _alone(place), ProcessGroup() as group, _FirstLook(settings, folder, place, group) as all_:
        _greet(folder, settings.home if directory else None)
        try:
            all_.run(every_s)
        except KeyboardInterrupt:
            all_.stop()


class _FirstLook:
    """Redis, a worker, a client and the trigger; a context manager."""

    def __init__(self, settings: Settings, folder: Path, place: Path, group: ProcessGroup) -> None:
        """`place` is for logs. Raises `ConfigurationError` where Redis does not start."""
        self._folder, self._patience_s = folder.absolute(), settings.jobs.shutdown_s
        self._redis, broker = embedded_redis.start(group, place / "redis.log")
        jobs = settings.jobs.model_copy(update={"broker": broker})
        # It makes the tables before the worker looks for them.
        self._client = Client(settings.model_copy(update={"jobs": jobs}))
        environment = _environment(settings, broker)
        self._worker = Supervised("the worker", group, _WORKER, place / "worker.log", environment)
        self._trigger = FolderTrigger(folder, self._client, policy=settings.policy)
        self._open: dict[str, tuple[Path, JobHandle]] = {}
        self._waits = False

    def run(self, every_s: float) -> None:
        """Until Ctrl-C."""
        while True:
            began = time.monotonic()
            for process in (self._redis, self._worker):
                _tell(process.look_after())
            try:
                self._tell_arrivals(self._trigger.poll())
                self._tell_verdicts()
                self._waits = False
            except TransientError as error:
                _tell("" if self._waits else f"all waits: {error}")
                self._waits = True
            time.sleep(self._trigger.pause(every_s, time.monotonic() - began))

    def stop(self) -> None:
        """What the worker holds is given back."""
        _tell(
            f"stopping: a video in work has {self._patience_s:g} s; Ctrl-C again ends all at once"
        )
        if not self._worker.stop(self._patience_s + _GRACE_S):
            _tell("the worker did not end in time, and is killed")
        self._redis.stop(_REDIS_ENDS_S)

    def __enter__(self) -> _FirstLook:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def _tell_arrivals(self, arrivals: list[Arrival]) -> None:
        known = 0
        for path, job, refusal in arrivals:
            if job is None:
                _tell(f"{self._name(path)} is not scanned: {refusal}")
            elif job.state.is_final:
                known += 1
            else:
                self._open[job.id] = (path, job)
                _show(f"{self._name(path)}: taken in as job {job.id}")
        if known:
            _tell(f"{known} that lie there were judged before")

    def _tell_verdicts(self) -> None:
        first = [job for _, job in islice(self._open.values(), _ASKED)]
        for job_id, seen in self._client.outcomes(first).items():
            if seen.state.is_final:
                path, job = self._open.pop(job_id)
                _show(f"{self._name(path)}: {outcome(job.refresh())}")

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._folder))


def _settings(directory: Path | None, policy: str | None) -> Settings:
    given: dict[str, Any] = {"policy": policy} if policy else {}
    if directory:
        given["home"] = directory.absolute()
    settings = Settings.read(**given)
    Policy.read(settings.policy)
    return settings


def _environment(settings: Settings, broker: str) -> Mapping[str, str]:
    """Of the worker: the settings that are not those it would read."""
    home = str(settings.home.absolute())
    return {**os.environ, "MODERATION_HOME": home, "MODERATION_JOBS__BROKER": broker}


def _prepared(settings: Settings, folder: Path) -> Path:
    """The folder for logs. Raises `ConfigurationError` for places that cannot be."""
    check_apart(folder, settings)
    logs = settings.home / "up"
    for each in (folder, logs):
        try:
            each.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"{each} cannot be made: {error.strerror}", hint="name another folder"
            ) from None
    return logs


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Raises `ConfigurationError` while another one has the same home."""
    with (place / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigurationError(
                f"`moderation up` runs already with {place.parent} (process {lock.read()})",
                hint="end that one, or give this one another --directory",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _greet(folder: Path, home: Path | None) -> None:
    """`home` where other commands would look elsewhere."""
    before = f"MODERATION_HOME={shlex.quote(str(home))} " if home else ""
    _tell(f"put videos into {folder.absolute()}; Ctrl-C ends it")
    _tell(
        f"for more, in another terminal: `{before}moderation report` what was seen, "
        f"`{before}moderation status` what is under way"
    )


def _show(sentence: str) -> None:
    """What becomes of videos, to stdout."""
    click.echo(_stamped(sentence))


def _tell(sentence: str) -> None:
    """All else, if anything, to stderr."""
    if sentence:
        click.echo(_stamped(sentence), err=True)


def _stamped(sentence: str) -> str:
    return f"{datetime.now():%H:%M:%S}  {one_line(sentence)}"
