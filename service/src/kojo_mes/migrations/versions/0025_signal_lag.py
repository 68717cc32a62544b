"""Since when what came of a line's readings waits to be derived."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    # not the readings' own time: what a gateway held back for hours is old when it comes
    op.execute("ALTER TABLE mes.signal_change ADD came_at timestamptz NOT NULL DEFAULT now()")


def downgrade() -> None:
    op.execute("ALTER TABLE mes.signal_change DROP COLUMN came_at")
