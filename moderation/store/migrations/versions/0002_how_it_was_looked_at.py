"""How a video was looked at: what was inherited, what held the decoder, why it ended early."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

REAL = sa.Float(53)


def upgrade() -> None:
    op.add_column("scan", sa.Column("sandbox", sa.Text, nullable=False, server_default="[]"))
    op.add_column("scan", sa.Column("cut_short", sa.Text, nullable=False, server_default=""))
    op.add_column("coverage", sa.Column("inherited", REAL, nullable=False, server_default="0"))
