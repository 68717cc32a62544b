"""SQL of the health checks."""

from __future__ import annotations

from sqlalchemy import text

from kojo_mes.kit.database import ReadSession, WriteSession

PROBE = text("UPDATE mes.write_probe SET written_at = now()")


async def answer(session: ReadSession) -> None:
    await session.execute(text("SELECT 1"))


async def write(session: WriteSession) -> None:
    await session.execute(PROBE)
