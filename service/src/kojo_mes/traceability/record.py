"""A lot as a record: how audit entries refer to it, and what a signature on one of its versions stands on."""

from __future__ import annotations

from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.canonical import digest
from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.quantities import plain
from kojo_mes.signatures.verification import Present
from kojo_mes.traceability import repository
from kojo_mes.traceability.models import Lot

TYPE = "lot"


def reference(lot: Lot) -> RecordRef:
    return RecordRef(TYPE, lot.id, lot.version)


async def record_digest(session: ReadSession, lot: Lot, version: int) -> bytes:
    """SHA-256 of the canonical JSON of a version: what the lot is, and every movement that made that version of it."""
    movements = [
        {**row._mapping, "quantity": plain(row.quantity)} for row in await repository.content(session, lot.id, version)
    ]
    origin = {name: getattr(lot, name) for name in ("work_order_id", "supplier", "supplier_lot", "created_at")}
    what = {"type": TYPE, "id": lot.id, "kind": lot.kind, "product": lot.product_id, "unit": lot.unit}
    return digest({**what, **origin, "version": version, "movements": movements})


async def present(session: ReadSession, lot_id: str, version: int) -> Present | None:
    """For signatures/records.py. The record is the lot as it was made: what becomes of it after its release is not part
    of what was released, and doesn't supersede it."""
    lot = await repository.find(session, lot_id)
    if lot is None:
        return None
    signed = await record_digest(session, lot, version) if version <= lot.version else None
    return Present(lot.signed_version or lot.version, signed)
