"""Playbooks as AWX runs them, on a plant that has no hosts yet. On a live one: tests/bluegreen/test_deploy.py."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.awx import USER, Job
from tests.plant.inventory import ROOT
from tools.secrets import main as make_secrets


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("secrets.yml", ".state")
    shutil.copytree(ROOT / "inventories/plant_b", tmp_path / "works", ignore=ignored)
    make_secrets([str(tmp_path / "works")])
    return tmp_path / "works"


def run(tmp_path: Path, inventory: Path, playbook: str, *options: str, **variables: Any) -> tuple[int, str]:
    job = Job(tmp_path / "job", inventory, variables)
    command = job.command(playbook, *options)
    done = subprocess.run(command, env=job.environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_job_reaches_the_plant_and_is_on_record_as_its_users(tmp_path: Path, inventory: Path) -> None:
    lasting = {"kojo_audit_directory": str(tmp_path / "journal"), "pki_authority_directory": str(tmp_path / "pki")}
    code, output = run(tmp_path, inventory, "preflight", "-e", "preflight_hosts=false", **lasting)
    assert code == 0, output
    assert "no hosts matched" not in output
    assert output.split("PLAY RECAP")[1].count("ok=") == 3
    (journal,) = (tmp_path / "journal").glob("*.jsonl")
    assert f'"actor":{{"id":"{USER}","kind":"person","name":"Jiro Tanaka"' in journal.read_text(encoding="utf-8")


def test_a_job_whose_folders_are_not_mounted_does_not_begin(tmp_path: Path, inventory: Path) -> None:
    code, output = run(tmp_path, inventory, "deploy")
    assert code != 0
    assert "it would be gone with this AWX job; set kojo_audit_directory" in output
    assert "TASK" not in output


def test_a_job_without_an_inventory_fails(tmp_path: Path, inventory: Path) -> None:
    job = Job(tmp_path / "job", inventory, {})
    (tmp_path / "job/inventory/hosts").write_text("#! /usr/bin/env python3\nprint('')\n", encoding="utf-8")
    command = job.command("preflight")
    assert subprocess.run(command, env=job.environment(), capture_output=True, check=False).returncode != 0
