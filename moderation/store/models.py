"""The tables.

    video ─┬─ video_uri                 every place the same bytes were seen at
           └─ scan ─┬─ evidence ─ producer
                    └─ verdict ─┬─ policy
                                ├─ coverage
                                └─ review_item
    job ── part ─┬─ attempt
                 └─ part_result
    worker                              who is there, for `status` and metrics

Nothing is deleted: what a newer scan or verdict replaces is no longer `current`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, MetaData, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from moderation.store.types import ExactText, Json, UtcDateTime

__all__ = [
    "AttemptRow",
    "Base",
    "CoverageRow",
    "EvidenceRow",
    "JobRow",
    "PartResultRow",
    "PartRow",
    "PolicyRow",
    "ProducerRow",
    "ReviewItemRow",
    "ScanRow",
    "UriRow",
    "VerdictRow",
    "VideoRow",
    "WorkerRow",
]

Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only under the exact type INTEGER."""


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: ExactText, datetime: UtcDateTime, float: Float(53)}


class VideoRow(Base):
    """A video is its bytes: the same file under two names is one row."""

    __tablename__ = "video"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """The sha256 of the bytes; for bytes that nobody could read, `uri:` and that of the URI."""
    sha256: Mapped[str]
    uri: Mapped[str]
    """Where it was seen last."""


class UriRow(Base):
    __tablename__ = "video_uri"

    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    """sha256 of the URI, which may be longer than what an index takes."""
    uri: Mapped[str]
    seen_at: Mapped[datetime]


