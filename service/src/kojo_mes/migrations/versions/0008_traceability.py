"""Work orders, lots and genealogy."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

UP = ""
DOWN = ""


def upgrade() -> None:
    if UP:
        op.execute(UP)


def downgrade() -> None:
    if DOWN:
        op.execute(DOWN)
