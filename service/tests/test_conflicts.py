"""What a rule of the shop floor's records refuses is a conflict, and the attempt is on record."""

from __future__ import annotations

from floor import LINE, PRODUCT, Floor, Json, floor, iso
from people import Somebody

__all__ = ["floor"]


async def refusal(floor: Floor, path: str, body: Json, kind: str, who: Somebody | None = None) -> tuple[str, str, str]:
    """Record type and id of its one audit entry, and what was wanted. It says why, and who tried."""
    who = who or floor.lead
    problem = await floor.refused(409, who, "POST", path, body)
    assert problem["type"] == f"urn:kojo:problem:{kind}"
    (row,) = floor.admin.execute(
        "SELECT actor_id, record_type, record_id, new ->> 'wanted', reason FROM mes.audit_event"
        " WHERE action = 'denied' AND actor_id = %s ORDER BY id DESC LIMIT 1",
        (who.id,),
    ).fetchall()
    reason = ". ".join(filter(None, (problem["title"], problem.get("detail"))))
    assert (row[0], row[4]) == (who.id, reason)
    return row[1], row[2], row[3]


def denied(floor: Floor) -> int:
    row = floor.admin.execute("SELECT count(*) FROM mes.audit_event WHERE action = 'denied'").fetchone()
    assert row
    return int(row[0])


async def test_what_is_there_already_is_a_conflict_on_record(floor: Floor) -> None:
    product = {"id": PRODUCT, "name": {"en": "Housing"}}
    assert await refusal(floor, "/products", product, "product-exists") == ("product", PRODUCT, "add")
    reason = {"state": "unplanned_stop", "code": "crane", "name": {"en": "Waiting for the crane"}}
    await floor.done(floor.lead, "POST", "/state-reasons", reason)
    assert await refusal(floor, "/state-reasons", reason, "reason-exists") == (
        "state_reason",
        "unplanned_stop:crane",
        "add",
    )
    assert denied(floor) == 2


async def test_a_cycle_time_before_a_later_one_is_a_conflict_on_record(floor: Floor) -> None:
    path = f"/lines/{LINE}/ideal-cycle-times"
    time = {"product": PRODUCT, "seconds": "12", "valid_from": "2026-03-01T00:00:00Z", "reason": "measured"}
    later = await floor.done(floor.lead, "POST", path, time)
    record = await refusal(floor, path, time | {"valid_from": "2026-02-01T00:00:00Z"}, "later-cycle-time")
    assert record[:2] == ("ideal_cycle_time", later["id"])
    assert "2026-02-01" in record[2]


async def test_a_time_without_a_state_is_a_conflict_on_record(floor: Floor) -> None:
    body = {**floor.during("05:00", "07:00"), "state": "no_shift", "explanation": "x"}
    path = f"/lines/{LINE}/states/reclassifications"
    assert await refusal(floor, path, body, "no-state") == ("line", LINE, "reclassify")


async def test_a_count_of_a_counted_time_is_a_conflict_on_record(floor: Floor) -> None:
    await floor.count("06:00", "07:00", 10)
    stored = floor.admin.execute("SELECT id, version FROM mes.production_count").fetchone()
    assert stored
    other = {"product": PRODUCT, "from": iso(floor.at("06:30")), "to": iso(floor.at("06:40")), "good": 7}
    counts = {"counts": [other | {"scrap": 1, "rework": 0}]}
    assert await refusal(floor, f"/lines/{LINE}/counts", counts, "counted-already", floor.leader) == (
        "production_count",
        stored[0],
        "7 good, 1 scrap, 0 rework",
    )
    assert denied(floor) == 1
