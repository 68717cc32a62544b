"""SQL of the audit trail."""

from __future__ import annotations

from sqlalchemy import Connection, text

from kojo_mes.kit.database import WriteSession

MONTHS_AHEAD = 3
MAKE_PARTITIONS = text("SELECT mes.make_audit_partitions(:months)")


def make_partitions(connection: Connection) -> int:
    return int(connection.execute(MAKE_PARTITIONS, {"months": MONTHS_AHEAD}).scalar_one())


async def make_partitions_ahead(session: WriteSession) -> int:
    return int((await session.execute(MAKE_PARTITIONS, {"months": MONTHS_AHEAD})).scalar_one())
