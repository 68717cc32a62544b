"""Production counts of the time whose states are derived, stored with their audit row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row as Stored

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.security import Actor
from kojo_mes.kit.sources import SIGNALS
from kojo_mes.line_states.timeline import Interval
from kojo_mes.lines.models import Line
from kojo_mes.oee import repository as oee_repository
from kojo_mes.signals import repository
from kojo_mes.signals.counters import BUCKET, Made, bucket_of, parts, told
from kojo_mes.signals.reading import covered_of
from kojo_mes.signals.statuses import HOLD


async def count(session: WriteSession, actor: Actor, line: Line, time: Interval, reached: datetime) -> None:
    """Counts of the whole buckets that the time has a part in, as far as what tells of them must have come.

    What somebody counted, or corrected, is left out: no unit is counted twice.
    """
    start = bucket_of(time.start - HOLD)
    end = min(bucket_of(time.end) + BUCKET, bucket_of(reached - HOLD))
    if start >= end:
        return
    window = Interval(start, end)
    calendar = await repository.calendar(session, line.id, window)
    stored = await repository.counts(session, line.id, window)
    set_up = await repository.set_up(session, line.id, start) or line.product
    products = _products(await repository.spans(session, line.id, window), window, set_up)
    taken = [Interval(row.from_time, row.to_time) for row in stored if row.source != SIGNALS]
    cuts = [product_time.start for product_time, _ in products]
    cuts += [moment for shift in calendar.shifts for moment in (shift.start, shift.end)]
    times = told(parts(window, cuts, taken), covered_of(await repository.covered(session, line, window)))
    units = await repository.units(session, line, window, times)
    made = [
        Made(time, _product_at(products, time.start), *units.get(number, (0, 0)))
        for number, time in enumerate(times)
        if any(units.get(number, ())) or not calendar.off(time)  # nothing is made off shift, and needn't be said
    ]
    await _store(session, actor, line.id, [row for row in stored if row.source == SIGNALS], made)


def _products(spans: Iterable[Stored[Any]], window: Interval, set_up: str) -> list[tuple[Interval, str]]:
    """What the line was set up for; a state that names no product changes nothing."""
    products: list[tuple[Interval, str]] = [(window, set_up)]
    for span in spans:
        if span.product_id is not None and span.product_id != products[-1][1]:
            start = max(span.started_at, window.start)
            products.append((Interval(start, window.end), span.product_id))
    return products


def _product_at(products: Sequence[tuple[Interval, str]], moment: datetime) -> str:
    return next(product for time, product in reversed(products) if time.start <= moment)


async def _store(
    session: WriteSession, actor: Actor, line_id: str, stored: Sequence[Stored[Any]], made: Sequence[Made]
) -> None:
    before = {(row.product_id, row.from_time, row.to_time): row for row in stored}
    after = {(one.product, one.time.start, one.time.end): one for one in made}
    removed = [row for key, row in before.items() if key not in after]
    added = [one for key, one in after.items() if key not in before]
    again = [
        (row, after[key])
        for key, row in before.items()
        if key in after and (row.good, row.scrap) != (after[key].good, after[key].scrap)
    ]
    if not (removed or added or again):
        return
    if removed:
        await repository.remove_counts(session, [row.id for row in removed])
    await repository.count_again(session, [{"id": row.id, "good": one.good, "scrap": one.scrap} for row, one in again])
    await repository.add_counts(
        session,
        [
            {
                "id": new_id(),
                "line": line_id,
                "product": one.product,
                "start": one.time.start,
                "end": one.time.end,
                "good": one.good,
                "scrap": one.scrap,
                "by": actor.id,
            }
            for one in added
        ],
    )
    times = [Interval(row.from_time, row.to_time) for row in stored if row in removed] + [
        one.time for one in (*added, *(one for _, one in again))
    ]
    await oee_repository.outdate(session, line_id, min(time.start for time in times), max(time.end for time in times))
    await audit.record(
        session,
        actor,
        "production:derive",
        RecordRef("line", line_id),
        old={"counts": [_row(row) for row in (*removed, *(row for row, _ in again))]},
        new={"counts": [_told(one) for one in (*added, *(one for _, one in again))]},
    )


def _row(row: Stored[Any]) -> dict[str, object]:
    return _told(Made(Interval(row.from_time, row.to_time), row.product_id, row.good, row.scrap))


def _told(made: Made) -> dict[str, object]:
    return {
        "product": made.product,
        "from": made.time.start,
        "to": made.time.end,
        "good": made.good,
        "scrap": made.scrap,
    }
