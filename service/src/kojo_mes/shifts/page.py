"""Shifts of the plant's page, made ahead. What people planned, moved or cancelled stays: the page makes way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.logging import get
from kojo_mes.kit.security import Actor
from kojo_mes.lines import repository as lines_repository
from kojo_mes.shifts import page_repository, repository
from kojo_mes.shifts.calendar import Days, Pattern, occurrences
from kojo_mes.signals import repository as signals_repository

log = get(__name__)
INTERVAL = 60.0  # seconds
AHEAD, AGAIN = timedelta(days=35), timedelta(days=28)  # made up to, and anew when they reach less far
CALENDAR = Actor("system", "shift-calendar", "Shifts of the plant's page", frozenset(), "")
GONE = "the plant's page has other shifts"


async def keep(database: Database) -> None:
    while True:
        try:
            await plan_due(database)
        except Exception as error:
            log.warning("shifts_not_planned", reason=str(error))
        await asyncio.sleep(INTERVAL)


async def plan_due(database: Database) -> None:
    async def lines(session: ReadSession) -> list[str]:
        zone = ZoneInfo((await lines_repository.site(session)).timezone)
        return await page_repository.due(session, datetime.now(zone).date() + AGAIN)

    for line_id in await database.read(lines):
        await _plan(database, line_id)


async def _plan(database: Database, line_id: str) -> None:
    async def work(session: WriteSession) -> None:
        await lines_repository.lock(session, line_id)
        if taken := await page_repository.take_back(session, line_id, GONE):
            ref = RecordRef("line", line_id)
            await audit.record(session, CALENDAR, "shifts:cancel", ref, new={"cancelled": taken}, reason=GONE)
        zone = ZoneInfo((await lines_repository.site(session)).timezone)
        closures = await repository.closures(session, line_id)
        for pattern in await page_repository.patterns(session, line_id):
            await _make(session, line_id, pattern, zone, closures)

    await database.write(work, repeatable=True)


async def _make(session: WriteSession, line_id: str, row: Row[Any], zone: ZoneInfo, closures: list[Days]) -> None:
    """The pattern's shifts from where they were made up to; of the first ones those that aren't over."""
    now = datetime.now(UTC)
    first = row.first_day if row.planned_to is None else row.planned_to + timedelta(days=1)
    last = now.astimezone(zone).date() + AHEAD
    if first > last:
        return
    pattern = Pattern(frozenset(row.weekdays), row.starts, row.ends, Days(first, last))
    shifts = [
        {
            "id": new_id(),
            "line_id": line_id,
            "name": row.name,
            "day": shift.day,
            "starts_at": shift.starts_at,
            "ends_at": shift.ends_at,
            "pattern_id": row.id,
        }
        for shift in occurrences(pattern, zone, closures)
        if shift.ends_at > now
    ]
    made = await page_repository.add_free(session, shifts) if shifts else []
    await page_repository.planned(session, row.id, last)
    if shifts:
        await signals_repository.changed(session, line_id, shifts[0]["starts_at"], now)
    new = {"line": line_id, "name": row.name, "first_day": first, "last_day": last, "shifts": len(made)}
    await audit.record(
        session,
        CALENDAR,
        "shifts:plan",
        RecordRef("shift_pattern", row.id),
        new=new | {"in_the_way_of_others": len(shifts) - len(made)},
    )
