"""Victims: processes that go the way of a job and end themselves at a chosen point of it.

`python -m tests.services.victims` forks one for each line that it reads, and has imported all that
they need before.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Collection, Iterator
from functools import cache
from itertools import count
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from conftest import ROOT
from moderation.job import Lease
from moderation.lanes import CONTROL
from moderation.store import Failure, Jobs, Leases, Store
from tests.services.job_flow import LANES, drain, submit, work

__all__ = ["ATTEMPTS", "STEPS", "Death", "Victims"]

ATTEMPTS: Final = 5
"""That a part has: `mishaps` uses up two, and a crash one more."""

_CRASHED = 70


class Death(NamedTuple):
    """What became of a victim.

    told   id of the job that it was told of, if it came so far
    point  where it ended; empty: it came through
    """

    told: str
    point: str


class Victims:
    """Where they come from. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.services.victims"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )

    def die(self, url: str, flow: str, name: str, at: int) -> Death:
        """Have one go the way of a job called `name`, and end at its point number `at`."""
        for line in self.start(url, flow, name, at):
            told = json.loads(line)
            if "told" in told:
                return Death(told["told"], told["point"])
        raise RuntimeError("who sends out victims has ended")

    def start(self, url: str, flow: str, name: str, at: int = 0) -> Iterator[str]:
        """What one says, as it says it."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("there is no pipe")
        self._process.stdin.write(json.dumps([url, flow, name, at]) + "\n")
        self._process.stdin.flush()
        return iter(self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._process:
            if self._process.stdin is not None:
                self._process.stdin.close()


class Points:
    """Where a process changes what the database says, in their order; it ends at one of them.

    steps  that it may end in, each when it is taken for the first time
    """

    def __init__(self, end_at: int, steps: Collection[str] = ()) -> None:
        self._step, self._left, self._steps = "", end_at, set(steps)
        self._told = ""

    def tell(self, job_id: str) -> None:
        """What a client has in hand, from now on."""
        self._told = job_id

    def take(self, step: str) -> None:
        self._steps.discard(self._step)
        self._step = step

    def reach(self, what: str) -> None:
        if self._step in self._steps:
            self._left -= 1
            if self._left == 0:
                self.end(f"{self._step}: {what}", _CRASHED)

    def end(self, point: str, code: int) -> None:
        """At once: nothing is rolled back, closed or flushed."""
        _say(told=self._told, point=point)
        os._exit(code)

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "before_cursor_execute", self._before_statement)
        event.listen(engine, "commit", lambda _: self.reach("before the commit"))
        event.listen(Session, "after_commit", lambda _: self.reach("after the commit"))

    def _before_statement(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        # What only reads leaves the same behind; so does the time after a statement and that
        # before the next one.
        verb, *rest = statement.split(maxsplit=3)
        if verb in ("INSERT", "UPDATE", "DELETE"):
            self.reach(f"before {verb} {rest[0] if verb == 'UPDATE' else rest[1]}")


class Way:
    """What a victim goes with, step by step."""

    def __init__(self, store: Store, points: Points) -> None:
        self._points, self.jobs = points, Jobs(store)
        # Whatever it holds when it dies is free at once.
        self.leases = Leases(store, lease_s=-1, attempts=ATTEMPTS)

    def submit(self, name: str) -> str:
        self._points.take("submit")
        (job,) = submit(self.jobs, name)
        self._points.tell(job.id)
        return job.id

    def claim(self, lane: str = CONTROL) -> Lease:
        self._points.take(f"claim in {lane}")
        lease = self.leases.claim(lane, "victim")
        if lease is None:
            raise RuntimeError(f"nothing waits in {lane}")
        return lease

    def work(self, *lanes: str) -> None:
        for lane in lanes:
            work(self.leases, lane, "victim", self._points.take)

    def fail(self, lease: Lease, *, again: bool) -> None:
        self._points.take("fail" if again else "fail for good")
        self.leases.fail(lease, Failure(error="S3 is slow", retry_s=0 if again else None))

    def release(self, lease: Lease) -> None:
        self._points.take("release")
        self.leases.release(lease)

    def release_all(self) -> None:
        self._points.take("release all")
        self.leases.release_all("victim")

    def reap(self) -> None:
        self._points.take("reap")
        self.leases.reap()

    def cancel(self, job_id: str) -> None:
        self._points.take("cancel")
        self.jobs.cancel(job_id)

    def retry(self, job_id: str) -> None:
        self._points.take("retry")
        self.jobs.retry(job_id)


def straight(way: Way, name: str) -> None:
    """As it should be."""
    way.submit(name)
    way.work(CONTROL, *LANES, CONTROL, CONTROL)


def mishaps(way: Way, name: str) -> None:
    """Everything that may happen to a part."""
    way.submit(name)
    way.release(way.claim())
    way.claim()
    way.release_all()
    way.fail(way.claim(), again=True)
    way.claim()
    way.reap()
    way.work(CONTROL, "cpu")
    way.fail(way.claim("gpu"), again=False)
    way.work(CONTROL, CONTROL)


def second_thoughts(way: Way, name: str) -> None:
    """Cancelled amid the work, and wanted after all."""
    job_id = way.submit(name)
    way.work(CONTROL, "cpu")
    way.claim("gpu")
    way.cancel(job_id)
    way.retry(job_id)
    way.work("gpu", CONTROL, CONTROL)


def endless(way: Way, name: str) -> None:
    """Until it is killed: says each job when it is submitted and when it has its verdict."""
    for number in count():
        job_id = way.submit(f"{name} {number}")
        _say(pid=os.getpid(), submitted=job_id)
        drain(way.jobs, way.leases, "victim")
        _say(pid=os.getpid(), done=job_id)


FLOWS: Final = {each.__name__: each for each in (straight, mishaps, second_thoughts, endless)}
STEPS: Final = {
    "straight": (
        "submit",
        "claim in control",
        "ingest ends",
        "scan in cpu ends",
        "scan in gpu ends",
        "decide ends",
        "publish ends",
    ),
    "mishaps": ("release", "release all", "fail", "fail for good", "reap"),
    "second_thoughts": ("cancel", "retry"),
}
"""Where a flow may be ended: each step in one of them, and the last scan's end is another's."""


def _live(store: Store, flow: str, name: str, at: int) -> None:
    points = Points(at, STEPS.get(flow, ()))
    points.watch(store.engine)
    FLOWS[flow](Way(store, points), name)
    points.end("", 0)


@cache
def _opened(url: str) -> Store:
    """For children, without a connection: what statements compile to is inherited, and no more."""
    store = Store.open(url)
    for name in STEPS:
        FLOWS[name](Way(store, Points(0)), f"{name}, a rehearsal")
    store.engine.dispose()
    gc.collect()
    gc.freeze()
    return store


def _say(**said: Any) -> None:
    os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")


def _serve() -> None:
    for line in sys.stdin:
        url, flow, name, at = json.loads(line)
        store = _opened(url)
        pid = os.fork()
        if pid == 0:
            try:
                _live(store, flow, name, at)
            finally:
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) not in (0, _CRASHED):
            _say(told="", point="a death of its own")


if __name__ == "__main__":
    _serve()
