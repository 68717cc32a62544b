"""A release comes, goes back, is cut, is refused: nobody notices, and all of it is on record."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from testinfra.host import Host

from tests.awx import USER
from tests.bluegreen.conftest import SHORT
from tests.bluegreen.desk import Desk
from tests.bluegreen.releases import Made, Releaser
from tests.bluegreen.runs import Runs
from tests.bluegreen.standing import links, notices, traffic, version
from tests.plant.edges import OTHER, decision
from tests.plant.inventory import ROOT, Plant
from tests.wait import eventually

RELEASES, CLAIM = "/opt/kojo-mes/releases", "/opt/kojo-mes/under-way"
# every answer of a page fails, or those after a process' first thirty: what no test before the plant has seen
PAGE, BEGIN = "src/kojo_mes/lines/endpoints.py", "    database: Database ="
FAILS = '    raise RuntimeError("a test")\n'
COUNTS = '    request.app.state.asked = getattr(request.app.state, "asked", 0) + 1\n'
BROKEN = {PAGE: (BEGIN, f"{FAILS}{BEGIN}")}
BREAKING = {PAGE: (BEGIN, f"{COUNTS}    if request.app.state.asked > 30:\n    {FAILS}{BEGIN}")}
# a migration that adds, after the newest one of this repository
STEPS = "src/kojo_mes/migrations/versions"
SCHEMA = max(path.name for path in (ROOT / "service" / STEPS).glob("[0-9]*.py"))[:4]
NEXT_SCHEMA = f"{int(SCHEMA) + 1:04}"
ADDS = {
    f"{STEPS}/{NEXT_SCHEMA}_of_a_test.py": (
        "",
        f'''"""What a test adds."""

from alembic import op

revision = "{NEXT_SCHEMA}"
down_revision = "{SCHEMA}"
phase = "expand"


def upgrade() -> None:
    op.execute("CREATE TABLE mes.of_a_test (id bigint PRIMARY KEY)")


def downgrade() -> None:
    op.execute("DROP TABLE mes.of_a_test")
''',
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
)
IN_ITS_WATCH = CUTS[3]

Ssh = Callable[[str], Host]


@pytest.fixture(scope="module")
def first(releaser: Releaser) -> Made:
    return releaser.make("0.2.0")


@pytest.fixture(scope="module")
def second(releaser: Releaser) -> Made:
    return releaser.make("0.3.0", ADDS)


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
    assert not host(plant.groups["app"][0]).file(CLAIM).exists


def test_what_somebody_else_signed_is_refused(
    runs: Runs, desk: Desk, first: Made, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Releaser(tmp_path_factory.mktemp("stranger"))
    forged = stranger.make("0.2.0")
    refused = runs.deploy(forged, desk.approved(forged.digest))
    assert refused.code != 0
    assert "plant_release_signers" in refused.output, refused.output[-3000:]


def test_check_mode_says_which_colour_version_migrations_and_map(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, second: Made
) -> None:
    before = decision(plant, host), links(plant, host)
    idle = OTHER[before[0]["active"]]
    told = runs.deploy(second, desk.approved(second.digest), "--check", "--diff")
    assert told.code == 0, told.output[-3000:]
    assert f"/opt/kojo-mes/{idle}" in told.output
    assert second.name in told.output
    assert f"schema {SCHEMA} → {NEXT_SCHEMA}" in told.output
    assert f"+active {idle}" in told.output
    assert (decision(plant, host), links(plant, host)) == before
    assert not host(plant.groups["app"][0]).file(CLAIM).exists


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
        assert notices(plant, change) == {"ReleaseServes"}
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
    assert "ReleaseTakenBack" in notices(plant, change)


def test_what_was_taken_back_needs_another_change(plant: Plant, host: Ssh, runs: Runs, first: Made) -> None:
    record = json.loads(host(plant.groups["app"][0]).check_output("cat /opt/kojo-mes/deployment.json"))
    refused = runs.deploy(first, record["change"])
    assert refused.code != 0
    assert "another change" in refused.output


def test_of_two_changes_that_begin_at_once_one_is_refused(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, first: Made
) -> None:
    """The other one claims the plant after this one has seen that nobody did."""
    app = host(plant.groups["app"][0])
    before = decision(plant, host), links(plant, host)

    def claim() -> None:
        app.check_output(f"ln -sT C-other {CLAIM}")

    task = "change : Take only what somebody who may has released"
    refused = runs.deploy(first, desk.approved(first.digest), until=task, then=claim)
    app.check_output(f"rm {CLAIM}")
    assert refused.code != 0
    assert "the change C-other is under way" in refused.output, refused.output[-3000:]
    assert (decision(plant, host), links(plant, host)) == before


def test_a_change_that_was_cut_before_anything_was_done_is_let_go(plant: Plant, host: Ssh, runs: Runs) -> None:
    """It has claimed the plant, and nothing else is there of it."""
    app, change = host(plant.groups["app"][0]), f"C-{uuid.uuid4()}"
    before = decision(plant, host), links(plant, host)
    app.check_output(f"ln -sT {change} {CLAIM}")
    back = runs.rollback()
    assert back.code == 0, back.output[-3000:]
    assert not app.file(CLAIM).exists
    (told,) = journal(plant, change)
    assert (told["action"], told["reason"]) == ("change:return", "cut before anything of it was done")
    again = runs.rollback()
    assert (again.code, again.changed) == (0, 0), again.output[-3000:]
    assert (decision(plant, host), links(plant, host)) == before


def test_a_deploy_goes_on_wherever_it_was_cut(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, first: Made, second: Made
) -> None:
    app, before = host(plant.groups["app"][0]), decision(plant, host)["active"]
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
        # whoever runs it: the last one is a job of AWX
        whole = runs.deploy_by_awx(second, change)
        assert whole.code == 0, whole.output[-5000:]
        assert (version(plant), decision(plant, host)["active"]) == ("0.3.0", OTHER[before])
        assert f"schema {NEXT_SCHEMA}" in whole.output
        assert links(plant, host)["current"] == OTHER[before]
        assert runs.deploy(second, change).changed == 0
        # all is done, but the claim is still there
        app.check_output(f"ln -sT {change} {CLAIM}")
        assert runs.deploy(second, change).code == 0
        assert not app.file(CLAIM).exists
    assert seen.failed == []
    (finished,) = [event for event in journal(plant, change) if event["action"] == "change:finish"]
    assert finished["actor"]["id"] == USER


def test_a_release_that_fails_when_it_is_tried_gets_no_request(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, releaser: Releaser
) -> None:
    before = decision(plant, host)
    broken = releaser.make("0.4.0", BROKEN)
    change = desk.approved(broken.digest)
    with traffic(plant) as seen:
        tried = runs.deploy(broken, change)
        assert tried.code != 0
        assert f"{OTHER[before['active']]} was not switched to: " in tried.output, tried.output[-3000:]
        assert "/api/v1/lines answered 500" in tried.output
        back = runs.rollback()
        assert back.code == 0, back.output[-5000:]
    assert seen.failed == []
    assert decision(plant, host) == before
    told = [event["action"] for event in journal(plant, change)]
    assert told == ["change:use", "change:stop", "change:return"]


def test_a_release_that_begins_to_fail_is_taken_back_by_itself(
    plant: Plant, host: Ssh, desk: Desk, runs: Runs, releaser: Releaser
) -> None:
    before, served = decision(plant, host)["active"], version(plant)
    breaking = releaser.make("0.4.1", BREAKING)
    change = desk.approved(breaking.digest)
    with traffic(plant) as seen:
        taken_back = runs.deploy(breaking, change)
    assert taken_back.code != 0
    assert "did not pass" in taken_back.output, taken_back.output[-3000:]
    assert (decision(plant, host)["active"], links(plant, host)["current"]) == (before, before)
    assert version(plant) == served
    # it was seen failing, but not for long
    assert 0 < len(seen.failed) < seen.answered
    (told,) = [event for event in journal(plant, change) if event["action"] == "change:return"]
    assert told["new"]["evidence"][-1]["verdict"] == "worse"


@pytest.mark.skipif(SHORT, reason="takes a minute: make bluegreen-test")
def test_edges_that_were_all_rebuilt_send_to_what_serves(plant: Plant, host: Ssh, runs: Runs) -> None:
    before, served = decision(plant, host)["active"], version(plant)
    assert before != "blue", "where nothing is known, blue serves"

    def answered() -> str:
        try:
            return version(plant)
        except httpx.HTTPError as error:
            return repr(error)

    for name in plant.groups["edge"]:
        host(name).check_output("systemctl stop kojo-bluegreen haproxy")
        host(name).check_output("rm -r /etc/haproxy/maps /var/lib/kojo-bluegreen/*")
    again = runs.converge("--tags", "kojo_mes,haproxy,bluegreen")
    assert again.code == 0, again.output[-3000:]
    assert decision(plant, host)["active"] == before
    eventually(answered, served.__eq__, 30)


def test_the_journal_of_it_is_whole(plant: Plant) -> None:
    verify = ["ansible", plant.groups["monitoring"][0], "-i", str(plant.folder), "-m", "kojo.plant.audit_verify"]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
