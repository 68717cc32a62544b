"""Nonconformances and holds through the API: states, authority, signatures, closure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laboratory import BORE, ROLES, Laboratory, laboratory

from kojo_mes.identity.matrix import OPERATIONS
from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.ids import new_id
from kojo_mes.nonconformance.states import AUTHORITY, Disposition

__all__ = ["laboratory"]
PLACE = {"line": "line-1", "product": "housing-100"}


async def reported(laboratory: Laboratory, **more: Any) -> dict[str, Any]:
    page = PLACE | {"lot": "L-1", "description": "scratches"} | more
    return await laboratory.made("/nonconformances", page, "operator")


async def reviewed(laboratory: Laboratory, **more: Any) -> dict[str, Any]:
    found = await reported(laboratory, **more)
    path = f"/nonconformances/{found['id']}/review"
    return await laboratory.made(path, {"reason": "segregated"}, "quality_inspector", version=1)


def deciding(laboratory: Laboratory, disposition: str, role: str = "quality_manager", **more: Any) -> dict[str, Any]:
    body = {"disposition": disposition, "justification": "W-17", "signature": laboratory.signature(role)}
    return body | ({"concession": "K-0042"} if disposition == "use-as-is" else {}) | more


async def disposed(laboratory: Laboratory, disposition: str, **more: Any) -> dict[str, Any]:
    found = await reviewed(laboratory, **more)
    path = f"/nonconformances/{found['id']}/disposition"
    return await laboratory.made(path, deciding(laboratory, disposition), version=2)


async def detail(laboratory: Laboratory, nonconformance: str) -> dict[str, Any]:
    answer = await laboratory.get(f"/nonconformances/{nonconformance}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_from_report_to_closure(laboratory: Laboratory) -> None:
    opened = await reported(laboratory)
    assert (opened["state"], opened["version"], opened["source"]) == ("open", 1, "report")
    (hold,) = (await laboratory.get("/holds", active="true", lot="L-1")).json()["items"]
    assert hold["nonconformance"] == opened["id"]
    path = f"/nonconformances/{opened['id']}"
    await laboratory.made(f"{path}/review", {"reason": "segregated"}, "quality_inspector", version=1)
    early = await laboratory.post(f"/holds/{hold['id']}/release", {"reason": "hurry"}, version=1)
    assert (early.status_code, early.json()["type"]) == (409, "urn:kojo:problem:undecided")
    decided = await laboratory.made(f"{path}/disposition", deciding(laboratory, "use-as-is"), version=2)
    assert (decided["state"], decided["version"], decided["disposition"]) == ("dispositioned", 3, "use-as-is")
    held = await laboratory.post(f"{path}/closure", {"note": "done"}, version=3)
    assert (held.status_code, held.json()["type"]) == (409, "urn:kojo:problem:active-hold")
    released = await laboratory.made(f"/holds/{hold['id']}/release", {"reason": "conceded"}, version=1)
    assert (released["version"], released["released_by"]) == (2, laboratory.people["quality_manager"].id)
    closed = await laboratory.made(f"{path}/closure", {"note": "done"}, version=3)
    assert (closed["state"], closed["version"]) == ("closed", 4)

    found = await detail(laboratory, opened["id"])
    (disposition,), (signature,) = found["dispositions"], found["signatures"]
    assert (disposition["version"], disposition["concession"], disposition["decided_role"]) == (
        3,
        "K-0042",
        "quality_manager",
    )
    assert (signature["record_version"], signature["meaning"], signature["signer_id"]) == (
        3,
        "disposition",
        laboratory.people["quality_manager"].id,
    )
    query = "SELECT array_agg(action ORDER BY id) FROM mes.audit_event WHERE record_id = %s AND action LIKE 'nonconf%%'"
    assert laboratory.one(query, opened["id"]) == [
        f"nonconformances:{verb}" for verb in ("open", "review", "dispose", "close")
    ]


async def test_dispositions_need_authority_by_the_matrix_and_by_the_database(laboratory: Laboratory) -> None:
    """Who may: written here anew; the matrix, the API and the tables' constraint say the same."""
    for disposition in Disposition:
        await decided_by_whom_it_may(laboratory, disposition)


