"""One clock for the records of all hosts: the primary's."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text

from kojo_mes.kit.database import ReadSession

NOW = text("SELECT clock_timestamp()")


async def now(session: ReadSession) -> datetime:
    """The instant of the question, not of the transaction's begin."""
    moment: datetime = (await session.execute(NOW)).scalar_one()
    return moment
