"""Electronic signatures: given by the person themselves, bound to a record's version (21 CFR 11.50 to 11.200)."""

from __future__ import annotations

from datetime import timedelta

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.security import Actor
from kojo_mes.signatures import repository
from kojo_mes.signatures.manifestation import shown
from kojo_mes.signatures.models import SignatureRow
from kojo_mes.signatures.moment import moment
from kojo_mes.signatures.policy import policy
from kojo_mes.signatures.refusal import Refusal
from kojo_mes.signatures.schemas import Credentials, Meaning, Signature
from kojo_mes.signatures.signer import authenticate, entitled
from kojo_mes.signatures.verification import attested

FORGOTTEN_AFTER = timedelta(days=1)  # a signing session this idle has long ended


async def sign(
    session: WriteSession,
    actor: Actor,
    credentials: Credentials,
    ref: RecordRef,
    digest: bytes,
    meaning: Meaning,
    role: JobRole,
) -> Signature:
    """The actor's signature on the version that `ref` names, with `digest` of its canonical JSON (SHA-256).

    Raises Denied, whose audit entry is written: 403 for who may not sign (in this role), 401 for credentials that
    don't do, 409 for a second signature of the same meaning, 503 while no clock can be relied on.
    """
    refuse = Refusal(ref, meaning, role)
    person = await entitled(session, actor, role, refuse)
    if await repository.already(session, ref, meaning, person.id):
        raise refuse.conflict("already-signed", "You have signed this version with this meaning")
    signed_at, clock_status, clock_error = await moment(session, refuse)
    authentication = await authenticate(session, person, credentials, signed_at, refuse)
    row = SignatureRow(
        id=new_id(),
        record_type=ref.type,
        record_id=ref.id,
        record_version=ref.version,
        record_digest=digest,
        meaning=meaning,
        signer_id=person.id,
        user_name=person.user_name,
        printed_name=person.name,
        role=role,
        signed_at=signed_at,
        time_zone=policy(session).time_zone,
        authentication=authentication,
        clock_status=clock_status,
        clock_error=clock_error,
        session_id=person.session_id,
        request_id=actor.request_id,
    )
    await repository.add(session, row)
    await repository.continue_session(session, person.session_id, person.id, signed_at)
    await audit.record(session, actor, repository.ACTION, RecordRef(repository.RECORD_TYPE, row.id), new=attested(row))
    return shown(row)


async def signatures_of(session: ReadSession, ref: RecordRef) -> list[Signature]:
    """On the version of `ref`, or on all versions when it names none; in the order of time."""
    return [shown(row) for row in await repository.of_record(session, ref)]


async def housekeeping(database: Database) -> None:
    async def work(session: WriteSession) -> None:
        await repository.forget_sessions(session, await now(session) - FORGOTTEN_AFTER)

    await database.write(work, repeatable=True)