async def decided_by_whom_it_may(laboratory: Laboratory, disposition: Disposition) -> None:
    already = laboratory.one("SELECT count(*) FROM mes.audit_event WHERE action = 'denied'")
    allowed = {"quality_manager"} | ({"manufacturing_lead"} if disposition in ("rework", "scrap") else set())
    assert {role.value for role in OPERATIONS[AUTHORITY[disposition]]} == allowed
    found = await reviewed(laboratory)
    path = f"/nonconformances/{found['id']}/disposition"
    for role in [role for role in ROLES if role not in allowed]:
        answer = await laboratory.post(path, deciding(laboratory, disposition, role), role, version=2)
        assert answer.status_code == 403, (role, answer.text)
    # not in another's role either
    answer = await laboratory.post(
        path, deciding(laboratory, disposition, "quality_manager"), "manufacturing_lead", version=2
    )
    assert answer.status_code == 403
    assert laboratory.one("SELECT count(*) FROM mes.disposition WHERE nonconformance_id = %s", found["id"]) == 0
    denied = laboratory.one("SELECT count(*) FROM mes.audit_event WHERE action = 'denied'") - already
    assert denied == len(ROLES) - len(allowed) + 1
    for role in JobRole:
        refused = role not in allowed
        with pytest.raises(psycopg.errors.CheckViolation if refused else psycopg.errors.ForeignKeyViolation):
            laboratory.admin.execute(
                "INSERT INTO mes.disposition (nonconformance_id, version, disposition, justification, concession,"
                " decided_by, decided_role) VALUES (%s, 9, %s, 'x', %s, 'me', %s)",
                (found["id"], disposition, "K" if disposition == "use-as-is" else None, role),
            )
    role = sorted(allowed)[0]
    await laboratory.made(path, deciding(laboratory, disposition, role), role, version=2)


async def test_a_disposition_without_a_valid_signature_is_none(laboratory: Laboratory) -> None:
    found = await reviewed(laboratory)
    path = f"/nonconformances/{found['id']}/disposition"
    wrong = deciding(laboratory, "scrap") | {"signature": laboratory.signature("quality_manager", "not-my-password")}
    assert (await laboratory.post(path, wrong, version=2)).status_code == 403
    nameless = deciding(laboratory, "scrap")
    nameless["signature"].pop("user_name")
    assert (await laboratory.post(path, nameless, version=2)).status_code in (401, 403), "a session's first signature"
    assert laboratory.one("SELECT state, version FROM mes.nonconformance") == ("under_review", 2)
    for wrong_field in ({"disposition": "ignore"}, {"justification": " "}, {"concession": "K-1"}):
        answer = await laboratory.post(path, deciding(laboratory, "scrap") | wrong_field, version=2)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, next(iter(wrong_field)))
    unconceded = deciding(laboratory, "use-as-is") | {"concession": None}
    assert (await laboratory.post(path, unconceded, version=2)).json()["errors"][0]["field"] == "concession"


async def test_a_signature_tells_when_its_record_was_altered(laboratory: Laboratory) -> None:
    found = await disposed(laboratory, "scrap")
    query = {"record_type": "nonconformance", "record_id": found["id"]}

    async def validity() -> str:
        (signature,) = (await laboratory.get("/signatures", **query)).json()["items"]
        return str(signature["validity"])

    assert await validity() == "valid"
    await laboratory.made(f"/nonconformances/{found['id']}/closure", {"note": "gone"}, version=3)
    assert await validity() == "valid", "closing leaves the disposition as it was signed"
    laboratory.admin.execute("ALTER TABLE mes.nonconformance DISABLE TRIGGER moves")
    laboratory.admin.execute("UPDATE mes.nonconformance SET description = 'nothing at all'")
    assert await validity() == "invalid"


