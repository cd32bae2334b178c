"""Workers: which there are, what each serves; and what figures are counted by."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COUNTED = sa.text("outcome IN ('failed', 'lost')")


def upgrade() -> None:
    op.create_table(
        "worker",
        _text("name"),
        _text("host"),
        _text("lanes"),
        _text("device"),
        _number("began_us"),
        _number("seen_us"),
        _number("until_us"),
        _number("gpu_used"),
        _number("gpu_total"),
        sa.PrimaryKeyConstraint("name", name="pk_worker"),
    )
    op.create_index("ix_job_finished_at", "job", ["finished_at", "submitted_at"])
    # A local path may be longer than what a B-tree takes.
    op.create_index("ix_job_uri", "job", ["uri"], postgresql_using="hash")
    op.create_index(
        "ix_attempt_counted",
        "attempt",
        ["ended_at"],
        sqlite_where=COUNTED,
        postgresql_where=COUNTED,
    )


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False)
