"""SQL of people, what they hold, and devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.identity.models import (
    Device,
    DeviceEquipment,
    IdentityProof,
    Lockout,
    LoginSession,
    Password,
    PasswordReset,
    Person,
    Qualification,
    RefreshToken,
    RoleGrant,
)
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.lines.models import Equipment

# a role is usable while its grant stands and, where it needs one, a qualification for it is valid
USABLE = """NOT held.role = ANY(:qualified)
               OR coalesce(trained.since <= statement_timestamp() AND trained.until > statement_timestamp(), false)"""
GRANTS = """mes.role_grant AS held
    LEFT JOIN LATERAL (
        SELECT valid_from AS since, valid_until AS until FROM mes.qualification
        WHERE person_id = held.person_id AND role = held.role AND revoked_at IS NULL
        ORDER BY valid_from <= statement_timestamp() DESC, valid_until DESC LIMIT 1
    ) AS trained ON true
    WHERE held.revoked_at IS NULL"""
ROLES = text(f"""
    SELECT held.person_id, held.role, held.granted_by, held.granted_at, trained.until AS qualified_until,
           {USABLE} AS usable
    FROM {GRANTS} AND held.person_id = ANY(:people)
    ORDER BY held.person_id, held.role
""")  # noqa: S608

PEOPLE = text("""
    SELECT person.id, user_name, name, oidc_subject, person.created_at, deactivated_at, person.version,
           password.set_at AS password_set_at, lockout.locked_until,
           (SELECT max(acknowledged_at) FROM mes.acknowledgement AS said
            WHERE said.person_id = person.id AND said.policy = :policy) AS acknowledged_at,
           (SELECT max(proved_at) FROM mes.identity_proof AS proof
            WHERE proof.person_id = person.id AND proved_at > coalesce(
                (SELECT max(used_at) FROM mes.password_reset AS reset WHERE reset.person_id = person.id), '-infinity'))
               AS identity_proved_at
    FROM mes.person
    LEFT JOIN mes.password ON password.person_id = person.id
    LEFT JOIN mes.lockout ON lockout.person_id = person.id AND lockout.locked_until > statement_timestamp()
    WHERE (CAST(:id AS text) IS NULL OR person.id = :id) AND (CAST(:after AS text) IS NULL OR person.id > :after)
    ORDER BY person.id LIMIT :limit
""")

SESSION_HOLDER = text(f"""
    SELECT person.id, person.name,
           ARRAY(SELECT held.role FROM {GRANTS} AND held.person_id = person.id AND ({USABLE})
                 AND EXISTS (SELECT FROM mes.acknowledgement AS said
                             WHERE said.person_id = person.id AND said.policy = :policy)) AS roles
    FROM mes.login_session AS session JOIN mes.person ON person.id = session.person_id
    WHERE session.id = :session AND session.revoked_at IS NULL AND session.expires_at > now()
      AND person.deactivated_at IS NULL
""")  # noqa: S608

ACKNOWLEDGE = text("""
    INSERT INTO mes.acknowledgement (person_id, policy) VALUES (:person, :policy) ON CONFLICT DO NOTHING
    RETURNING policy
""")
ACKNOWLEDGED = text("SELECT EXISTS (SELECT FROM mes.acknowledgement WHERE person_id = :person AND policy = :policy)")

DEVICES = text("""
    SELECT id, name, certificate_sha256, key_set_at, deactivated_at, version, skew_policy, skew_ahead, skew_behind,
           ARRAY(SELECT equipment_id FROM mes.device_equipment WHERE device_id = device.id ORDER BY equipment_id)
               AS equipment
    FROM mes.device
    WHERE (CAST(:id AS text) IS NULL OR id = :id) AND (CAST(:after AS text) IS NULL OR id > :after)
    ORDER BY id LIMIT :limit
""")
SESSION_ENDED = "expires_at < now() - CAST(:age AS interval)"
FORGET_TOKENS = text(f"""
    DELETE FROM mes.refresh_token USING mes.login_session AS session
    WHERE session.id = session_id AND session.{SESSION_ENDED}