async def test_rework_is_closed_by_a_check_that_verifies_it(laboratory: Laboratory) -> None:
    await laboratory.variable()
    before = await laboratory.check(laboratory.measured(74.0, lot="L-1"))
    found = await disposed(laboratory, "rework", characteristic=BORE)
    (hold,) = (await detail(laboratory, found["id"]))["holds"]
    await laboratory.made(f"/holds/{hold['id']}/release", {"reason": "reworked"}, version=1)
    path = f"/nonconformances/{found['id']}/closure"
    bad = await laboratory.check(laboratory.measured(74.2, lot="L-1"))
    other_lot = await laboratory.check(laboratory.measured(74.0, lot="L-2"))
    for check in (None, before["id"], bad["id"], other_lot["id"], new_id()):
        answer = await laboratory.post(path, {"note": "done", "verification_check": check}, version=3)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:not-verified")
    good = await laboratory.check(laboratory.measured(74.0, lot="L-1"))
    closed = await laboratory.made(path, {"note": "done", "verification_check": good["id"]}, version=3)
    assert (closed["state"], closed["verification_check"]) == ("closed", good["id"])
    assert laboratory.denied("nonconformance") == 5


async def test_what_is_returned_stays_held(laboratory: Laboratory) -> None:
    found = await disposed(laboratory, "return")
    (hold,) = (await detail(laboratory, found["id"]))["holds"]
    answer = await laboratory.post(f"/holds/{hold['id']}/release", {"reason": "x"}, version=1)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:stays-held")
    await laboratory.made(f"/nonconformances/{found['id']}/closure", {"note": "gone"}, version=3)
    assert (await laboratory.get("/holds", active="true", lot="L-1")).json()["items"][0]["id"] == hold["id"]


async def test_a_line_that_made_scrap_may_go_on(laboratory: Laboratory) -> None:
    found = await disposed(laboratory, "scrap", lot=None)
    (hold,) = (await detail(laboratory, found["id"]))["holds"]
    await laboratory.made(f"/holds/{hold['id']}/release", {"reason": "scrap removed"}, version=1)


async def test_a_review_that_begins_again_holds_again(laboratory: Laboratory) -> None:
    found = await disposed(laboratory, "use-as-is")
    (hold,) = (await detail(laboratory, found["id"]))["holds"]
    await laboratory.made(f"/holds/{hold['id']}/release", {"reason": "conceded"}, version=1)
    path = f"/nonconformances/{found['id']}"
    again = await laboratory.made(f"{path}/review", {"reason": "customer withdrew"}, version=3)
    assert (again["state"], again["disposition"]) == ("under_review", None)
    holds = (await detail(laboratory, found["id"]))["holds"]
    assert [each["released_at"] is None for each in holds] == [False, True]
    await laboratory.made(f"{path}/disposition", deciding(laboratory, "scrap"), version=4)
    dispositions = (await detail(laboratory, found["id"]))["dispositions"]
    assert [(each["version"], each["disposition"]) for each in dispositions] == [(3, "use-as-is"), (5, "scrap")]
    query = {"record_type": "nonconformance", "record_id": found["id"]}
    signatures = (await laboratory.get("/signatures", **query)).json()["items"]
    assert sorted(each["validity"] for each in signatures) == ["superseded", "valid"]


async def test_versions_guard_against_deciding_on_what_has_changed(laboratory: Laboratory) -> None:
    found = await reviewed(laboratory)
    path = f"/nonconformances/{found['id']}/disposition"
    assert (await laboratory.post(path, deciding(laboratory, "scrap"))).status_code == 428
    assert (await laboratory.post(path, deciding(laboratory, "scrap"), version=1)).status_code == 412
    read = await laboratory.get(f"/nonconformances/{found['id']}")
    assert read.headers["ETag"] == '"2"'
    assert (await laboratory.post(f"/nonconformances/{new_id()}/review", {"reason": "x"}, version=1)).status_code == 404


