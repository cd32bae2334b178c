"""Jobs: what was submitted, the parts of its work, who tried them, and what they saw."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REAL = sa.Float(53)
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _jobs()
    _parts()
    _attempts()
    _results()


def _jobs() -> None:
    op.create_table(
        "job",
        _text("id"),
        _text("dedupe_key"),
        _text("uri"),
        _text("pin"),
        _text("policy_digest"),
        sa.Column("priority", sa.Integer, nullable=False),
        _text("tag"),
        sa.Column("turn", sa.BigInteger, nullable=False),
        _text("state"),
        sa.Column("submitted_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        _text("plan"),
        _text("scan_id"),
        sa.Column("action", sa.Text),
        _text("error"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("dedupe_key", name="uq_job_dedupe_key"),
        sa.ForeignKeyConstraint(["policy_digest"], ["policy.digest"], name="fk_job_policy_digest"),
    )
    op.create_index("ix_job_state", "job", ["state", "submitted_at"])


def _parts() -> None:
    op.create_table(
        "part",
        sa.Column("id", KEY, nullable=False),
        _text("job_id"),
        _text("kind"),
        _text("lane"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        _text("tag"),
        sa.Column("turn", sa.BigInteger, nullable=False),
        _text("state"),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("progress", REAL, nullable=False),
        _text("owner"),
        sa.Column("lease_us", sa.BigInteger, nullable=False),
        _text("error"),
        sa.PrimaryKeyConstraint("id", name="pk_part"),
        sa.UniqueConstraint(
            "job_id", "kind", "lane", "number", name="uq_part_job_id_kind_lane_number"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_part_job_id"),
    )
    op.create_index("ix_part_next", "part", ["lane", "state", "rank", "turn", "id"])
    op.create_index("ix_part_lease", "part", ["state", "lease_us"])
    op.create_index("ix_part_tag", "part", ["tag", "state", "turn"])
    op.create_index("ix_part_turn", "part", ["state", "turn"])


def _attempts() -> None:
    op.create_table(
        "attempt",
        _part("fk_attempt_part_id"),
        sa.Column("number", sa.Integer, nullable=False),
        _text("owner"),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        _text("outcome"),
        _text("error"),
        _text("traceback"),
        sa.PrimaryKeyConstraint("part_id", "number", name="pk_attempt"),
    )


def _results() -> None:
    op.create_table(
        "part_result",
        _part("fk_part_result_part_id"),
        sa.Column("attempt", sa.Integer, nullable=False),
        _text("content"),
        sa.PrimaryKeyConstraint("part_id", name="pk_part_result"),
    )


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _part(name: str) -> sa.Column[Any]:
    return sa.Column("part_id", KEY, sa.ForeignKey("part.id", name=name), nullable=False)
