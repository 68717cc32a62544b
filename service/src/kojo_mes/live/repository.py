"""SQL of the lines' live state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from kojo_mes.kit.database import ReadSession

LINES = text("""
    SELECT line.id, state.state, state.reason, state.product_id AS product, state.started_at AS since,
           shift.id AS shift, shift.name, shift.starts_at, shift.ends_at,
           counted.good, counted.scrap, counted.rework
    FROM mes.line
    LEFT JOIN mes.line_state AS state ON state.line_id = line.id AND state.ended_at IS NULL
    LEFT JOIN mes.shift ON shift.line_id = line.id AND NOT shift.cancelled
                       AND shift.starts_at <= now() AND shift.ends_at > now()
                       AND shift.starts_at > now() - interval '24 hours'  -- the longest there is
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(good), 0) AS good, coalesce(sum(scrap), 0) AS scrap, coalesce(sum(rework), 0) AS rework
        FROM mes.production_count
        WHERE line_id = line.id AND from_time >= shift.starts_at AND to_time <= shift.ends_at
    ) AS counted
    WHERE line.retired_at IS NULL
    ORDER BY line.position
""")


async def lines(session: ReadSession) -> Sequence[Row[Any]]:
    """Present state, present shift, and what was counted within it."""
    return (await session.execute(LINES)).all()
