"""SQL of quality checks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row, text

from kojo_mes.kit.database import ReadSession

TOTALS = text("""
    SELECT line.id AS line, coalesce(sum(quality_passed), 0) AS passed, coalesce(sum(quality_failed), 0) AS failed
    FROM mes.line LEFT JOIN mes.line_total ON line_total.line_id = line.id
    WHERE line.retired_at IS NULL
    GROUP BY line.id
    ORDER BY line.position
""")


async def totals(session: ReadSession) -> Sequence[Row[tuple[str, int, int]]]:
    return (await session.execute(TOTALS)).all()
