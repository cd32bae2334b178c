"""The page: who is signed in, what people had to see, keys of links, and answers given once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _signing_in()
    _exposure()
    _answers()
    op.add_column("decision", sa.Column("salt", sa.Text, nullable=False, server_default=""))


def _signing_in() -> None:
    person = sa.ForeignKey("person.name", name="fk_web_session_person")
    op.create_table(
        "web_session",
        _text("digest"),
        sa.Column("person", sa.Text, person, nullable=False),
        _moment("created_at"),
        _moment("expires_at"),
        _text("token_digest"),
        sa.PrimaryKeyConstraint("digest", name="pk_web_session"),
    )
    op.create_index("ix_web_session_person", "web_session", ["person"])
    op.create_index("ix_web_session_expires_at", "web_session", ["expires_at"])
    op.create_table(
        "signing_key",
        _text("name"),
        _text("value"),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("name", name="pk_signing_key"),
    )


def _exposure() -> None:
    op.create_table(
        "exposure",
        _text("person"),
        _text("day"),
        _text("item_id"),
        _text("severity"),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("unveiled_seconds", sa.Float(53), nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("person", "day", "item_id", name="pk_exposure"),
    )
    op.create_index("ix_exposure_day", "exposure", ["day"])


def _answers() -> None:
    op.create_table(
        "idempotent_answer",
        _text("person"),
        _text("key"),
        _text("request_digest"),
        sa.Column("status", sa.Integer, nullable=False),
        _text("content"),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("person", "key", name="pk_idempotent_answer"),
    )
    op.create_index("ix_idempotent_answer_created_at", "idempotent_answer", ["created_at"])


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, MOMENT, nullable=False)
