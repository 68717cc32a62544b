"""A release comes, goes back, is cut, is refused: nobody notices, and all of it is on record."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

from tests.bluegreen.conftest import SHORT
from tests.bluegreen.desk import Desk
from tests.bluegreen.releases import Made, Releaser
from tests.bluegreen.runs import Runs
from tests.bluegreen.standing import decision, links, traffic, version
from tests.plant.inventory import Plant

OTHER = {"blue": "green", "green": "blue"}
RELEASES = "/opt/kojo-mes/releases"
# every answer of this page fails: what no test before the plant has seen
BROKEN = {
    "src/kojo_mes/lines/endpoints.py": (
        "    database: Database =",
        '    raise RuntimeError("a test")\n    database: Database =',
    )
}
# at the beginning of which the run is killed, one after the other; each time the same command goes on
CUTS = (
    "kojo_mes : Install the wheels",
    "kojo_mes : Give the idle colour its release",
    "kojo_mes : Wait until it can store",
    "switchover : Watch it",
    "switchover : Wait for the old colour",
    "kojo_mes : Point the colours",
    "change : Let the plant go",
)
IN_ITS_WATCH = CUTS[3]

Ssh = Callable[[str], Host]


@pytest.fixture(scope="module")
def first(releaser: Releaser) -> Made:
    return releaser.make("0.2.0")


@pytest.fixture(scope="module")
def second(releaser: Releaser) -> Made:
    return releaser.make("0.3.0")


def journal(plant: Plant, change: str) -> list[dict[str, Any]]:
    """The events that the plant's journal has of a change."""
    files = sorted((plant.folder / ".state/journal").glob("*.jsonl"))
    records = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    events = [record["event"] for record in records]
    return [event for event in events if event["record"]["type"] == "change" and event["record"]["id"] == change]


def test_what_is_not_approved_for_this_artefact_is_refused(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, first: Made
) -> None:
    before = decision(plant, host), links(plant, host)
    waiting = desk.submitted(first.digest)
    desk.approve(waiting, "manufacturing_lead")
    alone = runs.deploy(first, waiting)
    assert alone.code != 0
    assert "signed by" in alone.output or "submitted, not approved" in alone.output, alone.output[-3000:]
    another = runs.deploy(first, desk.approved("0" * 64))
    assert another.code != 0
    assert "it is for the artefact" in another.output, another.output[-3000:]
    assert (decision(plant, host), links(plant, host)) == before
    assert not host(plant.groups["app"][0]).file("/opt/kojo-mes/under-way").exists


def test_what_somebody_else_signed_is_refused(
    runs: Runs, desk: Desk, first: Made, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Releaser(tmp_path_factory.mktemp("stranger"))
    forged = stranger.make("0.2.0")
    refused = runs.deploy(forged, desk.approved(forged.digest))
    assert refused.code != 0
    assert "plant_release_signers" in refused.output, refused.output[-3000:]


def test_check_mode_says_which_colour_version_and_map(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, first: Made
) -> None:
    before = decision(plant, host), links(plant, host)
    idle = OTHER[before[0]["active"]]
    told = runs.deploy(first, desk.approved(first.digest), "--check", "--diff")
    assert told.code == 0, told.output[-3000:]
    assert f"/opt/kojo-mes/{idle}" in told.output
    assert first.name in told.output
    assert f"+active {idle}" in told.output
    assert (decision(plant, host), links(plant, host)) == before
    assert not host(plant.groups["app"][0]).file("/opt/kojo-mes/under-way").exists


def test_a_release_comes_and_goes_back_and_no_request_fails(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, first: Made
) -> None:
    before = decision(plant, host)["active"]
    released = links(plant, host)[before]
    change = desk.approved(first.digest)
    with traffic(plant) as seen:
        deployed = runs.deploy(first, change)
        assert deployed.code == 0, deployed.output[-5000:]
        assert version(plant) == "0.2.0"
        assert decision(plant, host)["active"] == OTHER[before]
        assert links(plant, host) == {
            before: released,
            OTHER[before]: f"{RELEASES}/{first.name}",
            "current": OTHER[before],
        }
        again = runs.deploy(first, change)
        assert (again.code, again.changed) == (0, 0), again.output[-5000:]
        back = runs.rollback()
        assert back.code == 0, back.output[-5000:]
        assert version(plant) != "0.2.0"
        assert (decision(plant, host)["active"], links(plant, host)["current"]) == (before, before)
        back = runs.rollback()
        assert (back.code, back.changed) == (0, 0), back.output[-5000:]
    assert seen.failed == []
    assert seen.answered > 500
    told = [event["action"] for event in journal(plant, change)]
    assert told == ["change:use", "change:finish", "change:return"]


def test_what_was_taken_back_needs_another_change(plant: Plant, host: Ssh, runs: Runs, first: Made) -> None:
    record = json.loads(host(plant.groups["app"][0]).check_output("cat /opt/kojo-mes/deployment.json"))
    refused = runs.deploy(first, record["change"])
    assert refused.code != 0
    assert "another change" in refused.output


def test_a_deploy_goes_on_wherever_it_was_cut(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, first: Made, second: Made
) -> None:
    before = decision(plant, host)["active"]
    change = desk.approved(second.digest)
    with traffic(plant) as seen:
        for task in [IN_ITS_WATCH] if SHORT else CUTS:
            cut = runs.deploy(second, change, until=task)
            assert cut.code == -9, f"{task}: {cut.output[-3000:]}"
            decision(plant, host)  # the edges agree, whatever was decided
            if task == IN_ITS_WATCH:
                other = runs.deploy(first, desk.approved(first.digest))
                assert other.code != 0
                assert f"the change {change} is under way" in other.output, other.output[-3000:]
        whole = runs.deploy(second, change)
        assert whole.code == 0, whole.output[-5000:]
        assert (version(plant), decision(plant, host)["active"]) == ("0.3.0", OTHER[before])
        assert links(plant, host)["current"] == OTHER[before]
        assert runs.deploy(second, change).changed == 0
    assert seen.failed == []
    told = [event["action"] for event in journal(plant, change)]
    assert told.count("change:finish") == 1


def test_a_release_that_fails_is_taken_back_by_itself(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, releaser: Releaser
) -> None:
    before, served = decision(plant, host)["active"], version(plant)
    broken = releaser.make("0.4.0", BROKEN)
    change = desk.approved(broken.digest)
    with traffic(plant) as seen:
        taken_back = runs.deploy(broken, change)
    assert taken_back.code != 0
    assert "did not pass" in taken_back.output, taken_back.output[-3000:]
    assert (decision(plant, host)["active"], links(plant, host)["current"]) == (before, before)
    assert version(plant) == served
    # it was seen failing, but not for long
    assert 0 < len(seen.failed) < seen.answered
    (told,) = [event for event in journal(plant, change) if event["action"] == "change:return"]
    assert told["new"]["evidence"][-1]["verdict"] == "worse"


def test_the_journal_of_it_is_whole(plant: Plant) -> None:
    verify = ["ansible", plant.groups["monitoring"][0], "-i", str(plant.folder), "-m", "kojo.plant.audit_verify"]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
