"""Electronic signatures and change requests."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

UP = ""
DOWN = ""


def upgrade() -> None:
    if UP:
        op.execute(UP)


def downgrade() -> None:
    if DOWN:
        op.execute(DOWN)
