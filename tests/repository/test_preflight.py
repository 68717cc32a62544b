"""preflight as a user meets it: a plant in a folder of its own, one run, every fault with its file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.secrets import main as make_secrets

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "inventories/plant_b", tmp_path / "works", ignore=shutil.ignore_patterns("secrets.yml", ".state")
    )
    make_secrets([str(tmp_path / "works")])
    return tmp_path / "works"


def preflight(plant: Path, *options: str) -> subprocess.CompletedProcess[str]:
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [playbook, "playbooks/preflight.yml", "-i", str(plant), *options]
    environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_sound_model_needs_no_host(plant: Path) -> None:
    run = preflight(plant, "-e", "preflight_hosts=false")
    assert run.returncode == 0, run.stdout + run.stderr


def test_all_faults_of_model_and_hosts_come_in_one_run(plant: Path) -> None:
    page, secrets = plant / "group_vars/all/plant.yml", plant / "group_vars/all/secrets.yml"
    replace(page, "plant_language: en", "plant_langage: en")
    replace(page, "plant_domain: plant-b.internal", 'plant_domain: "{{ nowhere }}"')
    replace(page, "to: app,", "to: apps,")
    replace(secrets, "  metrics_password:", "  metrics_pasword:")
    replace(plant / "hosts.yml", "10.78.0.13", "10.78.0.12")
    (plant / "host_vars").mkdir()
    (plant / "host_vars/north.yml").write_text("plant_idd: typo\n", encoding="utf-8")

    # a command instead of a connection: the hosts are gone at once
    run = preflight(plant, "-e", "ansible_ssh_common_args='-o ProxyCommand=false'")

    assert run.returncode == 2
    for expected in (
        f"{page}: plant_langage: is an unknown key; did you mean plant_language?",
        f"{page}: plant_language: is missing; add one of ja, en",
        f"{page}: plant_domain: cannot be computed: 'nowhere' is undefined",
        f"{page}: plant_conduits[6].to: 'apps' is not a group; did you mean app?",
        f"{plant}/host_vars/north.yml: plant_idd: is an unknown key; did you mean plant_id?",
        f"{secrets}: plant_secrets.metrics_password: is missing; run `make secrets",
        f"{secrets}: plant_secrets.metrics_pasword: is an unknown key; did you mean metrics_password?",
        f"{plant}/hosts.yml: south.ansible_host: 10.78.0.12 is the address of middle too",
        *(f"{plant}/hosts.yml: {host}: cannot be reached: " for host in ("north", "middle", "south")),
    ):
        assert expected in run.stdout, run.stdout + run.stderr
    assert "12 faults; nothing was touched" in run.stdout
