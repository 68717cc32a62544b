"""Characteristics, checks, holds and nonconformances."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

UP = ""
DOWN = ""


def upgrade() -> None:
    if UP:
        op.execute(UP)


def downgrade() -> None:
    if DOWN:
        op.execute(DOWN)
