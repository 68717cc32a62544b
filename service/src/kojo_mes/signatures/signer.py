"""Who signs: the person of the session, entitled and authenticated anew for each signature."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from kojo_mes.identity import repository as people
from kojo_mes.identity.roles import JobRole
from kojo_mes.identity.service import signing_obstacle, verify_password
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.security import Actor
from kojo_mes.signatures import repository
from kojo_mes.signatures.policy import policy
from kojo_mes.signatures.refusal import Refusal
from kojo_mes.signatures.schemas import Authentication, Credentials


class Signer(NamedTuple):
    id: str
    user_name: str
    name: str
    session_id: str


async def entitled(session: ReadSession, actor: Actor, role: JobRole, refuse: Refusal) -> Signer:
    """The actor, if this person may sign in this role now (11.10(i) and (j), 11.100(b))."""
    if actor.kind != "person" or actor.session_id is None:
        raise refuse.forbidden("not-a-person", "Only people sign", f"{actor.name} is a {actor.kind}.")
    if obstacle := await signing_obstacle(session, actor.id, role):
        raise refuse.forbidden("may-not-sign", "The signature is refused", f"{obstacle[0].upper()}{obstacle[1:]}.")
    person = await people.person(session, actor.id)
    assert person is not None
    return Signer(person.id, person.user_name, person.name, actor.session_id)


async def authenticate(
    session: WriteSession, signer: Signer, given: Credentials, now: datetime, refuse: Refusal
) -> Authentication:
    """11.200(a)(1): user name and password for the first signature of a continuous period, the password for the next
    ones. A period belongs to one login, and ends when nothing was signed for the idle timeout."""
    period = await repository.signing_session(session, signer.session_id)
    idle = timedelta(seconds=policy(session).signing_idle_timeout)
    continuous = period is not None and period.signer_id == signer.id and now - period.last_signed_at < idle
    if given.user_name is None and not continuous:
        raise refuse.unauthenticated(
            "user-name-needed",
            "The user name is needed as well as the password",
            "The first signature of a session, or after a pause, takes both (21 CFR 11.200(a)(1)).",
        )
    if given.user_name is not None and given.user_name != signer.user_name:
        raise refuse.unauthenticated("not-your-signature", "The user name is not that of this session's person")
    await verify_password(session, signer.id, given.password.get_secret_value())
    return Authentication.USER_NAME_AND_PASSWORD if given.user_name is not None else Authentication.PASSWORD
