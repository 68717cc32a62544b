"""The shop floor through the virtual address: what the lines' readings say becomes states, counts and OEE."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from testinfra.host import Host

from tests.plant.inventory import Plant, load_plant, under_test
from tests.wait import eventually

SCRAPE = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
context.load_cert_chain("/etc/kojo/pki/host.crt", "/etc/kojo/pki/host.key")
print(urllib.request.urlopen(sys.argv[1], context=context, timeout=10).read().decode())
"""
LINES = [str(line["id"]) for line in load_plant(under_test()).vars["plant_lines"]]
COUNTED = 5 * 60 + 90  # seconds: a count is of five minutes, and is made when all that tells of it must have come


def ask(session: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = session.get(f"/api/v1{path}", params=query)
    return dict(answer.json()) if answer.is_success else {"refused": answer.text}


def lately(minutes: float) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"from": (now - timedelta(minutes=minutes)).isoformat(), "to": now.isoformat()}


@pytest.mark.parametrize("line", LINES)
def test_the_calendar_has_a_shift_for_each_line(plant: Plant, session: httpx.Client, line: str) -> None:
    """As the plant's page has them, weeks ahead."""
    names = {shift["name"] for shift in plant.vars["plant_shifts"] if line in shift.get("lines", LINES)}
    now = datetime.now(UTC)
    ahead = {"from": now.isoformat(), "to": (now + timedelta(days=14)).isoformat()}

    def planned() -> set[str]:
        shifts = ask(session, "/shifts", line=line, **ahead, limit=1000).get("items", [])
        return {shift["name"] for shift in shifts}

    eventually(planned, names.issubset, 90, f"the page's shifts of {line}", pause=2)


@pytest.mark.parametrize("line", LINES)
def test_a_lines_state_follows_its_readings(session: httpx.Client, line: str) -> None:
    def present() -> dict[str, Any]:
        states = ask(session, f"/lines/{line}/states", **lately(1)).get("items") or [{}]
        return dict(states[-1])

    def known(state: dict[str, Any]) -> bool:
        return state.get("source") == "signals" and state["state"] in ("running", "unplanned_stop")

    assert eventually(present, known, 120, f"what {line} does", pause=2)["ended_at"] is None


@pytest.mark.parametrize("line", LINES)
def test_oee_has_its_inputs(session: httpx.Client, line: str) -> None:
    """Of the last time that was counted whole; after a fault the next count has to come."""

    def figure() -> dict[str, Any]:
        counts = ask(session, f"/lines/{line}/counts", **lately(15), limit=1000).get("items") or [None]
        if (last := counts[-1]) is None:
            return {"refused": "nothing is counted"}
        return ask(session, "/oee", line=line, **{"from": last["from"], "to": last["to"]})

    found = eventually(figure, lambda found: "oee" in found, COUNTED, f"OEE of {line}", pause=5)
    assert 0 < found["availability"] <= 1
    assert 0.5 < found["effectiveness"] < 1.2
    assert 0.7 < found["quality_ratio"] <= 1
    assert found["good"] > 0


def test_energy_of_a_good_unit(plant: Plant, session: httpx.Client) -> None:
    metered = [
        str(line["id"])
        for line in plant.vars["plant_lines"]
        if any(item.get("energy_meter") for item in line["equipment"])
    ]
    if not metered:
        pytest.skip("no line has a meter")

    def figure() -> dict[str, Any]:
        counts = ask(session, f"/lines/{metered[0]}/counts", **lately(15), limit=1000).get("items") or [None]
        if (last := counts[-1]) is None:
            return {"refused": "nothing is counted"}
        return ask(session, "/series/energy", line=metered[0], **{"from": last["from"], "to": last["to"]})

    found = eventually(figure, lambda found: "kwh" in found, COUNTED, "energy of a good unit", pause=5)
    assert found["kwh_per_good_unit"] > 0


def test_the_line_monitor_says_who_is_scheduled(plant: Plant, host: Callable[[str], Host]) -> None:
    """Of each line, wherever the calendar speaks of now."""
    name = plant.groups["gateway"][0]
    scrape = shlex.join(["python3", "-c", SCRAPE, f"https://{plant.address(name)}:9090/metrics"])

    def scheduled() -> set[str]:
        text = host(name).check_output(scrape)
        return {line for line in LINES if f'production_line_scheduled{{line="{line}"}} ' in text}

    eventually(scheduled, lambda found: found == set(LINES), 90, "lines whose calendar speaks", pause=2)


def test_the_running_shift_answers_or_says_what_is_missing(session: httpx.Client) -> None:
    """On a plant that is younger than the shift, its first hours are missing, and named."""
    # what a session may is remembered for seconds
    answer = eventually(
        lambda: session.get("/api/v1/oee/running", params={"line": LINES[0]}),
        lambda answer: answer.status_code in (200, 409),
        15,
    )
    if answer.status_code == 409:
        assert {error["field"] for error in answer.json()["errors"]} <= {"shift", "line_state", "production_count"}
    else:
        assert 0 <= answer.json()["availability"] <= 1
