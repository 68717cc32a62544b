"""Devices: each with a key of its own, bound to the equipment that it speaks for (11.10(h))."""

from __future__ import annotations

from datetime import UTC, datetime

from kojo_mes.identity import repository
from kojo_mes.identity.authority import DEVICE_KEY
from kojo_mes.identity.models import Device
from kojo_mes.identity.people import not_found
from kojo_mes.identity.schemas import DeviceIn, DeviceKey, DeviceOut, SkewIn
from kojo_mes.identity.tokens import digest, new_secret
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied


async def page(session: ReadSession, after: str | None, limit: int) -> Page[DeviceOut]:
    rows = await repository.devices(session, after=after, limit=limit + 1)
    return page_of(rows, limit, DeviceOut.model_validate, lambda row: (row.id,))


async def show(session: ReadSession, device_id: str) -> DeviceOut:
    rows = await repository.devices(session, device_id=device_id)
    if not rows:
        raise not_found("device", device_id)
    return DeviceOut.model_validate(rows[0])


async def add(session: WriteSession, actor: Actor, new: DeviceIn) -> DeviceKey:
    """The key is in this answer only; the database has its hash."""
    await _known(session, new.equipment)
    key, now = new_secret(DEVICE_KEY), datetime.now(UTC)
    device = Device(
        id=new_id(),
        name=new.name,
        key_hash=digest(key),
        key_set_at=now,
        created_by=actor.id,
        created_at=now,
        certificate_sha256=new.certificate_sha256,
    )
    session.add(device)
    await session.flush()
    await repository.bind(session, device.id, new.equipment)
    await audit.record(session, actor, "device:add", RecordRef("device", device.id, 1), new=new.model_dump())
    return DeviceKey(**(await show(session, device.id)).model_dump(), key=key)


async def bind(session: WriteSession, actor: Actor, device_id: str, given: int, new: DeviceIn) -> DeviceOut:
    """Other equipment, or another certificate."""
    device = await _changed(session, device_id, given)
    old = await show(session, device_id)
    await _known(session, new.equipment)
    if new.name != device.name:
        raise _denied(device, "rename", "The name of a device never changes")
    device.certificate_sha256 = new.certificate_sha256
    await session.flush()
    await repository.bind(session, device_id, new.equipment)
    await audit.record(
        session,
        actor,
        "device:bind",
        RecordRef("device", device_id, device.version),
        old={"equipment": old.equipment, "certificate_sha256": old.certificate_sha256},
        new={"equipment": new.equipment, "certificate_sha256": new.certificate_sha256},
    )
    return await show(session, device_id)


async def tune(session: WriteSession, actor: Actor, device_id: str, given: int, new: SkewIn) -> DeviceOut:
    """How far its clock may be off, from its next batch on."""
    device = await _changed(session, device_id, given)
    old = _skew(device)
    device.skew_policy, device.skew_ahead, device.skew_behind = new.policy, new.ahead, new.behind
    await session.flush()
    ref = RecordRef("device", device_id, device.version)
    await audit.record(session, actor, "device:tune", ref, old=old, new=_skew(device), reason=new.reason)
    return await show(session, device_id)


async def new_key(session: WriteSession, actor: Actor, device_id: str, given: int) -> DeviceKey:
    """The old key ends at once."""
    device = await _changed(session, device_id, given)
    key = new_secret(DEVICE_KEY)
    device.key_hash, device.key_set_at = digest(key), datetime.now(UTC)
    await session.flush()
    ref = RecordRef("device", device_id, device.version)
    await audit.record(session, actor, "device:key", ref, new={"key_set_at": device.key_set_at})
    return DeviceKey(**(await show(session, device_id)).model_dump(), key=key)


async def deactivate(session: WriteSession, actor: Actor, device_id: str, given: int, reason: str) -> DeviceOut:
    """For ever: the name of a device is not another's later."""
    device = await _changed(session, device_id, given)
    device.deactivated_at = datetime.now(UTC)
    await session.flush()
    ref = RecordRef("device", device_id, device.version)
    new = {"deactivated_at": device.deactivated_at}
    await audit.record(session, actor, "device:deactivate", ref, new=new, reason=reason)
    return await show(session, device_id)


def _skew(device: Device) -> dict[str, str | float | None]:
    return {
        "skew_policy": device.skew_policy,
        "skew_ahead": device.skew_ahead,
        "skew_behind": device.skew_behind,
    }


async def _known(session: ReadSession, equipment: list[str]) -> None:
    unknown = await repository.unknown_equipment(session, equipment)
    faults = [
        Fault(place="body", index=index, field="equipment", detail=f"{item} is not equipment of this plant")
        for index, item in enumerate(equipment)
        if item in unknown
    ]
    if faults:
        raise invalid(faults)


async def _changed(session: WriteSession, device_id: str, given: int) -> Device:
    device = await repository.locked_device(session, device_id)
    if device is None:
        raise not_found("device", device_id)
    require(device.version, given)
    if device.deactivated_at is not None:
        raise _denied(device, "change", f"{device.name} is deactivated")
    device.version += 1
    return device


def _denied(device: Device, wanted: str, title: str) -> Denied:
    return Denied(RecordRef("device", device.id), wanted, title)
