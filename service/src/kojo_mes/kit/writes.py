"""How every write runs: authorised, once a key, in one transaction with its answer; what is denied is audited."""

from __future__ import annotations

import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, TypeVar

import psycopg
from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from kojo_mes.kit import audit, idempotency
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, WriteSession, driver_error
from kojo_mes.kit.problems import Fault, Problem
from kojo_mes.kit.security import Actor, Permission, authenticated, permitted
from kojo_mes.kit.versions import etag

B = TypeVar("B", bound="Beforehand")
Work = Callable[[WriteSession], Awaitable[BaseModel]]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=16,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="one a write; send a write again with its own key until it is answered",
        examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"],
    ),
]


class Denied(Problem):
    """A rule or an authority check said no: the transaction is rolled back, and the attempt is an audit entry."""

    def __init__(
        self,
        ref: RecordRef,
        wanted: str,
        title: str,
        detail: str | None = None,
        *,
        status: HTTPStatus = HTTPStatus.CONFLICT,
        kind: str = "denied",
        errors: Sequence[Fault] | None = None,
    ) -> None:
        super().__init__(status, kind, title, detail, errors)
        self.ref = ref
        self.others: Sequence[RecordRef] = ()  # records that were tried together with it
        self.wanted = wanted
        self.reason = f"{title}. {detail}" if detail else title

    async def remember(self, session: WriteSession, actor: Actor) -> None:
        """What stays of the attempt, in a transaction of its own."""
        for ref in (self.ref, *self.others):
            await audit.record(session, actor, "denied", ref, new={"wanted": self.wanted}, reason=self.reason)


class Beforehand(Exception, ABC):
    """Raised by `work` that needs something done and committed before it: its transaction is rolled back, `settle`
    runs, and the work begins again. There `settled` finds it."""

    @abstractmethod
    async def settle(self, database: Database) -> None: ...


def settled(session: WriteSession, kind: type[B]) -> list[B]:
    return [done for done in session.info.get(Beforehand, ()) if isinstance(done, kind)]


@dataclass(frozen=True)
class Write:
    """What an endpoint runs its work with. Declare the route's `response_model`: `run` answers a ready Response."""

    actor: Actor
    database: Database
    request: Request
    key: str

    async def run(
        self, work: Work, *, status: int = HTTPStatus.OK, patient: bool = False, once: Collection[str] = ()
    ) -> Response:
        """Runs `work` in one transaction and answers its model after COMMIT; a repeat gets the first answer.

        `patient`: a repeat waits for the one in flight, instead of 409. `once`: fields, like a new key, that are
        answered but never stored; a repeat's answer lacks them.
        """
        request_hash = await self._fingerprint()
        attempts = 0
        done: list[Beforehand] = []

        async def attempt(session: WriteSession) -> tuple[object, bool]:
            nonlocal attempts
            attempts += 1
            session.info[Beforehand] = done
            # a repetition's own first attempt may still be held by a server that lost its client: it is waited for
            wait = patient or attempts > 1
            claim = await idempotency.claim(session, self.actor.id, self.key, request_hash, wait=wait)
            if claim is None:
                raise _in_flight()
            if not hmac.compare_digest(claim.request_hash, request_hash):
                raise _reused()
            if claim.response is not None:
                return claim.response, True
            model = await work(session)
            stored = model.model_dump_json(exclude=set(once), by_alias=True)
            idempotency.remember(session, self.actor.id, self.key, stored)
            return model.model_dump(mode="json", by_alias=True), False

        async def transact() -> tuple[object, bool]:
            nonlocal attempts
            while True:
                attempts = 0
                try:
                    return await self.database.write(attempt, repeatable=True)
                except Beforehand as wanted:
                    await wanted.settle(self.database)
                    done.append(wanted)

        try:
            answer, replayed = await transact()
        except Denied as denied:
            await record_denial(self.database, self.actor, denied)
            raise
        except (IntegrityError, psycopg.IntegrityError) as error:
            broken = conflict(error, f"{self.request.method} {self.request.url.path}")
            await record_denial(self.database, self.actor, broken)
            raise broken from error
        self.request.app.state.notes.written()
        response = JSONResponse(answer, status)
        if isinstance(answer, dict) and isinstance(version := answer.get("version"), int):
            etag(response, version)
        if replayed:
            response.headers["Idempotency-Replayed"] = "true"
        return response

    async def _fingerprint(self) -> bytes:
        """Keyed: a body may hold a password, which its stored hash must not help to guess."""
        url, secret = self.request.url, self.request.app.state.fingerprint_key
        digest = hmac.new(secret, f"{self.request.method} {url.path}?{url.query}\n".encode(), hashlib.sha256)
        digest.update(await self.request.body())
        return digest.digest()


async def record_denial(database: Database, actor: Actor, error: Exception) -> None:
    """When it is one."""
    if isinstance(error, Denied):
        await database.write(lambda session: error.remember(session, actor), repeatable=True)


def writing(permission: Permission) -> Callable[..., Awaitable[Write]]:
    """Dependency: a Write of an actor that may, under the request's Idempotency-Key."""

    authorised = Depends(permitted(permission))

    async def write(request: Request, key: Key, actor: Actor = authorised) -> Write:
        return Write(actor, request.app.state.database, request, key)

    return write


async def writing_own(request: Request, key: Key, actor: Annotated[Actor, Depends(authenticated)]) -> Write:
    """Dependency: a Write of whoever is authenticated, to their own account alone."""
    return Write(actor, request.app.state.database, request, key)


def _in_flight() -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        "idempotency-key-in-flight",
        "A request with this Idempotency-Key is being answered",
        "Send it again, with the same key, in a moment.",
        headers={"Retry-After": "1"},
    )


def _reused() -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency-key-reused",
        "This Idempotency-Key was used for another request",
        "Give each new request a key of its own; repeat a key only with the same request.",
    )


def conflict(error: IntegrityError | psycopg.IntegrityError, wanted: str) -> Exception:
    """Denied by a constraint that the domain did not answer for itself. Without a name it is none: a missing partition,
    say."""
    cause = driver_error(error)
    if cause is None or cause.diag.constraint_name is None:
        return error
    rule = cause.diag.constraint_name
    return Denied(
        RecordRef(cause.diag.table_name or "constraint", rule),
        wanted,
        f"The record breaks the rule {rule}",
        cause.diag.message_detail or cause.diag.message_primary,
        kind="conflict",
    )
