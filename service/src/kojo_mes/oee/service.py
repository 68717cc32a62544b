"""OEE of a time or a shift at once, and its stored figures by shift and product, which can be made anew from raw."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import Row

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.logging import get
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem
from kojo_mes.kit.security import Actor
from kojo_mes.line_states.timeline import Interval, Span, State
from kojo_mes.lines import repository as lines_repository
from kojo_mes.lines import service as lines_service
from kojo_mes.oee import repository
from kojo_mes.oee.formula import Absence, Count, CycleTime, Missing, Oee, oee
from kojo_mes.oee.history import History, products
from kojo_mes.oee.schemas import FindingOut, OeeOut, RollUpOut, RollupOut

log = get(__name__)
GRACE = repository.LONGEST_MICRO_STOP  # after it no stop of the shift can still become a micro-stop
OLDEST = timedelta(days=100)
INTERVAL = 300.0  # seconds between two looks for shifts that ended
DEADLINE = 120.0  # seconds of one line's roll-up
MOST_CHANGES = 100  # that one audit row lists
HOUSEKEEPER = Actor("system", "oee-roll-up", "OEE roll-up", frozenset(), "")
# what a figure is, beside when it was made
FIGURE = (
    "status",
    "planned_busy_time",
    "actual_production_time",
    "ideal_production_time",
    "good",
    "scrap",
    "rework",
    "availability",
    "effectiveness",
    "quality_ratio",
    "oee",
    "micro_stop_limit",
    "micro_stops",
    "micro_stop_time",
)


async def of_period(session: ReadSession, line_id: str, start: datetime, end: datetime, product: str | None) -> OeeOut:
    """409 that names the inputs when some are missing."""
    await lines_service.known(session, line_id)
    shifts = await repository.shifts(session, line_id, start, end)
    windows = [Interval(max(shift.starts_at, start), min(shift.ends_at, end)) for shift in shifts]
    return await _of(session, line_id, Interval(start, end), windows, product)


async def of_shift(session: ReadSession, shift_id: str, product: str | None) -> OeeOut:
    """404 when there is no such shift, or it is cancelled; 409 that names the inputs when some are missing."""
    shift = await repository.shift(session, shift_id)
    if shift is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-shift", f"The calendar has no shift {shift_id}")
    window = Interval(shift.starts_at, shift.ends_at)
    return await _of(session, shift.line_id, window, [window], product)


async def of_running_shift(session: ReadSession, line_id: str, product: str | None) -> OeeOut:
    """From the running shift's beginning up to where its production is counted; 409 without a shift, or with inputs
    that are missing."""
    await lines_service.known(session, line_id)
    shift = await repository.running(session, line_id)
    if shift is None:
        raise _refusal([Absence("shift", "the line has no shift now")])
    if shift.counted_to is None:
        raise _refusal([Absence("production_count", f"nothing is counted since {shift.starts_at.isoformat()}")])
    window = Interval(shift.starts_at, shift.counted_to)
    return await _of(session, line_id, window, [window], product)


def _refusal(absences: Sequence[Absence]) -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        "oee-inputs-missing",
        "The OEE's inputs are missing",
        "Nothing is guessed: record what is missing, or ask for another time.",
        [Fault(place="data", field=absence.input, detail=absence.detail) for absence in absences],
    )


async def _of(
    session: ReadSession, line_id: str, period: Interval, windows: list[Interval], product: str | None
) -> OeeOut:
    history = await _history(session, line_id, period.start, period.end)
    figure = oee(history.inputs(windows), product)
    if isinstance(figure, Missing):
        raise _refusal(figure.absences)
    return OeeOut(
        line=line_id,
        product=product,
        start=period.start,
        end=period.end,
        planned_busy_seconds=figure.planned_busy_time.total_seconds(),
        actual_production_seconds=figure.actual_production_time.total_seconds(),
        ideal_production_seconds=figure.ideal_production_time.total_seconds(),
        good=figure.good,
        scrap=figure.scrap,
        rework=figure.rework,
        availability=figure.availability,
        effectiveness=figure.effectiveness,
        quality_ratio=figure.quality_ratio,
        oee=figure.oee,
        micro_stops=figure.micro_stops,
        micro_stop_seconds=figure.micro_stop_time.total_seconds(),
        findings=[FindingOut.model_validate(finding) for finding in figure.findings],
    )


async def _history(session: ReadSession, line_id: str, start: datetime, end: datetime) -> History:
    spans = await repository.spans(session, line_id, start, end)
    counts = await repository.counts(session, line_id, start, end)
    times = await repository.cycle_times(session, line_id)
    limit = await repository.micro_stop_limit(session, line_id)
    return History(
        [Span(row.started_at, row.ended_at, State(row.state), row.reason, row.product_id) for row in spans],
        [
            Count(Interval(row.from_time, row.to_time), row.product_id, row.good, row.scrap, row.rework)
            for row in counts
        ],
        [CycleTime(row.product_id, row.valid_from, row.valid_to, row.seconds) for row in times],
        timedelta(seconds=limit),
        datetime.now(UTC),
    )


async def page(
    session: ReadSession,
    line_id: str,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str, str] | None,
    limit: int,
) -> Page[RollupOut]:
    await lines_service.known(session, line_id)
    rows = await repository.page(session, line_id, start, end, after, limit + 1)
    return page_of(rows, limit, RollupOut.model_validate, lambda row: (row.starts_at, row.shift, row.product or ""))


async def roll_up(session: WriteSession, actor: Actor, line_id: str, start: datetime, end: datetime) -> RollUpOut:
    """Makes the figures of the shifts that ended in the time anew from the raw records, and tells what changed."""
    await lines_service.known(session, line_id)
    await lines_repository.lock(session, line_id)
    latest = min(end, datetime.now(UTC) - GRACE)
    shifts = [row for row in await repository.shifts(session, line_id, start, end) if start < row.ends_at <= latest]
    return await _roll_up(session, actor, line_id, shifts, [])


async def _roll_up(
    session: WriteSession, actor: Actor, line_id: str, shifts: Sequence[Row[Any]], cancelled: list[str]
) -> RollUpOut:
    rows: list[dict[str, Any]] = []
    if shifts:
        history = await _history(session, line_id, shifts[0].starts_at, shifts[-1].ends_at)
        limit = await repository.micro_stop_limit(session, line_id)
        for number, shift in enumerate(shifts):
            rows += _figures(shift.id, history, Interval(shift.starts_at, shift.ends_at), limit)
            if number % 20 == 0:
                await asyncio.sleep(0)  # the process has requests to answer
    ids = [shift.id for shift in shifts] + cancelled
    old = {(row.shift_id, row.product_id): row for row in await repository.stored(session, ids)}
    new = {(row["shift_id"], row["product_id"]): row for row in rows}
    await repository.replace(session, ids, rows)
    changes = _changes(old, new)
    answer = RollUpOut(
        line=line_id,
        shifts=len(shifts),
        computed=sum(row["status"] == "computed" for row in rows),
        refused=sum(row["status"] == "refused" for row in rows),
        changed=len(changes),
    )
    if ids:
        await audit.record(
            session,
            actor,
            "oee:roll-up",
            RecordRef("line", line_id),
            old={"figures": [before for before, _ in changes[:MOST_CHANGES]]},
            new={**answer.model_dump(), "figures": [after for _, after in changes[:MOST_CHANGES]]},
        )
    return answer


def _figures(shift_id: str, history: History, window: Interval, limit: float) -> list[dict[str, Any]]:
    """One over all products, and one a product."""
    inputs = history.inputs([window])
    return [
        {"shift_id": shift_id, "product_id": product, "micro_stop_limit": limit, **_columns(oee(inputs, product))}
        for product in (None, *products(inputs))
    ]


def _columns(figure: Oee | Missing) -> dict[str, Any]:
    if isinstance(figure, Missing):
        nothing = dict.fromkeys(name for name in FIGURE if name not in ("status", "micro_stop_limit"))
        missing = json.dumps([asdict(absence) for absence in figure.absences])
        return {**nothing, "status": "refused", "missing": missing, "findings": "[]"}
    values = {name: getattr(figure, name) for name in FIGURE if hasattr(figure, name)}
    findings = json.dumps([asdict(finding) for finding in figure.findings])
    return {**values, "status": "computed", "missing": "[]", "findings": findings}


def _changes(
    old: dict[tuple[str, str | None], Row[Any]], new: dict[tuple[str, str | None], dict[str, Any]]
) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Figures that were stored, and are others now or none."""
    changes = []
    for key, row in old.items():
        before = {"shift_id": key[0], "product_id": key[1]} | {name: getattr(row, name) for name in FIGURE}
        after = {name: new[key][name] for name in before} if key in new else None
        if before != after:
            changes.append((before, after))
    return changes


async def roll_up_due(database: Database) -> int:
    """Shifts that ended an hour ago or more and have no figure that still holds; a transaction a line. How many."""

    async def lines(session: ReadSession) -> list[str]:
        return sorted({row.line for row in await repository.due(session, GRACE, OLDEST)})

    return sum([await _roll_up_due_of(database, line_id) for line_id in await database.read(lines)])


async def _roll_up_due_of(database: Database, line_id: str) -> int:
    async def work(session: WriteSession) -> int:
        await lines_repository.lock(session, line_id)
        # asked again: another host may have done it while this one waited for the lock
        shifts = await repository.due(session, GRACE, OLDEST, line_id)
        cancelled = [shift.id for shift in shifts if shift.cancelled]
        await _roll_up(session, HOUSEKEEPER, line_id, [row for row in shifts if not row.cancelled], cancelled)
        return len(shifts)

    return await database.write(work, repeatable=True, deadline=DEADLINE)


async def keep_rolling_up(database: Database) -> None:
    while True:
        try:
            await roll_up_due(database)
        except Exception as error:
            log.warning("oee_roll_up_failed", reason=str(error))
        await asyncio.sleep(INTERVAL)
