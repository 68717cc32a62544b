"""SQL of the shifts that the plant's page has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, text
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.lines.plant import Change, Plant
from kojo_mes.shifts.models import Shift

ON_PAGE = text("""
    SELECT id, line_id, name, weekdays, starts, ends, first_day FROM mes.shift_pattern
    WHERE source = 'plant page' AND last_day IS NULL
""")
KNOWN = text("SELECT DISTINCT line_id FROM mes.shift_pattern WHERE source = 'plant page'")
END = text("""
    UPDATE mes.shift_pattern SET last_day = greatest(first_day, :today) WHERE id = :id RETURNING last_day
""")
ADD = text("""
    INSERT INTO mes.shift_pattern (id, line_id, name, weekdays, starts, ends, first_day, source)
    VALUES (:id, :line_id, :name, :weekdays, :starts, :ends, :first_day, 'plant page')
""")

# lines whose patterns have shifts to be made, or to be taken back
DUE = text("""
    SELECT DISTINCT pattern.line_id FROM mes.shift_pattern AS pattern
    WHERE source = 'plant page'
      AND CASE WHEN last_day IS NULL THEN coalesce(planned_to < :soon, true)
               ELSE EXISTS (SELECT FROM mes.shift
                            WHERE line_id = pattern.line_id AND starts_at > now() AND pattern_id = pattern.id
                              AND day > pattern.last_day AND exception IS NULL) END
    ORDER BY pattern.line_id
""")
PATTERNS = text("""
    SELECT id, name, weekdays, starts, ends, first_day, planned_to FROM mes.shift_pattern
    WHERE line_id = :line AND source = 'plant page' AND last_day IS NULL
    ORDER BY id
""")
PLANNED = text("UPDATE mes.shift_pattern SET planned_to = :day WHERE id = :id")
TAKE_BACK = text("""
    UPDATE mes.shift SET cancelled = true, exception = :reason, version = version + 1
    FROM mes.shift_pattern AS pattern
    WHERE pattern.id = shift.pattern_id AND pattern.source = 'plant page' AND shift.line_id = :line
      AND shift.starts_at > now() AND shift.day > pattern.last_day AND shift.exception IS NULL
    RETURNING shift.id
""")


class _Key(NamedTuple):
    """What makes a pattern the page's own."""

    line: str
    name: str
    weekdays: tuple[int, ...]
    starts: time
    ends: time


def synchronise(connection: Connection, plant: Plant) -> list[Change]:
    """Patterns of the plant's page; what that changed. A line's first ones are in force at once, later ones from
    tomorrow on; the service makes their shifts (shifts/page.py)."""
    wanted = {
        _Key(line.id, shift.name, tuple(sorted(shift.weekdays)), shift.starts, shift.ends)
        for line in plant.lines
        for shift in plant.shifts_of(line.id)
    }
    present = {
        _Key(row.line_id, row.name, tuple(row.weekdays), row.starts, row.ends): row
        for row in connection.execute(ON_PAGE)
    }
    known = set(connection.execute(KNOWN).scalars())
    today = datetime.now(UTC).astimezone(ZoneInfo(plant.timezone)).date()
    changes = []
    for key in sorted(present.keys() - wanted):
        row = present[key]
        last = connection.execute(END, {"id": row.id, "today": today}).scalar_one()
        changes.append(Change("shift_pattern", row.id, {"last_day": None}, {"last_day": last}))
    for key in sorted(wanted - present.keys()):
        first = today + timedelta(days=1 if key.line in known else -1)  # yesterday's night shift may still run
        pattern_id = new_id()
        pattern = {
            "line_id": key.line,
            "name": key.name,
            "weekdays": list(key.weekdays),
            "starts": key.starts,
            "ends": key.ends,
            "first_day": first,
        }
        connection.execute(ADD, pattern | {"id": pattern_id})
        changes.append(Change("shift_pattern", pattern_id, None, pattern | {"source": "plant page"}))
    return changes


async def due(session: ReadSession, soon: date) -> list[str]:
    return list(await session.scalars(DUE, {"soon": soon}))


async def patterns(session: ReadSession, line_id: str) -> Sequence[Row[Any]]:
    """Of the page as it is."""
    return (await session.execute(PATTERNS, {"line": line_id})).all()


async def add_free(session: WriteSession, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Those that meet no other shift of the line; their ids."""
    statement = insert(Shift).on_conflict_do_nothing().returning(Shift.id)
    return list(await session.scalars(statement, list(rows)))


async def planned(session: WriteSession, pattern_id: str, day: date) -> None:
    await session.execute(PLANNED, {"id": pattern_id, "day": day})


async def take_back(session: WriteSession, line_id: str, reason: str) -> list[str]:
    """Shifts to come of patterns that left the page, but for those that somebody changed; their ids."""
    return list(await session.scalars(TAKE_BACK, {"line": line_id, "reason": reason}))
