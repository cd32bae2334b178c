"""Run by Alembic, always inside the transaction that `schema.upgrade` opened."""

from __future__ import annotations

from alembic import context

from moderation.store.models import Base
from moderation.store.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
