"""Specifications, gauges and checks through the API."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from laboratory import BORE, GAUGE, SEAL, Laboratory, laboratory
from test_exporters import scrape

from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ExporterSettings

__all__ = ["laboratory"]


async def test_a_check_keeps_what_it_was_judged_by(laboratory: Laboratory) -> None:
    await laboratory.variable()
    given = laboratory.measured(74.03, 74.002, lot="L-1", serial="SN-1")
    check = await laboratory.check(given)
    assert (check["conforming"], check["signals"], check["nonconformance"]) == (True, [], None)
    assert (check["specification_version"], check["gauge"], check["lot"], check["serial"]) == (1, GAUGE, "L-1", "SN-1")
    assert check["calibration"] == laboratory.one("SELECT id FROM mes.calibration")
    assert datetime.fromisoformat(check["measured_at"]) == datetime.fromisoformat(given["measured_at"])
    query = "SELECT actor_id, new->>'conforming' FROM mes.audit_event WHERE action = 'quality:record-check'"
    assert laboratory.one(query) == (laboratory.people["operator"].id, "true")
    detail = (await laboratory.get(f"/quality/checks/{check['id']}")).json()
    assert detail == {name: value for name, value in check.items() if name != "nonconformance"}


async def test_a_value_on_a_limit_conforms_and_one_beyond_does_not(laboratory: Laboratory) -> None:
    await laboratory.variable()
    for values, outside in (((73.95, 74.05), 0), ((73.949, 74.0), 1), ((73.9, 74.051), 2)):
        check = await laboratory.check(laboratory.measured(*values))
        assert (check["nonconforming"], check["conforming"]) == (outside, outside == 0)
        assert check["signals"] == (["specification"] if outside else [])


async def test_what_does_not_conform_is_held_at_once(laboratory: Laboratory) -> None:
    await laboratory.variable()
    check = await laboratory.check(laboratory.measured(74.2, lot="L-1"))
    found = (await laboratory.get(f"/nonconformances/{check['nonconformance']}")).json()
    assert (found["state"], found["source"], found["lot"], found["characteristic"]) == ("open", "signal", "L-1", BORE)
    assert found["signals"] == [{"check": check["id"], "rule": "specification"}]
    assert [(hold["lot"], hold["released_at"]) for hold in found["holds"]] == [("L-1", None)]
    # the check, its nonconformance and its hold are of one transaction
    query = (
        "SELECT count(DISTINCT q.xmin::text) = 1 FROM (SELECT xmin FROM mes.quality_check UNION ALL"
        " SELECT xmin FROM mes.nonconformance UNION ALL SELECT xmin FROM mes.hold) AS q"
    )
    assert laboratory.one(query) is True


async def test_a_check_whose_hold_fails_is_not_stored(laboratory: Laboratory) -> None:
    await laboratory.variable()
    laboratory.admin.execute("ALTER TABLE mes.hold ADD CHECK (false) NOT VALID")
    answer = await laboratory.post("/quality/checks", laboratory.measured(74.2), "operator")
    assert answer.status_code == 409
    assert laboratory.one(
        "SELECT (SELECT count(*) FROM mes.quality_check), (SELECT count(*) FROM mes.nonconformance)"
    ) == (0, 0)


async def test_attributes_are_judged_by_their_acceptance_number(laboratory: Laboratory) -> None:
    await laboratory.attribute(acceptance_number=2)
    assert (await laboratory.check(laboratory.counted(2)))["conforming"]
    rejected = await laboratory.check(laboratory.counted(3))
    assert (rejected["conforming"], rejected["signals"]) == (False, ["specification"])


async def test_an_unapproved_specification_is_of_no_use(laboratory: Laboratory) -> None:
    await laboratory.gauge()
    await laboratory.define()
    await laboratory.draft(unit="mm", upper_limit=75)
    answer = await laboratory.post("/quality/checks", laboratory.measured(74.0), "operator")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:no-specification")
    assert laboratory.denied("characteristic") == 1
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="approved_specification"):
        laboratory.admin.execute(
            "INSERT INTO mes.quality_check (id, characteristic_id, kind, product_id, line_id, specification_version,"
            " effective_from, gauge_id, calibration_id, calibration_valid, values, sample_size, nonconforming,"
            " conforming, measured_at, recorded_by)"
            " SELECT 'x', 'housing-100.bore', 'variable', 'housing-100', 'line-1', 1, now(), gauge_id, id, valid,"
            " '{74}', 1, 0, true, now(), 'me' FROM mes.calibration"
        )


async def test_a_check_is_judged_by_the_version_of_its_time(laboratory: Laboratory) -> None:
    await laboratory.variable()
    before = laboratory.measured(74.04)
    narrow = await laboratory.specify(unit="mm", lower_limit=73.98, upper_limit=74.02)
    later = await laboratory.specify(unit="mm", upper_limit=80, effective_from="2199-01-01T00:00:00Z")
    assert (narrow["version"], later["version"]) == (2, 3)
    first, second = await laboratory.check(before), await laboratory.check(laboratory.measured(74.04))
    assert [(each["specification_version"], each["conforming"]) for each in (first, second)] == [(1, True), (2, False)]
    effective = (await laboratory.get(f"/characteristics/{BORE}")).json()["effective"]
    assert (effective["version"], effective["upper_limit"]) == (2, 74.02)
    versions = (await laboratory.get(f"/characteristics/{BORE}/specifications", limit=2)).json()
    assert [each["version"] for each in versions["items"]] == [1, 2]
    rest = await laboratory.get(f"/characteristics/{BORE}/specifications", cursor=versions["next"])
    assert [each["version"] for each in rest.json()["items"]] == [3]


async def test_two_versions_do_not_begin_at_once(laboratory: Laboratory) -> None:
    await laboratory.define()
    await laboratory.specify(unit="mm", upper_limit=75, effective_from="2199-01-01T00:00:00Z")
    second = await laboratory.draft(unit="mm", upper_limit=76, effective_from="2199-01-01T00:00:00Z")
    path = f"/characteristics/{BORE}/specifications/{second['version']}/approval"
    answer = await laboratory.post(path, {"signature": laboratory.signature("quality_manager")})
    assert answer.status_code == 409
    assert "specification_one_effective" in answer.text


async def test_a_specification_is_approved_by_another_quality_manager(laboratory: Laboratory) -> None:
    await laboratory.define()
    own = await laboratory.made(
        f"/characteristics/{BORE}/specifications",
        {"unit": "mm", "upper_limit": 75, "effective_from": "2026-01-01T00:00:00Z", "reason": "mine"},
    )
    path = f"/characteristics/{BORE}/specifications/{own['version']}/approval"
    own_draft = await laboratory.post(path, {"signature": laboratory.signature("quality_manager")})
    assert own_draft.status_code == 403
    drafted = await laboratory.draft(unit="mm", upper_limit=75)
    path = f"/characteristics/{BORE}/specifications/{drafted['version']}/approval"
    no_right = await laboratory.post(
        path, {"signature": laboratory.signature("quality_inspector")}, "quality_inspector"
    )
    assert no_right.status_code == 403
    wrong = await laboratory.post(path, {"signature": laboratory.signature("quality_manager", "no-password-of-mine")})
    assert wrong.status_code == 403
    assert laboratory.one("SELECT count(*) FROM mes.specification WHERE effective_from IS NOT NULL") == 0
    before = datetime.now(UTC)
    approved = await laboratory.made(path, {"signature": laboratory.signature("quality_manager")})
    assert approved["approved_by"] == laboratory.people["quality_manager"].id
    assert datetime.fromisoformat(approved["effective_from"]) >= before, "not before it"
    again = await laboratory.post(path, {"signature": laboratory.signature("quality_manager")})
    assert (again.status_code, again.json()["type"]) == (409, "urn:kojo:problem:illegal-transition")


async def test_an_approval_verifies_until_its_specification_is_altered(laboratory: Laboratory) -> None:
    await laboratory.variable()
    query = {"record_type": "specification", "record_id": f"{BORE}/1"}
    (signature,) = (await laboratory.get("/signatures", **query)).json()["items"]
    assert (signature["meaning"], signature["validity"]) == ("approval", "valid")
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="is fixed"):
        laboratory.admin.execute("UPDATE mes.specification SET upper_limit = 99")
    laboratory.admin.execute("ALTER TABLE mes.specification DISABLE TRIGGER fixed")
    laboratory.admin.execute("UPDATE mes.specification SET upper_limit = 99")
    (signature,) = (await laboratory.get("/signatures", **query)).json()["items"]
    assert signature["validity"] == "invalid"


NOTHING_SAID: list[tuple[str, dict[str, Any], str]] = [
    (BORE, {"upper_limit": 1}, "unit"),
    (BORE, {"unit": "mm"}, "upper_limit"),
    (BORE, {"unit": "mm", "lower_limit": 2, "upper_limit": 2}, "upper_limit"),
    (BORE, {"unit": "mm", "lower_limit": 1, "upper_limit": 2, "target": 3}, "target"),
    (BORE, {"unit": "mm", "upper_limit": 2, "acceptance_number": 1}, "acceptance_number"),
    (SEAL, {}, "acceptance_number"),
    (SEAL, {"acceptance_number": 1, "unit": "mm"}, "unit"),
    (SEAL, {"acceptance_number": -1}, "acceptance_number"),
]


async def test_a_specification_that_says_nothing_is_refused(laboratory: Laboratory) -> None:
    await laboratory.define()
    await laboratory.define(SEAL, "attribute")
    for characteristic, content, field in NOTHING_SAID:
        page = {"effective_from": "2026-01-01T00:00:00Z", "reason": "x", **content}
        answer = await laboratory.post(f"/characteristics/{characteristic}/specifications", page)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), content


NOW = datetime.now(UTC)


async def test_a_gauge_out_of_calibration_measures_nothing(laboratory: Laboratory) -> None:
    await laboratory.variable()
    for gauge in ("never", "overdue", "left-out", "retired", "too-late"):
        await laboratory.gauge(gauge, calibrated=False)
    long_ago, yesterday = NOW - timedelta(days=200), NOW - timedelta(days=1)
    await laboratory.calibrate("overdue", long_ago)
    await laboratory.calibrate("left-out", long_ago, valid_until=(NOW + timedelta(days=9)).isoformat())
    await laboratory.calibrate("left-out", yesterday, "out", "out")
    await laboratory.calibrate("retired", yesterday)
    await laboratory.made("/gauges/retired/retirement", {}, version=1)
    before = laboratory.moment()
    await laboratory.calibrate("too-late", datetime.now(UTC))
    for denied, gauge in enumerate(("never", "overdue", "left-out", "retired", "too-late"), start=1):
        moment = before if gauge == "too-late" else laboratory.moment()
        given = laboratory.measured(74.0, gauge=gauge, measured_at=moment)
        answer = await laboratory.post("/quality/checks", given, "operator")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:gauge-out-of-calibration"), gauge
        assert laboratory.denied("gauge") == denied
        assert (await laboratory.get(f"/gauges/{gauge}")).json()["usable"] is (gauge == "too-late")
    assert laboratory.one("SELECT count(*) FROM mes.quality_check") == 0
    assert (await laboratory.get(f"/gauges/{GAUGE}")).json()["usable"] is True


async def test_results_since_the_last_good_calibration_are_listed(laboratory: Laboratory) -> None:
    await laboratory.variable()
    unaffected = await laboratory.measure([[74.0], [74.01]])
    good = await laboratory.calibrate(GAUGE, datetime.now(UTC))
    assert good["affected_checks"] == 0
    affected = await laboratory.measure([[74.0], [74.01], [74.02]])
    assert (await laboratory.get("/quality/checks", affected_by=GAUGE)).json()["items"] == []
    bad = await laboratory.calibrate(GAUGE, datetime.now(UTC), "out", "in")
    assert bad["affected_checks"] == 3
    await laboratory.measure([[74.0]])
    listed = (await laboratory.get("/quality/checks", affected_by=GAUGE)).json()["items"]
    assert [each["id"] for each in listed] == [each["id"] for each in affected]
    assert not {each["id"] for each in listed} & {each["id"] for each in unaffected}


async def test_a_calibration_is_checked(laboratory: Laboratory) -> None:
    await laboratory.gauge(calibrated=False)
    page = {
        "calibrated_at": "2199-01-01T00:00:00Z",
        "as_found": "in-tolerance",
        "as_left": "in-tolerance",
        "certificate": "c",
        "reference_standard": "s",
        "performed_by": "m",
    }
    for wrong, field in (({}, "calibrated_at"), ({"valid_until": "2198-01-01T00:00:00Z"}, "valid_until")):
        answer = await laboratory.post(f"/gauges/{GAUGE}/calibrations", page | wrong, "maintenance")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    await laboratory.calibrate(GAUGE, NOW)
    again = await laboratory.post(
        f"/gauges/{GAUGE}/calibrations", page | {"calibrated_at": NOW.isoformat()}, "maintenance"
    )
    assert again.status_code == 409
    assert (await laboratory.post("/gauges/none/calibrations", page, "maintenance")).status_code == 404


BAD_MEASUREMENTS: list[tuple[dict[str, Any], str]] = [
    ({"values": None}, "values"),
    ({"gauge": None}, "gauge"),
    ({"gauge": "nobodys"}, "gauge"),
    ({"sample_size": 5}, "sample_size"),
    ({"values": []}, "values"),
    ({"values": [1.0] * 26}, "values"),
    ({"values": ["74"]}, "values"),
    ({"measured_at": "2199-01-01T00:00:00Z"}, "measured_at"),
    ({"measured_at": "2026-01-01T00:00:00"}, "measured_at"),
    ({"line": "line-9"}, "line"),
    ({"characteristic": "nothing"}, "characteristic"),
    ({"lot": "L 1"}, "lot"),
    ({"colour": "red"}, "colour"),
]
BAD_COUNTS: list[tuple[dict[str, Any], str]] = [
    ({"nonconforming": 51}, "nonconforming"),
    ({"sample_size": 0}, "sample_size"),
    ({"values": [1.0]}, "values"),
]


async def test_bad_input_names_its_field(laboratory: Laboratory) -> None:
    await laboratory.variable()
    await laboratory.attribute()
    cases = [(laboratory.measured(74.0) | wrong, field) for wrong, field in BAD_MEASUREMENTS]
    cases += [(laboratory.counted(0) | wrong, field) for wrong, field in BAD_COUNTS]
    for given, field in cases:
        answer = await laboratory.post("/quality/checks", given, "operator")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), given
        assert [fault["field"] for fault in answer.json()["errors"]] == [field], given
    for token in ("NaN", "Infinity", "-Infinity", "1e999"):
        body = json.dumps(laboratory.measured(74.0)).replace("74.0", token)
        headers = laboratory.people["operator"].headers(laboratory.app) | {"Content-Type": "application/json"}
        answer = await laboratory.client.post("/api/v1/quality/checks", content=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "values"), token
    assert laboratory.one("SELECT count(*) FROM mes.quality_check") == 0


async def test_another_unit_than_the_gauges_is_refused(laboratory: Laboratory) -> None:
    await laboratory.gauge()
    await laboratory.define()
    await laboratory.specify(unit="inch", upper_limit=3)
    answer = await laboratory.post("/quality/checks", laboratory.measured(2.9), "operator")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "gauge")


async def test_a_repeated_key_records_once(laboratory: Laboratory) -> None:
    await laboratory.variable()
    given, key = laboratory.measured(74.2), new_id()
    first = await laboratory.post("/quality/checks", given, "operator", key=key)
    again = await laboratory.post("/quality/checks", given, "operator", key=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    counts = "SELECT (SELECT count(*) FROM mes.quality_check), (SELECT count(*) FROM mes.nonconformance)"
    assert laboratory.one(counts) == (1, 1)


async def test_checks_are_a_table_that_people_take_away(laboratory: Laboratory) -> None:
    await laboratory.variable()
    await laboratory.attribute()
    made = await laboratory.measure([[74.0], [74.01], [74.2]], lot="L-1")
    await laboratory.check(laboratory.counted(1))
    first = await laboratory.get("/quality/checks", characteristic=BORE, format="csv", limit=2)
    assert first.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(first.content.decode("utf-8-sig"))))
    assert [(row["id"], json.loads(row["values"])) for row in rows] == [
        (each["id"], each["values"]) for each in made[:2]
    ]
    (link,) = first.headers["Link"].split(";")[:1]
    rest = await laboratory.client.get(link.strip("<>"), headers=laboratory.people["auditor"].headers(laboratory.app))
    assert len(list(csv.DictReader(io.StringIO(rest.content.decode("utf-8-sig"))))) == 1
    for query, expected in (({"conforming": "false"}, 1), ({"lot": "L-1"}, 3), ({"characteristic": SEAL}, 1), ({}, 4)):
        assert len((await laboratory.get("/quality/checks", **query)).json()["items"]) == expected


async def test_a_retired_characteristic_is_not_checked(laboratory: Laboratory) -> None:
    await laboratory.variable()
    assert (await laboratory.post(f"/characteristics/{BORE}/retirement")).status_code == 428
    assert (await laboratory.post(f"/characteristics/{BORE}/retirement", version=9)).status_code == 412
    answer = await laboratory.post(f"/characteristics/{BORE}/retirement", version=1)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    refused = await laboratory.post("/quality/checks", laboratory.measured(74.0), "operator")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:kojo:problem:retired")


async def test_ids_and_products_are_known_or_refused(laboratory: Laboratory) -> None:
    await laboratory.define()
    page = {"id": BORE, "product": "housing-100", "kind": "variable", "name": {"en": "Bore"}}
    assert (await laboratory.post("/characteristics", page)).status_code == 409
    answer = await laboratory.post("/characteristics", page | {"id": "other", "product": "none"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "product")
    for path in ("/characteristics/none", "/gauges/none", f"/quality/checks/{new_id()}", "/quality/charts/none"):
        assert (await laboratory.get(path)).status_code == 404


async def test_records_are_kept(laboratory: Laboratory) -> None:
    """By the application's role and by the tables' own triggers."""
    await laboratory.variable()
    await laboratory.check(laboratory.measured(74.2))
    for statement in (
        "DELETE FROM mes.quality_check",
        "UPDATE mes.quality_check SET conforming = true",
        "DELETE FROM mes.hold",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            laboratory.admin.execute(statement.encode())


async def test_checks_count_in_the_exporter(laboratory: Laboratory, exporter_settings: ExporterSettings) -> None:
    await laboratory.variable()
    await laboratory.measure([[74.0], [74.01], [74.2]])
    samples = await scrape(exporter_settings, "quality")
    assert samples["quality_check_passed_total", ("line-1",)] == 2
    assert (
        samples["quality_check_failed_total", ("line-1",)] == samples["quality_check_failures_total", ("line-1",)] == 1
    )
    assert samples["quality_holds_active", ("line-1",)] == samples["quality_nonconformances_unclosed", ("line-1",)] == 1
    assert samples["quality_holds_active", ("line-2",)] == 0
