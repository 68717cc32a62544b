"""Audit events, append-only, and their seals."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

UP = ""
DOWN = ""


def upgrade() -> None:
    if UP:
        op.execute(UP)


def downgrade() -> None:
    if DOWN:
        op.execute(DOWN)
