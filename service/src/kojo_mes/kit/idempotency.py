"""SQL of idempotency keys: a write's first answer is stored in its own transaction, and answers each repeat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, LiteralString, NamedTuple

from sqlalchemy import text

from kojo_mes.kit.database import WriteSession

LIFETIME = timedelta(days=30)  # longer than the oldest reading that is taken

# The row is written on a replay too. Its COMMIT then waits for the synchronous standby like the first one's, so that
# a replay can't acknowledge what only the old primary knows.
CLAIM = """
    INSERT INTO mes.idempotency_key (client, key, request_hash) SELECT :client, :key, CAST(:request_hash AS bytea)
    {condition}
    ON CONFLICT (client, key) DO UPDATE SET asked_at = now()
    RETURNING request_hash, response
"""
CLAIM_WAITING = text(CLAIM.format(condition=""))
# a lock that ends with the transaction: whoever else holds it is still at work under the same key
CLAIM_FREE = text(
    CLAIM.format(condition="WHERE pg_try_advisory_xact_lock(hashtextextended(:client || chr(10) || :key, 0))")
)
REMEMBER: LiteralString = """
    UPDATE mes.idempotency_key SET response = CAST(%(response)s AS jsonb)
    WHERE client = %(client)s AND key = %(key)s
"""
FORGET = text("DELETE FROM mes.idempotency_key WHERE created_at < now() - CAST(:age AS interval)")


class Claim(NamedTuple):
    request_hash: bytes
    response: dict[str, Any] | None


async def claim(session: WriteSession, client: str, key: str, request_hash: bytes, *, wait: bool) -> Claim | None:
    """The key's first request and its answer, if it has one. A transaction that holds the key is waited for, or with
    `wait=False` makes this None."""
    statement = CLAIM_WAITING if wait else CLAIM_FREE
    values = {"client": client, "key": key, "request_hash": request_hash}
    row = (await session.execute(statement, values)).one_or_none()
    return Claim(bytes(row.request_hash), row.response) if row else None


def remember(session: WriteSession, client: str, key: str, response: str) -> None:
    """At COMMIT."""
    session.leave(REMEMBER, {"client": client, "key": key, "response": response})


async def forget(session: WriteSession) -> None:
    await session.execute(FORGET, {"age": LIFETIME})
