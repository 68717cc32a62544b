"""plant_check refuses a run that nobody records; the rest of it is in tests/repository/test_preflight.py."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.tests.unit.plugins.plants import Plant

CHECK = """
- name: Check
  kojo.plant.plant_check: {clock_skew_s: 5, disk_free_mb: 1, memory_mb: 1}
"""
REFUSED = "callbacks_enabled: the callback kojo.plant.audit is not loaded, so nothing records this run"


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def without_callback(plant: Plant) -> None:
    text = (plant.root / "ansible.cfg").read_text(encoding="utf-8")
    plant.write("ansible.cfg", text.replace("callbacks_enabled = kojo.plant.audit\n", ""))


def test_a_run_without_the_callback_is_refused(plant: Plant) -> None:
    without_callback(plant)
    run = plant.run(plant.playbook(CHECK))
    assert run.returncode == 2
    assert f"{plant.root}/ansible.cfg: {REFUSED}" in run.stdout
    assert "callback_plugins" in run.stdout
    assert "nothing was touched" in run.stdout
    assert not plant.journal.exists()


def test_a_run_with_the_callback_is_not(plant: Plant) -> None:
    """The plant of this test has other faults, all of its model: they are told, and this isn't among them."""
    run = plant.run(plant.playbook(CHECK))
    assert "plant_name: is missing" in run.stdout
    assert REFUSED not in run.stdout + run.stderr
    assert plant.events("ansible:failure") != []


def test_an_exempt_run_is_not_refused(plant: Plant) -> None:
    run = plant.run(plant.playbook(CHECK, "lab/play.yml"))
    assert "plant_name: is missing" in run.stdout
    assert REFUSED not in run.stdout + run.stderr
    assert not plant.journal.exists()


def test_the_callback_of_a_run_that_started_this_one_does_not_count(plant: Plant) -> None:
    """Its process, and its run's id, are inherited by what it starts."""
    without_callback(plant)
    run = plant.run(plant.playbook(CHECK), KOJO_AUDIT_LISTENS=str(os.getpid()), KOJO_AUDIT_RUN="another")
    assert run.returncode == 2
    assert REFUSED in run.stdout


@pytest.mark.parametrize("how", ["option", "play", "environment"])
def test_best_effort_leaves_a_warning(plant: Plant, how: str) -> None:
    without_callback(plant)
    header = "vars: {kojo_audit: best_effort}\n" if how == "play" else ""
    options = ["-e", json.dumps({"kojo_audit": "best_effort"})] if how == "option" else []
    variables = {"KOJO_AUDIT": "best_effort"} if how == "environment" else {}
    run = plant.run(plant.playbook(CHECK, header=header), *options, **variables)
    assert "plant_name: is missing" in run.stdout
    assert REFUSED not in run.stdout
    assert "is not loaded, so nothing records this run" in " ".join(run.stderr.split())


def test_no_third_word_lets_it_through(plant: Plant) -> None:
    without_callback(plant)
    assert REFUSED in plant.run(plant.playbook(CHECK), "-e", "kojo_audit=off").stdout


@pytest.mark.parametrize(("given", "refused"), [({}, True), ({"pki_authority_directory": "/srv/pki"}, False)])
def test_a_job_of_awx_needs_an_authority_that_outlives_it(plant: Plant, given: dict[str, str], refused: bool) -> None:
    variables = {"awx_job_id": 7, "kojo_audit_directory": str(plant.journal)} | given
    run = plant.run(plant.playbook(CHECK), "-e", json.dumps(variables))
    assert ("pki_authority_directory: the plant's authority would be gone" in run.stdout) is refused
