"""Seals: what is sealed, in which order, by whom; RFC 6962's trees; the file off the database's hosts."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest
import servers
from authority import seal_key
from conftest import client_of
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from trail import Trail, forget, unguarded

from kojo_mes.api import create_app
from kojo_mes.audit import merkle, sealer
from kojo_mes.audit.sealer import ChainBroken, last_published
from kojo_mes.kit.database import Database
from kojo_mes.kit.settings import ApiSettings

# inputs and roots of Certificate Transparency's reference test (RFC 6962)
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.fixture
async def service(settings: ApiSettings) -> AsyncIterator[Database]:
    database = Database(settings)
    yield database
    await database.close()


@pytest.fixture
def trail(service: Database, tmp_path: Path, admin: psycopg.Connection) -> Trail:
    forget(admin)
    return Trail.begin(service, tmp_path)


def by_recursion(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + by_recursion(leaves[:half]) + by_recursion(leaves[half:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    leaves = [merkle.leaf(bytes.fromhex(text)) for text in CT_LEAVES[:size]]
    assert merkle.root(leaves).hex() == CT_ROOTS[size - 1]


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70))
def test_roots_are_those_of_the_rfc(leaves: list[bytes]) -> None:
    assert merkle.root(leaves) == by_recursion(leaves)


async def test_seals_are_chained_signed_and_written_down(trail: Trail, admin: psycopg.Connection) -> None:
    await trail.write(3)
    assert await trail.seal() == 3
    await trail.write(2)
    assert await trail.seal() == 2
    key = load_pem_public_key((trail.folder / "seal.pub").read_bytes())
    previous, count = bytes(32), 0
    rows = admin.execute(
        "SELECT number, body, hash, signature, events, leaves FROM mes.audit_seal ORDER BY 1"
    ).fetchall()
    for number, body, digest, signature, events, leaves in rows:
        values, count = json.loads(body), count + events
        assert values["number"] == number
        assert values["previous"] == previous.hex()
        assert values["root"] == by_recursion([leaves[i : i + 32] for i in range(0, len(leaves), 32)]).hex()
        assert digest == hashlib.sha256(body.encode()).digest()
        key.verify(signature, b"kojo.audit.seal.v1\0" + body.encode())  # type: ignore[union-attr,call-arg]
        previous = digest
    assert count == 5
    [file] = trail.seals.iterdir()
    assert [json.loads(line)["seal"] for line in file.read_text().splitlines()] == [json.loads(row[1]) for row in rows]


async def test_a_row_of_a_transaction_that_is_still_open_is_waited_for(
    trail: Trail, postgres: servers.Postgres, database: str
) -> None:
    """Its number is lower than that of the rows after it: sealing up to max(id) would pass it by."""
    with psycopg.connect(postgres.conninfo(database, "kojo_app")) as slow:
        slow.execute(
            "INSERT INTO mes.audit_event (source, actor_kind, actor_id, actor_name, actor_roles, action, record_type,"
            " record_id) VALUES ('service', 'person', 'slow', 'slow', '{}', 'lots:change', 'lot', 'slow')"
        )
        await trail.write(3)
        assert await sealer.seal(trail.database, trail.signer) == 0
        slow.commit()
    assert await trail.seal() == 4


async def test_a_batch_that_is_too_large_is_sealed_in_steps(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "BATCH", 4)
    await trail.write(10)
    assert [await trail.seal() for _ in range(3)] == [4, 4, 2]


async def test_one_sealer_wins(trail: Trail, admin: psycopg.Connection) -> None:
    await trail.write(100)
    counts = await asyncio.gather(*(sealer.seal(trail.database, trail.signer) for _ in range(4)))
    assert sum(counts) == 100
    assert admin.execute("SELECT count(*), sum(events) FROM mes.audit_seal").fetchone() == (1, 100)


async def test_silence_has_a_heartbeat_a_minute_not_more(trail: Trail, admin: psycopg.Connection) -> None:
    for _ in range(3):
        await sealer.seal(trail.database, trail.signer)
    assert admin.execute("SELECT count(*) FROM mes.audit_event WHERE action = 'audit:heartbeat'").fetchone() == (1,)
    assert admin.execute("SELECT sum(events) FROM mes.audit_seal").fetchone() == (1,)


async def test_numbers_that_json_cannot_hold_do_not_stop_the_sealer(trail: Trail, admin: psycopg.Connection) -> None:
    admin.execute("CREATE TABLE mes.odd (id bigint PRIMARY KEY, mass numeric, ratio double precision)")
    admin.execute("SELECT mes.audit_table('mes.odd')")
    admin.execute("INSERT INTO mes.odd VALUES (9223372036854775807, 1e400, 'NaN'), (1, 1.10, 1e22)")
    assert await trail.seal() == 2


async def test_a_line_that_a_crash_cut_off_is_written_again(trail: Trail) -> None:
    await trail.write(1)
    await trail.seal()
    [file] = trail.seals.iterdir()
    whole = file.read_bytes()
    await trail.write(1)
    await trail.seal()
    complete = file.read_bytes()
    for left in (whole + b'{"leaves":"00', complete[:-1], b""):
        file.write_bytes(left)
        await sealer.publish(trail.database, trail.seals, 2)
        assert file.read_bytes() == complete
    assert last_published(trail.seals)[0] == 2


async def test_seals_rewritten_or_removed_in_the_database_are_found_by_the_file(
    trail: Trail, admin: psycopg.Connection
) -> None:
    for _ in range(3):
        await trail.write(1)
        await trail.seal()
    unguarded(admin)
    admin.execute("DELETE FROM mes.audit_seal WHERE number > 1")
    with pytest.raises(ChainBroken, match="removed"):
        await sealer.publish(trail.database, trail.seals, 1)
    # the same again, sealed anew: the chain has a fork where the file has its last line
    for _ in range(3):
        await trail.write(1)
        await sealer.seal(trail.database, trail.signer)
    with pytest.raises(ChainBroken, match="doesn't continue"):
        await sealer.publish(trail.database, trail.seals, 4)


async def test_the_api_seals_by_itself_and_tells_its_age(
    settings: ApiSettings, tmp_path: Path, admin: psycopg.Connection
) -> None:
    (tmp_path / "seals").mkdir()
    sealing = settings.model_copy(update={"seal_key_file": seal_key(tmp_path), "seal_directory": tmp_path / "seals"})

    def sealed() -> bool:
        count = admin.execute("SELECT count(*) FROM mes.audit_seal").fetchone()
        return count != (0,) and last_published(tmp_path / "seals")[0] > 0

    async with client_of(create_app(sealing)) as client:
        await asyncio.to_thread(servers.wait_until, sealed, "a seal")
        metrics = (await client.get("/metrics")).text
    [age] = [line for line in metrics.splitlines() if line.startswith("audit_seal_age_seconds ")]
    assert 0 <= float(age.split()[1]) < servers.START_SECONDS
