"""Review: who holds an item, what was decided, who may, what was done, and who is told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
NEVER_US = "4102444800000000"
MOMENT_US = {
    "postgresql": "CAST(extract(epoch FROM created_at) * 1000000 AS BIGINT)",
    "sqlite": "CAST((julianday(created_at) - 2440587.5) * 86400000.0 AS INTEGER) * 1000",
}


def upgrade() -> None:
    # Jobs first: workers lock theirs before a video's row.
    op.create_index("ix_job_scan_id", "job", ["scan_id"])
    _videos()
    _review_items()
    _decisions()
    _people()
    _audit()
    _webhooks()


def _videos() -> None:
    op.add_column("video", sa.Column("erased_at", MOMENT))


def _review_items() -> None:
    # One verdict is asked about more than once: second looks, appeals. Programs that knew one
    # item for each tell them apart by their ids.
    with op.batch_alter_table("review_item") as table:
        table.drop_constraint("uq_review_item_verdict_id", type_="unique")
        table.add_column(_text("purpose", default="verdict"))
        table.add_column(_text("case_id", default=""))
        table.add_column(_text("role", default="reviewer"))
        table.add_column(sa.Column("rank", sa.Integer, nullable=False, server_default="0"))
        table.add_column(_number("due_us", default=NEVER_US))
        table.add_column(_text("holder", default=""))
        table.add_column(_number("held_until_us", default="0"))
        table.add_column(sa.Column("version", sa.Integer, nullable=False, server_default="0"))
        table.add_column(_number("claimed_us", default="0"))
        table.add_column(_text("note", default=""))
    moment = MOMENT_US[op.get_bind().dialect.name]
    op.execute(f"UPDATE review_item SET case_id = id, rank = -severity_rank, due_us = {moment}")
    op.create_index("ix_review_item_next", "review_item", ["state", "rank", "due_us", "id"])
    op.create_index("ix_review_item_case", "review_item", ["case_id"])
    op.create_index("ix_review_item_verdict", "review_item", ["verdict_id"])


def _decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("id", KEY, nullable=False),
        _reference("item_id", "review_item.id", "fk_decision_item_id"),
        _text("case_id"),
        sa.Column("number", sa.Integer, nullable=False),
        _text("person"),
        _text("outcome"),
        _text("reason"),
        _text("note"),
        _text("segments"),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("withdrawn_at", MOMENT),
        _text("withdrawn_note", default=""),
        sa.PrimaryKeyConstraint("id", name="pk_decision"),
        sa.UniqueConstraint("item_id", "number", name="uq_decision_item_id_number"),
    )
    op.create_index("ix_decision_case", "decision", ["case_id", "person"])
    op.create_index("ix_decision_decided_at", "decision", ["decided_at"])


def _people() -> None:
    op.create_table(
        "person",
        _text("name"),
        _text("role"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT),
        sa.PrimaryKeyConstraint("name", name="pk_person"),
    )
    op.create_table(
        "token",
        _text("digest"),
        _reference("person", "person.name", "fk_token_person"),
        _text("label"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("digest", name="pk_token"),
    )
    op.create_index("ix_token_person", "token", ["person"])


def _audit() -> None:
    op.create_table(
        "audit_event",
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", MOMENT, nullable=False),
        _text("actor"),
        _text("action"),
        _text("subject"),
        _text("content"),
        _text("previous"),
        _text("digest"),
        sa.PrimaryKeyConstraint("number", name="pk_audit_event"),
    )
    op.create_index("ix_audit_event_subject", "audit_event", ["subject", "number"])
    refusal = "audit_event is only ever added to"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER audit_event_append_only"
            " BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event"
            " FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()"
        )
        return
    # INSERT OR REPLACE deletes a row, and SQLite runs no triggers for that.
    replaces = "WHEN EXISTS (SELECT 1 FROM audit_event WHERE number = NEW.number)"
    for act, condition in (("UPDATE", ""), ("DELETE", ""), ("INSERT", replaces)):
        op.execute(
            f"CREATE TRIGGER audit_event_refuse_{act.lower()} BEFORE {act} ON audit_event"
            f" {condition} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )


def _webhooks() -> None:
    op.create_table(
        "webhook",
        _text("id"),
        _text("url"),
        _text("secrets"),
        _text("events"),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT),
        _text("disabled_reason"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook"),
    )
    op.create_table(
        "webhook_event",
        _text("id"),
        _text("type"),
        sa.Column("at", MOMENT, nullable=False),
        _text("content"),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_event"),
    )
    op.create_table(
        "webhook_delivery",
        _reference("event_id", "webhook_event.id", "fk_webhook_delivery_event_id"),
        _reference("webhook_id", "webhook.id", "fk_webhook_delivery_webhook_id"),
        _text("state"),
        sa.Column("attempt", sa.Integer, nullable=False),
        _number("due_us"),
        sa.Column("status", sa.Integer, nullable=False),
        _text("error"),
        sa.Column("delivered_at", MOMENT),
        sa.PrimaryKeyConstraint("event_id", "webhook_id", name="pk_webhook_delivery"),
    )
    due = ["webhook_id", "state", "due_us"]
    op.create_index("ix_webhook_delivery_due", "webhook_delivery", due)


def _text(name: str, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _number(name: str, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=default)


def _reference(name: str, target: str, constraint: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, sa.ForeignKey(target, name=constraint), nullable=False)
