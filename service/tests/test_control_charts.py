"""Control charts through the API: published examples, limits by decision, signals that hold."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import published
import pytest
from laboratory import BORE, SEAL, Laboratory, laboratory
from test_tables import rows

__all__ = ["laboratory"]


def whole(checks: list[dict[str, Any]]) -> dict[str, str]:
    """The baseline of all of them."""
    times = sorted(datetime.fromisoformat(check["measured_at"]) for check in checks)
    return {"name": "trial", "from": times[0].isoformat(), "to": (times[-1] + timedelta(microseconds=1)).isoformat()}


async def decided(
    laboratory: Laboratory, kind: str, size: int, rules: str, centre: float, mean_range: float | None
) -> str:
    """A chart with limits that were given."""
    if kind == "p":
        await laboratory.attribute()
    else:
        await laboratory.variable(lower=0.0, upper=1000.0)
    chart = await laboratory.chart(kind, size, rules, SEAL if kind == "p" else BORE)
    body = {"centre": centre, "reason": "qualification"} | ({"mean_range": mean_range} if mean_range else {})
    await laboratory.made(f"/quality/charts/{chart}/limits", body)
    return chart


async def test_piston_rings_through_the_api(laboratory: Laboratory) -> None:
    await laboratory.variable(*published.PISTON_SPECIFICATION)
    chart = await laboratory.chart("xbar-r", 5)
    checks = await laboratory.measure(published.PISTON_RINGS)
    assert {signal for check in checks for signal in check["signals"]} == set()
    few = await laboratory.post(
        f"/quality/charts/{chart}/limits", {"baseline": whole(checks[:19]), "reason": "too early"}
    )
    assert (few.status_code, few.json()["errors"][0]["field"]) == (422, "baseline")
    limits = await laboratory.made(f"/quality/charts/{chart}/limits", {"baseline": whole(checks), "reason": "phase I"})
    assert (limits["version"], limits["baseline_checks"], limits["baseline_name"]) == (1, 25, "trial")
    assert limits["centre"] == pytest.approx(published.PISTON_CENTRE, abs=5e-6)
    assert limits["mean_range"] == pytest.approx(published.PISTON_MEAN_RANGE, abs=5e-6)

    (phase_two,) = await laboratory.measure([published.PISTON_RINGS[0]])
    data = (await laboratory.get(f"/quality/charts/{chart}")).json()
    assert [point["check"] for point in data["points"]] == [check["id"] for check in [*checks, phase_two]]
    assert (data["unit"], data["points"][0]["limits"], data["points"][0]["range"]) == ("mm", None, pytest.approx(0.038))
    last = data["points"][-1]
    assert (last["limits"]["lower"], last["limits"]["upper"]) == pytest.approx(published.PISTON_LIMITS, abs=5e-6)
    assert last["range_limits"]["upper"] == pytest.approx(published.PISTON_RANGE_UPPER, abs=5e-6)
    assert last["value"] == pytest.approx(74.0102)

    table = rows(await laboratory.get(f"/quality/charts/{chart}", format="csv"))
    assert [row["check"] for row in table] == [point["check"] for point in data["points"]]
    found = (await laboratory.get(f"/quality/charts/{chart}/capability", to=whole(checks)["to"])).json()
    assert (found["checks"], found["values"], found["judged"], found["signals"]) == (25, 125, False, 0)
    assert (found["capability"]["spread"], found["capability"]["centred"]) == pytest.approx(
        (published.PISTON_CP, published.PISTON_CPK), rel=5e-4
    )
    assert found["sigma_within"] == pytest.approx(published.PISTON_SIGMA, rel=1e-6)
    entry = "SELECT new->>'version', reason FROM mes.audit_event WHERE action = 'quality:freeze-limits'"
    assert laboratory.one(entry) == ("1", "phase I")


async def test_orange_juice_without_its_assignable_causes(laboratory: Laboratory) -> None:
    await laboratory.attribute()
    chart = await laboratory.chart("p", published.SAMPLE_SIZE, characteristic=SEAL)
    checks = [await laboratory.check(laboratory.counted(count)) for count in published.NONCONFORMING]
    causes = zip(published.PROPORTION_BEYOND, ("new cardboard stock", "inexperienced operator"), strict=True)
    excluded = [{"check": checks[number]["id"], "cause": cause} for number, cause in causes]
    body = {"baseline": whole(checks) | {"excluded": excluded}, "reason": "revised"}
    limits = await laboratory.made(f"/quality/charts/{chart}/limits", body)
    assert limits["centre"] == pytest.approx(published.REVISED_PROPORTION)
    assert (limits["baseline_checks"], limits["excluded"], limits["mean_range"]) == (28, excluded, None)
    # sample 21 of phase I, 20 of 50, is beyond the revised limits
    again = await laboratory.check(laboratory.counted(published.NONCONFORMING[20]))
    assert again["signals"] == ["western-electric-1"]
    strange = [{"check": again["id"], "cause": "x"}]
    body = {"baseline": whole(checks) | {"excluded": strange}, "reason": "x"}
    answer = await laboratory.post(f"/quality/charts/{chart}/limits", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "excluded")
    none = await laboratory.get(f"/quality/charts/{chart}/capability")
    assert (none.status_code, none.json()["type"]) == (409, "urn:kojo:problem:no-capability")


async def test_a_signal_holds_and_further_ones_join_until_it_is_disposed_of(laboratory: Laboratory) -> None:
    """Mean 100, MR̄ 1.128: σ is 1."""
    await decided(laboratory, "individuals-mr", 1, "western-electric", 100.0, 1.128)
    quiet = await laboratory.measure([[100.5], [99.8]])
    assert [check["signals"] for check in quiet] == [[], []]
    first, second = await laboratory.measure([[103.1], [103.2]])
    assert first["signals"] == ["western-electric-1"]
    assert second["signals"] == ["western-electric-1", "western-electric-2"]
    assert first["nonconformance"] == second["nonconformance"]
    (other_lot,) = await laboratory.measure([[103.1]], lot="L-2")
    assert other_lot["nonconformance"] != first["nonconformance"]

    subject = first["nonconformance"]
    await laboratory.made(f"/nonconformances/{subject}/review", {"reason": "seen"}, version=1)
    disposition = {
        "disposition": "scrap",
        "justification": "cracked",
        "signature": laboratory.signature("quality_manager"),
    }
    await laboratory.made(f"/nonconformances/{subject}/disposition", disposition, version=2)
    (third,) = await laboratory.measure([[103.3]])
    assert third["nonconformance"] not in {subject, other_lot["nonconformance"], None}
    assert laboratory.one("SELECT count(*) FROM mes.hold WHERE released_at IS NULL") == 3


async def test_a_late_check_brings_later_signals_to_light(laboratory: Laboratory) -> None:
    """Seven points above the centre; an eighth, measured before them and recorded after, makes the run."""
    chart = await decided(laboratory, "individuals-mr", 1, "western-electric", 100.0, 1.128)
    late = laboratory.measured(100.3)
    checks = await laboratory.measure([[100.2 + number % 2 / 10] for number in range(7)])
    assert {signal for check in checks for signal in check["signals"]} == set()
    answer = await laboratory.check(late)
    assert answer["signals"] == []
    data = (await laboratory.get(f"/quality/charts/{chart}")).json()
    assert [point["signals"] for point in data["points"]] == [[]] * 7 + [["western-electric-4"]]
    assert [point["check"] for point in data["points"]] == [answer["id"], *(check["id"] for check in checks)]
    assert laboratory.one("SELECT check_id FROM mes.quality_signal") == checks[-1]["id"]


async def test_new_limits_begin_a_series_of_their_own(laboratory: Laboratory) -> None:
    chart = await decided(laboratory, "individuals-mr", 1, "nelson", 100.0, 1.128)
    await laboratory.measure([[100.2 + number % 2 / 10] for number in range(8)])
    body = {"centre": 100.1, "mean_range": 1.128, "reason": "new die"}
    assert (await laboratory.made(f"/quality/charts/{chart}/limits", body))["version"] == 2
    (ninth,) = await laboratory.measure([[100.2]])
    assert (ninth["signals"], ninth["limits_version"]) == ([], 2)
    points = (await laboratory.get(f"/quality/charts/{chart}", limit=2)).json()["points"]
    assert [(point["limits"]["centre"], point["range"]) for point in points] == [
        (100.0, pytest.approx(0.1)),
        (100.1, None),
    ]


async def walked(laboratory: Laboratory, chart: str, **query: Any) -> list[dict[str, Any]]:
    """All points, in the order of measurement; pages come the latest first."""
    points: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await laboratory.get(f"/quality/charts/{chart}", limit=3, **query, **cursor)).json()
        assert 0 < len(page["points"]) <= 3
        points = page["points"] + points
        if page["next"] is None:
            return points
        assert len(page["points"]) == 3
        cursor = {"cursor": page["next"]}


async def mixed(laboratory: Laboratory) -> tuple[str, list[dict[str, Any]]]:
    """Individuals before limits, by a first version of them, and by a second; times that are equal; two that were
    recorded late, so that the second version's are among the first's. In the order of measurement."""
    await laboratory.variable(lower=0.0, upper=1000.0)
    chart = await laboratory.chart("individuals-mr", 1)
    checks = await laboratory.measure([[100.1], [100.4]])
    for version in (1, 2):
        body = {"centre": 100.0, "mean_range": 1.128, "reason": f"version {version}"}
        await laboratory.made(f"/quality/charts/{chart}/limits", body)
        moment = laboratory.moment()
        if version == 1:
            late = [laboratory.measured(103.5), laboratory.measured(100.9)]
        checks += [
            await laboratory.check(laboratory.measured(100.2 + number, measured_at=moment)) for number in range(4)
        ]
        checks += await laboratory.measure([[100.3], [103.2], [103.3], [99.8]])
    checks += [await laboratory.check(check) for check in late]
    return chart, sorted(checks, key=lambda check: (check["measured_at"], check["id"]))


async def test_all_points_are_reached_in_pages(laboratory: Laboratory) -> None:
    """The moving ranges are made anew: from the value before of the same limits, wherever a page begins."""
    chart, checks = await mixed(laboratory)
    before: dict[int | None, float] = {}
    ranges = []
    for check in checks:
        (value,), version = check["values"], check["limits_version"]
        ranges.append(pytest.approx(abs(value - before[version])) if version in before else None)
        before[version] = value
    assert sum(moving is None for moving in ranges) == 3

    points = await walked(laboratory, chart)
    assert [point["check"] for point in points] == [check["id"] for check in checks]
    assert [point["range"] for point in points] == ranges
    assert [(point["limits"] is None, point["limits_version"]) for point in points] == [
        (check["limits_version"] is None, check["limits_version"]) for check in checks
    ]
    told = {(point["check"], rule) for point in points for rule in point["signals"]}
    stored = laboratory.admin.execute("SELECT check_id, rule FROM mes.quality_signal").fetchall()
    assert told == {(check, rule) for check, rule in stored}
    assert len(told) > 3

    start, end = checks[5]["measured_at"], checks[-4]["measured_at"]
    inside = [number for number, check in enumerate(checks) if start <= check["measured_at"] < end]
    assert await walked(laboratory, chart, **{"from": start, "to": end}) == [points[number] for number in inside]


async def test_points_that_come_meanwhile_shift_no_page(laboratory: Laboratory) -> None:
    chart, checks = await mixed(laboratory)
    path, known = f"/quality/charts/{chart}", [check["id"] for check in checks]
    first = (await laboratory.get(path, limit=4)).json()
    (newest,) = await laboratory.measure([[100.0]])
    between = await laboratory.check(laboratory.measured(100.0, measured_at=checks[-2]["measured_at"]))
    oldest = await laboratory.check(laboratory.measured(100.0, measured_at=checks[0]["measured_at"]))
    rest = (await laboratory.get(path, cursor=first["next"])).json()
    assert rest["next"] is None
    found = [point["check"] for point in rest["points"] + first["points"]]
    assert found == [known[0], oldest["id"], *known[1:]]
    assert not {newest["id"], between["id"]} & set(found)


async def test_a_page_of_points_as_csv_tells_where_the_next_is(laboratory: Laboratory) -> None:
    chart, checks = await mixed(laboratory)
    first = await laboratory.get(f"/quality/charts/{chart}", limit=10, format="csv")
    address, relation = first.headers["Link"].split(";")
    assert relation == ' rel="next"'
    second = await laboratory.client.get(
        address.strip("<>"), headers=laboratory.people["auditor"].headers(laboratory.app)
    )
    assert "Link" not in second.headers
    assert [row["check"] for row in rows(second) + rows(first)] == [check["id"] for check in checks]
    for wrong in ("x", "W10", "WzFd"):
        answer = await laboratory.get(f"/quality/charts/{chart}", cursor=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_range_beyond_its_limits_is_a_signal(laboratory: Laboratory) -> None:
    """n = 2, R̄ = 1: D4 is 3.267 (NIST 6.3.2.1)."""
    await decided(laboratory, "xbar-r", 2, "nelson", 100.0, 1.0)
    within, beyond = await laboratory.measure([[98.4, 101.6], [98.3, 101.7]])
    assert (within["signals"], beyond["signals"]) == ([], ["range-beyond-limits"])


async def test_a_p_chart_signals_by_the_samples_own_size(laboratory: Laboratory) -> None:
    """p̄ = 0.1: of 100 units 20 are beyond 0.19, of 25 units 5 are within 0.28."""
    await decided(laboratory, "p", 100, "nelson", 0.1, None)
    small = await laboratory.check(laboratory.counted(5, 25))
    large = await laboratory.check(laboratory.counted(20, 100))
    assert (small["signals"], large["signals"]) == ([], ["nelson-1"])


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"kind": "p"}, "kind"),
    ({"subgroup_size": 1}, "subgroup_size"),
    ({"subgroup_size": 26}, "subgroup_size"),
    ({"kind": "individuals-mr", "subgroup_size": 2}, "subgroup_size"),
    ({"characteristic": "none"}, "characteristic"),
    ({"line": "line-9"}, "line"),
    ({"rule_set": "mine"}, "rule_set"),
]


async def test_an_impossible_chart_is_refused(laboratory: Laboratory) -> None:
    await laboratory.define()
    page: dict[str, Any] = {"id": "c", "characteristic": BORE, "line": "line-1", "kind": "xbar-r"}
    page |= {"subgroup_size": 5, "rule_set": "nelson"}
    for wrong, field in IMPOSSIBLE:
        answer = await laboratory.post("/quality/charts", page | wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), wrong


async def test_limits_are_decided_by_the_quality_manager_and_whole(laboratory: Laboratory) -> None:
    chart = await decided(laboratory, "xbar-r", 5, "nelson", 74.0, 0.02)
    path = f"/quality/charts/{chart}/limits"
    given = {"centre": 74.0, "mean_range": 0.02, "reason": "x"}
    assert (await laboratory.post(path, given, "quality_inspector")).status_code == 403
    time = {"name": "x", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    for body, field in (
        ({"centre": 74.0, "reason": "x"}, "mean_range"),
        ({"reason": "x"}, "body"),
        (given | {"baseline": time}, "body"),
        ({"baseline": time, "reason": "x"}, "to"),
    ):
        answer = await laboratory.post(path, body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), body
    assert (await laboratory.post("/quality/charts/none/limits", given)).status_code == 404
    wrong_size = await laboratory.post("/quality/checks", laboratory.measured(74.0), "operator")
    assert (wrong_size.status_code, wrong_size.json()["errors"][0]["field"]) == (422, "values")
    twice = {
        "id": "c2",
        "characteristic": BORE,
        "line": "line-1",
        "kind": "xbar-r",
        "subgroup_size": 5,
        "rule_set": "nelson",
    }
    assert (await laboratory.post("/quality/charts", twice)).status_code == 409
    too_few = await laboratory.get(f"/quality/charts/{chart}/capability")
    assert (too_few.status_code, "0 checks" in too_few.text) == (409, True)
    listed = (await laboratory.get("/quality/charts", line="line-1")).json()["items"]
    assert [each["id"] for each in listed] == [chart]


async def test_rules_are_told_with_their_sources(laboratory: Laboratory) -> None:
    items = (await laboratory.get("/quality/rules")).json()["items"]
    assert [item["name"] for item in items] == [f"western-electric-{n}" for n in range(1, 5)] + [
        f"nelson-{n}" for n in range(1, 9)
    ]
    assert all("(19" in item["source"] for item in items)
