"""The application archives months that are over: it may note that it did."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0013"


def upgrade() -> None:
    op.execute("GRANT INSERT ON mes.archive TO kojo_app")


def downgrade() -> None:
    op.execute("REVOKE INSERT ON mes.archive FROM kojo_app")
