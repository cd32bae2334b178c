"""The tables.

    video ─┬─ video_uri                 every place the same bytes were seen at
           └─ scan ─┬─ evidence ─ producer
                    └─ verdict ─┬─ policy
                                ├─ coverage
                                └─ review_item ── decision
    job ── part ─┬─ attempt
                 └─ part_result
    worker                              who is there, for `status` and metrics
    person ── token                     who may do what
    audit_event                         what was done, each with the hash of the one before
    webhook ─┬─ webhook_delivery        who is told of what, and whether he was
    webhook_event ─┘

What a newer scan or verdict replaces is kept, and no longer `current`. Only erasure and retention
delete: `moderation.erasure`, `moderation.retention`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, MetaData, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from moderation.store.types import ExactText, Json, UtcDateTime

__all__ = [
    "NEVER_US",
    "AttemptRow",
    "AuditRow",
    "Base",
    "CoverageRow",
    "DecisionRow",
    "DeliveryRow",
    "EvidenceRow",
    "ExposureRow",
    "IdempotentAnswerRow",
    "JobRow",
    "PartResultRow",
    "PartRow",
    "PersonRow",
    "PolicyRow",
    "ProducerRow",
    "ReviewItemRow",
    "ScanRow",
    "SigningKeyRow",
    "TokenRow",
    "UriRow",
    "VerdictRow",
    "VideoRow",
    "WebSessionRow",
    "WebhookEventRow",
    "WebhookRow",
    "WorkerRow",
]

Key = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only under the exact type INTEGER."""


NEVER_US: Final = 4_102_444_800_000_000
"""The year 2100: nothing was promised."""


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
    erased_at: Mapped[datetime | None]
    """Of whatever began before, nothing is stored: see `moderation.store.tombstone`."""


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
        Index("ix_review_item_order", "state", "severity_rank", "created_at"),
        Index("ix_review_item_next", "state", "rank", "due_us", "id"),
        Index("ix_review_item_case", "case_id"),
        Index("ix_review_item_verdict", "verdict_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    verdict_id: Mapped[int] = mapped_column(ForeignKey("verdict.id"))
    video_id: Mapped[int] = mapped_column(ForeignKey("video.id"), index=True)
    severity_rank: Mapped[int]
    state: Mapped[str]
    closed_reason: Mapped[str | None]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    purpose: Mapped[str] = mapped_column(server_default="verdict")
    """Why a person is asked: see `moderation.review.Purpose`."""
    case_id: Mapped[str] = mapped_column(server_default="")
    """Of the first item about this verdict; the item's own id in that one."""
    role: Mapped[str] = mapped_column(server_default="reviewer")
    """The least that somebody must be to be given it."""
    rank: Mapped[int] = mapped_column(server_default="0")
    """The least is given out first: the most severe."""
    due_us: Mapped[int] = mapped_column(BigInteger, server_default=str(NEVER_US))
    """When the promise of an answer is broken, in microseconds since 1970."""
    holder: Mapped[str] = mapped_column(server_default="")
    held_until_us: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """By the database's clock; beyond it the item is anybody's."""
    version: Mapped[int] = mapped_column(server_default="0")
    """Counts the changes: whoever decides says which state he saw."""
    claimed_us: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Since when its holder has it."""
    note: Mapped[str] = mapped_column(server_default="")
    """What whoever asked for it says: of an appeal, its reason."""


class DecisionRow(Base):
    """What a person said; nothing of it is changed, but it may be taken back."""

    __tablename__ = "decision"
    __table_args__ = (
        UniqueConstraint("item_id", "number"),
        Index("ix_decision_case", "case_id", "person"),
        Index("ix_decision_decided_at", "decided_at"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("review_item.id"))
    case_id: Mapped[str]
    number: Mapped[int]
    """Of the item's decisions."""
    person: Mapped[str]
    outcome: Mapped[str]
    reason: Mapped[str]
    note: Mapped[str]
    segments: Mapped[Any] = mapped_column(Json)
    salt: Mapped[str] = mapped_column(server_default="")
    """Of the hash of its words in the audit log; erased with them, for they are few enough to be
    guessed by that."""
    version: Mapped[int]
    """Of the item, as the person saw it."""
    seconds: Mapped[float]
    """From the claim to the decision."""
    decided_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_note: Mapped[str] = mapped_column(server_default="")
    """Why it was taken back; the audit log has no words that somebody may want erased."""


class PersonRow(Base):
    """Somebody, or a program, who may do something here."""

    __tablename__ = "person"

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class TokenRow(Base):
    __tablename__ = "token"

    digest: Mapped[str] = mapped_column(primary_key=True)
    """sha256 of the token, hex: 256 random bits need no salt."""
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    label: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Written once; triggers refuse everything else, and the chain shows what got past them."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_subject", "subject", "number"),)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Without gaps, from 1."""
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    content: Mapped[str]
    """Canonical JSON: what was hashed, letter by letter."""
    previous: Mapped[str]
    digest: Mapped[str]


class WebhookRow(Base):
    __tablename__ = "webhook"

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    secrets: Mapped[Any] = mapped_column(Json)
    """The newest first; all of them sign, so that one can be replaced without a gap."""
    events: Mapped[Any] = mapped_column(Json)
    """Types that are sent; empty: all."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str]


