"""What a lot was made of, what it went into, and whom a recall of it has to reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row

from kojo_mes.kit.database import ReadSession
from kojo_mes.traceability import walks
from kojo_mes.traceability.schemas import (
    AffectedRow,
    Direction,
    Edge,
    EdgeRow,
    Genealogy,
    GenealogyLot,
    Recall,
)
from kojo_mes.traceability.service import unknown

IN_STOCK = "stock"
IN_PROCESS = "in process"


async def genealogy(session: ReadSession, lot_id: str, direction: Direction) -> Genealogy:
    forward = direction is Direction.FORWARD
    rows = await (walks.forward if forward else walks.backward)(session, lot_id)
    if not rows:
        raise unknown(lot_id)
    lots = [
        GenealogyLot(lot=row.id, kind=row.kind, product=row.product_id, state=row.state, depth=row.depth)
        for row in rows
    ]
    edges = [edge for row in rows for edge in _edges(row, forward)]
    return Genealogy(lot=lot_id, direction=direction, lots=lots, edges=edges)


def _edges(row: Row[tuple[Any, ...]], forward: bool) -> Iterator[Edge]:
    for other, quantity, unit, first_at, last_at in sorted(row.edges or []):
        source, target = (row.id, other) if forward else (other, row.id)
        yield Edge(source=source, target=target, quantity=quantity, unit=unit, first_at=first_at, last_at=last_at)


async def recall(session: ReadSession, lot_id: str) -> str:
    """A Recall in JSON. An empty list is an answer too: nothing of it is in process or stock, nothing was shipped."""
    document = await walks.recall(session, lot_id)
    if document is None:
        raise unknown(lot_id)
    return document


def edge_rows(answer: Genealogy) -> Iterator[EdgeRow]:
    return (EdgeRow(direction=answer.direction, **dict(edge)) for edge in answer.edges)


def affected_rows(answer: Recall) -> Iterator[AffectedRow]:
    """A row for each delivery, one for what is in stock or, before any output is booked, in process."""
    for item in answer.affected:
        common = item.model_dump(include={"lot", "kind", "product", "state", "unit", "depth"})
        common["path"] = " > ".join([*(step.lot for step in item.path), item.lot])
        if item.in_stock or not item.deliveries:
            where = IN_STOCK if item.in_stock else IN_PROCESS
            yield AffectedRow(**common, whereabouts=where, delivery="", quantity=item.in_stock, time=None)
        for sent in item.deliveries:
            yield AffectedRow(
                **common,
                whereabouts=sent.consignee,
                delivery=sent.delivery,
                quantity=sent.quantity,
                time=sent.time,
            )