""")  # noqa: S608
FORGET_SESSIONS = text(f"DELETE FROM mes.login_session WHERE {SESSION_ENDED}")  # noqa: S608


@dataclass(frozen=True)
class Account:
    """What a login needs of a person."""

    person: Person
    hash: str | None
    set_at: datetime | None


def _open_reset_of(person_id: Any) -> Any:
    return select(PasswordReset.token_hash).where(
        PasswordReset.person_id == person_id, PasswordReset.used_at.is_(None), PasswordReset.voided_at.is_(None)
    )


async def account(session: ReadSession, user_name: str) -> Account | None:
    return await _account(session, Person.user_name == user_name)


async def account_of(session: ReadSession, person_id: str) -> Account | None:
    return await _account(session, Person.id == person_id)


async def _account(session: ReadSession, which: ColumnElement[bool]) -> Account | None:
    query = (
        select(Person, Password.hash, Password.set_at)
        .outerjoin(Password, (Password.person_id == Person.id) & ~_open_reset_of(Person.id).exists())
        .where(which)
    )
    row = (await session.execute(query)).one_or_none()
    return Account(*row) if row else None


async def person(session: ReadSession, person_id: str) -> Person | None:
    return await session.get(Person, person_id)


async def person_named(session: ReadSession, user_name: str) -> Person | None:
    return (await session.scalars(select(Person).where(Person.user_name == user_name))).one_or_none()


async def person_of_subject(session: ReadSession, subject: str) -> Person | None:
    return (await session.scalars(select(Person).where(Person.oidc_subject == subject))).one_or_none()


async def locked_person(session: WriteSession, person_id: str) -> Person | None:
    """The person, with a row lock: changes of one person wait for each other."""
    return await session.get(Person, person_id, with_for_update={"key_share": True}, populate_existing=True)


async def people(
    session: ReadSession, policy: str, *, person_id: str | None = None, after: str | None = None, limit: int = 1
) -> Sequence[Any]:
    values = {"policy": policy, "id": person_id, "after": after, "limit": limit}
    return (await session.execute(PEOPLE, values)).all()


async def roles(session: ReadSession, people: Iterable[str], qualified: Iterable[str]) -> Sequence[Any]:
    values = {"people": list(people), "qualified": list(qualified)}
    return (await session.execute(ROLES, values)).all()


async def held_grant(session: ReadSession, person_id: str, role: str) -> RoleGrant | None:
    query = select(RoleGrant).where(
        RoleGrant.person_id == person_id, RoleGrant.role == role, RoleGrant.revoked_at.is_(None)
    )
    return (await session.scalars(query)).one_or_none()


async def qualifications(
    session: ReadSession, person_id: str, after: str | None, limit: int
) -> Sequence[Qualification]:
    query = select(Qualification).where(Qualification.person_id == person_id).order_by(Qualification.id).limit(limit)
    return (await session.scalars(query if after is None else query.where(Qualification.id > after))).all()


async def password(session: ReadSession, person_id: str) -> Password | None:
    """None too after a reset, until the person has set the next one."""
    query = select(Password).where(Password.person_id == person_id, ~_open_reset_of(person_id).exists())
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def set_password(session: WriteSession, person_id: str, new: str, now: datetime) -> None:
    values = {"hash": new, "set_at": now}
    statement = insert(Password).values(person_id=person_id, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["person_id"], set_=values))


async def rehash(session: WriteSession, person_id: str, old: str, new: str) -> None:
    """The same password by another hash: its age stays."""
    await session.execute(
        update(Password).where(Password.person_id == person_id, Password.hash == old).values(hash=new)
    )


async def lockout(session: WriteSession, person_id: str) -> Lockout:
    """With its row lock: attempts at one account wait for each other."""
    await session.execute(insert(Lockout).values(person_id=person_id, failures=0).on_conflict_do_nothing())
    return await session.get_one(Lockout, person_id, with_for_update=True, populate_existing=True)


async def open_reset(session: WriteSession, token_hash: bytes) -> PasswordReset | None:
    query = select(PasswordReset).where(PasswordReset.token_hash == token_hash).with_for_update()
    return (await session.scalars(query)).one_or_none()


async def has_open_reset(session: ReadSession, person_id: str) -> bool:
    """Until it is used, also when it is too old to be."""
    return (await session.execute(_open_reset_of(person_id))).first() is not None


async def void_resets(session: WriteSession, person_id: str, now: datetime) -> None:
    await session.execute(
        update(PasswordReset)
        .where(
            PasswordReset.person_id == person_id,
            PasswordReset.used_at.is_(None),
            PasswordReset.voided_at.is_(None),
        )
        .values(voided_at=now)
    )


async def last_proof(session: ReadSession, person_id: str) -> IdentityProof | None:
    """The latest proof of the person's identity that is younger than the last reset that was used."""
    reset = select(func.max(PasswordReset.used_at)).where(PasswordReset.person_id == person_id).scalar_subquery()
    query = (
        select(IdentityProof)
        .where(
            IdentityProof.person_id == person_id, IdentityProof.proved_at > func.coalesce(reset, text("'-infinity'"))
        )
        .order_by(IdentityProof.proved_at.desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def acknowledge(session: WriteSession, person_id: str, policy: str) -> bool:
    """Whether it is new."""
    row = await session.execute(ACKNOWLEDGE, {"person": person_id, "policy": policy})
    return row.one_or_none() is not None


async def has_acknowledged(session: ReadSession, person_id: str, policy: str) -> bool:
    return bool((await session.execute(ACKNOWLEDGED, {"person": person_id, "policy": policy})).scalar_one())


async def session_holder(session: ReadSession, session_id: str, policy: str, qualified: Iterable[str]) -> Any | None:
    """Id and name of the person whose session this is, while it lasts; roles: granted, qualified for where that is
    needed, and none before the policy is acknowledged."""
    values = {"session": session_id, "policy": policy, "qualified": list(qualified)}
    return (await session.execute(SESSION_HOLDER, values)).one_or_none()


async def refresh_token(session: WriteSession, token_hash: bytes) -> tuple[RefreshToken, LoginSession] | None:
    """With a lock on the session: uses of one family's tokens wait for each other."""
    query = (
        select(RefreshToken, LoginSession)
        .join(LoginSession, LoginSession.id == RefreshToken.session_id)
        .where(RefreshToken.token_hash == token_hash)
        .with_for_update()
    )
    row = (await session.execute(query)).one_or_none()
    return (row[0], row[1]) if row else None


async def login_session(session: WriteSession, session_id: str) -> LoginSession | None:
    return await session.get(LoginSession, session_id, with_for_update=True)


async def revoke_sessions(session: WriteSession, person_id: str, because: str, now: datetime) -> int:
    """All of a person's; how many there were."""
    ended = await session.execute(
        update(LoginSession)
        .where(LoginSession.person_id == person_id, LoginSession.revoked_at.is_(None), LoginSession.expires_at > now)
        .values(revoked_at=now, revoked_because=because)
        .returning(LoginSession.id)
    )
    return len(ended.all())


async def forget_sessions(session: WriteSession, age: timedelta) -> None:
    await session.execute(FORGET_TOKENS, {"age": age})
    await session.execute(FORGET_SESSIONS, {"age": age})


async def device_of_key(session: ReadSession, key_hash: bytes) -> Device | None:
    query = select(Device).where(Device.key_hash == key_hash, Device.deactivated_at.is_(None))
    return (await session.scalars(query)).one_or_none()


async def locked_device(session: WriteSession, device_id: str) -> Device | None:
    return await session.get(Device, device_id, with_for_update=True, populate_existing=True)


async def devices(
    session: ReadSession, *, device_id: str | None = None, after: str | None = None, limit: int = 1
) -> Sequence[Any]:
    return (await session.execute(DEVICES, {"id": device_id, "after": after, "limit": limit})).all()


async def unknown_equipment(session: ReadSession, names: Iterable[str]) -> set[str]:
    wanted = set(names)
    known = await session.scalars(select(Equipment.id).where(Equipment.id.in_(wanted), Equipment.retired_at.is_(None)))
    return wanted - set(known.all())


async def bind(session: WriteSession, device_id: str, equipment: Iterable[str]) -> None:
    await session.execute(delete(DeviceEquipment).where(DeviceEquipment.device_id == device_id))
    rows = [{"device_id": device_id, "equipment_id": item} for item in sorted(set(equipment))]
    await session.execute(insert(DeviceEquipment), rows)
