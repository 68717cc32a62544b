"""`kojo-mes user`: keeps people without the API, for the first administrator and for emergencies."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError

from kojo_mes.identity import people, repository
from kojo_mes.identity.models import Person
from kojo_mes.identity.roles import JobRole
from kojo_mes.identity.schemas import PersonIn, PersonOut, QualificationIn, Reason
from kojo_mes.kit import console
from kojo_mes.kit.database import Database, DatabaseUnavailable, ReadSession, WriteSession
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.security import Actor
from kojo_mes.kit.settings import AccountSettings, load
from kojo_mes.kit.writes import conflict, record_denial

DONE, FAILED, WRONG_ARGUMENTS, NO_SUCH, REFUSED = 0, 1, 2, 4, 5
A_PAGE = 1000
T = TypeVar("T")


def run(options: argparse.Namespace) -> int:
    try:
        return asyncio.run(_run(options, load(AccountSettings)))
    except ValidationError as error:
        for fault in error.errors():
            print(f"kojo-mes user: {'.'.join(map(str, fault['loc']))}: {fault['msg']}", file=sys.stderr)
        return WRONG_ARGUMENTS
    except DatabaseUnavailable as error:
        print(f"kojo-mes user: the database is not available: {error.__cause__ or error}", file=sys.stderr)
        return FAILED


async def _run(options: argparse.Namespace, settings: AccountSettings) -> int:
    database = Database(settings)
    actor = console.actor()
    try:
        await VERBS[options.verb](options, database, actor)
    except IntegrityError as error:
        broken = conflict(error, f"user {options.verb}")
        if not isinstance(broken, Problem):
            raise
        await record_denial(database, actor, broken)
        return _refused(broken)
    except Problem as problem:
        await record_denial(database, actor, problem)
        return _refused(problem)
    finally:
        await database.close()
    return DONE


def _refused(problem: Problem) -> int:
    document = problem.document
    faults = [f"{fault.field} {fault.detail}" for fault in document.errors or []]
    told = ". ".join([document.title, *filter(None, [document.detail]), *faults])
    print(f"kojo-mes user: {told}", file=sys.stderr)
    return NO_SUCH if document.status == HTTPStatus.NOT_FOUND else REFUSED


async def _add(options: argparse.Namespace, database: Database, actor: Actor) -> None:
    new = PersonIn(user_name=options.user_name, name=options.name, oidc_subject=options.oidc_subject)
    roles: list[JobRole] = options.role
    qualifications = [_qualification(options, role) for role in roles] if options.qualified_until else []

    async def work(session: WriteSession) -> str:
        added = await people.add(session, actor, new)
        for role in roles:
            await people.grant(session, actor, added.id, None, role)
        for qualification in qualifications:
            await people.qualify(session, actor, added.id, qualification)
        assert added.reset_token
        return added.reset_token

    print(await database.write(work))


async def _grant(options: argparse.Namespace, database: Database, actor: Actor) -> None:
    qualification = _qualification(options, options.role) if options.qualified_until else None

    async def work(session: WriteSession, person: Person) -> None:
        if not await repository.held_grant(session, person.id, options.role) or qualification is None:
            await people.grant(session, actor, person.id, None, options.role)
        if qualification:
            await people.qualify(session, actor, person.id, qualification)

    await _of_one(options, database, work)


async def _revoke(options: argparse.Namespace, database: Database, actor: Actor) -> None:
    await _of_one(
        options, database, lambda session, person: people.revoke(session, actor, person.id, None, options.role)
    )


async def _reset(options: argparse.Namespace, database: Database, actor: Actor) -> None:
    made = await _of_one(options, database, lambda session, person: people.reset(session, actor, person.id))
    print(made.reset_token)


async def _deactivate(options: argparse.Namespace, database: Database, actor: Actor) -> None:
    reason = Reason(reason=options.reason).reason
    await _of_one(options, database, lambda session, person: people.deactivate(session, actor, person.id, None, reason))


async def _list(options: argparse.Namespace, database: Database, _actor: Actor) -> None:
    async def work(session: ReadSession) -> list[PersonOut]:
        found: list[PersonOut] = []
        while True:
            page = await people.page(session, found[-1].id if found else None, A_PAGE)
            found += page.items
            if page.next is None:
                return found

    for person in await database.read(work):
        print(person.model_dump_json() if options.json else _line(person))


def _line(person: PersonOut) -> str:
    state = "deactivated" if person.deactivated_at else "locked" if person.locked_until else "active"
    roles = ", ".join(held.role if held.usable else f"{held.role} (not qualified)" for held in person.roles)
    return f"{person.user_name:24} {state:12} {person.name}: {roles or 'no role'}"


async def _of_one(
    options: argparse.Namespace, database: Database, work: Callable[[WriteSession, Person], Awaitable[T]]
) -> T:
    async def of_one(session: WriteSession) -> T:
        person = await repository.person_named(session, options.user_name)
        if person is None:
            raise people.not_found("person", options.user_name)
        return await work(session, person)

    return await database.write(of_one)


def _qualification(options: argparse.Namespace, role: JobRole) -> QualificationIn:
    return QualificationIn(
        role=role, evidence=options.evidence or "", valid_from=datetime.now(UTC), valid_until=options.qualified_until
    )


VERBS: dict[str, Callable[[argparse.Namespace, Database, Actor], Awaitable[None]]] = {
    "add": _add,
    "grant": _grant,
    "revoke": _revoke,
    "reset": _reset,
    "deactivate": _deactivate,
    "list": _list,
}
