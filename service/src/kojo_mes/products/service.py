"""Products and ideal cycle times: what a line's figures are measured against."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.lines import repository as lines_repository
from kojo_mes.lines import service as lines_service
from kojo_mes.oee import repository as oee_repository
from kojo_mes.products import repository
from kojo_mes.products.models import IdealCycleTime, Product
from kojo_mes.products.schemas import (
    IdealCycleTimeIn,
    IdealCycleTimeOut,
    ProductIn,
    ProductName,
    ProductOut,
)


async def page(session: ReadSession, after: str | None, limit: int) -> Page[ProductOut]:
    rows = await repository.products(session, after, limit + 1)
    return page_of(rows, limit, ProductOut.model_validate, lambda row: (row.id,))


async def add(session: WriteSession, actor: Actor, given: ProductIn) -> ProductOut:
    if await repository.existing(session, {given.id}):
        ref = RecordRef("product", given.id)
        raise Denied(ref, "add", f"There is a product {given.id}", kind="product-exists")
    session.add(Product(id=given.id, name=given.name, version=1))
    await session.flush()
    answer = ProductOut(id=given.id, name=_names(given), version=1)
    await audit.record(session, actor, "products:add", RecordRef("product", given.id, 1), new=answer.model_dump())
    return answer


async def rename(session: WriteSession, actor: Actor, product_id: str, version: int, given: ProductName) -> ProductOut:
    product = await repository.locked(session, product_id)
    if product is None:
        raise _unknown(product_id)
    require(product.version, version)
    old = ProductOut.model_validate(product).model_dump()
    product.name, product.version = _names(given), version + 1
    await session.flush()
    answer = ProductOut.model_validate(product)
    ref = RecordRef("product", product_id, answer.version)
    await audit.record(session, actor, "products:rename", ref, old=old, new=answer.model_dump())
    return answer


async def cycle_times(
    session: ReadSession, line_id: str, product_id: str | None, after: tuple[str, datetime, str] | None, limit: int
) -> Page[IdealCycleTimeOut]:
    await lines_service.known(session, line_id)
    rows = await repository.cycle_times(session, line_id, product_id, after, limit + 1)
    return page_of(
        rows,
        limit,
        IdealCycleTimeOut.model_validate,
        lambda row: (row.product_id, row.valid_from or repository.EVER, row.id),
    )


async def set_cycle_time(
    session: WriteSession, actor: Actor, line_id: str, given: IdealCycleTimeIn
) -> IdealCycleTimeOut:
    """Ends the time in force where the new one begins. What is already planned for later stays in the way: 409."""
    await lines_service.known(session, line_id)
    await require_known(session, {given.product})
    await lines_repository.lock(session, line_id)
    affected = await repository.in_force_since(session, line_id, given.product, given.valid_from)
    later = [row for row in affected if row.valid_from is not None and row.valid_from >= given.valid_from]
    if later:
        raise Denied(
            RecordRef("ideal_cycle_time", later[0].id),
            f"another from {given.valid_from.isoformat()}",
            "A cycle time that begins later is there",
            f"One of {given.product} is in force from {later[0].valid_from} on; begin after it.",
            kind="later-cycle-time",
        )
    old = None
    for row in affected:
        old = IdealCycleTimeOut.model_validate(row).model_dump()
        row.valid_to = given.valid_from
    await session.flush()
    added = IdealCycleTime(
        id=new_id(),
        line_id=line_id,
        product_id=given.product,
        seconds=given.seconds,
        valid_from=given.valid_from,
        valid_to=None,
        source="person",
        reason=given.reason,
    )
    session.add(added)
    await session.flush()
    await oee_repository.outdate(session, line_id, given.valid_from, datetime.now(UTC))
    answer = IdealCycleTimeOut.model_validate(added)
    ref = RecordRef("ideal_cycle_time", added.id)
    await audit.record(
        session, actor, "products:set-cycle-time", ref, old=old, new=answer.model_dump(), reason=given.reason
    )
    return answer


async def require_known(session: ReadSession, products: set[str]) -> None:
    """422 that names the products that are none."""
    unknown = sorted(products - await repository.existing(session, products))
    if unknown:
        raise invalid([Fault(place="body", field="product", detail=f"{item} is not a product") for item in unknown])


def _names(given: ProductName) -> dict[str, str]:
    return {str(language): name for language, name in given.name.items()}


def _unknown(product_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-product", f"{product_id} is not a product")