async def test_holds_without_a_nonconformance(laboratory: Laboratory) -> None:
    hold = await laboratory.made("/holds", PLACE | {"lot": "L-7", "reason": "warning"}, "line_leader")
    assert (await laboratory.post("/holds", PLACE | {"reason": "x"}, "operator")).status_code == 403
    path = f"/holds/{hold['id']}/release"
    assert (await laboratory.post(path, {"reason": "x"}, "line_leader", version=1)).status_code == 403
    await laboratory.made(path, {"reason": "unfounded"}, version=1)
    again = await laboratory.post(path, {"reason": "x"}, version=2)
    assert (again.status_code, again.json()["type"]) == (409, "urn:kojo:problem:illegal-transition")
    for wrong, field in (({"line": "line-9"}, "line"), ({"product": "none"}, "product"), ({"reason": ""}, "reason")):
        answer = await laboratory.post("/holds", PLACE | {"reason": "x"} | wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await laboratory.get(f"/holds/{hold['id']}")).headers["ETag"] == '"2"'


async def test_lists_are_filtered_and_paged(laboratory: Laboratory) -> None:
    made = [await reported(laboratory, lot=f"L-{number}") for number in range(3)]
    first = (await laboratory.get("/nonconformances", limit=2, state="open")).json()
    rest = (await laboratory.get("/nonconformances", limit=2, state="open", cursor=first["next"])).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == [each["id"] for each in made]
    assert rest["next"] is None
    assert [each["lot"] for each in (await laboratory.get("/nonconformances", lot="L-1")).json()["items"]] == ["L-1"]
    assert (await laboratory.get("/nonconformances", state="closed")).json()["items"] == []
    assert (await laboratory.get("/nonconformances", cursor="!")).status_code == 422
    unknown = await laboratory.post(
        "/nonconformances", PLACE | {"description": "x", "characteristic": "none"}, "operator"
    )
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "characteristic")


# the state machine once more, as ISO 9001 8.7 has it: what each act makes of each state
ACTS = {
    "review": {"open": "under_review", "dispositioned": "under_review"},
    "disposition": {"under_review": "dispositioned"},
    "closure": {"dispositioned": "closed"},
}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(sorted(ACTS)), min_size=4, max_size=8))
async def test_every_order_of_acts_leads_where_the_model_says(laboratory: Laboratory, acts: list[str]) -> None:
    found = await reported(laboratory, lot=f"L-{new_id()}")
    state, version, denied = "open", 1, laboratory.denied("nonconformance")
    bodies = {"review": {"reason": "x"}, "closure": {"note": "x"}}
    for act in acts:
        body = bodies.get(act) or deciding(laboratory, "scrap")
        answer = await laboratory.post(f"/nonconformances/{found['id']}/{act}", body, version=version)
        expected = ACTS[act].get(state)
        if expected is None:
            assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:illegal-transition")
            denied += 1
        else:
            assert answer.status_code == 200, answer.text
            state, version = expected, version + 1
        assert laboratory.one("SELECT state, version FROM mes.nonconformance WHERE id = %s", found["id"]) == (
            state,
            version,
        )
    assert laboratory.denied("nonconformance") == denied


async def test_the_database_refuses_what_the_state_machine_does(laboratory: Laboratory) -> None:
    """By SQL, past the service: every pair of states that the model doesn't have."""
    states = {"open", "under_review", "dispositioned", "closed"}
    legal = {(state, target) for act in ACTS.values() for state, target in act.items()}
    found = await reported(laboratory)
    change = "UPDATE mes.nonconformance SET state = %s, version = version + 1 WHERE id = %s"
    for state in ("open", "under_review"):
        for target in states:
            if (state, target) not in legal:
                with pytest.raises(psycopg.errors.CheckViolation, match="can't go from"):
                    laboratory.admin.execute(change, (target, found["id"]))
        if state == "open":
            laboratory.admin.execute(change, ("under_review", found["id"]))
    with pytest.raises(psycopg.errors.CheckViolation, match="disposition_is_whole"):
        laboratory.admin.execute(change, ("dispositioned", found["id"]))
    with pytest.raises(psycopg.errors.CheckViolation, match="is fixed"):
        laboratory.admin.execute("UPDATE mes.nonconformance SET lot_id = 'L-9', version = version + 1")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="no disposition"):
        laboratory.admin.execute(
            "UPDATE mes.hold SET released_by = 'me', released_at = now() + interval '1 s', release_reason = 'x'"
        )


