"""People, job roles, sessions, devices and qualifications."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

UP = ""
DOWN = ""


def upgrade() -> None:
    if UP:
        op.execute(UP)


def downgrade() -> None:
    if DOWN:
        op.execute(DOWN)
