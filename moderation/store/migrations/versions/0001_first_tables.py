"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REAL = sa.Float(53)
MOMENT = sa.DateTime(timezone=True)
CURRENT = sa.text("current")


def upgrade() -> None:
    _videos()
    _scans()
    _evidence()
    _verdicts()
    _review_items()


def _videos() -> None:
    op.create_table(
        "video",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_video"),
        sa.UniqueConstraint("key", name="uq_video_key"),
    )
    op.create_table(
        "video_uri",
        _reference("video_id", "video.id", "fk_video_uri_video_id"),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("video_id", "digest", name="pk_video_uri"),
    )


def _scans() -> None:
    op.create_table(
        "scan",
        sa.Column("id", KEY, nullable=False),
        sa.Column("scan_id", sa.Text, nullable=False),
        _reference("video_id", "video.id", "fk_scan_video_id"),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("duration_us", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("fps", REAL, nullable=False),
        sa.Column("has_video", sa.Boolean, nullable=False),
        sa.Column("has_audio", sa.Boolean, nullable=False),
        sa.Column("container", sa.Text, nullable=False),
        sa.Column("codecs", sa.Text, nullable=False),
        sa.Column("timing", sa.Text, nullable=False),
        sa.Column("engine_version", sa.Text, nullable=False),
        sa.Column("scanned_at", MOMENT, nullable=False),
        sa.Column("fault", sa.Text),
        sa.Column("fault_message", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_scan"),
        sa.UniqueConstraint("scan_id", name="uq_scan_scan_id"),
    )
    op.create_index("ix_scan_scanned_at", "scan", ["scanned_at"])
    _one_current("uq_scan_current", "scan", ["video_id", "fingerprint"])


def _evidence() -> None:
    op.create_table(
        "producer",
        sa.Column("id", KEY, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_producer"),
        sa.UniqueConstraint(
            "detector",
            "version",
            "model",
            "digest",
            name="uq_producer_detector_version_model_digest",
        ),
    )
    op.create_table(
        "evidence",
        _reference("scan_id", "scan.id", "fk_evidence_scan_id"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("evidence_id", sa.Text, nullable=False),
        _reference("producer_id", "producer.id", "fk_evidence_producer_id"),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("score", REAL, nullable=False),
        sa.Column("start_us", sa.BigInteger, nullable=False),
        sa.Column("end_us", sa.BigInteger, nullable=False),
        sa.Column("best_us", sa.BigInteger, nullable=False),
        sa.Column("box_left", REAL),
        sa.Column("box_top", REAL),
        sa.Column("box_width", REAL),
        sa.Column("box_height", REAL),
        sa.Column("text", sa.Text),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("scan_id", "position", name="pk_evidence"),
    )
    op.create_index("ix_evidence_label_scan", "evidence", ["label", "scan_id"])


def _verdicts() -> None:
    op.create_table(
        "policy",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_policy"),
    )
    op.create_table(
        "verdict",
        sa.Column("id", KEY, nullable=False),
        _reference("scan_id", "scan.id", "fk_verdict_scan_id"),
        _reference("video_id", "video.id", "fk_verdict_video_id"),
        _reference("policy_digest", "policy.digest", "fk_verdict_policy_digest", sa.Text()),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("judged_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verdict"),
        sa.UniqueConstraint("scan_id", "policy_digest", name="uq_verdict_scan_id_policy_digest"),
    )
    _one_current("uq_verdict_current", "verdict", ["video_id"])
    op.create_table(
        "coverage",
        _reference("verdict_id", "verdict.id", "fk_coverage_verdict_id"),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("planned", REAL, nullable=False),
        sa.Column("examined", REAL, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("verdict_id", "position", name="pk_coverage"),
    )


def _review_items() -> None:
    op.create_table(
        "review_item",
        sa.Column("id", sa.Text, nullable=False),
        _reference("verdict_id", "verdict.id", "fk_review_item_verdict_id"),
        _reference("video_id", "video.id", "fk_review_item_video_id"),
        sa.Column("severity_rank", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("closed_reason", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_review_item"),
        sa.UniqueConstraint("verdict_id", name="uq_review_item_verdict_id"),
    )
    op.create_index("ix_review_item_order", "review_item", ["state", "severity_rank", "created_at"])
    op.create_index("ix_review_item_video_id", "review_item", ["video_id"])


def _reference(
    name: str, target: str, constraint: str, kind: sa.types.TypeEngine[Any] = KEY
) -> sa.Column[Any]:
    return sa.Column(name, kind, sa.ForeignKey(target, name=constraint), nullable=False)


def _one_current(name: str, table: str, columns: list[str]) -> None:
    op.create_index(
        name, table, columns, unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT
    )