async def test_a_disposition_is_not_carried_to_another_record(laboratory: Laboratory) -> None:
    """11.70: the signature of one nonconformance doesn't stand for another's disposition."""
    await disposed(laboratory, "scrap")
    other = await reviewed(laboratory, lot="L-2")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="disposition_is_signed"):
        laboratory.admin.execute(
            "INSERT INTO mes.disposition (nonconformance_id, version, disposition, justification, decided_by,"
            " decided_role) SELECT %s, version, disposition, justification, decided_by, decided_role"
            " FROM mes.disposition",
            (other["id"],),
        )


async def capa(laboratory: Laboratory, **more: Any) -> dict[str, Any]:
    found = await reported(laboratory)
    page = {
        "kind": "corrective",
        "nonconformances": [found["id"]],
        "problem": "drift",
        "root_cause": "coolant",
        "action": "filter weekly",
        "criterion": "no signal for 30 days",
        "owner": "maintenance",
        "due_on": (datetime.now(UTC) + timedelta(days=30)).date().isoformat(),
    }
    return await laboratory.made("/corrective-actions", page | more)


async def test_a_corrective_action_is_closed_after_its_effectiveness_was_verified(laboratory: Laboratory) -> None:
    action = await capa(laboratory)
    path = f"/corrective-actions/{action['id']}"
    done, note = {"implementation": "task 4711"}, {"note": "standard W-17"}
    effective, not_effective = {"effective": True, "evidence": "30 days"}, {"effective": False, "evidence": "again"}

    async def refused(
        step: str, body: dict[str, Any], version: int, status: int = 409, role: str = "quality_manager"
    ) -> None:
        assert (await laboratory.post(f"{path}/{step}", body, role, version=version)).status_code == status

    await refused("closure", note, 1)
    await refused("verification", effective, 1)
    await laboratory.made(f"{path}/implementation", done, "quality_inspector", version=1)
    await refused("closure", note, 2)
    await refused("verification", effective, 2, 403, "quality_inspector")
    reopened = await laboratory.made(f"{path}/verification", not_effective, version=2)
    assert (reopened["state"], reopened["implementation"]) == ("open", None)
    await laboratory.made(f"{path}/implementation", done, "maintenance", version=3)
    verified = await laboratory.made(f"{path}/verification", effective, "quality_inspector", version=4)
    assert verified["state"] == "verified"
    closed = await laboratory.made(f"{path}/closure", note, version=5)
    assert (closed["state"], closed["version"]) == ("closed", 6)
    await refused("implementation", done, 6)
    found = (await laboratory.get(path)).json()
    assert [(each["version"], each["effective"]) for each in found["verifications"]] == [(3, False), (5, True)]
    assert len(found["nonconformances"]) == 1
    assert laboratory.denied("corrective-action") == 5
    assert [each["id"] for each in (await laboratory.get("/corrective-actions", state="closed")).json()["items"]] == [
        action["id"]
    ]


async def test_the_database_closes_no_action_without_an_effective_verification(laboratory: Laboratory) -> None:
    action = await capa(laboratory)
    path = f"/corrective-actions/{action['id']}"
    await laboratory.made(f"{path}/implementation", {"implementation": "x"}, "maintenance", version=1)
    insert = "INSERT INTO mes.effectiveness_verification VALUES (%s, 3, %s, 'x', %s, %s)"
    with pytest.raises(psycopg.errors.CheckViolation, match="verified_by_another"):
        laboratory.admin.execute(insert, (action["id"], True, "me", "me"))
    laboratory.admin.execute(insert, (action["id"], False, "me", "you"))
    for version, error in ((None, "effectiveness_is_verified"), (3, "was_effective")):
        with pytest.raises(psycopg.errors.IntegrityError, match=error):
            laboratory.admin.execute(
                "UPDATE mes.corrective_action SET state = 'verified', version = 3, verification_version = %s",
                (version,),
            )


async def test_an_action_on_an_unknown_nonconformance_is_refused(laboratory: Laboratory) -> None:
    with pytest.raises(AssertionError, match="no nonconformance of this plant"):
        await capa(laboratory, nonconformances=[new_id()])
