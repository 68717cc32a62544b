"""Shifts, line states, counts."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

UP = ""
DOWN = ""


def upgrade() -> None:
    if UP:
        op.execute(UP)


def downgrade() -> None:
    if DOWN:
        op.execute(DOWN)