class WebhookEventRow(Base):
    """The outbox: written with what happened, in one transaction."""

    __tablename__ = "webhook_event"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    at: Mapped[datetime]
    content: Mapped[str]
    """The body, letter by letter: a retry sends the same."""


class DeliveryRow(Base):
    __tablename__ = "webhook_delivery"
    __table_args__ = (Index("ix_webhook_delivery_due", "webhook_id", "state", "due_us"),)

    event_id: Mapped[str] = mapped_column(ForeignKey("webhook_event.id"), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id"), primary_key=True)
    state: Mapped[str]
    attempt: Mapped[int]
    due_us: Mapped[int] = mapped_column(BigInteger)
    """By the database's clock: not before when it is sent, or sent again."""
    status: Mapped[int]
    """Of the last answer; 0: none."""
    error: Mapped[str]
    delivered_at: Mapped[datetime | None]


class WebSessionRow(Base):
    """Somebody signed in on the page; a row that is gone signs them out."""

    __tablename__ = "web_session"

    digest: Mapped[str] = mapped_column(primary_key=True)
    """sha256 of what the browser shows, hex: 256 random bits need no salt."""
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    token_digest: Mapped[str]
    """Of the token that it was opened with and ends with; empty where there was none."""


class SigningKeyRow(Base):
    """What links are signed with, the same for every server of an installation."""

    __tablename__ = "signing_key"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    created_at: Mapped[datetime]


class ExposureRow(Base):
    """How long somebody looked at an item on one day (UTC)."""

    __tablename__ = "exposure"

    person: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True, index=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    severity: Mapped[str]
    seconds: Mapped[float]
    unveiled_seconds: Mapped[float]
    """Of these, without blur."""
    first_us: Mapped[int] = mapped_column(BigInteger)
    last_us: Mapped[int] = mapped_column(BigInteger)
    """By the database's clock: nobody looks longer than time has passed."""


class IdempotentAnswerRow(Base):
    """What a request was answered that may be sent once more."""

    __tablename__ = "idempotent_answer"

    person: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[str]
    status: Mapped[int]
    """Of HTTP; 0 while the first request is still being worked on."""
    content: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)


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
Index("ix_job_scan_id", JobRow.scan_id)
Index(
    "ix_attempt_counted",
    AttemptRow.ended_at,
    sqlite_where=sql("outcome IN ('failed', 'lost')"),
    postgresql_where=sql("outcome IN ('failed', 'lost')"),
)
