"""Runs in the transaction that kojo_mes.migrate opened: schema, plant and partitions change together or not at all."""

from __future__ import annotations

from alembic import context

from kojo_mes.kit.orm import SCHEMA

context.configure(connection=context.config.attributes["connection"], version_table_schema=SCHEMA)
with context.begin_transaction():
    context.run_migrations()
