"""Audit review and release: by two people, of one lot or of many under one signature."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from material import Warehouse, refused
from people import somebody
from shop import Shop, made, problem, shop, signature
from test_audit_records import Auditor, auditor
from test_lots import quality

__all__ = ["auditor", "quality", "shop"]
SERIAL = {"kind": "serial", "unit": "pcs"}


async def serials(shop: Shop, *numbers: str) -> list[str]:
    """Of one order, each made."""
    order = await shop.running(unit="pcs", quantity="100")
    for number in numbers:
        await shop.lot(number, order, **SERIAL)
        made(await shop.book(number, "production", "1", unit="pcs"))
    return list(numbers)


async def seen(shop: Shop, lots: list[str]) -> list[dict[str, Any]]:
    return [{"lot": lot, "version": await shop.version(lot)} for lot in lots]


async def review_all(shop: Shop, numbers: list[str], **other: Any) -> httpx.Response:
    body = {"lots": await seen(shop, numbers), "signature": signature(shop.inspector, "quality_inspector"), **other}
    return await shop.send(shop.inspector, "traceability/audit-reviews", body)


async def release_all(shop: Shop, numbers: list[str], **other: Any) -> httpx.Response:
    body = {"lots": await seen(shop, numbers), "signature": signature(shop.quality, "quality_manager"), **other}
    return await shop.send(shop.quality, "traceability/releases", body)


async def signatures_of(shop: Shop, lot: str) -> list[dict[str, Any]]:
    return list((await shop.get("signatures", record_type="lot", record_id=lot)).json()["items"])


async def test_serials_are_reviewed_and_released_by_one_signature_each(shop: Shop) -> None:
    lots = await serials(shop, "S-1", "S-2", "S-3")
    reviewed = made(await review_all(shop, lots))
    released = made(await release_all(shop, lots))
    assert [(lot["id"], lot["state"]) for lot in released["lots"]] == [(lot, "released") for lot in lots]
    assert {lot["reviewed_by"] for lot in released["lots"]} == {shop.inspector.id}
    assert {lot["released_by"] for lot in released["lots"]} == {shop.quality.id}
    assert {lot["release_list"] for lot in released["lots"]} == {released["signature"]["record_id"]}
    count = shop.admin.execute("SELECT count(*) FROM mes.signature").fetchone()
    assert count == (2,), "one re-authentication each, however many serials"
    for lot in lots:
        assert [(item["id"], item["validity"]) for item in await signatures_of(shop, lot)] == [
            (reviewed["id"], "valid"),
            (released["signature"]["id"], "valid"),
        ]
        assert shop.audited(lot)[-1] == "traceability:release"
    covered = (await shop.get(f"signatures/{released['signature']['id']}/records")).json()["items"]
    assert [(item["record_type"], item["record_id"], item["record_version"]) for item in covered] == [
        ("lot", lot, 2) for lot in lots
    ]
    # they are used like others
    sent = {"consignee": "Sato KK", "delivery": "D-1", "unit": "pcs"}
    made(await shop.book("S-1", "shipments", "1", shop.leader, **sent))
    assert {item["validity"] for item in await signatures_of(shop, "S-1")} == {"valid"}


async def test_the_history_of_a_serial_shows_the_signing_of_its_list(shop: Shop) -> None:
    lots = await serials(shop, "S-1", "S-2")
    made(await review_all(shop, lots))
    made(await release_all(shop, ["S-2"]))
    auditor = somebody(shop.admin, "auditor")
    found: dict[str, list[str]] = {}
    for lot in lots:
        events = (await shop.get("audit/events", auditor, record_type="lot", record_id=lot)).json()["items"]
        found[lot] = [event["action"] for event in reversed(events) if event["action"].startswith("signatures:")]
    assert found["S-1"] == ["signatures:list", "signatures:sign"]
    assert found["S-2"] == ["signatures:list", "signatures:sign"] * 2


async def test_a_single_signature_does_for_one_of_several(shop: Shop) -> None:
    lots = await serials(shop, "S-1", "S-2")
    made(await shop.review("S-1"))
    made(await review_all(shop, ["S-2"]))
    made(await release_all(shop, lots))
    rows = shop.admin.execute(
        "SELECT id, review_list IS NULL, release_list IS NULL FROM mes.lot ORDER BY id"
    ).fetchall()
    assert rows == [("S-1", True, False), ("S-2", False, False)]


async def test_none_is_released_while_one_lacks_something(shop: Shop, quality: Warehouse) -> None:
    lots = await serials(shop, "S-1", "S-2", "S-3")
    made(await review_all(shop, lots[:2]))
    hold = quality.hold("S-2")
    answer = await release_all(shop, lots)
    assert problem(answer) == (409, "not-releasable")
    faults = {(fault["index"], fault["field"]): fault["detail"] for fault in answer.json()["errors"]}
    # a lot that is held has another version than its review
    assert faults.keys() == {(1, "holds"), (1, "review"), (2, "review")}
    assert hold in faults[1, "holds"]
    assert all("S-2" in detail for (index, _), detail in faults.items() if index == 1)
    assert [len(shop.denied(lot)) for lot in lots] == [0, 1, 1]
    assert shop.admin.execute("SELECT count(*) FROM mes.lot WHERE state = 'released'").fetchone() == (0,)
    assert shop.admin.execute("SELECT count(*) FROM mes.signature WHERE meaning = 'release'").fetchone() == (0,)


async def test_a_wrong_password_is_remembered_and_nothing_else_stays(shop: Shop) -> None:
    lots = await serials(shop, "S-1", "S-2")
    wrong = {"signature": signature(shop.inspector, "quality_inspector", "not the password")}
    assert (await review_all(shop, lots, **wrong)).status_code == 403
    unnamed = {"signature": {"role": "quality_inspector", "password": "not the password"}}
    assert problem(await review_all(shop, lots, **unnamed)) == (401, "user-name-needed")
    assert [len(shop.denied(lot)) for lot in lots] == [1, 1]
    other = {"signature": signature(shop.inspector, "operator")}
    assert problem(await review_all(shop, lots, **other)) == (403, "not-permitted")
    assert shop.admin.execute("SELECT count(*) FROM mes.signed_list_item").fetchone() == (0,)


async def test_what_has_changed_or_is_not_there_is_named(shop: Shop) -> None:
    lots = await serials(shop, "S-1", "S-2")
    stale = await review_all(shop, lots, lots=[{"lot": "S-1", "version": 2}, {"lot": "S-2", "version": 1}])
    assert problem(stale) == (409, "version-changed")
    assert [(fault["index"], fault["field"]) for fault in stale.json()["errors"]] == [(1, "version")]
    for wrong, field in (
        ([{"lot": "S-9", "version": 1}], "lot"),
        ([{"lot": "S-1", "version": 2}, {"lot": "S-1", "version": 2}], "lots"),
        ([], "lots"),
    ):
        answer = await release_all(shop, lots, lots=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_lists_are_held_against_the_trail(shop: Shop, auditor: Auditor) -> None:
    lots = await serials(shop, "S-1", "S-2")
    made(await review_all(shop, lots))
    made(await release_all(shop, lots))
    code, said = await auditor.verify()
    assert code == 0, said
    # its digests are held against the records whenever its signature is verified, below
    edit = "UPDATE mes.signed_list_item SET record_version = {} WHERE record_id = 'S-2'"
    found = await auditor.finds("signed_list_item", edit.format(3), edit.format(2))
    assert found.startswith("mes.signed_list_item: removed: ")
    assert "/lot/S-2/2: it is not there" in found
    add = "INSERT INTO mes.signed_list_item VALUES ('zz', 'lot', 'S-1', 2, sha256('x'))"
    found = await auditor.finds("signed_list_item", add, "DELETE FROM mes.signed_list_item WHERE list_id = 'zz'")
    assert found.startswith("mes.signed_list_item: inserted: ")
    assert "zz/lot/S-1/2: no entry of the trail tells of it" in found
    swap = "UPDATE mes.lot SET reviewed_by = released_by, released_by = reviewed_by WHERE id = 'S-1'"
    assert "reviewed_by, released_by: not as the trail has it" in await auditor.finds("lot", swap, swap)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "UPDATE mes.material_movement SET reason = NULL, time = time - interval '1 d' WHERE lot_id = 'S-2'",
            "version 2 of lot S-2, which is on it, is not as it was signed",
        ),
        (
            "UPDATE mes.signed_list_item SET record_digest = sha256('x') WHERE record_id = 'S-2'",
            "lot S-2, which is on it",
        ),
        ("DELETE FROM mes.signed_list_item WHERE record_id = 'S-2'", "is not as it was signed"),
        (
            "INSERT INTO mes.signed_list_item SELECT DISTINCT list_id, 'lot', 'S-3', 2, sha256('x')"
            " FROM mes.signed_list_item",
            "lot S-3, which is on it",
        ),
    ],
)
async def test_a_superuser_who_tampers_with_one_is_found_on_all(shop: Shop, statement: str, said: str) -> None:
    lots = await serials(shop, "S-1", "S-2", "S-3")
    made(await review_all(shop, lots[:2]))
    with shop.admin.transaction():
        shop.admin.execute("SET LOCAL session_replication_role = replica")
        for table in ("material_movement", "signed_list_item"):
            shop.admin.execute(f"ALTER TABLE mes.{table} DISABLE TRIGGER USER".encode())
        assert shop.admin.execute(statement.encode()).rowcount == 1
    (found,) = await signatures_of(shop, "S-1")
    assert found["validity"] == "invalid"
    assert said in found["reason"]
    assert problem(await release_all(shop, ["S-2"])) == (409, "not-releasable")


async def test_who_reviewed_does_not_release(shop: Shop) -> None:
    (lot,) = await serials(shop, "S-1")
    made(await shop.review(lot, shop.quality, "quality_manager"))
    for answer in (await shop.sign_release(lot), await release_all(shop, [lot])):
        assert problem(answer) == (409, "not-releasable")
        (fault,) = answer.json()["errors"]
        assert fault["field"] == "review"
        assert "lot_is_released_by_another" in fault["detail"]
    assert len(shop.denied(lot)) == 2
    made(await shop.review(lot))
    assert made(await shop.sign_release(lot))["reviewed_by"] == shop.inspector.id


def test_not_even_the_database_lets_who_reviewed_release(quality: Warehouse) -> None:
    lot = quality.lot("R", None)
    quality.move("received", lot, 1)
    quality.reviewer = quality.signer
    with refused("lot_is_released_by_another"):
        quality.release(lot)


async def test_the_database_takes_no_list_that_a_lot_is_not_on(shop: Shop, quality: Warehouse) -> None:
    lots = await serials(shop, "S-1", "S-2")
    made(await review_all(shop, lots[:1]))
    made(await shop.review("S-2"))
    list_id = shop.admin.execute("SELECT list_id FROM mes.signed_list_item").fetchone()
    assert list_id
    release = (
        "UPDATE mes.lot SET state = 'released', signed_version = version, reviewed_by = %s, review_list = %s,"
        " reviewer_role = 'quality_inspector', released_by = %s WHERE id = 'S-2'"
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match=r"lot_is_on_its_review_list|lot_release_is_signed"):
        quality.app.execute(release, (shop.inspector.id, list_id[0], shop.quality.id))
    with refused("lot_is_on_lists_when_released"):
        quality.app.execute("UPDATE mes.lot SET review_list = %s WHERE id = 'S-1'", list_id)
    made(await release_all(shop, ["S-1"]))
    with refused("lot_is_released_once"):
        quality.app.execute("UPDATE mes.lot SET release_list = NULL WHERE id = 'S-1'")
    for statement in ("UPDATE mes.signed_list_item SET record_id = 'x'", "DELETE FROM mes.signed_list_item"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shop.admin.execute(statement.encode())
