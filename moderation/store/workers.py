"""Workers: which there are, by what each says of itself at every sweep.

What it says runs out, by the database's clock, as leases do: who was killed is gone soon.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from moderation.job import PartState
from moderation.lanes import CONTROL
from moderation.store.clock import now_us
from moderation.store.jobs import Jobs
from moderation.store.models import PartRow, WorkerRow
from moderation.store.store import Store
from moderation.timeline import MICROSECONDS

__all__ = ["LaneLoad", "Presence", "Worker", "Workers"]

_REMEMBERED_US: Final = 3600 * MICROSECONDS
"""How long `silent` tells of a worker that is gone: pods come back under other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """What a worker says of itself; `name` is the owner of what it holds."""

    name: str
    host: str
    lanes: tuple[str, ...]
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker(Presence):
    """What is known of a worker.

    began, seen          by the database's clock, UTC
    jobs                 whose parts it works on
    gpu_used, gpu_total  bytes of its GPU's memory; 0: none, or not known yet
    """

    began: datetime
    seen: datetime
    jobs: tuple[str, ...] = ()
    gpu_used: int = 0
    gpu_total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLoad:
    """Parts that wait and run in a lane, and how many workers serve it."""

    lane: str
    waiting: int
    running: int
    workers: int


class Workers:
    """Who is there. Threads may share it; each method is a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def say(self, presence: Presence, *, silent_s: float) -> None:
        """A worker is there, and is gone when it stays silent for `silent_s` seconds."""
        with self._store.writing() as session:
            now = _now(session)
            row = session.get(WorkerRow, presence.name)
            if row is None:
                row = WorkerRow(name=presence.name, began_us=now, gpu_used=0, gpu_total=0)
                session.add(row)
            row.host, row.lanes, row.device = presence.host, [*presence.lanes], presence.device
            row.seen_us, row.until_us = now, now + round(silent_s * MICROSECONDS)
            session.execute(delete(WorkerRow).where(WorkerRow.until_us < now - _REMEMBERED_US))

    def say_memory(self, name: str, *, used: int, total: int) -> None:
        """Bytes of the memory of a worker's GPU."""
        with self._store.writing() as session:
            told = {"gpu_used": used, "gpu_total": total}
            session.execute(update(WorkerRow).where(WorkerRow.name == name).values(told))

    def forget(self, name: str) -> None:
        """A worker has ended."""
        with self._store.writing() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.name == name))

    def alive(self) -> list[Worker]:
        """By name."""
        return self._known(is_alive=True)

    def silent(self) -> list[Worker]:
        """Those who were killed or cut off within the last hour: they have not said goodbye."""
        return self._known(is_alive=False)

    def loads(self, named: Iterable[str] = ()) -> list[LaneLoad]:
        """Of every lane that is named, has work or has workers: by name, `CONTROL` first."""
        counts = Jobs(self._store).counts()
        served = [lane for worker in self.alive() for lane in worker.lanes]
        lanes = {*named, *served, *(lane for lane, _ in counts)}
        return [
            LaneLoad(
                lane=lane,
                waiting=counts.get((lane, PartState.QUEUED), 0),
                running=counts.get((lane, PartState.RUNNING), 0),
                workers=served.count(lane),
            )
            for lane in sorted(lanes, key=lambda lane: (lane != CONTROL, lane))
        ]

    def _known(self, *, is_alive: bool) -> list[Worker]:
        with self._store.reading() as session:
            there = WorkerRow.until_us > now_us()
            found = select(WorkerRow).where(there if is_alive else ~there)
            rows = list(session.scalars(found.order_by(WorkerRow.name)))
            return [_worker(row, _jobs(session, row.name)) for row in rows]


def _now(session: Session) -> int:
    return session.scalars(select(now_us())).one()


def _jobs(session: Session, name: str) -> tuple[str, ...]:
    held = (PartRow.owner == name, PartRow.state == PartState.RUNNING)
    return tuple(session.scalars(select(PartRow.job_id).where(*held).order_by(PartRow.id)))


def _worker(row: WorkerRow, jobs: tuple[str, ...]) -> Worker:
    return Worker(
        name=row.name,
        host=row.host,
        lanes=tuple(row.lanes),
        device=row.device,
        began=_moment(row.began_us),
        seen=_moment(row.seen_us),
        jobs=jobs,
        gpu_used=row.gpu_used,
        gpu_total=row.gpu_total,
    )


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us / MICROSECONDS, UTC)
