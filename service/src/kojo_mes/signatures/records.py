"""Which records can be signed, and how each is found as it is now. A domain adds its line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from kojo_mes.changes import record as change
from kojo_mes.characteristics import record as specification
from kojo_mes.kit.database import ReadSession
from kojo_mes.nonconformance import record as nonconformance
from kojo_mes.signatures import lists
from kojo_mes.signatures.repository import LIST
from kojo_mes.signatures.verification import Present
from kojo_mes.traceability import record as lot

# by record type: (session, record id, signed version) → the record at present, None when there is none
RECORDS: dict[str, Callable[[ReadSession, str, int], Awaitable[Present | None]]] = {
    change.TYPE: change.present,
    specification.TYPE: specification.present,
    nonconformance.TYPE: nonconformance.present,
    lot.TYPE: lot.present,
}
RECORDS[LIST] = partial(lists.present, RECORDS)
