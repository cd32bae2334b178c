"""A page costs about as much however much there is: few statements, and a bounded answer.

`python tests/bench/bench_pages.py` has the times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from moderation.person import Role
from moderation.policy import Policy
from moderation.testing.scans import make_evidence
from moderation.web import Installation
from moderation.web.views.moments import MOMENTS
from tests.web.conftest import ADMIN, POLICY, ReviewedScan
from tests.web.long_video import PIECES, long_scan
from tests.web.visitor import Visitor

MOST_STATEMENTS = 20


@pytest.fixture
def lea(installation: Installation, token: Callable[..., str]) -> Visitor:
    return Visitor(installation, token(Role.LEAD, "lea"))


@contextmanager
def statements(installation: Installation) -> Iterator[list[str]]:
    """Those that the database is sent in the block."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    event.listen(installation.store.engine, "before_cursor_execute", note)
    yield sent
    event.remove(installation.store.engine, "before_cursor_execute", note)


def test_a_page_of_the_queue_asks_as_much_for_one_item_as_for_many(
    lea: Visitor, installation: Installation, reviewed_scan: ReviewedScan
) -> None:
    asked = []
    for wave in range(2):
        for number in range(1 + 39 * wave):
            reviewed_scan(make_evidence(), name=f"{wave}-{number}.mp4")
        with statements(installation) as sent:
            size = len(lea.get("/queue").content)
        asked.append(len(sent))
    assert asked[0] == asked[1] <= MOST_STATEMENTS
    assert size < 41 * 1_500


def test_a_page_of_a_long_video_stays_small(lea: Visitor, installation: Installation) -> None:
    policy = Policy.parse(POLICY, "ours.toml")
    installation.store.save(long_scan(policy), policy, fingerprint="all")
    (item,) = installation.queue.list(ADMIN)
    installation.queue.claim(item.id, lea.person)
    with statements(installation) as sent:
        answer = lea.get(f"/items/{item.id}")
    page = lea.page(f"/items/{item.id}")
    assert len(sent) <= MOST_STATEMENTS
    assert len(answer.content) < 1_000_000
    assert len(page.case["moments"]) == MOMENTS
    assert len(lea.get(f"/items/{item.id}/report.json").json()["evidence"]) == PIECES
