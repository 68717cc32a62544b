"""Where nonconforming output is: line, product, lot, serial."""

from __future__ import annotations

from kojo_mes.characteristics.repository import product_exists
from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.problems import Fault, invalid
from kojo_mes.nonconformance.repository import line_exists
from kojo_mes.nonconformance.schemas import Place


async def refuse_unknown(session: ReadSession, place: Place) -> None:
    faults = []
    if not await line_exists(session, place.line):
        faults.append(Fault(place="body", field="line", detail=f"{place.line} is not a line of this plant"))
    if not await product_exists(session, place.product):
        faults.append(Fault(place="body", field="product", detail=f"{place.product} is not a product of this plant"))
    if faults:
        raise invalid(faults)


def columns(place: Place) -> dict[str, object]:
    return {"line_id": place.line, "product_id": place.product, "lot_id": place.lot, "serial": place.serial}
