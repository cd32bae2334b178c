"""The store: scans kept with all their evidence, found again, and streamed to reports."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from sqlalchemy import ColumnElement, Engine, Select, or_, select
from sqlalchemy.orm import Session

from moderation.errors import MediaFault, SourceError
from moderation.policy import Policy
from moderation.review_settings import ReviewSettings
from moderation.scan import Scan
from moderation.store import schema, sqlite
from moderation.store.database import (
    BUSY_TIMEOUT,
    CONNECTIONS,
    connect,
    project_errors,
    retried,
)
from moderation.store.load import load_scan
from moderation.store.models import EvidenceRow, PolicyRow, ScanRow, VerdictRow, VideoRow
from moderation.store.save import save_scan
from moderation.store.tombstone import is_erased
from moderation.verdict import Action

__all__ = ["Store"]

_NO_LOT: Final = ReviewSettings(audit_share=0)
"""For who only reads, and for tests, where chance has no place."""


class Store:
    """The database of an installation: SQLite by default, PostgreSQL by its URL.

    Threads may share a store. Every method is one transaction, and raises `StoreBusy` when the
    database stays locked, `OutOfSpace` when its disk is full and `StoreError` otherwise.
    """

    def __init__(self, engine: Engine, review: ReviewSettings = _NO_LOT) -> None:
        self.engine, self._review = engine, review

    @classmethod
    def open(
        cls,
        url: str,
        *,
        busy_timeout: float = BUSY_TIMEOUT,
        upgrade: bool | None = None,
        review: ReviewSettings = _NO_LOT,
        connections: int = CONNECTIONS,
    ) -> Self:
        """Open the database.

        `busy_timeout` is how many seconds to wait for another process' transaction. `upgrade` says
        whether to make its tables or bring them up to date; unset, that is done for SQLite, which
        is one machine's, and left to `moderation db upgrade` for PostgreSQL: there programs of two
        versions may be at work, and whoever makes tables may need other rights. `review` says how
        soon what is saved is to be reviewed, and how many approved videos are reviewed, too.
        `connections` is how many threads use it at a time.

        Raises `StoreError` for a place that cannot be written, a file that is no database, one of
        another application, tables that are too old, and tables that a newer version made unfit.
        """
        engine = connect(url, busy_timeout, connections)
        is_file = engine.dialect.name == "sqlite"
        try:
            with project_errors(engine):
                if is_file if upgrade is None else upgrade:
                    schema.upgrade(engine)
                else:
                    schema.check(engine)
                if is_file:
                    sqlite.use_wal(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, review)

    @property
    def review(self) -> ReviewSettings:
        """By which review items are opened."""
        return self._review

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def warnings(self) -> tuple[str, ...]:
        """What an operator should know of this database, one sentence each; for `doctor`."""
        return sqlite.warnings(self.engine) if self.engine.dialect.name == "sqlite" else ()

    def compact(self) -> bool:
        """Leave nothing behind of what was deleted, as far as that is ours to do: PostgreSQL sees
        to it by itself. False where others would not let go of the database, or its disk is full.
        """
        if self.engine.dialect.name != "sqlite":
            return True
        with project_errors(self.engine):
            return sqlite.compact(self.engine)

    @retried
    def save(self, scan: Scan, policy: Policy, *, fingerprint: str) -> None:
        """Keep a scan: video, evidence, coverage, verdict and, if a person is needed, its item.

        A scan, known by its id, that is saved twice is saved once. A new one takes the place of
        an older one of the same bytes and fingerprint. Its verdict is the one in force for its
        video from now on: so save what `find` gave back, too (which also notes its URI), and
        save what `find_scan` gave back with its new verdict.

        `policy` judged, and is kept under its digest; `fingerprint` names the detectors, their
        options and weights, and the sampling. Raises `SourceError` when the video was erased while
        it was looked at.
        """
        now = datetime.now(UTC)
        began = scan.scanned_at - timedelta(seconds=scan.timing.scan_s)
        with self.writing() as session:
            if is_erased(session, scan.video, began):
                raise SourceError(
                    "the video was erased while it was scanned",
                    fault=MediaFault.NOT_FOUND,
                    hint="nothing of it was kept",
                )
            save_scan(
                session,
                scan,
                fingerprint=fingerprint,
                policy=policy.model_dump_json(by_alias=True),
                now=now,
                review=self.review,
            )

    def is_erased(self, scan: Scan) -> bool:
        """Whether its video was erased since it was scanned."""
        with self.reading() as session:
            return is_erased(session, scan.video, scan.scanned_at)

    def find(self, sha256: str, fingerprint: str, policy_digest: str) -> Scan | None:
        """The stored scan of these bytes by these detectors, as this policy judged it."""
        return self._newest(
            _reusable(sha256, fingerprint).where(VerdictRow.policy_digest == policy_digest)
        )

    def find_scan(self, sha256: str, fingerprint: str) -> Scan | None:
        """The stored scan of these bytes by these detectors, under whichever policy was last.

        What to judge under another policy without looking again.
        """
        return self._newest(_reusable(sha256, fingerprint))

    def judged(self, scan_id: str, policy_digest: str) -> Scan | None:
        """A scan as a policy judged it, whether or not it is in force."""
        verdict = (
            select(VerdictRow.id)
            .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
            .where(ScanRow.scan_id == scan_id, VerdictRow.policy_digest == policy_digest)
        )
        return self._newest(verdict)

    def scans(
        self,
        *,
        verdict: Collection[Action] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        label: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Scan]:
        """Every video with its verdict in force, newest scan first; one in memory at a time.

        verdict       any of these
        since, until  scanned at or after, and before; with a time zone
        label         with evidence of this label or one below it
        """
        with self.reading() as session:
            found = session.scalars(_in_force(verdict, since, until, label).limit(limit))
            ids = array("q", found.yield_per(1000))
        for verdict_id in ids:
            with self.reading() as session:
                scan = load_scan(session, verdict_id)
            yield scan

    def policy(self, digest: str) -> str | None:
        """The JSON of a policy that judged something stored here."""
        with self.reading() as session:
            return session.scalar(select(PolicyRow.text).where(PolicyRow.digest == digest))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database."""
        with project_errors(self.engine), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction, committed at the end of the block or not at all."""
        engine = self.engine.execution_options(writes=True)
        with project_errors(self.engine), Session(engine) as session, session.begin():
            yield session

    def _newest(self, verdicts: Select[int]) -> Scan | None:
        with self.reading() as session:
            newest = verdicts.order_by(VerdictRow.current.desc(), VerdictRow.id.desc()).limit(1)
            verdict = session.scalar(newest)
            return None if verdict is None else load_scan(session, verdict)


def _reusable(sha256: str, fingerprint: str) -> Select[int]:
    return (
        select(VerdictRow.id)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .join(VideoRow, VideoRow.id == ScanRow.video_id)
        .where(VideoRow.key == sha256, ScanRow.fingerprint == fingerprint)
        .where(ScanRow.current, ScanRow.final)
    )


def _in_force(
    verdict: Collection[Action] | None,
    since: datetime | None,
    until: datetime | None,
    label: str | None,
) -> Select[int]:
    found = (
        select(VerdictRow.id)
        .join(ScanRow, ScanRow.id == VerdictRow.scan_id)
        .where(VerdictRow.current)
        .order_by(ScanRow.scanned_at.desc(), VerdictRow.id.desc())
    )
    if verdict is not None:
        found = found.where(VerdictRow.action.in_([action.value for action in verdict]))
    if since is not None:
        found = found.where(ScanRow.scanned_at >= since)
    if until is not None:
        found = found.where(ScanRow.scanned_at < until)
    if label is not None:
        found = found.where(_shows(label))
    return found


def _shows(label: str) -> ColumnElement[bool]:
    below = EvidenceRow.label.startswith(f"{label}/", autoescape=True)
    return (
        select(EvidenceRow.position)
        .where(EvidenceRow.scan_id == ScanRow.id, or_(EvidenceRow.label == label, below))
        .exists()
    )
