"""Shifts of the plant's page: made ahead at the first migration, changed with the page, and second to people's word."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import PLANT_FILE, fields
from floor import LINE, Floor, floor
from test_exporters import scrape

from kojo_mes.kit.settings import ExporterSettings, MigrationSettings
from kojo_mes.lines.plant import Plant, PlantError, ShiftPage, read_plant
from kojo_mes.migrate import migrate
from kojo_mes.shifts.page import plan_due

__all__ = ["floor"]
ZONE = ZoneInfo("Asia/Tokyo")
EVERY_DAY = frozenset(range(1, 8))
EARLY = ShiftPage(name="early", weekdays=EVERY_DAY, starts=time(6), ends=time(18))
NIGHT = ShiftPage(name="night", weekdays=EVERY_DAY, starts=time(18), ends=time(6))
Rows = list[tuple[Any, ...]]


class Calendar:
    """The plant's page, and the line's shifts that it makes."""

    def __init__(self, floor: Floor, settings: MigrationSettings, plant: Plant) -> None:
        self.floor, self.settings, self.plant = floor, settings, plant

    async def page(self, *shifts: ShiftPage) -> list[str]:
        changes = migrate(self.settings, self.plant.model_copy(update={"shifts": shifts}))
        await plan_due(self.floor.app.state.database)
        return changes

    def shifts(self, line: str = LINE) -> Rows:
        return self.floor.admin.execute(
            "SELECT name, day, starts_at, ends_at, cancelled, exception FROM mes.shift WHERE line_id = %s"
            " ORDER BY starts_at, cancelled",
            (line,),
        ).fetchall()


@pytest.fixture
async def calendar(floor: Floor, variables: dict[str, str], plant: Plant) -> Calendar:
    return Calendar(floor, MigrationSettings(**fields(variables)), plant)


def today() -> date:
    return datetime.now(ZONE).date()


def moment(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), ZONE)


async def test_the_first_page_makes_the_running_shift_and_five_weeks(calendar: Calendar) -> None:
    before = datetime.now(UTC)
    assert "plant: 4 shift patterns" in await calendar.page(EARLY, NIGHT)
    for line in ("line-1", "line-2"):
        shifts = calendar.shifts(line)
        assert shifts[0][2] <= datetime.now(UTC)
        assert shifts[0][3] > before
        assert all(one[3] == other[2] for one, other in pairwise(shifts))
        assert shifts[-1][3] >= moment(today() + timedelta(days=35), 18)
        assert all((row[2].astimezone(ZONE).hour, row[0]) in {(6, "early"), (18, "night")} for row in shifts)
    assert await calendar.page(EARLY, NIGHT) == []
    again = calendar.shifts()
    assert again == calendar.shifts()
    planned = calendar.floor.audited("shifts:plan")
    assert {(row[0], row[1]) for row in planned} == {("shift-calendar", "shift_pattern")}


async def test_shifts_go_on_as_time_goes_by(calendar: Calendar) -> None:
    await calendar.page(EARLY)
    whole = calendar.shifts()
    admin = calendar.floor.admin
    cut = today() + timedelta(days=20)
    admin.execute("DELETE FROM mes.shift WHERE day > %s", (cut,))
    admin.execute("UPDATE mes.shift_pattern SET planned_to = %s", (cut,))
    await plan_due(calendar.floor.app.state.database)
    assert calendar.shifts() == whole


async def test_a_changed_page_holds_from_tomorrow(calendar: Calendar) -> None:
    await calendar.page(EARLY, NIGHT)
    long = EARLY.model_copy(update={"name": "day", "starts": time(7), "ends": time(17)})
    assert "plant: 6 shift patterns" in await calendar.page(long)
    tomorrow = today() + timedelta(days=1)
    kept = [row for row in calendar.shifts() if not row[4]]
    assert {row[0] for row in kept if row[1] >= tomorrow} == {"day"}
    assert {row[0] for row in kept if row[1] < tomorrow} <= {"early", "night"}
    taken = [row for row in calendar.shifts() if row[4]]
    assert {row[5] for row in taken} == {"the plant's page has other shifts"}
    assert min(row[1] for row in taken) == tomorrow


async def test_people_come_first(calendar: Calendar) -> None:
    """A day that is closed, a shift that somebody planned or cancelled: the page makes way, then and later."""
    floor = calendar.floor
    holiday, special = today() + timedelta(days=5), today() + timedelta(days=6)
    closure = {"line": LINE, "first_day": str(holiday), "last_day": str(holiday), "reason": "holiday"}
    await floor.done(floor.leader, "POST", "/shifts/closures", closure)
    extra = {"starts_at": moment(special, 8).isoformat(), "ends_at": moment(special, 20).isoformat()}
    body = {"line": LINE, "name": "special", "exception": "stocktaking"}
    await floor.done(floor.leader, "POST", "/shifts", body | extra)
    await calendar.page(EARLY, NIGHT)
    shifts = calendar.shifts()
    assert not [row for row in shifts if row[1] == holiday]
    assert [row[0] for row in shifts if row[1] == special] == ["special"]
    free = today() + timedelta(days=8)
    (shift_id, version) = floor.admin.execute(
        "SELECT id, version FROM mes.shift WHERE line_id = %s AND day = %s AND name = 'early'", (LINE, free)
    ).fetchone() or ("", 0)
    gone = {"exception": "no order"}
    await floor.done(floor.leader, "POST", f"/shifts/{shift_id}/cancellation", gone, version=version)
    await calendar.page()
    assert ("early", "no order") in {(row[0], row[5]) for row in calendar.shifts() if row[1] == free}
    assert [row[0] for row in calendar.shifts() if row[1] == special and not row[4]] == ["special"]


async def test_scheduled_is_what_the_calendar_says(calendar: Calendar, exporter_settings: ExporterSettings) -> None:
    """1 within a shift, 0 outside of them, and nothing where the calendar doesn't speak of now."""
    samples = await scrape(exporter_settings, "line-monitor")
    assert not [name for name, _ in samples if name == "production_line_scheduled"]
    floor, now = calendar.floor, datetime.now(UTC)
    for line, hours in {"line-1": ((-1, 1),), "line-2": ((-9, -8), (8, 9))}.items():
        for start, end in hours:
            times = {
                "starts_at": (now + timedelta(hours=start)).isoformat(),
                "ends_at": (now + timedelta(hours=end)).isoformat(),
            }
            body = {"line": line, "name": "a", "exception": "test"}
            await floor.done(floor.leader, "POST", "/shifts", body | times)
    samples = await scrape(exporter_settings, "line-monitor")
    assert samples["production_line_scheduled", ("line-1",)] == 1
    assert samples["production_line_scheduled", ("line-2",)] == 0


@pytest.mark.parametrize(
    ("shifts", "fault"),
    [
        ('[{"name": "a", "weekdays": [1], "starts": "06:00", "ends": "14:00", "lines": ["line-9"]}]', "line-9"),
        ('[{"name": "a", "weekdays": [8], "starts": "06:00", "ends": "14:00"}]', "shifts.0.weekdays"),
        (
            '[{"name": "a", "weekdays": [7], "starts": "22:00", "ends": "07:00"},'
            ' {"name": "b", "weekdays": [1], "starts": "06:00", "ends": "14:00"}]',
            "the shifts a and b of line-1 overlap",
        ),
    ],
)
def test_a_wrong_page_is_refused(tmp_path: Any, shifts: str, fault: str) -> None:
    page = tmp_path / "plant.json"
    page.write_text(PLANT_FILE.read_text().rstrip().removesuffix("}") + f', "shifts": {shifts}}}')
    with pytest.raises(PlantError, match=fault):
        read_plant(page)
