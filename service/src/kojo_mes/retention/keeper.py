"""What the API does for months on its own: takes hold of them, and tells when one waits for its archive."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge
from sqlalchemy.exc import DBAPIError

from kojo_mes.kit.audit import RecordRef, record
from kojo_mes.kit.database import Database, DatabaseUnavailable, WriteSession
from kojo_mes.kit.logging import get
from kojo_mes.kit.security import Actor
from kojo_mes.retention import repository

log = get(__name__)
INTERVAL = 60.0
SELF = Actor("system", "kojo-mes", "kojo-mes", frozenset(), "retention")
OVERDUE = Gauge(
    "kojo_mes_archive_overdue_seconds",
    "Since the oldest month without an archive could have had one; 0: every closed month has one",
    ["kind"],
)


async def hold(session: WriteSession) -> None:
    """Months that have rows are held from now on."""
    if months := await repository.hold(session):
        await record(session, SELF, "retention:hold", RecordRef("retention", "holds"), new={"months": months})


async def watch(database: Database) -> None:
    """Until it is cancelled."""
    while True:
        try:
            for kind, seconds in (await database.read(repository.overdue)).items():
                OVERDUE.labels(kind).set(seconds)
        except (DatabaseUnavailable, DBAPIError) as error:
            log.warning("archives_unknown", reason=str(error.__cause__ or error))
        await asyncio.sleep(INTERVAL)
