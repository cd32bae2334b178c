"""An installation with a server, people and items, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import select

from moderation.config import Settings
from moderation.evidence import Evidence
from moderation.person import Person, Role
from moderation.policy import Policy
from moderation.review import ItemState, ReviewItem
from moderation.review_settings import ReviewSettings
from moderation.store.models import ReviewItemRow, ScanRow, VerdictRow
from moderation.testing.scans import make_evidence, make_scan
from moderation.verdict import Action
from moderation.web import Installation
from tests.web.browser import chromium as chromium
from tests.web.browser import clip_file as clip_file
from tests.web.browser import open_desk as open_desk
from tests.web.browser import waiting_clips as waiting_clips
from tests.web.server import WebServer

ADMIN = Person(name="root", role=Role.ADMIN, created_at=datetime.now(UTC))
"""Who sets up what a test needs; not among the people of the database."""

POLICY = """
schema = "moderation.policy/v1"
name = "ours"
version = "1"

[reasons]
toy = "what looks like a weapon is a toy"
"""


class ReviewedScan(Protocol):
    """Stores a scan that a person is to look at.

    A piece of evidence is what `make_evidence` makes; without any there is one knife at 1 s. The
    other arguments are those of `make_scan`. Gives back the item that waits.
    """

    def __call__(
        self, *evidence: Evidence, name: str = "clip.mp4", policy: str = POLICY, **fields: Any
    ) -> ReviewItem: ...


@pytest.fixture
def web_settings(tmp_path: Path) -> Settings:
    """SQLite, nothing left to chance."""
    return Settings(
        home=tmp_path / "home", review=ReviewSettings(audit_share=0, second_look_share=0)
    )


@pytest.fixture
def installation(web_settings: Settings) -> Iterator[Installation]:
    """To look behind the server's back, and to prepare what it finds."""
    with Installation.open(web_settings) as installation:
        yield installation


@pytest.fixture
def web_server(web_settings: Settings) -> Iterator[WebServer]:
    with WebServer(web_settings) as server:
        yield server


@pytest.fixture
def token(installation: Installation) -> Callable[..., str]:
    """`token(Role.LEAD, "lea")`: adds somebody, and gives a token of theirs."""
    numbers = count(1)

    def issued(role: Role = Role.SERVICE, name: str = "") -> str:
        name = name or f"{role}-{next(numbers)}"
        installation.people.add(name, role, by=ADMIN)
        return installation.people.issue(name, by=ADMIN).secret

    return issued


@pytest.fixture
def reviewed_scan(installation: Installation) -> ReviewedScan:
    def stored(
        *evidence: Evidence, name: str = "clip.mp4", policy: str = POLICY, **fields: Any
    ) -> ReviewItem:
        judge = Policy.parse(policy, "ours.toml")
        given = {"action": Action.REVIEW, "id": f"scan of {name}", **fields}
        scan = make_scan(*(evidence or (make_evidence(),)), name=name, policy=judge.ref, **given)
        installation.store.save(scan, judge, fingerprint="all")
        return installation.queue.show(_item_of(scan.id), ADMIN).item

    def _item_of(scan_id: str) -> str:
        found = (
            select(ReviewItemRow.id)
            .join(VerdictRow, VerdictRow.id == ReviewItemRow.verdict_id)
            .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
            .where(ScanRow.scan_id == scan_id, ReviewItemRow.state == ItemState.OPEN)
        )
        with installation.store.reading() as session:
            return session.execute(found).scalar_one()

    return stored
