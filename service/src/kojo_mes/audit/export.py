"""Writes a part of the trail, or all of it, to files with a signed manifest: for people, and for the verifier."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from kojo_mes.audit import manifest, repository
from kojo_mes.audit.pages import CsvPages, PdfPages, Table
from kojo_mes.audit.records import Event, Seal
from kojo_mes.audit.schemas import Format, Selection
from kojo_mes.audit.verify import SIGNATURES, TRAIL
from kojo_mes.kit.canonical import canonical, iso, plain
from kojo_mes.kit.database import Database
from kojo_mes.kit.keys import Signer
from kojo_mes.signatures import repository as signatures
from kojo_mes.signatures.verification import attested

STEP = 2000  # events that are in memory at once, and then those of a seal
DEADLINE = 60.0


class TooMany(Exception):
    """The selection has more events than the export may have."""


class Group(NamedTuple):
    seal: Seal
    events: list[Event]


async def export(
    database: Database,
    selection: Selection,
    format: Format,
    folder: Path,
    signer: Signer,
    created_by: dict[str, Any],
    font: Path,
    most: int | None = None,
) -> manifest.Body:
    """Into an empty folder. TooMany beyond `most` events; what isn't sealed yet, within a second, isn't in it."""
    now = await database.read(repository.clock)
    until = min(selection.end, now) if selection.end else now
    bounds = await database.read(lambda session: repository.seals_made(session, selection.start, until))
    groups = _whole(database, bounds) if selection.whole else _selected(database, selection, bounds)
    if format is Format.PDF:
        most = min(most or PdfPages.MOST, PdfPages.MOST)
    count, ids = 0, list[int]()
    signings: dict[str, int] = {}
    last: Seal | None = None
    first: Seal | None = None
    with _table(format, folder, font, selection) as table:
        with (folder / TRAIL).open("wb") as file:
            async for seal, events in groups:
                first, last = first or seal, seal
                count += len(events)
                if not selection.whole:
                    ids += [event.id for event in events]
                if most is not None and count > most:
                    raise TooMany(f"more than {most} events; narrow the selection, or ask for another format")
                signings |= {event.record_id: event.id for event in events if event.action == signatures.ACTION}
                file.writelines(await asyncio.to_thread(_lines, seal, events))
                if table:
                    await asyncio.to_thread(table.add, seal, events)
        rows = await database.read(_signatures(selection, signings), deadline=DEADLINE)
        with (folder / SIGNATURES).open("wb") as file:
            for row in rows:
                file.write(canonical({"event": signings.get(row.id), "signature": attested(row)}) + b"\n")
        if table:
            await asyncio.to_thread(table.close, rows)
    body = manifest.Body(
        complete=selection.whole,
        created_at=iso(datetime.now(UTC)),
        created_by=created_by,
        events=count,
        files=await asyncio.to_thread(_entries, folder),
        first_seal=first.number if first else None,
        format=manifest.FORMAT,
        ids=None if selection.whole else ids,
        key=signer.key_id,
        last_seal=last.number if last else None,
        selection=plain(selection.model_dump(by_alias=True)),
        until=iso(until),
    )
    (folder / manifest.NAME).write_bytes(manifest.signed(body, signer))
    return body


@contextlib.contextmanager
def _table(format: Format, folder: Path, font: Path, selection: Selection) -> Iterator[Table | None]:
    """Its files are let go of even if the export fails or is cut off."""
    table: Table | None = None
    if format is Format.CSV:
        table = CsvPages(folder / "events.csv")
    elif format is Format.PDF:
        table = PdfPages(folder / "events.pdf", font, plain(selection.model_dump(by_alias=True)))
    try:
        yield table
    finally:
        if table:
            table.release()


def _entries(folder: Path) -> list[manifest.FileEntry]:
    return [manifest.entry(path) for path in sorted(folder.iterdir())]


def _lines(seal: Seal, events: list[Event]) -> list[bytes]:
    return [seal.line() + b"\n", *(event.line() + b"\n" for event in events)]


async def _whole(database: Database, bounds: tuple[int, int] | None) -> AsyncIterator[Group]:
    """Every seal with what the database has between it and the one before, whatever that is by now."""
    if bounds is None:
        return
    number, end = bounds
    before = await database.read(lambda session: repository.seal_of(session, number - 1))
    while number <= end:
        seals = await database.read(_seals_from(number, min(STEP, end - number + 1)), deadline=DEADLINE)
        if not seals:
            return
        seals = _at_once(seals)
        events = await database.read(_between(before, seals[-1]), deadline=DEADLINE)
        position = 0
        for seal in seals:
            begin = position
            while position < len(events) and _place(events[position]) <= (seal.last_xid, seal.last_id):
                position += 1
            yield Group(seal, events[begin:position])
        before, number = seals[-1], seals[-1].number + 1


def _at_once(seals: list[Seal]) -> list[Seal]:
    """The first of them, as many as have STEP events, at least one."""
    count = 0
    for index, seal in enumerate(seals):
        count += seal.events
        if index and count > STEP:
            return seals[:index]
    return seals


async def _selected(database: Database, selection: Selection, bounds: tuple[int, int] | None) -> AsyncIterator[Group]:
    """The seals that have events of the selection, each with those."""
    if bounds is None:
        return
    group: Group | None = None
    after: Event | None = None
    while events := await database.read(_after(selection, after), deadline=DEADLINE):
        for event in events:
            if group is None or _place(event) > (group.seal.last_xid, group.seal.last_id):
                seal = await database.read(_seal_at(event))
                if group:
                    yield group
                if seal is None or seal.number > bounds[1]:
                    return
                group = Group(seal, [])
            group.events.append(event)
        after = events[-1]
    if group:
        yield group


def _place(event: Event) -> tuple[int, int]:
    return event.xid, event.id


def _seals_from(number: int, limit: int) -> Any:
    return lambda session: repository.seals_after(session, number - 1, limit)


def _between(before: Seal | None, last: Seal) -> Any:
    return lambda session: repository.between(session, before, last)


def _after(selection: Selection, after: Event | None) -> Any:
    return lambda session: repository.selected(session, selection.conditions(), after, STEP)


def _seal_at(event: Event) -> Any:
    return lambda session: repository.seal_at(session, event)


def _signatures(selection: Selection, told: dict[str, int]) -> Any:
    return lambda session: repository.signatures(session, selection.conditions(), list(told))
