"""The heart: it keeps a lease, and tells those who work when that has no use any more."""

from __future__ import annotations

import threading
import time

import pytest

from moderation.errors import Cancelled, DeadlineExceeded, StoreBusy
from moderation.heart import Heart
from moderation.job import Kind, Lease
from moderation.look import Step
from moderation.store import Hold
from moderation.timeline import Instant

LEASE = Lease(part_id=1, job_id="a", kind=Kind.SCAN, lane="cpu", attempt=1, owner="one")


class Scripted:
    """Leases that answer what they are told to; `asked` is set at every heartbeat."""

    def __init__(self, *answers: Hold | Exception) -> None:
        self._answers = list(answers)
        self.progress: list[float] = []
        self.told = threading.Event()

    def renew(self, lease: Lease, progress: float) -> Hold:
        self.progress.append(progress)
        answer = self._answers.pop(0) if self._answers else Hold.OURS
        if not self._answers:
            self.told.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


def heart(
    leases: object, *, lease_s: float = 0.03, limit_s: float = 60, stop: bool = False
) -> Heart:
    return Heart(
        leases,  # type: ignore[arg-type]
        LEASE,
        lease_s=lease_s,
        limit_s=limit_s,
        stopping=lambda: stop,
    )


def reason(beating: Heart, leases: Scripted) -> str:
    """Why the work is to end, once all answers were given and taken."""
    assert leases.told.wait(10)
    deadline = time.monotonic() + 10
    while beating.reason is None and time.monotonic() < deadline:
        time.sleep(0.001)
    return str(beating.reason)


@pytest.mark.parametrize("answer", [Hold.LOST, Hold.CANCELLED])
def test_who_is_not_wanted_any_more_is_told(answer: Hold) -> None:
    leases = Scripted(Hold.OURS, answer)
    with heart(leases, lease_s=30 / 1000) as beating:
        assert answer.value in reason(beating, leases)
        with pytest.raises(Cancelled):
            beating.check()


def test_a_database_that_does_not_answer_for_long_is_a_lost_lease() -> None:
    leases = Scripted(*[StoreBusy("it is away")] * 5)
    with heart(leases) as beating:
        assert "the lease ran out" in reason(beating, leases)


def test_a_part_that_takes_too_long_is_told() -> None:
    with heart(Scripted(), lease_s=60, limit_s=0) as beating, pytest.raises(DeadlineExceeded):
        beating.check()


def test_a_worker_that_is_to_end_tells_its_part() -> None:
    with heart(Scripted(), lease_s=60, stop=True) as beating, pytest.raises(Cancelled):
        beating.check()


def test_progress_is_that_of_the_decoder() -> None:
    leases = Scripted(*[Hold.OURS] * 3)
    with heart(leases) as beating:
        beating.watch(Step("decode", Instant(5), Instant(10)))
        beating.watch(Step("objects", Instant(9), Instant(10)))
        assert leases.told.wait(10)
    assert leases.progress[-1] == 0.5


def test_who_was_stopped_once_stays_so_though_the_database_answers_again() -> None:
    leases = Scripted(StoreBusy("down"))
    beating = heart(leases, lease_s=60)
    beating._kept_until = 0
    with pytest.raises(Cancelled, match="ran out"):
        beating.check()
    beating._kept_until = time.monotonic() + 60
    with pytest.raises(Cancelled, match="ran out"):
        beating.check()
