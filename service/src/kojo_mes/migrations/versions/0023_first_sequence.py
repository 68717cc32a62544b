"""The lowest sequence number that was heard of a source: a lower one comes late, and isn't a duplicate."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# NULL of a source of before this column: nobody knows what was its first
UP = """
ALTER TABLE mes.reading_source
    ADD first bigint,
    ADD CONSTRAINT reading_source_first_is_not_after_last CHECK (first IS NULL OR last IS NOT NULL AND first <= last);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("ALTER TABLE mes.reading_source DROP COLUMN first")
