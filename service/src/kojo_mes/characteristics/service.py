"""Characteristics, and specifications that are drafted by one person and approved by another (ISO 9001 7.5.2)."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from kojo_mes.characteristics import repository
from kojo_mes.characteristics.models import Characteristic, Specification
from kojo_mes.characteristics.record import content_digest, reference
from kojo_mes.characteristics.schemas import (
    CharacteristicDetail,
    CharacteristicIn,
    CharacteristicKind,
    CharacteristicOut,
    SpecificationIn,
    SpecificationOut,
)
from kojo_mes.identity.roles import JobRole
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.signatures import service as signatures
from kojo_mes.signatures.schemas import Meaning, SignatureIn

RECORD = "characteristic"
APPROVER = JobRole.QUALITY_MANAGER  # and no other: migration 0007


async def define(session: WriteSession, actor: Actor, wanted: CharacteristicIn) -> CharacteristicOut:
    if not await repository.product_exists(session, wanted.product):
        raise _wrong("product", f"{wanted.product} is not a product of this plant")
    values = {**wanted.model_dump(exclude={"product"}), "product_id": wanted.product}
    row = await repository.add(session, values)
    if row is None:
        ref = RecordRef(RECORD, wanted.id)
        raise Denied(ref, "define", f"There is a characteristic {wanted.id} already", kind="id-taken")
    made = CharacteristicOut.model_validate(row)
    await audit.record(session, actor, "quality:define", _ref(made), new=made.model_dump())
    return made


async def retire(session: WriteSession, actor: Actor, characteristic: str, version: int) -> CharacteristicOut:
    present = CharacteristicOut.model_validate(known(await repository.lock(session, characteristic), characteristic))
    require(present.version, version)
    if present.retired_at is not None:
        raise Denied(_ref(present), "retire", f"{characteristic} is retired already", kind="retired")
    retired = CharacteristicOut.model_validate(await repository.retire(session, characteristic))
    old, new = present.model_dump(), retired.model_dump()
    await audit.record(session, actor, "quality:retire", _ref(retired), old=old, new=new)
    return retired


async def draft(session: WriteSession, actor: Actor, characteristic: str, wanted: SpecificationIn) -> SpecificationOut:
    row = known(await repository.lock(session, characteristic), characteristic)
    if faults := _faults(CharacteristicKind(row.kind), wanted):
        raise invalid(faults)
    values = {
        **wanted.model_dump(exclude={"effective_from"}),
        "characteristic_id": characteristic,
        "version": await repository.latest_version(session, characteristic) + 1,
        "kind": row.kind,
        "wanted_from": wanted.effective_from,
        "drafted_by": actor.id,
    }
    made = SpecificationOut.model_validate(await repository.add_specification(session, values))
    await audit.record(
        session,
        actor,
        "quality:draft-specification",
        reference(made.characteristic, made.version),
        new=made.model_dump(),
    )
    return made


async def approve(
    session: WriteSession, actor: Actor, characteristic: str, version: int, signature: SignatureIn
) -> SpecificationOut:
    """Signed by the quality manager; never effective before it was approved."""
    known(await repository.lock(session, characteristic), characteristic)
    row = await _specification(session, characteristic, version)
    present = SpecificationOut.model_validate(row)
    ref = reference(characteristic, version)
    if present.effective_from is not None:
        raise Denied(ref, "approve", f"Version {version} is approved already", kind="illegal-transition")
    if signature.role is not APPROVER:
        raise _forbidden(ref, f"A specification is approved by the {APPROVER}, not by the {signature.role}")
    if present.drafted_by == actor.id:
        raise _forbidden(ref, "Who drafted a specification does not approve it")
    effective_from = max(row.wanted_from, await now(session))
    await signatures.sign(
        session, actor, signature, ref, content_digest(row, effective_from), Meaning.APPROVAL, signature.role
    )
    approved = SpecificationOut.model_validate(
        await repository.approve(session, characteristic, version, effective_from, actor.id, signature.role)
    )
    old, new = present.model_dump(), approved.model_dump()
    await audit.record(session, actor, "quality:approve-specification", ref, old=old, new=new)
    return approved


async def read(session: ReadSession, characteristic: str) -> CharacteristicDetail:
    row = known(await repository.find(session, characteristic), characteristic)
    effective = await repository.effective(session, characteristic)
    return CharacteristicDetail(
        **CharacteristicOut.model_validate(row).model_dump(),
        effective=SpecificationOut.model_validate(effective) if effective else None,
    )


async def page(session: ReadSession, product: str | None, after: str | None, limit: int) -> Page[CharacteristicOut]:
    rows = await repository.page(session, product, after, limit + 1)
    return page_of(rows, limit, CharacteristicOut.model_validate, lambda row: (row.id,))


async def specifications(
    session: ReadSession, characteristic: str, after: int | None, limit: int
) -> Page[SpecificationOut]:
    known(await repository.find(session, characteristic), characteristic)
    rows = await repository.specifications(session, characteristic, after, limit + 1)
    return page_of(rows, limit, SpecificationOut.model_validate, lambda row: (row.version,))


async def effective(session: ReadSession, characteristic: str, at: datetime) -> Specification:
    """409 when none is approved for that time."""
    row = await repository.effective(session, characteristic, at)
    if row is None:
        ref = RecordRef(RECORD, characteristic)
        title = f"{characteristic} has no approved specification for {at.isoformat()}"
        raise Denied(ref, "check", title, "Have one approved first.", kind="no-specification")
    return row


def known(row: Characteristic | None, characteristic: str) -> Characteristic:
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-characteristic", f"There is no characteristic {characteristic}")
    return row


async def _specification(session: ReadSession, characteristic: str, version: int) -> Specification:
    row = await repository.specification(session, characteristic, version)
    if row is None:
        title = f"{characteristic} has no specification of version {version}"
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-specification", title)
    return row


def _faults(kind: CharacteristicKind, wanted: SpecificationIn) -> list[Fault]:
    variable = kind is CharacteristicKind.VARIABLE
    needless = ("acceptance_number",) if variable else ("unit", "lower_limit", "target", "upper_limit")
    found = {name: f"is not of {kind} characteristics" for name in needless if getattr(wanted, name) is not None}
    lower, target, upper = wanted.lower_limit, wanted.target, wanted.upper_limit
    if variable and wanted.unit is None:
        found["unit"] = "is needed"
    if variable and lower is None and upper is None:
        found["upper_limit"] = "is needed, or lower_limit, or both"
    if not variable and wanted.acceptance_number is None:
        found["acceptance_number"] = "is needed"
    if lower is not None and upper is not None and lower >= upper:
        found["upper_limit"] = "is to be more than lower_limit"
    if target is not None and ((lower is not None and target < lower) or (upper is not None and target > upper)):
        found["target"] = "is to be within the limits"
    return [Fault(place="body", field=name, detail=detail) for name, detail in found.items()]


def _forbidden(ref: RecordRef, title: str) -> Denied:
    return Denied(ref, "approve", title, status=HTTPStatus.FORBIDDEN, kind="not-permitted")


def _ref(characteristic: CharacteristicOut) -> RecordRef:
    return RecordRef(RECORD, characteristic.id, characteristic.version)


def _wrong(field: str, detail: str) -> Problem:
    return invalid([Fault(place="body", field=field, detail=detail)])