class ScanRow(Base):
    __tablename__ = "scan"
    __table_args__ = (
        Index(
            "uq_scan_current",
            "video_id",
            "fingerprint",
            unique=True,
            sqlite_where=sql("current"),
            postgresql_where=sql("current"),
        ),
        Index("ix_scan_scanned_at", "scanned_at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    scan_id: Mapped[str] = mapped_column(unique=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    fingerprint: Mapped[str]
    """Digest over the detectors, their options and weights, and the sampling."""
    current: Mapped[bool]
    final: Mapped[bool]
    """Scanning again would see the same; otherwise it is kept for reports and never reused."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    duration_us: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[float]
    has_video: Mapped[bool]
    has_audio: Mapped[bool]
    container: Mapped[str]
    codecs: Mapped[Any] = mapped_column(Json)
    timing: Mapped[Any] = mapped_column(Json)
    engine_version: Mapped[str]
    scanned_at: Mapped[datetime]
    fault: Mapped[str | None]
    fault_message: Mapped[str | None]
    sandbox: Mapped[Any] = mapped_column(Json, server_default="[]")
    cut_short: Mapped[str] = mapped_column(server_default="")


class ProducerRow(Base):
    __tablename__ = "producer"
    __table_args__ = (UniqueConstraint("detector", "version", "model", "digest"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    detector: Mapped[str]
    version: Mapped[str]
    model: Mapped[str]
    digest: Mapped[str]


class EvidenceRow(Base):
    __tablename__ = "evidence"
    __table_args__ = (Index("ix_evidence_label_scan", "label", "scan_id"),)

    scan_id: Mapped[int] = mapped_column(ForeignKey("scan.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    evidence_id: Mapped[str]
    producer_id: Mapped[int] = mapped_column(ForeignKey("producer.id"))
    label: Mapped[str]
    score: Mapped[float]
    start_us: Mapped[int] = mapped_column(BigInteger)
    end_us: Mapped[int] = mapped_column(BigInteger)
    best_us: Mapped[int] = mapped_column(BigInteger)
    box_left: Mapped[float | None]
    box_top: Mapped[float | None]
    box_width: Mapped[float | None]
    box_height: Mapped[float | None]
    text: Mapped[str | None]
    words: Mapped[Any] = mapped_column(Json)
    subject: Mapped[str | None]
    detail: Mapped[Any] = mapped_column(Json)


class PolicyRow(Base):
    __tablename__ = "policy"

    digest: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[str]
    text: Mapped[str]


class VerdictRow(Base):
    __tablename__ = "verdict"
    __table_args__ = (
        UniqueConstraint("scan_id", "policy_digest"),
        Index(
            "uq_verdict_current",
            "video_id",
            unique=True,
            sqlite_where=sql("current"),
            postgresql_where=sql("current"),
        ),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scan.id"))
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"))
    policy_digest: Mapped[str] = mapped_column(ForeignKey("policy.digest"))
    current: Mapped[bool]
    """The verdict in force: of a video's verdicts, the one that was asked for last."""
    action: Mapped[str]
    severity: Mapped[str]
    content: Mapped[Any] = mapped_column(Json)
    """Reasons, segments and what was missing."""
    judged_at: Mapped[datetime]


class CoverageRow(Base):
    """Belongs to the verdict: what a policy requires and nobody brought is part of it."""

    __tablename__ = "coverage"

    verdict_id: Mapped[int] = mapped_column(ForeignKey("verdict.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    detector: Mapped[str]
    status: Mapped[str]
    planned: Mapped[float]
    examined: Mapped[float]
    unit: Mapped[str]
    reason: Mapped[str]
    inherited: Mapped[float] = mapped_column(server_default="0")


class ReviewItemRow(Base):
    __tablename__ = "review_item"
    __table_args__ = (
        UniqueConstraint("verdict_id"),
        Index("ix_review_item_order", "state", "severity_rank", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    verdict_id: Mapped[int] = mapped_column(ForeignKey("verdict.id"))
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"), index=True)
    severity_rank: Mapped[int]
    state: Mapped[str]
    closed_reason: Mapped[str | None]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class JobRow(Base):
    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_state", "state", "submitted_at"),
        Index("ix_job_uri", "uri", postgresql_using="hash"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    uri: Mapped[str]
    pin: Mapped[str]
    policy_digest: Mapped[str] = mapped_column(ForeignKey("policy.digest"))
    priority: Mapped[int]
    tag: Mapped[str]
    turn: Mapped[int] = mapped_column(BigInteger)
    """When it is this job's turn among those of its priority: those of one tag stand in a row,
    and the rows are served evenly."""
    state: Mapped[str]
    submitted_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    plan: Mapped[Any] = mapped_column(Json)
    """What ingest found out, for the parts."""
    scan_id: Mapped[str]
    action: Mapped[str | None]
    error: Mapped[str]


class PartRow(Base):
    __tablename__ = "part"
    __table_args__ = (
        UniqueConstraint("job_id", "kind", "lane", "number"),
        Index("ix_part_next", "lane", "state", "rank", "turn", "id"),
        Index("ix_part_lease", "state", "lease_us"),
        Index("ix_part_tag", "tag", "state", "turn"),
        Index("ix_part_turn", "state", "turn"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"))
    kind: Mapped[str]
    lane: Mapped[str]
    number: Mapped[int]
    rank: Mapped[int]
    """The least is taken first: urgent jobs, and what ends a job before what begins one."""
    tag: Mapped[str]
    turn: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    attempt: Mapped[int]
    progress: Mapped[float]
    owner: Mapped[str]
    lease_us: Mapped[int] = mapped_column(BigInteger)
    """Of a running part, until when it is its owner's; of a queued one, not before when it is
    taken. By the database's clock."""
    error: Mapped[str]


class AttemptRow(Base):
    __tablename__ = "attempt"

    part_id: Mapped[int] = mapped_column(ForeignKey("part.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str]
    error: Mapped[str]
    traceback: Mapped[str]


class PartResultRow(Base):
    __tablename__ = "part_result"

    part_id: Mapped[int] = mapped_column(ForeignKey("part.id"), primary_key=True)
    attempt: Mapped[int]
    content: Mapped[Any] = mapped_column(Json)


class WorkerRow(Base):
    """Who works here; nothing depends on it but what people and autoscalers are told."""

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(primary_key=True)
    """As in `part.owner`."""
    host: Mapped[str]
    lanes: Mapped[Any] = mapped_column(Json)
    device: Mapped[str]
    began_us: Mapped[int] = mapped_column(BigInteger)
    seen_us: Mapped[int] = mapped_column(BigInteger)
    until_us: Mapped[int] = mapped_column(BigInteger)
    """Silent beyond this, it is gone. By the database's clock, as the others."""
    gpu_used: Mapped[int] = mapped_column(BigInteger)
    gpu_total: Mapped[int] = mapped_column(BigInteger)
    """Bytes of the GPU that it uses; 0: none, or not known yet."""


Index("ix_job_finished_at", JobRow.finished_at, JobRow.submitted_at)
Index(
    "ix_attempt_counted",
    AttemptRow.ended_at,
    sqlite_where=sql("outcome IN ('failed', 'lost')"),
    postgresql_where=sql("outcome IN ('failed', 'lost')"),
)
